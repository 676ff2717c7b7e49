"""
What an objection closes, and for which events: pure rules over recorded entries.

An entry says that at some moment a visitor of a site withdrew consent to some
categories, was erased, turned out to be a child, or gave consent again. From a
visitor's entries follow *limits*, and from those the standing of one event. The door,
the loader and the deletion of stored rows all ask the same limits.

- An event whose grant has a time is closed by every later withdrawal.
- One whose grant has no time, or one of the future, is closed by a withdrawal until the
  collector itself recorded a newer grant; what arrived before the withdrawal stays
  closed for ever.
- `erased` withdraws every category. `child` does too, and no grant lifts it.
- When two times are the same, the withdrawal wins.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from schemas.consent import ASKED, Category

Kind = Literal["withdrawn", "erased", "child", "given"]
KINDS: Final[tuple[Kind, ...]] = ("withdrawn", "erased", "child", "given")
# Beyond any time that can be written: 31 December 9999.
FOR_EVER: Final = 253_402_300_799_999
_WITHDRAWN, _ERASED, _CHILD, _GIVEN = range(4)
_TAG_BITS: Final = 6
_TAG: Final = (1 << _TAG_BITS) - 1
_MASK: Final = 0b1111


class Entry(msgspec.Struct, frozen=True):
    """
    One objection, or the grant that ends one.

    Attributes:
        time_ms: when it was recorded, the collector's clock, ms since 1970 UTC.
        site: the site's name.
        visitor_id: the pseudonym, never 0; what a visitor is known by elsewhere (a
            token, an address) has no place here.
        kind: what happened.
        categories: the categories it is about; none for `erased` and `child`.
        lasting: False for a pseudonym of a day, which nobody has on the next.

    """

    time_ms: int
    site: str
    visitor_id: int
    kind: Kind
    categories: tuple[Category, ...] = ()
    lasting: bool = True

    def __repr__(self) -> str:
        """Say nothing: a pseudonym is a mark of its visitor."""
        return "<Entry>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class Limit(msgspec.Struct, frozen=True):
    """
    Up to which times events are closed, ms since 1970 UTC; -1 is never.

    Attributes:
        said_ms: for events whose grant has a time: grants up to here are void.
        unsaid_ms: for the others: arrivals up to here.

    """

    said_ms: int = -1
    unsaid_ms: int = -1

    def closes(self, given_ms: int | None, received_ms: int) -> bool:
        """Say if an event is closed; times in ms since 1970 UTC."""
        # A choice cannot be newer than the event that tells of it: one that says so
        # has a wrong clock, and says nothing of what came first.
        if given_ms is None or given_ms > received_ms:
            return received_ms <= self.unsaid_ms
        return given_ms <= self.said_ms


class Limits(msgspec.Struct, frozen=True):
    """The limits of one visitor of one site."""

    categories: dict[Category, Limit]
    erased: Limit
    child: bool

    def standing(self, given_ms: int | None, received_ms: int) -> "Standing":
        """Return what is closed for one event; times in ms since 1970 UTC."""
        return Standing(
            frozenset(
                name
                for name, limit in self.categories.items()
                if limit.closes(given_ms, received_ms)
            ),
            erased=self.erased.closes(given_ms, received_ms),
            child=self.child,
        )


class Standing(msgspec.Struct, frozen=True):
    """What is closed for one event: categories, and the flags that say why."""

    withdrawn: frozenset[Category] = frozenset()
    erased: bool = False
    child: bool = False


CLEAR: Final = Standing()


def united(standings: Sequence[Standing]) -> Standing:
    """Return what all standings of one visitor close together: the most of each."""
    if len(standings) == 1:
        return standings[0]
    return Standing(
        frozenset().union(*(one.withdrawn for one in standings)),
        erased=any(one.erased for one in standings),
        child=any(one.child for one in standings),
    )


def check_entry(entry: Entry) -> None:
    """
    Refuse an entry that cannot be one; the message names no visitor.

    Raises:
        ValueError: saying what is wrong.

    """
    named = entry.kind in ("withdrawn", "given")
    if named is not bool(entry.categories):
        message = f"an entry `{entry.kind}` names "
        raise ValueError(message + ("no category" if named else "categories"))
    if not set(entry.categories) <= set(ASKED):
        raise ValueError("a category of an entry is none that is asked for")
    if not 0 < entry.visitor_id < 1 << 64:
        raise ValueError("the visitor of an entry is nobody")
    if not 0 <= entry.time_ms <= FOR_EVER:
        raise ValueError("the time of an entry is none")


def pack(entry: Entry) -> int:
    """Return kind, categories and time of an entry as one small number."""
    mask = sum(1 << ASKED.index(name) for name in set(entry.categories))
    return entry.time_ms << _TAG_BITS | KINDS.index(entry.kind) << 4 | mask


def add(entries: tuple[int, ...], packed: int) -> tuple[int, ...]:
    """Return a visitor's entries with one more; of the same kind the last counts."""
    tag = packed & _TAG
    for old in entries:
        if old & _TAG == tag:
            packed = max(packed, old)
    return (*(old for old in entries if old & _TAG != tag), packed)


def limits(entries: Iterable[int]) -> Limits:
    """Return what a visitor's packed entries close."""
    withdrawn, given = dict.fromkeys(ASKED, -1), dict.fromkeys(ASKED, -1)
    erased, child = -1, False
    for entry in entries:
        time_ms, kind = entry >> _TAG_BITS, entry >> 4 & 0b11
        named = [
            name for bit, name in enumerate(ASKED) if entry & _MASK & 1 << bit
        ] or ASKED
        if kind == _CHILD:
            child = True
            continue
        if kind == _ERASED:
            erased = max(erased, time_ms)
        times = given if kind == _GIVEN else withdrawn
        for name in named:
            times[name] = max(times[name], time_ms)
    if child:
        closed = Limit(FOR_EVER, FOR_EVER)
        return Limits(dict.fromkeys(ASKED, closed), _limit(erased, given), child=True)
    return Limits(
        {name: _limit(withdrawn[name], {name: given[name]}) for name in ASKED},
        _limit(erased, given),
        child=False,
    )


def _limit(closed_ms: int, given: dict[Category, int]) -> Limit:
    if closed_ms < 0:
        return Limit()
    reopened = max(given.values()) > closed_ms
    return Limit(closed_ms, closed_ms if reopened else FOR_EVER)
