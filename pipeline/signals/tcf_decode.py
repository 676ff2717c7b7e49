"""
TC strings of IAB's Transparency and Consent Framework, version 2, read in full.

After "Consent string and vendor list formats v2" (IAB Tech Lab, TCF 2.2 and 2.3).
Everything is read and checked before anything is returned. What a string says is
one thing, whether it counts another (`pipeline.signals.tcf`).
"""

from collections.abc import Iterable
from typing import Any

from pipeline.signals.bits import check_end, read_ranges, read_vendors, unpack
from pipeline.signals.errors import SignalError
from pipeline.signals.tcf_string import (
    COUNTRY,
    HEAD_BITS,
    LANGUAGE,
    PURPOSES,
    PublisherTc,
    Restriction,
    TcString,
)

# The longest real strings have about 4,000 characters.
MAX_CHARS = 8192
_VERSION = 2
_DISCLOSED, _ALLOWED, _PUBLISHER = 1, 2, 3
_RESTRICTIONS_BITS = 12
_RESTRICTION_BITS = 8
_PUBLISHER_BITS = 3 + 2 * PURPOSES + 6


def decode_tcf(text: str) -> TcString:
    """
    Read a TC string, all of it.

    The core comes first; the segments of disclosed vendors, of allowed vendors and
    of the publisher follow in any order, each at most once. Zeros may follow the
    last field of a segment, and nothing else. CMP id 0 is read: whether a string
    counts is not decided here.

    Args:
        text: the string as it was sent, such as the value of `gdpr_consent`.

    Raises:
        SignalError: `empty`, `too_long`, `bad_character`, `bad_version`,
            `truncated`, `trailing_data`, `bad_value`, `bad_segment`,
            `repeated_segment`, `bad_range`, `too_many_ranges`.

    """
    if not text:
        raise SignalError("empty")
    if len(text) > MAX_CHARS:
        raise SignalError("too_long")
    core, *others = text.split(".")
    value, size = unpack(core, "core")
    if size and value >> size - 6 != _VERSION:
        raise SignalError("bad_version", "core")
    if size < HEAD_BITS:
        raise SignalError("truncated", "core")
    head = value >> size - HEAD_BITS
    _check_letters(head, LANGUAGE, "ConsentLanguage")
    _check_letters(head, COUNTRY, "PublisherCC")
    consents, at = read_vendors(value, size, HEAD_BITS, "VendorConsents")
    interests, at = read_vendors(value, size, at, "VendorLegitimateInterests")
    restrictions, at = _read_restrictions(value, size, at)
    check_end(value, size, at, "core")
    segments = _read_segments(others) if others else {}
    return TcString(
        head,
        consents,
        interests,
        restrictions,
        segments.get(_DISCLOSED),
        segments.get(_ALLOWED),
        segments.get(_PUBLISHER),
    )


def _check_letters(head: int, at: int, field: str) -> None:
    bits = head >> HEAD_BITS - at - 12
    if bits >> 6 & 63 > 25 or bits & 63 > 25:  # noqa: PLR2004 - A is 0, Z is 25
        raise SignalError("bad_value", field)


def _read_restrictions(
    value: int, size: int, at: int
) -> tuple[tuple[Restriction, ...], int]:
    field = "PublisherRestrictions"
    end = at + _RESTRICTIONS_BITS
    if end > size:
        raise SignalError("truncated", field)
    found = []
    for _ in range(value >> size - end & (1 << _RESTRICTIONS_BITS) - 1):
        end += _RESTRICTION_BITS
        if end > size:
            raise SignalError("truncated", field)
        about = value >> size - end & 255
        if not about >> 2:
            raise SignalError("bad_value", field)
        vendors, end = read_ranges(value, size, end, field)
        found.append(Restriction(about >> 2, about & 3, vendors))
    return tuple(found), end


def _read_segments(texts: Iterable[str]) -> dict[int, Any]:
    """Return the segments behind the core by their type."""
    found: dict[int, Any] = {}
    for text in texts:
        value, size = unpack(text, "segment")
        if not size:
            raise SignalError("truncated", "segment")
        kind = value >> size - 3
        # A segment of type 0 is a core: its version begins with three zeros.
        if not kind or kind in found:
            raise SignalError("repeated_segment", "segment")
        if kind == _PUBLISHER:
            found[kind], end = _read_publisher(value, size)
        elif kind in {_DISCLOSED, _ALLOWED}:
            name = "DisclosedVendors" if kind == _DISCLOSED else "AllowedVendors"
            found[kind], end = read_vendors(value, size, 3, name)
        else:
            raise SignalError("bad_segment", "segment")
        check_end(value, size, end, "segment")
    return found


def _read_publisher(value: int, size: int) -> tuple[PublisherTc, int]:
    if size < _PUBLISHER_BITS:
        raise SignalError("truncated", "PublisherTC")
    head = value >> size - _PUBLISHER_BITS
    custom = head & 63
    end = _PUBLISHER_BITS + 2 * custom
    if end > size:
        raise SignalError("truncated", "PublisherTC")
    bits = value >> size - end & (1 << 2 * custom) - 1
    return PublisherTc(head >> 6 & (1 << 2 * PURPOSES) - 1, custom, bits), end
