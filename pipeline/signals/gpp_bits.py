"""
The header of a GPP string: which sections follow, in Fibonacci code.

Source: IAB Tech Lab, GPP Consent String Specification, "Creating a GPP String".
"""

from pipeline.signals.bits import unpack
from pipeline.signals.errors import SignalError

# Encoders fill up to 6, to 8 and then 6, or to 24 bits; what is longer is no filling.
FILLING = 24
# Twenty-four sections are registered; a header of thousands is made to cost time.
MAX_SECTIONS = 64
MAX_SECTION_ID = 255

_TYPE, _VERSION = 3, 1
_FIXED = 6 + 6 + 12


def check_rest(rest: int, size: int, field: str) -> None:
    """
    Check that the bits behind the last field are filling: few, and all zero.

    Raises:
        SignalError: if they are not.

    """
    if rest or size >= FILLING:
        raise SignalError("trailing_data", field)


def read_header(text: str) -> tuple[int, ...]:
    """
    Return the ids of the sections that a header names, in the order of the sections.

    Raises:
        SignalError: for a header that cannot be read, that is no GPP header, or that
            names more or higher sections than any real one.

    """
    value, size = unpack(text, "header")
    if size < _FIXED:
        raise SignalError("truncated", "header")
    if value >> (size - 6) != _TYPE:
        raise SignalError("bad_header", "header")
    if (value >> (size - 12)) & 0x3F != _VERSION:
        raise SignalError("bad_version", "header")
    entries = (value >> (size - _FIXED)) & 0xFFF
    ids, position = _read_ranges(f"{value:0{size}b}", entries)
    rest = size - position
    check_rest(value & ((1 << rest) - 1), rest, "header")
    return ids


def _read_ranges(bits: str, entries: int) -> tuple[tuple[int, ...], int]:
    """
    Read a Fibonacci range: the ids, and where in the bits it ends.

    Ids ascend, so the highest one bounds how many entries are looked at.
    """
    ids: list[int] = []
    last, position = 0, _FIXED
    for _ in range(entries):
        group = bits[position : position + 1]
        first, position = _read_fibonacci(bits, position + 1)
        first += last
        last = first
        if group == "1":
            more, position = _read_fibonacci(bits, position)
            last += more
        if last > MAX_SECTION_ID:
            raise SignalError("bad_range", "header")
        ids.extend(range(first, last + 1))
    if len(ids) > MAX_SECTIONS:
        raise SignalError("too_many_ranges", "header")
    return tuple(ids), position


def _read_fibonacci(bits: str, start: int) -> tuple[int, int]:
    """Read a number: weights 1, 2, 3, 5, 8 …, up to the first two ones in a row."""
    end = bits.find("11", start)
    if end < 0:
        raise SignalError("truncated", "header")
    number, weight, following = 0, 1, 2
    for bit in bits[start : end + 1]:
        if bit == "1":
            number += weight
        # Past the highest id the exact number no longer matters, only that it is past.
        if weight <= MAX_SECTION_ID:
            weight, following = following, weight + following
    return number, end + 2
