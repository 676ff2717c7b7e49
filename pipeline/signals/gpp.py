"""
What a GPP string says of our categories, by the sections that are in force.

Sections of US law opt out and never consent, but for precise location. Wherever an
opt-out ought to stand and cannot be read, the visitor counts as opted out.
`decode_gpp` tells what stands in a string.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pipeline.signals.errors import SignalError
from pipeline.signals.gpp_bits import MAX_SECTION_ID
from pipeline.signals.gpp_decode import (
    MAX_LENGTH,
    GppString,
    decode_gpp,
    decode_section,
    section_name,
    split_gpp,
)
from pipeline.signals.gpp_sections import (
    SECTION_PLACES,
    SECTIONS,
    TCF_CA,
    TCF_EU,
    US_NATIONAL,
    US_PRIVACY,
    Section,
)
from pipeline.signals.macros import is_absent
from pipeline.signals.reading import Method, Reading, SignalState
from pipeline.signals.tcf import DEFAULT, TcfRules, read_tcf
from pipeline.signals.us_privacy import read_us_privacy

__all__ = [
    "MAX_LENGTH",
    "OPTED_OUT",
    "SECTION_PLACES",
    "GppString",
    "decode_gpp",
    "parse_gpp_sid",
    "read_gpp",
]

# All that an opt-out can say, for one that cannot be read. Whether a child sent it
# cannot be known either, but to take every torn string for a child's would be absurd.
OPTED_OUT = frozenset(
    {"sale_opt_out", "share_opt_out", "targeted_opt_out", "sensitive_limit"}
)

_FLAGS = (
    ("SaleOptOut", "sale_opt_out"),
    ("SharingOptOut", "share_opt_out"),
    ("TargetedAdvertisingOptOut", "targeted_opt_out"),
)
_NO, _YES = 1, 2
_UNKNOWN: Mapping[str, SignalState] = MappingProxyType(
    dict.fromkeys(
        ("preference", "statistics", "marketing", "precise_location"), "unknown"
    )
)
_PRECISE: Mapping[str, SignalState] = MappingProxyType({"precise_location": "given"})
_FRAMEWORKS = (TCF_EU, TCF_CA)
_LIST = re.compile(r"-?[0-9]{1,3}(?: ?[,_] ?-?[0-9]{1,3})*\Z")
_MAX_LISTED = 64


def parse_gpp_sid(value: str | Iterable[int] | None) -> tuple[int, ...]:
    """
    Return the ids of the sections in force, each once, in the order they were sent.

    Args:
        value: `7`, `7,8`, `7_8` or numbers; a macro nobody expanded says nothing.
            -1 (no section applies) and 0 (not known) name none: then the visitor's
            place decides.

    Raises:
        SignalError: `bad_format` for anything else.

    """
    if value is None:
        return ()
    if isinstance(value, str):
        if is_absent(value):
            return ()
        text = value.strip()
        if not _LIST.match(text):
            raise SignalError("bad_format", "gpp_sid")
        numbers = [int(part) for part in re.split("[,_]", text)]
    else:
        numbers = list(value)
    if len(numbers) > _MAX_LISTED or not all(
        type(number) is int and -1 <= number <= MAX_SECTION_ID for number in numbers
    ):
        raise SignalError("bad_format", "gpp_sid")
    return tuple(dict.fromkeys(number for number in numbers if number > 0))


def read_gpp(
    text: str,
    *,
    gpp_sid: Sequence[int],
    place: str,
    now_ms: int,
    tcf_rules: TcfRules = DEFAULT,
) -> list[Reading]:
    """
    Read the sections of a GPP string that are in force.

    Whether the text is there at all is for the caller to say (`macros.is_absent`);
    a text that cannot be read raises nothing and counts as opted out.

    Args:
        text: the string as it was sent.
        gpp_sid: the ids of the sections in force, of `parse_gpp_sid`. One that the
            string does not have cannot be read either, and then all that it has
            count as well.
        place: where the visitor is, such as US-CA or DE; empty if not known. It
            decides if there are no ids: the section of that state or country, else
            the national one of the US, else all there are.
        now_ms: our clock, ms since 1970 UTC.
        tcf_rules: when a TC string counts, for the European section.

    Returns:
        A reading for each section, with sources such as `gpp_usnat`; one with
        source `gpp` if no section can be found at all.

    """
    try:
        parts = split_gpp(text)
    except SignalError as error:
        states = _UNKNOWN if any(one in _FRAMEWORKS for one in gpp_sid) else {}
        return [Reading("gpp", states, OPTED_OUT, "none", problems=(error.code,))]
    wanted = gpp_sid or _in_force(parts, place)
    if any(number not in parts for number in wanted):
        # Which section is in force is not what the sender says: all of them count.
        wanted = tuple(dict.fromkeys([*wanted, *parts]))
    return [
        replace(
            _read_section(number, parts.get(number), now_ms, tcf_rules),
            source=f"gpp_{section_name(number)}",
        )
        for number in wanted
    ]


def _in_force(parts: Mapping[int, str], place: str) -> tuple[int, ...]:
    """Choose sections by the visitor's place, for a sender that named none."""
    country = place[:2]
    if country == "US":
        wanted = [one for one in parts if SECTION_PLACES.get(one) == place != "US"]
    elif country:
        own = TCF_CA if country == "CA" else TCF_EU
        wanted = [own] if own in parts else []
    else:
        wanted = []
    if not wanted and US_NATIONAL in parts:
        wanted = [US_NATIONAL]
    return tuple(wanted or parts)


def _read_section(
    number: int, text: str | None, now_ms: int, rules: TcfRules
) -> Reading:
    """Read one section; one that cannot be read, or is not there, opts out."""
    try:
        if text is None:
            return _unreadable(number, "missing_section")
        if number == TCF_EU:
            return read_tcf(text, now_ms=now_ms, rules=rules)
        fields = decode_section(number, text)
    except SignalError as error:
        return _unreadable(number, error.code)
    if number == US_PRIVACY:
        return read_us_privacy(text)
    return _read_fields(SECTIONS[number], fields)


def _read_fields(section: Section, fields: Mapping[str, object]) -> Reading:
    """Read a section of US law."""
    flags = {flag for name, flag in _FLAGS if fields.get(name) == _NO}
    if fields.get("Gpc"):
        flags.add("gpc")
    child = fields.get("KnownChildSensitiveDataConsents", 0)
    # Any value but 0 means that the visitor is known to be under age.
    if any(child) if isinstance(child, tuple) else child:
        flags.add("child")
    location = 0
    listed = fields.get("SensitiveDataProcessing")
    if section.location and isinstance(listed, tuple):
        location = listed[section.location - 1]
    if location == _NO:
        flags.add("sensitive_limit")
    states = _PRECISE if location == _YES and section.asks else {}
    method: Method = "explicit" if flags or states else "none"
    return Reading("gpp", states, frozenset(flags), method)


def _unreadable(number: int, code: str) -> Reading:
    """Return what a section comes to that is in force and cannot be read."""
    if number in _FRAMEWORKS:
        return Reading("gpp", _UNKNOWN, method="none", problems=(code,))
    return Reading("gpp", {}, OPTED_OUT, "none", problems=(code,))
