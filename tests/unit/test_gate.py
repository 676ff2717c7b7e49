"""
The consent gate, row by row, and what may never happen to it.

The table is written by hand; it follows the rules in the gate's own docstring.
"""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gate import decide, read_consent
from schemas.consent import CATEGORIES, Category, ConsentClaim, ConsentState
from schemas.event import EVENT_TYPES
from schemas.outcome import REASONS, Grant
from schemas.policy import load_policy
from schemas.site import Site
from tests.builders import DAY_MS, NOON_MS
from tests.strategies import REGIMES, SIGNALS, STATES, categories, consents, sites

WIDTH = {"dropped": 0, "counted": 1, "anonymous": 2, "identified": 3}
ALL_GIVEN = ConsentState("given", "given", "given", "given")
NOTHING = ConsentState()


def site(regime: str, **options: str) -> Site:
    """Return a site of a regime; undecided is counted, refused is dropped."""
    return Site("example.com", regime, **options)  # type: ignore[arg-type]


def all_of(state: Any, *signals: Any) -> ConsentState:
    """Return the same state for every asking category, with signals."""
    return ConsentState(state, state, state, state, signals)


# Every asking category in this state, with these signals: what becomes of an event
# of each category, in the order essential, preference, statistics, marketing,
# precise location. I identified, A anonymous, C counted, D dropped.
TABLE = [
    # regime, state, signals, outcomes
    ("opt_in", "given", "", "IIIII"),
    ("opt_in", "given", "gpc", "AAADD"),
    ("opt_in", "given", "dnt", "AAADD"),
    ("opt_in", "given", "gpc dnt", "AAADD"),
    ("opt_in", "unknown", "", "ADCDD"),
    ("opt_in", "unknown", "gpc", "ADCDD"),
    ("opt_in", "unknown", "dnt", "ADCDD"),
    ("opt_in", "unknown", "gpc dnt", "ADCDD"),
    ("opt_in", "requested", "", "ADCDD"),
    ("opt_in", "requested", "gpc", "ADCDD"),
    ("opt_in", "requested", "dnt", "ADCDD"),
    ("opt_in", "requested", "gpc dnt", "ADCDD"),
    ("opt_in", "expired", "", "ADCDD"),
    ("opt_in", "expired", "gpc", "ADCDD"),
    ("opt_in", "expired", "dnt", "ADCDD"),
    ("opt_in", "expired", "gpc dnt", "ADCDD"),
    ("opt_in", "refused", "", "ADDDD"),
    ("opt_in", "refused", "gpc", "ADDDD"),
    ("opt_in", "refused", "dnt", "ADDDD"),
    ("opt_in", "refused", "gpc dnt", "ADDDD"),
    ("opt_in", "withdrawn", "", "ADDDD"),
    ("opt_in", "withdrawn", "gpc", "ADDDD"),
    ("opt_in", "withdrawn", "dnt", "ADDDD"),
    ("opt_in", "withdrawn", "gpc dnt", "ADDDD"),
    ("exempt_anonymous", "given", "", "IIIII"),
    ("exempt_anonymous", "given", "gpc", "AAADD"),
    ("exempt_anonymous", "given", "dnt", "AAADD"),
    ("exempt_anonymous", "given", "gpc dnt", "AAADD"),
    ("exempt_anonymous", "unknown", "", "ADADD"),
    ("exempt_anonymous", "unknown", "gpc", "ADDDD"),
    ("exempt_anonymous", "unknown", "dnt", "ADDDD"),
    ("exempt_anonymous", "unknown", "gpc dnt", "ADDDD"),
    ("exempt_anonymous", "requested", "", "ADADD"),
    ("exempt_anonymous", "requested", "gpc", "ADDDD"),
    ("exempt_anonymous", "requested", "dnt", "ADDDD"),
    ("exempt_anonymous", "requested", "gpc dnt", "ADDDD"),
    ("exempt_anonymous", "expired", "", "ADADD"),
    ("exempt_anonymous", "expired", "gpc", "ADDDD"),
    ("exempt_anonymous", "expired", "dnt", "ADDDD"),
    ("exempt_anonymous", "expired", "gpc dnt", "ADDDD"),
    ("exempt_anonymous", "refused", "", "ADDDD"),
    ("exempt_anonymous", "refused", "gpc", "ADDDD"),
    ("exempt_anonymous", "refused", "dnt", "ADDDD"),
    ("exempt_anonymous", "refused", "gpc dnt", "ADDDD"),
    ("exempt_anonymous", "withdrawn", "", "ADDDD"),
    ("exempt_anonymous", "withdrawn", "gpc", "ADDDD"),
    ("exempt_anonymous", "withdrawn", "dnt", "ADDDD"),
    ("exempt_anonymous", "withdrawn", "gpc dnt", "ADDDD"),
    ("opt_out", "given", "", "IIIII"),
    ("opt_out", "given", "gpc", "IIIDD"),
    ("opt_out", "given", "dnt", "AAADD"),
    ("opt_out", "given", "gpc dnt", "AAADD"),
    ("opt_out", "unknown", "", "IIIID"),
    ("opt_out", "unknown", "gpc", "IIIDD"),
    ("opt_out", "unknown", "dnt", "AAADD"),
    ("opt_out", "unknown", "gpc dnt", "AAADD"),
    ("opt_out", "requested", "", "IIIID"),
    ("opt_out", "requested", "gpc", "IIIDD"),
    ("opt_out", "requested", "dnt", "AAADD"),
    ("opt_out", "requested", "gpc dnt", "AAADD"),
    ("opt_out", "expired", "", "IIIID"),
    ("opt_out", "expired", "gpc", "IIIDD"),
    ("opt_out", "expired", "dnt", "AAADD"),
    ("opt_out", "expired", "gpc dnt", "AAADD"),
    ("opt_out", "refused", "", "ADDDD"),
    ("opt_out", "refused", "gpc", "ADDDD"),
    ("opt_out", "refused", "dnt", "ADDDD"),
    ("opt_out", "refused", "gpc dnt", "ADDDD"),
    ("opt_out", "withdrawn", "", "ADDDD"),
    ("opt_out", "withdrawn", "gpc", "ADDDD"),
    ("opt_out", "withdrawn", "dnt", "ADDDD"),
    ("opt_out", "withdrawn", "gpc dnt", "ADDDD"),
]


