"""
Who may do what in a ClickHouse server's store: roles, limits, quotas.

- `kastana_keeper`: the keeper. It makes and alters the tables of its database, adds
  rows, and deletes what was withdrawn. It can read or write nothing else: no files, no
  URLs, no other database.
- `kastana_analyst`: reads the database, within limits that it cannot raise.
- `kastana_admin`: everything in the database, and who has which role.

Users are the operator's to make: passwords are in no file of ours. The embedded engine
knows no roles; there SqlGuard and READ_LIMITS do what is done here.
"""

from typing import Final

from schemas.ddl import DATABASE
from schemas.ddl_cluster import ALL_SHARDS, quoted

ROLES: Final = ("kastana_keeper", "kastana_analyst", "kastana_admin")
# In the order of the statements that need it: `CREATE OR REPLACE VIEW` drops the old
# one, a mutation is an ALTER, a changed sorting key exchanges two tables.
_KEEPER: Final = (
    "SHOW, SELECT, INSERT, ALTER TABLE, ALTER VIEW, CREATE DATABASE, CREATE TABLE, "
    "CREATE VIEW, DROP TABLE, DROP VIEW"
)
_SYSTEM: Final = ("columns", "databases", "mutations", "parts", "settings", "tables")
_KEEPER_SETTINGS: Final = (
    # A loaded segment is a part on disk, not a promise of a buffer.
    "async_insert = 0",
    "insert_deduplicate = 1",
    # Its statements name pseudonyms of those who withdrew.
    "log_queries = 0",
)
_CLUSTER_SETTINGS: Final = (
    # An insert counts when most replicas have it.
    "insert_quorum = 'auto'",
    "insert_quorum_timeout = 60000",
    # A replica that is away gets new tables when it is back.
    "distributed_ddl_output_mode = 'null_status_on_timeout_only_active'",
    "distributed_ddl_task_timeout = 60",
)
# `MAX`: a client may ask for less, never for more.
_ANALYST_SETTINGS: Final = (
    "readonly = 2 CONST",
    "allow_ddl = 0 CONST",
    "max_execution_time = 60 MIN 1 MAX 60",
    "max_memory_usage = 1073741824 MIN 1 MAX 1073741824",
    "max_result_rows = 1000000 MIN 1 MAX 1000000",
    "max_result_bytes = 268435456 MIN 1 MAX 268435456",
    "max_threads = 4 MIN 1 MAX 4",
)


def access_ddl(cluster: str = "", database: str = ALL_SHARDS) -> list[str]:
    """
    Return what makes roles, settings profiles and the analysts' quota.

    Args:
        cluster: on whose servers; "" for one server.
        database: with a cluster, where the tables of all shards are.

    Raises:
        ClusterError: when the cluster's name is none.

    """
    where = f" ON CLUSTER {quoted(cluster)}" if cluster else ""
    keeper = (*_KEEPER_SETTINGS, *(_CLUSTER_SETTINGS if cluster else ()))
    made = [f"CREATE ROLE IF NOT EXISTS {name}{where}" for name in ROLES]
    made += [
        f"CREATE SETTINGS PROFILE OR REPLACE {name}{where}\n"
        f"SETTINGS {', '.join(settings)}\nTO {name}"
        for name, settings in (
            ("kastana_keeper", keeper),
            ("kastana_analyst", _ANALYST_SETTINGS),
        )
    ]
    made.append(
        f"CREATE QUOTA OR REPLACE kastana_analyst{where} KEYED BY user_name\n"
        "FOR INTERVAL 1 hour MAX queries = 3600, execution_time = 1800\n"
        "TO kastana_analyst"
    )
    grants = [
        (f"{_KEEPER} ON {DATABASE}.*", "kastana_keeper"),
        *((f"SELECT ON system.{name}", "kastana_keeper") for name in _SYSTEM),
        (f"SHOW, SELECT ON {DATABASE}.*", "kastana_analyst"),
        (f"ALL ON {DATABASE}.*", "kastana_admin"),
        ("ACCESS MANAGEMENT ON *.*", "kastana_admin"),
        ("SELECT ON system.*", "kastana_admin"),
    ]
    if cluster:
        grants += [
            ("CLUSTER ON *.*", "kastana_keeper"),
            ("CLUSTER ON *.*", "kastana_admin"),
            (f"SHOW, SELECT ON `{database}`.*", "kastana_analyst"),
            (f"ALL ON `{database}`.*", "kastana_admin"),
        ]
    return made + [f"GRANT{where} {what} TO {role}" for what, role in grants]
