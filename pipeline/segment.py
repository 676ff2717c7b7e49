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

import fcntl
import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from pipeline.clock import now_ms
from pipeline.durable import make_private, replace_file, sync_folder, write_all
from pipeline.ids import uuid7
from pipeline.sealing import (
    PLAIN,
    Sealing,
    SegmentDamagedError,
    SegmentWaitsError,
)

STATES = ("open", "sealed", "loaded", "failed")
SUFFIX = ".ndjson"
# A draft older than this was left by a crash.
_DRAFT_S = 60.0


def make_folders(root: Path) -> None:
    """Make the spool's folders, readable by their owner alone."""
    for state in STATES:
        make_private(root / state)


def header_bytes(names: Sequence[str], types: Sequence[str]) -> bytes:
    """Return a segment's two header lines."""
    return orjson.dumps(names) + b"\n" + orjson.dumps(types) + b"\n"


def read_segment(path: Path, sealing: Sealing = PLAIN) -> bytes:
    """
    Return the insert that a segment is: its header lines and rows, in plain bytes.

    Raises:
        SegmentWaitsError: when it cannot be read yet, for want of its key or of a
            newer version of this program; it stays where it is.
        SegmentDamagedError: when it is not what was written.
        OSError: when the disk fails.

    """
    return sealing.open(_bound_name(path), path.read_bytes())


def replace_segment(
    path: Path,
    content: bytes,
    sealing: Sealing = PLAIN,
    *,
    draft: Path | None = None,
    like: os.stat_result | None = None,
) -> None:
    """
    Give a segment, which need not exist, other content; a crash leaves old or new.

    Args:
        path: the segment.
        content: plain bytes; encrypted here if there is a key.
        sealing: the keys.
        draft: where it is prepared; by default a hidden name beside it.
        like: whose times the file gets, if not the present ones.

    Raises:
        OSError: when the disk fails; the segment is as it was.

    """
    draft = draft or path.with_name(f".{path.name}.draft")
    replace_file(path, sealing.close(_bound_name(path), content), draft, like=like)


def rows_begin(body: bytes) -> int:
    """Return where a segment's rows begin; 0 if it has not even one header line."""
    first = body.find(b"\n") + 1
    return body.find(b"\n", first) + 1 if first else 0


def lines_of(body: bytes, start: int = 0) -> list[bytes]:
    """Return the lines of a segment from a place on, newlines included."""
    return list(_reader(body, start))


def count_lines(body: bytes, start: int = 0) -> int:
    """Return how many whole lines a segment has from a place on."""
    torn = len(body) > start and not body.endswith(b"\n")
    return sum(1 for _ in _reader(body, start)) - torn


def _reader(body: bytes, start: int) -> io.BytesIO:
    # It shares the bytes, and finds a line's end many bytes at a time: half of what
    # `count` costs, and a sixth of `splitlines`, which looks for other ends, too.
    reader = io.BytesIO(body)
    reader.seek(start)
    return reader


def _bound_name(path: Path) -> str:
    """Return the name that an encrypted segment is bound to: `<table>-<id>`."""
    return path.name.removesuffix(SUFFIX)


class Segment:
    """An open segment: a locked file that only this process appends to."""

    def __init__(
        self, root: Path, table: str, header: bytes, sealing: Sealing = PLAIN
    ) -> None:
        self.root = root
        self.name = f"{table}-{uuid7(now_ms())}{SUFFIX}"
        self.born = time.monotonic()
        self._path = root / "open" / self.name
        self._sealer = sealing.begin(_bound_name(self._path))
        begin = self._sealer.head + self._sealer.frame(header)
        # Made under another name and locked first: `recover` takes a file by its
        # real name only when its writer is gone.
        hidden = root / "open" / f".{self.name}"
        self._file = os.open(
            hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        try:
            # Whatever the umask is.
            os.fchmod(self._file, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_all(self._file, begin)
            hidden.rename(self._path)
            sync_folder(root / "open")
        except OSError:
            os.close(self._file)
            hidden.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            raise
        self.size = len(begin)
        self._empty = True
        self._synced = False

    def append(self, lines: bytes, *, sync: bool = True) -> int:
        """
        Write lines, and sync them with all before them; return the bytes it took.

        Raises:
            OSError: when that failed; the file is cut back to what it was, and is
                then good for `give_up` alone: after a failed sync nobody knows what
                of a file is on the disk.

        """
        content = self._sealer.frame(lines)
        try:
            write_all(self._file, content)
            if sync:
                os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self._synced = sync
        self._empty = False
        self.size += len(content)
        return len(content)

    def seal(self) -> None:
        """
        Sync what is not yet, and hand the segment to the loader.

        Raises:
            OSError: when that failed; its lines are left to `recover`.

        """
        try:
            if not self._synced:
                os.fdatasync(self._file)
            self._path.rename(self.root / "sealed" / self.name)
            sync_folder(self.root / "sealed")
            sync_folder(self.root / "open")
        finally:
            os.close(self._file)

    def give_up(self) -> None:
        """Write no more: what was appended is left to `recover`."""
        try:
            if self._empty:
                self._path.unlink(missing_ok=True)
        finally:
            os.close(self._file)


def recover(
    root: Path,
    sealing: Sealing = PLAIN,
    waits: Callable[[str, str], None] | None = None,
) -> list[str]:
    """
    Seal the open segments whose writer died; return their names.

    A torn last line, or frame, is cut, never guessed; a segment without a row is
    removed. One that was changed, not torn, is sealed as it is: its reader refuses it.

    Args:
        root: the spool's folder.
        sealing: the keys.
        waits: told name and code of each that cannot be read yet and stays open.

    Raises:
        OSError: when the disk fails at one of them; the others are sealed.

    """
    recovered = []
    failure: OSError | None = None
    for path in sorted((root / "open").iterdir()):
        try:
            if _recover_one(path, root, sealing):
                recovered.append(path.name)
        except SegmentWaitsError as error:
            if waits is not None:
                waits(path.name, error.code)
        except OSError as error:
            failure = error
    if recovered:
        sync_folder(root / "sealed")
        sync_folder(root / "open")
    if failure is not None:
        raise failure
    return recovered


def _recover_one(path: Path, root: Path, sealing: Sealing) -> bool:
    """Cut, seal or remove a segment; say if it is sealed now."""
    if path.name.startswith(".") and _is_fresh(path):
        return False
    descriptor = _lock_orphan(path)
    if descriptor is None:
        return False
    try:
        if path.name.startswith(".") or not _cut_torn_tail(path, descriptor, sealing):
            path.unlink()
            return False
        os.fsync(descriptor)
        path.rename(root / "sealed" / path.name)
        return True
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


def _cut_torn_tail(path: Path, descriptor: int, sealing: Sealing) -> bool:
    """Cut what follows the last whole line or frame; say if a row is left."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read()
    try:
        whole = sealing.whole(_bound_name(path), content)
    except SegmentDamagedError:
        return True
    end, lines = whole if whole is not None else _whole_lines(content)
    if end != len(content):
        os.ftruncate(descriptor, end)
    return lines.count(b"\n") > 2  # noqa: PLR2004 - the header's two lines


def _whole_lines(content: bytes) -> tuple[int, bytes]:
    """Return where the last whole line of a plain file ends, and all up to there."""
    # After a power cut blocks that were never synced may read as zeros.
    hole = content.find(b"\0")
    end = content.rfind(b"\n", 0, hole if hole >= 0 else None) + 1
    return end, content[:end]
