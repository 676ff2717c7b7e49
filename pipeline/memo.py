"""
Remembering what was derived from raw texts, without remembering the texts.

A cache keyed by an agent string, an address or a URL would keep them long after their
event. Here the key is the interpreter's own hash of the arguments: SipHash under a
random key of the process, 64 bits, which tells nobody what it was made of. Two texts
meet by accident once in 2^64; nobody can make them meet who does not know the key.

The memory is bounded: two generations of so many entries, of which the older is dropped
whole. What is still asked for moves to the younger one.
"""

import functools
import os
import weakref
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

# A fixed seed would make keys that others can compute.
if os.environ.get("PYTHONHASHSEED", "random") != "random":
    message = "PYTHONHASHSEED makes the keys of caches known: unset it"
    raise RuntimeError(message)


class Memory(Generic[T]):
    """
    Results by a key that the caller makes with `hash`, at most so many of them.

    For what is derived from parts of an object that is itself no key. The key is to be
    the `hash` of a tuple of all that the result depends on.
    """

    def __init__(self, entries: int) -> None:
        """
        Start empty.

        Args:
            entries: how many results a generation holds; two are kept.

        """
        self._entries = entries
        self._young: dict[int, T] = {}
        self._old: dict[int, T] = {}
        _ALL.add(self)

    def get(self, key: int) -> T | None:
        """Return the result under a key, None if it is not remembered."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: int, result: T) -> T:
        """Remember a result, which is not None, and return it."""
        if len(self._young) >= self._entries:
            self._old, self._young = self._young, {}
        self._young[key] = result
        return result

    def forget(self) -> None:
        """Forget every result."""
        self._young, self._old = {}, {}


def remember(entries: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """
    Remember the results of a pure function, at most so many of them.

    The arguments must be hashable and positional; a result is never None.

    Args:
        entries: how many results a generation holds; two are kept.

    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        young: dict[int, T] = {}
        old: dict[int, T] = {}
        # By place alone: what was given by name would not be in the key.
        call = cast("Callable[..., T]", function)

        @functools.wraps(function)
        def remembered(*args: Any) -> T:  # noqa: ANN401 - those of the function
            nonlocal young, old
            key = hash(args)
            # One step: another thread may forget everything between two.
            found = young.get(key)
            if found is not None:
                return found
            found = old.get(key) if old else None
            if found is None:
                found = call(*args)
            if len(young) >= entries:
                old, young = young, {}
            young[key] = found
            return found

        def forget() -> None:
            young.clear()
            old.clear()

        remembered.forget = forget  # type: ignore[attr-defined]
        _ALL.add(remembered)
        return cast("Callable[P, T]", remembered)

    return decorate


# Weak: a function that nobody calls any more goes, with what it remembered.
_ALL: "weakref.WeakSet[Any]" = weakref.WeakSet()


def forget_all() -> None:
    """Forget every result of every function; what is asked for next is made anew."""
    for remembered in _ALL:
        remembered.forget()
