"""
All statements that an empty store needs, in order: tables, rollups, views.

The keeper makes the same at its start (`pipeline/migrate.py`); these are for whoever
wants to read them, or to make a store by hand.
"""

from pipeline.migrate import create_view
from pipeline.queries import load_views
from schemas.ddl import all_ddl
from schemas.ddl_cluster import ALL_SHARDS, distributed_ddl, on_cluster
from schemas.ddl_rollup import rollup_ddl, rollup_views
from schemas.policy import Policy
from schemas.rollups import load_rollups


def server_statements(policy: Policy) -> list[str]:
    """Return them for the embedded engine, or one server."""
    made = all_ddl(policy)
    for name, rollup in load_rollups().items():
        made += rollup_ddl(policy, name, rollup)
        made += rollup_views(policy, name, rollup)
    return made + [create_view(view) for view in load_views().values()]


def cluster_statements(
    policy: Policy, cluster: str, database: str = ALL_SHARDS
) -> list[str]:
    """
    Return them for a cluster, with the tables that read all of its shards.

    Args:
        policy: the policy.
        cluster: its name in the servers' configuration.
        database: where those that read all shards are made.

    Raises:
        ClusterError: when a name is none.

    """
    made = [on_cluster(one, cluster) for one in server_statements(policy)]
    return made + distributed_ddl(policy, load_rollups(), cluster, database)


def script(statements: list[str]) -> str:
    """Return statements as a file for `clickhouse client`."""
    return ";\n\n".join(statements) + ";\n"
