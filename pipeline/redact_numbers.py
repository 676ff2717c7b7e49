"""Personal numbers in free text: cards, accounts, telephones, addresses, SSNs."""

import re
import socket
from collections.abc import Iterator

Span = tuple[int, int, str]

# Cheap signs, each with a literal start or few of them, that a costlier pattern
# could match at all.
_NUMBER = re.compile(r"[0-9](?:[ ().\-/+_%\u00a0]{0,3}[0-9]){5}")
_V4_SIGN = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_V6_SIGN = re.compile(r"::|:(?:[0-9A-Fa-f]{1,4}:){4}")
_MAC_SIGN = re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]")
_CALL_SIGNS = (
    "tel",
    "phon",
    "mobil",
    "cell",
    "fax",
    "handy",
    "whatsapp",
    "sms",
    "msis",
)

_SEPARATOR = r"(?:[ .+_\u00a0-]|%20)?"
_LONG_NUMBER = re.compile(rf"[0-9](?:{_SEPARATOR}[0-9]){{12,63}}")
_GROUP = re.compile(r"[0-9]+")
# Vendor prefixes and lengths. Visa's old 13 digits and the short Maestro numbers are
# left out: the bar codes of whole countries begin like them.
_CARD = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)"
    r"[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"  # Diners Club
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2}|35[2-8][0-9])[0-9]{12,15}"
    r"|(?:50|5[6-9]|6[0-9])[0-9]{14,17}"  # Maestro
)
_MIN_CARD, _MAX_CARD, _MAX_GROUPS = 14, 19, 8

_IBAN_START = re.compile(r"[A-Za-z]{2}[0-9]{2}")
# Of each country's account numbers (SWIFT's IBAN registry).
_IBAN_LENGTHS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22
CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22
GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30
KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20
MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22
RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26
UA29 VA22 VG24 XK20 YE30
"""
_IBAN_LENGTH = {
    country: int(length)
    for country, length in re.findall("([A-Z]{2})([0-9]{2})", _IBAN_LENGTHS)
}

_SSN = re.compile(r"(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])")
_GAP = r"[ ().\-/\u00a0]{0,2}"
_INTERNATIONAL = re.compile(
    rf"(?:\+|%(?:25)?2B|(?<![0-9])00(?={_GAP}[0-9]{{1,4}}[ ().\-/]))"
    rf"{_GAP}[1-9](?:{_GAP}[0-9]){{7,14}}(?![0-9])",
    re.IGNORECASE,
)
_NORTH_AMERICAN = re.compile(
    r"(?<![0-9.-])(?:\([0-9]{3}\) ?|[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-. ][0-9]{4}"
    r"(?![0-9-])"
)
_CALLED = re.compile(
    r"(?<![a-z])(?:phone|telephone|telefono|telefon|tel|mobile|mobil|cell|fax|handy"
    r"|whatsapp|sms|msisdn)(?:[ _-]?(?:number|num|no|nr))?"
    rf"[\s.:=#\"'(\[]{{0,4}}(\+?\(?[0-9](?:{_GAP}[0-9]){{5,14}})(?![0-9])",
    re.IGNORECASE,
)

_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_COLONS = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,40}(?:(?:\.[0-9]{1,3}){3})?(?!\w)")
_MAC = re.compile(
    r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"
)
_FEWEST_COLONS = 2


def find_numbers(text: str) -> Iterator[Span]:
    """Mark the numbers in a text that belong to a person or a device."""
    yield from _find_device_addresses(text)
    if _V4_SIGN.search(text) is not None:
        yield from _find_ipv4(text)
    if _NUMBER.search(text) is None:
        return
    yield from _find_cards(text)
    yield from _find_ibans(text)
    for match in _SSN.finditer(text):
        yield *match.span(), "ssn"
    yield from _find_phones(text)


def _find_phones(text: str) -> Iterator[Span]:
    for match in _INTERNATIONAL.finditer(text):
        yield *match.span(), "phone"
    for match in _NORTH_AMERICAN.finditer(text):
        yield *match.span(), "phone"
    lower = text.lower()
    if any(sign in lower for sign in _CALL_SIGNS):
        for match in _CALLED.finditer(text):
            yield *match.span(1), "phone"


def _find_ipv4(text: str) -> Iterator[Span]:
    for match in _IPV4.finditer(text):
        if all(int(octet) <= 255 for octet in match[0].split(".")):  # noqa: PLR2004
            yield *match.span(), "ip"


def _find_device_addresses(text: str) -> Iterator[Span]:
    if _MAC_SIGN.search(text) is not None:
        for match in _MAC.finditer(text):
            yield *match.span(), "mac"
    if _V6_SIGN.search(text) is None:
        return
    for match in _COLONS.finditer(text):
        candidate = match[0]
        if not candidate.endswith("::"):
            # A colon after the address is punctuation.
            candidate = candidate.rstrip(":")
        # "::" and "fade::bad" are code far more often than addresses.
        if candidate.count(":") >= _FEWEST_COLONS and _GROUP.search(candidate):
            try:
                socket.inet_pton(socket.AF_INET6, candidate)
            except OSError:
                continue
            yield match.start(), match.start() + len(candidate), "ip"


def _find_cards(text: str) -> Iterator[Span]:
    """Mark card numbers at any group of digits, whatever number stands before."""
    for run in _LONG_NUMBER.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        # A %20 between digits reads as a group of its own; it is none.
        groups = [span for span in groups if text[span[0] - 1 : span[1]] != "%20"]
        for first, (start, _) in enumerate(groups):
            digits = ""
            for begin, end in groups[first : first + _MAX_GROUPS]:
                digits += text[begin:end]
                if len(digits) > _MAX_CARD:
                    break
                if len(digits) >= _MIN_CARD and _is_card(digits):
                    yield start, end, "card"


def _is_card(digits: str) -> bool:
    if _CARD.fullmatch(digits) is None:
        return False
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(map(sum, doubled))
    return total % 10 == 0


def _find_ibans(text: str) -> Iterator[Span]:
    for match in _IBAN_START.finditer(text):
        length = _IBAN_LENGTH.get(match[0][:2].upper())
        if length is None:
            continue
        end = _take(text, match.start(), length)
        if end and _is_iban(text[match.start() : end]):
            yield match.start(), end, "iban"


def _take(text: str, start: int, length: int) -> int:
    """Return the end of so many letters and digits, single separators between."""
    position, taken = start, 0
    while position < len(text):
        char = text[position]
        if char.isascii() and char.isalnum():
            taken += 1
            if taken == length:
                return position + 1
        elif char not in " -.\u00a0" or not text[position - 1].isalnum():
            return 0
        position += 1
    return 0


def _is_iban(text: str) -> bool:
    plain = "".join(filter(str.isalnum, text)).upper()
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1
