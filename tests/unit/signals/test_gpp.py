"""GPP strings: the header, the layouts, and what is no GPP string."""

import json

import pytest

from pipeline.signals.errors import SignalError
from pipeline.signals.gpp import MAX_LENGTH, SECTION_PLACES, decode_gpp
from pipeline.signals.gpp_bits import read_header
from pipeline.signals.gpp_sections import NAMES, SECTIONS
from tests.gpp_strings import base64_text, encode_gpp, encode_header, fibonacci

ALL_IDS = [2, *range(5, 28)]
# Three bytes of zeros and an id: only the number of entries differs.
NO_SECTIONS = "DBAA"
TC = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAAAAAAAAAAA.IAAA"
# What the specification writes on paper, not a string that anyone sent.
CODES = [(1, "11"), (2, "011"), (3, "0011"), (6, "10011"), (8, "000011")]


def error_of(text: str) -> str:
    """Return the code that decoding raises, or of the one broken section."""
    try:
        broken = decode_gpp(text).broken
    except SignalError as error:
        return error.code
    return " ".join(broken.values())


@pytest.mark.parametrize(("number", "bits"), CODES)
def test_fibonacci_numbers_are_those_of_the_specification(
    number: int, bits: str
) -> None:
    """The shared encoder and the decoder agree with the written examples."""
    header = base64_text(f"{3:06b}{1:06b}{1:012b}0{bits}")

    assert bits == fibonacci(number)
    assert (number,) == read_header(header)


@pytest.mark.parametrize("ids", [[], [2], [2, 6], [5, 6], [3, 5, 6, 7, 8], ALL_IDS])
def test_headers_name_sections_in_their_order(ids: list[int]) -> None:
    """Single ones, groups, and none."""
    assert tuple(ids) == read_header(encode_header(ids))


def test_headers_have_both_fillings_of_the_specification_and_the_libraries() -> None:
    """The one-section header comes in four and six characters more than its bits."""
    bits = f"{3:06b}{1:06b}{1:012b}0{fibonacci(2)}"

    assert "DBABM" == base64_text(bits, eight=False)
    assert "DBABMA" == base64_text(bits)
    assert (2,) == read_header("DBABM") == read_header("DBABMA")


BAD_HEADERS = [
    ("", "empty"),
    ("~1YNN", "truncated"),
    ("D", "truncated"),
    ("DBA", "truncated"),
    ("DBAB~1YNN", "truncated"),
    ("DBABT~1YNN~1YNN", "section_count"),
    ("DBABTA", "section_count"),
    ("DBABTA~1YNN~1YNN", "section_count"),
    ("DBACNYA~~1YNN~", "section_count"),
    (TC, "bad_character"),
    (TC.partition(".")[0], "bad_header"),
    ("DCABTA~1YNN", "bad_version"),
    ("DBABT+~1YNN", "bad_character"),
    ("DBABTA==~1YNN", "bad_character"),
    ("dbabta~1ynn", "bad_header"),
    ("DBABTB~1YNN", "trailing_data"),
    ("DBABTAAAAA~1YNN", "trailing_data"),
    ("DBABTA~1YNN" + "~" * MAX_LENGTH, "too_long"),
    (" DBABTA~1YNN", "bad_character"),
    ("DBABTÄ~1YNN", "bad_character"),
    ("${GPP_STRING_7}", "bad_character"),
]


@pytest.mark.parametrize(("text", "code"), BAD_HEADERS)
def test_a_bad_header_makes_the_whole_string_unreadable(text: str, code: str) -> None:
    """Without the header nobody knows which section is which."""
    with pytest.raises(SignalError) as caught:
        decode_gpp(text)

    assert code == caught.value.code
    assert text[:6] not in str(caught.value) or not text


def test_a_header_cannot_cost_time() -> None:
    """Ids and their number are bounded before anything is made of them."""
    huge = base64_text(f"{3:06b}{1:06b}{1:012b}1{fibonacci(1)}{fibonacci(10**12)}")
    many = base64_text(f"{3:06b}{1:06b}{65:012b}" + "011" * 65)
    wide = base64_text(f"{3:06b}{1:06b}{1:012b}1{fibonacci(1)}{fibonacci(64)}")
    widest = base64_text(f"{3:06b}{1:06b}{1:012b}1{fibonacci(1)}{fibonacci(63)}")
    zeros = base64_text(f"{3:06b}{1:06b}{1:012b}0" + "01" * 20_000 + "1")

    for header, code in (
        (huge, "bad_range"),
        (many, "too_many_ranges"),
        (wide, "too_many_ranges"),
        (zeros, "bad_range"),
    ):
        with pytest.raises(SignalError) as caught:
            read_header(header)
        assert code == caught.value.code
    assert tuple(range(1, 65)) == read_header(widest)
    highest = base64_text(f"{3:06b}{1:06b}{1:012b}0{fibonacci(255)}")
    assert (255,) == read_header(highest)


