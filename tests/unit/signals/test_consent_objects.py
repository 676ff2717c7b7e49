"""The consent objects of Segment, RudderStack and Snowplow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.cmp_ids import ASKED
from pipeline.signals.consent_objects import (
    COMMON_IDS,
    read_rudderstack,
    read_segment,
    read_snowplow,
)

STATISTICS = {"statistics": "given"}
COOKIES = ("preference", "statistics", "marketing")
ids = st.sampled_from([*COMMON_IDS, "matomo", "Analytics", "C0002", "4"]) | st.text(
    max_size=5
)
mappings = st.dictionaries(ids, st.sampled_from([*ASKED, "essential", ""]), max_size=4)


@pytest.mark.parametrize(
    ("preferences", "mapping", "states"),
    [
        ({"analytics": True}, {}, STATISTICS),
        ({"Analytics": True, "ADVERTISING": False}, {}, None),
        ({"analytics": True, "performance": False}, {}, {"statistics": "refused"}),
        ({"necessary": True, "unheard": True}, {}, {}),
        ({"precise_location": True}, {}, {"precise_location": "given"}),
        ({"C0035": True}, {"c0035": "statistics"}, STATISTICS),
        ({"analytics": True}, {"Analytics": "marketing"}, {"marketing": "given"}),
        ({"analytics": True}, {"analytics": ""}, {}),
        # Of one name in two cases, off wins, whichever comes first.
        ({"ads": False, "ADS": True}, {}, {"marketing": "refused"}),
        ({"ADS": True, "ads": False}, {}, {"marketing": "refused"}),
        ({}, {}, {}),
    ],
)
def test_segment(
    preferences: dict[str, bool],
    mapping: dict[str, str],
    states: dict[str, str] | None,
) -> None:
    """Ids are on or off; the site's mapping wins over the common names."""
    expected = {"statistics": "given", "marketing": "refused"}
    reading = read_segment(preferences, mapping)

    assert (expected if states is None else states) == reading.states
    assert ("segment", "explicit") == (reading.source, reading.method)
    assert () == reading.problems


@pytest.mark.parametrize(
    ("allowed", "denied", "mapping", "states"),
    [
        (["analytics"], [], {}, STATISTICS),
        (["Analytics"], None, {}, STATISTICS),
        (None, ["analytics"], {}, {"statistics": "refused"}),
        # In both: denied.
        (["analytics"], ["ANALYTICS"], {}, {"statistics": "refused"}),
        (["analytics"], ["performance"], {}, {"statistics": "refused"}),
        (["m", "g"], [], {"m": "statistics", "g": "statistics"}, STATISTICS),
        # An id of the site that is in neither list is undecided.
        (
            ["m"],
            [],
            {"m": "statistics", "g": "statistics"},
            {"statistics": "unknown"},
        ),
        (["m"], ["g"], {"M": "statistics", "G": "marketing"}, None),
        (None, None, {}, {}),
    ],
)
def test_rudderstack(
    allowed: list[str] | None,
    denied: list[str] | None,
    mapping: dict[str, str],
    states: dict[str, str] | None,
) -> None:
    """A category is given only if all of its ids are allowed, and none denied."""
    expected = {"statistics": "given", "marketing": "refused"}
    for strategy in ("and", "or", "OR", "all", "any", "", None):
        reading = read_rudderstack(allowed, denied, "custom", strategy, mapping)

        assert (expected if states is None else states) == reading.states
        assert ("rudderstack", ()) == (reading.source, reading.problems)


def test_rudderstack_strategy() -> None:
    """A strategy that is not known takes grants away and leaves refusals."""
    reading = read_rudderstack(["analytics"], ["ads"], None, "most", {})

    assert {"statistics": "unknown", "marketing": "refused"} == reading.states
    assert ("unknown_type",) == reading.problems


@pytest.mark.parametrize(
    ("provider", "key", "states"),
    [
        ("oneTrust", "C0002", STATISTICS),
        ("iubenda", "4", STATISTICS),
        ("custom", "C0002", {}),
        (None, "4", {}),
    ],
)
def test_rudderstack_provider(
    provider: str | None, key: str, states: dict[str, str]
) -> None:
    """The ids of a known provider have their usual meaning."""
    assert states == read_rudderstack([key], [], provider, "and", {}).states


