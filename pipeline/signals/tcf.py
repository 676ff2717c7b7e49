"""
TC strings: whether one counts, and what it says of our categories.

`decode_tcf` tells what stands in a string, `validity` what is wrong with it today,
`read_tcf` what follows for the categories. Thresholds and the mapping of IAB's
purposes are data (`TcfRules`): they are policy, and IAB's policy changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from pipeline.signals.reading import Reading, SignalState
from pipeline.signals.tcf_decode import MAX_CHARS, decode_tcf
from pipeline.signals.tcf_string import TcString

__all__ = [
    "DEFAULT",
    "MAX_CHARS",
    "TcString",
    "TcfRules",
    "decode_tcf",
    "read_tcf",
    "validity",
]

_DAY_MS = 86_400_000
_DEVICE_STORAGE = 1
_REQUIRE_CONSENT = 1

# Purposes of the Global Vendor List, version 3: 1 store or read on the device,
# 3 and 4 profiles for advertising, 6 profiles for content, 7 measure advertising,
# 8 measure content, 9 understand audiences, 11 select content by limited data.
_CATEGORIES: Mapping[str, tuple[frozenset[int], ...]] = MappingProxyType(
    {
        "preference": (frozenset({1, 6}), frozenset({1, 11})),
        "statistics": (frozenset({1, 8, 9}),),
        "marketing": (frozenset({1, 3, 4, 7}),),
    }
)
# Special feature 1: use precise geolocation data.
_SPECIAL_FEATURES: Mapping[str, int] = MappingProxyType({"precise_location": 1})


@dataclass(frozen=True, slots=True)
class TcfRules:
    """
    When a TC string counts, and which purposes make which category.

    Attributes:
        categories: for each category the sets of purposes that grant it; one set
            that is consented to in full is enough. This mapping is ours, IAB has
            none.
        special_features: for each category the special feature that grants it.
        vendor_id: the operator's id in the Global Vendor List, if it has one. With
            it, its vendor bit must be on as well, it must be disclosed, and
            publisher restrictions on it count.
        purposes: whose purposes count without a vendor id. `publisher`: those of the
            publisher's segment, without which nothing is granted. `core`: those of the
            core, which users consent to for vendors; the publisher's are not read.
            There is no "the core if the publisher has none": a string that is cut
            exactly before the publisher's segment is a whole one, and would then
            grant what the publisher was refused.
        min_policy_version: the oldest TCF policy that counts. 4 is TCF 2.2, in
            force for strings made since 30 September 2023.
        needs_service_specific: whether IsServiceSpecific must be 1. The
            specification calls other strings invalid.
        needs_disclosed: whether vendors must be disclosed, in a segment of theirs.
            TCF 2.3 asks for it, from 28 February or 1 March 2026: only secondary
            sources were found for that date, the framework's own text was not.
        max_age_ms: how old a choice may be. The specification has users asked
            again at least every 13 months; 395 days are our reading of that, and
            regulators may ask for less.
        max_ahead_ms: how far ahead of our clock a string may be. A day is our own
            choice: times of strings are days since December 2021, and clocks of
            browsers are wrong.

    """

    categories: Mapping[str, tuple[frozenset[int], ...]] = field(
        default_factory=lambda: _CATEGORIES
    )
    special_features: Mapping[str, int] = field(
        default_factory=lambda: _SPECIAL_FEATURES
    )
    vendor_id: int | None = None
    purposes: Literal["publisher", "core"] = "publisher"
    min_policy_version: int = 4
    needs_service_specific: bool = True
    needs_disclosed: bool = True
    max_age_ms: int = 395 * _DAY_MS
    max_ahead_ms: int = _DAY_MS


DEFAULT = TcfRules()


def validity(
    tc: TcString, *, now_ms: int, rules: TcfRules = DEFAULT
) -> tuple[str, ...]:
    """
    Name what keeps a string from granting anything.

    Args:
        tc: a string that could be read.
        now_ms: our clock, ms since 1970 UTC.
        rules: the thresholds.

    Returns:
        Of `not_service_specific`, `policy_version`, `no_disclosed_vendors`,
        `no_publisher_purposes`, `vendor_not_disclosed`, `too_old`, `in_future`
        those that hold; nothing for a string that counts.

    """
    disclosed, latest = tc.vendors_disclosed, max(tc.created_ms, tc.last_updated_ms)
    found = {
        "not_service_specific": rules.needs_service_specific
        and not tc.is_service_specific,
        "policy_version": tc.policy_version < rules.min_policy_version,
        # One that discloses nobody is as good as none.
        "no_disclosed_vendors": rules.needs_disclosed and not disclosed,
        "no_publisher_purposes": rules.vendor_id is None
        and rules.purposes == "publisher"
        and tc.publisher_purpose_consents is None,
        "vendor_not_disclosed": rules.vendor_id is not None
        and disclosed is not None
        and rules.vendor_id not in disclosed,
        "too_old": now_ms - tc.last_updated_ms > rules.max_age_ms,
        "in_future": latest - now_ms > rules.max_ahead_ms,
    }
    return tuple(name for name, holds in found.items() if holds)


def read_tcf(text: str, *, now_ms: int, rules: TcfRules = DEFAULT) -> Reading:
    """
    Read what a TC string says of our categories.

    A category is given if all its purposes are consented to, by the operator's
    vendor id if there is one, else for the publisher; legitimate interests never
    count. Where purpose 1 was not asked for (PurposeOneTreatment), a category that
    needs it is never given: refused if another purpose is, else unknown. A string
    that is not valid grants nothing, but what it refuses stays refused.

    Args:
        text: the string as it was sent.
        now_ms: our clock, ms since 1970 UTC.
        rules: the thresholds and the mapping.

    Raises:
        SignalError: for a string that cannot be read in full.

    """
    tc = decode_tcf(text)
    problems = validity(tc, now_ms=now_ms, rules=rules)
    states = _states(tc, rules)
    if problems:
        instead: SignalState = "expired" if "too_old" in problems else "unknown"
        states = {
            name: instead if state == "given" else state
            for name, state in states.items()
        }
    return Reading(
        source="tcf",
        states=MappingProxyType(states),
        updated_ms=tc.last_updated_ms,
        problems=problems,
        policy_version=str(tc.policy_version),
    )


def _states(tc: TcString, rules: TcfRules) -> dict[str, SignalState]:
    """Return what the string says, as if it were valid."""
    vendor = rules.vendor_id
    # A vendor without consent has none for any purpose, and no special feature.
    consents = vendor is None or vendor in tc.vendor_consents
    consented = _consented(tc, rules) if consents else frozenset[int]()
    states = {
        category: _best([_state(tc, needed, consented) for needed in alternatives])
        for category, alternatives in rules.categories.items()
    }
    features = tc.special_feature_opt_ins if consents else frozenset[int]()
    for category, feature in rules.special_features.items():
        states[category] = "given" if feature in features else "refused"
    return states


def _consented(tc: TcString, rules: TcfRules) -> frozenset[int]:
    """Return the purposes that the operator has consent for."""
    vendor = rules.vendor_id
    if vendor is None:
        if rules.purposes == "core":
            return tc.purpose_consents
        return tc.publisher_purpose_consents or frozenset()
    # A vendor that may use a purpose by legitimate interest only (2), or in a way
    # that has no meaning (3), may not use it by consent.
    barred = {
        one.purpose
        for one in tc.publisher_restrictions
        if one.kind != _REQUIRE_CONSENT and vendor in one.vendors
    }
    return tc.purpose_consents - barred


def _state(
    tc: TcString, needed: frozenset[int], consented: frozenset[int]
) -> SignalState:
    if tc.purpose_one_treatment and _DEVICE_STORAGE in needed:
        return "unknown" if needed - {_DEVICE_STORAGE} <= consented else "refused"
    return "given" if needed <= consented else "refused"


def _best(states: list[SignalState]) -> SignalState:
    """Return what alternatives come to: one that is given is enough."""
    for state in ("given", "unknown"):
        if state in states:
            return state
    return "refused"
