"""
Rate limits: token buckets by network or by site, in bounded memory.

A key's bucket may go into debt: what is let in at once, such as a request with a
hundred events, is let in whole and waited for afterwards. Of a key only its hash is
kept (as in pipeline.memo), in two generations of which the older one is forgotten
whole: a flood of new networks costs memory for at most `size` of them. What is kept is
when a bucket is full again: a key whose rate is changed still waits as long as before.
"""

import time
from collections import Counter
from collections.abc import Sequence

from collector.sites import Sites
from schemas.settings import Settings


class RateLimit:
    """Token buckets by key."""

    def __init__(self, rate: float, burst: float, size: int = 16_384) -> None:
        """
        Set the limit.

        Args:
            rate: tokens that come back a second; 0 turns the limit off.
            burst: the most tokens a key can have.
            size: how many keys are remembered, and the last half of them in any case.

        """
        self._rate = rate
        self._burst = burst
        self._generation = max(size // 2, 1)
        # When each key's bucket is full again. What is not in them is full.
        self._young: dict[int, float] = {}
        self._old: dict[int, float] = {}

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._young) + len(self._old)

    def wait_s(
        self, key: str, cost: int = 1, rate: float = 0, burst: float = 0
    ) -> float:
        """
        Take tokens; return 0.0, or the seconds until there is one.

        Args:
            key: whose they are.
            cost: how many; all of them if there is one.
            rate: the key's own, 0 if it has none.
            burst: the key's own, 0 if it has none.

        """
        rate, burst = rate or self._rate, burst or self._burst
        if rate == 0:
            return 0.0
        now, known, young = time.monotonic(), hash(key), self._young
        full_at = max(young.get(known) or self._old.get(known, now), now)
        short = 1 - burst + (full_at - now) * rate
        if short <= 0:
            full_at += cost / rate
        if len(young) >= self._generation and known not in young:
            self._old, young = young, {}
            self._young = young
        young[known] = full_at
        return max(0.0, short / rate)


class SiteRateError(Exception):
    """A site has sent more events than its rate allows; none of these is taken."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many events of this site")
        self.wait_s = wait_s


class SiteRates:
    """
    The rates of all sites in one edge; what is no site has none.

    Attributes:
        refused: events that were not taken since somebody last told so, by site.

    """

    def __init__(self, settings: Settings, sites: Sites) -> None:
        """Take the rate of who has none of his own from the settings."""
        self._sites = sites
        self._limit = RateLimit(settings.site_rate, settings.site_burst)
        self.refused: Counter[str] = Counter()

    def take(self, names: Sequence[str]) -> None:
        """
        Take a token for each event, by the names of their sites.

        Raises:
            SiteRateError: when one of the sites has none left; what the others had
                to pay they have paid.

        """
        if len(names) == 1:
            # Nearly always so: nothing is made for it.
            self._take_one(names[0])
            return
        found = (
            (self._sites.get(name), events) for name, events in Counter(names).items()
        )
        costs = [(site, events) for site, events in found if site is not None]
        for site, cost in costs:
            wait = self._limit.wait_s(site.name, cost, site.rate, site.burst)
            if wait:
                for one, events in costs:
                    self.refused[one.name] += events
                raise SiteRateError(wait)

    def _take_one(self, name: str) -> None:
        site = self._sites.get(name)
        if site is None:
            return
        wait = self._limit.wait_s(site.name, 1, site.rate, site.burst)
        if wait:
            self.refused[site.name] += 1
            raise SiteRateError(wait)
