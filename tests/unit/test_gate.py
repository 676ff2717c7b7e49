"""
The decision table row by row, and what may never happen to it.

The cells are copied by hand from the table, not from the rule packs: I identified,
A anonymous, G counted, D dropped; essential, preference, statistics, marketing,
precise location. A cell "A/I" is written I: as identified as statistics allow.
"""

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gate import Rules, decide, why
from schemas.consent import ASKED, CATEGORIES, FLAGS, Category, ConsentState
from schemas.event import EVENT_TYPES
from schemas.outcome import REASONS
from schemas.packs import LEVELS
from schemas.policy import load_policy
from tests.rules import (
    COMMON,
    DAY,
    PACKS,
    consents,
    flag_sets,
    no_wider,
    of_packs,
    pack_lists,
    pack_names,
    rules,
    state,
    switch_sets,
)
from tests.strategies import STATES

LETTERS = dict(zip("DGAI", LEVELS, strict=True))
EVERY_PACK = "br ca_qc eu_fr_exempt eu_strict gb_statistical us_ca us_other us_uoom"
UNDECIDED, DENIED = "unknown requested expired", "refused withdrawn"
NOT_US = "br ca_qc eu_fr_exempt eu_strict gb_statistical"
NOT_EXEMPT = "br ca_qc eu_strict us_ca us_other us_uoom"
SALE = "sale_opt_out share_opt_out targeted_opt_out"
OPENS = "count_opens count_undecided"


def cells(consent: ConsentState, of: Rules) -> str:
    """Return what becomes of an event of each category, as letters."""
    letters = {level: letter for letter, level in LETTERS.items()}
    return "".join(letters[decide(name, consent, of).outcome] for name in CATEGORIES)


def held(expected: str) -> str:
    """Apply what holds for every row: no identity without that of statistics."""
    return expected if expected[2] == "I" else expected.replace("I", "A")


