"""Bits of base64url text, and sets of vendors in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.bits import (
    MAX_RANGES,
    VendorSet,
    check_end,
    read_ranges,
    read_vendors,
    unpack,
)
from pipeline.signals.errors import SignalError
from tests.tc_strings import entries, entry, number, vendors

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ids = st.sets(st.integers(1, 400), max_size=60)


def read(bits: str, at: int = 0) -> tuple[VendorSet, int]:
    """Read a vendor section that is written in text."""
    return read_vendors(int(bits, 2), len(bits), at, "here")


def refused(bits: str, *, ranges: bool = False, most: int = 65535) -> str:
    """Return the code with which bits are refused."""
    value, size = int(bits, 2), len(bits)
    with pytest.raises(SignalError) as error:
        _ = (
            read_ranges(value, size, 0, "here", most)
            if ranges
            else read_vendors(value, size, 0, "here")
        )
    assert error.value.field == "here"
    return error.value.code


# ------------------------------------------------------------------------------ text
@given(st.text(DIGITS, max_size=80))
def test_unpack(text: str) -> None:
    """Every character is 6 bits, however many there are."""
    bits = "".join(f"{DIGITS.index(char):06b}" for char in text)

    assert unpack(text) == (int(bits or "0", 2), len(bits))


@pytest.mark.parametrize("char", ["+", "/", "=", "!", " ", ".", "~", "\n", "\0", "é"])
@pytest.mark.parametrize(
    "text", ["{}", "C{}", "CP{}", "CPX{}", "{}CPX", "C{}PX", "C{0}{0}{0}{0}PXA"]
)
def test_alphabet(text: str, char: str) -> None:
    """What base64url does not have is refused, wherever it stands."""
    with pytest.raises(SignalError, match=r"^there: a character") as error:
        unpack(text.format(char), "there")

    assert error.value.code == "bad_character"


def test_unpack_lone_surrogate() -> None:
    """Text that has no bytes is refused like any other."""
    with pytest.raises(SignalError):
        unpack("CP\ud800X")


def test_end() -> None:
    """Zeros may follow the last field, however many; a one may not."""
    check_end(0b101_000, 6, 3, "core")
    check_end(0b101, 3, 3, "core")

    for end in (0, 3, 5):
        with pytest.raises(SignalError) as error:
            check_end(0b101_001, 6, end, "core")
        assert (error.value.code, error.value.field) == ("trailing_data", "core")


# --------------------------------------------------------------------------- vendors
@given(ids, st.booleans(), st.integers(0, 9))
def test_vendors(chosen: set[int], ranges: bool, before: int) -> None:  # noqa: FBT001
    """Bits and ranges say the same, wherever they stand."""
    section = vendors(chosen, ranges=ranges)
    found, end = read("1" * before + section + "101", before)

    assert before + len(section) == end
    assert sorted(chosen) == found.to_list() == list(found)
    assert len(chosen) == len(found)
    assert chosen == found
    assert hash(frozenset(chosen)) == hash(found)
    assert chosen == {one for one in range(-1, 500) if one in found}


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=20))
def test_ranges_in_any_order(pairs: list[tuple[int, int]]) -> None:
    """Ranges may overlap and come in any order: they are one set."""
    bits = number(len(pairs), 12) + "".join(entry(at, at + by) for at, by in pairs)
    found, end = read_ranges(int(bits, 2), len(bits), 0, "here")
    chosen = {one for at, by in pairs for one in range(at, at + by + 1)}

    assert len(bits) == end
    assert sorted(chosen) == found.to_list()
    assert len(chosen) == len(found)
    assert chosen == {one for one in range(80) if one in found}


def test_range_of_one() -> None:
    """A range may start where it ends."""
    found, _ = read_ranges(
        int(bits := number(1, 12) + "1" + number(7, 16) * 2, 2), len(bits), 0, ""
    )

    assert {7} == found


@pytest.mark.parametrize("ranges", [False, True])
def test_no_such_vendor(ranges: bool) -> None:  # noqa: FBT001
    """What is no id is in no set."""
    found, _ = read(vendors({1, 2, 9}, ranges=ranges))

    assert [one in found for one in (0, -1, 10, 65536, 1 << 80)] == [False] * 5
    assert not found.__contains__("1")
    assert found != [1, 2, 9]


def test_repr() -> None:
    """A set of vendors says nothing of itself."""
    for ranges in (False, True):
        found, _ = read(vendors({1, 777}, ranges=ranges))
        assert f"{found} {found!r} {[found]}" == (
            "<VendorSet> <VendorSet> [<VendorSet>]"
        )


# -------------------------------------------------------------------------- refusals
@given(ids.filter(bool), st.booleans(), st.data())
def test_cut(chosen: set[int], ranges: bool, data: st.DataObject) -> None:  # noqa: FBT001
    """A section that is cut anywhere is refused."""
    section = vendors(chosen, ranges=ranges)
    end = data.draw(st.integers(1, len(section) - 1))

    assert refused(section[:end]) == "truncated"


@given(ids.filter(bool), st.data())
def test_cut_ranges(chosen: set[int], data: st.DataObject) -> None:
    """Ranges that are cut anywhere are refused, the count of them too."""
    bits = entries(chosen)
    end = data.draw(st.integers(1, len(bits) - 1))

    assert refused(bits[:end], ranges=True) == "truncated"


@pytest.mark.parametrize(
    "one",
    [
        entry(9, 8),  # ends before it starts
        entry(0, 0),
        entry(0, 3),
        entry(11, 11),  # passes the maximum of 10
        entry(3, 11),
        entry(11, 12),
    ],
)
@pytest.mark.parametrize("others", [("", ""), (entry(1, 1), entry(2, 3))])
def test_bad_range(one: str, others: tuple[str, str]) -> None:
    """A range is one of existing vendors, and ends where it says."""
    before, after = others
    count = 1 + bool(before) + bool(after)
    bits = number(count, 12) + before + one + after

    assert refused(bits, ranges=True, most=10) == "bad_range"
    assert refused(number(10, 16) + "1" + bits) == "bad_range"


def test_greatest_vendor() -> None:
    """The maximum itself may be in a range, alone or at its end."""
    for one in (entry(10, 10), entry(3, 10)):
        bits = number(1, 12) + one
        found, _ = read_ranges(int(bits, 2), len(bits), 0, "", 10)
        assert 10 in found


def test_most_ranges() -> None:
    """There is a bound on entries, and it is checked before any is read."""
    fits = number(MAX_RANGES, 12) + entry(1, 65535) * MAX_RANGES
    found, end = read_ranges(int(fits, 2), len(fits), 0, "")

    assert (len(fits), 65535) == (end, len(found))
    for count in (MAX_RANGES + 1, 4095):
        assert refused(number(count, 12), ranges=True) == "too_many_ranges"
