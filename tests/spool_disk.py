"""A disk for the spool that fails, waits and tells on order, and how to read one."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

import pipeline.durable
import pipeline.segment
from schemas.row import Row

IDLE_S = 3600.0


class Disk:
    """What `os` is to the spool: the real one, with faults that a test sets."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.budget: int | None = None
        self.errors: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the real thing."""
        return getattr(os, name)

    def fail(self, call: str, number: int = errno.EIO) -> None:
        """Let every call of this name fail from now on."""
        self.errors[call] = OSError(number, os.strerror(number))

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """Open a file; only what makes a new one can fail."""
        if flags & os.O_CREAT:
            self._note("open")
        return os.open(path, flags, mode)

    def write(self, descriptor: int, content: memoryview) -> int:
        """Write as much as the budget allows, then refuse."""
        self._note("write")
        if self.budget is None:
            return os.write(descriptor, content)
        if self.budget == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(descriptor, content[: self.budget])
        self.budget -= written
        return written

    def fdatasync(self, descriptor: int) -> None:
        """Sync, when the test opens the gate."""
        self._note("fdatasync")
        self.waiting.set()
        assert self.gate.wait(30)
        os.fdatasync(descriptor)

    def fsync(self, descriptor: int) -> None:
        """Sync a folder."""
        self._note("fsync")
        os.fsync(descriptor)

    def ftruncate(self, descriptor: int, size: int) -> None:
        """Cut a file."""
        self._note("ftruncate")
        os.ftruncate(descriptor, size)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.errors:
            raise self.errors[call]


@contextmanager
def disk_under_spool(disk: Disk | None = None) -> Iterator[Disk]:
    """Put such a disk under the spool for a while."""
    disk = disk or Disk()
    pipeline.segment.os = pipeline.durable.os = disk  # type: ignore[assignment]
    try:
        yield disk
    finally:
        disk.gate.set()
        pipeline.segment.os = pipeline.durable.os = os


def segments(root: Path, *states: str) -> list[Path]:
    """Return the segments in some states, oldest first."""
    found = [path for state in states for path in (root / state).iterdir()]
    return sorted(found, key=lambda path: path.name)


def rows_in(*paths: Path) -> list[list[Any]]:
    """Return the rows of segments, each line of which has to be whole."""
    rows = []
    for path in paths:
        content = path.read_bytes()
        assert content.endswith(b"\n"), path
        rows += [orjson.loads(line) for line in content.splitlines()[2:]]
    return rows


def titles(root: Path, *states: str) -> list[str]:
    """Return the titles of the events that lie in these states."""
    paths = [path for path in segments(root, *states) if "events-" in path.name]
    place = Row.__struct_fields__.index("page_title")
    return [row[place] for row in rows_in(*paths)]


def descriptors() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait for something to become true, but not for ever; say if it did."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()
