"""
Step 7, spool: rows become lines on disk before anyone is told they are safe.

What a segment is, and how it is recovered, is in `pipeline.segment`.

Invariants
----------
- `append` returns after `fdatasync`: one call for all that arrived while the last
  one ran (group commit), in a thread, never on the event loop.
- A failed write leaves no part of a line behind: the file is cut back to the last
  synced byte, the callers get `SpoolError`, and the next append tries again.
- What waits in memory, `open/` and `sealed/` is bounded by `max_bytes`, which only
  the request that reaches it may overstep; from there on appends are refused,
  nothing is dropped.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import orjson

from pipeline.segment import Segment, make_folders, waiting_bytes
from schemas.row import ConsentRow, CountRow, Row

_MEASURE_EVERY_S = 1.0
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


class _Line(msgspec.Struct, frozen=True):
    """An encoded row; a counter's text lacks its last value, the number."""

    table: str
    text: bytes
    number: int


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
        self._segments: dict[str, Segment] = {}
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

    async def append(self, rows: Sequence[Row | CountRow | ConsentRow]) -> None:
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
            self._segments[table] = Segment(self._root, table, self._headers[table])
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


def _encode(row: Row | CountRow | ConsentRow) -> _Line:
    if isinstance(row, CountRow):
        *key, number = msgspec.structs.astuple(row)
        return _Line("counts", orjson.dumps(key)[:-1], number)
    table = "events" if isinstance(row, Row) else "consents"
    return _Line(table, orjson.dumps(msgspec.structs.astuple(row)), 0)


def _merge(group: Iterable[list[_Line]]) -> dict[str, bytes]:
    """Join a group's lines by table; equal counters become one line."""
    joined: dict[str, list[bytes]] = defaultdict(list)
    counters: dict[bytes, int] = defaultdict(int)
    for line in itertools.chain.from_iterable(group):
        if line.table == "counts":
            counters[line.text] += line.number
        else:
            joined[line.table].append(line.text + b"\n")
    for key, number in counters.items():
        joined["counts"].append(key + b",%d]\n" % number)
    return {table: b"".join(lines) for table, lines in joined.items()}


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
