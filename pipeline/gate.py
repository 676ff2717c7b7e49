"""
The consent gate: what may become of an event, from what its request says.

Rules, in this order of force:

1. What was refused or withdrawn is closed, in every regime.
2. A browser signal (GPC, DNT) closes marketing and precise location, and makes
   statistics anonymous or closes it, as the regime says. It never opens anything.
3. A grant opens its category. Unknown consent is no consent: what is neither
   given nor denied is left to the site's regime.

Pure functions of (claims, signals, site, policy); the table below is the whole
of it, and `tests/unit/test_gate.py` holds it to monotony: taking consent away or
adding a signal never widens an outcome.
"""

import re
from typing import Literal

from schemas.consent import (
    CATEGORIES,
    DENIED,
    Category,
    Claim,
    ConsentClaim,
    ConsentState,
    Signal,
    State,
    state_of,
)
from schemas.outcome import Grant
from schemas.policy import Policy
from schemas.site import Site

Access = Literal["full", "anonymous", "closed"]

_DAY_MS = 86_400_000
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_NO_CLAIM = ConsentClaim()
_UNDECIDED: dict[State, str] = {
    "unknown": "no_consent",
    "requested": "consent_requested",
    "expired": "consent_expired",
}


def read_consent(
    claim: ConsentClaim | None,
    *,
    signals: tuple[Signal, ...],
    policy: Policy,
    updated_ms: int | None,
    now_ms: int,
) -> ConsentState:
    """
    Turn what was claimed into states; a stale grant counts as expired.

    Args:
        claim: the event's consent object, None when it has none.
        signals: browser signals that were present.
        policy: says since which version, and for how long, grants are good.
        updated_ms: when the choice was made, ms since 1970, if it was said.
        now_ms: the collector's clock, ms since 1970.

    """
    if claim is None:
        claim = _NO_CLAIM
    stale = _is_stale(claim, policy, updated_ms, now_ms)
    return ConsentState(
        preference=_state(claim.preference, stale=stale),
        statistics=_state(claim.statistics, stale=stale),
        marketing=_state(claim.marketing, stale=stale),
        precise_location=_state(claim.precise_location, stale=stale),
        signals=signals,
    )


def decide(category: Category, consent: ConsentState, site: Site) -> Grant:
    """Decide what may become of an event that needs this category's consent."""
    access: dict[Category, tuple[Access, str]] = {
        name: _access(name, consent, site) for name in CATEGORIES
    }
    granted = frozenset(name for name, (how, _) in access.items() if how == "full")
    closed = frozenset(name for name, (how, _) in access.items() if how == "closed")
    identity, why_not = access["statistics"]
    if category == "essential":
        if identity == "full":
            return Grant("identified", ("essential",), granted, closed, site.regime)
        return Grant("anonymous", ("essential", why_not), granted, closed, site.regime)
    how, reason = access[category]
    if how == "closed":
        undecided = reason in _UNDECIDED.values()
        # Only statistics are counted without consent; of the rest not even that
        # remains. And a refusal never leaves more behind than silence does.
        counts = (
            category == "statistics"
            and site.undecided == "count"
            and (undecided or site.refused == "count")
        )
        outcome: Literal["counted", "dropped"] = "counted" if counts else "dropped"
        return Grant(outcome, (reason,), granted, closed, site.regime)
    if how == "anonymous":
        return Grant("anonymous", (reason,), granted, closed, site.regime)
    if identity != "full":
        reasons = (reason, "no_statistics_consent")
        return Grant("anonymous", reasons, granted, closed, site.regime)
    return Grant("identified", (reason,), granted, closed, site.regime)


def _state(claim: Claim, *, stale: bool) -> State:
    state = state_of(claim)
    return "expired" if stale and state == "given" else state


def _is_stale(
    claim: ConsentClaim, policy: Policy, updated_ms: int | None, now_ms: int
) -> bool:
    version = claim.policy_version
    if version is not None and (
        # A version that is no date is none of this policy's, however it sorts.
        not _VERSION.match(version) or version < policy.header.grants_valid_since
    ):
        return True
    if updated_ms is None:
        return False
    # A choice from the future is not a choice of this visitor's past.
    age = now_ms - updated_ms
    return not -_DAY_MS <= age <= policy.header.consent_valid_days * _DAY_MS


def _access(
    category: Category, consent: ConsentState, site: Site
) -> tuple[Access, str]:
    if category == "essential":
        return "full", "essential"
    state = consent.of(category)
    if state in DENIED:
        return "closed", f"consent_{state}"
    signal = f"signal_{consent.signals[0]}" if consent.signals else ""
    if category in ("marketing", "precise_location") and signal:
        return "closed", signal
    if state == "given":
        return _given(category, consent, site)
    return _undecided(category, consent, site, _UNDECIDED[state])


def _given(category: Category, consent: ConsentState, site: Site) -> tuple[Access, str]:
    if category == "statistics":
        if "dnt" in consent.signals:
            return "anonymous", "signal_dnt"
        # GPC is about sale and sharing; where consent is asked for we still
        # take it as the wish for less, where it is not the law does not.
        if "gpc" in consent.signals and site.regime != "opt_out":
            return "anonymous", "signal_gpc"
    return "full", "consent_given"


def _undecided(
    category: Category, consent: ConsentState, site: Site, reason: str
) -> tuple[Access, str]:
    # Precise location is opt-in everywhere.
    if site.regime == "opt_in" or category == "precise_location":
        return "closed", reason
    if site.regime == "opt_out":
        if category == "statistics" and "dnt" in consent.signals:
            return "anonymous", "signal_dnt"
        return "full", "regime_opt_out"
    if category != "statistics":
        return "closed", reason
    if consent.signals:
        return "closed", "objection"
    return "anonymous", "regime_exempt"
