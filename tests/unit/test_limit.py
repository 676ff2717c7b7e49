"""Rate limits: so many at once, so many a second, for so many networks."""

from collections.abc import Callable
from pathlib import Path

import pytest

import collector.limit
from collector.limit import RateLimit, SiteRateError, SiteRates
from collector.sites import Sites, editing
from schemas.settings import Settings
from schemas.site import make_site


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
    assert 0 == len(limit)


@pytest.mark.usefixtures("sleep")
def test_bounded_memory() -> None:
    """
    A flood of networks costs room for so many; who asks again is remembered.

    So is who waits: of the last half as many everyone, and what it owes.
    """
    limit = RateLimit(rate=1, burst=1, size=10)
    limit.wait_s("steady")
    for number in range(1000):
        limit.wait_s(str(number))

        assert limit.wait_s("steady") > 0
        assert all(limit.wait_s(str(one)) for one in range(max(0, number - 3), number))
        assert len(limit) <= 10


def test_many_at_once_are_let_in_and_waited_for(
    sleep: Callable[[float], None],
) -> None:
    """A request with more events than the burst is taken whole; then comes the wait."""
    limit = RateLimit(rate=10, burst=5)

    assert 0 == limit.wait_s("a", 105)
    assert 10.1 == pytest.approx(limit.wait_s("a", 1))

    sleep(10.1)

    assert 0 == limit.wait_s("a", 1)


@pytest.mark.usefixtures("sleep")
def test_key_with_a_rate_of_its_own() -> None:
    """A key's own rate and burst go before those of all, also where there are none."""
    limit = RateLimit(rate=0, burst=1)

    assert [0, 0, 2] == [limit.wait_s("a", rate=0.5, burst=2) for _ in range(3)]
    assert [0, 0, 0] == [limit.wait_s("b") for _ in range(3)]


@pytest.fixture
def rates(tmp_path: Path) -> SiteRates:
    """Two sites, of which one has a rate of its own."""
    with editing(tmp_path / "sites.toml") as sites:
        sites["a.example"] = make_site("a.example", {})
        sites["b.example"] = make_site("b.example", {"rate": 1, "burst": 1})
    settings = Settings(site_rate=1, site_burst=3)
    return SiteRates(settings, Sites(tmp_path / "sites.toml", open_sites=False))


@pytest.mark.usefixtures("sleep")
def test_sites_have_their_rates(rates: SiteRates) -> None:
    """A site's events count for it alone, however its name is spelled."""
    rates.take(["b.example"])
    rates.take(["a.example", "A.example", "a.example"])
    for names in (["b.EXAMPLE"], ["a.example"], ["c.example", "a.example"]):
        with pytest.raises(SiteRateError) as raised:
            rates.take(names)

        assert 1 == raised.value.wait_s
    assert {"a.example": 2, "b.example": 1} == rates.refused


@pytest.mark.usefixtures("sleep")
def test_what_is_no_site_has_no_rate(rates: SiteRates) -> None:
    """Names that anyone can make up are neither limited nor remembered."""
    for number in range(100):
        rates.take([f"{number}.example"] * 10)

    assert 0 == len(rates._limit)
    assert {} == rates.refused
