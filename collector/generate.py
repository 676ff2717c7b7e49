"""
Made-up traffic in the order of time, as much as asked for, as fast as it is read.

Visits begin at random moments that follow the rhythm of day and week; their requests
are put into order by a heap that holds no more than the visits under way.
"""

import heapq
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from collector.generate_visit import Visits
from collector.generate_world import HOURS, WEEKDAYS

_HOUR_MS: Final = 3_600_000
# How many events a visit has, as far as it is needed to spread them over the days.
_TYPICAL: Final = 8.0


class Plan(msgspec.Struct, frozen=True):
    """
    How much traffic, when, and whose.

    Attributes:
        events: how many events, exactly.
        days: over how many days they are spread.
        site: the site that is visited.
        start: midnight of the first day, UTC.
        seed: what makes one traffic another.

    """

    events: int
    days: int
    site: str
    start: datetime
    seed: int


def traffic(plan: Plan) -> Iterator[bytes]:
    """Yield the lines of captured requests, the earliest first."""
    visits = Visits(plan.seed, plan.site)
    rhythm = _Rhythm(plan.start, plan.days)
    waiting: list[tuple[int, int, bytes]] = []
    made, passed, number = 0, 0.0, 0
    while made < plan.events:
        # The next of some random moments in a row: the least of those that are left.
        left = max((plan.events - made) / _TYPICAL, 1.0)
        passed += (1 - passed) * (1 - (1 - visits.dice.roll()) ** (1 / left))
        start_ms = rhythm.moment_ms(passed)
        while waiting and waiting[0][0] <= start_ms:
            yield heapq.heappop(waiting)[2]
        for sent in visits.visit(start_ms, plan.events - made):
            number += 1
            made += sent.events
            heapq.heappush(waiting, (sent.at_ms, number, sent.line))
    while waiting:
        yield heapq.heappop(waiting)[2]


class _Rhythm:
    """Where in some days a share of all visits has begun."""

    def __init__(self, start: datetime, days: int) -> None:
        self._start_ms = round(start.astimezone(UTC).timestamp() * 1000)
        self._ends: list[float] = []
        total = 0.0
        for day in range(days):
            weekday = (start + timedelta(days=day)).weekday()
            for hour in HOURS:
                total += hour * WEEKDAYS[weekday]
                self._ends.append(total)

    def moment_ms(self, share: float) -> int:
        """Return when, ms since 1970."""
        weight = share * self._ends[-1]
        hour = min(bisect(self._ends, weight), len(self._ends) - 1)
        before = self._ends[hour - 1] if hour else 0.0
        inside = (weight - before) / (self._ends[hour] - before)
        return self._start_ms + round((hour + inside) * _HOUR_MS)
