"""Rule packs: what ships holds together, and every way to be wrong has its words."""

import itertools
from importlib import resources

import pytest

from schemas.consent import ASKED, CATEGORIES, FLAGS
from schemas.packs import RANK, PackError, Packs, load_packs, parse_pack
from schemas.packs.loading import read_pack
from schemas.packs.pack import STANDINGS
from schemas.policy import load_policy
from tests.rules import DAY, PACKS

EEA = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EEA += " IS LI NO"
UOOM = "CO CT DE MD MN MT NE NH NJ OR TX"
FILES = {
    entry.name: entry.read_text("utf-8")
    for entry in sorted(
        resources.files("schemas.packs").iterdir(), key=lambda entry: entry.name
    )
    if entry.name.endswith(".toml")
}
TEXT = FILES["eu_strict-2026-11-23.toml"]
COMMON = FILES["every-2026-11-23.toml"]
GB = FILES["gb_statistical-2026-11-23.toml"]


# ----------------------------------------------------------------- what ships
def test_shipped() -> None:
    """These packs ship, each under its own file name."""
    assert {
        *("every", "child", "unknown_geo"),
        *("eu_strict", "eu_fr_exempt", "gb_statistical"),
        *("us_ca", "us_uoom", "us_other", "br", "ca_qc"),
    } == set(PACKS.at(DAY))
    assert {f"{pack.id}-{pack.version}.toml" for pack in PACKS.at(DAY).values()} <= set(
        FILES
    )
    assert load_packs() is load_packs()


@pytest.mark.parametrize("name", FILES)
def test_read_pack(name: str) -> None:
    """Every file that ships is a pack."""
    assert name == "{0.id}-{0.version}.toml".format(
        read_pack(name, FILES[name].encode())
    )


@pytest.mark.parametrize(
    ("pack", "places"),
    [
        ("eu_strict", EEA),
        ("eu_fr_exempt", "FR"),
        ("gb_statistical", "GB"),
        ("us_ca", "US-CA"),
        ("us_uoom", " ".join(f"US-{state}" for state in UOOM.split())),
        ("us_other", "US"),
        ("br", "BR"),
        ("ca_qc", "CA-QC"),
    ],
)
def test_places(pack: str, places: str) -> None:
    """Each pack is for the places of its law, and for parts of them alone."""
    overseas = {"AX", "GF", "GP", "MF", "MQ", "RE", "YT"}
    found = set(PACKS.at(DAY)[pack].places)

    assert set(places.split()) == found - overseas
    assert (overseas if pack == "eu_strict" else set()) == found & overseas


def test_reads_tcf() -> None:
    """The European framework's string speaks in Europe."""
    assert {"eu_strict", "eu_fr_exempt", "gb_statistical"} == {
        name for name, pack in PACKS.at(DAY).items() if pack.reads_tcf
    }


def test_switches() -> None:
    """These switches are known, and to these packs."""
    known = {
        switch: {
            pack for pack in PACKS.jurisdictions if switch in PACKS.switches_of((pack,))
        }
        for switch in PACKS.switches
    }

    assert {
        "count_undecided": {"eu_strict"},
        "count_refusals": {"eu_strict"},
        "count_opens": {"eu_strict", "eu_fr_exempt"},
        "statistical_id": {"gb_statistical"},
        "gpc_as_objection": {"gb_statistical"},
        "ignore_dnt": set(PACKS.jurisdictions),
    } == known
    assert {"count_undecided"} == PACKS.needs("count_refusals")
    assert set() == PACKS.needs("count_undecided")


def test_switches_change_one_cell_each() -> None:
    """With all switches on, three cells are others than the table's, and no more."""
    on = PACKS.switches
    changed = {
        (name, standing, category): pack.cell(standing, category, on)
        for name, pack in PACKS.at(DAY).items()
        if pack.decide is not None
        for standing, category in itertools.product(STANDINGS, CATEGORIES)
        if pack.cell(standing, category, on)
        != pack.cell(standing, category, frozenset())
    }

    assert {
        ("eu_strict", "unknown", "statistics"): ("counted", "5"),
        ("eu_strict", "refused", "statistics"): ("counted", "4"),
        ("gb_statistical", "unknown", "statistics"): ("identified", "10"),
    } == changed


