"""
Step 7, segments: the files of the spool, from their first byte to their last state.

A *segment* is a file of lines in ClickHouse's JSONCompactEachRowWithNamesAndTypes:
two header lines (column names, column types), then a line a row. Its bytes are the
body of one insert; its name is `<table>-<UUIDv7>.ndjson`, and that id is the
insert's deduplication token. States are folders, changed by rename alone:

    open/ -> sealed/ -> loaded/ (kept briefly, then purged)
                     -> failed/ (the engine refused it; a person must look)

A segment has one writer, which holds an exclusive `flock` on it. A file in `open/`
that nobody locks belongs to a process that died: `recover` cuts a torn last line and
seals it. The cut line was never acknowledged. Files are 0600, folders 0700.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from pipeline.clock import now_ms
from pipeline.ids import uuid7

STATES = ("open", "sealed", "loaded", "failed")
SUFFIX = ".ndjson"
# A draft older than this was left by a crash.
_DRAFT_S = 60.0


def make_folders(root: Path) -> None:
    """Make the spool's folders, readable by their owner alone."""
    for state in STATES:
        (root / state).mkdir(mode=0o700, parents=True, exist_ok=True)


def waiting_bytes(root: Path) -> int:
    """Return how many bytes wait in open and sealed segments."""
    total = 0
    for state in ("open", "sealed"):
        with os.scandir(root / state) as entries:
            for entry in entries:
                # Sealed or loaded between listing and asking: no longer waiting.
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat().st_size
    return total


def header_bytes(names: Sequence[str], types: Sequence[str]) -> bytes:
    """Return a segment's two header lines."""
    return orjson.dumps(names) + b"\n" + orjson.dumps(types) + b"\n"


class Segment:
    """An open segment: a locked file that only this process appends to."""

    def __init__(self, root: Path, table: str, header: bytes) -> None:
        self.root = root
        self.name = f"{table}-{uuid7(now_ms())}{SUFFIX}"
        self.born = time.monotonic()
        # Made under another name and locked first: `recover` takes a file by its
        # real name only when its writer is gone.
        hidden = root / "open" / f".{self.name}"
        shown = root / "open" / self.name
        self._file = os.open(
            hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(self._file, header)
            hidden.rename(shown)
            sync_folder(root / "open")
        except OSError:
            os.close(self._file)
            hidden.unlink(missing_ok=True)
            shown.unlink(missing_ok=True)
            raise
        self.size = len(header)

    def append(self, lines: bytes) -> None:
        """Write and sync, or leave the file as it was and raise OSError."""
        try:
            _write_all(self._file, lines)
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(lines)

    def seal(self) -> None:
        """Hand the segment to the loader."""
        try:
            source = self.root / "open" / self.name
            source.rename(self.root / "sealed" / self.name)
            sync_folder(self.root / "sealed")
            sync_folder(self.root / "open")
        finally:
            self.release()

    def release(self) -> None:
        """Give up the lock: what is still in open/ is then `recover`'s."""
        os.close(self._file)


def recover(root: Path) -> list[str]:
    """
    Seal the open segments whose writer died; return their names.

    A torn last line is cut, never guessed; a segment without a row is removed.
    """
    recovered = []
    for path in sorted((root / "open").iterdir()):
        if path.name.startswith(".") and _is_fresh(path):
            continue
        descriptor = _lock_orphan(path)
        if descriptor is None:
            continue
        try:
            if path.name.startswith(".") or not _cut_torn_tail(descriptor):
                path.unlink()
                continue
            os.fsync(descriptor)
            path.rename(root / "sealed" / path.name)
            recovered.append(path.name)
        finally:
            os.close(descriptor)
    if recovered:
        sync_folder(root / "sealed")
        sync_folder(root / "open")
    return recovered


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_fresh(draft: Path) -> bool:
    """Say if a segment is perhaps just being made, and not locked yet."""
    try:
        return time.time() - draft.stat().st_mtime < _DRAFT_S
    except FileNotFoundError:
        return True


def _lock_orphan(path: Path) -> int | None:
    """Return the locked file, or None when it has a writer or is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Sealed between the listing and the lock: the name is another's now.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None


def _cut_torn_tail(descriptor: int) -> bool:
    """Cut what follows the last whole line; say if a row is left."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read()
    # After a power cut blocks that were never synced may read as zeros.
    hole = content.find(b"\0")
    end = content.rfind(b"\n", 0, hole if hole >= 0 else None) + 1
    if end != len(content):
        os.ftruncate(descriptor, end)
    return content.count(b"\n", 0, end) > 2  # noqa: PLR2004 - the header's two lines


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
