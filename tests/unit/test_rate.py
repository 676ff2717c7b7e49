"""Too many events: never below the limit, always of who does not pause."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.agents.rate import Rate
from tests.builders import NOON_MS

SPAN_MS = 10_000


def test_burst() -> None:
    """So many at once are not too many, one more is; after a span all is forgotten."""
    rate = Rate(5, 10)

    assert [False] * 5 + [True] * 2 == [rate.exceeded(1, NOON_MS) for _ in range(7)]
    assert not rate.exceeded(2, NOON_MS)
    assert not rate.exceeded(1, NOON_MS + 2 * SPAN_MS)


def test_limit_exactly() -> None:
    """Who keeps exactly to the limit is never too fast."""
    rate = Rate(300, 10)

    for span in range(20):
        for number in range(300):
            now = NOON_MS + span * SPAN_MS + number * SPAN_MS // 300
            assert not rate.exceeded(1, now)


def test_no_pause() -> None:
    """Who runs over and does not pause stays too fast, event by event."""
    rate = Rate(10, 10)
    told = [rate.exceeded(1, NOON_MS + number * 100) for number in range(1000)]

    assert not any(told[:10])
    assert all(told[20:])


def test_after_a_pause() -> None:
    """A hundred thousand events earn no longer silence than a few too many."""
    rate = Rate(10, 10)
    for _ in range(100_000):
        rate.exceeded(1, NOON_MS)

    assert rate.exceeded(1, NOON_MS + SPAN_MS // 2)
    assert not rate.exceeded(1, NOON_MS + 3 * SPAN_MS)


def test_off() -> None:
    """No limit, no memory."""
    rate = Rate(0, 10)

    assert not any(rate.exceeded(1, NOON_MS) for _ in range(10_000))
    assert 0 == len(rate)


def test_clock_set_back() -> None:
    """A clock that was an hour ahead makes nobody a robot for an hour."""
    rate = Rate(5, 10)
    for _ in range(9):
        rate.exceeded(1, NOON_MS + 3_600_000)

    assert not rate.exceeded(1, NOON_MS)
    assert [False] * 4 + [True] == [rate.exceeded(1, NOON_MS) for _ in range(5)]


def test_clock_trembles() -> None:
    """A clock that goes back by milliseconds lets nobody start anew."""
    rate = Rate(5, 10)
    told = [rate.exceeded(1, NOON_MS - number) for number in range(7)]

    assert [False] * 5 + [True] * 2 == told


def test_flood_of_keys() -> None:
    """Memory ends at two generations, however many keys come."""
    rate = Rate(5, 10, entries=100)
    for key in range(10_000):
        rate.exceeded(key, NOON_MS + key)
        assert len(rate) <= 200


# Time goes on, now and then the clock is set back.
steps = st.integers(0, 1500) | st.integers(0, 30_000) | st.integers(-60_000, -5000)
events = st.lists(st.tuples(st.integers(0, 3), steps), max_size=120)


@given(events, st.integers(1, 8), st.integers(1, 4), st.integers(2, 50))
def test_never_below_the_limit(
    events: list[tuple[int, int]], most: int, seconds: int, entries: int
) -> None:
    """Whatever comes in whatever order: who stays within the limit is not flagged."""
    rate = Rate(most, seconds, entries)
    now, before = NOON_MS, dict[int, list[int]]()
    for key, step in events:
        now += step
        times = before.setdefault(key, [])
        times.append(now)
        # Every span that holds this event, and those before: none ran over so far.
        within = all(
            sum(start <= one <= start + seconds * 1000 for one in times) <= most
            for start in times
        )
        told = rate.exceeded(key, now)
        assert not (told and within)
        assert len(rate) <= 2 * entries
