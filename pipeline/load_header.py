"""
Step 8, segments of another version: rows of an older policy get today's columns.

A segment names its columns. Where each of them is still a column of the same type, the
ones that came since are filled with the empty value that the policy's types have
(`schemas.ddl.EMPTY`): said here, not left to the engine. A column that is unknown, or
has another type, is never guessed at: the segment is refused.
"""

from typing import Any

import msgspec
import orjson

from pipeline.segment import rows_begin
from pipeline.store_errors import StoreRefused
from schemas.ddl import EMPTY, plain_type

_LINES = 2


def header_of(body: bytes) -> bytes:
    """
    Return a segment's two header lines.

    Raises:
        StoreRefused: SEGMENT_HEADER, when it has none.

    """
    names, types = _columns(body)
    if not names or len(names) != len(types) or len(set(names)) != len(names):
        raise StoreRefused(0, "SEGMENT_HEADER")
    return body[: rows_begin(body)]


def missing(body: bytes, header: bytes) -> tuple[str, ...]:
    """
    Return the columns of a header that an older segment lacks, in order.

    Raises:
        StoreRefused: SEGMENT_HEADER, when the segment is not of an older version of
            these columns.

    """
    if body.startswith(header):
        return ()
    header_of(body)
    old = dict(zip(*_columns(body), strict=True))
    new = dict(zip(*_columns(header), strict=True))
    if any(plain_type(new.get(name, "")) != plain_type(old[name]) for name in old):
        raise StoreRefused(0, "SEGMENT_HEADER")
    return tuple(name for name in new if name not in old)


def upgraded(body: bytes, header: bytes) -> bytes:
    """
    Return a segment with a header's columns; its own bytes if they are the same.

    Raises:
        StoreRefused: SEGMENT_HEADER as `missing`; SEGMENT_LINE, when a line is none.

    """
    if body.startswith(header):
        return body
    missing(body, header)
    names = _columns(body)[0]
    new = dict(zip(*_columns(header), strict=True))
    empty: dict[str, Any] = {name: EMPTY[kind] for name, kind in new.items()}
    lines = []
    for line in body[rows_begin(body) :].splitlines():
        values = _values(line)
        if len(values) != len(names):
            raise StoreRefused(0, "SEGMENT_LINE")
        row = {**empty, **dict(zip(names, values, strict=True))}
        lines.append(orjson.dumps(list(row.values())) + b"\n")
    return header + b"".join(lines)


def _values(line: bytes) -> list[Any]:
    try:
        values = orjson.loads(line)
    except ValueError:
        values = None
    return values if isinstance(values, list) else []


def _columns(body: bytes) -> tuple[list[str], list[str]]:
    head = body[: rows_begin(body)].splitlines()
    try:
        names, types = (msgspec.json.decode(line, type=list[str]) for line in head)
    except ValueError:
        # Not two lines, or not two lists of texts.
        return [], []
    return names, types
