"""
The tables, derived from the policy: columns, comments, codecs and TTLs.

Nothing here is written by hand twice: a column exists because policy.toml has a
field, and it expires when that field's retention says so.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from schemas import short_id
from schemas.policy_types import Field, Policy

DATABASE = "kastana"
# Any number of segments that a retry may repeat must fit into the window, or a
# repeated insert would count twice.
DEDUPLICATION_WINDOW = 10_000

# How a value looks when nothing is left of it; also the column's own default.
EMPTY: dict[str, Any] = {
    "UUID": "00000000-0000-0000-0000-000000000000",
    "String": "",
    "LowCardinality(String)": "",
    "DateTime64(3, 'UTC')": "1970-01-01 00:00:00.000",
    "Array(LowCardinality(String))": [],
    "Map(LowCardinality(String), String)": {},
    "UInt64": 0,
    "UInt32": 0,
    "UInt8": 0,
    "Float64": 0.0,
    "Nullable(Float64)": None,
}
_DICTIONARY = "LowCardinality(String)"
# Chosen by measurement (tests/load/bench_storage.py). Times of rows in the order of
# their senders' clocks go up and down: a delta makes them longer, not shorter.
_CODEC = "ZSTD(3)"
_CODECS = {"UInt32": "T64, ZSTD(1)"}
_KEY_CODEC = "Delta, ZSTD(3)"
_SETTINGS = {
    "non_replicated_deduplication_window": str(DEDUPLICATION_WINDOW),
    # A segment file is purged after its insert, so the insert must outlive a
    # power cut by itself.
    "fsync_after_insert": "1",
    "fsync_part_directory": "1",
    # Retention is a promise: look for expired rows hourly, not daily.
    "merge_with_ttl_timeout": "3600",
}


class DriftError(Exception):
    """A stored column is not what the policy says; nothing is changed then."""

    def __init__(self, table: str, column: str, stored: str, wanted: str) -> None:
        super().__init__(
            f"{DATABASE}.{table}.{column} is stored as {stored}, the policy says "
            f"{wanted}; move the table away or restore the field"
        )


def column_types(policy: Policy, table: str) -> dict[str, str]:
    """Return the ClickHouse type of each column that is inserted, in order."""
    types = {name: field.type for name, field in policy.columns(table).items()}
    types.update(dict.fromkeys(policy.tables[table].dictionary, _DICTIONARY))
    if policy.tables[table].sum:
        types[policy.tables[table].sum] = "UInt64"
    return types


def table_types(policy: Policy, table: str) -> dict[str, str]:
    """Return the types of all columns of the table itself, short ids at the end."""
    short = policy.tables[table].short_ids
    return {**column_types(policy, table), **dict.fromkeys(short, short_id.TYPE)}


def create_database() -> str:
    """Return the statement that makes the database."""
    return f"CREATE DATABASE IF NOT EXISTS {DATABASE}"


def create_table(policy: Policy, table: str, name: str = "") -> str:
    """Return the CREATE TABLE statement of a table of the policy, or of its copy."""
    rules = policy.tables[table]
    days = policy.retention[rules.retention].days
    columns = ",\n".join(
        "    " + _column(policy, table, name, kind)
        for name, kind in table_types(policy, table).items()
    )
    engine = f"{rules.engine}({rules.sum})"
    return (
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.{name or table}\n(\n{columns}\n)\n"
        f"ENGINE = {engine}\n"
        f"PARTITION BY {rules.partition_by}\n"
        f"ORDER BY ({', '.join(rules.order_by)})\n"
        f"TTL toDateTime({rules.time}) + INTERVAL {days} DAY DELETE\n"
        f"SETTINGS {settings_clause()}\n"
        f"COMMENT {_quote(table_comment(policy, table))}"
    )


def settings_clause() -> str:
    """Return the settings that every table of Kastana has."""
    return ", ".join(f"{key} = {value}" for key, value in _SETTINGS.items())


class Stored(msgspec.Struct, frozen=True):
    """
    What a table has now.

    Attributes:
        types: type of each column.
        expiring: the columns that have a TTL.
        order_by: the parts of the sorting key, in order.

    """

    types: Mapping[str, str]
    expiring: frozenset[str]
    order_by: Sequence[str]


def alter_table(policy: Policy, table: str, stored: Stored) -> list[str]:
    """
    Return the statements that bring a table of an older policy up to date.

    Columns are added and their comments, codecs and TTLs set anew; nothing is
    ever removed or retyped, so no row is lost by a change of the policy. New columns
    of the sorting key go to its end, where they leave the old order as it is.

    Raises:
        DriftError: when a column would change its type, or is not in the policy, or
            a column that has values already would join the sorting key or leave it.

    """
    existing = stored.types
    wanted = table_types(policy, table)
    check_columns(policy, table, stored)
    new_keys = _new_keys(policy, table, stored)
    rules = policy.tables[table]
    days = policy.retention[rules.retention].days
    changes, removals = [], []
    for name, kind in wanted.items():
        verb = "MODIFY" if name in existing else "ADD"
        column = _column(policy, table, name, kind)
        changes.append(f"{verb} COLUMN {column}")
        if name in stored.expiring and " TTL " not in column:
            removals.append(f"MODIFY COLUMN `{name}` REMOVE TTL")
    if new_keys:
        # In the same statement: only a column that it adds may join the key.
        order = ", ".join([*stored.order_by, *new_keys])
        changes.append(f"MODIFY ORDER BY ({order})")
    changes.append(f"MODIFY TTL toDateTime({rules.time}) + INTERVAL {days} DAY")
    # The comment comes last: by it the next start knows that all was done.
    comment = f"MODIFY COMMENT {_quote(table_comment(policy, table))}"
    head = f"ALTER TABLE {DATABASE}.{table}\n    "
    return [
        head + ",\n    ".join(parts)
        for parts in (changes, removals, [comment])
        if parts
    ]


def check_columns(policy: Policy, table: str, stored: Stored) -> None:
    """
    Refuse stored columns that the policy does not have, or not in that type.

    Raises:
        DriftError: naming the first of them.

    """
    wanted = table_types(policy, table)
    for name, kind in stored.types.items():
        if plain_type(wanted.get(name, "")) != plain_type(kind):
            raise DriftError(table, name, kind, wanted.get(name, "no such field"))


def plain_type(kind: str) -> str:
    """Return a type without a dictionary: what holds the same values."""
    return "String" if kind == _DICTIONARY else kind


def lies_in_another_order(policy: Policy, table: str, stored: Stored) -> bool:
    """
    Say if the rows of a table have to be copied to lie in the policy's order.

    Only where no order can merge rows that differ: those of events, whose id is in it.
    New columns of a key are no reason, they join its end.
    """
    rules = policy.tables[table]
    wanted = list(rules.order_by)
    kept = [key for key in wanted if key in stored.order_by]
    joining = [key for key in wanted if key not in stored.order_by]
    same = kept == list(stored.order_by) and not any(
        key in stored.types or key not in policy.columns(table) for key in joining
    )
    return rules.engine == "ReplacingMergeTree" and not same


def _new_keys(policy: Policy, table: str, stored: Stored) -> list[str]:
    """Return the columns that join the sorting key, in the policy's order."""
    wanted = policy.tables[table].order_by
    for key in stored.order_by:
        if key not in wanted:
            raise DriftError(table, key, "part of the key", "part of no key")
    keys = [key for key in wanted if key not in stored.order_by]
    for key in keys:
        # A key's part that is no new column: its rows lie in another order.
        if key in stored.types or key not in policy.columns(table):
            raise DriftError(table, key, "no part of the key", "part of the key")
    return keys