# Row; packs; switches; states; flags (one after the other); cells of the table.
TABLE = [
    ("1", EVERY_PACK, "", "given", "erased", "GDDDD"),
    ("2", EVERY_PACK, "", "given", "child", "GDGDD"),
    ("3", "eu_strict", "", "given", "", "IIIII"),
    ("4", "eu_strict", "", DENIED, "", "ADDDD"),
    ("4", "eu_strict", "count_undecided", DENIED, "", "ADDDD"),
    ("4", "eu_strict", "count_undecided count_refusals", DENIED, "", "ADGDD"),
    ("4", "eu_strict", "count_refusals", DENIED, "", "ADDDD"),
    ("5", "eu_strict", "", UNDECIDED, "", "ADDDD"),
    ("5", "eu_strict", "count_undecided", UNDECIDED, "", "ADGDD"),
    ("5", "eu_strict", "count_undecided", UNDECIDED, "gpc dnt", "ADGDD"),
    ("6", "eu_strict", "", "given", "gpc dnt", "IIADD"),
    ("6", "eu_strict", "ignore_dnt", "given", "gpc", "IIADD"),
    ("3", "eu_strict", "ignore_dnt", "given", "dnt", "IIIII"),
    ("7", "eu_fr_exempt", "", UNDECIDED, "", "ADADD"),
    ("8", "eu_fr_exempt", "", DENIED, "", "GDDDD"),
    ("8", "eu_fr_exempt", "", "unknown", "dnt gpc objection", "GDDDD"),
    ("8", "eu_fr_exempt", "", "given", "dnt objection", "GDDDD"),
    ("7", "eu_fr_exempt", "ignore_dnt", "unknown", "dnt", "ADADD"),
    ("6", "eu_fr_exempt", "", "given", "gpc", "IIADD"),
    ("9", "eu_fr_exempt", "", "given", "", "IIIII"),
    ("10", "gb_statistical", "", UNDECIDED, "", "IDADD"),
    ("10", "gb_statistical", "statistical_id", UNDECIDED, "", "IDIDD"),
    ("11", "gb_statistical", "", DENIED, "", "ADDDD"),
    ("11", "gb_statistical", "", "unknown given", "objection dnt", "ADDDD"),
    ("11", "gb_statistical", "gpc_as_objection", "unknown given", "gpc", "ADDDD"),
    ("11", "gb_statistical", "statistical_id", "unknown", "objection", "ADDDD"),
    ("10", "gb_statistical", "", "unknown", "gpc", "IDADD"),
    ("6", "gb_statistical", "statistical_id", "unknown", "gpc", "IDADD"),
    ("3", "gb_statistical", "", "given", "", "IIIII"),
    ("12", "us_ca us_uoom us_other", "", UNDECIDED, "", "IIIID"),
    ("12", "us_ca us_uoom us_other", "", "given", "", "IIIII"),
    ("13", "us_ca us_uoom", "", UNDECIDED, f"gpc {SALE}", "IIIDD"),
    ("13", "us_ca us_uoom", "", "given", f"gpc {SALE}", "IIIDI"),
    ("14", "us_ca us_uoom us_other", "", "given", "sensitive_limit", "IIIID"),
    ("15", "us_other", "", UNDECIDED, f"gpc {SALE}", "IIIDD"),
    ("15", "us_other", "", "given", f"gpc {SALE}", "IIIDI"),
    ("4", "us_ca us_uoom us_other", "", DENIED, "", "ADDDD"),
    ("16", "br", "", UNDECIDED, "", "IDADD"),
    ("17", "ca_qc", "", UNDECIDED, "", "ADADD"),
    ("3", "br ca_qc", "", "given", "", "IIIII"),
    ("4", "br ca_qc", "", DENIED, "", "ADDDD"),
    ("6", "us_ca us_uoom us_other br ca_qc", "", "given", "dnt", "IIADD"),
    ("6", "br ca_qc", "", "given", "gpc", "IIADD"),
    ("4", NOT_EXEMPT, "", "given", "objection", "ADDDD"),
    ("19", "eu_strict eu_fr_exempt", "", "given", "mail_unasked", "IIDDD"),
    ("19", "eu_fr_exempt", "", "unknown", "mail_unasked", "ADDDD"),
    ("19", "eu_fr_exempt", "count_opens", "unknown", "mail_unasked", "ADGDD"),
    ("5", "eu_strict", "count_opens", "unknown", "mail_unasked", "ADDDD"),
    ("5", "eu_strict", OPENS, "unknown", "mail_unasked", "ADGDD"),
    ("19", "eu_strict", "count_undecided", "unknown", "mail_unasked", "ADDDD"),
    ("21", EVERY_PACK, "", "given", "robot automated", "GDGDD"),
    ("22", EVERY_PACK, "", "given", "prefetch save_data", "DDDDD"),
    # An opt-out closes marketing wherever it is sent from, and nothing else.
    ("13", NOT_US, "", "given", SALE, "IIIDI"),
    ("14", EVERY_PACK, "", "given", "sensitive_limit", "IIIID"),
]


def cases() -> list[Any]:
    """Return one case for each row, pack, state and flag of the table."""
    return [
        pytest.param(
            *(row, pack, switches, state(word, *flag.split()), expected),
            id="-".join(filter(None, (row, pack, switches, word, flag))),
        )
        for row, packs, switches, words, flags, expected in TABLE
        for pack, word, flag in itertools.product(
            packs.split(), words.split(), flags.split() or [""]
        )
    ]


@pytest.mark.parametrize(("row", "pack", "switches", "consent", "expected"), cases())
def test_row(
    row: str, pack: str, switches: str, consent: ConsentState, expected: str
) -> None:
    """Each row of the table leads where it says, and is the one that is named."""
    in_force = rules(pack, switches=switches.split())
    # Rows 13 to 15 close single categories, and are named for those.
    asked: dict[str, Category] = {
        "13": "marketing",
        "14": "precise_location",
        "15": "marketing",
    }

    assert held(expected) == cells(consent, in_force)
    assert row == decide(asked.get(row, "statistics"), consent, in_force).decision_row


def test_row_9_per_grant() -> None:
    """Row 9: each category follows its own grant."""
    consent = state("unknown", statistics="given", marketing="given")

    assert "IDIID" == cells(consent, rules("eu_fr_exempt"))


