"""
Which detectors a text needs, told in one pass over it.

Some fifty signs are one automaton of RE2: a microsecond for a title, and no text makes
it slower than linear. Most texts show no sign of anything and are done with that.
"""

from collections.abc import Sequence

import re2

# Enough for all states that texts have shown; when it is full RE2 starts afresh.
_MAX_MEMORY = 16 << 20


class Signs:
    """The signs of some detectors."""

    def __init__(self, signs: Sequence[str]) -> None:
        """Compile RE2 expressions; they are known by their place in the list."""
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        # What it would log holds the expressions, and nobody reads it.
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for sign in signs:
            self._set.Add(sign)
        # Found in every text: where it is not, the automaton gave up.
        self._always = self._set.Add("")
        self._set.Compile()
        self._all = tuple(range(len(signs)))

    def shown(self, text: str) -> Sequence[int]:
        """Return the places of the signs that a text shows; all when in doubt."""
        found: list[int] | None = self._set.Match(text.encode())
        if found is None:
            return self._all
        found.remove(self._always)
        return found
