"""
Putting the rows of a table into another order: a copy, made once, then exchanged.

ClickHouse sorts a table by the key that it was made with, so another key means
another table. The steps, each of which may be the last before a kill:

    drop `<table>_reordered` -> make it -> copy month by month -> compare -> exchange
    -> drop what was exchanged

Invariants
----------
- Until the exchange, which is one atomic step, the table is what it was: a start that
  finds it in the old order throws the copy away and makes it anew.
- After the exchange, `<table>_reordered` holds the old rows, which every start drops.
- The rows are counted on both sides, each event once, before the exchange. Nobody
  else writes meanwhile: the keeper migrates before it loads and before it erases, and
  what was to be erased is erased from the copy, since it is not noted as done.

It needs the room of the table twice. Without it the copy fails, and nothing is lost.
"""

import logging
from typing import Final, Protocol

import orjson

from schemas.ddl import (
    DATABASE,
    Stored,
    check_columns,
    create_table,
    lies_in_another_order,
)
from schemas.policy import Policy
from schemas.short_id import short_id

_log = logging.getLogger("kastana.reorder")
_COPY: Final = "_reordered"
# Two copies of a block are two blocks, and sorting takes memory by the block.
_COPYING: Final = "insert_deduplicate = 0, max_threads = 2, max_insert_threads = 1"


class ReorderingStore(Protocol):
    """What it needs of a store."""

    def command(self, sql: str) -> None:
        """Run a statement that returns nothing."""

    def query(self, sql: str, fmt: str) -> bytes:
        """Run a query, give its result in a ClickHouse format."""


class ReorderError(Exception):
    """A copy does not have the rows of its table; the table is as it was."""

    def __init__(self, table: str, rows: int, copied: int) -> None:
        super().__init__(
            f"{DATABASE}.{table} has {rows} events, its copy in the new order "
            f"{copied}; nothing was changed"
        )


def reorder(store: ReorderingStore, policy: Policy, table: str, stored: Stored) -> bool:
    """
    Copy a table into the policy's order, if it lies in another; say if it was.

    Raises:
        DriftError: when a stored column is not one the policy has.
        ReorderError: when the copy is not whole.

    """
    if not lies_in_another_order(policy, table, stored):
        return False
    check_columns(policy, table, stored)
    drop_copy(store, table)
    copy = table + _COPY
    store.command(create_table(policy, table, copy))
    months = _months(store, table)
    into, columns = _columns(policy, table, stored)
    for number, month in enumerate(months, 1):
        _log.info("table %s: copying month %d of %d", table, number, len(months))
        store.command(
            f"INSERT INTO {DATABASE}.{copy} ({into})\n"
            f"SELECT {columns} FROM {DATABASE}.{table}\n"
            f"WHERE _partition_id = '{month}' SETTINGS {_COPYING}"
        )
    _compare(store, policy, table, copy)
    store.command(f"EXCHANGE TABLES {DATABASE}.{table} AND {DATABASE}.{copy}")
    drop_copy(store, table)
    return True


def drop_copy(store: ReorderingStore, table: str) -> None:
    """Drop half a copy, or what was exchanged for a whole one."""
    # Large tables are not dropped by mistake; this one is dropped on purpose.
    store.command(
        f"DROP TABLE IF EXISTS {DATABASE}.{table}{_COPY} SYNC "
        "SETTINGS max_table_size_to_drop = 0"
    )


def _columns(policy: Policy, table: str, stored: Stored) -> tuple[str, str]:
    """Return the columns that are copied, and what they are made of."""
    made = {name: f"`{name}`" for name in stored.types}
    for short, column in policy.tables[table].short_ids.items():
        if short not in made:
            made[short] = short_id(f"`{column}`")
        # The column itself travels only; in a table that has the short one it is empty.
        made.pop(column, None)
    return ", ".join(f"`{name}`" for name in made), ", ".join(made.values())


def _months(store: ReorderingStore, table: str) -> list[str]:
    body = store.query(
        "SELECT DISTINCT partition_id FROM system.parts "  # noqa: S608 - ours
        f"WHERE database = '{DATABASE}' AND table = '{table}' AND active "
        "ORDER BY partition_id",
        "JSONCompactEachRow",
    )
    return [orjson.loads(line)[0] for line in body.splitlines()]


def _compare(store: ReorderingStore, policy: Policy, table: str, copy: str) -> None:
    rules = policy.tables[table]
    # Overdue rows leave either side whenever the engine merges: those do not count.
    days = policy.retention[rules.retention].days - 1
    rows, copied = (
        _number(
            store,
            f"SELECT count() FROM {DATABASE}.{name} FINAL "  # noqa: S608 - ours
            f"WHERE {rules.time} >= today() - {days}",
        )
        for name in (table, copy)
    )
    if rows != copied:
        raise ReorderError(table, rows, copied)


def _number(store: ReorderingStore, sql: str) -> int:
    return int(orjson.loads(store.query(sql, "JSONCompactEachRow"))[0])
