"""
Step 7, spool: the side of the disk. One thread owns it (`pipeline.spool` starts it).

A group of appends is committed in two parts. First come those whose class asks for no
sync (`write`, `memory`); who waits for them is told at once. Then those that ask for
`fsync`, with one `fdatasync` a table, which also covers all that was written before.

Invariants
----------
- Nobody is told that rows are safe before they are what their class promises.
- A write or sync that fails ends its segment: what was told of stays in it, for
  `recover`; the rest is cut off, and the next group begins another segment. It is
  the same whatever failed: ENOSPC, EDQUOT, EIO, EROFS.
- Rows of the class `memory` were told of before: when they cannot be written they
  stay in memory, within `max_bytes`, and are tried again.
"""

import errno
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from pipeline.sealing import PLAIN, Sealing
from pipeline.segment import Segment, make_folders
from pipeline.spool_lines import Line, join
from pipeline.spool_room import Limits, Room
from schemas.settings import Durability

_log = logging.getLogger("kastana.spool")

# How long rows in memory wait after they could not be written.
_AGAIN_S: Final = 1.0
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class SpoolError(Exception):
    """The rows could not be made durable; `full` if for want of room."""

    def __init__(self, message: str, *, full: bool) -> None:
        super().__init__(message)
        self.full = full


class Done(msgspec.Struct, gc=False):
    """
    What the writer did since it began, for metrics.

    Attributes:
        groups: commits.
        written_bytes: bytes appended to segments.
        syncs: appends that were synced.
        sync_seconds: time of those, with the write before each.
        failures: writes or syncs that failed.
        lost_rows: rows of the class `memory` that a stop found no room for.

    """

    groups: int = 0
    written_bytes: int = 0
    syncs: int = 0
    sync_seconds: float = 0.0
    failures: int = 0
    lost_rows: int = 0


Problems = Mapping[str, SpoolError]


class Writer:
    """Writes groups of lines into segments, and seals those that are due."""

    def __init__(
        self,
        root: Path,
        headers: Mapping[str, bytes],
        limits: Limits,
        sealing: Sealing = PLAIN,
    ) -> None:
        """
        Prepare the folders.

        Args:
            root: the spool's folder.
            headers: the header lines of each table's segments.
            limits: sizes and ages.
            sealing: the keys.

        """
        make_folders(root)
        self._root = root
        self._headers = headers
        self._limits = limits
        self._sealing = sealing
        self._segments: dict[str, Segment] = {}
        # Acknowledged rows that could not be written yet, by table.
        self._owed: dict[str, list[Line]] = {}
        self._owed_due = 0.0
        self.owed_bytes = 0
        self.room = Room(root, limits)
        self.done = Done()

    def commit(
        self,
        group: Mapping[Durability, Sequence[Sequence[Line]]],
        tell: Callable[[Durability, Problems], None],
    ) -> None:
        """
        Make a group what its classes promise, and tell.

        Args:
            group: the lines of each caller, by class.
            tell: called with a class once its rows are safe, and with what went
                wrong, by table; once for each class in the group.

        """
        self.done.groups += bool(group)
        self._owe(itertools.chain.from_iterable(group.get("memory", ())))
        if "write" in group or self._owed:
            problems = self._write(group.get("write", ()))
            if "write" in group:
                tell("write", problems)
        if "memory" in group:
            tell("memory", {})
        if "fsync" in group:
            tell("fsync", self._put(join(group["fsync"]), sync=True))
        self._seal_due()
        self.room.measure()

    def pause(self) -> float:
        """Return the seconds until there is something to do without a caller."""
        now = time.monotonic()
        ages = [now - segment.born for segment in self._segments.values()]
        due = max(0.0, self._limits.seal_seconds - max(ages, default=0.0))
        return min(due, self.room.due_s)

    def close(self) -> None:
        """Hand everything to the loader."""
        self._owed_due = 0.0
        if self._owed:
            self._write(())
        lost = sum(map(len, self._owed.values()))
        if lost:
            self.done.lost_rows += lost
            _log.error("rows in memory could not be written at the end: %d", lost)
        for table in list(self._segments):
            self._seal(table)

    def _owe(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._owed.setdefault(line.table, []).append(line)
            self.owed_bytes += len(line.text)

    def _write(self, rows: Sequence[Sequence[Line]]) -> Problems:
        """Write what is owed and what asks for no sync; what fails stays owed."""
        # On a full disk not with every group: it may be much.
        owed = self._owed if time.monotonic() >= self._owed_due else {}
        problems = self._put(join([*owed.values(), *rows]), sync=False)
        for table in owed.keys() - problems.keys():
            self.owed_bytes -= sum(len(line.text) for line in owed.pop(table))
        if problems and owed:
            self._owed_due = time.monotonic() + _AGAIN_S
        return problems

    def _put(self, content: Mapping[str, bytes], *, sync: bool) -> Problems:
        """Append to each table's segment; return what went wrong, by table."""
        problems: dict[str, SpoolError] = {}
        for table, lines in content.items():
            try:
                self._append(table, lines, sync=sync)
            except OSError as error:
                self.done.failures += 1
                message = f"writing the spool failed: {error.strerror}"
                problems[table] = SpoolError(message, full=error.errno in _NO_ROOM)
        return problems

    def _append(self, table: str, lines: bytes, *, sync: bool) -> None:
        segment = self._segments.get(table)
        if segment is None:
            header = self._headers[table]
            segment = Segment(self._root, table, header, self._sealing)
            self._segments[table] = segment
            self.room.wrote(segment.size)
        began = time.perf_counter()
        try:
            size = segment.append(lines, sync=sync)
        except OSError:
            self._segments.pop(table).give_up()
            raise
        self.room.wrote(size)
        self.done.written_bytes += size
        if sync:
            self.done.syncs += 1
            self.done.sync_seconds += time.perf_counter() - began

    def _seal_due(self) -> None:
        for table, segment in list(self._segments.items()):
            age = time.monotonic() - segment.born
            if (
                segment.size >= self._limits.seal_bytes
                or age >= self._limits.seal_seconds
            ):
                self._seal(table)

    def _seal(self, table: str) -> None:
        segment = self._segments.pop(table)
        try:
            segment.seal()
        except OSError as error:
            # Its rows are where they are, and `recover` hands them on.
            _log.warning("segment %s not sealed: %s", segment.name, error.strerror)
