"""What GPP strings say of our categories: restrictions, and almost never a yes."""

import pytest

from pipeline.signals.errors import SignalError
from pipeline.signals.gpp import OPTED_OUT, parse_gpp_sid, read_gpp
from pipeline.signals.gpp_sections import SECTIONS
from pipeline.signals.reading import Reading, SignalState
from pipeline.signals.tcf import TcfRules
from schemas.consent import ASKED, FLAGS
from tests.gpp_strings import encode_gpp, encode_header

NOW_MS = 1_750_000_000_000
TC = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAAAAAAAAAAA.IAAA"
UNKNOWN: dict[str, SignalState] = dict.fromkeys(ASKED, "unknown")

# Where each specification puts precise location in its list of sensitive data, and
# whether 2 there is a consent ("asks") or only no opt-out.
LOCATIONS = [
    ("usnat", 8, True),
    ("usca", 3, False),
    ("usva", 8, True),
    ("usut", 8, False),
    ("usct", 8, True),
    ("usfl", 8, True),
    ("usmt", 8, True),
    ("usor", 11, True),
    ("ustx", 8, True),
    ("usde", 9, True),
    ("usia", 8, False),
    ("usne", 8, True),
    ("usnh", 8, True),
    ("usnj", 8, True),
    ("ustn", 8, True),
    ("usmn", 8, True),
    ("usin", 8, True),
    ("usky", 8, True),
    ("usri", 8, True),
]
NAMES = [section.name for section in SECTIONS.values()]


def read(text: str, *sid: int, place: str = "") -> list[Reading]:
    """Read with the default rules."""
    return read_gpp(text, gpp_sid=sid, place=place, now_ms=NOW_MS)


def one(**sections: object) -> Reading:
    """Return the only reading of a string of one section."""
    (reading,) = read(encode_gpp(sections))  # type: ignore[arg-type]
    return reading


def sources(text: str, *sid: int, place: str = "") -> list[str]:
    """Return which sections are read."""
    return [reading.source for reading in read(text, *sid, place=place)]


def has(name: str, field: str) -> bool:
    """Tell whether a section has a field."""
    section = SECTIONS[next(n for n, s in SECTIONS.items() if s.name == name)]
    return any(field == each.name for each in (*section.core, *(section.extra or ())))


@pytest.mark.parametrize("name", NAMES)
def test_opt_outs_of_every_section_become_flags(name: str) -> None:
    """1 is opted out; 2 (did not) and 0 (not applicable) say nothing."""
    for field, flag in (
        ("SaleOptOut", "sale_opt_out"),
        ("SharingOptOut", "share_opt_out"),
        ("TargetedAdvertisingOptOut", "targeted_opt_out"),
    ):
        if has(name, field):
            said = {value: one(**{name: {field: value}}) for value in (0, 1, 2)}

            assert {flag} == said[1].flags
            assert (f"gpp_{name}", {}, "explicit") == (
                said[1].source,
                said[1].states,
                said[1].method,
            )
            assert set() == said[0].flags | said[2].flags
            assert {"none"} == {said[0].method, said[2].method}


