"""TC strings: what must never happen, whatever is sent."""

import time
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.signals.bits import MAX_RANGES
from pipeline.signals.errors import SignalError
from pipeline.signals.tcf import (
    DEFAULT,
    MAX_CHARS,
    TcfRules,
    TcString,
    decode_tcf,
    read_tcf,
)
from tests.tc_strings import (
    CREATED_MS,
    DEFAULTS,
    base64url,
    core_bits,
    encode_tc,
    entry,
    number,
    restriction,
)

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
VENDOR = TcfRules(vendor_id=2)
CORE = TcfRules(purposes="core")
RULES = {"core": CORE, "vendor": VENDOR, "publisher": DEFAULT}

vendors = st.sets(st.one_of(st.integers(1, 9), st.integers(1, 700)), max_size=12)
# Often all of the first eleven, so that there is something to lose.
purposes = st.one_of(st.just(set(range(1, 12))), st.sets(st.integers(1, 24)))
fields = st.fixed_dictionaries(
    {
        "purpose_consents": purposes,
        "special_feature_opt_ins": st.sets(st.integers(1, 3)),
        "purpose_one_treatment": st.booleans(),
        "vendor_consents": vendors.map(lambda ids: ids | {2}),
        "vendor_legitimate_interests": vendors,
        "publisher_restrictions": st.lists(
            st.tuples(st.integers(1, 11), st.integers(0, 3), vendors), max_size=3
        ),
        "vendors_disclosed": st.none() | vendors.map(lambda ids: ids | {2}),
        "vendors_allowed": st.none() | vendors,
        "publisher_purpose_consents": st.none() | purposes,
        "num_custom_purposes": st.just(4),
        "publisher_custom_purpose_consents": st.sets(st.integers(1, 4)),
        "ranges": st.booleans(),
        "order": st.permutations([1, 2, 3]),
    }
)


def granted(text: str, rules: TcfRules) -> set[str]:
    """Return the categories that a text grants: none if it cannot be read."""
    try:
        reading = read_tcf(text, now_ms=CREATED_MS, rules=rules)
    except SignalError:
        return set()
    return {name for name, state in reading.states.items() if state == "given"}


def said(tc: TcString) -> list[set[Any]]:
    """Return all that a string allows to anybody."""
    sets: list[Collection[int] | None] = [
        tc.purpose_consents,
        tc.purpose_legitimate_interests,
        tc.special_feature_opt_ins,
        tc.vendor_consents,
        tc.vendor_legitimate_interests,
        tc.vendors_disclosed,
        tc.vendors_allowed,
        tc.publisher_purpose_consents,
        tc.publisher_purpose_legitimate_interests,
        tc.publisher_custom_purpose_consents,
    ]
    return [set(one or ()) for one in sets]


# --------------------------------------------------------------------------- prefixes
@pytest.mark.parametrize("name", RULES)
@given(tc=fields)
def test_prefix_grants_nothing(name: str, tc: dict[str, Any]) -> None:
    """A text that is cut anywhere grants no more than the whole."""
    text, rules = encode_tc(**tc), RULES[name]
    whole = granted(text, rules)

    for end in range(len(text)):
        assert granted(text[:end], rules) <= whole


@given(fields)
def test_prefix_says_no_more(tc: dict[str, Any]) -> None:
    """A text that is cut anywhere raises, or says what the whole says, or less."""
    text = encode_tc(**tc)
    whole = decode_tcf(text)

    for end in range(len(text)):
        try:
            prefix = decode_tcf(text[:end])
        except SignalError:
            continue
        assert prefix.head == whole.head
        assert prefix.publisher_restrictions == whole.publisher_restrictions
        for less, more in zip(said(prefix), said(whole), strict=True):
            assert less <= more


@given(fields)
def test_prefix_of_core(tc: dict[str, Any]) -> None:
    """Of a core that is cut, nothing is read but what only lost its filling."""
    text = encode_tc(**tc).partition(".")[0]
    whole = decode_tcf(text)
    size = len(core_bits({**DEFAULTS, **tc}))

    for end in range(len(text)):
        if end * 6 < size:
            with pytest.raises(SignalError) as error:
                decode_tcf(text[:end])
            assert error.value.code == "truncated" if end else "empty"
        else:
            assert decode_tcf(text[:end]) == whole


# ----------------------------------------------------------------------------- noise
@given(fields, st.data())
def test_mutation(tc: dict[str, Any], data: st.DataObject) -> None:
    """A text with one other character raises, or is read; it never crashes."""
    text = encode_tc(**tc)
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.one_of(st.sampled_from(DIGITS + "."), st.characters()))
    assume(char != text[at])

    for rules in RULES.values():
        granted(text[:at] + char + text[at + 1 :], rules)


@given(fields, st.data())
def test_truncated_mutation(tc: dict[str, Any], data: st.DataObject) -> None:
    """A core that lost its end says nothing, whatever character is wrong as well."""
    text = encode_tc(**tc).partition(".")[0]
    at = data.draw(st.integers(0, 34))
    char = data.draw(st.sampled_from(DIGITS))
    end = data.draw(st.integers(0, 35))

    with pytest.raises(SignalError):
        decode_tcf((text[:at] + char + text[at + 1 :])[:end])


@given(st.one_of(st.text(), st.text(DIGITS + "."), st.text(DIGITS).map("C{}".format)))
def test_random_text(text: str) -> None:
    """Whatever is sent, there is a reading or the one exception."""
    granted(text, CORE)


@given(st.binary(min_size=30, max_size=400))
def test_random_bits(data: bytes) -> None:
    """Whatever follows a good head, there is a reading or the one exception."""
    head = core_bits(DEFAULTS)[:213]
    bits = "".join(f"{byte:08b}" for byte in data)

    granted(base64url(head + bits), VENDOR)


# ------------------------------------------------------------------------------ bombs
HEAD = core_bits(DEFAULTS)[:213]
WIDE = entry(1, 65535)
NONE = number(0, 17)
NO_RESTRICTIONS = number(0, 12)


def bomb(entries: int, *, declared: int) -> str:
    """Return a core whose vendors are ranges over every id there may be."""
    section = number(65535, 16) + "1" + number(declared, 12) + WIDE * entries
    return base64url(HEAD + section + NONE + NO_RESTRICTIONS)


def test_bomb_is_refused() -> None:
    """More ranges than any real text has are refused before one is read."""
    with pytest.raises(SignalError) as error:
        decode_tcf(bomb(1480, declared=4095))

    assert error.value.code == "too_many_ranges"


@pytest.mark.parametrize(
    "text",
    [
        bomb(MAX_RANGES, declared=MAX_RANGES),
        base64url(
            HEAD
            + NONE * 2
            + number(910, 12)
            + restriction(1, 0, ()) * 0
            + (number(1, 6) + "00" + number(1, 12) + WIDE) * 910
        ),
        base64url(HEAD + NONE * 2 + number(2400, 12) + restriction(1, 0, ()) * 2400),
        "C" * MAX_CHARS,
        "C" + "." * (MAX_CHARS - 1),
    ],
    ids=["ranges", "restrictions", "empty restrictions", "characters", "dots"],
)
def test_bomb_is_cheap(text: str) -> None:
    """The longest of texts costs milliseconds: ranges are never unrolled."""
    assert len(text) <= MAX_CHARS
    start = time.process_time()
    for _ in range(5):
        granted(text, VENDOR)

    # Unrolled, 65,535 ids a thousand times take many seconds.
    assert time.process_time() - start < 1
