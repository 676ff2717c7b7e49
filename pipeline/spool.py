"""
Step 7, spool: rows become lines on disk before anyone is told they are safe.

Design
------
A *segment* is a file of lines in ClickHouse's JSONCompactEachRowWithNamesAndTypes:
two header lines (column names, column types), then a line a row. Its bytes are the
body of one insert; its name is `<table>-<UUIDv7>.ndjson`, and that id is the
insert's deduplication token. States are folders, changed by rename alone:

    open/ -> sealed/ -> loaded/ (kept briefly, then purged)
                     -> failed/ (the engine refused it; a person must look)

Invariants
----------
- `append` returns after `fdatasync`: one call for all that arrived while the last
  one ran (group commit), in a thread, never on the event loop.
- A segment has one writer, which holds an exclusive `flock` on it. A file in
  `open/` that nobody locks belongs to a process that died: `recover` cuts a torn
  last line and seals it. The cut line was never acknowledged.
- A failed write leaves no part of a line behind: the file is cut back to the last
  synced byte, the callers get `SpoolError`, and the next append tries again.
- Files are 0600, folders 0700. What waits in memory, `open/` and `sealed/` is bounded
  by `max_bytes`, which only the request that reaches it may overstep; from there on
  appends are refused, nothing is dropped.
"""

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import orjson

from pipeline.clock import now_ms
from pipeline.ids import uuid7
from schemas.row import CountRow, Row

STATES = ("open", "sealed", "loaded", "failed")
SUFFIX = ".ndjson"
_MEASURE_EVERY_S = 1.0
# A draft older than this was left by a crash.
_DRAFT_S = 60.0
_log = logging.getLogger("kastana.spool")


class SpoolError(Exception):
    """The rows could not be made durable; `full` if for want of room."""

    def __init__(self, message: str, *, full: bool) -> None:
        super().__init__(message)
        self.full = full


class Limits(msgspec.Struct, frozen=True):
    """When a segment is sealed, and how much may wait."""

    seal_bytes: int
    seal_seconds: float
    max_bytes: int


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


class _Line(msgspec.Struct, frozen=True):
    """An encoded row; a counter's text lacks its last value, the number."""

    table: str
    text: bytes
    number: int


class _Segment:
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


