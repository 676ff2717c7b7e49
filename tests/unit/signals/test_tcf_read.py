"""TC strings: which count, and what they say of our categories."""

from typing import Any

import pytest

from pipeline.signals.errors import SignalError
from pipeline.signals.reading import Reading
from pipeline.signals.tcf import DEFAULT, TcfRules, decode_tcf, read_tcf, validity
from tests.tc_strings import CREATED_MS, encode_tc

DAY_MS = 86_400_000
ASKED = ("preference", "statistics", "marketing", "precise_location")
EVERYTHING = {
    "purpose_consents": range(1, 12),
    "special_feature_opt_ins": (1,),
}
VENDOR = TcfRules(vendor_id=2)
CORE = TcfRules(purposes="core")
# The longest that a string counts.
OLD_MS = CREATED_MS + 395 * DAY_MS


def read(rules: TcfRules = CORE, now_ms: int = CREATED_MS, **fields: Any) -> Reading:
    """Read a string with these fields."""
    return read_tcf(encode_tc(**fields), now_ms=now_ms, rules=rules)


def given(rules: TcfRules = CORE, now_ms: int = CREATED_MS, **fields: Any) -> str:
    """Return the categories that are given, by their first letters."""
    states = read(rules, now_ms, **fields).states
    assert tuple(states) == ASKED
    assert set(states.values()) <= {"given", "refused"}
    return "".join(name[:2] for name in ASKED if states[name] == "given")


# ------------------------------------------------------------------------- categories
@pytest.mark.parametrize(
    ("purposes", "expected"),
    [
        ((), ""),
        ((1,), ""),
        ((1, 6), "pr"),
        ((1, 11), "pr"),
        ((6, 11), ""),
        ((1, 8, 9), "st"),
        ((8, 9), ""),
        ((1, 8), ""),
        ((1, 9), ""),
        ((1, 3, 4, 7), "ma"),
        ((3, 4, 7), ""),
        ((1, 4, 7), ""),
        ((1, 3, 7), ""),
        ((1, 3, 4), ""),
        (range(1, 12), "prstma"),
        (range(2, 25), ""),
    ],
)
def test_purposes(purposes: tuple[int, ...], expected: str) -> None:
    """A category takes all its purposes, and purpose 1 in any case."""
    assert expected == given(purpose_consents=purposes)
    assert expected == given(DEFAULT, publisher_purpose_consents=purposes)
    assert expected == given(VENDOR, purpose_consents=purposes, vendor_consents={2})


def test_precise_location() -> None:
    """Special feature 1 is precise location, and nothing else is."""
    assert given(special_feature_opt_ins=(1,)) == "pr"
    assert read(special_feature_opt_ins=(1,)).states["precise_location"] == "given"
    assert given(special_feature_opt_ins=range(2, 13)) == ""


def test_legitimate_interests_never_count() -> None:
    """An interest of somebody's is no consent."""
    every = range(1, 25)
    interests: dict[str, Any] = {
        "purpose_legitimate_interests": every,
        "publisher_purpose_legitimate_interests": every,
        "vendor_legitimate_interests": {1, 2, 3},
    }

    assert given(**interests) == ""
    assert given(**interests, publisher_purpose_consents=()) == ""
    assert given(VENDOR, **interests) == ""


def test_publisher_before_core() -> None:
    """Without a vendor id, the publisher's own segment is what counts."""
    every = range(1, 12)

    assert given(DEFAULT, purpose_consents=every, publisher_purpose_consents=()) == ""
    assert given(DEFAULT, publisher_purpose_consents=(1, 8, 9)) == "st"


def test_publisher_is_needed() -> None:
    """Without its segment nothing is granted: it may have been cut off."""
    reading = read(DEFAULT, **EVERYTHING)

    assert "given" not in reading.states.values()
    assert reading.problems == ("no_publisher_purposes",)


def test_core_instead_of_publisher() -> None:
    """A rule takes the core's purposes; then the publisher's are not read."""
    every = range(1, 12)

    assert given(CORE, purpose_consents=every, publisher_purpose_consents=()) != ""
    assert given(CORE, publisher_purpose_consents=every) == ""


