"""GPP strings of our own: an encoder that tests share."""

from collections.abc import Mapping

from pipeline.signals.gpp_sections import NAMES, NATIONAL_OLD, SECTIONS, Layout

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_IDS = {name: number for number, name in NAMES.items()}
_OLD_SENSITIVE = 12
_DEFAULTS = {
    "Version": 1,
    "MspaVersion": 1,
    "MspaCoveredTransaction": 1,
    "GpcSegmentType": 1,
}


def encode_gpp(sections: Mapping[str, Mapping[str, object] | str]) -> str:
    """
    Encode a GPP string from sections by name.

    A text is taken as the section's own string (tcfeuv2, tcfcav1, broken ones);
    for uspv1 Notice, OptOutSale and LspaCovered are read. What a US section leaves
    out is zero, and Version and MspaCoveredTransaction are 1. A second segment is
    written if one of its fields is named: `{"usca": {"SaleOptOut": 1, "Gpc": True}}`.
    usnat with a list of at most 12 sensitive values has the older, shorter layout.
    """
    by_id = {_IDS[name]: fields for name, fields in sections.items()}
    ids = sorted(by_id)
    parts = [_section(number, by_id[number]) for number in ids]
    return "~".join([encode_header(ids), *parts])


def encode_header(ids: list[int]) -> str:
    """Encode a header that names these sections, in ascending order."""
    groups: list[list[int]] = []
    for number in ids:
        if groups and groups[-1][-1] + 1 == number:
            groups[-1].append(number)
        else:
            groups.append([number])
    bits, last = f"{3:06b}{1:06b}{len(groups):012b}", 0
    for group in groups:
        bits += "1" if len(group) > 1 else "0"
        bits += fibonacci(group[0] - last)
        if len(group) > 1:
            bits += fibonacci(group[-1] - group[0])
        last = group[-1]
    return base64_text(bits)


def fibonacci(number: int) -> str:
    """Encode a number from 1 in Fibonacci code: 1 is 11, 2 is 011, 6 is 10011."""
    weights = [1, 2]
    while weights[-1] <= number:
        weights.append(weights[-1] + weights[-2])
    bits = ""
    for weight in reversed(weights):
        bits = ("1" if number >= weight else "0") + bits
        number -= weight if number >= weight else 0
    return bits.rstrip("0") + "1"


def base64_text(bits: str, *, eight: bool = True) -> str:
    """Fill bits up to 8 (as the libraries do) and then 6, and write them in base64."""
    if eight:
        bits += "0" * (-len(bits) % 8)
    bits += "0" * (-len(bits) % 6)
    return "".join(
        _ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6)
    )


def _section(number: int, fields: Mapping[str, object] | str) -> str:
    if isinstance(fields, str):
        return fields
    if number not in SECTIONS:
        names = ("Notice", "OptOutSale", "LspaCovered")
        return "1" + "".join(str(fields.get(name, "-")) for name in names)
    section = SECTIONS[number]
    sensitive = fields.get("SensitiveDataProcessing", ())
    assert isinstance(sensitive, (tuple, list))
    short = section.name == "usnat" and 0 < len(sensitive) <= _OLD_SENSITIVE
    segments = [base64_text(_bits(NATIONAL_OLD if short else section.core, fields))]
    extra = section.extra or ()
    if any(field.name in fields for field in extra):
        segments.append(base64_text(_bits(extra, fields)))
    return ".".join(segments)


def _bits(layout: Layout, fields: Mapping[str, object]) -> str:
    bits = ""
    for name, width, many, *_ in layout:
        value = fields.get(name, _DEFAULTS.get(name, 0))
        if many:
            given = value if isinstance(value, (tuple, list)) else ()
            numbers = [*given, *[0] * (many - len(given))]
        else:
            assert isinstance(value, int)
            numbers = [int(value)]
        bits += "".join(f"{number:0{width}b}" for number in numbers)
    return bits
