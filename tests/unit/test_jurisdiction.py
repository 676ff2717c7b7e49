"""Which packs decide: the site's choice, the place, and what a request declares."""

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gate import Rules, decide
from pipeline.jurisdiction import Declared, choose, replay
from schemas.consent import CATEGORIES, ConsentState
from schemas.packs import Pack, PackError, Packs, load_packs, parse_pack
from tests.rules import DAY, PACKS, consents, no_wider, pack_lists, state, switch_sets
from tests.strategies import STATES

NOTHING = Declared()
ALL = ("eu_fr_exempt", "eu_strict", "gb_statistical", "us_ca", "us_uoom", "us_other")
ALL += ("br", "ca_qc")


def chosen(  # noqa: PLR0913 - as what is tested
    configured: tuple[str, ...],
    derived: str,
    declared: Declared = NOTHING,
    *,
    server: bool = False,
    day: str = DAY,
    packs: Packs = PACKS,
) -> Rules:
    """Choose without switches, today, for a page's event, but for what is said."""
    return choose(
        configured, (), declared, derived, server=server, day=day, packs=packs
    )


@pytest.mark.parametrize(
    ("place", "regime"),
    [
        ("DE", "eu_strict"),
        ("DE-BY", "eu_strict"),
        ("IS", "eu_strict"),
        ("NO", "eu_strict"),
        ("RE", "eu_strict"),
        ("FR", "eu_fr_exempt"),
        ("FR-IDF", "eu_fr_exempt"),
        ("GB", "gb_statistical"),
        ("GB-SCT", "gb_statistical"),
        ("US-CA", "us_ca"),
        ("US-CO", "us_uoom"),
        ("US-TX", "us_uoom"),
        ("US-VA", "us_other"),
        ("US", "us_other"),
        ("BR", "br"),
        ("BR-SP", "br"),
        ("CA-QC", "ca_qc"),
    ],
)
def test_place(place: str, regime: str) -> None:
    """The pack of the place decides: the state's before the country's."""
    assert regime == chosen(ALL, place).regime


@pytest.mark.parametrize("place", ["", "CA", "CA-ON", "CH", "JP", "XX", "de", "U", "-"])
def test_unknown_place(place: str) -> None:
    """What is no place of any pack is under all of them, in the site's order."""
    assert "unknown_geo+" + "+".join(ALL) == chosen(ALL, place).regime


@pytest.mark.parametrize("place", ["", "DE", "US-CA", "JP"])
@pytest.mark.parametrize("pack", PACKS.jurisdictions)
def test_one_pack_decides_everywhere(pack: str, place: str) -> None:
    """A site with one pack is under it, whatever is derived and declared."""
    declared = Declared(gdpr=True, sections=(2, 8), place="GB")

    assert pack == chosen((pack,), place, declared).regime
    assert pack == chosen((pack,), place, declared, server=True).regime


@pytest.mark.parametrize(
    ("configured", "regime"),
    [
        (("eu_fr_exempt", "eu_strict"), "eu_fr_exempt"),
        (("eu_strict", "eu_fr_exempt"), "eu_strict"),
        (("us_other", "eu_strict", "eu_fr_exempt"), "eu_strict"),
    ],
)
def test_first_of_equals(configured: tuple[str, ...], regime: str) -> None:
    """Of packs for the same place the one that the site names first decides."""
    assert regime == chosen(configured, "FR").regime


def test_auto() -> None:
    """`auto` is all packs but the one that is the operator's own assessment."""
    assert "eu_strict" == chosen(("auto",), "FR").regime
    assert "us_ca" == chosen(("auto",), "US-CA").regime
    assert (
        "unknown_geo+"
        + "+".join(name for name in PACKS.jurisdictions if name != "eu_fr_exempt")
        == chosen(("auto",), "").regime
    )


