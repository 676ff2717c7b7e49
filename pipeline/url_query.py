"""
The query of a page's URL: its campaign, that an advertisement was clicked, and the
parameters that the site keeps. Everything else is dropped unread.
"""

import re
from collections.abc import Container
from urllib.parse import quote_plus, unquote, unquote_plus

import msgspec

from pipeline.redact import Redacted, redact_readings, remembered
from pipeline.redaction.rules import NO_EXTRA, Extra
from schemas.parameters import CAMPAIGN, CAMPAIGN_NAMES, CLICK_IDS

MAX_CAMPAIGN = 200
# Of one parameter's value, and of what is kept of a whole query, in characters.
MAX_VALUE = 100
MAX_QUERY = 512
_MAX_PARAMETERS = 200
_FIELDS = {name: field for field, names in CAMPAIGN.items() for name in names}
# Of several names for one field the first wins.
_PLACES = {name: place for place, name in enumerate(_FIELDS)}
# A plus between words.
_SPACE = re.compile(r"(?<=[A-Za-z0-9%])\+|\+(?![0-9])")
_READABLE = "[]/:,@!*"


class Campaign(msgspec.Struct, frozen=True):
    """What a URL says about the campaign that led to it."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    id: str = ""


NO_CAMPAIGN = Campaign()


class Query(msgspec.Struct, frozen=True):
    """What is kept of a query, and the rules of what was replaced in it."""

    campaign: Campaign = NO_CAMPAIGN
    ad_click: str = ""
    kept: str = ""
    rules: tuple[str, ...] = ()


def read_query(
    query: str, extra: Extra = NO_EXTRA, allowed: Container[str] = ()
) -> Query:
    """
    Read a query without its question mark; names count in any case.

    Of a click id only its name is returned, of several the first.
    """
    found: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    ad_click = ""
    for pair in query.split("&", _MAX_PARAMETERS)[:_MAX_PARAMETERS]:
        name, _, value = pair.partition("=")
        if not value:
            continue
        name = name.lower()
        if name in CAMPAIGN_NAMES:
            found.setdefault(name, value)
        elif name in CLICK_IDS:
            ad_click = ad_click or name
        elif name in allowed:
            kept.append((name, value))
    rules: list[str] = []
    campaign = _campaign(found, extra, rules) if found else NO_CAMPAIGN
    text = _joined(kept, extra, rules) if kept else ""
    return Query(campaign, ad_click, text, tuple(rules))


def _campaign(found: dict[str, str], extra: Extra, rules: list[str]) -> Campaign:
    fields: dict[str, str] = {}
    for name in found if len(found) == 1 else sorted(found, key=_PLACES.__getitem__):
        field = _FIELDS[name]
        if field not in fields:
            clean = _clean(found[name], MAX_CAMPAIGN, extra)
            rules += clean.rules
            fields[field] = clean.text
    return Campaign(**fields)


def _joined(kept: list[tuple[str, str]], extra: Extra, rules: list[str]) -> str:
    """Return pairs as a query again, as many whole ones as the limit allows."""
    pairs: list[str] = []
    left = MAX_QUERY
    for name, raw in kept:
        clean = _clean(raw, MAX_VALUE, extra)
        pair = f"{name}={quote_plus(clean.text, safe=_READABLE)}"
        left -= len(pair) + (1 if pairs else 0)
        if left < 0:
            break
        pairs.append(pair)
        rules += clean.rules
    return "&".join(pairs)


def _clean(raw: str, max_length: int, extra: Extra) -> Redacted:
    """Return a parameter's value as it may be kept, decoded; uncounted."""
    if "+" not in raw:
        text = unquote(raw) if "%" in raw else raw
        return remembered(text.strip(), max_length, "text", extra)
    # A plus is a space. Of those who forget that some write telephone numbers, and some
    # addresses of e-mails, which may begin before it.
    readings = (unquote(raw), unquote(_SPACE.sub(" ", raw)), unquote_plus(raw))
    found = redact_readings(readings, max_length, extra)
    return Redacted(found.text.strip(), found.rules)
