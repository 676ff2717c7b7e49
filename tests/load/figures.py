"""
The arithmetic of the bench: percentiles, medians of repeats, ratios, arrivals.
"""

import math
import random
from collections.abc import Iterator, Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """The median of repeats, with the lowest and the highest of them."""

    median: float
    low: float
    high: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """
    Return the smallest value that at least this share of all does not exceed.

    Args:
        ordered: all values, in order; none is left out and none is rounded.
        share: from 0 (the smallest) to 1 (the largest).

    Raises:
        ValueError: without values, or for a share that is none.

    """
    if not ordered:
        raise ValueError("no values")
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 1")
    # Rounded first: 0.29 * 100 is 28.999999999999996.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def spread(values: Sequence[float]) -> Spread:
    """
    Return the median of repeats and how far they lie apart.

    Raises:
        ValueError: without values.

    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        median = ordered[middle]
    else:
        median = (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(median, ordered[0], ordered[-1])


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """
    Return how ours relate to theirs, round by round: noise that lasts hits both.

    Raises:
        ValueError: when the rounds are not the same number, or there are none.

    """
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """
    Yield when requests are due, in seconds from the start, however slow the answers.

    People do not wait for each other: the time between two is exponential, with
    `rate` a second on average.
    """
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    at = dice.expovariate(rate)
    while at < seconds:
        yield at
        at += dice.expovariate(rate)


def growth(samples: Sequence[float]) -> float:
    """
    Return by which share the last third of samples lies above the middle third.

    The first third is left out: caches fill. Medians, so that one peak is none.

    Raises:
        ValueError: of fewer than six samples nothing can be said.

    """
    if len(samples) < 6:
        raise ValueError("at least six samples are needed")
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[-third:]
    return spread(last).median / spread(middle).median - 1
