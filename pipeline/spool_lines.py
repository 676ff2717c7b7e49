"""
Rows as lines of segments: encoded one by one, joined by table.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import orjson

from schemas.row import ConsentRow, CountRow, Row


class Line(msgspec.Struct, frozen=True, gc=False):
    """An encoded row; a counter's text ends before its last value, the number."""

    table: str
    text: bytes
    number: int


def encode(row: Row | CountRow | ConsentRow) -> Line:
    """Return a row as a line of its table."""
    if isinstance(row, CountRow):
        *key, number = msgspec.structs.astuple(row)
        return Line("counts", orjson.dumps(key)[:-1], number)
    table = "events" if isinstance(row, Row) else "consents"
    # A copy of its own size: as orjson gives it, it takes eight kilobytes until it is
    # on the disk, which for a few thousand events are tens of megabytes.
    return Line(table, orjson.dumps(msgspec.structs.astuple(row)) + b"\n", 0)


def join(rows: Iterable[Iterable[Line]]) -> dict[str, bytes]:
    """Return what is written, by table; equal counters become one line."""
    joined: dict[str, list[bytes]] = defaultdict(list)
    counters: dict[bytes, int] = defaultdict(int)
    for line in itertools.chain.from_iterable(rows):
        if line.table == "counts":
            counters[line.text] += line.number
        else:
            joined[line.table].append(line.text)
    for key, number in counters.items():
        joined["counts"].append(key + b",%d]\n" % number)
    return {table: b"".join(lines) for table, lines in joined.items()}
