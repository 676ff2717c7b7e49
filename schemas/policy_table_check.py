"""Whether ClickHouse can make a table from what the policy says of it."""

import re

from schemas.policy_types import Policy, PolicyError

ENGINES = ("ReplacingMergeTree", "SummingMergeTree", "MergeTree")
_SORTED_BY = re.compile(r"toDate\((?P<day>\w+)\)|(?P<column>\w+)")


def check_table(policy: Policy, name: str) -> None:
    """
    Check the engine, the keys and the time of a table.

    Raises:
        PolicyError: at the first thing that does not hold, naming its key.

    """
    _check_columns(policy, name)
    _check_engine(policy, name)
    _check_time(policy, name)
    _check_short_ids(policy, name)
    columns = _sorting_columns(policy, name)
    _check_merges(policy, name)
    _check_dictionary(policy, name)
    table = policy.tables[name]
    for column in (*columns, table.time):
        if policy.column_days(name, column) is not None:
            # ClickHouse cannot expire a column of a key by itself.
            key = "order_by" if column in columns else "time"
            raise PolicyError(
                f"tables.{name}.{key}", f"{column!r} expires before its row does"
            )


def _check_columns(policy: Policy, name: str) -> None:
    # The code links the records of this one table, and of no other.
    table = policy.tables[name]
    ledger = name == "consents"
    if (table.columns == "ledger") is not ledger:
        raise PolicyError(f"tables.{name}.columns", "`consents` is the one ledger")
    if ledger is bool(table.outcomes):
        raise PolicyError(
            f"tables.{name}.outcomes", "goes with tables of `fields`, and with all"
        )
    if ledger and table.engine != "MergeTree":
        raise PolicyError(f"tables.{name}.engine", "would merge records of the ledger")
    for column in policy.ledger if ledger else ():
        if policy.column_days(name, column) is not None:
            raise PolicyError(
                f"ledger.{column}.retention", "expires before the hash that covers it"
            )


def _check_engine(policy: Policy, name: str) -> None:
    table = policy.tables[name]
    if table.engine not in ENGINES:
        raise PolicyError(
            f"tables.{name}.engine",
            f"{table.engine!r} is none of {', '.join(ENGINES)}",
        )
    # Without a column, it would sum every number that it finds.
    if (table.engine == "SummingMergeTree") is not bool(table.sum):
        raise PolicyError(f"tables.{name}.sum", "goes with SummingMergeTree only")
    if table.sum in policy.columns(name):
        raise PolicyError(f"tables.{name}.sum", f"{table.sum!r} is also a field")


def _check_time(policy: Policy, name: str) -> None:
    table = policy.tables[name]
    where = f"tables.{name}.time"
    if table.time not in policy.columns(name):
        raise PolicyError(where, f"refers to {table.time!r}, which does not exist")
    if not _is_time(policy, name, table.time):
        raise PolicyError(where, f"{table.time!r} is not a time")
    months = f"toYYYYMM({table.time})"
    if table.partition_by != months:
        raise PolicyError(f"tables.{name}.partition_by", f"must be {months}")


def _sorting_columns(policy: Policy, name: str) -> list[str]:
    """Return the columns of the sorting key, each of which can be one."""
    where = f"tables.{name}.order_by"
    columns = []
    for key in policy.tables[name].order_by:
        found = _SORTED_BY.fullmatch(key)
        column = (found["day"] or found["column"]) if found else key
        # A short id is the column that it stands for.
        column = policy.tables[name].short_ids.get(column, column)
        if column not in policy.columns(name):
            raise PolicyError(where, f"refers to {column!r}, which does not exist")
        if found and found["day"] and not _is_time(policy, name, column):
            raise PolicyError(where, f"{column!r} is not a time")
        if policy.columns(name)[column].type.startswith("Nullable("):
            raise PolicyError(where, f"{column!r} may be null, which has no order")
        columns.append(column)
    if not columns:
        raise PolicyError(where, "names no column")
    return columns


def _check_merges(policy: Policy, name: str) -> None:
    # Rows that are alike in the sorting key become one: what tells two apart has
    # to be in it, whole.
    table = policy.tables[name]
    apart = {
        "ReplacingMergeTree": ["event_id"],
        "SummingMergeTree": list(policy.columns(name)),
        "MergeTree": [],
    }[table.engine]
    keys = {table.short_ids.get(key, key) for key in table.order_by}
    for column in apart:
        if column not in keys:
            raise PolicyError(
                f"tables.{name}.order_by",
                f"without {column!r}, rows that differ would be merged",
            )


def _check_short_ids(policy: Policy, name: str) -> None:
    where = f"tables.{name}.short_ids"
    columns = policy.columns(name)
    for short, column in policy.tables[name].short_ids.items():
        if column not in columns or columns[column].type != "UUID":
            raise PolicyError(where, f"{column!r} is no UUID")
        if short in columns:
            raise PolicyError(where, f"{short!r} is also a field")
        if column in policy.tables[name].order_by:
            raise PolicyError(where, f"{column!r} is not stored, so it is no key")


def _check_dictionary(policy: Policy, name: str) -> None:
    where = f"tables.{name}.dictionary"
    columns = policy.columns(name)
    for column in policy.tables[name].dictionary:
        if column not in columns:
            raise PolicyError(where, f"refers to {column!r}, which does not exist")
        if columns[column].type != "String":
            raise PolicyError(where, f"{column!r} is not a String")


def _is_time(policy: Policy, table: str, column: str) -> bool:
    return policy.columns(table)[column].type.startswith("DateTime64(")