@pytest.mark.parametrize(("regime", "state", "signals", "outcomes"), TABLE)
def test_table(regime: str, state: str, signals: str, outcomes: str) -> None:
    """Each regime, state and signal leads where the table says."""
    consent = all_of(state, *signals.split())

    assert outcomes == "".join(
        decide(category, consent, site(regime)).outcome[0].upper()
        for category in CATEGORIES
    )


def test_table_is_whole() -> None:
    """No combination of regime, state and signals is left out of the table."""
    assert {
        (regime, state, " ".join(signals))
        for regime, state, signals in itertools.product(REGIMES, STATES, SIGNALS)
    } == {row[:3] for row in TABLE}


@pytest.mark.parametrize(
    ("regime", "category", "consent", "outcome", "reasons"),
    [
        ("opt_in", "statistics", ALL_GIVEN, "identified", "consent_given"),
        ("opt_in", "statistics", NOTHING, "counted", "no_consent"),
        ("opt_in", "statistics", all_of("requested"), "counted", "consent_requested"),
        ("opt_in", "statistics", all_of("expired"), "counted", "consent_expired"),
        ("opt_in", "statistics", all_of("refused"), "dropped", "consent_refused"),
        ("opt_in", "statistics", all_of("withdrawn"), "dropped", "consent_withdrawn"),
        ("opt_in", "statistics", all_of("given", "gpc"), "anonymous", "signal_gpc"),
        ("opt_in", "statistics", all_of("given", "dnt"), "anonymous", "signal_dnt"),
        ("opt_in", "marketing", all_of("given", "gpc"), "dropped", "signal_gpc"),
        ("opt_in", "marketing", all_of("given", "dnt"), "dropped", "signal_dnt"),
        ("opt_in", "essential", ALL_GIVEN, "identified", "essential"),
        ("opt_in", "essential", NOTHING, "anonymous", "essential no_consent"),
        (
            "opt_in",
            "essential",
            all_of("refused"),
            "anonymous",
            "essential consent_refused",
        ),
        (
            "opt_in",
            "preference",
            ConsentState(preference="given"),
            "anonymous",
            "consent_given no_statistics_consent",
        ),
        (
            "opt_in",
            "marketing",
            ConsentState(marketing="given", statistics="refused"),
            "anonymous",
            "consent_given no_statistics_consent",
        ),
        (
            "opt_in",
            "precise_location",
            ConsentState(precise_location="given"),
            "anonymous",
            "consent_given no_statistics_consent",
        ),
        ("opt_out", "statistics", NOTHING, "identified", "regime_opt_out"),
        ("opt_out", "marketing", all_of("unknown", "gpc"), "dropped", "signal_gpc"),
        (
            "opt_out",
            "statistics",
            all_of("unknown", "gpc"),
            "identified",
            "regime_opt_out",
        ),
        ("opt_out", "statistics", all_of("unknown", "dnt"), "anonymous", "signal_dnt"),
        ("opt_out", "precise_location", NOTHING, "dropped", "no_consent"),
        ("exempt_anonymous", "statistics", NOTHING, "anonymous", "regime_exempt"),
        ("exempt_anonymous", "marketing", NOTHING, "dropped", "no_consent"),
        (
            "exempt_anonymous",
            "statistics",
            all_of("unknown", "dnt"),
            "dropped",
            "objection",
        ),
    ],
)
def test_reasons(
    regime: str, category: Category, consent: ConsentState, outcome: str, reasons: str
) -> None:
    """The reasons say which rule decided."""
    grant = decide(category, consent, site(regime))

    assert (outcome, tuple(reasons.split())) == (grant.outcome, grant.reasons)