@pytest.mark.parametrize(
    ("packs", "expected", "row"),
    [
        ("eu_strict us_ca", "ADDDD", "18.5"),
        ("us_ca eu_strict", "ADDDD", "18.5"),
        ("us_ca br", "IDADD", "18.16"),
        ("us_ca us_other", "IIIID", "18.12"),
        ("eu_fr_exempt gb_statistical", "ADADD", "18.7"),
        ("gb_statistical eu_fr_exempt", "ADADD", "18.10"),
        (EVERY_PACK, "ADDDD", "18.5"),
    ],
)
def test_row_18(packs: str, expected: str, row: str) -> None:
    """Row 18: an unknown place is under the strictest of all configured packs."""
    in_force = rules(*packs.split(), unknown_place=True)
    grant = decide("statistics", state("unknown"), in_force)

    assert held(expected) == cells(state("unknown"), in_force)
    assert (row, "unknown_geo+" + packs.replace(" ", "+")) == (
        grant.decision_row,
        grant.regime,
    )
    assert grant.regime.count("+") == grant.regime_version.count("+")


def test_row_18_names_restrictions_as_they_are() -> None:
    """What a flag closes is closed anywhere: its row has no 18 before it."""
    in_force = rules("eu_strict", "us_ca", unknown_place=True)

    assert "6" == decide("statistics", state("given", "gpc"), in_force).decision_row
    assert "2" == decide("statistics", state("given", "child"), in_force).decision_row


@pytest.mark.parametrize("pack", ["eu_strict", "eu_fr_exempt"])
def test_row_20(pack: str) -> None:
    """Row 20: with consent to open tracking an e-mail counts as any event does."""
    consent = state("unknown", statistics="given")

    assert "IDIDD" == cells(consent, rules(pack))
    assert "IDIID" == cells(
        state("unknown", statistics="given", marketing="given"), rules(pack)
    )


def test_every_row_is_tested() -> None:
    """No row of the table was left out."""
    assert {str(number) for number in range(1, 23)} == {
        *(case[0] for case in TABLE),
        *("18", "20"),
    }


@pytest.mark.parametrize(
    ("category", "flags", "row", "reason"),
    [
        ("statistics", "erased prefetch", "1", "erased"),
        ("essential", "erased child", "1", "erased"),
        ("essential", "erased robot", "1", "erased"),
        # Strictness comes before order.
        ("essential", "erased prefetch", "22", "prefetch"),
        ("statistics", "erased child", "1", "erased"),
        ("statistics", "child robot", "21", "robot"),
        ("statistics", "child dnt", "2", "child"),
        ("marketing", "gpc child", "2", "child"),
        ("marketing", "gpc sensitive_limit", "13", "signal_gpc"),
        ("statistics", "automated robot", "21", "robot"),
    ],
)
def test_order_of_evaluation(
    category: Category, flags: str, row: str, reason: str
) -> None:
    """Of rows that are equally strict the first counts: 1, 21 and 22, 2, the rest."""
    grant = decide(category, state("given", *flags.split()), rules("us_ca"))

    assert (row, reason) == (grant.decision_row, grant.reasons[-1])


