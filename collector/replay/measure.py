"""
What a run measures: latencies in HDR histograms, answers by status and code, and how
both went over time. Bounded memory, however long the run.
"""

import math
from collections import Counter
from typing import Any, Final

import msgspec
from hdrh.histogram import HdrHistogram

PERCENTILES: Final = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)
# From a microsecond to an hour, to three digits.
_MOST_US: Final = 3_600_000_000
# More points than a plot is wide: then two become one.
_MOST_POINTS: Final = 600


class Answer(msgspec.Struct, frozen=True):
    """
    What came back.

    Attributes:
        status: the HTTP status, 0 if there was no answer.
        code: "" if all is well, else what is wrong.
        accepted: events that were acknowledged.
        invalid: events that were refused one by one, by code.
        unknown: whether events may have been taken all the same.

    """

    status: int
    code: str = ""
    accepted: int = 0
    invalid: tuple[str, ...] = ()
    unknown: bool = False


class Point(msgspec.Struct):
    """A while of the run; times in ms from its start, latencies in ms."""

    start_ms: float
    seconds: float
    requests: int
    errors: int
    p50: float
    p99: float
    most: float


class Measure:
    """
    Gathers what a run measures.

    Attributes:
        latency: from when a request was due to its answer, microseconds.
        service: from when it was really sent to its answer.
        lateness: from when it was due to when it was sent.
        codes: answers by status and code.
        sent: events in requests that were sent.
        accepted: events that were acknowledged.
        unknown: events of which nobody said what became of them.
        invalid: events that were refused one by one, by code.
        sites: whose events they were.

    """

    def __init__(self) -> None:
        self.latency = _histogram()
        self.service = _histogram()
        self.lateness = _histogram()
        self.codes: Counter[tuple[int, str]] = Counter()
        self.sent = self.accepted = self.unknown = 0
        self.invalid: Counter[str] = Counter()
        self.sites: set[str] = set()
        self.points: list[Point] = []
        self._window: list[float] = []
        self._window_s = 1.0
        self._window_errors = 0
        self._window_start = 0.0

    @property
    def requests(self) -> int:
        """How many requests were answered, or given up."""
        return self.codes.total()

    @property
    def errors(self) -> int:
        """How many of them were not answered with success."""
        return sum(number for (_, code), number in self.codes.items() if code)

    def add(
        self, answer: Answer, events: int, due_s: float, sent_s: float, done_s: float
    ) -> None:
        """Take an answer; times in seconds from the start of the run."""
        while done_s - self._window_start >= self._window_s:
            self._close()
        latency = _us(done_s - due_s)
        self.latency.record_value(latency)
        self.service.record_value(_us(done_s - sent_s))
        self.lateness.record_value(_us(sent_s - due_s))
        self._window.append(done_s - due_s)
        self._window_errors += bool(answer.code)
        self.codes[answer.status, answer.code] += 1
        self.sent += events
        self.accepted += answer.accepted
        self.invalid.update(answer.invalid)
        if answer.unknown:
            self.unknown += events

    def finish(self) -> None:
        """Close the last while of the run."""
        if self._window:
            self._close()

    def _close(self) -> None:
        window = sorted(self._window)
        self.points.append(
            Point(
                self._window_start * 1000,
                self._window_s,
                len(window),
                self._window_errors,
                _at(window, 0.5),
                _at(window, 0.99),
                _at(window, 1.0),
            )
        )
        self._window_start += self._window_s
        self._window_errors = 0
        self._window.clear()
        if len(self.points) >= _MOST_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [_joined(first, second) for first, second in pairs]
            self._window_s *= 2


def summary(histogram: HdrHistogram) -> dict[str, Any]:
    """Return a histogram's percentiles, mean and most in ms, and all of it encoded."""
    count = histogram.get_total_count()
    return {
        "count": count,
        "mean": round(histogram.get_mean_value() / 1000, 3) if count else 0.0,
        "max": _ms(histogram.get_max_value()) if count else 0.0,
        "percentiles": {
            f"{one:g}": _ms(histogram.get_value_at_percentile(one)) if count else 0.0
            for one in PERCENTILES
        },
        "hdr": histogram.encode().decode("ascii"),
    }


def distribution(histogram: HdrHistogram) -> list[tuple[float, float]]:
    """Return (percentile, ms) from the least to the most, as a curve is drawn."""
    if not histogram.get_total_count():
        return []
    return [
        (item.percentile_level_iterated_to, _ms(item.value_iterated_to))
        for item in histogram.get_percentile_iterator(5)
    ]


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, _MOST_US, 3)


def _us(seconds: float) -> int:
    return min(max(round(seconds * 1_000_000), 1), _MOST_US)


def _at(window: list[float], share: float) -> float:
    """Return a percentile of sorted seconds, in ms; 0.0 of none."""
    if not window:
        return 0.0
    return round(window[math.ceil(share * len(window)) - 1] * 1000, 3)


def _ms(microseconds: float) -> float:
    return round(microseconds / 1000, 3)


def _joined(first: Point, second: Point) -> Point:
    """Return two whiles as one; of percentiles the worse."""
    return Point(
        first.start_ms,
        first.seconds + second.seconds,
        first.requests + second.requests,
        first.errors + second.errors,
        max(first.p50, second.p50),
        max(first.p99, second.p99),
        max(first.most, second.most),
    )