@pytest.mark.parametrize("number", SECTIONS)
def test_every_section_decodes_to_the_fields_that_were_put_in(number: int) -> None:
    """Our own strings: every field has a value of its own place."""
    section = SECTIONS[number]
    fields: dict[str, object] = {}
    for at, field in enumerate((*section.core, *(section.extra or ()))):
        fields[field.name] = (
            tuple((at + one) % 3 for one in range(field.many))
            if field.many
            else max(field.low, min(field.high, at % 3))
        )
    if "Gpc" in fields:
        fields["Gpc"] = True

    decoded = decode_gpp(encode_gpp({section.name: fields}))

    assert {section.name: fields} == {
        name: dict(found) for name, found in decoded.sections.items()
    }
    assert {} == decoded.broken
    assert (number,) == decoded.section_ids


def test_names_and_places_cover_the_same_sections() -> None:
    """Every section that has a name has a place."""
    assert ALL_IDS == list(NAMES) == list(SECTION_PLACES)
    assert {2: "EU", 5: "CA", 6: "US", 7: "US"} == {
        one: SECTION_PLACES[one] for one in (2, 5, 6, 7)
    }
    assert ("US-CA", "US-RI") == (SECTION_PLACES[8], SECTION_PLACES[27])


def test_usnat_has_its_layout_by_its_length_and_not_by_its_version() -> None:
    """Up to 66 bits it is the old one, as old encoders wrote version 1 and 2."""
    for version in (1, 2):
        old = decode_gpp(
            encode_gpp({"usnat": {"Version": version, "SensitiveDataProcessing": [2]}})
        ).sections["usnat"]
        new = decode_gpp(encode_gpp({"usnat": {"Version": version}})).sections["usnat"]

        assert (version, 12, 2) == (old["Version"], *_lists(old))
        assert (version, 16, 3) == (new["Version"], *_lists(new))


def _lists(fields: object) -> tuple[int, int]:
    assert hasattr(fields, "__getitem__")
    return (
        len(fields["SensitiveDataProcessing"]),
        len(fields["KnownChildSensitiveDataConsents"]),
    )


def test_a_cut_usnat_is_not_taken_for_the_old_layout() -> None:
    """One character less of the new layout leaves 66 bits, which are not filling."""
    fields: dict[str, object] = {
        "Version": 2,
        "SensitiveDataProcessing": [0] * 15 + [1],
        "KnownChildSensitiveDataConsents": [0, 0, 1],
    }
    text = encode_gpp({"usnat": fields})

    assert "" == error_of(text)
    assert "trailing_data" == error_of(text[:-1])
    assert "truncated" == error_of(text[:-2])
    # Ten characters are all of the old one, if nobody filled it up.
    assert "" == error_of("DBABLA~BAAAAAAAAQ")
    assert "truncated" == error_of("DBABLA~BAAAAAAAA")


BAD_SECTIONS = [
    ("", "empty"),
    (".", "empty"),
    ("BAAAAABA.", "empty"),
    ("BAAAAAB", "truncated"),
    ("B", "truncated"),
    ("BAAAAABB", "trailing_data"),
    ("BAAAAABAAAAA", "trailing_data"),
    ("BAAAAABA.QA.QA", "repeated_segment"),
    ("BAAAAABA.AA", "bad_segment"),
    ("BAAAAABA.gA", "bad_segment"),
    ("BAAAAABA.QB", "trailing_data"),
    ("BAAAAABA.YAAAA", "trailing_data"),
    ("BAAAAABA.Q+", "bad_character"),
    ("BAAAAABA=", "bad_character"),
    ("BAAA ABA", "bad_character"),
    ("BwAAAABA", "bad_value"),
    ("BAADAABA", "bad_value"),
    ("BAAAAAAA", "bad_value"),
    ("AAAAAABA", "bad_version"),
    ("CAAAAABA", "bad_version"),
    ("xAAAAABA", "bad_version"),
]


@pytest.mark.parametrize(("section", "code"), BAD_SECTIONS)
def test_a_section_is_read_in_full_or_not_at_all(section: str, code: str) -> None:
    """The official decoder reads many of these as "not applicable"."""
    decoded = decode_gpp("DBABBg~" + section)

    assert {"usca": code} == decoded.broken
    assert {} == decoded.sections