SECTIONS = [
    (7, "us_ca"),
    (8, "us_ca"),
    (9, "us_other+us_ca"),
    (10, "us_uoom+us_ca"),
    (11, "us_other+us_ca"),
    (12, "us_uoom+us_ca"),
    (13, "us_other+us_ca"),
    (14, "us_uoom+us_ca"),
    (15, "us_uoom+us_ca"),
    (16, "us_uoom+us_ca"),
    (17, "us_uoom+us_ca"),
    (18, "us_other+us_ca"),
    (19, "us_uoom+us_ca"),
    (20, "us_uoom+us_ca"),
    (21, "us_uoom+us_ca"),
    (22, "us_other+us_ca"),
    (23, "us_uoom+us_ca"),
    (24, "us_uoom+us_ca"),
    (25, "us_other+us_ca"),
    (26, "us_other+us_ca"),
    (27, "us_other+us_ca"),
    # Canada's TCF, US Privacy, and what nobody has defined.
    (5, "us_ca"),
    (6, "us_ca"),
    (0, "us_ca"),
    (-1, "us_ca"),
    (4095, "us_ca"),
    # Europe's TCF.
    (2, "eu_strict+us_ca"),
]


def test_the_national_section_stands_for_an_unknown_state() -> None:
    """Where no state's pack speaks, the national section brings the country's."""
    configured = ("eu_strict", "us_other", "us_ca")
    declared = Declared(sections=(7,))

    assert chosen(configured, "DE", declared).regime == "eu_strict+us_other"


@pytest.mark.parametrize(("section", "regime"), SECTIONS)
def test_sections(section: int, regime: str) -> None:
    """A section of a GPP string adds the pack of the place that it is for."""
    configured = ("eu_strict", "us_uoom", "us_other", "us_ca")
    declared = Declared(sections=(section,))

    assert regime == chosen(configured, "US-CA", declared).regime


@pytest.mark.parametrize(
    ("configured", "place", "regime"),
    [
        # No European pack speaks: all configured ones do.
        (("eu_strict", "us_other"), "US", "eu_strict+us_other"),
        (
            ("eu_fr_exempt", "eu_strict", "us_other"),
            "US",
            "eu_fr_exempt+eu_strict+us_other",
        ),
        # One speaks already.
        (("eu_fr_exempt", "eu_strict", "us_other"), "FR", "eu_fr_exempt"),
        (("eu_strict", "gb_statistical"), "GB", "gb_statistical"),
        # None is configured: nobody knows which law that is.
        (("us_ca", "us_other"), "US-CA", "unknown_geo+us_ca+us_other"),
    ],
)
@pytest.mark.parametrize("declared", [Declared(gdpr=True), Declared(sections=(2,))])
def test_gdpr(
    configured: tuple[str, ...], place: str, regime: str, declared: Declared
) -> None:
    """Who says that the GDPR applies is under it, wherever the address is."""
    assert regime == chosen(configured, place, declared).regime


@pytest.mark.parametrize("place", ["DE", "US-CA", ""])
def test_gdpr_off_takes_nothing_away(place: str) -> None:
    """`gdpr=0` from a European address is a European address."""
    assert chosen(ALL, place).regime == chosen(ALL, place, Declared(gdpr=False)).regime


@pytest.mark.parametrize(
    ("derived", "declared", "regime"),
    [
        ("DE", "US-CA", "eu_strict+us_ca"),
        ("US-CA", "DE", "eu_strict+us_ca"),
        ("DE", "DE", "eu_strict"),
        ("DE", "JP", "unknown_geo+eu_strict+us_ca"),
        ("JP", "DE", "unknown_geo+eu_strict+us_ca"),
        ("", "US-CA", "unknown_geo+eu_strict+us_ca"),
    ],
)
def test_declared_place(derived: str, declared: str, regime: str) -> None:
    """The strictest of declared and derived: the packs of both decide together."""
    configured = ("eu_strict", "us_ca")

    assert regime == chosen(configured, derived, Declared(place=declared)).regime


@pytest.mark.parametrize(
    ("declared", "regime"),
    [
        (Declared(), "unknown_geo+eu_strict+us_ca"),
        (Declared(place="US-CA"), "us_ca"),
        (Declared(place="JP"), "unknown_geo+eu_strict+us_ca"),
        (Declared(place="US-CA", gdpr=True), "eu_strict+us_ca"),
        (Declared(sections=(8,)), "unknown_geo+eu_strict+us_ca"),
    ],
)
def test_servers(declared: Declared, regime: str) -> None:
    """A server's address is not the visitor's: only what it declares counts."""
    rules = chosen(("eu_strict", "us_ca"), "US-CA", declared, server=True)

    assert regime == rules.regime