def all_ddl(policy: Policy) -> list[str]:
    """Return every statement that an empty store needs, in order."""
    return [create_database(), *(create_table(policy, name) for name in policy.tables)]


def segment_header(policy: Policy, table: str) -> tuple[list[str], list[str]]:
    """
    Return the two header lines of an edge's segment: column names, column types.

    Of the ledger an edge knows only its own columns; the keeper fills the others.
    """
    types = column_types(policy, table)
    if policy.tables[table].columns == "ledger":
        types = {
            name: kind
            for name, kind in types.items()
            if policy.ledger[name].filled_by == "edge"
        }
    return list(types), list(types.values())


def _column(policy: Policy, table: str, name: str, kind: str) -> str:
    codec = _CODECS.get(kind, _CODEC)
    parts = [f"`{name}` {kind}"]
    short = policy.tables[table].short_ids
    if name in short:
        made = short_id.short_id(f"`{short[name]}`")
        comment = _quote(f"Short form of {short[name]}")
        return f"{parts[0]} DEFAULT {made} COMMENT {comment} CODEC({_KEY_CODEC})"
    field = policy.columns(table).get(name)
    if field is None:
        return f"{parts[0]} COMMENT 'Number of events' CODEC({codec})"
    comment = (
        f"{field.description}. Kind: {field.data_category}. "
        f"Purposes: {', '.join(field.purposes)}."
    )
    if isinstance(field, Field):
        comment += f" Consent: {field.consent_category}."
    if name in short.values():
        return f"{parts[0]} EPHEMERAL COMMENT {_quote(comment)}"
    parts.append(f"COMMENT {_quote(comment)}")
    parts.append(f"CODEC({codec})")
    days = policy.column_days(table, name)
    if days is not None:
        # Column by column, not row by row: what expires first goes first.
        time = policy.tables[table].time
        parts.append(f"TTL toDateTime({time}) + INTERVAL {days} DAY")
    return " ".join(parts)


def table_comment(policy: Policy, table: str) -> str:
    """
    Return the comment of a table: what it is, and which definition it has.

    The digest is of every column's definition, so that a change of any of them
    is seen at the next start.
    """
    columns = [
        _column(policy, table, name, kind)
        for name, kind in table_types(policy, table).items()
    ]
    rules = policy.tables[table]
    days = str(policy.retention[rules.retention].days)
    # In any order: where in the key a column stands is settled when it joins it.
    whole = "\n".join([*columns, *sorted(rules.order_by), days])
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return f"{rules.description}. Policy {policy.version}, definition {digest}."


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