def test_filling_is_any_of_the_three_kinds() -> None:
    """Zeros up to 6, 8 and 24 bits."""
    whole = decode_gpp("DBABBg~BAAAAABA.QA").sections["usca"]

    assert whole == decode_gpp("DBABBg~BAAAAABA.Q").sections["usca"]
    assert whole == decode_gpp("DBABBg~BAAAAABAAAA.QAAA").sections["usca"]
    assert False is whole["Gpc"]
    assert "Gpc" not in decode_gpp("DBABBg~BAAAAABA").sections["usca"]


@pytest.mark.parametrize("name", ["usva", "usut", "usfl"])
def test_sections_without_a_second_segment_take_none(name: str) -> None:
    """Virginia, Utah and Florida have no GPC segment."""
    text = encode_gpp({name: {}})

    assert "" == error_of(text)
    assert "bad_segment" == error_of(text + ".YA")


@pytest.mark.parametrize("name", ["usin", "usky", "usri"])
def test_the_newest_sections_have_a_segment_of_sensitive_data(name: str) -> None:
    """It has no type and is optional."""
    without = decode_gpp(encode_gpp({name: {}})).sections[name]
    one = encode_gpp({name: {"SensitiveDataProcessing": [0] * 7 + [2]}})

    assert "SensitiveDataProcessing" not in without
    assert (*[0] * 7, 2) == decode_gpp(one).sections[name]["SensitiveDataProcessing"]
    assert one.endswith(".AAI")


def test_one_bad_section_hides_no_other() -> None:
    """Each has its own code; unknown ones and Canada's framework too."""
    text = encode_gpp(
        {
            "tcfeuv2": "rubbish",
            "tcfcav1": "BPSG_8APSG_8AAAAAAENAACAAAAAAAAAAAAAAAAAAAA",
            "uspv1": "1yyn",
            "usca": {"SaleOptOut": 1},
            "usva": "BAAAAB!",
        }
    )
    decoded = decode_gpp(text)

    assert {"usca"} == set(decoded.sections)
    assert {"tcfeuv2", "tcfcav1", "uspv1", "usva"} == set(decoded.broken)
    assert ("unknown_format", "bad_format", "bad_character") == tuple(
        decoded.broken[name] for name in ("tcfcav1", "uspv1", "usva")
    )
    unknown = decode_gpp(encode_header([1, 7, 99]) + "~x~CAAAAAAAAABA~")
    assert {"section_1": "unknown_section", "section_99": "empty"} == unknown.broken
    assert {"usnat"} == set(unknown.sections)


def test_a_european_section_is_a_tc_string() -> None:
    """The fields are those of the TC decoder."""
    decoded = decode_gpp(encode_gpp({"tcfeuv2": TC, "uspv1": {"Notice": "Y"}}))

    assert 880 == decoded.sections["tcfeuv2"]["CmpId"]
    assert {
        "Version": 1,
        "Notice": "Y",
        "OptOutSale": "-",
        "LspaCovered": "-",
    } == dict(decoded.sections["uspv1"])


def test_the_answer_is_json_and_says_nothing_by_accident() -> None:
    """Lists for tuples, errors by name; repr and str are silent."""
    decoded = decode_gpp(
        encode_gpp({"tcfeuv2": TC, "usva": "B", "usnh": {"Gpc": True}})
    )
    answer = json.loads(json.dumps(decoded.as_dict()))

    assert answer == decoded.as_dict()
    assert [2, 9, 20] == answer["sectionIds"]
    assert [0] * 8 == answer["usnh"]["SensitiveDataProcessing"]
    assert {"usva": "truncated"} == answer["errors"]
    assert {"sectionIds", "tcfeuv2", "usnh", "errors"} == set(answer)
    assert "<GppString>" == repr(decoded) == str(decoded)


def test_a_decoded_string_cannot_be_changed() -> None:
    """It may be kept in a cache."""
    decoded = decode_gpp(encode_gpp({"usca": {}}))

    for target in (decoded.sections, decoded.sections["usca"], decoded.broken):
        with pytest.raises(TypeError):
            target["SaleOptOut"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        decoded.sections = {}  # type: ignore[misc]


def test_a_header_of_no_sections_is_a_string_of_none() -> None:
    """Consent managers send it where no law applies."""
    decoded = decode_gpp(NO_SECTIONS)

    assert ((), {}, {}) == (decoded.section_ids, decoded.sections, decoded.broken)
