"""
A cluster's statements in the engine, as far as one process of it goes.

    python -m tests.cluster_child replicated|distributed FOLDER

`ON CLUSTER` needs a server's queue of statements, so each is run without it. Under a
coordination service that is a mere stand-in (`testkeeper`), replicated tables are made
and take no rows. What goes through a Distributed table is therefore tried over plain
tables, with this process as the one shard.
"""

import os
import sys
from pathlib import Path

import orjson
from chdb.session import Session

from pipeline.statements import cluster_statements, server_statements
from schemas.ddl_access import access_ddl
from schemas.ddl_cluster import distributed_ddl
from schemas.policy import load_policy
from schemas.rollups import load_rollups

_CONFIG = """
<clickhouse>
  <tcp_port>9000</tcp_port>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
  <macros><shard>1</shard><replica>first</replica></macros>
  <remote_servers><kastana><shard>
    <internal_replication>true</internal_replication>
    <replica><host>127.0.0.1</host><port>9000</port></replica>
  </shard></kastana></remote_servers>
</clickhouse>
"""
_INSERT = """
INSERT INTO kastana_all.events (event_id, site, event_name, occurred_at)
SETTINGS distributed_foreground_insert = 1, async_insert = 0,
    insert_deduplication_token = '{token}'
VALUES ('{event_id}', 'a.example', 'page_view', '2026-11-20 10:00:00.000')
"""
_EVENT = "018f4d5e-7b2a-7c3d-9e4f-0123456789ab"


def main() -> None:
    """Run the statements; print what came of them as JSON."""
    stage, folder = sys.argv[1], Path(sys.argv[2])
    config = folder / "config.xml"
    config.write_text(_CONFIG, encoding="ascii")
    engine = Session(f"{folder / 'engine'}?config-file={config}")

    def rows(sql: str) -> list[list[object]]:
        answer = engine.query(sql, "JSONCompactEachRow").bytes()
        return [orjson.loads(line) for line in answer.splitlines()]

    policy, rollups = load_policy(), load_rollups()
    if stage == "replicated":
        made = cluster_statements(policy, "kastana")
    else:
        made = server_statements(policy)
        made += distributed_ddl(policy, rollups, "kastana")
    for statement in made:
        engine.query(statement.replace(" ON CLUSTER `kastana`", "", 1))
    found = {
        "engines": rows(
            "SELECT database || '.' || name, engine, create_table_query "
            "FROM system.tables WHERE startsWith(database, 'kastana') ORDER BY 1"
        )
    }
    if stage == "distributed":
        every = [*made, *cluster_statements(policy, "kastana")]
        every += [*access_ddl(), *access_ddl("kastana")]
        found["parsed"] = [
            [one, rows(f"SELECT formatQuerySingleLine($sql${one}$sql$)")[0][0]]
            for one in every
        ]
        for token in ("one", "one", "two"):
            engine.query(_INSERT.format(token=token, event_id=_EVENT))
        found["stored"] = rows("SELECT count() FROM kastana.events")
        found["read"] = rows(
            "SELECT count(), any(event_key) != 0 FROM kastana_all.events FINAL"
        )
        found["hours"] = rows("SELECT sum(views) FROM kastana_all.page_hours_states")
    sys.stdout.buffer.write(orjson.dumps(found))
    sys.stdout.flush()
    # The stand-in's replicas cannot be ended: the engine would wait for them for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
