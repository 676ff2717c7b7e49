"""
Whose rows a segment holds, told without parsing them.

Once anybody withdrew, each segment is asked for every visitor in it, and mostly none is
one who did. So the pseudonyms are taken from its bytes by one regular expression, at a
sixth of what it costs to parse the lines. It knows two ways to a row's pseudonym:

- From the row's `[` over every column up to it: texts and lists of texts without a
  backslash, times, ids, whole numbers.
- Straight to where it stood in rows before. A number behind a quote that ends a text,
  and too long for any other column, can be nothing else. A quote ends a text if none of
  `,[:{`, a backslash or white space stands before it.

It says nothing of a line that is anything else, which is then parsed, nor of one in
which another row could begin, since the engine wants no newline between rows. What
follows the pseudonym is not looked at: that is left to the engine.
"""

import functools
import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from pipeline.segment import lines_of

_VISITOR: Final = "visitor_id"
_TEXT: Final = rb'"[^"]*+"'
_TEXTS: Final = rb'\[(?:\]|"[^"]*+"(?:,"[^"]*+")*+\])'
# The engine takes no text of another length for one.
_BEFORE: Final = {
    "UUID": rb'"(?s:.{36})"',
    "DateTime64(3, 'UTC')": rb'"(?s:.{23})"',
    "String": _TEXT,
    "LowCardinality(String)": _TEXT,
    "Array(LowCardinality(String))": _TEXTS,
    "UInt8": rb"\d++",
    "UInt32": rb"\d++",
}
# Of these, too, none is written as a whole number of more than ten digits.
_SHORT: Final = {
    *_BEFORE,
    "Float64",
    "Nullable(Float64)",
    "Map(LowCardinality(String), String)",
}
# What a row begins with, when its first column is an id.
_ROW: Final = rb'(?=\s*+"?[0-9A-Fa-f]{8})'
_DIGITS: Final = rb"((?!0\d)\d{1,20}+)[,\]]"
# So many bytes are searched, backwards; the guess is rounded up, so that there are few.
_REACH: Final = 64
_STEP: Final = 16
# Fewer rows are not worth a guess, and so many are looked at for one.
_MANY: Final = 1_000
_LOOKED_AT: Final = 32


def pseudonyms(
    names: Sequence[str], types: Sequence[str], body: bytes, start: int, rows: int
) -> list[bytes]:
    """
    Return the pseudonym of each line, in digits; empty for one that must be parsed.

    Args:
        names: the segment's columns.
        types: their types.
        body: the segment's bytes.
        start: where its rows begin, behind a newline.
        rows: how many whole lines there are from there on.

    """
    columns = tuple(names), tuple(types)
    pattern = _pattern(*columns, 0)
    if pattern is None:
        return [b""] * len(lines_of(body, start))
    if rows >= _MANY:
        pattern = _pattern(*columns, _guess(pattern, body, start)) or pattern
    found: list[bytes] = pattern.findall(body, start)
    # Each that is not empty began at a newline: as many as lines are one of each.
    told = len(found) == rows and b"" not in found
    if told and _are_plain(pattern, body, start):
        return found
    return [_one(pattern, line) for line in lines_of(body, start)]


def _one(pattern: re.Pattern[bytes], line: bytes) -> bytes:
    found: list[bytes] = pattern.findall(b"\n" + line)
    plain = len(found) == 1 and line.endswith(b"\n") and b"\\" not in line
    return found[0] if plain else b""


def _are_plain(pattern: re.Pattern[bytes], body: bytes, start: int) -> bool:
    """Say if no line has a backslash before its pseudonym's end."""
    while (at := body.find(b"\\", start)) >= 0:
        line = pattern.match(body, body.rfind(b"\n", 0, at) + 1)
        if line is None or line.end() > at:
            return False
        start = body.find(b"\n", at)
        if start < 0:
            break
    return True


def _guess(pattern: re.Pattern[bytes], body: bytes, start: int) -> int:
    """Return how far from a row's `[` the comma before its pseudonym is at most."""
    first = islice(pattern.finditer(body, start), _LOOKED_AT)
    farthest = max((row.start(1) - row.start() for row in first if row[1]), default=0)
    return -(-farthest // _STEP) * _STEP


@functools.lru_cache(maxsize=64)
def _pattern(
    names: tuple[str, ...], types: tuple[str, ...], guess: int
) -> re.Pattern[bytes] | None:
    """Return what finds each row's pseudonym; None when it cannot be told so."""
    place = names.index(_VISITOR)
    others = (*types[:place], *types[place + 1 :])
    known = types[place] == "UInt64" and others[:1] == ("UUID",)
    if not known or not place or not _BEFORE.keys() >= set(types[:place]):
        return None
    way = b"".join(_BEFORE[kind] + b"," for kind in types[:place])
    if guess >= _REACH and set(others) <= _SHORT:
        near = rb"(?s:.{%d,%d})," % (guess - _REACH, guess)
        way = b"(?:" + near + rb'(?<=[^,\[:{\\\s]",)(?=\d{11})|' + way + b")"
    row = rb"(?<=\n\[)(?:" + way + _DIGITS + b")?+"
    return re.compile(rb"\[(?:" + row + b"|" + _ROW + b")")