def test_vendor() -> None:
    """With a vendor id, its bit and the core's purposes count, and those alone."""
    everything: dict[str, Any] = {
        **EVERYTHING,
        "publisher_purpose_consents": range(1, 25),
    }

    assert given(VENDOR, **everything) == ""
    assert given(VENDOR, **everything, vendor_consents={1, 3}) == ""
    assert given(VENDOR, **everything, vendor_consents={2}) == "prstmapr"
    assert (
        given(VENDOR, publisher_purpose_consents=range(1, 25), vendor_consents={2})
        == ""
    )


@pytest.mark.parametrize(
    ("kind", "vendors", "expected"),
    [
        (0, {2}, "prma"),  # not allowed
        (1, {2}, "prstma"),  # by consent, which there is
        (2, {2}, "prma"),  # by legitimate interest, which never counts
        (3, {2}, "prma"),  # without a meaning
        (0, {1, 3}, "prstma"),  # somebody else's
        (0, range(1, 50), "prma"),
    ],
)
def test_restrictions(kind: int, vendors: Any, expected: str) -> None:
    """A restriction of our vendor closes what needs the purpose."""
    fields: dict[str, Any] = {
        "purpose_consents": range(1, 12),
        "vendor_consents": {1, 2, 3},
        "publisher_restrictions": [(8, kind, vendors)],
    }

    assert expected == given(VENDOR, **fields)
    assert given(**fields) == "prstma"  # it is about vendors, and we are none


def test_restriction_of_one_way() -> None:
    """A category that may be had in two ways is closed when both are."""
    for purposes, expected in (((6,), "prst"), ((6, 11), "st"), ((1,), "")):
        assert expected == given(
            VENDOR,
            purpose_consents=(1, 6, 8, 9, 11),
            vendor_consents={2},
            publisher_restrictions=[(one, 0, {2}) for one in purposes],
        )


@pytest.mark.parametrize("first", [(), (1,)])
def test_purpose_one_not_asked(first: tuple[int, ...]) -> None:
    """Where purpose 1 was not asked for, nobody said yes or no to storing."""
    states = read(
        purpose_one_treatment=True,
        purpose_consents=(*first, 8, 9, 11),
        special_feature_opt_ins=(1,),
    ).states

    assert states == {
        "preference": "unknown",
        "statistics": "unknown",
        "marketing": "refused",
        "precise_location": "given",
    }


def test_purpose_one_not_needed() -> None:
    """A way to a category that does without purpose 1 stays open."""
    for ways in (
        (frozenset({9}),),
        (frozenset({1, 9}), frozenset({9})),
        (frozenset({9}), frozenset({1, 9})),
    ):
        rules = TcfRules(categories={"statistics": ways}, purposes="core")
        reading = read(rules, purpose_one_treatment=True, purpose_consents=(9,))
        assert reading.states["statistics"] == "given"


def test_mapping_is_data() -> None:
    """Which purposes make which category is in the rules."""
    rules = TcfRules(
        categories={"statistics": (frozenset({9}), frozenset({10}))},
        special_features={"marketing": 2},
        purposes="core",
    )
    states = read(rules, purpose_consents=(10,), special_feature_opt_ins=(1,)).states

    assert states == {"statistics": "given", "marketing": "refused"}


# --------------------------------------------------------------------------- validity
PROBLEMS: dict[str, tuple[TcfRules, int, dict[str, Any]]] = {
    "": (DEFAULT, CREATED_MS, {}),
    "not_service_specific": (DEFAULT, CREATED_MS, {"is_service_specific": False}),
    "policy_version": (DEFAULT, CREATED_MS, {"policy_version": 3}),
    "no_disclosed_vendors": (DEFAULT, CREATED_MS, {"vendors_disclosed": None}),
    "no_publisher_purposes": (
        DEFAULT,
        CREATED_MS,
        {"publisher_purpose_consents": None},
    ),
    "vendor_not_disclosed": (VENDOR, CREATED_MS, {"vendors_disclosed": {1, 3}}),
    "too_old": (DEFAULT, OLD_MS + 1, {}),
    "in_future": (DEFAULT, CREATED_MS - DAY_MS - 100, {}),
}


