"""
Consent states and what a request says about them.

States are those of the W3C Data Privacy Vocabulary; categories are the four of
the published policy and the separate one for precise location.
"""

from typing import Annotated, Literal

import msgspec

State = Literal["unknown", "requested", "given", "refused", "withdrawn", "expired"]
Category = Literal[
    "essential", "preference", "statistics", "marketing", "precise_location"
]
Regime = Literal["opt_in", "opt_out", "exempt_anonymous"]
Signal = Literal["gpc", "dnt"]

CATEGORIES: tuple[Category, ...] = (
    "essential",
    "preference",
    "statistics",
    "marketing",
    "precise_location",
)
# Withdrawn and refused close a category in every regime; the others leave it to
# the regime, and none but "given" opens it where consent is asked for.
DENIED: frozenset[State] = frozenset({"refused", "withdrawn"})

# What a sender may say of a category: a state by its name, or yes, no, nothing.
Claim = State | bool | None
Time = (
    Annotated[int, msgspec.Meta(ge=0, le=253402300799999)]
    | Annotated[str, msgspec.Meta(max_length=40)]
)


class ConsentClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The consent object of an event, as the tracker or a server sends it."""

    essential: Claim = None
    preference: Claim = None
    statistics: Claim = None
    marketing: Claim = None
    precise_location: Claim = None
    policy_version: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    updated_at: Time | None = None


class ConsentState(msgspec.Struct, frozen=True):
    """One state for each asking category, and the browser signals beside it."""

    preference: State = "unknown"
    statistics: State = "unknown"
    marketing: State = "unknown"
    precise_location: State = "unknown"
    signals: tuple[Signal, ...] = ()

    def of(self, category: Category) -> State:
        """Return the state of a category; essential needs no consent."""
        if category == "essential":
            return "given"
        state: State = getattr(self, category)
        return state


def state_of(claim: Claim) -> State:
    """Translate yes, no, nothing or a state's name into a state."""
    if claim is None:
        return "unknown"
    if claim is True:
        return "given"
    if claim is False:
        return "refused"
    return claim