@pytest.mark.parametrize(
    ("place", "day", "regime"),
    [
        ("US-CO", "2024-06-30", "us_other"),
        ("US-CO", "2024-07-01", "us_uoom"),
        ("US-NJ", "2025-07-14", "us_other"),
        ("US-NJ", "2025-07-15", "us_uoom"),
        ("US-OR", "2025-12-31", "us_other"),
        ("US-OR", "2026-01-01", "us_uoom"),
        # Not there yet, nor is the pack of the American states: strictest of all.
        ("IS", "2018-07-19", "unknown_geo+eu_strict+us_other"),
        ("IS", "2018-07-20", "eu_strict"),
    ],
)
def test_since(place: str, day: str, regime: str) -> None:
    """A pack is for a place from the day on which its law is in force there."""
    configured = ("eu_strict", "us_uoom", "us_other")

    assert regime == chosen(configured, place, day=day).regime


def test_a_pack_that_does_not_decide_yet() -> None:
    """Until its day the strictest pack stands in for it, never a more open one."""
    before, since = "2026-02-04", "2026-02-05"
    configured = ("gb_statistical", "us_other")

    assert "eu_strict" == chosen(("gb_statistical",), "GB", day=before).regime
    assert "gb_statistical" == chosen(("gb_statistical",), "GB", day=since).regime
    assert (
        "unknown_geo+eu_strict+us_other" == chosen(configured, "GB", day=before).regime
    )
    assert "gb_statistical" == chosen(configured, "GB", day=since).regime
    # And the strictest pack itself, on a machine whose clock is lost.
    assert "eu_strict" == chosen(("us_other",), "US", day="1970-01-01").regime


def test_a_lost_clock_keeps_what_holds_everywhere() -> None:
    """Whoever was erased stays so, whatever day the machine believes it is."""
    rules = chosen(("us_other",), "US", day="1970-01-01")

    assert "1" == decide("statistics", state("given", "erased"), rules).decision_row
    assert "2" == decide("statistics", state("given", "child"), rules).decision_row


def test_children() -> None:
    """A site made for children is under the pack for them as well."""
    rules = chosen(("us_ca",), "US-CA", Declared(child_directed=True))

    assert "child+us_ca" == rules.regime
    assert "counted" == decide("statistics", state("given"), rules).outcome


def test_unknown_pack() -> None:
    """A pack that is none is an error, not a site without rules."""
    with pytest.raises(PackError, match="there is no such pack"):
        chosen(("eu_lenient",), "DE")


def test_the_same_words_give_the_same_object() -> None:
    """Rules are made once: they are what the gate remembers its decisions by."""
    again = Declared(sections=(8,))

    assert chosen(ALL, "DE") is chosen(ALL, "DE-BY")
    assert chosen(ALL, "US-CA") is chosen(ALL, "US-CA", again)
    assert chosen(ALL, "DE") is not chosen(ALL, "GB")
    assert chosen(ALL, "DE") is not choose(
        ALL, ("ignore_dnt",), NOTHING, "DE", server=False, day=DAY, packs=PACKS
    )


# ----------------------------------------------------------------- never wider
places = st.sampled_from(["", "DE", "FR", "GB", "US", "US-CA", "US-CO", "BR", "JP"])
claims = st.builds(
    Declared,
    gdpr=st.sampled_from([None, True, False]),
    sections=st.lists(st.integers(0, 30), max_size=3).map(tuple),
    place=places,
    child_directed=st.booleans(),
)


def agree(consent: ConsentState, narrow: Rules, wide: Rules) -> bool:
    """Say if one set of rules allows no more than another, in any category."""
    return all(
        no_wider(decide(name, consent, narrow), decide(name, consent, wide))
        for name in CATEGORIES
    )


@given(consents, pack_lists, places, claims)
def test_declaring_never_widens(
    consent: ConsentState, names: list[str], derived: str, declared: Declared
) -> None:
    """Whatever a request says of its law, it is treated no more openly for it."""
    configured = tuple(names)

    assert agree(
        consent, chosen(configured, derived, declared), chosen(configured, derived)
    )


@given(consents, pack_lists, places)
def test_hiding_never_widens(
    consent: ConsentState, names: list[str], derived: str
) -> None:
    """Whoever hides the place is treated no more openly for it."""
    configured = tuple(names)

    assert agree(consent, chosen(configured, ""), chosen(configured, derived))


