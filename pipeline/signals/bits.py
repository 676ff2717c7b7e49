"""
Bits of IAB strings: base64url text as one number, fields by shifting it.

A string's bits stand in one Python integer, the first bit highest; a field is a
shift and a mask. Positions count from the first bit. No field is read before its
end is known to be inside the text: what is cut off raises, and is never zero, nor
a yes.
"""

from binascii import Error, a2b_base64
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet

from pipeline.signals.errors import SignalError

# IAB writes base64url without padding (RFC 4648, section 5). Standard base64's own
# characters become ones that are in no alphabet.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_CHAR_BITS = 6
_GROUP = 4

_VENDOR_BITS = 16
_MOST_VENDORS = (1 << _VENDOR_BITS) - 1
_COUNT_BITS = 12
_ONE_BITS, _RANGE_BITS = 17, 33
_ONE_MASK = (1 << _ONE_BITS) - 1
# The format has room for 4,095. Ranges are for what a bit field of 1,500 vendors
# would be longer for, so real lists are far below this.
MAX_RANGES = 1024


def unpack(text: str, field: str = "") -> tuple[int, int]:
    """
    Return the bits of a base64url text as one number, and how many they are.

    Any number of characters is read, 6 bits each, as IAB's own library does: some
    encoders fill up to whole characters, others to bytes or to 4 characters.

    Args:
        text: base64url without padding.
        field: what the text is, for the error.

    Raises:
        SignalError: `bad_character`, padding and "+", "/" among them.

    """
    if not text.isascii():
        raise SignalError("bad_character", field)
    filled = -len(text) % _GROUP
    full = (text + "A" * filled).encode("ascii").translate(_TO_STANDARD)
    try:
        packed = a2b_base64(full, strict_mode=True)
    except Error:
        raise SignalError("bad_character", field) from None
    return int.from_bytes(packed) >> filled * _CHAR_BITS, len(text) * _CHAR_BITS


def check_end(value: int, size: int, end: int, field: str) -> None:
    """
    Check that nothing but zeros follows the last field.

    Encoders fill up with zeros to 6, 8 or 24 bits; a one is data that is not
    understood.

    Raises:
        SignalError: `trailing_data`.

    """
    if value & ((1 << size - end) - 1):
        raise SignalError("trailing_data", field)


class VendorSet(Collection[int]):
    """Vendor ids of a string: immutable, equal to any set of the same numbers."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Compare the numbers, whichever way each of both holds them."""
        if not isinstance(other, VendorSet | AbstractSet):
            return NotImplemented
        return frozenset(self) == frozenset(other)

    def __hash__(self) -> int:
        """Return the hash of a plain set of the same numbers."""
        return hash(frozenset(self))

    def to_list(self) -> list[int]:
        """Return the ids in ascending order."""
        return list(self)

    def __repr__(self) -> str:
        """Say nothing: the vendors of a string are a mark of its browser."""
        return "<VendorSet>"


class _BitField(VendorSet):
    """One bit for each vendor from 1 to `size`, vendor 1 highest."""

    __slots__ = ("_bits", "_size")

    def __init__(self, bits: int, size: int) -> None:
        self._bits = bits
        self._size = size

    def __contains__(self, vendor: object) -> bool:
        """Tell whether the vendor's bit is one."""
        if not isinstance(vendor, int) or not 1 <= vendor <= self._size:
            return False
        return bool(self._bits >> self._size - vendor & 1)

    def __len__(self) -> int:
        """Return how many bits are one."""
        return self._bits.bit_count()

    def __iter__(self) -> Iterator[int]:
        """Yield the ids in ascending order."""
        bits = f"{self._bits:0{self._size}b}"
        at = bits.find("1")
        while at >= 0:
            yield at + 1
            at = bits.find("1", at + 1)


class _Ranges(VendorSet):
    """Entries in the order in which they were written, which may overlap."""

    __slots__ = ("_ranges", "_singles")

    def __init__(self, singles: list[int], ranges: list[tuple[int, int]]) -> None:
        self._singles = singles
        self._ranges = ranges

    def __contains__(self, vendor: object) -> bool:
        """Tell whether the vendor stands alone, or in a range."""
        if not isinstance(vendor, int):
            return False
        return vendor in self._singles or any(
            start <= vendor <= end for start, end in self._ranges
        )

    def __len__(self) -> int:
        """Return how many different ids the entries hold."""
        return sum(end - start + 1 for start, end in self._merged())

    def __iter__(self) -> Iterator[int]:
        """Yield the ids in ascending order."""
        for start, end in self._merged():
            yield from range(start, end + 1)

    def _merged(self) -> list[tuple[int, int]]:
        """Return the same ids in ranges that ascend and do not overlap."""
        alone = ((vendor, vendor) for vendor in self._singles)
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*alone, *self._ranges]):
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(merged[-1][1], end)
            else:
                merged.append((start, end))
        return merged


def read_vendors(value: int, size: int, at: int, field: str) -> tuple[VendorSet, int]:
    """
    Read a vendor section: MaxVendorId, IsRangeEncoding, bits or ranges.

    Args:
        value: the bits as one number.
        size: how many they are.
        at: where the section starts.
        field: what the vendors are, for the error.

    Returns:
        The vendors, and where the section ends.

    Raises:
        SignalError: `truncated`, and what `read_ranges` raises.

    """
    end = at + _ONE_BITS
    if end > size:
        raise SignalError("truncated", field)
    head = value >> size - end
    most = head >> 1 & _MOST_VENDORS
    if head & 1:
        return read_ranges(value, size, end, field, most)
    end += most
    if end > size:
        raise SignalError("truncated", field)
    return _BitField(value >> size - end & (1 << most) - 1, most), end


def read_ranges(
    value: int, size: int, at: int, field: str, most: int = _MOST_VENDORS
) -> tuple[VendorSet, int]:
    """
    Read NumEntries and so many vendors or ranges of vendors.

    Ranges in any order are read, and such that overlap: consent managers write
    them in publisher restrictions. The work grows with the length of the text,
    never with the width of the ranges.

    Args:
        value: the bits as one number.
        size: how many they are.
        at: where NumEntries starts.
        field: what the vendors are, for the error.
        most: the greatest vendor id there may be.

    Returns:
        The vendors, and where the last range ends.

    Raises:
        SignalError: `truncated`, `too_many_ranges`, or `bad_range` for one that
            ends before it starts, starts at 0, or passes `most`.

    """
    end = at + _COUNT_BITS
    if end > size:
        raise SignalError("truncated", field)
    count = value >> size - end & (1 << _COUNT_BITS) - 1
    if count > MAX_RANGES:
        raise SignalError("too_many_ranges", field)
    # The entries at their longest, alone: shifting a short number is cheap. Where
    # the text is shorter, zeros stand in until the end is looked at.
    width, rest = count * _RANGE_BITS, size - end
    there = min(width, rest)
    cut = (value >> rest - there & (1 << there) - 1) << width - there
    left = width
    singles: list[int] = []
    ranges: list[tuple[int, int]] = []
    good = True
    for _ in range(count):
        left -= _ONE_BITS
        entry = cut >> left & _ONE_MASK
        if entry <= _MOST_VENDORS:
            singles.append(entry)
        else:
            left -= _VENDOR_BITS
            start, stop = entry & _MOST_VENDORS, cut >> left & _MOST_VENDORS
            good = good and 0 < start <= stop <= most
            ranges.append((start, stop))
    if width - left > rest:
        raise SignalError("truncated", field)
    if not good or 0 in singles or max(singles, default=0) > most:
        raise SignalError("bad_range", field)
    return _Ranges(singles, ranges), end + width - left
