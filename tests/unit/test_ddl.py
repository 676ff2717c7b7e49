"""The tables derive from the policy: columns, words, expiry."""

import copy
import re
from typing import Any

import pytest

from schemas.ddl import (
    DriftError,
    Stored,
    all_ddl,
    alter_table,
    column_types,
    create_table,
    segment_header,
    table_comment,
    table_types,
)
from schemas.policy import load_policy
from schemas.row import ConsentRow
from tests.builders import parse_changed, policy_toml

TOML = policy_toml()
POLICY = load_policy()


def stored(
    types: dict[str, str], *expiring: str, key: list[str] | None = None
) -> Stored:
    """Return what a table has: these columns, the policy's own key unless another."""
    name = "counts" if "events" in types else "events"
    order = TOML["tables"][name]["order_by"] if key is None else key
    return Stored(types, frozenset(expiring), order)


def column_lines(sql: str) -> dict[str, str]:
    """Return the definition of each column in a CREATE TABLE."""
    return {
        line.split("`")[1]: line
        for line in sql.splitlines()
        if line.startswith("    `")
    }


def stored_as(name: str) -> str:
    """Return how a column of events is stored: an id that travels only, a text once."""
    rules = TOML["tables"]["events"]
    if name in rules["short_ids"].values():
        return "UUID EPHEMERAL"
    if name in rules["dictionary"]:
        return "LowCardinality(String)"
    return str(TOML["fields"][name]["type"])


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

    assert line.startswith(f"    `{name}` {stored_as(name)} COMMENT '")
    assert field["description"].replace("'", "\\'") in line
    assert f"Purposes: {', '.join(field['purposes'])}. " in line
    assert f"Consent: {field['consent_category']}." in line
    assert (" CODEC(" in line) is not (name == "event_id")
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
    assert f"\nTTL toDateTime({rules['time']}) + INTERVAL {days} DAY DELETE\n" in sql
    assert "non_replicated_deduplication_window = 10000" in sql
    assert "fsync_after_insert = 1" in sql
    assert sql.startswith(f"CREATE TABLE IF NOT EXISTS kastana.{table}\n(")


def test_codecs() -> None:
    """Every stored column is compressed by its type, a short id as what it is."""
    types = table_types(POLICY, "events")
    codecs = {
        name: line.rpartition(" CODEC(")[2].partition(") TTL ")[0].removesuffix("),")
        for name, line in column_lines(create_table(POLICY, "events")).items()
    }

    assert "Delta, ZSTD(3)" == codecs.pop("event_key").removesuffix(")")
    assert "EPHEMERAL" in codecs.pop("event_id")
    assert {
        name: "T64, ZSTD(1)" if types[name] == "UInt32" else "ZSTD(3)"
        for name in codecs
    } == codecs


def test_id_only_travels() -> None:
    """The whole id is named by segments and not stored; its key is made of it."""
    lines = column_lines(create_table(POLICY, "events"))
    names, types = segment_header(POLICY, "events")

    assert ("event_id", "UUID") == (names[0], types[0])
    assert "event_key" not in names
    assert "`event_id` UUID EPHEMERAL COMMENT " in lines["event_id"]
    assert "`event_key` UInt64 DEFAULT if(" in lines["event_key"]
    assert "sipHash64(`event_id`)" in lines["event_key"]


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
        (
            "tables",
            "events",
            "order_by",
            [*TOML["tables"]["events"]["order_by"], "door"],
        ),
    ],
)
def test_comment_tells_definitions_apart(path: tuple[Any, ...]) -> None:
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


def test_comment_tells_the_version() -> None:
    """The comment says which version of the policy the table follows."""
    content = copy.deepcopy(TOML)
    content["policy"]["version"] = "2026-01-01"
    content["policy_versions"]["2026-01-01"] = {"material": []}

    assert "Policy 2026-01-01, " in table_comment(parse_changed(content), "events")


