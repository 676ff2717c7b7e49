"""
Many sources, one state: of all that is said, the most restrictive counts.

For each category the state is the lowest of all sources that speak of it, in the
order of `_RANK`; flags are gathered. So one more source, or one more flag, can take
away and never give. Pure.
"""

from collections.abc import Collection, Iterable
from typing import cast

from pipeline.signals.reading import Reading
from schemas.consent import ASKED, Category, ConsentState, State

# From the most restrictive to the least. An expired grant tells more than silence.
_RANK: dict[str, int] = {
    "withdrawn": 0,
    "refused": 1,
    "expired": 2,
    "unknown": 3,
    "requested": 4,
    "given": 5,
}


def merge(readings: Iterable[Reading]) -> ConsentState:
    """Return the merged state of all sources; without any, nothing is known."""
    readings = list(readings)
    if not readings:
        return NOTHING
    if len(readings) == 1:
        return _alone(readings[0])
    states = {category: _lowest(category, readings) for category in ASKED}
    granting = [reading for reading in readings if _grants(reading)]
    times = [reading.updated_ms for reading in granting]
    known = [time for time in times if time is not None]
    return ConsentState(
        **states,
        flags=tuple(sorted({flag for one in readings for flag in one.flags})),
        sources=tuple(sorted({one.source for one in readings})),
        problems=tuple(
            sorted(
                {f"{one.source}:{what}" for one in readings for what in one.problems}
            )
        ),
        # A grant of no known time is older than any withdrawal.
        given_ms=min(known) if known and len(known) == len(times) else None,
    )


def withdraw(
    consent: ConsentState, categories: Collection[Category], flags: Collection[str]
) -> ConsentState:
    """Return the state after what the collector itself knows was withdrawn."""
    if not categories and not flags:
        return consent
    states = {
        category: "withdrawn" if category in categories else consent.of(category)
        for category in ASKED
    }
    if all(states[category] == consent.of(category) for category in ASKED) and not (
        set(flags) - set(consent.flags)
    ):
        return consent
    return ConsentState(
        **cast("dict[str, State]", states),
        flags=tuple(sorted({*consent.flags, *flags})),
        sources=tuple(sorted({*consent.sources, "withdrawal"})),
        problems=consent.problems,
        given_ms=consent.given_ms,
    )


def add_flags(consent: ConsentState, flags: Iterable[str]) -> ConsentState:
    """Return the state with more restrictive flags."""
    more = set(flags) - set(consent.flags)
    if not more:
        return consent
    return ConsentState(
        preference=consent.preference,
        statistics=consent.statistics,
        marketing=consent.marketing,
        precise_location=consent.precise_location,
        flags=tuple(sorted({*consent.flags, *more})),
        sources=consent.sources,
        problems=consent.problems,
        given_ms=consent.given_ms,
    )


def _alone(reading: Reading) -> ConsentState:
    """Return what one source says, as merging it with no other would."""
    states = reading.states
    return ConsentState(
        states.get("preference", "unknown"),
        states.get("statistics", "unknown"),
        states.get("marketing", "unknown"),
        states.get("precise_location", "unknown"),
        tuple(sorted(reading.flags)) if reading.flags else (),
        (reading.source,),
        (
            tuple(sorted(f"{reading.source}:{what}" for what in set(reading.problems)))
            if reading.problems
            else ()
        ),
        reading.updated_ms if _grants(reading) else None,
    )


def _grants(reading: Reading) -> bool:
    states = reading.states
    return (
        states.get("statistics") == "given"
        or states.get("marketing") == "given"
        or states.get("preference") == "given"
        or states.get("precise_location") == "given"
    )


def _lowest(category: Category, readings: list[Reading]) -> State:
    said = [one.states[category] for one in readings if category in one.states]
    if not said:
        return "unknown"
    return min(said, key=_RANK.__getitem__)


NOTHING = ConsentState()
