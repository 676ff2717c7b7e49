"""
Times: read from what clients send, corrected, bounded, written as ClickHouse text.

All times are integers, milliseconds since 1970-01-01 UTC, until they are written.
"""

import functools
import time
from datetime import UTC, datetime

DAY_MS = 86_400_000
# How old an event may be when it arrives (a browser that was offline), and how
# far a clock may run ahead before it is an error and not a clock.
MAX_AGE_MS = 30 * DAY_MS
# What a server that shows a key may still tell of: 13 months.
MAX_KEYED_AGE_MS = 395 * DAY_MS
MAX_AHEAD_MS = DAY_MS


class TimeError(ValueError):
    """A time that is not one, or out of bounds."""


def now_ms() -> int:
    """Return the wall clock, ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def parse_time(value: int | str) -> int:
    """
    Return ms since 1970 from such a number or an RFC 3339 text.

    A text without an offset is taken as UTC.

    Raises:
        TimeError: when the text is not a date, or a date and a time.

    """
    if isinstance(value, int):
        return value
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        message = "is not an RFC 3339 time"
        raise TimeError(message) from error


def occurred_ms(
    occurred: int | None,
    sent: int | None,
    received: int,
    max_age_ms: int = MAX_AGE_MS,
) -> int:
    """
    Return when an event happened by the collector's clock.

    A client's clock may be wrong by years, but its two readings are wrong alike:
    the time between happening and sending is right, and is taken off the arrival.

    Raises:
        TimeError: when the result is further back, or ahead, than allowed.

    """
    if occurred is None:
        return received
    corrected = occurred if sent is None else received - (sent - occurred)
    if corrected < received - max_age_ms:
        message = f"is more than {max_age_ms // DAY_MS} days ago"
        raise TimeError(message)
    if corrected > received + MAX_AHEAD_MS:
        message = "is more than a day in the future"
        raise TimeError(message)
    return min(corrected, received)


def time_text(moment: int) -> str:
    """Write ms since 1970 as `YYYY-MM-DD hh:mm:ss.mmm`, UTC."""
    return f"{_second_text(moment // 1000)}.{moment % 1000:03d}"


def hour_text(moment: int) -> str:
    """Write the full hour that a moment lies in, in the same form."""
    return _second_text(moment // 3_600_000 * 3600) + ".000"


@functools.lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
