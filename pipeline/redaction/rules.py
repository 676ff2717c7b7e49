"""The rules that a site added itself, applied to a text."""

from collections.abc import Iterator

from pipeline.redaction.spans import Span
from schemas.redaction import NO_EXTRA, Extra, compile_extra

__all__ = ["NO_EXTRA", "Extra", "compile_extra", "find_own"]

# After so many of one rule the rest of the text goes with the last: each of them may
# have cost a look at all that follows it.
_MOST_FOUND = 50


def find_own(text: str, extra: Extra) -> Iterator[Span]:
    """Mark what a site's own rules find."""
    for name, pattern in extra.patterns:
        for number, match in enumerate(pattern.finditer(text)):
            start, end = match.span()
            if number == _MOST_FOUND:
                yield start, len(text), name
                break
            if end > start:
                yield start, end, name
