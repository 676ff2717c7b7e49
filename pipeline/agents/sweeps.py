"""
Sweeps: several different links of one mail, followed faster than a person can.

A gateway that checks a mail's links follows all of them within seconds. Kept are
numbers that tell nobody what they were made of, for as long as the span, and of
bounded many readers.
"""


class Sweeps:
    """The links that each reader followed last; one for each process."""

    def __init__(
        self, links: int = 3, span_ms: int = 2000, entries: int = 16_384
    ) -> None:
        """
        Set what a sweep is.

        Args:
            links: so many different links are one, at least 2.
            span_ms: when they are followed in less than this.
            entries: how many readers a generation holds; two are kept.

        """
        self._links = links
        self._span_ms = span_ms
        self._entries = entries
        self._young: dict[int, list[tuple[int, int]]] = {}
        self._old: dict[int, list[tuple[int, int]]] = {}
        self._since_ms = 0

    def __len__(self) -> int:
        """Return how many readers are remembered."""
        return len(self._young) + len(self._old)

    def follow(self, reader: int, link: int, now_ms: int) -> bool:
        """Note that a reader follows a link; say if it is one of a sweep."""
        age = now_ms - self._since_ms
        if len(self._young) >= self._entries or not 0 <= age < self._span_ms:
            self._old, self._young, self._since_ms = self._young, {}, now_ms
        before = self._young.get(reader) or self._old.get(reader, [])
        recent = [
            (then_ms, other)
            for then_ms, other in before
            if other != link and 0 <= now_ms - then_ms < self._span_ms
        ]
        recent.append((now_ms, link))
        self._young[reader] = recent[-self._links :]
        return len(recent) >= self._links
