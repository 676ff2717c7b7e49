"""Whatever arrives as a GPP string: no crash, no cost, and never more permission."""

import time

from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.signals.errors import CODES, SignalError
from pipeline.signals.gpp import MAX_LENGTH, GppString, decode_gpp, read_gpp
from pipeline.signals.gpp_sections import SECTIONS, Section
from pipeline.signals.reading import Reading
from tests.gpp_strings import base64_text, encode_gpp, encode_header, fibonacci

PLACES = ("", "US", "US-CA", "US-TX", "DE", "CA")
NOW_MS = 1_750_000_000_000
# Nobody can tell from a torn string whether it held these; see OPTED_OUT.
LOST = {"child", "gpc"}


def fields_of(section: Section) -> st.SearchStrategy[dict[str, object]]:
    """Draw values for all fields of a section, as official encoders would."""
    drawn: dict[str, st.SearchStrategy[object]] = {}
    for field in (*section.core, *(section.extra or ())):
        values = st.integers(field.low, field.high)
        drawn[field.name] = (
            st.lists(values, min_size=field.many, max_size=field.many)
            if field.many
            else values
        )
    if section.name == "usnat":
        drawn["Version"] = st.just(2)
    if "Gpc" in drawn:
        drawn["Gpc"] = st.booleans()
    return st.fixed_dictionaries(drawn)


strings = (
    st.lists(st.sampled_from(list(SECTIONS.values())), min_size=1, max_size=4)
    .flatmap(
        lambda sections: st.fixed_dictionaries(
            {section.name: fields_of(section) for section in sections}
        )
    )
    .map(encode_gpp)
)
near = st.text("DBACNYLTgQ~.-_1YNwx ", max_size=60)


def decoded(text: str) -> GppString | None:
    """Decode; None if that raises, and it may raise nothing but SignalError."""
    try:
        found = decode_gpp(text)
    except SignalError:
        return None
    assert set(found.broken.values()) <= set(CODES)
    assert len(found.section_ids) == len(found.sections) + len(found.broken)
    return found


def flags(readings: list[Reading]) -> frozenset[str]:
    """Return all that restricts."""
    return frozenset().union(*(one.flags for one in readings))


def grants(readings: list[Reading]) -> set[str]:
    """Return what is given by any section that has no problem."""
    return {
        category
        for one in readings
        if not one.problems
        for category, state in one.states.items()
        if state == "given"
    }


@given(text=st.one_of(st.text(max_size=80), near, near.map("DBA".__add__)))
def test_any_text_raises_or_is_decoded(text: str) -> None:
    """Reading raises nothing at all, and opts out where decoding raises."""
    found = decoded(text)
    for place in PLACES:
        for sid in ((), (7,), (2, 8), (255,)):
            readings = read_gpp(text, gpp_sid=sid, place=place, now_ms=NOW_MS)
            if found is None:
                assert 1 == len(readings)
                assert {"sale_opt_out", "targeted_opt_out"} < readings[0].flags
            assert sid == () or readings


@given(text=strings, place=st.sampled_from(PLACES), data=st.data())
def test_a_prefix_is_never_more_permissive(
    text: str, place: str, data: st.DataObject
) -> None:
    """Whatever is cut off, but a whole second segment, takes nothing back."""
    whole = read_gpp(text, gpp_sid=(), place=place, now_ms=NOW_MS)
    end = data.draw(st.integers(0, len(text) - 1))
    cut = read_gpp(text[:end], gpp_sid=(), place=place, now_ms=NOW_MS)
    complete = not any(one.problems for one in cut)
    # A core without its optional second segment is a string of its own.
    assume(not (complete and text.rpartition("~")[2].count(".") and "." in text[end:]))

    assert flags(whole) - LOST <= flags(cut)
    assert grants(cut) <= grants(whole)
    if complete:
        assert flags(whole) == flags(cut)


@given(text=strings, data=st.data())
def test_every_prefix_of_a_string_with_all_ids_in_force_is_restrictive(
    text: str, data: st.DataObject
) -> None:
    """With the ids named, a missing section is as bad as a torn one."""
    ids = decode_gpp(text).section_ids
    whole = read_gpp(text, gpp_sid=ids, place="", now_ms=NOW_MS)
    end = data.draw(st.integers(0, len(text.rpartition("~")[0])))
    cut = read_gpp(text[:end], gpp_sid=ids, place="", now_ms=NOW_MS)

    assert flags(whole) - LOST <= flags(cut)
    assert set() == grants(cut)


@given(text=strings, data=st.data())
def test_one_other_character_raises_or_decodes(text: str, data: st.DataObject) -> None:
    """Never another exception."""
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8"))
    changed = text[:at] + other + text[at + 1 :]

    decoded(changed)
    read_gpp(changed, gpp_sid=(), place="US-CA", now_ms=NOW_MS)


@given(text=strings)
def test_decoding_is_the_same_every_time_and_ignores_filling(text: str) -> None:
    """Equal strings are equal, and a repr never shows one."""
    found = decode_gpp(text)

    assert found == decode_gpp(text)
    assert "<GppString>" == repr(found)
    assert {} == found.broken


def test_the_longest_strings_cost_little() -> None:
    """Eight thousand characters made to hurt take milliseconds."""
    start = f"{3:06b}{1:06b}"
    bombs = [
        base64_text(start + f"{4095:012b}" + "1" + "011011" * 8000)[:MAX_LENGTH],
        base64_text(start + f"{64:012b}" + "0" + "01" * 24_000)[:MAX_LENGTH],
        base64_text(start + f"{1:012b}1{fibonacci(1)}{fibonacci(2**60)}"),
        "DBAA" + "~" * (MAX_LENGTH - 4),
        "DBABBg~" + "A" * (MAX_LENGTH - 7),
        "DBABBg~" + "." * (MAX_LENGTH - 7),
        "DBABMA~" + "C" * (MAX_LENGTH - 7),
        encode_header(list(range(1, 65))) + "~x" * 64,
    ]
    for bomb in bombs:
        started = time.perf_counter()
        decoded(bomb)
        read_gpp(bomb, gpp_sid=tuple(range(1, 65)), place="", now_ms=NOW_MS)
        # A hundred times what it takes; a bomb would take minutes.
        assert time.perf_counter() - started < 1
