"""What a detector is: a sign that is cheap to look for, and the search itself."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

# Start and end in the text, and the rule that found it.
Span = tuple[int, int, str]
Find = Callable[[str], Iterator[Span]]


class Detector(NamedTuple):
    """
    One way to find personal data.

    Attributes:
        sign: RE2 expression without which there is nothing to find. All detectors'
            signs are looked for in one pass (pipeline/redaction/signs.py); it may say
            yes too often, never no where `find` would find.
        find: marks what it finds, in time linear in the text.
        in_paths: if it is for the paths of URLs too, not only for free text.
        before: a shorter sign that several detectors share, asked before their own;
            "" for none. Signs that count characters are long, and each of them
            multiplies the automaton's states.

    """

    sign: str
    find: Find
    in_paths: bool = True
    before: str = ""
