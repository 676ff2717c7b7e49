"""
Coordinates in free text, which nobody consented to there.

Two decimals in a row are a place when both are in range, have at least three digits
behind the point and together eight; where a word for places or "@" stands before
them, three each are enough. So "1.234, 5.678" stays, and of measured pairs only such
as "1.2345, 6.7890" are taken for a place. Versions have one more point; prices and
sizes have fewer digits. Two digits are a kilometre and stay.
"""

import re
from collections.abc import Iterator

from pipeline.redaction.spans import Detector, Span

_UNIT = r"[°º]?(?:%20| )?[NSEWnsew]?"
# The second number is only looked at, so that it can be the first of another pair.
_PAIR = re.compile(
    r"(?:(?<![0-9.])|(?<=%20))(?P<first>[0-9]{1,3}\.(?P<digits>[0-9]{3,}))"
    rf"(?:{_UNIT})(?:(?:[,;/|_\s]|%2[0C]|%3B){{1,4}}|(?=[+-]))"
    r"(?=(?P<second>[+-]?[0-9]{1,3}\.(?P<more>[0-9]{3,}))(?!\.?[0-9]))",
    re.IGNORECASE,
)
_MIN_DIGITS = 8
_MAX_LATITUDE, _MAX_LONGITUDE = 90, 180
_CONTEXT = re.compile(
    r"@[+-]?$|(?<![a-z])(?:geo[a-z]*|gps|lat|latitude|lng|longitude|coord[a-z]*"
    r"|location)(?![a-z])",
    re.IGNORECASE,
)
_CONTEXT_LENGTH = 24

_KEYED = re.compile(
    r"(?:(?<![A-Za-z])(?:[Ll](?:at|on|ng)|LAT|LON|LNG)|(?<=[a-z])L(?:at|on|ng))"
    r"(?:itude|gitude|ITUDE|GITUDE|g)?"
    r"[\\\"'\])]{0,3}[\s:=/]{1,3}[\\\"'\[(]{0,3}([+-]?[0-9]{1,3}\.[0-9]{3,})"
    r"(?!\.?[0-9])"
)
# "Too long: 12.345" is no place; with a latitude nearby "long" is.
_KEYED_SIGNS = ("lat", "lng", "longitude")
_DEGREES = re.compile(
    r"[0-9]{1,3}°\s?[0-9]{1,2}['\u2032\u2019]\s?[0-9]{1,2}(?:[.,][0-9]{1,9})?"
    r"(?:\"|''|\u2033|\u201d)(?:\s?[NSEW]\b)?"
)


def _find_degrees(text: str) -> Iterator[Span]:
    for match in _DEGREES.finditer(text):
        yield *match.span(), "location"


def _find_decimals(text: str) -> Iterator[Span]:
    for match in _PAIR.finditer(text):
        if _is_place(text, match):
            yield _signed(text, match.start()), match.end("second"), "location"
    lower = text.lower()
    if any(sign in lower for sign in _KEYED_SIGNS):
        for match in _KEYED.finditer(text):
            yield *match.span(1), "location"


def _is_place(text: str, match: re.Match[str]) -> bool:
    sizes = sorted((abs(float(match["first"])), abs(float(match["second"]))))
    if sizes[0] > _MAX_LATITUDE or sizes[1] > _MAX_LONGITUDE:
        return False
    if len(match["digits"]) + len(match["more"]) >= _MIN_DIGITS:
        return True
    before = text[max(0, match.start() - _CONTEXT_LENGTH) : match.start()]
    return _CONTEXT.search(before) is not None


def _signed(text: str, start: int) -> int:
    return start - 1 if start and text[start - 1] in "+-" else start


DETECTORS = (
    Detector(r"[0-9]\x{b0}", _find_degrees),
    Detector(r"\.[0-9]{3}", _find_decimals),
)