def test_each_section_has_the_opt_outs_of_its_law() -> None:
    """All know the sale; sharing is California's and the nation's."""
    assert NAMES == [name for name in NAMES if has(name, "SaleOptOut")]
    assert ["usnat", "usca"] == [name for name in NAMES if has(name, "SharingOptOut")]
    assert ["usca"] == [
        name for name in NAMES if not has(name, "TargetedAdvertisingOptOut")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_gpc_in_a_string_is_gpc(name: str) -> None:
    """Only a true one, and only where there is one."""
    if has(name, "Gpc"):
        assert {"gpc"} == one(**{name: {"Gpc": True}}).flags
        assert set() == one(**{name: {"Gpc": False}}).flags
    else:
        assert name in {"usva", "usut", "usfl", "usin", "usky", "usri"}


@pytest.mark.parametrize("name", NAMES)
def test_any_word_on_children_means_a_child(name: str) -> None:
    """No consent and consent alike, of every age."""
    section = next(one for one in SECTIONS.values() if one.name == name)
    field = next((f for f in section.core if "Child" in f.name), None)
    if field is None:
        assert "usmd" == name
        return
    for at in range(max(1, field.many)):
        for value in (1, 2):
            values = [0] * at + [value] + [0] * (field.many - at - 1)
            said = one(**{name: {field.name: values if field.many else value}})
            assert {"child"} == said.flags
    assert set() == one(**{name: {}}).flags


@pytest.mark.parametrize(("name", "place", "asks"), LOCATIONS)
def test_precise_location_has_its_place_in_the_list(
    name: str, place: int, *, asks: bool
) -> None:
    """A 1 limits, a 2 consents where the law has people asked; no other entry does."""
    section = next(one for one in SECTIONS.values() if one.name == name)
    many = next(
        field.many
        for field in (*section.core, *(section.extra or ()))
        if field.name == "SensitiveDataProcessing"
    )
    for at in range(1, many + 1):
        no, yes = (
            one(
                **{
                    name: {
                        "SensitiveDataProcessing": [
                            value if each == at else 0 for each in range(1, many + 1)
                        ]
                    }
                }
            )
            for value in (1, 2)
        )
        assert ({"sensitive_limit"} if at == place else set()) == no.flags
        assert {} == no.states
        given = {"precise_location": "given"} if at == place and asks else {}
        assert given == yes.states
        assert set() == yes.flags
        assert ("explicit" if given else "none") == yes.method


def test_colorado_and_maryland_do_not_speak_of_location() -> None:
    """Nothing in their lists is taken for it."""
    full = one(usco={"SensitiveDataProcessing": [1, 2, 1, 2, 1, 2, 1]})

    assert Reading("gpp_usco", method="none") == full
    assert {"usco", "usmd"} == set(NAMES) - {name for name, _, _ in LOCATIONS}


def test_the_old_national_layout_speaks_of_location_too() -> None:
    """Its list is shorter, the place is the same."""
    said = one(usnat={"SensitiveDataProcessing": [0] * 7 + [2], "Gpc": True})

    assert {"precise_location": "given"} == said.states
    assert {"gpc"} == said.flags


def test_notices_and_agreements_are_no_opt_outs() -> None:
    """Neither notices, nor the MSPA, nor consent to other uses."""
    said = one(
        usnat={
            "SharingNotice": 1,
            "SaleOptOutNotice": 1,
            "SharingOptOutNotice": 1,
            "TargetedAdvertisingOptOutNotice": 1,
            "SensitiveDataProcessingOptOutNotice": 1,
            "SensitiveDataLimitUseNotice": 1,
            "PersonalDataConsents": 1,
            "MspaOptOutOptionMode": 1,
            "MspaServiceProviderMode": 1,
        }
    )

    assert Reading("gpp_usnat", method="none") == said


def test_us_privacy_inside_a_string_is_read_as_outside() -> None:
    """Only the third character opts out."""
    assert {"sale_opt_out"} == one(uspv1={"OptOutSale": "Y"}).flags
    assert set() == one(uspv1={"Notice": "Y", "LspaCovered": "Y"}).flags
    assert "gpp_uspv1" == one(uspv1={}).source


EVERYWHERE = encode_gpp(
    {"tcfeuv2": TC, "tcfcav1": "B", "uspv1": {}, "usnat": {}, "usca": {}, "usva": {}}
)
STATES_ONLY = encode_gpp({"uspv1": {}, "usca": {}, "usva": {}})
CHOICES = [
    (EVERYWHERE, (8,), "US-VA", ["usca"]),
    (EVERYWHERE, (9, 7), "", ["usva", "usnat"]),
    (EVERYWHERE, (), "US-CA", ["usca"]),
    (EVERYWHERE, (), "US-VA", ["usva"]),
    (EVERYWHERE, (), "US-TX", ["usnat"]),
    (EVERYWHERE, (), "US", ["usnat"]),
    (EVERYWHERE, (), "", ["usnat"]),
    (EVERYWHERE, (), "DE", ["tcfeuv2"]),
    (EVERYWHERE, (), "GB-LND", ["tcfeuv2"]),
    (EVERYWHERE, (), "CA", ["tcfcav1"]),
    (EVERYWHERE, (), "CA-QC", ["tcfcav1"]),
    (STATES_ONLY, (), "US-CA", ["usca"]),
    (STATES_ONLY, (), "US-TX", ["uspv1", "usca", "usva"]),
    (STATES_ONLY, (), "US", ["uspv1", "usca", "usva"]),
    (STATES_ONLY, (), "", ["uspv1", "usca", "usva"]),
    (STATES_ONLY, (), "DE", ["uspv1", "usca", "usva"]),
    (encode_gpp({"usnat": {}, "usca": {}}), (), "DE", ["usnat"]),
    (encode_gpp({"tcfeuv2": TC}), (), "CA", ["tcfeuv2"]),
    ("DBAA", (), "US-CA", []),
]


@pytest.mark.parametrize(("text", "sid", "place", "names"), CHOICES)
def test_the_sections_in_force_are_read(
    text: str, sid: tuple[int, ...], place: str, names: list[str]
) -> None:
    """The sender's ids, else the place's section, else the nation's, else all."""
    assert [f"gpp_{name}" for name in names] == sources(text, *sid, place=place)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TC, "bad_character"),
        (TC.partition(".")[0], "bad_header"),
        ("", "empty"),
        ("DBABLA", "section_count"),
        ("dbabla~baaaaaaaaqa", "bad_header"),
        ("x" * 9000, "too_long"),
    ],
)
def test_an_unreadable_string_counts_as_opted_out(text: str, code: str) -> None:
    """Whatever section was in force; a TC string in the wrong place is such."""
    for sid in ((), (7,), (8, 7)):
        (said,) = read(text, *sid, place="US-CA")

        assert ("gpp", OPTED_OUT, (code,)) == (said.source, said.flags, said.problems)
        assert ({}, "none") == (said.states, said.method)
    (said,) = read(text, 2)
    assert (UNKNOWN, OPTED_OUT) == (said.states, said.flags)


