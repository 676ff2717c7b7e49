"""Times: read, corrected, bounded, written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import (
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    TimeError,
    hour_text,
    now_ms,
    occurred_ms,
    parse_time,
    time_text,
)
from tests.builders import DAY_MS, NOON_MS

HOUR_MS = 3_600_000
YEAR_MS = 365 * DAY_MS


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, 0),
        (NOON_MS, NOON_MS),
        ("2025-06-01T12:34:56.789Z", NOON_MS),
        ("2025-06-01T14:34:56.789+02:00", NOON_MS),
        ("2025-06-01 12:34:56.789+00:00", NOON_MS),
        ("2025-06-01T12:34:56.789", NOON_MS),
        ("2025-06-01T12:34:56.789400Z", NOON_MS),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1000),
        ("2025-06-01", NOON_MS - NOON_MS % DAY_MS),
    ],
)
def test_parse(value: int | str, moment: int) -> None:
    """Numbers are milliseconds; a text without an offset is UTC."""
    assert moment == parse_time(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1748781296789",
        "2025-06-01T25:00:00Z",
        "2025-02-30",
        "9" * 40,
        "Z",
        "\0",
    ],
)
def test_no_time(text: str) -> None:
    """What is not a time says so, and does not say itself."""
    with pytest.raises(TimeError) as caught:
        parse_time(text)

    assert "is not an RFC 3339 time" == str(caught.value)


@given(st.text(max_size=40))
def test_parse_any_text(text: str) -> None:
    """Any text is a time or a TimeError."""
    try:
        assert isinstance(parse_time(text), int)
    except TimeError:
        return


@pytest.mark.parametrize(
    ("occurred", "sent", "corrected"),
    [
        (None, None, NOON_MS),
        (None, NOON_MS - YEAR_MS, NOON_MS),
        (NOON_MS - HOUR_MS, None, NOON_MS - HOUR_MS),
        (NOON_MS - HOUR_MS, NOON_MS, NOON_MS - HOUR_MS),
        # A clock that is years wrong is wrong in both readings alike.
        (NOON_MS - 5 * YEAR_MS - HOUR_MS, NOON_MS - 5 * YEAR_MS, NOON_MS - HOUR_MS),
        (NOON_MS + 5 * YEAR_MS - HOUR_MS, NOON_MS + 5 * YEAR_MS, NOON_MS - HOUR_MS),
        # A clock that runs ahead a little is not believed.
        (NOON_MS + HOUR_MS, None, NOON_MS),
        (NOON_MS + MAX_AHEAD_MS, None, NOON_MS),
        (NOON_MS - MAX_AGE_MS, None, NOON_MS - MAX_AGE_MS),
        (0, MAX_AGE_MS, NOON_MS - MAX_AGE_MS),
    ],
)
def test_corrected(occurred: int | None, sent: int | None, corrected: int) -> None:
    """A client's clock is corrected by what it says of the sending."""
    assert corrected == occurred_ms(occurred, sent, NOON_MS)


@pytest.mark.parametrize(
    ("occurred", "sent", "problem"),
    [
        (NOON_MS - MAX_AGE_MS - 1, None, "30 days ago"),
        (0, None, "30 days ago"),
        (0, MAX_AGE_MS + 1, "30 days ago"),
        (NOON_MS + MAX_AHEAD_MS + 1, None, "in the future"),
        (MAX_AHEAD_MS + 1, 0, "in the future"),
    ],
)
def test_out_of_bounds(occurred: int, sent: int | None, problem: str) -> None:
    """What is too long ago, or too far ahead, is an error and not a clock."""
    with pytest.raises(TimeError, match=problem):
        occurred_ms(occurred, sent, NOON_MS)


@given(st.integers(0, 2**48), st.one_of(st.none(), st.integers(0, 2**48)))
def test_never_in_the_future(occurred: int, sent: int | None) -> None:
    """No event happens after it arrived, or longer ago than allowed."""
    try:
        moment = occurred_ms(occurred, sent, NOON_MS)
    except TimeError:
        return

    assert NOON_MS - MAX_AGE_MS <= moment <= NOON_MS


@pytest.mark.parametrize(
    ("moment", "text", "hour"),
    [
        (0, "1970-01-01 00:00:00.000", "1970-01-01 00:00:00.000"),
        (NOON_MS, "2025-06-01 12:34:56.789", "2025-06-01 12:00:00.000"),
        (DAY_MS - 1, "1970-01-01 23:59:59.999", "1970-01-01 23:00:00.000"),
        (7, "1970-01-01 00:00:00.007", "1970-01-01 00:00:00.000"),
    ],
)
def test_texts(moment: int, text: str, hour: str) -> None:
    """Times are written as ClickHouse reads them."""
    assert (text, hour) == (time_text(moment), hour_text(moment))


@given(st.integers(0, 4_000_000_000_000))
def test_text_is_the_moment(moment: int) -> None:
    """What is written is the moment, to the millisecond."""
    read = datetime.strptime(time_text(moment) + "+0000", "%Y-%m-%d %H:%M:%S.%f%z")

    assert moment == round(read.timestamp() * 1000)


def test_now() -> None:
    """Now is the wall clock."""
    before = datetime.now(UTC).timestamp() * 1000

    assert abs(now_ms() - before) < 10_000
