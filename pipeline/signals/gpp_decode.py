"""
IAB Global Privacy Platform strings, decoded strictly and section by section.

A section that cannot be read never hides the others, and is never taken for one that
allows something: the official decoder reads a cut section as "not applicable", here
it is an error. Source: IAB Tech Lab, GPP Consent String Specification.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.signals.bits import unpack
from pipeline.signals.errors import SignalError
from pipeline.signals.gpp_bits import check_rest, read_header
from pipeline.signals.gpp_sections import (
    NAMES,
    NATIONAL_OLD,
    NATIONAL_OLD_BITS,
    SECTIONS,
    TCF_EU,
    US_NATIONAL,
    US_PRIVACY,
    Layout,
)
from pipeline.signals.tcf import decode_tcf
from pipeline.signals.us_privacy import decode_us_privacy

# Longer than any that a consent manager makes; also the limit of the wire.
MAX_LENGTH = 8192

Fields = Mapping[str, object]
_MAX_PAIR = 2

# Lists are of two bits each: the lower one of every pair, and how far each is up.
_MAX_LIST = 16
_LOWER_BITS = int("01" * _MAX_LIST, 2)
_SHIFTS = tuple(range(2 * _MAX_LIST - 2, -2, -2))


@dataclass(frozen=True, slots=True, repr=False)
class GppString:
    """
    A decoded GPP string.

    Attributes:
        section_ids: the sections that the header names, in their order.
        sections: the fields of every section that could be read, by the section's
            name and the names of its specification. Numbers, true and false, texts,
            and tuples of numbers; `tcfeuv2` is as `TcString.as_dict` gives it.
        broken: the code (of `errors.CODES`) for every section that could not be.

    """

    section_ids: tuple[int, ...]
    sections: Mapping[str, Fields]
    broken: Mapping[str, str]

    def __repr__(self) -> str:
        """Say nothing: the string is a mark of its browser."""
        return "<GppString>"

    def as_dict(self) -> dict[str, object]:
        """Return all of it, fit for JSON; `errors` holds what could not be read."""
        return {
            "sectionIds": list(self.section_ids),
            **{
                name: {
                    key: list(value) if isinstance(value, tuple) else value
                    for key, value in fields.items()
                }
                for name, fields in self.sections.items()
            },
            "errors": dict(self.broken),
        }


def decode_gpp(text: str) -> GppString:
    """
    Decode a GPP string: its header, and every section that can be read.

    Raises:
        SignalError: if the header cannot be read, or names more or fewer sections
            than there are: then nobody knows which section is which.

    """
    parts = split_gpp(text)
    sections: dict[str, Fields] = {}
    broken: dict[str, str] = {}
    for number, part in parts.items():
        name = section_name(number)
        try:
            sections[name] = MappingProxyType(decode_section(number, part))
        except SignalError as error:
            broken[name] = error.code
    return GppString(tuple(parts), MappingProxyType(sections), MappingProxyType(broken))


def section_name(number: int) -> str:
    """Return the name of a section: its API prefix, or its id if it has none here."""
    return NAMES.get(number) or f"section_{number}"


def split_gpp(text: str) -> dict[int, str]:
    """
    Return the undecoded text of each section by its id, in the order of the header.

    Raises:
        SignalError: as `decode_gpp` does.

    """
    if not text:
        raise SignalError("empty", "gpp")
    if len(text) > MAX_LENGTH:
        raise SignalError("too_long", "gpp")
    header, *parts = text.split("~")
    ids = read_header(header)
    if len(ids) != len(parts):
        raise SignalError("section_count", "gpp")
    return dict(zip(ids, parts, strict=True))


def decode_section(number: int, text: str) -> dict[str, object]:
    """
    Decode one section to its fields, by the names of its specification.

    The framework of Canada (5) is recognised and not decoded: its layout is found by
    trial only, and a string of it can be read in two ways.

    Raises:
        SignalError: if it is cut, has more than its fields, or holds a value that
            its specification does not know; or if the section is not known.

    """
    name = section_name(number)
    if not text:
        raise SignalError("empty", name)
    if number == TCF_EU:
        return dict(decode_tcf(text).as_dict())
    if number == US_PRIVACY:
        return dict(decode_us_privacy(text).as_dict())
    section = SECTIONS.get(number)
    if section is None:
        code = "unknown_format" if number in NAMES else "unknown_section"
        raise SignalError(code, name)
    core, *others = text.split(".", _MAX_PAIR)
    if len(others) == _MAX_PAIR:
        raise SignalError("repeated_segment", name)
    layout = _old_or_new(core) if number == US_NATIONAL else section.core
    fields = _decode_segment(core, layout, name)
    if others:
        if section.extra is None:
            raise SignalError("bad_segment", name)
        fields |= _decode_segment(others[0], section.extra, name)
        if "Gpc" in fields:
            fields["Gpc"] = fields["Gpc"] == 1
    return fields


def _old_or_new(core: str) -> Layout:
    """Return the layout of a usnat segment, which its length alone tells."""
    size = 6 * len(core)
    if size == NATIONAL_OLD_BITS or (size < NATIONAL_OLD_BITS and core[:1] == "B"):
        return NATIONAL_OLD
    # Less than that was never written as version 2: it is the new layout, cut.
    if size < NATIONAL_OLD_BITS:
        raise SignalError("truncated", "usnat")
    return SECTIONS[US_NATIONAL].core


def _decode_segment(text: str, layout: Layout, name: str) -> dict[str, object]:
    """Decode one segment by its layout; what follows the last field is filling."""
    if not text:
        raise SignalError("empty", name)
    bits, left = unpack(text, name)
    fields: dict[str, object] = {}
    for key, width, many, low, high, code in layout:
        left -= width * (many or 1)
        if left < 0:
            raise SignalError("truncated", name)
        whole = bits >> left
        bits ^= whole << left
        if not many:
            if not low <= whole <= high:
                raise SignalError(code, name)
            fields[key] = whole
            continue
        # Two bits each, the highest first; two ones side by side are a 3.
        if whole & whole >> 1 & _LOWER_BITS:
            raise SignalError(code, name)
        fields[key] = tuple([whole >> at & 3 for at in _SHIFTS[-many:]])
    check_rest(bits, left, name)
    return fields
