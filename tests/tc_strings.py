"""
TC strings for tests: an encoder of our own, after IAB's format of TCF 2.

It shares no line with the decoder and writes bits as text, so that both are not
wrong in the same way.
"""

import base64
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

# 2026-03-10 00:00 UTC: a day, as TCF has asked for since December 2021.
CREATED_MS = 1_773_100_800_000

Restriction = tuple[int, int, Collection[int]]

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "version": 2,
        "created_ms": CREATED_MS,
        "last_updated_ms": None,  # as created_ms
        "cmp_id": 31,
        "cmp_version": 7,
        "consent_screen": 1,
        "consent_language": "EN",
        "vendor_list_version": 141,
        "policy_version": 5,
        "is_service_specific": True,
        "use_non_standard_texts": False,
        "special_feature_opt_ins": (),
        "purpose_consents": (),
        "purpose_legitimate_interests": (),
        "purpose_one_treatment": False,
        "publisher_country_code": "DE",
        "vendor_consents": (),
        "vendor_legitimate_interests": (),
        "publisher_restrictions": (),  # of (purpose, type, vendors)
        "vendors_disclosed": (1, 2, 3),  # None: no segment
        "vendors_allowed": None,
        "publisher_purpose_consents": None,  # None: no publisher segment
        "publisher_purpose_legitimate_interests": (),
        "num_custom_purposes": 0,
        "publisher_custom_purpose_consents": (),
        "publisher_custom_purpose_legitimate_interests": (),
        "ranges": False,  # how vendors are written: in ranges, or one bit each
        "order": (1, 2, 3),  # of the segments behind the core
    }
)


def encode_tc(**fields: Any) -> str:
    """
    Return a TC string; what is not named has the value of DEFAULTS.

    The defaults make a string of TCF 2.3 that is valid, and that consents to
    nothing: service specific, policy 5, with a segment of disclosed vendors.

    Raises:
        TypeError: for a field that DEFAULTS does not know.

    """
    unknown = fields.keys() - DEFAULTS.keys()
    if unknown:
        message = f"no fields of a TC string: {sorted(unknown)}"
        raise TypeError(message)
    tc = {**DEFAULTS, **fields}
    segments = {
        1: _vendor_segment(1, tc["vendors_disclosed"], ranges=tc["ranges"]),
        2: _vendor_segment(2, tc["vendors_allowed"], ranges=tc["ranges"]),
        3: _publisher_segment(tc),
    }
    behind = [segments[number] for number in tc["order"]]
    return ".".join(base64url(bits) for bits in [core_bits(tc), *behind] if bits)


def base64url(bits: str) -> str:
    """Return bits as base64url without padding, zeros up to a whole byte."""
    size = -(-len(bits) // 8)
    packed = int(bits.ljust(size * 8, "0"), 2).to_bytes(size)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def number(value: int, width: int) -> str:
    """Return a number in so many bits."""
    assert 0 <= value < 1 << width
    return f"{value:0{width}b}"


def flags(numbers: Iterable[int], width: int) -> str:
    """Return so many bits, the first for 1."""
    chosen = set(numbers)
    assert chosen <= set(range(1, width + 1))
    return "".join("01"[one in chosen] for one in range(1, width + 1))


def letters(text: str) -> str:
    """Return capital letters in 6 bits each, A being 0."""
    return "".join(number(ord(letter) - ord("A"), 6) for letter in text)


def core_bits(tc: Mapping[str, Any]) -> str:
    """Return the bits of the first segment; `tc` has every field of DEFAULTS."""
    updated = tc["last_updated_ms"]
    updated = tc["created_ms"] if updated is None else updated
    restrictions = tc["publisher_restrictions"]
    return "".join(
        [
            number(tc["version"], 6),
            number(tc["created_ms"] // 100, 36),
            number(updated // 100, 36),
            number(tc["cmp_id"], 12),
            number(tc["cmp_version"], 12),
            number(tc["consent_screen"], 6),
            letters(tc["consent_language"]),
            number(tc["vendor_list_version"], 12),
            number(tc["policy_version"], 6),
            number(tc["is_service_specific"], 1),
            number(tc["use_non_standard_texts"], 1),
            flags(tc["special_feature_opt_ins"], 12),
            flags(tc["purpose_consents"], 24),
            flags(tc["purpose_legitimate_interests"], 24),
            number(tc["purpose_one_treatment"], 1),
            letters(tc["publisher_country_code"]),
            vendors(tc["vendor_consents"], ranges=tc["ranges"]),
            vendors(tc["vendor_legitimate_interests"], ranges=tc["ranges"]),
            number(len(restrictions), 12),
            *(restriction(*one) for one in restrictions),
        ]
    )


def vendors(ids: Collection[int], *, ranges: bool) -> str:
    """Return a vendor section: the greatest id, the encoding, the vendors."""
    head = number(max(ids, default=0), 16) + number(ranges, 1)
    return head + (entries(ids) if ranges else flags(ids, max(ids, default=0)))


def restriction(purpose: int, kind: int, ids: Collection[int]) -> str:
    """Return one publisher restriction."""
    return number(purpose, 6) + number(kind, 2) + entries(ids)


def entries(ids: Iterable[int]) -> str:
    """Return vendors as ranges, their count before them."""
    runs: list[list[int]] = []
    for one in sorted(set(ids)):
        if runs and runs[-1][1] == one - 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return number(len(runs), 12) + "".join(entry(*run) for run in runs)


def entry(start: int, end: int) -> str:
    """Return one range; a single vendor is written once."""
    if start == end:
        return "0" + number(start, 16)
    return "1" + number(start, 16) + number(end, 16)


def _vendor_segment(kind: int, ids: Collection[int] | None, *, ranges: bool) -> str:
    if ids is None:
        return ""
    return number(kind, 3) + vendors(ids, ranges=ranges)


def _publisher_segment(tc: Mapping[str, Any]) -> str:
    if tc["publisher_purpose_consents"] is None:
        return ""
    custom = tc["num_custom_purposes"]
    return "".join(
        [
            number(3, 3),
            flags(tc["publisher_purpose_consents"], 24),
            flags(tc["publisher_purpose_legitimate_interests"], 24),
            number(custom, 6),
            flags(tc["publisher_custom_purpose_consents"], custom),
            flags(tc["publisher_custom_purpose_legitimate_interests"], custom),
        ]
    )
