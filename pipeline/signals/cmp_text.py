"""
What the cookies of consent managers are made of: percent signs, JSON, dates.

No function lets an exception of the standard library out, nor keeps one as a
context: those quote the text.
"""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn
from urllib.parse import unquote

from pipeline.signals.errors import SignalError

# The last millisecond of the year 9999.
MAX_MS = 253402300799999
# The deepest of the known formats has four levels.
MAX_DEPTH = 8

_BAD_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MONTHS = _MONTH.split("|")
_TIME = "([0-9]{2}):([0-9]{2}):([0-9]{2})"
# As JavaScript writes a Date, the name of the zone left out.
_SCRIPT_DATE = re.compile(
    f"[A-Z][a-z]{{2}} ({_MONTH}) ([0-9]{{2}}) ([0-9]{{4}}) {_TIME}"
    r" GMT([+-])([0-9]{2})([0-9]{2})(?: \([^()]*\))?"
)
_HTTP_DATE = re.compile(
    f"[A-Z][a-z]{{2}}, ([0-9]{{2}}) ({_MONTH}) ([0-9]{{4}}) {_TIME} GMT"
)


def percent_decoded(text: str, *, plus: bool = False) -> str:
    """
    Take the percent encoding off a text, once.

    Args:
        text: as it stands in the Cookie header.
        plus: whether a plus sign is a space, as in forms.

    Raises:
        SignalError: `bad_percent`.

    """
    if _BAD_PERCENT.search(text):
        raise SignalError("bad_percent")
    try:
        decoded = unquote(text.replace("+", " ") if plus else text, errors="strict")
    except UnicodeDecodeError:
        decoded = None
    if decoded is None:
        raise SignalError("bad_percent")
    return decoded


def json_object(text: str) -> dict[str, Any]:
    """
    Read a JSON object, percent-encoded or not.

    A name that is there twice is an error, for which of the two counts is anyone's
    guess.

    Raises:
        SignalError: `bad_percent`, `bad_format`.

    """
    decoded = text if text.startswith("{") else percent_decoded(text)
    try:
        value = _JSON.decode(decoded)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or _too_deep(value):
        raise SignalError("bad_format")
    return value


def moment(value: object) -> int | None:
    """
    Return a time as ms since 1970 UTC, None if it is not one.

    Args:
        value: ms since 1970, or a text in ISO 8601 (UTC if it names no zone), in
            the form of HTTP, or in that of JavaScript's `Date`.

    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value <= MAX_MS else None
    if not isinstance(value, str):
        return None
    try:
        when = _script_date(value) or _http_date(value) or _iso_date(value)
        milliseconds = int(when.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return milliseconds if 0 <= milliseconds <= MAX_MS else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SignalError("bad_format")
    return found


def _refuse(_: str) -> NoReturn:
    """NaN and the infinities are no JSON."""
    raise SignalError("bad_format")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def _too_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _script_date(text: str) -> datetime | None:
    match = _SCRIPT_DATE.fullmatch(text)
    if match is None:
        return None
    month, day, year, hour, minute, second, sign, ahead, minutes = match.groups()
    offset = timedelta(hours=int(ahead), minutes=int(minutes))
    return datetime(
        int(year),
        _MONTHS.index(month) + 1,
        int(day),
        int(hour),
        int(minute),
        int(second),
        tzinfo=timezone(offset if sign == "+" else -offset),
    )


def _http_date(text: str) -> datetime | None:
    match = _HTTP_DATE.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    return datetime(
        int(year),
        _MONTHS.index(month) + 1,
        int(day),
        int(hour),
        int(minute),
        int(second),
        tzinfo=UTC,
    )


def _iso_date(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
