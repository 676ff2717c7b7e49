"""
Bringing a store to what the policy says: tables, TTLs, views.

Runs at every start of the keeper. What is as it should be is not touched; what an
older policy left is altered forward, never back, and no data is dropped. A rollup of
another definition is made anew, since its source has all that it held.
"""

import logging
from typing import Protocol

import orjson

from pipeline.queries import View, load_views
from pipeline.reorder import drop_copy, reorder
from schemas.ddl import DATABASE, Stored, all_ddl, alter_table, table_comment
from schemas.ddl_rollup import (
    rollup_backfill,
    rollup_comment,
    rollup_ddl,
    rollup_drop,
    rollup_views,
)
from schemas.policy import Policy
from schemas.rollups import Rollup, check_rollup, load_rollups

_log = logging.getLogger("kastana.migrate")


class MigratingStore(Protocol):
    """What a migration needs of a store."""

    def command(self, sql: str) -> None:
        """Run a statement that returns nothing."""

    def query(self, sql: str, fmt: str) -> bytes:
        """Run a query, give its result in a ClickHouse format."""


def migrate(store: MigratingStore, policy: Policy) -> None:
    """
    Make tables and views, or bring them up to date.

    Raises:
        DriftError: when a stored column, or key, is not one the policy can have.
        PolicyError: when a rollup may not be kept under this policy.

    """
    for name, rollup in load_rollups().items():
        check_rollup(policy, name, rollup)
    for statement in all_ddl(policy):
        store.command(statement)
    for table in policy.tables:
        _update(store, policy, table)
    for name, rollup in load_rollups().items():
        _make_rollup(store, policy, name, rollup)
    for view in load_views().values():
        store.command(create_view(view))


def _update(store: MigratingStore, policy: Policy, table: str) -> None:
    about = _rows(
        store,
        "SELECT comment, sorting_key FROM system.tables "
        f"WHERE database = '{DATABASE}' AND name = '{table}'",
    )
    drop_copy(store, table)
    if about[0]["comment"] == table_comment(policy, table):
        return
    columns = _rows(
        store,
        "SELECT name, type FROM system.columns "
        f"WHERE database = '{DATABASE}' AND table = '{table}'",
    )
    created = _rows(store, f"SHOW CREATE TABLE {DATABASE}.{table}")[0]["statement"]
    expiring = frozenset(
        line.split("`")[1]
        for line in created.splitlines()
        if line.startswith("    `") and " TTL " in line
    )
    stored = Stored(
        types={column["name"]: column["type"] for column in columns},
        expiring=expiring,
        order_by=about[0]["sorting_key"].split(", "),
    )
    if reorder(store, policy, table, stored):
        _log.info("table %s copied into the order of policy %s", table, policy.version)
        return
    for statement in alter_table(policy, table, stored):
        store.command(statement)
    _log.info("table %s brought up to policy %s", table, policy.version)


def _make_rollup(
    store: MigratingStore, policy: Policy, name: str, rollup: Rollup
) -> None:
    about = _rows(
        store,
        "SELECT comment FROM system.tables "
        f"WHERE database = '{DATABASE}' AND name = '{name}_marks'",
    )
    comments = [row["comment"] for row in about]
    if comments != [rollup_comment(policy, name, rollup)]:
        # Missing, of another definition, or left half made: rows that come from now on
        # mark their hours, then those of all that are there are marked. No row is
        # between the two, and one in both only makes its hour be built.
        for statement in [
            *rollup_drop(name),
            *rollup_ddl(policy, name, rollup),
            *rollup_backfill(policy, name, rollup),
        ]:
            store.command(statement)
        _log.info("rollup %s made anew", name)
    for statement in rollup_views(policy, name, rollup):
        store.command(statement)


def create_view(view: View) -> str:
    """Return the statement that makes a named view anew."""
    return f"CREATE OR REPLACE VIEW {DATABASE}.{view.name} AS\n{view.sql}"


def _rows(store: MigratingStore, sql: str) -> list[dict[str, str]]:
    lines = store.query(sql, "JSONEachRow").splitlines()
    return [orjson.loads(line) for line in lines]
