"""
Migrating a store that is a cluster: what changes a table goes to all its servers.

The keeper works on the tables of one shard, by way of one of its replicas: what it
inserts and deletes there, the others take over by themselves. Tables they do not.
"""

import re
from typing import Final

import orjson

from pipeline.migrate import MigratingStore
from schemas.ddl import DATABASE, DriftError
from schemas.ddl_cluster import ClusterError, on_cluster

_COPY: Final = re.compile(rf"CREATE TABLE IF NOT EXISTS {DATABASE}\.\w+_reordered\s")
_REPLICATED: Final = (
    "SELECT countIf(startsWith(engine, 'Replicated')), "  # noqa: S608 - our own
    "countIf(match(engine, 'MergeTree$') "
    "AND NOT match(engine, '^(Replicated|Shared)')) "
    f"FROM system.tables WHERE database = '{DATABASE}'"
)


class LayoutError(DriftError):
    """The store's tables are of one server, the settings of a cluster; or reversed."""

    def __init__(self, words: str) -> None:
        Exception.__init__(self, words)


class ClusterStore:
    """A store as a migration sees it; its statements go to a whole cluster."""

    def __init__(self, store: MigratingStore, cluster: str) -> None:
        """
        Bind a store.

        Raises:
            ClusterError: when the cluster's name is none.

        """
        on_cluster(f"CREATE DATABASE IF NOT EXISTS {DATABASE}", cluster)
        self._store = store
        self._cluster = cluster

    def command(self, sql: str) -> None:
        """
        Run a statement on all servers.

        Raises:
            LayoutError: for what cannot be done on all of them as one.

        """
        if _COPY.match(sql):
            # The copy would be exchanged on one server after the other, while rows
            # go from each to all.
            raise LayoutError(
                "a table lies in another order than the policy's; on a cluster that is "
                "put right by hand, see deploy/runbook.md"
            )
        try:
            statement = on_cluster(sql, self._cluster)
        except ClusterError as error:
            raise LayoutError(f"on a cluster: {error}") from None
        self._store.command(statement)

    def query(self, sql: str, fmt: str) -> bytes:
        """Run a query on the server that is connected to."""
        return self._store.query(sql, fmt)


def for_layout(store: MigratingStore, cluster: str) -> MigratingStore:
    """
    Return what to migrate a store by.

    Args:
        store: the store.
        cluster: the name of its cluster; "" where it is none.

    Raises:
        LayoutError: when its tables are not of that kind: new ones beside them would
            be on one server alone.

    """
    answer = store.query(_REPLICATED, "JSONCompactEachRow")
    replicated, plain = (int(number) for number in orjson.loads(answer))
    if not cluster and replicated:
        raise LayoutError("the store's tables are replicated: set `clickhouse_cluster`")
    if cluster and plain:
        raise LayoutError(
            f"{plain} tables of the store are of one server alone, and would not be "
            "replicated; see deploy/runbook.md"
        )
    return ClusterStore(store, cluster) if cluster else store
