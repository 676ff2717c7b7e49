"""
When each request is due: fixed before the first answer, and never waiting for one.

A collector that becomes slow does not slow the schedule down. What is sent late
because of that is late by the collector's doing, and its latency counts from when it
was due ("coordinated omission" is what leaving that out is called).
"""

from typing import Final, Protocol

from collector.replay.request import SourceError


class Schedule(Protocol):
    """Says when requests are due, asked once for each, in order."""

    def due(self, number: int, at_ms: float) -> float | None:
        """
        Return when a request is due, seconds after the start; None: at once.

        Args:
            number: how many requests were before it.
            at_ms: when it was made, ms since 1970; 0.0 if that is not known.

        """


class AtOnce:
    """As fast as the connections allow: each sends when its answer is there."""

    def due(self, number: int, at_ms: float) -> None:
        """Return None."""


class AtRate:
    """So many requests a second, evenly spaced, whatever the source's times are."""

    def __init__(self, rate: float) -> None:
        """Set the rate, requests a second."""
        self._gap = 1 / rate

    def due(self, number: int, at_ms: float) -> float:
        """Return the request's place in the row."""
        del at_ms
        return number * self._gap


class AsItWas:
    """With the source's own gaps, or so many times faster."""

    def __init__(self, factor: float) -> None:
        """Set how many times faster."""
        self._factor = factor
        self._first = 0.0
        self._last = 0.0

    def due(self, number: int, at_ms: float) -> float:
        """
        Return when the request was made, after the first; never before an earlier one.

        Raises:
            SourceError: when the source does not say when its first was made.

        """
        if number == 0:
            if at_ms == 0:
                message = "the source has no times: use --rate, or --speed max"
                raise SourceError("no_times", message)
            self._first = at_ms
        passed = (at_ms - self._first) / 1000 / self._factor
        self._last = max(self._last, passed)
        return self._last


_MAX: Final = "max"


def schedule_of(speed: str, rate: float | None) -> Schedule:
    """
    Return the schedule that was asked for.

    Args:
        speed: `max`, or how many times faster than the source: `1x`, `2.5x`.
        rate: requests a second in place of the source's times, or None.

    Raises:
        ValueError: when the speed is neither.

    """
    if rate is not None:
        return AtRate(rate)
    if speed == _MAX:
        return AtOnce()
    factor = float(speed.removesuffix("x"))
    # Written so that "nan" is refused as well.
    if not 0 < factor < 1_000_000:  # noqa: PLR2004 - a million seconds are a dozen days
        raise ValueError
    return AsItWas(factor)
