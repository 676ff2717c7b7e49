"""Personal numbers in free text: cards, accounts, telephones, US social security."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from string import ascii_uppercase

from pipeline.redaction.spans import Detector, Span

_SEPARATOR = r"(?:[ .+_\t\u00a0\u2009\u202f\u2010-\u2015-]|%20){0,2}"
_LONG_NUMBER = re.compile(rf"[0-9](?:{_SEPARATOR}[0-9]){{12,}}")
_DIGIT = re.compile(r"[0-9]")
_FEWEST_DIGITS = 13
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
_MIN_CARD, _MAX_CARD = 14, 19
_CARD_STARTS = frozenset("23456")
# The sum of the digits of a doubled digit.
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

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
_IBAN_SHAPE = {
    # The length is exact: what follows may be the next word.
    country: re.compile(
        rf"[A-Za-z0-9](?:[ .+_\u00a0\u202f-]?[A-Za-z0-9]){{{int(length) - 1}}}"
    )
    for country, length in re.findall("([A-Z]{2})([0-9]{2})", _IBAN_LENGTHS)
}

_SSN = re.compile(
    r"(?<![0-9])(?<![0-9]-)(?!000)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}"
    r"(?![0-9]|-[0-9])"
)
_GAP = r"[ ().\-/\u00a0\u2010-\u2015]{0,2}"
_INTERNATIONAL = re.compile(
    rf"(?:\+|%(?:25)?2B|(?<![0-9])00(?={_GAP}[0-9]{{1,4}}[ ().\-/]))"
    rf"{_GAP}[1-9](?:{_GAP}[0-9]){{7,14}}(?![0-9])",
    re.IGNORECASE,
)
_NORTH_AMERICAN = re.compile(
    r"(?<![0-9])(?<![0-9][.-])(?:\([0-9]{3}\) ?|[2-9][0-9]{2}[-.])"
    r"[2-9][0-9]{2}[-. ][0-9]{4}"
    r"(?![0-9]|-[0-9])"
)
# Said to RE2 too, which reads letters but no such escapes: plain strings.
_WORDS = (
    "phone|telephone|telefono|tel\u00e9fono|telefone|telefoon|telefon|t\u00e9l|tel|tlf"
    "|mobile|mobil|m\u00f3vil|celular|cell|fax|handy|natel|puhelin|whatsapp|sms|msisdn"
    "|\u0442\u0435\u043b\u0435\u0444\u043e\u043d|\u0442\u0435\u043b"
    "|\u96fb\u8a71|\u7535\u8bdd|\u624b\u673a|\u643a\u5e2f"
)
_NUMBER = (
    "numbers?|nummer|num\u00e9ro|n\u00famero|numero|num|no|nr"
    "|\u756a\u53f7|\u53f7\u7801|\u53f7"
)
_CALLED = re.compile(
    rf"(?<![a-z])(?:{_WORDS})(?:[. _-]{{0,2}}(?:{_NUMBER}))?"
    rf"[\s.:=#\"'(\[]{{0,4}}(\+?\(?[0-9](?:{_GAP}[0-9]){{5,14}})(?![0-9])",
    re.IGNORECASE,
)


def _find_ssns(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        yield *match.span(), "ssn"


def _find_international(text: str) -> Iterator[Span]:
    for match in _INTERNATIONAL.finditer(text):
        yield *match.span(), "phone"


def _find_north_american(text: str) -> Iterator[Span]:
    for match in _NORTH_AMERICAN.finditer(text):
        yield *match.span(), "phone"


def _find_called(text: str) -> Iterator[Span]:
    for match in _CALLED.finditer(text):
        yield *match.span(1), "phone"


def _find_cards(text: str) -> Iterator[Span]:
    """Mark card numbers at any group of digits, whatever number stands before."""
    # Which is soon told, where a search would begin anew at each of a few digits.
    if len(_DIGIT.findall(text)) < _FEWEST_DIGITS:
        return
    for run in _LONG_NUMBER.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        # A %20 between digits reads as a group of its own; it is none.
        groups = [span for span in groups if text[span[0] - 1 : span[1]] != "%20"]
        yield from _find_in_groups(text, groups)


def _find_in_groups(text: str, groups: list[tuple[int, int]]) -> Iterator[Span]:
    digits = "".join(text[start:end] for start, end in groups)
    # Where each group begins among the digits, and where the last ends.
    begins = [0, *accumulate(end - start for start, end in groups)]
    sums = _luhn_sums(digits)
    for first, (start, _) in enumerate(groups):
        begin = begins[first]
        if digits[begin] not in _CARD_STARTS:
            continue
        for last in range(bisect_left(begins, begin + _MIN_CARD), len(begins)):
            end = begins[last]
            if end - begin > _MAX_CARD:
                break
            # Nine in ten are no cards by this, which costs less than the rest.
            if (sums[end % 2][end] - sums[end % 2][begin]) % 10 == 0 and (
                _CARD.fullmatch(digits, begin, end) is not None
            ):
                yield start, groups[last - 1][1], "card"


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Return running sums with every other digit doubled: the even ones, the odd."""
    even = [
        _DOUBLED[int(digit)] if at % 2 else int(digit)
        for at, digit in enumerate(digits)
    ]
    odd = [
        int(digit) if at % 2 else _DOUBLED[int(digit)]
        for at, digit in enumerate(digits)
    ]
    # Luhn doubles the last but one: of numbers that end at an even place, even ones.
    return [0, *accumulate(odd)], [0, *accumulate(even)]


def _find_ibans(text: str) -> Iterator[Span]:
    for match in _IBAN_START.finditer(text):
        shape = _IBAN_SHAPE.get(match[0][:2].upper())
        found = shape.match(text, match.start()) if shape else None
        if found is not None and _is_iban(found[0]):
            yield *found.span(), "iban"


# ISO 13616: A is 10, Z is 35.
_IBAN_DIGITS = {ord(letter): str(int(letter, 36)) for letter in ascii_uppercase}


def _is_iban(text: str) -> bool:
    plain = "".join(filter(str.isalnum, text)).upper()
    moved = plain[4:] + plain[:4]
    return int(moved.translate(_IBAN_DIGITS)) % 97 == 1


_SIGN_SEPARATOR = r"(?:[ .+_\t\x{a0}\x{2009}\x{202f}\x{2010}-\x{2015}-]|%20){0,2}"
_SIGN_GAP = r"[ ().\-/\x{a0}\x{2010}-\x{2015}]{0,2}"
DETECTORS = (
    Detector(rf"[0-9](?:{_SIGN_SEPARATOR}[0-9]){{5}}", _find_cards),
    Detector(
        r"[A-Za-z]{2}[0-9]{2}(?:[ .+_\x{a0}\x{202f}-]?[0-9A-Za-z]){2}", _find_ibans
    ),
    Detector(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", _find_ssns),
    Detector(
        rf"(?:\+|%(?:25)?2[Bb]|00){_SIGN_GAP}[1-9](?:{_SIGN_GAP}[0-9]){{2}}",
        _find_international,
    ),
    Detector(r"[2-9][0-9]{2}[-. ][0-9]{4}", _find_north_american),
    Detector(
        rf"(?i)(?:{_WORDS}|{_NUMBER})[\s.:=#\"'(\[]{{0,4}}\+?\(?[0-9]"
        rf"(?:{_SIGN_GAP}[0-9]){{5}}",
        _find_called,
    ),
)