@pytest.mark.parametrize("pack", PACKS.jurisdictions)
def test_opt_in_everywhere(pack: str) -> None:
    """No pack gives away precise location, or marketing after a refusal."""
    decide = PACKS.at(DAY)[pack].decide

    assert decide is not None
    assert ["dropped", "dropped"] == [
        decide.unknown.precise_location,
        decide.refused.precise_location,
    ]
    for category in ASKED:
        assert "dropped" == decide.refused.of(category)


@pytest.mark.parametrize("flag", FLAGS)
def test_flags_are_used(flag: str) -> None:
    """Every flag that the collector knows restricts something somewhere."""
    assert any(
        flag in rule.when for pack in PACKS.at(DAY).values() for rule in pack.restrict
    )


def test_fields_exist() -> None:
    """What a pack keeps away is stored otherwise, and is about a visitor."""
    policy = load_policy()
    PACKS.check_fields(policy.columns("events"))
    hidden = PACKS.at(DAY)["eu_fr_exempt"].fields_absent("unknown")

    assert hidden
    assert "essential" not in {policy.fields[name].consent_category for name in hidden}


def test_fields_that_do_not_exist() -> None:
    """A field that the policy does not have cannot be kept away."""
    packs = Packs([parse_pack(TEXT + '\n[absent]\nunknown = ["shoe_size"]\n')])

    with pytest.raises(PackError, match="shoe_size") as caught:
        packs.check_fields(load_policy().columns("events"))
    assert "eu_strict-2026-11-23: absent" == caught.value.where


def test_hidden_fields_stay_hidden_with_less_consent() -> None:
    """What is hidden from an undecided visitor's row is so after a refusal."""
    text = TEXT + '\n[absent]\ngiven = ["a"]\nunknown = ["b"]\nrefused = ["c"]\n'
    pack = parse_pack(text)

    assert [{"a"}, {"a", "b"}, {"a", "b", "c"}] == [
        set(pack.fields_absent(standing)) for standing in STANDINGS
    ]


def test_a_pack_without_rows_names_none() -> None:
    """Asking a pack for a cell that it does not have is an error."""
    with pytest.raises(LookupError, match="every"):
        parse_pack(COMMON).cell("given", "statistics", frozenset())


# ------------------------------------------------------------------- versions
def version(number: str, effective: str) -> str:
    """Return the text of another version."""
    text = TEXT.replace('version = "2026-11-23"', f'version = "{number}"')
    return text.replace('effective = "2018-05-25"', f'effective = "{effective}"')


def test_versions() -> None:
    """On each day the newest text that decides already does; all can be had."""
    old, new = parse_pack(TEXT), parse_pack(version("2027-01-01", "2027-07-01"))
    packs = Packs([new, old])

    assert {} == packs.at("2018-05-24")
    assert [old, old, new] == [
        packs.at(day)["eu_strict"] for day in ("2018-05-25", "2027-06-30", "2027-07-01")
    ]
    assert [old, new] == [
        packs.get("eu_strict", number) for number in ("2026-11-23", "2027-01-01")
    ]
    assert old is packs.oldest("eu_strict")
    assert ("2027-01-01", "2026-11-23") == (packs.newest, Packs([old]).newest)


@pytest.mark.parametrize(
    ("number", "effective", "problem"),
    [
        ("2026-11-23", "2018-05-25", "is there twice"),
        ("2026-11-23", "2027-01-01", "is there twice"),
        ("2027-01-01", "2018-05-25", "must be effective after version 2026-11-23"),
        ("2027-01-01", "2018-05-24", "must be effective after version 2026-11-23"),
        ("2025-01-01", "2019-01-01", "must be effective after version 2025-01-01"),
    ],
)
def test_versions_in_no_order(number: str, effective: str, problem: str) -> None:
    """A version is there once, and a newer text decides later."""
    with pytest.raises(PackError, match=problem):
        Packs([parse_pack(TEXT), parse_pack(version(number, effective))])


