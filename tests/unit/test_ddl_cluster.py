"""A cluster's statements: every one on all servers, every table replicated."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.statements import cluster_statements, server_statements
from schemas.ddl import DEDUPLICATION_WINDOW, create_table
from schemas.ddl_access import ROLES, access_ddl
from schemas.ddl_cluster import ClusterError, distributed_ddl, on_cluster, sharding_key
from schemas.ddl_rollup import rollup_tables
from schemas.policy import load_policy
from schemas.rollups import load_rollups
from tests.builders import ROOT

POLICY = load_policy()
REPLICATED = re.compile(r"Replicated(\w*MergeTree)\('([^']+)', '([^']+)'")
TABLES = [*POLICY.tables, *rollup_tables(load_rollups())]


def engine(stage: str, folder: Path) -> dict[str, Any]:
    """Return what the engine made of the statements, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster_child", stage, folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the engine made of Distributed tables, and of every statement."""
    return engine("distributed", tmp_path_factory.mktemp("distributed"))


def test_all_parse(distributed: dict[str, Any]) -> None:
    """The engine's parser takes every statement for servers, clusters and roles."""
    parsed = dict(distributed["parsed"])
    made = [
        *server_statements(POLICY),
        *cluster_statements(POLICY, "kastana"),
        *access_ddl(),
        *access_ddl("kastana"),
    ]

    assert [] == [one for one in made if not parsed[one]]


def test_all_on_cluster(distributed: dict[str, Any]) -> None:
    """Each statement for a cluster is one that all of its servers run."""
    parsed = dict(distributed["parsed"])
    made = [*cluster_statements(POLICY, "kastana"), *access_ddl("kastana")]

    assert [] == [one for one in made if " ON CLUSTER kastana" not in parsed[one]]


def test_replicated_in_the_engine(tmp_path: Path) -> None:
    """The engine makes every table, replicated, each under a path of its own."""
    engines = engine("replicated", tmp_path)["engines"]
    created = {
        name: statement
        for name, kind, statement in engines
        if kind.endswith("MergeTree")
    }
    paths = {name: REPLICATED.search(text) for name, text in created.items()}

    assert {f"kastana.{name}" for name in TABLES} == set(created)
    assert {
        name: (f"/clickhouse/tables/{{shard}}/kastana/{name[8:]}", "{replica}")
        for name in created
    } == {name: found and (found[2], found[3]) for name, found in paths.items()}


def test_remembered_through_an_outage() -> None:
    """Replicated tables forget no insert within a month, not after an hour."""
    for statement in cluster_statements(POLICY, "kastana"):
        if statement.startswith("CREATE TABLE IF NOT EXISTS"):
            window = f"replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
            assert f"SETTINGS {window}, " in statement
            assert "replicated_deduplication_window_seconds = 2592000" in statement
            assert "non_replicated" not in statement


def test_distributed_in_the_engine(distributed: dict[str, Any]) -> None:
    """Through all shards' tables an insert counts once, and so does an event."""
    assert [[2]] == distributed["stored"]
    assert [[1, 1]] == distributed["read"]
    assert [[1]] == distributed["hours"]


def test_one_event_one_shard() -> None:
    """Rows go where a function of their own columns says, those of an id together."""
    assert "event_key" == sharding_key(POLICY, "events")
    assert "sipHash64(site, chain)" == sharding_key(POLICY, "consents")
    assert "sipHash64(site)" == sharding_key(POLICY, "counts")


def test_engine_keeps_its_arguments() -> None:
    """What a table's engine was given follows path and replica."""
    made = on_cluster(create_table(POLICY, "counts"), "c")

    assert (
        "ENGINE = ReplicatedSummingMergeTree("
        "'/clickhouse/tables/{shard}/kastana/counts', '{replica}', events)" in made
    )


@pytest.mark.parametrize(
    "statement",
    [
        "EXCHANGE TABLES kastana.a AND kastana.b",
        "CREATE TABLE kastana.a (b UInt8) ENGINE = MergeTree ORDER BY b",
        "CREATE TABLE IF NOT EXISTS kastana.a\n(\n    `b` UInt8\n)\nENGINE = Log",
        "CREATE TABLE IF NOT EXISTS kastana.a\n(\n    `b` UInt8\n)\nENGINE = MergeTree",
        "CREATE TABLE IF NOT EXISTS `odd name`",
        "TRUNCATE TABLE kastana.events",
    ],
)
def test_unknown_statements(statement: str) -> None:
    """What is not known to work on a cluster is refused."""
    with pytest.raises(ClusterError):
        on_cluster(statement, "kastana")


def test_other_settings() -> None:
    """A table that would lose its own settings is refused."""
    made = create_table(POLICY, "counts").replace("\nSETTINGS ", "\nSETTINGS a = 1, ")
    with pytest.raises(ClusterError):
        on_cluster(made, "kastana")


@pytest.mark.parametrize("name", ["", "a b", "a`; DROP", "1a", "a" * 65, "a\n"])
def test_names(name: str) -> None:
    """What is no name gets into no statement."""
    with pytest.raises(ClusterError):
        on_cluster("CREATE DATABASE IF NOT EXISTS kastana", name)
    with pytest.raises(ClusterError):
        distributed_ddl(POLICY, [], "kastana", name)


def test_databases_are_two() -> None:
    """The tables of all shards do not take the place of a shard's own."""
    with pytest.raises(ClusterError):
        distributed_ddl(POLICY, [], "kastana", "kastana")


def test_roles() -> None:
    """An analyst may read, the keeper may not reach beyond its database."""
    grants = [one for one in access_ddl() if one.startswith("GRANT ")]
    of = {role: [one for one in grants if one.endswith(f" {role}")] for role in ROLES}

    assert ["GRANT SHOW, SELECT ON kastana.* TO kastana_analyst"] == of[
        "kastana_analyst"
    ]
    assert [] == [
        one
        for one in of["kastana_keeper"]
        if " ON kastana.* " not in one and "GRANT SELECT ON system." not in one
    ]
    assert len(grants) == sum(map(len, of.values()))
