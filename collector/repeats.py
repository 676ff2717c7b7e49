"""
Events that a client sends again: counted once.

A tracker that does not know whether its last request got through sends the same
event ids again, often while the first request is still being written. The tables
know a repeated row by its id; a counter could not, so the edge remembers the ids
it has taken, in bounded memory, each of them nothing but random.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable


class Repeats:
    """The event ids taken lately, and those being written now."""

    def __init__(self, size: int = 65_536) -> None:
        """Remember at most `size` ids; the oldest are forgotten first."""
        self._size = size
        self._taken: OrderedDict[str, None] = OrderedDict()
        # With a future for those that somebody waits for.
        self._writing: dict[str, asyncio.Future[bool] | None] = {}

    def begin(self, key: str) -> "asyncio.Future[bool] | None":
        """
        Start taking an id; None when it is new.

        Otherwise a future that says whether the first one became durable: a
        repeated event must not be acknowledged before that.
        """
        if key in self._taken:
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
            if durable:
                self._taken[key] = None
        while len(self._taken) > self._size:
            self._taken.popitem(last=False)


def _done() -> "asyncio.Future[bool]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(True)
    return future