def test_a_pack_stays_of_its_kind() -> None:
    """A later version has rows if the earlier one had."""
    later = COMMON.replace('id = "every"', 'id = "eu_strict"')
    later = later.replace('version = "2026-11-23"', 'version = "2027-01-01"')
    later = later.replace('effective = "2018-05-25"', 'effective = "2027-01-01"')

    with pytest.raises(PackError, match="has rows or not"):
        Packs([parse_pack(TEXT), parse_pack(later)])


@pytest.mark.parametrize(
    ("name", "number"), [("eu_strict", "2018-05-25"), ("eu_mild", "2026-11-23")]
)
def test_no_such_version(name: str, number: str) -> None:
    """A version that is not known is said to be so."""
    with pytest.raises(PackError, match="there is no such pack"):
        PACKS.get(name, number)


def test_no_such_pack() -> None:
    """So is a pack."""
    with pytest.raises(PackError, match="eu_mild: there is no such pack"):
        PACKS.oldest("eu_mild")


# --------------------------------------------------------- every way to be wrong
CELL = 'row = "5"\nessential = "anonymous"\npreference = "dropped"\n'
SLIPS = [
    # What is replaced; by what; the key at fault; what is said.
    ("[pack]", "[pack", "file", "is not TOML"),
    ("[places]", "[palces]", "palces", "unknown section"),
    ("[pack]", "[peck]", "peck", "unknown section"),
    ('title = "EEA: consent first"', "", "pack.title", "missing required field"),
    ('title = "EEA: consent first"', 'title = " "', "pack.title", "is empty"),
    ("reads_tcf = true", "", "pack.reads_tcf", "missing required field"),
    ("reads_tcf = true", 'reads_tcf = "yes"', "pack.reads_tcf", "Expected `bool`"),
    ("reads_tcf = true", "reads_tfc = true", "pack.reads_tfc", "unknown field"),
    ('id = "eu_strict"', 'id = "EU"', "pack.id", "small letters"),
    ('id = "eu_strict"', 'id = "eu+strict"', "pack.id", "small letters"),
    ('version = "2026-11-23"', 'version = "3"', "pack.version", "must be a date"),
    ('version = "2026-11-23"', 'version = "20261123"', "pack.version", "must be"),
    ('"2018-05-25"\ntitle', '"2018-02-30"\ntitle', "pack.effective", "must be"),
    ('family = "eu"', 'family = "eea"', "pack.family", "Invalid enum value"),
    ('family = "eu"', 'family = "any"', "decide", "unless its family"),
    ("AT =", "at =", "places.at", "ISO 3166"),
    ("AT =", "AUT =", "places.AUT", "ISO 3166"),
    ("AT =", '"AT\\n" =', "places.AT\n", "ISO 3166"),
    ('AT = "2018-05-25"', 'AT = "25.5.2018"', "places.AT", "must be a date"),
    ('AT = "2018-05-25"', "AT = 2018", "places.AT", "Expected `str`"),
    (CELL, CELL.replace("pref", "perf"), "decide.unknown.perference", "unknown field"),
    (CELL, CELL[10:], "decide.unknown.row", "missing required field"),
    (CELL, CELL.replace("5", "23"), "decide.unknown.row", "no row"),
    (CELL, CELL.replace("5", "5a"), "decide.unknown.row", "no row"),
    (
        'preference = "dropped"\nstatistics = "dropped"\n',
        'preference = "dropped"\n',
        "decide.unknown.statistics",
        "missing required field",
    ),
    (
        CELL,
        CELL.replace("anonymous", "secret"),
        "decide.unknown.essential",
        "Invalid enum value",
    ),
    (
        CELL,
        CELL.replace("dropped", "counted"),
        "decide.unknown.preference",
        "only statistics and errors are counted",
    ),
    ("[decide.refused]", "[decide.denied]", "decide.denied", "unknown field"),
    # Less consent would allow more.
    (CELL, CELL.replace("anonymous", "counted"), "decide.essential", "not monotone"),
    (
        'needs = "count_undecided"\n',
        "",
        "decide.statistics",
        "less consent allows more with count_refusals: not monotone",
    ),
    ("[places]\n", "[[places]]\n", "places", "Expected `object`"),
    # Switches.
    (
        'needs = "count_undecided"',
        'needs = "count_unasked"',
        "switches.count_refusals.needs",
        "is no other switch",
    ),
    (
        'needs = "count_undecided"',
        'needs = "count_refusals"',
        "switches.count_refusals.needs",
        "is no other switch",
    ),
    (
        'becomes = "counted"\ndescription',
        'becomes = "anonymous"\ndescription',
        "switches.count_undecided",
        "no switch that the decision table names",
    ),
    (
        'category = "statistics"\nbecomes = "counted"\ndescription',
        'category = "essential"\nbecomes = "counted"\ndescription',
        "switches.count_undecided",
        "no switch that the decision table names",
    ),
    (
        'becomes = "counted"\ndescription',
        "description",
        "switches.count_undecided.becomes",
        "a cell is row, state, category, becomes",
    ),
    (
        'row = "5"\nstate = "unknown"',
        'row = "4"\nstate = "unknown"',
        "switches.count_undecided.row",
        "is not the row of 'unknown' here",
    ),
    (
        'state = "unknown"',
        'state = "given"',
        "switches.count_undecided.state",
        "Invalid enum value",
    ),
    (
        'description = "Do Not Track changes nothing. Global',
        'what = "Do Not Track changes nothing. Global',
        "switches.ignore_dnt.what",
        "unknown field",
    ),
    (
        "[switches.ignore_dnt]\n",
        '[switches.idle]\ndescription = "-"\n[switches.ignore_dnt]\n',
        "switches.idle",
        "changes nothing",
    ),
    (
        "[switches.ignore_dnt]\n",
        '[switches.idle]\ndescription = " "\n[switches.ignore_dnt]\n',
        "switches.idle.description",
        "is empty",
    ),
    # Restrictions.
    ('when = ["gpc"]', 'when = ["gcp"]', "restrict[0].when", "no flag 'gcp'"),
    ('when = ["gpc"]', "when = []", "restrict[0].when", "names no flag"),
    ('when = ["gpc"]', "", "restrict[0].when", "missing required field"),
    ('row = "6"\nwhen', 'row = "0"\nwhen', "restrict[0].row", "no row"),
    (
        'unless = "ignore_dnt"',
        'unless = "ignore_gpc"',
        "restrict[1].unless",
        "no switch 'ignore_gpc'",
    ),
    (
        'only_with = "count_opens"',
        'only_with = "count_mails"',
        "restrict[6].only_with",
        "no switch 'count_mails'",
    ),
    (
        'when = ["gpc"]\nstatistics = "anonymous"',
        'when = ["gpc"]\nstatistics = "identified"',
        "restrict[0].statistics",
        "is the most there is",
    ),
    (
        'when = ["gpc"]\nstatistics = "anonymous"\nmarketing = "dropped"',
        'when = ["gpc"]\nstatistics = "anonymous"\nmarketing = "counted"',
        "restrict[0].marketing",
        "only statistics and errors are counted",
    ),
    (
        'when = ["sensitive_limit"]\nprecise_location = "dropped"',
        'when = ["sensitive_limit"]',
        "restrict[4]",
        "restricts nothing",
    ),
    (
        'when = ["sensitive_limit"]\n',
        'when = ["sensitive_limit"]\nallow_given = ["marketing"]\n',
        "restrict[4].allow_given",
        "'marketing' is not restricted",
    ),
    (
        'when = ["sensitive_limit"]\n',
        'when = ["sensitive_limit"]\nallow_given = ["email"]\n',
        "restrict[4].allow_given[0]",
        "Invalid enum value",
    ),
    (
        'when = ["sensitive_limit"]\n',
        'when = ["sensitive_limit"]\nlocation = "dropped"\n',
        "restrict[4].location",
        "unknown field",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [pytest.param(*slip, id=f"{at}-{slip[2]!r}") for at, slip in enumerate(SLIPS)],
)
def test_slips(old: str, new: str, where: str, problem: str) -> None:
    """A pack that does not hold together is refused, with the key at fault."""
    assert old in TEXT
    with pytest.raises(PackError) as caught:
        parse_pack(TEXT.replace(old, new, 1))

    assert where == caught.value.where
    assert problem in caught.value.problem
    assert f"rule pack: {where}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("", "pack", "missing section"),
        (COMMON.replace('"any"', '"eu"'), "decide", "unless its family"),
        (COMMON + '\n[places]\nDE = "2018-05-25"\n', "places", "another has none"),
        (
            COMMON
            + '\n[switches.s]\nrow = "5"\nstate = "unknown"\ncategory = "statistics"\n'
            'becomes = "counted"\ndescription = "-"\n',
            "switches.s",
            "the pack has no rows",
        ),
        (
            TEXT.replace("sources = [", "sources = []\nother = [", 1),
            "pack.other",
            "unknown field",
        ),
        (
            GB.replace("[places]\nGB =", "[places]\n# GB ="),
            "places",
            "a pack with rows has places",
        ),
        (
            TEXT.replace('row = "4"\nessential', 'row = "4"\nessentials', 1),
            "decide.refused.essentials",
            "unknown field",
        ),
    ],
)
def test_whole_files(text: str, where: str, problem: str) -> None:
    """What a pack as a whole lacks, or has too much of, is named."""
    with pytest.raises(PackError) as caught:
        parse_pack(text)

    assert where == caught.value.where
    assert problem in caught.value.problem


