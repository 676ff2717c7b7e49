"""
Personal data in free text: found by rule, replaced by a word in brackets.

Every detector only marks spans of the text as it came; one pass at the end cuts them
all out. So no detector sees what another left, spans that overlap go together, and a
cut at the length limit cannot leave half of an address standing. The same detectors
look at what encodings hide (pipeline/redaction/decode.py). Detectors have no nested
repetition and look a bounded way back: the time is linear in the text.

Numbers that only look like something must survive, since product and order
numbers are what paths are made of: cards need a vendor's prefix and Luhn's digit,
accounts the length and checksum of their country, telephone numbers a plus sign, a
written form or a word such as "tel" before them; coordinates come in precise pairs.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from pipeline.memo import remember
from pipeline.redaction import ids, network, numbers, places, tokens
from pipeline.redaction.decode import ENCODED_SIGN, Decoded
from pipeline.redaction.emails import EMAIL_SIGN, find_emails
from pipeline.redaction.rules import NO_EXTRA, Extra, find_own
from pipeline.redaction.signs import Signs
from pipeline.redaction.spans import Detector, Span
from pipeline.redaction.urls import DETECTORS as URL_DETECTORS
from schemas.redaction import RULES, SITE_RULE

Kind = Literal["text", "path"]

# How much was replaced in this process, by rule; a site's own rules are one, "site".
# The collector adds it to its metrics and empties it.
COUNTS: Counter[str] = Counter()

# How far past the limit to look, so that what the limit would cut in two is whole.
_MARGIN = 600
_CACHED_LENGTH = 512

_LABELS = {"query": ""}
_RULES = frozenset(RULES)

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff\ud800-\udfff]"
)

_DETECTORS: tuple[Detector, ...] = (
    *URL_DETECTORS,
    *numbers.DETECTORS,
    *network.DETECTORS,
    *ids.DETECTORS,
    *tokens.DETECTORS,
    *places.DETECTORS,
)
_EMAIL, _ENCODED = len(_DETECTORS), len(_DETECTORS) + 1
_SIGNS = Signs(
    [*(one.sign for one in _DETECTORS), EMAIL_SIGN, ENCODED_SIGN],
    [one.before for one in _DETECTORS],
)


class Redacted(msgspec.Struct, frozen=True):
    """A text without its personal data, and the rule behind each replacement."""

    text: str
    rules: tuple[str, ...] = ()


def redact_text(text: str, max_length: int, extra: Extra = NO_EXTRA) -> str:
    """
    Return free text (a title, message, stack trace, value) without personal data.

    URLs in it lose their query and fragment. What cannot be stored (NUL and other
    control characters, lone surrogates) is left out. At most max_length characters.
    What is replaced is counted in COUNTS.
    """
    short = len(text) <= _CACHED_LENGTH
    found = (remembered if short else redact)(text, max_length, "text", extra)
    if found.rules:
        count(found.rules)
    return found.text


def redact_path(path: str, max_length: int, extra: Extra = NO_EXTRA) -> str:
    """Return a URL's path without personal data, still percent-encoded."""
    found = remembered(path[: max_length + _MARGIN], max_length, "path", extra)
    if found.rules:
        count(found.rules)
    return found.text


def count(rules: Iterable[str]) -> None:
    """Add replacements to COUNTS, those of the sites' own rules under one name."""
    for rule in rules:
        COUNTS[rule if rule in _RULES else SITE_RULE] += 1


def redact(
    text: str, max_length: int, kind: Kind = "text", extra: Extra = NO_EXTRA
) -> Redacted:
    """Return a text without personal data, and which rules found some; uncounted."""
    text = text[: max_length + _MARGIN]
    # Nearly all of them are plain: told in one go, for this is asked of every text.
    if not extra and text.isascii() and text.isprintable() and not _SIGNS.shown(text):
        return Redacted(text[:max_length])
    text = _storable(text)
    return _cut(text, _spans(text, kind, extra), max_length)


@remember(2048)
def redact_readings(
    readings: tuple[str, ...], max_length: int, extra: Extra
) -> Redacted:
    """
    Return the last of several readings of a text without what any of them shows.

    Args:
        readings: equally long, the same at each place but for what stands for a space.
        max_length: of what is returned, in characters.
        extra: the site's own rules.

    """
    spans: list[Span] = []
    text = ""
    for reading in readings:
        text = _storable(reading[: max_length + _MARGIN])
        spans += _spans(text, "text", extra)
    return _cut(text, spans, max_length)


remembered = remember(2048)(redact)


def _storable(text: str) -> str:
    return text if text.isprintable() else _UNWANTED.sub("", text)


def _spans(text: str, kind: Kind, extra: Extra) -> list[Span]:
    """Return what is to be replaced in a text, in any order."""
    shown = _SIGNS.shown(text)
    plain = text.isascii() or unicodedata.is_normalized("NFKC", text)
    if plain and not shown and not extra:
        return []
    spans = [*_find(text, shown, kind, extra)]
    if not plain or _ENCODED in shown:
        decoded = Decoded(text)
        if decoded.text != text:
            found = _find(decoded.text, _SIGNS.shown(decoded.text), kind, extra)
            spans += ((*decoded.source(start, end), rule) for start, end, rule in found)
    return spans


def _find(text: str, shown: Iterable[int], kind: Kind, extra: Extra) -> Iterator[Span]:
    credentials: set[int] = set()
    email = False
    for number in sorted(shown):
        if number < _EMAIL:
            detector = _DETECTORS[number]
            if kind == "text" or detector.in_paths:
                for span in detector.find(text):
                    if span[2] == "auth":
                        credentials.add(span[1])
                    yield span
        elif number == _EMAIL:
            email = True
    if email:
        # The at-sign behind credentials is no e-mail's.
        yield from find_emails(text, credentials)
    if extra:
        yield from find_own(text, extra)


def _cut(text: str, spans: list[Span], max_length: int) -> Redacted:
    if not spans:
        return Redacted(text[:max_length])
    # The earliest and then the longest span names what goes with it.
    spans.sort(key=lambda span: (span[0], -span[1]))
    parts: list[str] = []
    rules: list[str] = []
    position = 0
    for start, end, rule in spans:
        if start >= max_length:
            break
        if start >= position:
            parts += (text[position:start], _LABELS.get(rule, f"[{rule}]"))
            rules.append(rule)
        position = max(position, end)
    parts.append(text[position:max_length])
    return Redacted("".join(parts)[:max_length], tuple(rules))
