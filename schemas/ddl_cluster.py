"""
The statements of the policy for a cluster: run on all its servers, tables replicated.

Our statements are made line by line (schemas/ddl.py, schemas/ddl_rollup.py): a head
with a name, columns, `ENGINE = …`, `SETTINGS …`. What is not of that form is refused,
so that nothing of ours goes to one server alone, or into a table without replicas.

- `kastana` has the replicated tables of a shard. Replicas of it know what one of them
  was given: a repeated segment is taken once, whichever replica is asked.
- `kastana_all` has a Distributed table for each, to read all shards. Rows written
  through it go where their key says, which is always the same place: all rows of one
  event id lie on one shard, and only there can they become one.
"""

import re
from collections.abc import Iterable
from typing import Final

from schemas.ddl import DATABASE, DEDUPLICATION_WINDOW, settings_clause
from schemas.policy_types import Policy

ALL_SHARDS: Final = "kastana_all"
# The engine forgets after an hour, by default. A segment whose answer was lost may be
# tried again after a whole outage, so the limit is the number of inserts alone.
_REMEMBERED_S: Final = 30 * 86_400
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
_HEADS: Final = (
    "ALTER TABLE ",
    "CREATE DATABASE IF NOT EXISTS ",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
    "CREATE OR REPLACE VIEW ",
    "CREATE TABLE IF NOT EXISTS ",
    "DROP TABLE IF EXISTS ",
    "DROP VIEW IF EXISTS ",
)
# The name after a head, and the gap behind it.
_NAME: Final = re.compile(r"([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?)(?=\s|\Z)")
_ENGINE: Final = "ENGINE = "
_FAMILY: Final = re.compile(
    r"((?:Aggregating|Replacing|Summing)?MergeTree)(?:\((.*)\))?\Z"
)
_SETTINGS: Final = "SETTINGS "
_OWN_WINDOW: Final = "non_replicated_deduplication_window"


class ClusterError(ValueError):
    """A statement, or a name, that has no form for a cluster."""


def on_cluster(statement: str, cluster: str) -> str:
    """
    Return one of our statements as all servers of a cluster are to run it.

    A table's engine becomes its replicated form. What adds rows is left as it is:
    replicas pass on rows by themselves.

    Args:
        statement: made by schemas/ddl.py or schemas/ddl_rollup.py, or a view's.
        cluster: its name in the servers' configuration.

    Raises:
        ClusterError: for a statement of any other form.

    """
    if statement.startswith("INSERT INTO "):
        return statement
    head = next((one for one in _HEADS if statement.startswith(one)), None)
    name = _NAME.match(statement, len(head)) if head is not None else None
    if head is None or name is None:
        raise ClusterError("a statement that is not known to work on a cluster")
    rest = statement[name.end() :]
    if head == "CREATE TABLE IF NOT EXISTS ":
        rest = _replicated(rest, name[1])
    return f"{head}{name[1]} ON CLUSTER {quoted(cluster)}{rest}"


def distributed_ddl(
    policy: Policy, rollups: Iterable[str], cluster: str, database: str = ALL_SHARDS
) -> list[str]:
    """
    Return what makes the tables that read, and write to, all shards.

    They hold nothing themselves and are made anew each time. Of a rollup it is the
    view of its totals: each shard's are exact, and they add up.

    Args:
        policy: whose tables.
        rollups: names of rollups.
        cluster: its name in the servers' configuration.
        database: where they are made.

    Raises:
        ClusterError: when a name is none.

    """
    if not _IDENTIFIER.match(database) or database == DATABASE:
        raise ClusterError("the database of all shards needs a name of its own")
    where = f"ON CLUSTER {quoted(cluster)}"
    keys = {name: sharding_key(policy, name) for name in policy.tables}
    # Nothing is written through the last, so where it would go is all the same.
    keys.update({f"{name}_states": "" for name in rollups})
    made = [f"CREATE DATABASE IF NOT EXISTS `{database}` {where}"]
    for name, key in keys.items():
        to = f"{quoted(cluster)}, {DATABASE}, {name}" + (f", {key}" if key else "")
        made.append(
            f"CREATE OR REPLACE TABLE `{database}`.{name} {where}\n"
            f"AS {DATABASE}.{name}\nENGINE = Distributed({to})"
        )
    return made


def sharding_key(policy: Policy, table: str) -> str:
    """
    Return by what rows of a table are spread over shards.

    It is a function of the row alone, so that a repeated insert is cut into the same
    blocks: of events what stands for their id; of the ledger a chain; else the site.
    """
    rules = policy.tables[table]
    if rules.short_ids:
        # Its low bits are a hash.
        return ", ".join(rules.short_ids)
    if rules.columns == "ledger":
        return "sipHash64(site, chain)"
    return "sipHash64(site)"


def quoted(cluster: str) -> str:
    """
    Return a cluster's name as SQL has it.

    Raises:
        ClusterError: when it is none.

    """
    if not _IDENTIFIER.match(cluster):
        raise ClusterError("a cluster's name is letters, digits, `_` and `-`")
    return f"`{cluster}`"


def _replicated(rest: str, name: str) -> str:
    """Return what follows a table's name, its engine and settings replicated."""
    lines = rest.split("\n")
    engines = [at for at, line in enumerate(lines) if line.startswith(_ENGINE)]
    settings = [at for at, line in enumerate(lines) if line.startswith(_SETTINGS)]
    if len(engines) != 1 or len(settings) != 1:
        raise ClusterError("a table without one line for its engine and its settings")
    engine = _FAMILY.match(lines[engines[0]].removeprefix(_ENGINE))
    if engine is None or lines[settings[0]] != _SETTINGS + settings_clause():
        raise ClusterError("a table whose engine or settings are of another kind")
    # By names, not by the table's own id: a replica that is added later has to find
    # the others under the same path.
    table = name.partition(".")[2]
    place = f"'/clickhouse/tables/{{shard}}/{DATABASE}/{table}', '{{replica}}'"
    arguments = f"{place}, {engine[2]}" if engine[2] else place
    lines[engines[0]] = f"{_ENGINE}Replicated{engine[1]}({arguments})"
    lines[settings[0]] = _SETTINGS + _replicated_settings()
    return "\n".join(lines)


def _replicated_settings() -> str:
    window = (
        f"replicated_deduplication_window = {DEDUPLICATION_WINDOW}, "
        f"replicated_deduplication_window_seconds = {_REMEMBERED_S}"
    )
    kept = [
        one
        for one in settings_clause().split(", ")
        if not one.startswith(f"{_OWN_WINDOW} ")
    ]
    return ", ".join([window, *kept])