def test_the_opt_outs_of_an_unreadable_string_are_all_there_are() -> None:
    """They are flags that the rule packs know."""
    assert {
        "sale_opt_out",
        "share_opt_out",
        "targeted_opt_out",
        "sensitive_limit",
    } == OPTED_OUT
    assert set(FLAGS) > OPTED_OUT


def test_a_broken_section_in_force_counts_as_opted_out() -> None:
    """A cut one, one with rubbish, one that is not known, US Privacy too."""
    for text, sid, source, code in (
        ("DBABBg~BAAAAA", 8, "gpp_usca", "truncated"),
        ("DBABBg~BVWSSSV!", 8, "gpp_usca", "bad_character"),
        ("DBABTA~1YN", 6, "gpp_uspv1", "bad_format"),
        (encode_header([99]) + "~x", 99, "gpp_section_99", "unknown_section"),
    ):
        for reading in (read(text, sid), read(text)):
            assert [Reading(source, {}, OPTED_OUT, "none", problems=(code,))] == reading


def test_a_broken_section_not_in_force_does_no_harm() -> None:
    """Its neighbour is read, and says its own."""
    text = encode_gpp({"usca": "B", "usva": {"SaleOptOut": 2}})

    (said,) = read(text, 9)
    assert Reading("gpp_usva", method="none") == said


def test_a_section_in_force_that_is_not_there_counts_as_opted_out() -> None:
    """The sender says that a law applies and not what was chosen under it."""
    text = encode_gpp({"usva": {}})
    missing, there = read(text, 8, 9)

    assert (OPTED_OUT, ("missing_section",)) == (missing.flags, missing.problems)
    assert Reading("gpp_usva", method="none") == there
    europe, also_there = read(text, 2)
    assert Reading("gpp_usva", method="none") == also_there
    assert UNKNOWN == europe.states
    assert set() == europe.flags
    assert "gpp_tcfeuv2" == europe.source
    assert "gpp_section_200" == read("DBAA", 200)[0].source


def test_a_european_section_is_read_by_the_rules_of_tc_strings() -> None:
    """The given rules reach it; the source tells where it stood."""
    text = encode_gpp({"tcfeuv2": TC})
    (said,) = read(text, 2)
    (young,) = read_gpp(
        text,
        gpp_sid=(2,),
        place="",
        now_ms=NOW_MS,
        tcf_rules=TcfRules(max_age_ms=1, min_policy_version=63),
    )

    assert "gpp_tcfeuv2" == said.source == young.source
    assert "refused" == said.states["statistics"]
    assert "too_old" not in said.problems
    assert {"too_old", "policy_version"} <= set(young.problems)
    assert "too_old" in read_gpp(text, gpp_sid=(2,), place="", now_ms=2**42)[0].problems


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("tcfeuv2", TC[:30], "truncated"),
        ("tcfeuv2", "", "empty"),
        ("tcfcav1", "BPSG_8APSG_8AAAAAAENAACAAAAA", "unknown_format"),
    ],
)
def test_an_unreadable_framework_grants_nothing(
    name: str, text: str, code: str
) -> None:
    """Everything that is asked for is unknown; Canada's is never read."""
    assert Reading(f"gpp_{name}", UNKNOWN, method="none", problems=(code,)) == one(
        **{name: text}
    )


SIDS = [
    (None, ()),
    ("", ()),
    ("7", (7,)),
    (" 7 ", (7,)),
    ("7,8", (7, 8)),
    ("7, 8", (7, 8)),
    ("7_8", (7, 8)),
    ("8,7,8", (8, 7)),
    ("-1", ()),
    ("0", ()),
    ("-1,7", (7,)),
    ("255", (255,)),
    ("${GPP_SID}", ()),
    ("{{gpp_sid}}", ()),
    ("undefined", ()),
    ([], ()),
    ([7, 8, 7], (7, 8)),
    ([-1, 0, 2], (2,)),
    ((255,), (255,)),
]


@pytest.mark.parametrize(("value", "ids"), SIDS)
def test_section_ids_come_in_many_shapes(
    value: str | list[int] | None, ids: tuple[int, ...]
) -> None:
    """Texts of query strings, lists of OpenRTB, macros, and words for none."""
    assert ids == parse_gpp_sid(value)


@pytest.mark.parametrize(
    "value",
    [
        "7 8",
        "7;8",
        ",7",
        "7,",
        "7,,8",
        "seven",
        "7.0",
        "+7",
        "-2",
        "256",
        "9999",
        "\u0667",
        "7\n,8x",
        "7," * 64 + "7",
        [7, "8"],
        [True],
        [256],
        [-2],
        [7.0],
        [7] * 65,
    ],
)
def test_rubbish_is_no_section_id(value: object) -> None:
    """It raises, and the error does not repeat it."""
    with pytest.raises(SignalError) as caught:
        parse_gpp_sid(value)  # type: ignore[arg-type]

    assert "bad_format" == caught.value.code
    assert "gpp_sid: the text does not have the form of this signal" == str(
        caught.value
    )