class Spool:
    """One process's end of the spool; use as `async with Spool.running(…)`."""

    def __init__(
        self, root: Path, headers: Mapping[str, bytes], limits: Limits
    ) -> None:
        """
        Prepare the folders; `running` starts the committing.

        Args:
            root: the spool's folder.
            headers: the header lines of each table's segments.
            limits: sizes and ages.

        """
        make_folders(root)
        self._root = root
        self._headers = headers
        self._limits = limits
        self._segments: dict[str, _Segment] = {}
        self._pending: list[tuple[list[_Line], asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._arrived = asyncio.Event()
        self._closing = False
        self._committer: asyncio.Task[None] | None = None
        self._waiting = waiting_bytes(root)
        self._measured = time.monotonic()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls, root: Path, headers: Mapping[str, bytes], limits: Limits
    ) -> AsyncIterator["Spool"]:
        """Run the committer; on leaving, commit what waits and seal everything."""
        spool = cls(root, headers, limits)
        committer = asyncio.create_task(spool._commit_for_ever())
        spool._committer = committer
        try:
            yield spool
        finally:
            spool._closing = True
            spool._arrived.set()
            await committer

    @property
    def full(self) -> bool:
        """True when the bound is reached and appends are refused."""
        return self._waiting + self._pending_bytes >= self._limits.max_bytes

    async def append(self, rows: Sequence[Row | CountRow]) -> None:
        """
        Return when the rows are on disk.

        Raises:
            SpoolError: when they are not. Of rows for two tables one table's may
                have been kept: a sender that repeats them repeats their ids.

        """
        if self.full:
            message = "the spool has reached its bound"
            raise SpoolError(message, full=True)
        if self._closing or self._committer is None or self._committer.done():
            message = "the spool is not running"
            raise SpoolError(message, full=False)
        lines = [_encode(row) for row in rows]
        done = asyncio.get_running_loop().create_future()
        self._pending.append((lines, done))
        self._pending_bytes += _size(lines)
        self._arrived.set()
        await done

    async def _commit_for_ever(self) -> None:
        group: list[tuple[list[_Line], asyncio.Future[None]]] = []
        try:
            while not (self._closing and not self._pending):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), self._pause())
                self._arrived.clear()
                group, self._pending = self._pending, []
                problems = await asyncio.to_thread(
                    self._commit, [lines for lines, _ in group]
                )
                self._pending_bytes -= sum(_size(lines) for lines, _ in group)
                _answer(group, problems)
            await asyncio.to_thread(self._seal_all)
        finally:
            # Nobody is left waiting for a committer that is gone.
            for _, done in [*group, *self._pending]:
                if not done.done():
                    done.set_exception(SpoolError("the spool stopped", full=False))

    def _pause(self) -> float:
        """Return the seconds until there is something to do without a caller."""
        ages = [time.monotonic() - segment.born for segment in self._segments.values()]
        pause = max(0.0, self._limits.seal_seconds - max(ages, default=0.0))
        # At the bound nobody calls; whether the loader has made room is looked up.
        return min(pause, _MEASURE_EVERY_S) if self.full else pause

    def _commit(self, group: Iterable[list[_Line]]) -> dict[str, SpoolError]:
        """Make a group durable; return what went wrong, by table."""
        problems: dict[str, SpoolError] = {}
        for table, lines in _merge(group).items():
            try:
                self._append(table, lines)
                self._waiting += len(lines)
            except OSError as error:
                message = f"writing the spool failed: {error.strerror}"
                problems[table] = SpoolError(message, full=False)
        self._seal_due()
        if time.monotonic() - self._measured > _MEASURE_EVERY_S:
            self._measured = time.monotonic()
            self._measure()
        return problems

    def _measure(self) -> None:
        try:
            self._waiting = waiting_bytes(self._root)
        except OSError as error:
            _log.warning("the spool was not measured: %s", error.strerror)

    def _append(self, table: str, lines: bytes) -> None:
        if table not in self._segments:
            self._segments[table] = _Segment(self._root, table, self._headers[table])
        try:
            self._segments[table].append(lines)
        except OSError:
            # After an error of the disk this file is not written to again: what
            # it holds is whole, and `recover` hands it to the loader.
            self._segments.pop(table).release()
            raise

    def _seal_due(self) -> None:
        for table, segment in list(self._segments.items()):
            age = time.monotonic() - segment.born
            if (
                segment.size >= self._limits.seal_bytes
                or age >= self._limits.seal_seconds
            ):
                self._seal(table)

    def _seal_all(self) -> None:
        for table in list(self._segments):
            self._seal(table)

    def _seal(self, table: str) -> None:
        segment = self._segments.pop(table)
        try:
            segment.seal()
        except OSError as error:
            # Its rows are durable where they are, and `recover` hands them on.
            _log.warning("segment %s not sealed: %s", segment.name, error.strerror)


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


def _encode(row: Row | CountRow) -> _Line:
    if isinstance(row, Row):
        return _Line("events", orjson.dumps(msgspec.structs.astuple(row)), 0)
    *key, number = msgspec.structs.astuple(row)
    return _Line("counts", orjson.dumps(key)[:-1], number)


def _merge(group: Iterable[list[_Line]]) -> dict[str, bytes]:
    """Join a group's lines by table; equal counters become one line."""
    events: list[bytes] = []
    counters: dict[bytes, int] = defaultdict(int)
    for line in itertools.chain.from_iterable(group):
        if line.table == "events":
            events.append(line.text + b"\n")
        else:
            counters[line.text] += line.number
    counts = [key + b",%d]\n" % number for key, number in counters.items()]
    joined = {"events": b"".join(events), "counts": b"".join(counts)}
    return {table: lines for table, lines in joined.items() if lines}


def _size(lines: Iterable[_Line]) -> int:
    return sum(len(line.text) for line in lines)


def _answer(
    group: Iterable[tuple[list[_Line], asyncio.Future[None]]],
    problems: Mapping[str, SpoolError],
) -> None:
    """Tell each caller of a group if its rows are safe."""
    for lines, done in group:
        # A caller that went away does not wait for its answer any more.
        if done.done():
            continue
        tables = {line.table for line in lines} & problems.keys()
        if tables:
            done.set_exception(problems[tables.pop()])
        else:
            done.set_result(None)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