@pytest.mark.parametrize(
    ("pack", "category", "consent", "outcome", "reasons"),
    [
        ("eu_strict", "statistics", state("given"), "I", "consent_given"),
        ("eu_strict", "statistics", state("unknown"), "G", "no_consent"),
        ("eu_strict", "statistics", state("requested"), "G", "consent_requested"),
        ("eu_strict", "statistics", state("expired"), "G", "consent_expired"),
        ("eu_strict", "statistics", state("refused"), "D", "consent_refused"),
        ("eu_strict", "statistics", state("withdrawn"), "D", "consent_withdrawn"),
        ("eu_strict", "statistics", state("given", "gpc"), "A", "signal_gpc"),
        ("eu_strict", "statistics", state("given", "dnt"), "A", "signal_dnt"),
        ("eu_strict", "marketing", state("given", "gpc"), "D", "signal_gpc"),
        ("eu_strict", "marketing", state("unknown", "gpc"), "D", "no_consent"),
        ("eu_strict", "marketing", state("refused", "gpc"), "D", "consent_refused"),
        ("eu_strict", "essential", state("given"), "I", "essential"),
        ("eu_strict", "essential", state("unknown"), "A", "essential no_consent"),
        ("eu_strict", "essential", state("refused"), "A", "essential consent_refused"),
        ("eu_strict", "essential", state("given", "dnt"), "A", "essential signal_dnt"),
        ("eu_strict", "essential", state("given", "erased"), "G", "essential erased"),
        (
            "eu_strict",
            "preference",
            state("unknown", preference="given"),
            "A",
            "consent_given no_statistics_consent",
        ),
        (
            "eu_strict",
            "precise_location",
            state("refused", precise_location="given"),
            "A",
            "consent_given no_statistics_consent",
        ),
        (
            "eu_fr_exempt",
            "marketing",
            state("unknown", marketing="given"),
            "A",
            "consent_given no_statistics_consent",
        ),
        ("us_ca", "statistics", state("unknown"), "I", "regime_opt_out"),
        ("us_ca", "marketing", state("unknown", "sale_opt_out"), "D", "sale_opt_out"),
        ("us_ca", "marketing", state("unknown", "share_opt_out"), "D", "share_opt_out"),
        (
            "us_ca",
            "marketing",
            state("unknown", "targeted_opt_out"),
            "D",
            "targeted_opt_out",
        ),
        (
            "us_ca",
            "precise_location",
            state("given", "sensitive_limit"),
            "D",
            "sensitive_limit",
        ),
        ("us_ca", "precise_location", state("unknown"), "D", "no_consent"),
        ("us_ca", "statistics", state("unknown", "objection"), "D", "objection"),
        ("eu_fr_exempt", "statistics", state("unknown"), "A", "regime_exempt"),
        ("eu_fr_exempt", "essential", state("unknown"), "A", "essential regime_exempt"),
        ("eu_fr_exempt", "statistics", state("unknown", "dnt"), "D", "signal_dnt"),
        (
            "eu_strict",
            "statistics",
            state("given", "mail_unasked"),
            "D",
            "mail_unasked",
        ),
        ("us_ca", "statistics", state("unknown", "robot"), "G", "robot"),
        ("us_ca", "statistics", state("unknown", "automated"), "G", "automated"),
        ("us_ca", "statistics", state("unknown", "prefetch"), "D", "prefetch"),
        ("us_ca", "statistics", state("unknown", "save_data"), "D", "save_data"),
        ("us_ca", "statistics", state("unknown", "child"), "G", "child"),
    ],
)
def test_reasons(
    pack: str, category: Category, consent: ConsentState, outcome: str, reasons: str
) -> None:
    """The reasons say which rule decided."""
    grant = decide(category, consent, rules(pack, switches=["count_undecided"]))

    assert (LETTERS[outcome], tuple(reasons.split())) == (grant.outcome, grant.reasons)


@pytest.mark.parametrize(
    ("category", "row"),
    [("essential", "6"), ("preference", "6"), ("statistics", "6"), ("marketing", "6")],
)
def test_row_of_what_identity_lacks(category: Category, row: str) -> None:
    """What has no pseudonym for want of statistics names the row of statistics."""
    grant = decide(category, state("given", "gpc"), rules("eu_strict"))

    assert row == grant.decision_row


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    ("pack", "consent", "granted", "closed"),
    [
        ("eu_strict", state("unknown"), "", "preference statistics marketing place"),
        ("eu_strict", state("given"), "all", ""),
        ("eu_strict", state("given", "gpc"), "", "marketing place"),
        (
            "eu_strict",
            state("unknown", statistics="given"),
            "essential statistics",
            "preference marketing place",
        ),
        (
            "us_ca",
            state("unknown"),
            "essential preference statistics marketing",
            "place",
        ),
        (
            "us_ca",
            state("unknown", "gpc"),
            "essential preference statistics",
            "marketing place",
        ),
        ("us_ca", state("unknown", statistics="refused"), "", "statistics place"),
        ("eu_fr_exempt", state("unknown"), "", "preference marketing place"),
        ("eu_strict", state("given", "child"), "", "all"),
    ],
)
def test_granted_and_closed(
    category: Category, pack: str, consent: ConsentState, granted: str, closed: str
) -> None:
    """What is granted and closed does not depend on the event."""
    grant = decide(category, consent, rules(pack))

    def names(text: str) -> set[str]:
        if text == "all":
            return set(CATEGORIES)
        return set(text.replace("place", "precise_location").split())

    assert names(granted) == grant.granted
    assert names(closed) == grant.closed