@pytest.mark.parametrize(
    ("regime", "consent", "granted"),
    [
        ("opt_in", NOTHING, ""),
        ("opt_in", ALL_GIVEN, "preference statistics marketing precise_location"),
        ("opt_in", all_of("given", "gpc"), "preference"),
        ("opt_in", ConsentState(statistics="given"), "statistics"),
        ("opt_in", ConsentState(marketing="given"), "marketing"),
        ("opt_out", NOTHING, "preference statistics marketing"),
        ("opt_out", all_of("unknown", "gpc"), "preference statistics"),
        ("opt_out", all_of("unknown", "dnt"), "preference"),
        ("opt_out", ConsentState(statistics="refused"), "preference marketing"),
        ("exempt_anonymous", NOTHING, ""),
        ("exempt_anonymous", ConsentState(statistics="given"), "statistics"),
    ],
)
@pytest.mark.parametrize("category", CATEGORIES)
def test_granted(
    category: Category, regime: str, consent: ConsentState, granted: str
) -> None:
    """What is granted does not depend on the event; essential always is."""
    grant = decide(category, consent, site(regime))

    assert {"essential", *granted.split()} == grant.granted
    assert regime == grant.regime


@pytest.mark.parametrize(
    ("undecided", "refused", "after_silence", "after_refusal"),
    [
        ("count", "drop", "counted", "dropped"),
        ("drop", "drop", "dropped", "dropped"),
        ("count", "count", "counted", "counted"),
        ("drop", "count", "dropped", "dropped"),
    ],
)
def test_what_remains(
    undecided: str, refused: str, after_silence: str, after_refusal: str
) -> None:
    """The site says what remains; a refusal never leaves more than silence."""
    chosen = site("opt_in", undecided=undecided, refused=refused)

    assert after_silence == decide("statistics", NOTHING, chosen).outcome
    for consent in (all_of("refused"), all_of("withdrawn")):
        assert after_refusal == decide("statistics", consent, chosen).outcome
    # Only statistics are ever counted without consent.
    assert "dropped" == decide("marketing", all_of("given", "gpc"), chosen).outcome
    assert "dropped" == decide("preference", NOTHING, chosen).outcome


def no_wider(narrow: Grant, wide: Grant) -> bool:
    """Say if one grant allows no more than another, in outcome and categories."""
    return (
        WIDTH[narrow.outcome] <= WIDTH[wide.outcome] and narrow.granted <= wide.granted
    )


def replaced(consent: ConsentState, **changes: Any) -> ConsentState:
    """Return the consent with something else in it."""
    fields = {name: getattr(consent, name) for name in consent.__struct_fields__}
    return ConsentState(**{**fields, **changes})


LESS = [("given", state) for state in STATES if state != "given"] + [
    (state, denial)
    for state in STATES
    if state not in ("refused", "withdrawn")
    for denial in ("refused", "withdrawn")
]


@given(
    categories,
    consents,
    sites,
    st.sampled_from(["preference", "statistics", "marketing", "precise_location"]),
    st.sampled_from(LESS),
)
def test_less_consent_never_widens(
    category: Category,
    consent: ConsentState,
    at: Site,
    changed: str,
    change: tuple[str, str],
) -> None:
    """Taking a grant away, or refusing, never leads to more."""
    before = replaced(consent, **{changed: change[0]})
    after = replaced(consent, **{changed: change[1]})

    assert no_wider(decide(category, after, at), decide(category, before, at))


@given(categories, consents, sites, st.sampled_from(SIGNALS))
def test_signals_never_widen(
    category: Category, consent: ConsentState, at: Site, more: tuple[str, ...]
) -> None:
    """A further browser signal never leads to more."""
    both = tuple(sorted({*consent.signals, *more}, reverse=True))

    assert no_wider(
        decide(category, replaced(consent, signals=both), at),
        decide(category, consent, at),
    )


