"""
How much may still be spooled: the bound of all that waits, and what the disk has left.

The bound is one for all processes that write into the folder. Each looks once a second
at what waits there, and between two looks takes it that the others write as much as
they did between the last two.
"""

import logging
import os
import time
from pathlib import Path
from typing import Final

import msgspec

_log = logging.getLogger("kastana.spool")

MEASURE_EVERY_S: Final = 1.0
# Less room than this is none: a group may begin a segment of each table, and each
# has a header.
LEAST_BYTES: Final = 8192
# Rows that wait for the disk, of one process: memory is bounded as well.
MEMORY_BYTES: Final = 33_554_432


class Limits(msgspec.Struct, frozen=True):
    """
    When a segment is sealed, and how much may wait.

    Attributes:
        seal_bytes: size at which a segment is sealed.
        seal_seconds: age at which it is.
        max_bytes: what may wait in memory, open and sealed segments.
        free_bytes: what the disk keeps free of segments.

    """

    seal_bytes: int
    seal_seconds: float
    max_bytes: int
    free_bytes: int = 0


class Room:
    """What one process knows of it; the writer's thread measures, all may read."""

    def __init__(self, root: Path, limits: Limits) -> None:
        """Look for the first time."""
        self._root = root
        self._limits = limits
        self._sealed: dict[str, int] = {}
        self._waiting = waiting_bytes(root, self._sealed)
        self._others = 0
        self._free = _free_bytes(root)
        self._measured = time.monotonic()

    def left(self, pending: int) -> int:
        """Return the bytes that may still come; below 0 when there is no room."""
        waiting = self._waiting + self._others + pending
        left = min(
            self._limits.max_bytes - waiting,
            MEMORY_BYTES - pending,
            self._free - self._limits.free_bytes,
        )
        return left if left >= LEAST_BYTES else -1

    def wrote(self, size: int) -> None:
        """Count what this process has written."""
        self._waiting += size
        self._free -= size

    @property
    def due_s(self) -> float:
        """Seconds until it is time to look again."""
        return max(0.0, self._measured + MEASURE_EVERY_S - time.monotonic())

    def measure(self) -> None:
        """Look again, if it is time."""
        if self.due_s:
            return
        try:
            found = waiting_bytes(self._root, self._sealed)
            self._free = _free_bytes(self._root)
        except OSError as error:
            _log.warning("the spool was not measured: %s", error.strerror)
        else:
            self._others = max(0, found - self._waiting)
            self._waiting = found
        self._measured = time.monotonic()


def waiting_bytes(root: Path, sealed: dict[str, int] | None = None) -> int:
    """
    Return how many bytes wait in open and sealed segments.

    Args:
        root: the spool's folder.
        sealed: the sizes of sealed segments by name, kept up to date here, so that
            thousands of them are not asked for their size each time.

    """
    known = sealed if sealed is not None else {}
    total = 0
    with os.scandir(root / "open") as entries:
        for entry in entries:
            total += _size(entry)
    with os.scandir(root / "sealed") as entries:
        found = {
            entry.name: known[entry.name] if entry.name in known else _size(entry)
            for entry in entries
        }
    known.clear()
    known.update(found)
    return total + sum(found.values())


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        # Sealed or loaded between listing and asking: it does not wait here any more.
        return 0


def _free_bytes(root: Path) -> int:
    disk = os.statvfs(root)
    return disk.f_bavail * disk.f_frsize