def test_absent_fields() -> None:
    """Without a grant the French exemption keeps campaigns and screens away."""
    exempt, strict = rules("eu_fr_exempt"), rules("eu_strict")
    away = decide("statistics", state("unknown"), exempt).absent

    assert {"utm_source", "utm_campaign", "ad_click", "screen_class"} <= away
    assert {"viewport_class", "referrer_path", "traffic_source", "mailing"} <= away
    assert {"referrer_domain", "url_path", "device_type"}.isdisjoint(away)
    # An error's row is under the same rules, and so is one of another category.
    assert away == decide("essential", state("unknown"), exempt).absent
    assert away == decide("preference", state("refused"), exempt).absent
    assert frozenset() == decide("statistics", state("given"), exempt).absent
    assert frozenset() == decide("statistics", state("unknown"), strict).absent
    assert (
        away
        == decide(
            "statistics", state("unknown"), rules("eu_strict", "eu_fr_exempt")
        ).absent
    )


def test_a_site_for_children() -> None:
    """Where a site is made for children every visitor is one, whatever is said."""
    in_force = rules("us_ca", child_directed=True)
    grant = decide("statistics", state("given"), in_force)

    assert held("GDGDD") == cells(state("given"), in_force)
    assert ("child+us_ca", "2", ("child",)) == (
        grant.regime,
        grant.decision_row,
        grant.reasons,
    )


def test_no_rules_without_a_pack() -> None:
    """Rules that would close nothing cannot be made."""
    for packs in ((), (COMMON[0],)):
        with pytest.raises(ValueError, match="at least one pack"):
            of_packs(packs)


def test_regime_names_packs_and_versions() -> None:
    """A grant says which texts it was decided by, in the order of the packs."""
    grant = decide("statistics", state("given"), rules("us_ca", "br"))

    assert ("us_ca+br", "2026-11-23+2026-11-23") == (grant.regime, grant.regime_version)


# -------------------------------------------------------------------------- why
def test_why() -> None:
    """Every cell that matched is told, and which of them decides."""
    steps = why(state("given", "gpc"), rules("us_ca", "eu_strict"))

    assert [
        ("us_ca", "12", "identified", "consent_given", False),
        ("eu_strict", "3", "identified", "consent_given", False),
        ("eu_strict", "6", "anonymous", "signal_gpc", True),
    ] == [
        (step["pack"], step["row"], step["level"], step["because"], step["decides"])
        for step in steps
        if step["category"] == "statistics"
    ]
    assert ("eu_strict", "6", "anonymous", "no_statistics_consent", True) == tuple(
        [step for step in steps if step["category"] == "preference"][-1][key]
        for key in ("pack", "row", "level", "because", "decides")
    )


@given(consent=consents, names=pack_lists, switches=switch_sets, unknown=st.booleans())
def test_why_and_decide_agree(
    consent: ConsentState, names: list[str], switches: frozenset[str], *, unknown: bool
) -> None:
    """For each category exactly one step decides, and it is the gate's."""
    in_force = rules(*names, switches=switches, unknown_place=unknown)
    steps = why(consent, in_force)

    assert steps == orjson.loads(orjson.dumps(steps))
    for category in CATEGORIES:
        grant = decide(category, consent, in_force)

        assert [(grant.outcome, grant.decision_row)] == [
            (step["level"], step["row"])
            for step in steps
            if step["category"] == category and step["decides"]
        ]


# ------------------------------------------------------------------- never wider
def replaced(consent: ConsentState, **changes: Any) -> ConsentState:
    """Return the consent with something else in it."""
    fields = {name: getattr(consent, name) for name in consent.__struct_fields__}
    return ConsentState(**{**fields, **changes})


LESS = [("given", word) for word in STATES if word != "given"] + [
    (word, denial)
    for word in STATES
    if word not in DENIED.split()
    for denial in DENIED.split()
]
rule_sets = st.builds(
    lambda names, switches, unknown: rules(
        *names, switches=switches, unknown_place=unknown
    ),
    pack_lists,
    switch_sets,
    st.booleans(),
)


@given(consents, rule_sets, flag_sets)
def test_flags_never_widen(
    consent: ConsentState, in_force: Rules, more: frozenset[str]
) -> None:
    """Further restrictive flags never lead to more, in any category."""
    after = replaced(consent, flags=tuple(sorted({*consent.flags, *more})))

    for category in CATEGORIES:
        assert no_wider(
            decide(category, after, in_force), decide(category, consent, in_force)
        )