@pytest.mark.parametrize("sources", ["[]", '[" "]'])
def test_sources(sources: str) -> None:
    """A pack says what it rests on."""
    head, _, rest = GB.partition("sources = [")
    rest = rest[rest.index("reads_tcf") :]
    text = f"{head}sources = {sources}\n{rest}"

    with pytest.raises(PackError) as caught:
        parse_pack(text)
    assert ("pack.sources", "names no source") == (
        caught.value.where,
        caught.value.problem,
    )


@pytest.mark.parametrize("standing", ["unknown", "refused"])
def test_precise_location_is_opt_in(standing: str) -> None:
    """A pack that gives precise location away is refused."""
    head, _, rest = TEXT.partition(f"[decide.{standing}]")
    rest = rest.replace(
        'precise_location = "dropped"', 'precise_location = "anonymous"', 1
    )

    with pytest.raises(PackError) as caught:
        parse_pack(f"{head}[decide.{standing}]{rest}")
    assert f"decide.{standing}.precise_location" == caught.value.where


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("level", ["dropped", "counted", "anonymous"])
def test_a_grant_is_never_worth_less(category: str, level: str) -> None:
    """Given, unknown, refused: in this order nothing grows."""
    head, _, rest = GB.partition("[decide.given]")
    rest = rest.replace(f'{category} = "identified"', f'{category} = "{level}"', 1)
    unknown = {"essential": "identified", "statistics": "anonymous"}
    text = f"{head}[decide.given]{rest}"
    open_ = unknown.get(category, "dropped")
    # A pack that also has a switch to identified is held to that.
    if category == "statistics":
        open_ = "identified"
    if RANK[level] < RANK[open_] or (  # type: ignore[index]
        level == "counted" and category not in ("essential", "statistics")
    ):
        with pytest.raises(PackError):
            parse_pack(text)
    else:
        assert parse_pack(text).decide is not None


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("eu_strict.toml", TEXT.encode(), "eu_strict.toml"),
        ("eu_strict-2026-11-24.toml", TEXT.encode(), "eu_strict-2026-11-24.toml"),
        ("a.toml", b"\xff", "a.toml"),
        ("a.toml", b"[pack]", "a.toml: pack.id"),
    ],
)
def test_files(name: str, content: bytes, where: str) -> None:
    """A file is named as its pack, and named when it is wrong."""
    with pytest.raises(PackError) as caught:
        read_pack(name, content)

    assert where == caught.value.where
