"""Bringing a store up to the policy: forward only, and only where it differs."""

import copy
import re

import orjson
import pytest

from pipeline.migrate import migrate
from pipeline.queries import load_views
from schemas.ddl import DriftError, all_ddl, table_comment, table_types
from schemas.ddl_rollup import rollup_comment
from schemas.policy import Policy, load_policy
from schemas.rollups import load_rollups
from tests.builders import parse_changed, policy_toml

POLICY = load_policy()


class Store:
    """A store that answers from what its tables are said to be, and takes notes."""

    def __init__(self, policy: Policy) -> None:
        self.comments = {name: table_comment(policy, name) for name in policy.tables}
        self.types = {name: table_types(policy, name) for name in policy.tables}
        self.keys = {name: list(it.order_by) for name, it in policy.tables.items()}
        self.created = dict(
            zip(policy.tables, all_ddl(policy)[1:], strict=True),
        )
        for name, rollup in load_rollups().items():
            self.comments[f"{name}_marks"] = rollup_comment(policy, name, rollup)
            self.keys[f"{name}_marks"] = ["site", "hour"]
        self.commands: list[str] = []

    def command(self, sql: str) -> None:
        """Note a statement."""
        self.commands.append(sql)

    def query(self, sql: str, fmt: str) -> bytes:
        """Answer what a migration asks."""
        assert "JSONEachRow" == fmt
        table = re.findall(r"(?:name = '|table = '|kastana\.)(\w+)", sql)[-1]
        if "system.tables" in sql:
            key = ", ".join(self.keys[table])
            return orjson.dumps({"comment": self.comments[table], "sorting_key": key})
        if "system.columns" in sql:
            return b"\n".join(
                orjson.dumps({"name": name, "type": kind})
                for name, kind in self.types[table].items()
            )
        return orjson.dumps({"statement": self.created[table]})

    @property
    def altered(self) -> list[str]:
        """The statements that change a table."""
        return [sql for sql in self.commands if sql.startswith("ALTER")]


def changed(section: str, name: str, key: str, value: object) -> Policy:
    """Return the shipped policy with one other value."""
    content = copy.deepcopy(policy_toml())
    content[section][name][key] = value
    return parse_changed(content)


def test_up_to_date() -> None:
    """What is as the policy says is made if missing, and not touched."""
    store = Store(POLICY)
    migrate(store, POLICY)

    assert all_ddl(POLICY) == store.commands[: len(all_ddl(POLICY))]
    assert [] == store.altered


def test_views_are_made_anew() -> None:
    """Every start makes the views that ship, after the tables."""
    store = Store(POLICY)
    migrate(store, POLICY)

    made = [sql.partition("\n")[0] for sql in store.commands if " VIEW " in sql]
    of_rollups = 2 * len(load_rollups())

    assert [
        f"CREATE OR REPLACE VIEW kastana.{name} AS" for name in load_views()
    ] == made[of_rollups:]
    assert " VIEW " in store.commands[-1]


def test_changed_retention() -> None:
    """Another number of days is brought to the table, column by column."""
    store = Store(POLICY)
    migrate(store, changed("retention", "address", "days", 7))

    assert [] != [sql for sql in store.altered if "`client_address`" in sql]
    assert 1 == "".join(store.altered).count("INTERVAL 7 DAY")
    assert not [
        sql for sql in store.commands if "DROP" in sql and "_reordered " not in sql
    ]


def test_expiry_taken_back() -> None:
    """The TTL that a stored column has and the policy no longer wants, is removed."""
    store = Store(POLICY)
    migrate(store, changed("fields", "client_address", "retention", "row"))

    removed = (
        "ALTER TABLE kastana.events\n    MODIFY COLUMN `client_address` REMOVE TTL"
    )

    assert [removed] == [sql for sql in store.altered if "REMOVE TTL" in sql]


def test_new_field() -> None:
    """A field that the table lacks becomes a column."""
    store = Store(POLICY)
    del store.types["events"]["time_zone"]
    store.comments["events"] = "Policy of an older day"
    migrate(store, POLICY)

    lines = "\n".join(store.altered).splitlines()

    assert ["time_zone"] == [
        line.split("`")[1] for line in lines if "ADD COLUMN" in line
    ]


@pytest.mark.parametrize("column", ["visitor_id", "mood"])
def test_drift(column: str) -> None:
    """A column that would have to change its type, or go, stops the start."""
    store = Store(POLICY)
    store.types["events"][column] = "String"
    store.comments["events"] = "Policy of an older day"

    with pytest.raises(DriftError, match=column):
        migrate(store, POLICY)
    assert [] == store.altered