def test_alter_adds_and_renews() -> None:
    """A missing column is added, the others renewed; nothing is dropped."""
    existing = table_types(POLICY, "events")
    del existing["time_zone"]

    changes, comment = alter_table(POLICY, "events", stored(existing))
    lines = changes.splitlines()

    assert "ALTER TABLE kastana.events" == lines[0]
    assert ["time_zone"] == [
        line.split("`")[1] for line in lines if " ADD COLUMN " in line
    ]
    assert list(existing) == [
        line.split("`")[1] for line in lines if " MODIFY COLUMN " in line
    ]
    assert not [line for line in lines if " DROP " in line]
    assert "    MODIFY TTL toDateTime(occurred_at) + INTERVAL 760 DAY" == lines[-1]
    assert "MODIFY COMMENT 'One row an event that was kept" in comment


def test_alter_takes_an_expiry_back() -> None:
    """A column that no longer expires before its row loses its TTL, no other does."""
    now = stored(table_types(POLICY, "events"), "time_zone", "visitor_id")

    _, removals, _ = alter_table(POLICY, "events", now)

    assert (
        "ALTER TABLE kastana.events\n    MODIFY COLUMN `time_zone` REMOVE TTL"
        == removals
    )


@pytest.mark.parametrize(
    ("column", "kind"), [("visitor_id", "String"), ("mood", "String")]
)
def test_drift(column: str, kind: str) -> None:
    """A stored column of another type, or of none, stops the change."""
    existing = {**table_types(POLICY, "events"), column: kind}

    with pytest.raises(DriftError, match=rf"kastana\.events\.{column} is stored as"):
        alter_table(POLICY, "events", stored(existing))


# -------------------------------------------------------------------- the sorting key
OLD_KEY = [key for key in TOML["tables"]["counts"]["order_by"] if key != "device_type"]


def test_new_column_joins_the_key() -> None:
    """A new column of the key is added and put to the key's end in one statement."""
    existing = column_types(POLICY, "counts")
    del existing["device_type"]

    changes, _ = alter_table(POLICY, "counts", stored(existing, key=OLD_KEY))

    assert 1 == changes.count("\n    ADD COLUMN `device_type` ")
    assert f",\n    MODIFY ORDER BY ({', '.join(OLD_KEY)}, device_type)," in changes


@pytest.mark.parametrize(
    ("key", "column"),
    [(OLD_KEY, "device_type"), ([*OLD_KEY, "device_type", "mood"], "mood")],
)
def test_key_drift(key: list[str], column: str) -> None:
    """What has values cannot join the key, and what is in it cannot leave."""
    existing = column_types(POLICY, "counts")

    with pytest.raises(DriftError, match=rf"kastana\.counts\.{column} is stored as"):
        alter_table(POLICY, "counts", stored(existing, key=key))


def test_order_of_the_key_is_left() -> None:
    """Where in the key a column stands in an older table is no reason to touch it."""
    existing = column_types(POLICY, "counts")
    key = [*OLD_KEY, "device_type"][::-1]

    assert not [
        text
        for text in alter_table(POLICY, "counts", stored(existing, key=key))
        if "ORDER BY" in text
    ]


# ------------------------------------------------------------------------- the ledger
def test_ledger_columns() -> None:
    """The ledger has its own columns, and none of them expires before its row."""
    lines = column_lines(create_table(POLICY, "consents"))

    assert list(TOML["ledger"]) == list(lines)
    for name, column in TOML["ledger"].items():
        assert lines[name].startswith(f"    `{name}` {column['type']} COMMENT '")
        assert column["description"].replace("'", "\\'") in lines[name]
        assert " TTL " not in lines[name]


def test_ledger_has_no_room_for_raw_data() -> None:
    """No address, no agent, no coordinates, no string of signals."""
    names = set(TOML["ledger"])

    assert not {
        name
        for name in names
        if any(word in name for word in ("address", "agent", "geo_", "cookie", "raw"))
    }


def test_edge_knows_its_columns() -> None:
    """An edge's segment of the ledger has what an edge can know."""
    names, types = segment_header(POLICY, "consents")
    keeper = ["recorded_at", "chain", "sequence", "prev_recorded_at", "prev_hash"]

    assert [*names, *keeper, "hash"] == list(TOML["ledger"])
    assert [TOML["ledger"][name]["type"] for name in names] == types
    assert names == list(ConsentRow.__struct_fields__)
