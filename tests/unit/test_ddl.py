"""The tables derive from the policy: columns, words, expiry."""

import copy
import re

import pytest

from schemas.ddl import (
    DriftError,
    all_ddl,
    alter_table,
    column_types,
    create_table,
    segment_header,
    table_comment,
)
from schemas.policy import load_policy
from tests.builders import parse_changed, policy_toml

TOML = policy_toml()
POLICY = load_policy()


def column_lines(sql: str) -> dict[str, str]:
    """Return the definition of each column in a CREATE TABLE."""
    return {
        line.split("`")[1]: line
        for line in sql.splitlines()
        if line.startswith("    `")
    }


def expected_days(name: str) -> int | None:
    """Return after how many days a column of events expires by itself."""
    days: dict[str, int] = {key: it["days"] for key, it in TOML["retention"].items()}
    own = days[TOML["fields"][name]["retention"]]
    return own if own < days[TOML["tables"]["events"]["retention"]] else None


@pytest.mark.parametrize("name", TOML["fields"])
def test_columns(name: str) -> None:
    """Each column has its type, its reason to exist, and its own expiry."""
    field = TOML["fields"][name]
    line = column_lines(create_table(POLICY, "events"))[name]
    ttl = re.search(r"TTL toDateTime\(occurred_at\) \+ INTERVAL (\d+) DAY", line)

    assert line.startswith(f"    `{name}` {field['type']} COMMENT '")
    assert field["description"].replace("'", "\\'") in line
    assert f"Purposes: {', '.join(field['purposes'])}. " in line
    assert f"Consent: {field['consent_category']}." in line
    assert " CODEC(" in line
    assert expected_days(name) == (int(ttl[1]) if ttl else None)


def test_some_columns_expire_first() -> None:
    """Addresses, identifiers, coordinates and error texts go before their row."""
    expiring = [name for name in TOML["fields"] if expected_days(name) is not None]

    assert [
        "visitor_id",
        "client_address",
        "geo_latitude",
        "geo_longitude",
        "exception_message",
        "exception_stacktrace",
    ] == expiring


@pytest.mark.parametrize("table", TOML["tables"])
def test_tables(table: str) -> None:
    """Each table has the engine, order and expiry that the policy gives it."""
    rules = TOML["tables"][table]
    days = TOML["retention"][rules["retention"]]["days"]
    sql = create_table(POLICY, table)

    assert f"ENGINE = {rules['engine']}({rules['sum']})\n" in sql
    assert f"PARTITION BY {rules['partition_by']}\n" in sql
    assert f"ORDER BY ({', '.join(rules['order_by'])})\n" in sql
    assert f"\nTTL toDateTime(occurred_at) + INTERVAL {days} DAY DELETE\n" in sql
    assert "non_replicated_deduplication_window = 10000" in sql
    assert "fsync_after_insert = 1" in sql
    assert sql.startswith(f"CREATE TABLE IF NOT EXISTS kastana.{table}\n(")


def test_counters_expire_with_their_row() -> None:
    """A table of counters holds nothing about anyone: no column goes before."""
    assert not [
        line
        for line in column_lines(create_table(POLICY, "counts")).values()
        if " TTL " in line
    ]


def test_everything_in_order() -> None:
    """The database comes first, then each table of the policy."""
    statements = all_ddl(POLICY)

    assert "CREATE DATABASE IF NOT EXISTS kastana" == statements[0]
    assert [create_table(POLICY, name) for name in TOML["tables"]] == statements[1:]


def test_header_names_and_types() -> None:
    """A segment's header is the table's columns with their types."""
    names, types = segment_header(POLICY, "counts")

    assert column_types(POLICY, "counts") == dict(zip(names, types, strict=True))
    assert ("events", "UInt64") == (names[-1], types[-1])


def test_words_are_quoted() -> None:
    """A description may hold what SQL takes for the end of a text."""
    content = copy.deepcopy(TOML)
    content["fields"]["site"]["description"] = "the site's \\ name"

    sql = create_table(parse_changed(content), "events")

    assert "COMMENT 'the site\\'s \\\\ name. Kind: " in sql


@pytest.mark.parametrize(
    "path",
    [
        ("fields", "site", "description", "Another word"),
        ("fields", "client_address", "retention", "diagnostics"),
        ("retention", "row", "days", 700),
        ("retention", "address", "days", 7),
        ("tables", "events", "description", "Rows"),
        ("policy", "version", "2026-01-01"),
    ],
)
def test_comment_tells_definitions_apart(path: tuple[str | int, ...]) -> None:
    """Whatever of a definition changes, the table's comment changes with it."""
    content = copy.deepcopy(TOML)
    *tables, key, value = path
    place = content
    for name in tables:
        place = place[str(name)]
    place[str(key)] = value

    assert table_comment(POLICY, "events") != table_comment(
        parse_changed(content), "events"
    )


def test_alter_adds_and_renews() -> None:
    """A missing column is added, the others renewed; nothing is dropped."""
    existing = column_types(POLICY, "events")
    del existing["time_zone"]

    statements = alter_table(POLICY, "events", existing, frozenset())

    assert ["time_zone"] == [
        text.split("`")[1] for text in statements if " ADD COLUMN " in text
    ]
    assert list(existing) == [
        text.split("`")[1] for text in statements if " MODIFY COLUMN " in text
    ]
    assert not [text for text in statements if " DROP " in text]
    assert statements[-2].endswith(
        "MODIFY TTL toDateTime(occurred_at) + INTERVAL 760 DAY"
    )
    assert "MODIFY COMMENT 'One row an event that was kept" in statements[-1]


def test_alter_takes_an_expiry_back() -> None:
    """A column that no longer expires before its row loses its TTL, no other does."""
    existing = column_types(POLICY, "events")
    expiring = frozenset({"time_zone", "visitor_id"})

    statements = alter_table(POLICY, "events", existing, expiring)

    assert ["ALTER TABLE kastana.events MODIFY COLUMN `time_zone` REMOVE TTL"] == [
        text for text in statements if "REMOVE TTL" in text
    ]


@pytest.mark.parametrize(
    ("column", "stored"), [("visitor_id", "String"), ("mood", "String")]
)
def test_drift(column: str, stored: str) -> None:
    """A stored column of another type, or of none, stops the change."""
    existing = {**column_types(POLICY, "events"), column: stored}

    with pytest.raises(DriftError, match=rf"kastana\.events\.{column} is stored as"):
        alter_table(POLICY, "events", existing, frozenset())