# ---------------------------------------------------------------------- replay
@given(consents, pack_lists, places, claims, switch_sets)
def test_replay(
    consent: ConsentState,
    names: list[str],
    derived: str,
    declared: Declared,
    switches: frozenset[str],
) -> None:
    """From what is stored with a row the same decision is made again."""
    rules = choose(
        tuple(names), switches, declared, derived, server=False, day=DAY, packs=PACKS
    )
    for category in CATEGORIES:
        grant = decide(category, consent, rules)
        again = replay(
            grant.regime, grant.regime_version, switches, day=DAY, packs=load_packs()
        )

        assert grant == decide(category, consent, again)


def changed(pack: str, version: str, effective: str, old: str, new: str) -> Pack:
    """Return a later text of a shipped pack."""
    text = shipped(pack).replace('version = "2026-11-23"', f'version = "{version}"')
    lines = [
        f'effective = "{effective}"' if line.startswith("effective = ") else line
        for line in text.splitlines()
    ]
    return parse_pack("\n".join(lines).replace(old, new))


def shipped(pack: str) -> str:
    """Return the text of a shipped pack."""
    folder = resources.files("schemas.packs")
    return folder.joinpath(f"{pack}-2026-11-23.toml").read_text("utf-8")


def test_replay_by_the_text_of_that_day() -> None:
    """A row is decided again by the version that decided it, not by the newest."""
    stricter = 'statistics = "anonymous"\nmarketing = "dropped"\nprecise'
    later = changed(
        "ca_qc",
        "2027-03-01",
        "2027-06-01",
        f'preference = "dropped"\n{stricter}',
        f'preference = "dropped"\n{stricter.replace("anonymous", "dropped")}',
    )
    packs = Packs(
        [*(parse_pack(shipped(name)) for name in PACKS.at(DAY)), later],
    )
    old = chosen(("ca_qc",), "CA-QC", day="2027-05-31", packs=packs)
    new = chosen(("ca_qc",), "CA-QC", day="2027-06-01", packs=packs)
    grants = [decide("statistics", state("unknown"), rules) for rules in (old, new)]

    assert ["anonymous", "dropped"] == [grant.outcome for grant in grants]
    assert ["2026-11-23", "2027-03-01"] == [grant.regime_version for grant in grants]
    for grant in grants:
        rules = replay(
            grant.regime, grant.regime_version, frozenset(), "2027-06-01", packs
        )
        assert grant == decide("statistics", state("unknown"), rules)


def test_replay_by_the_common_text_that_is_named() -> None:
    """A pack for everywhere that a row names is read in the version it names."""
    later = changed(
        "child",
        "2027-03-01",
        "2027-06-01",
        'statistics = "counted"',
        'statistics = "dropped"',
    )
    packs = Packs([*(parse_pack(shipped(name)) for name in PACKS.at(DAY)), later])
    for_children = Declared(child_directed=True)
    rules = chosen(("us_ca",), "", for_children, day="2027-05-31", packs=packs)
    grant = decide("statistics", state("given"), rules)
    again = replay(grant.regime, grant.regime_version, frozenset(), "2027-06-01", packs)

    assert ("counted", "child+us_ca") == (grant.outcome, grant.regime)
    assert grant == decide("statistics", state("given"), again)


@pytest.mark.parametrize(
    ("regime", "version", "error"),
    [
        ("eu_strict", "2018-05-25", PackError),
        ("eu_mild", "2026-11-23", PackError),
        ("eu_strict+br", "2026-11-23", ValueError),
        ("", "", PackError),
        ("unknown_geo", "2026-11-23", ValueError),
    ],
)
def test_replay_of_what_is_not_known(
    regime: str, version: str, error: type[Exception]
) -> None:
    """What cannot be decided again is said to be so, not decided some other way."""
    with pytest.raises(error):
        replay(regime, version, frozenset(), DAY, PACKS)


@pytest.mark.parametrize("word", STATES)
def test_states_are_whole(word: str) -> None:
    """Every state leads to a decision under every shipped pack."""
    for pack in PACKS.jurisdictions:
        for category in CATEGORIES:
            assert decide(category, state(word), chosen((pack,), "")).decision_row