def everything(state: str) -> dict[str, str]:
    """Return this state for all that is asked for."""
    return dict.fromkeys(ASKED, state)


REFUSED = dict.fromkeys(COOKIES, "refused")


@pytest.mark.parametrize(
    ("event_type", "scopes", "states", "problems"),
    [
        ("deny_all", ["analytics"], everything("refused"), ()),
        ("withdrawn", ["analytics"], everything("withdrawn"), ()),
        ("expired", ["analytics"], everything("expired"), ()),
        ("pending", ["analytics"], everything("unknown"), ("no_action",)),
        ("implicit_consent", ["analytics"], everything("unknown"), ("implied",)),
        ("agreed", ["analytics"], everything("unknown"), ("unknown_type",)),
        (None, ["analytics"], everything("unknown"), ("unknown_type",)),
        ("allow_all", None, dict.fromkeys(COOKIES, "given"), ()),
        ("allow_all", ["Analytics"], STATISTICS, ()),
        ("allow_all", ["1", "2"], {}, ()),
        ("allow_selected", ["Analytics"], REFUSED | STATISTICS, ()),
        ("allow_selected", ["precise_location"], None, ()),
        ("allow_selected", None, REFUSED, ()),
    ],
)
def test_snowplow(
    event_type: str | None,
    scopes: list[str] | None,
    states: dict[str, str] | None,
    problems: tuple[str, ...],
) -> None:
    """Each kind of event says what the schema says of it."""
    if states is None:
        states = REFUSED | {"precise_location": "given"}
    for gdpr in (True, False, None):
        reading = read_snowplow(event_type, "consent", scopes, "v3", gdpr, {})

        assert states == reading.states
        assert problems == reading.problems
        assert ("snowplow", "v3") == (reading.source, reading.policy_version)


def test_snowplow_method() -> None:
    """Mere use is implied, and waiting is nothing."""
    methods = [
        read_snowplow(kind, "consent", None, None, None, {}).method
        for kind in ("allow_all", "implicit_consent", "pending")
    ]

    assert ["explicit", "implied", "none"] == methods


@pytest.mark.parametrize(
    "basis", ["contract", "legitimate_interests", "Consent", "", None]
)
def test_snowplow_basis(basis: str | None) -> None:
    """Any basis but consent grants nothing; what is off stays off."""
    reading = read_snowplow("allow_selected", basis, ["analytics"], None, None, {})

    assert REFUSED | {"statistics": "unknown"} == reading.states
    assert ("other_basis",) == reading.problems
    assert "" == reading.policy_version


def test_snowplow_mapping() -> None:
    """All that the site names for a category must be among the scopes."""
    mapping = {"M": "statistics", "g": "statistics"}

    some = read_snowplow("allow_selected", "consent", ["m"], None, None, mapping)
    both = read_snowplow("allow_selected", "consent", ["m", "G"], None, None, mapping)
    assert "refused" == some.states["statistics"]
    assert "given" == both.states["statistics"]


@given(st.dictionaries(ids, st.booleans(), max_size=6), ids, mappings)
def test_one_more_no_grants_nothing(
    preferences: dict[str, bool], key: str, mapping: dict[str, str]
) -> None:
    """Switching one more id off never gives a category."""
    before = read_segment(preferences, mapping).states
    after = read_segment(preferences | {key: False}, mapping).states

    assert given_of(after) <= given_of(before)


@given(
    st.lists(ids, max_size=5),
    st.lists(ids, max_size=5),
    ids,
    st.sampled_from(["oneTrust", "iubenda", "", None]),
    mappings,
)
def test_one_more_denial_grants_nothing(
    allowed: list[str],
    denied: list[str],
    key: str,
    provider: str | None,
    mapping: dict[str, str],
) -> None:
    """Denying one more id never gives a category."""
    before = read_rudderstack(allowed, denied, provider, "or", mapping).states
    after = read_rudderstack(allowed, [*denied, key], provider, "or", mapping).states

    assert given_of(after) <= given_of(before)


def given_of(states: object) -> set[str]:
    """Return the categories that are given."""
    assert isinstance(states, dict)
    return {category for category, state in states.items() if state == "given"}
