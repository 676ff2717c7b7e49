"""
From the switches of a consent manager to the state of our categories.

Every cookie and every object ends here, so that the rules are the same for all:
the most restrictive of several ids wins, a problem takes grants away and leaves
refusals, and what may have been cut off is never taken for a yes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.signals.cmp_ids import ASKED, COOKIE_CATEGORIES
from pipeline.signals.reading import Method, Reading, SignalState

# How much a text says of the ids that it does not name.
# `complete`: nothing, it is only about those that it names.
# `listing`: they are off, for it names those that are on.
# `open`: it has no end mark; they may have been cut off.
Kind = Literal["complete", "listing", "open"]


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What a consent manager has noted, under its own ids.

    Attributes:
        switches: on, off, or None for undecided, by id.
        kind: what an id means that is not there.
        whole: the one state of all categories, where the text knows no ids.
        expired: whether the problems make grants expired rather than unknown.

    The others are those of `Reading`.

    """

    switches: Mapping[str, bool | None] = field(default_factory=dict)
    kind: Kind = "complete"
    whole: SignalState | None = None
    expired: bool = False
    flags: frozenset[str] = frozenset()
    method: Method = "explicit"
    updated_ms: int | None = None
    problems: tuple[str, ...] = ()
    policy_version: str = ""


def settle(
    source: str, choice: Choice, defaults: Mapping[str, str], mapping: Mapping[str, str]
) -> Reading:
    """
    Translate a choice.

    Args:
        source: the name of the reading.
        choice: what was noted.
        defaults: id -> category, as the consent manager is shipped.
        mapping: id -> category of the site; it wins. A category that is not one of
            those asked for makes the id count for nothing.

    """
    if choice.whole is not None:
        states = dict.fromkeys(ASKED, choice.whole)
    else:
        states = {
            category: _state(values)
            for category in ASKED
            if (values := _values(choice, category, defaults, mapping))
        }
    if choice.problems:
        instead: SignalState = "expired" if choice.expired else "unknown"
        states = {
            category: instead if state == "given" else state
            for category, state in states.items()
        }
    return Reading(
        source=source,
        states=states,
        flags=choice.flags,
        method=choice.method,
        updated_ms=choice.updated_ms,
        problems=choice.problems,
        policy_version=choice.policy_version,
    )


def _state(values: list[bool | None]) -> SignalState:
    if False in values:
        return "refused"
    return "unknown" if None in values else "given"


def _values(
    choice: Choice,
    category: str,
    defaults: Mapping[str, str],
    mapping: Mapping[str, str],
) -> list[bool | None]:
    """Return the switches that decide on a category; none if there are none."""
    named = [key for key, value in mapping.items() if value == category]
    usual = [
        key
        for key, value in defaults.items()
        if value == category and key not in mapping
    ]
    switches = choice.switches
    if choice.kind == "open":
        return [switches.get(key) for key in (*named, *usual)]
    there = [switches[key] for key in usual if key in switches]
    if choice.kind == "complete":
        return [switches[key] for key in named if key in switches] + there
    # Of the usual names a site has some; of those it names itself it has all.
    values = [switches.get(key, False) for key in named] + there
    return values or ([False] if usual and category in COOKIE_CATEGORIES else [])
