"""A store of the previous version comes up in a real engine, and loses nothing."""

from pathlib import Path

import orjson
import pytest

from pipeline.migrate import migrate
from pipeline.segment import header_bytes
from pipeline.store import Store
from schemas.ddl import (
    DEDUPLICATION_WINDOW,
    DriftError,
    create_table,
    segment_header,
    table_types,
)
from schemas.policy import load_policy
from tests import store_fixture
from tests.builders import count_row, parse_changed, policy_toml
from tests.ledger_fixture import Keeper, rows

store = store_fixture.store
POLICY = load_policy()
# What an older version did not have yet.
NEW_KEYS = ["regime", "regime_version", "decision_row", "synthetic"]
NEW_EVENT_COLUMNS = [
    "regime_version",
    "decision_row",
    "consent_category",
    "synthetic",
]
INSERT_COUNTS = """
INSERT INTO kastana.counts (site, event_name, occurred_at, outcome, events) VALUES
"""


def old_table(table: str, *without: str) -> str:
    """Return how a table was made when it lacked some columns."""
    lines = create_table(POLICY, table).splitlines()
    kept = [
        line
        for line in lines
        if not any(line.startswith(f"    `{name}` ") for name in without)
    ]
    sql = "\n".join(kept).partition("\nCOMMENT ")[0]
    for name in without:
        sql = sql.replace(f", {name})", ")").replace(f", {name},", ",")
    return sql + "\nCOMMENT 'Policy of an older day'"


@pytest.fixture
def old_store(store: Store) -> Store:
    """A store of the previous version, with rows in it, and no ledger."""
    store.command(old_table("events", *NEW_EVENT_COLUMNS))
    store.command(old_table("counts", *NEW_KEYS))
    # As segments came: two of equal counters, not merged yet.
    for hour, number in (("12", 3), ("12", 4), ("13", 5)):
        values = f"('a.com', 'page_view', '2026-06-01 {hour}:00:00', 'x', {number})"
        store.command(INSERT_COUNTS + values)
    store.command(
        "INSERT INTO kastana.events (site, event_name, event_id, occurred_at) VALUES "
        "('a.com', 'page_view', generateUUIDv4(), '2026-06-01 12:00:00')"
    )
    return store


def answer(store: Store, sql: str) -> list[list[object]]:
    """Return the rows of an answer."""
    body = store.query(sql, "JSONCompactEachRow", read_only=False)
    return [orjson.loads(line) for line in body.splitlines()]


def shapes(store: Store) -> list[list[object]]:
    """Return all that is known of the tables and their columns."""
    return answer(
        store,
        "SELECT name, create_table_query, sorting_key, metadata_modification_time "
        "FROM system.tables WHERE database = 'kastana' AND engine != 'View' "
        "ORDER BY name",
    )


def test_key_grows(old_store: Store) -> None:
    """New columns join the end of the key; sums and rows are what they were."""
    before = answer(old_store, "SELECT sorting_key FROM system.tables")
    migrate(old_store, POLICY)
    (key,) = answer(
        old_store,
        "SELECT sorting_key, primary_key FROM system.tables WHERE name = 'counts'",
    )

    assert str(key[0]) == str(key[1]) + ", " + ", ".join(NEW_KEYS)
    assert [key[1]] in before
    assert [["12", 7], ["13", 5]] == answer(
        old_store,
        "SELECT formatDateTime(occurred_at, '%H') AS hour, toUInt32(sum(events)) "
        "FROM kastana.counts GROUP BY hour ORDER BY hour",
    )
    assert [[1]] == answer(old_store, "SELECT toUInt8(count()) FROM kastana.events")


def test_merges_by_the_new_key(old_store: Store) -> None:
    """Old counters still add up, and those of another regime stay apart from them."""
    migrate(old_store, POLICY)
    names, types = segment_header(POLICY, "counts")
    lines = [
        count_row(
            site="a.com", outcome="x", occurred_at="2026-06-01 12:00:00.000", **changes
        )
        for changes in (
            {"events": 10, "outcome_reasons": [], "policy_version": ""},
            {"events": 20, "outcome_reasons": [], "policy_version": "", "regime": "eu"},
        )
    ]
    body = b"".join(
        orjson.dumps([getattr(line, name) for name in names]) + b"\n" for line in lines
    )
    old_store.insert_segment("counts", header_bytes(names, types) + body, "t1")
    old_store.command("OPTIMIZE TABLE kastana.counts FINAL")

    assert [["12", "", 17], ["12", "eu", 20], ["13", "", 5]] == answer(
        old_store,
        "SELECT formatDateTime(occurred_at, '%H') AS hour, regime, "
        "toUInt32(events) FROM kastana.counts ORDER BY hour, regime",
    )


def test_second_start_changes_nothing(old_store: Store) -> None:
    """What a start brought up to date, the next one leaves alone."""
    migrate(old_store, POLICY)
    once = shapes(old_store)
    migrate(old_store, POLICY)

    assert once == shapes(old_store)


def test_same_as_new(old_store: Store) -> None:
    """An old table has in the end the columns of a new one."""
    migrate(old_store, POLICY)
    for table in POLICY.tables:
        columns = answer(
            old_store,
            f"SELECT name, type FROM system.columns WHERE table = '{table}' "  # noqa: S608
            "AND database = 'kastana'",
        )

        assert table_types(POLICY, table) == dict(map(tuple, columns))  # type: ignore[arg-type]


def test_ledger_appears(old_store: Store, tmp_path: Path) -> None:
    """A store without a ledger gets one that works."""
    migrate(old_store, POLICY)
    old_store.check_tables(dict.fromkeys(POLICY.tables, DEDUPLICATION_WINDOW))
    keeper = Keeper(old_store, tmp_path / "data")
    keeper.add("01", rows(1, 2))

    assert (True, 2) == (keeper.verify().intact, keeper.verify().records)


def test_column_that_has_values(old_store: Store) -> None:
    """A column that is there and not in the key stops the start; nothing changes."""
    old_store.command(
        "ALTER TABLE kastana.counts ADD COLUMN regime LowCardinality(String)"
    )
    before = answer(old_store, "SHOW CREATE TABLE kastana.counts")

    with pytest.raises(DriftError, match=r"kastana\.counts\.regime"):
        migrate(old_store, POLICY)

    assert before == answer(old_store, "SHOW CREATE TABLE kastana.counts")


def test_expiry_changes(store: Store) -> None:
    """Another expiry of a column reaches the engine, and so does none at all."""
    migrate(store, POLICY)
    content = policy_toml()
    content["retention"]["diagnostics"]["days"] = 7
    content["fields"]["client_address"]["retention"] = "row"
    content["fields"]["time_zone"]["retention"] = "address"
    migrate(store, parse_changed(content))
    (created,) = answer(store, "SHOW CREATE TABLE kastana.events")
    expiring = {
        line.split("`")[1]: line.rpartition("toIntervalDay(")[2].partition(")")[0]
        for line in str(created[0]).splitlines()
        if line.startswith("    `") and " TTL " in line
    }

    assert {
        "visitor_id": "395",
        "geo_latitude": "30",
        "geo_longitude": "30",
        "time_zone": "30",
        "exception_message": "7",
        "exception_stacktrace": "7",
    } == expiring
