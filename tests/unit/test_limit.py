"""Rate limits: so many at once, so many a second, for so many networks."""

from collections.abc import Callable

import pytest

import collector.limit
from collector.limit import RateLimit


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that goes on when it is told to."""
    now = [1000.0]
    monkeypatch.setattr(collector.limit.time, "monotonic", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def test_burst_then_rate(sleep: Callable[[float], None]) -> None:
    """After the burst there is one token for each part of a second."""
    limit = RateLimit(rate=2, burst=3)

    assert [0, 0, 0, 0.5] == [limit.wait_s("a") for _ in range(4)]

    sleep(0.25)

    assert 0.25 == limit.wait_s("a")

    sleep(0.25)

    assert [0, 0.5] == [limit.wait_s("a") for _ in range(2)]


def test_refused_costs_nothing(sleep: Callable[[float], None]) -> None:
    """Who is refused does not wait longer for having asked."""
    limit = RateLimit(rate=1, burst=1)
    limit.wait_s("a")
    for _ in range(100):
        limit.wait_s("a")
    sleep(1)

    assert 0 == limit.wait_s("a")


def test_tokens_do_not_pile_up(sleep: Callable[[float], None]) -> None:
    """However long nobody asked, there are no more than the burst."""
    limit = RateLimit(rate=10, burst=2)
    limit.wait_s("a")
    sleep(1_000_000)

    assert [0, 0, 0.1] == pytest.approx([limit.wait_s("a") for _ in range(3)])


@pytest.mark.usefixtures("sleep")
def test_keys_are_apart() -> None:
    """One network's requests are not another's."""
    limit = RateLimit(rate=1, burst=1)

    assert [0, 0, 1, 1] == [limit.wait_s(key) for key in "abab"]


@pytest.mark.usefixtures("sleep")
def test_no_limit() -> None:
    """A rate of 0 lets everyone in and remembers nobody."""
    limit = RateLimit(rate=0, burst=1)

    assert {0.0} == {limit.wait_s("a") for _ in range(1000)}
    assert {} == limit._buckets


@pytest.mark.usefixtures("sleep")
def test_bounded_memory() -> None:
    """A flood of networks costs room for so many; who asks again is remembered."""
    limit = RateLimit(rate=1, burst=1, size=10)
    limit.wait_s("steady")
    for number in range(1000):
        limit.wait_s(str(number))

        assert limit.wait_s("steady") > 0
        assert len(limit._buckets) <= 10
