"""
The ledger's records and how each is tied to the one before it.

A record is what one column name after the other maps to: texts, whole numbers, lists
of texts. `record_hash` is SHA-256 over its canonical form: a JSON object, keys in
order, without white space, of every column but `hash` whose value is not its type's
empty one. A column that a later policy adds is empty in older records, so their hash
stays what it was.

    sequence          1, 2, 3 … in each chain; a chain is one site's, of one writer
    prev_hash         hash of the record before; empty in the first
    recorded_at       never earlier than that of the record before
    prev_recorded_at  recorded_at of the record before; 1970 in the first. By it a
                      reader knows whether what is missing before has expired.
"""

import functools
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from schemas.ddl import EMPTY, column_types
from schemas.policy import load_policy

TABLE = "consents"
Record = dict[str, Any]
Key = tuple[str, str]
START = "1970-01-01 00:00:00.000"
_KIND_OF_TIME = "DateTime64(3, 'UTC')"
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
# What the engine can hold; what is outside it would come back as something else.
_YEARS = range(1900, 2300)


class RecordError(ValueError):
    """A record that the ledger could not give back as it was; quotes nothing."""


class Head(msgspec.Struct, frozen=True):
    """The last record of a chain; before the first, sequence is 0."""

    sequence: int = 0
    hash: str = ""
    recorded_at: str = START


@functools.cache
def ledger_types() -> dict[str, str]:
    """Return the ClickHouse type of each column of the ledger, in order."""
    return column_types(load_policy(), TABLE)


def record_hash(record: Mapping[str, Any]) -> str:
    """Return a record's hash, 64 hexadecimal digits; see above what it covers."""
    covered = {
        name: record[name]
        for name, kind in ledger_types().items()
        if name != "hash" and record[name] != EMPTY[kind]
    }
    text = orjson.dumps(covered, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def link(
    record: Mapping[str, Any], head: Head, chain: str, recorded_at: str
) -> tuple[Record, Head]:
    """
    Tie a record to the last one of its chain.

    Args:
        record: with the edge's columns at least; those of the keeper are replaced.
        head: the last record of the chain.
        chain: id of the writer.
        recorded_at: now, UTC text.

    Returns:
        The record with all columns, and the new head.

    """
    linked = {
        **record,
        "recorded_at": max(recorded_at, head.recorded_at),
        "chain": chain,
        "sequence": head.sequence + 1,
        "prev_recorded_at": head.recorded_at,
        "prev_hash": head.hash,
    }
    linked["hash"] = record_hash(linked)
    ordered = {name: linked[name] for name in ledger_types()}
    return ordered, head_of(ordered)


def head_of(record: Mapping[str, Any]) -> Head:
    """Return the head of a chain that ends with a record."""
    return Head(int(record["sequence"]), record["hash"], record["recorded_at"])


def checked(record: Mapping[str, Any]) -> Record:
    """
    Return an edge's record in the form that the engine gives back.

    Raises:
        RecordError: when there is none: a time the engine would cut or move.

    """
    form = dict(record)
    try:
        form["record_id"] = str(uuid.UUID(form["record_id"]))
        for name, kind in ledger_types().items():
            if kind == _KIND_OF_TIME and name in form:
                _check_time(form[name])
    except (ValueError, TypeError, AttributeError):
        message = "a record is not in its form"
        raise RecordError(message) from None
    return form


def _check_time(text: str) -> None:
    good = _TIME.fullmatch(text) is not None
    if not good or datetime.fromisoformat(text).year not in _YEARS:
        raise ValueError


def without_repeats(
    records: Iterable[Record], known: frozenset[str]
) -> Iterable[Record]:
    """Yield the records whose id is neither known nor that of an earlier one."""
    seen = set(known)
    for record in records:
        if record["record_id"] not in seen:
            seen.add(record["record_id"])
            yield record