@given(consents, rule_sets, st.sampled_from(ASKED), st.sampled_from(LESS))
def test_less_consent_never_widens(
    consent: ConsentState, in_force: Rules, changed: str, change: tuple[str, str]
) -> None:
    """Taking a grant away, or refusing, never leads to more, in any category."""
    before = replaced(consent, **{changed: change[0]})
    after = replaced(consent, **{changed: change[1]})

    for category in CATEGORIES:
        assert no_wider(
            decide(category, after, in_force), decide(category, before, in_force)
        )


@given(consents, pack_lists, pack_names, switch_sets, st.integers(0, 9))
def test_packs_never_widen(
    consent: ConsentState,
    names: list[str],
    more: str,
    switches: frozenset[str],
    place: int,
) -> None:
    """One more pack, wherever in the order, never leads to more."""
    both = [*names[: place // 2], more, *names[place // 2 :]]
    before = rules(*names, switches=switches)
    # An odd number adds that the place is not known.
    after = rules(*both, switches=switches, unknown_place=place % 2 == 1)

    for category in CATEGORIES:
        assert no_wider(
            decide(category, consent, after), decide(category, consent, before)
        )


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("pack", PACKS.jurisdictions)
def test_each_flag_never_widens(pack: str, flag: str) -> None:
    """No single flag widens, for any state and any set of the pack's switches."""
    known = sorted(PACKS.switches_of((pack,)))
    for size in range(len(known) + 1):
        for switches in itertools.combinations(known, size):
            in_force = rules(pack, switches=switches)
            for word in STATES:
                for category in CATEGORIES:
                    assert no_wider(
                        decide(category, state(word, flag), in_force),
                        decide(category, state(word), in_force),
                    )


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_restricts(flag: str) -> None:
    """No flag is without effect: some pack takes something away for it."""
    found = {
        pack
        for pack in PACKS.jurisdictions
        if cells(state("given", flag), rules(pack))
        != cells(state("given"), rules(pack))
    }

    only_europe = {"eu_strict", "eu_fr_exempt"}
    assert (
        only_europe if flag == "mail_unasked" else set(PACKS.jurisdictions)
    ) == found


@given(consents, rule_sets)
def test_invariants(consent: ConsentState, in_force: Rules) -> None:
    """Nothing denied is granted, no pseudonym without statistics, words declared."""
    for category in CATEGORIES:
        grant = decide(category, consent, in_force)

        assert not any(
            consent.of(name) in ("refused", "withdrawn") for name in grant.granted
        )
        assert grant.outcome != "identified" or "statistics" in grant.granted
        assert "precise_location" not in grant.granted or (
            consent.precise_location == "given"
        )
        assert grant.outcome != "counted" or category in ("essential", "statistics")
        assert grant.granted.isdisjoint(grant.closed)
        assert (category in grant.closed) is (grant.outcome in ("counted", "dropped"))
        assert grant.reasons
        assert set(grant.reasons) <= set(REASONS)
        if any(pack.family == "eu" for pack in in_force.packs):
            assert all(
                consent.of(name) == "given"
                for name in grant.granted
                if name != "essential"
            )


def test_all_reasons_of_the_gate_are_reached() -> None:
    """Every declared reason is one that the gate gives."""
    reached = {
        reason
        for pack, word, flag, category in itertools.product(
            PACKS.jurisdictions, STATES, (*FLAGS, ""), CATEGORIES
        )
        for reason in decide(category, state(word, *flag.split()), rules(pack)).reasons
    }

    # The door alone knows what was taken before.
    assert set(REASONS) - {"repeated"} == reached


def test_events_need_what_the_published_policy_says() -> None:
    """Errors are essential, coordinates have their own consent, the rest asks."""
    events = load_policy().events

    assert {"exception", "app_crash"} == {
        name for name in EVENT_TYPES if events[name].consent_category == "essential"
    }
    assert "precise_location" == events["location"].consent_category
    assert {"custom", "link_click", "form_submit"} == {
        name for name in EVENT_TYPES if events[name].sender_may_choose
    }


def test_the_day_of_these_tests() -> None:
    """On the day of these tests every pack decides."""
    assert {*PACKS.jurisdictions, *(pack.id for pack in COMMON)} == set(PACKS.at(DAY))
