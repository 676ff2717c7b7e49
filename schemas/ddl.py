"""
The tables, derived from the policy: columns, comments, codecs and TTLs.

Nothing here is written by hand twice: a column exists because policy.toml has a
field, and it expires when that field's retention says so.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from schemas.policy_types import Policy

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
_CODECS = {
    "DateTime64(3, 'UTC')": "Delta, ZSTD(1)",
    "UInt32": "T64, ZSTD(1)",
}
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
    """Return the ClickHouse type of each column, in order."""
    types = {name: field.type for name, field in policy.columns(table).items()}
    if policy.tables[table].sum:
        types[policy.tables[table].sum] = "UInt64"
    return types


def create_database() -> str:
    """Return the statement that makes the database."""
    return f"CREATE DATABASE IF NOT EXISTS {DATABASE}"


def create_table(policy: Policy, table: str) -> str:
    """Return the CREATE TABLE statement of a table of the policy."""
    rules = policy.tables[table]
    days = policy.retention[rules.retention].days
    columns = ",\n".join(
        "    " + _column(policy, table, name, kind)
        for name, kind in column_types(policy, table).items()
    )
    settings = ", ".join(f"{key} = {value}" for key, value in _SETTINGS.items())
    engine = f"{rules.engine}({rules.sum})"
    return (
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.{table}\n(\n{columns}\n)\n"
        f"ENGINE = {engine}\n"
        f"PARTITION BY {rules.partition_by}\n"
        f"ORDER BY ({', '.join(rules.order_by)})\n"
        f"TTL toDateTime({rules.time}) + INTERVAL {days} DAY DELETE\n"
        f"SETTINGS {settings}\n"
        f"COMMENT {_quote(table_comment(policy, table))}"
    )


def alter_table(
    policy: Policy, table: str, existing: Mapping[str, str], expiring: frozenset[str]
) -> list[str]:
    """
    Return the statements that bring a table of an older policy up to date.

    Columns are added and their comments, codecs and TTLs set anew; nothing is
    ever removed or retyped, so no row is lost by a change of the policy.

    Args:
        policy: the policy to follow.
        table: the table's name.
        existing: type of each column that the table has.
        expiring: those of them that have a TTL now.

    Raises:
        DriftError: when a column would change its type, or is not in the policy.

    """
    wanted = column_types(policy, table)
    for name, kind in existing.items():
        if wanted.get(name) != kind:
            raise DriftError(table, name, kind, wanted.get(name, "no such field"))
    head = f"ALTER TABLE {DATABASE}.{table} "
    statements = []
    for name, kind in wanted.items():
        verb = "MODIFY" if name in existing else "ADD"
        column = _column(policy, table, name, kind)
        statements.append(f"{head}{verb} COLUMN {column}")
        if name in expiring and " TTL " not in column:
            statements.append(f"{head}MODIFY COLUMN `{name}` REMOVE TTL")
    rules = policy.tables[table]
    days = policy.retention[rules.retention].days
    statements.append(
        f"{head}MODIFY TTL toDateTime({rules.time}) + INTERVAL {days} DAY"
    )
    comment = _quote(table_comment(policy, table))
    statements.append(f"{head}MODIFY COMMENT {comment}")
    return statements


def all_ddl(policy: Policy) -> list[str]:
    """Return every statement that an empty store needs, in order."""
    return [create_database(), *(create_table(policy, name) for name in policy.tables)]


def segment_header(policy: Policy, table: str) -> tuple[list[str], list[str]]:
    """Return the two header lines of a segment: column names, column types."""
    types = column_types(policy, table)
    return list(types), list(types.values())


def _column(policy: Policy, table: str, name: str, kind: str) -> str:
    codec = _CODECS.get(kind, "ZSTD(1)")
    parts = [f"`{name}` {kind}"]
    field = policy.fields.get(name)
    if field is None:
        return f"{parts[0]} COMMENT 'Number of events' CODEC({codec})"
    comment = (
        f"{field.description}. Kind: {field.data_category}. "
        f"Purposes: {', '.join(field.purposes)}. Consent: {field.consent_category}."
    )
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
        for name, kind in column_types(policy, table).items()
    ]
    rules = policy.tables[table]
    whole = "\n".join([*columns, str(policy.retention[rules.retention].days)])
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return f"{rules.description}. Policy {policy.version}, definition {digest}."


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
