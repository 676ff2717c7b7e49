"""
Personal data in free text: found by rule, replaced by a word in brackets.

Every rule only marks spans of the text as it came; one pass at the end cuts them
all out. So no rule sees what another left, spans that overlap go together, and a
cut at the length limit cannot leave half of an address standing. Rules have no
nested repetition and look a bounded way back: the time is linear in the text.

Numbers that only look like something must survive, since product and order
numbers are what paths are made of: cards need a vendor's prefix and Luhn's digit,
accounts the length and checksum of their country, telephone numbers a plus sign, a
written form or a word such as "tel" before them; coordinates come in precise pairs.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

from pipeline.redact_numbers import find_numbers
from pipeline.redact_places import find_places
from pipeline.redact_tokens import find_tokens

Span = tuple[int, int, str]
Kind = Literal["text", "path"]

# How far past the limit to look, so that what the limit would cut in two is whole.
_MARGIN = 600
_CACHED_LENGTH = 512
_PATH_SAFE = "/[]:@!$&'()*+,;=~"

_LABELS = {"query": ""}

# Where none of this occurs nothing can be found: most titles and paths.
_SUSPECT = re.compile(
    r"[@＠%:=]|//|&#|/home/|/Users/|-----|[0-9]\.[0-9]|[0-9](?:[^0-9]{0,3}[0-9]){5}|[A-Za-z0-9_-]{16}"  # noqa: RUF001
)
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff\ud800-\udfff]"
)

_AT = re.compile(r"@|＠|%(?:25){0,2}40|&#0?64;|\\u0040", re.IGNORECASE)  # noqa: RUF001
_AT_SIGNS = ("@", "%", "＠", "&#", "\\u0040")  # noqa: RUF001
_LOCAL = re.compile(r"[\w.!$%'*+`{|}~^-]+")
_LOCAL_LENGTH = 320
_DOMAIN = re.compile(
    r"(?:[\w-]{1,63}(?:%[0-9a-f]{2}[\w-]{0,63}){0,8}(?:\.|%(?:25)?2e)){1,8}"
    r"[^\W\d_]{2,63}|\[[0-9a-f.:]{2,45}\]",
    re.IGNORECASE,
)
_ASSET_SCALE = re.compile(r"\dx\.(?:avif|gif|jpe?g|png|svg|webp)\b", re.IGNORECASE)

# Matches with and without a query, so that no part of a URL is looked at twice.
_URL = re.compile(r"""://[^\s<>"'`?#]*([?#][^\s<>"'`]*)?""")
_QUERY = re.compile(r"""\?[\w\[\].%+-]{1,64}=[^\s<>"'`]*""")
_AUTH = re.compile(r"""//[^\s/?#"'<>]{1,256}@""")
_POSITION = re.compile(r"(?::\d{1,6})?(?::\d{1,7})\)*[.,;]?$|\)+[.,;]?$")
_POSITION_LENGTH = 24
_USER_PATH = re.compile(
    r"/home/([^\s/:\"'<>|]{1,64})(?=/)"
    r"|(?:/Users/|[A-Za-z]:[\\/]{1,2}Users[\\/]{1,2})"
    r"([^\\/:\"<>|\r\n]{1,64}(?=[\\/])|[^\s\\/:\"<>|]{1,64})"
)


class Redacted(msgspec.Struct, frozen=True):
    """A text without its personal data, and the rule behind each replacement."""

    text: str
    rules: tuple[str, ...] = ()


def redact_text(text: str, max_length: int) -> str:
    """
    Return free text (a title, message, stack trace, value) without personal data.

    URLs in it lose their query and fragment. What cannot be stored (NUL and other
    control characters, lone surrogates) is left out. At most max_length characters.
    """
    if len(text) <= _CACHED_LENGTH:
        return _redact_cached(text, max_length, "text").text
    return redact(text, max_length).text


def redact_path(path: str, max_length: int) -> str:
    """Return a URL's path without personal data, still percent-encoded."""
    return _redact_cached(path[: max_length + _MARGIN], max_length, "path").text


def redact(text: str, max_length: int, kind: Kind = "text") -> Redacted:
    """Return a text without personal data, and which rules found some."""
    text = text[: max_length + _MARGIN]
    if not text.isprintable():
        text = _UNWANTED.sub("", text)
    if _SUSPECT.search(text) is None:
        return Redacted(text[:max_length])
    found = _cut(text, _find(text, kind), max_length)
    if "%" in found.text:
        return _redact_decoded(found, max_length, kind)
    return found


_redact_cached = functools.lru_cache(maxsize=8192)(redact)


def _redact_decoded(found: Redacted, max_length: int, kind: Kind) -> Redacted:
    """Look again at what percent-encoding, single or double, may have hidden."""
    decoded = unquote(unquote(found.text, errors="ignore"), errors="ignore")
    if decoded == found.text:
        return found
    decoded = _UNWANTED.sub("", decoded)
    again = _cut(decoded, _find(decoded, kind), max_length)
    if len(again.rules) == 0:
        return found
    text = again.text if kind == "text" else quote(again.text, safe=_PATH_SAFE)
    return Redacted(text[:max_length], found.rules + again.rules)


def _find(text: str, kind: Kind) -> list[Span]:
    spans: list[Span] = []
    rules = _TEXT_RULES if kind == "text" else _PATH_RULES
    for rule in rules:
        spans += rule(text)
    # The at-sign behind credentials is no e-mail's.
    spans += _find_emails(text, {end for _, end, rule in spans if rule == "auth"})
    return spans


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


def _find_emails(text: str, others: set[int]) -> Iterator[Span]:
    """Mark addresses from their at-sign outwards, so that each is looked at once."""
    if not any(sign in text for sign in _AT_SIGNS):
        return
    floor = 0
    for at in _AT.finditer(text):
        start, end = at.span()
        domain = None if start in others else _DOMAIN.match(text, end)
        if domain is None or _ASSET_SCALE.match(text, end):
            continue
        before = text[max(floor, start - _LOCAL_LENGTH) : start][::-1]
        local = _LOCAL.match(before)
        if local is not None:
            floor = domain.end()
            yield start - local.end(), floor, "email"


def _find_urls(text: str) -> Iterator[Span]:
    """Mark queries and fragments, and the credentials before a host."""
    if "//" in text:
        for auth in _AUTH.finditer(text):
            yield auth.start() + 2, auth.end() - 1, "auth"
        for url in _URL.finditer(text):
            if url.lastindex:
                yield url.start(1), _before_position(text, *url.span(1)), "query"
    for query in _QUERY.finditer(text):
        yield query.start(), _before_position(text, *query.span()), "query"


def _before_position(text: str, start: int, end: int) -> int:
    """Return where a query ends, leaving a stack trace its line and column."""
    floor = max(start, end - _POSITION_LENGTH)
    position = _POSITION.search(text[floor:end])
    return end if position is None else floor + position.start()


def _find_user_paths(text: str) -> Iterator[Span]:
    if "/home/" in text or "Users" in text:
        for match in _USER_PATH.finditer(text):
            group = match.lastindex or 1
            yield match.start(group), match.end(group), "user"


_PATH_RULES: tuple[Callable[[str], Iterator[Span]], ...] = (
    find_numbers,
    find_tokens,
    find_places,
)
_TEXT_RULES = (_find_urls, _find_user_paths, *_PATH_RULES)
