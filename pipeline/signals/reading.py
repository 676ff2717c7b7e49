"""
What one signal says, in words that all kinds of signals share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

# W3C DPV consent states, as far as a signal can tell them.
SignalState = Literal[
    "unknown", "requested", "given", "refused", "withdrawn", "expired"
]
Method = Literal["explicit", "implied", "none"]

_NOTHING: Mapping[str, SignalState] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What one source says of the consent categories.

    Attributes:
        source: which signal: `tcf`, `gpp_usnat`, `us_privacy`, `consent_mode`, `gpc`,
            `dnt`, or the name of a consent manager such as `cookiebot`.
        states: the state of each category that the source speaks of; names are
            essential, preference, statistics, marketing, precise_location.
        flags: restrictive signals that are on, of `schemas.consent.FLAGS`.
        method: explicit if a person chose; implied if a default or mere use did.
            An implied yes is never consent where consent is asked for.
        updated_ms: when the choice was made, ms since 1970 UTC, None if not said.
        problems: names of what is wrong with a text that could be read, such as
            `too_old`; a source with problems grants nothing.
        policy_version: the policy the choice was about, as the source names it.

    """

    source: str
    states: Mapping[str, SignalState] = field(default_factory=lambda: _NOTHING)
    flags: frozenset[str] = frozenset()
    method: Method = "explicit"
    updated_ms: int | None = None
    problems: tuple[str, ...] = ()
    policy_version: str = ""
