"""
Rate limits: a token bucket for each network, in bounded memory.

Keys are truncated addresses; the least recently seen is forgotten first, so a
flood of new networks costs memory for at most `size` of them.
"""

import time
from collections import OrderedDict


class RateLimit:
    """Token buckets by key."""

    def __init__(self, rate: float, burst: float, size: int = 65_536) -> None:
        """
        Set the limit.

        Args:
            rate: tokens that come back a second; 0 turns the limit off.
            burst: the most tokens a key can have.
            size: how many keys are remembered.

        """
        self._rate = rate
        self._burst = burst
        self._size = size
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Take a token; return 0.0, or the seconds until there is one."""
        if self._rate == 0:
            return 0.0
        now = time.monotonic()
        tokens, since = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        short = 1 - tokens
        self._buckets[key] = (tokens if short > 0 else tokens - 1, now)
        if len(self._buckets) > self._size:
            self._buckets.popitem(last=False)
        return max(0.0, short / self._rate)
