"""
How fast events come: more than a person makes, from one key.

A bucket for each key, that a burst fills and time drains. Once it runs over, what
comes is too fast until there is a pause. Keys are numbers that tell nobody what they
were made of; two generations of them are kept, so that a flood costs bounded memory.
"""


class Rate:
    """Buckets by key; one for each process, in memory alone."""

    def __init__(self, events: int, seconds: float, entries: int = 32_768) -> None:
        """
        Set the limit.

        Args:
            events: so many in any span of `seconds` are never too many; 0: no limit.
            seconds: the span, above 0.
            entries: how many keys a generation holds; two are kept.

        """
        # Whole microseconds, rounded down: the limit itself must not run over.
        self._span = int(seconds * 1_000_000)
        self._step = self._span // events if events else 0
        self._entries = entries
        # When each key's bucket is empty again. What is not in them is empty.
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._since = self._latest = 0

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._young) + len(self._old)

    def exceeded(self, key: int, now_ms: int) -> bool:
        """Count an event; say if it is one of too many. `now_ms`: ms since 1970."""
        if not self._step:
            return False
        now, span = now_ms * 1000, self._span
        if now < self._latest:
            now = self._latest if self._latest - now <= span else self._reset(now)
        self._latest = now
        young = self._young
        # A bucket is empty after two spans: what was not touched so long is forgotten.
        if len(young) >= self._entries or now - self._since >= 2 * span:
            self._old, self._since = young, now
            young = self._young = {}
        empty = max(young.get(key) or self._old.get(key, now), now) + self._step
        if empty - now <= span:
            young[key] = empty
            return False
        young[key] = min(empty, now + 2 * span)
        return True

    def _reset(self, now: int) -> int:
        """Forget everything: the clock was set back, and all times are to come."""
        self._young, self._old, self._since = {}, {}, now
        return now