@pytest.mark.parametrize(
    ("rules", "now_ms", "fields", "problem"),
    [(*case, name) for name, case in PROBLEMS.items()],
    ids=[name or "none" for name in PROBLEMS],
)
def test_problems(
    rules: TcfRules, now_ms: int, fields: dict[str, Any], problem: str
) -> None:
    """Each problem has its name, and takes every grant away and no refusal."""
    chosen = {
        "purpose_consents": (1, 8, 9),
        "publisher_purpose_consents": (1, 8, 9),
        "vendor_consents": {2},
        **fields,
    }
    tc = decode_tcf(encode_tc(**chosen))
    reading = read(rules, now_ms, **chosen)
    problems = (problem,) if problem else ()
    instead = {
        "": "given",
        "too_old": "expired",
        # Else a text that was cut would refuse less than the whole one.
        "no_publisher_purposes": "refused",
    }.get(problem, "unknown")

    assert problems == validity(tc, now_ms=now_ms, rules=rules)
    assert problems == reading.problems
    assert dict(reading.states) == {
        "preference": "refused",
        "statistics": instead,
        "marketing": "refused",
        "precise_location": "refused",
    }


def test_all_problems() -> None:
    """Problems are listed together, in the order of the documentation."""
    text = encode_tc(
        is_service_specific=False,
        policy_version=0,
        vendors_disclosed=None,
        created_ms=CREATED_MS * 2,
        last_updated_ms=0,
    )

    assert validity(decode_tcf(text), now_ms=CREATED_MS) == (
        "not_service_specific",
        "policy_version",
        "no_disclosed_vendors",
        "no_publisher_purposes",
        "too_old",
        "in_future",
    )


def test_nobody_disclosed() -> None:
    """A segment that discloses nobody is as good as none."""
    everything: dict[str, Any] = {**EVERYTHING, "vendor_consents": {2}}
    reading = read(VENDOR, **everything, vendors_disclosed=())

    assert reading.problems == ("no_disclosed_vendors", "vendor_not_disclosed")
    assert "given" not in reading.states.values()
    for ranges in (False, True):
        assert read(**everything, vendors_disclosed=(), ranges=ranges).problems == (
            "no_disclosed_vendors",
        )


def test_without_disclosure_of_vendors() -> None:
    """Where the segment is not needed, one that is there still counts."""
    rules = TcfRules(vendor_id=2, needs_disclosed=False)
    fields: dict[str, Any] = {"purpose_consents": (1, 8, 9), "vendor_consents": {2}}

    assert given(rules, **fields, vendors_disclosed=None) == "st"
    assert read(rules, **fields, vendors_disclosed={1}).problems == (
        "vendor_not_disclosed",
    )


@pytest.mark.parametrize(
    ("rules", "now_ms", "fields"),
    [
        (TcfRules(needs_service_specific=False), 0, {"is_service_specific": False}),
        (TcfRules(min_policy_version=2), 0, {"policy_version": 2}),
        (TcfRules(needs_disclosed=False), 0, {"vendors_disclosed": None}),
        (TcfRules(max_age_ms=400 * DAY_MS), 400 * DAY_MS, {}),
        (TcfRules(max_ahead_ms=9 * DAY_MS), -9 * DAY_MS, {}),
        (DEFAULT, 395 * DAY_MS, {}),
        (DEFAULT, -DAY_MS, {}),
        (DEFAULT, 0, {"policy_version": 4}),
        (DEFAULT, 2 * DAY_MS, {"last_updated_ms": CREATED_MS + 3 * DAY_MS}),
    ],
)
def test_thresholds(rules: TcfRules, now_ms: int, fields: dict[str, Any]) -> None:
    """Every threshold is in the rules, and its last value still counts."""
    tc = decode_tcf(encode_tc(publisher_purpose_consents=(), **fields))

    assert validity(tc, now_ms=CREATED_MS + now_ms, rules=rules) == ()


def test_reading() -> None:
    """A reading has its source, the time of the choice and the policy of it."""
    reading = read(last_updated_ms=CREATED_MS + DAY_MS)

    assert reading.source == "tcf"
    assert reading.method == "explicit"
    assert reading.updated_ms == CREATED_MS + DAY_MS
    assert reading.policy_version == "5"
    assert reading.flags == frozenset()


def test_unreadable() -> None:
    """What cannot be read raises: the caller knows that there was something."""
    with pytest.raises(SignalError):
        read_tcf("CP", now_ms=CREATED_MS)
