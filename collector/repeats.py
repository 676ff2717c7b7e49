"""
Events that a client sends again: counted once.

A tracker that does not know whether its last request got through sends the same
event ids again, often while the first request is still being written. The tables
know a repeated row by its id; a counter could not, so the edge remembers the ids
it has taken, in bounded memory. What it keeps is the interpreter's own keyed hash of
each (as in pipeline.memo), a quarter of the size: that one of them is by accident that
of another id happens once in 2^48 events.
"""

import asyncio
from collections.abc import Iterable


class Repeats:
    """The event ids taken lately, and those being written now."""

    def __init__(self, size: int = 65_536) -> None:
        """Remember at most `size` ids, and the last half of them in any case."""
        self._generation = max(size // 2, 1)
        # A dictionary's keys take two thirds of the room that a set's members do.
        self._young: dict[int, None] = {}
        self._old: dict[int, None] = {}
        # With a future for those that somebody waits for.
        self._writing: dict[str, asyncio.Future[bool] | None] = {}

    def begin(self, key: str) -> "asyncio.Future[bool] | None":
        """
        Start taking an id; None when it is new.

        Otherwise a future that says whether the first one became durable: a
        repeated event must not be acknowledged before that.
        """
        known = hash(key)
        if known in self._young or known in self._old:
            return _done()
        if key not in self._writing:
            self._writing[key] = None
            return None
        first = self._writing[key]
        if first is None:
            first = asyncio.get_running_loop().create_future()
            self._writing[key] = first
        return first

    def end(self, keys: Iterable[str], *, durable: bool) -> None:
        """Say what became of ids that `begin` called new."""
        for key in keys:
            first = self._writing.pop(key)
            if first is not None:
                first.set_result(durable)
            if not durable:
                continue
            if len(self._young) >= self._generation:
                self._old, self._young = self._young, {}
            self._young[hash(key)] = None


def _done() -> "asyncio.Future[bool]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(True)
    return future