@given(categories, consents, sites)
def test_invariants(category: Category, consent: ConsentState, at: Site) -> None:
    """Nothing denied is granted, no pseudonym without statistics, reasons declared."""
    grant = decide(category, consent, at)

    assert not any(
        consent.of(name) in ("refused", "withdrawn") for name in grant.granted
    )
    assert grant.outcome != "identified" or "statistics" in grant.granted
    assert "precise_location" not in grant.granted or (
        consent.precise_location == "given" and not consent.signals
    )
    assert grant.reasons
    assert set(grant.reasons) <= set(REASONS)
    if at.regime != "opt_out":
        assert all(consent.of(name) == "given" for name in grant.granted)


# --------------------------------------------------------------- reading what is said
def read(claim: ConsentClaim | None, updated_ms: int | None = None) -> ConsentState:
    """Read a claim at noon on 1 June 2025 under the shipped policy."""
    return read_consent(
        claim,
        signals=(),
        policy=load_policy(),
        updated_ms=updated_ms,
        now_ms=NOON_MS,
    )


def test_no_claim_is_no_consent() -> None:
    """Without a consent object every category is unknown."""
    assert NOTHING == read(None)
    assert NOTHING == read(ConsentClaim())


def test_claims_are_read_one_by_one() -> None:
    """Each category's claim becomes its own state; essential is nobody's choice."""
    claim = ConsentClaim(
        essential=False,
        preference=True,
        statistics=False,
        marketing="withdrawn",
        precise_location="requested",
    )

    assert ConsentState("given", "refused", "withdrawn", "requested") == read(claim)


@pytest.mark.parametrize(
    ("version", "state"),
    [
        (None, "given"),
        ("2025-05-16", "given"),
        ("2025-05-17", "given"),
        ("2025-05-15", "expired"),
        ("2018-05-25", "expired"),
        ("", "expired"),
        ("2025", "expired"),
        ("v3", "expired"),
        ("latest", "expired"),
        ("\u0662\u0660\u0662\u0665-05-16", "expired"),
        ("2025-05-16 ", "expired"),
        ("2025-05-16\n", "expired"),
    ],
)
def test_policy_version(version: str | None, state: str) -> None:
    """A grant under an older version, or one that is none, counts as expired."""
    claim = ConsentClaim(statistics=True, marketing="given", policy_version=version)

    assert (state, state) == (read(claim).statistics, read(claim).marketing)


@pytest.mark.parametrize(
    ("age_ms", "state"),
    [
        (0, "given"),
        (395 * DAY_MS, "given"),
        (395 * DAY_MS + 1, "expired"),
        (4000 * DAY_MS, "expired"),
        (-DAY_MS, "given"),
        (-DAY_MS - 1, "expired"),
        (-4000 * DAY_MS, "expired"),
    ],
)
def test_age(age_ms: int, state: str) -> None:
    """A grant that is too old, or from the future, counts as expired."""
    claim = ConsentClaim(statistics=True)

    assert state == read(claim, NOON_MS - age_ms).statistics


def test_denials_do_not_expire() -> None:
    """Age turns a grant into nothing, never a refusal into less of one."""
    claim = ConsentClaim(
        preference=False, statistics="withdrawn", marketing=None, policy_version="1999"
    )

    assert ConsentState("refused", "withdrawn", "unknown", "unknown") == read(claim, 0)


def test_all_reasons_of_the_gate_are_reached() -> None:
    """Every declared reason is one that the path gives, and is in this table."""
    reached = {
        reason
        for regime, state, signals, category in itertools.product(
            REGIMES, STATES, SIGNALS, CATEGORIES
        )
        for reason in decide(category, all_of(state, *signals), site(regime)).reasons
    } | set(
        decide("marketing", ConsentState(marketing="given"), site("opt_in")).reasons
    )

    assert set(REASONS) - {"robot", "automated", "repeated", "prefetch"} == reached


def test_events_need_what_the_published_policy_says() -> None:
    """Errors are essential, coordinates have their own consent, the rest asks."""
    rules = load_policy().events

    assert {"exception", "app_crash"} == {
        name for name in EVENT_TYPES if rules[name].consent_category == "essential"
    }
    assert "precise_location" == rules["location"].consent_category
    assert {"custom", "link_click", "form_submit"} == {
        name for name in EVENT_TYPES if rules[name].sender_may_choose
    }
