"""
Which detectors a text needs, told in one pass over it.

Some fifty signs are one automaton of RE2: a microsecond for a title, and no text makes
it slower than linear. Most texts show no sign of anything and are done with that.
"""

from collections.abc import Callable, Sequence

import re2

# Enough for all states that texts have shown; when it is full RE2 starts afresh.
_MAX_MEMORY = 8 << 20


class Signs:
    """The signs of some detectors."""

    def __init__(self, signs: Sequence[str], before: Sequence[str] = ()) -> None:
        """
        Compile RE2 expressions; they are known by their place in the list.

        Args:
            signs: one for each detector.
            before: for each of them, or of the first of them, a sign to ask first, ""
                for none. Those with the same one are an automaton of their own.

        """
        firsts = [*before, *[""] * (len(signs) - len(before))]
        alone = [place for place, first in enumerate(firsts) if not first]
        groups = list(dict.fromkeys(first for first in firsts if first))
        self._first = _Set([*(signs[place] for place in alone), *groups])
        self._nothing = [self._first.always]
        self._alone = alone
        self._groups = [
            [place for place, first in enumerate(firsts) if first == group]
            for group in groups
        ]
        self._seconds = [
            _Set([signs[place] for place in places]) for places in self._groups
        ]
        self._all = tuple(range(len(signs)))

    def shown(self, text: str) -> Sequence[int]:
        """Return the places of the signs that a text shows; all when in doubt."""
        encoded = text.encode()
        found = self._first.match(encoded)
        if found is None:
            return self._all
        # Nearly always so, and asked of every text.
        if found == self._nothing:
            return ()
        found.remove(self._first.always)
        alone, shown = self._alone, []
        for number in found:
            if number < len(alone):
                shown.append(alone[number])
                continue
            places = self._groups[number - len(alone)]
            second = self._seconds[number - len(alone)]
            inner = second.match(encoded)
            if inner is None:
                shown += places
            else:
                shown += [places[one] for one in inner if one != second.always]
        return shown


class _Set:
    """
    Expressions that are looked for in one pass.

    Attributes:
        match: returns the numbers of those in a text, and `always`; None if that
            cannot be told.
        always: a number that is found in every text: where it is not, the automaton
            gave up.

    """

    def __init__(self, expressions: Sequence[str]) -> None:
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        # What it would log holds the expressions, and nobody reads it.
        options.log_errors = False
        these = re2.Set.SearchSet(options)
        for expression in expressions:
            these.Add(expression)
        self.always: int = these.Add("")
        these.Compile()
        self.match: Callable[[bytes], list[int] | None] = these.Match
