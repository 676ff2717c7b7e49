"""A table in an older order is copied into the new one: whole, once, or not at all."""

import orjson
import pytest

from pipeline.load_header import upgraded
from pipeline.migrate import migrate
from pipeline.reorder import ReorderError
from pipeline.segment import header_bytes
from pipeline.store import Store
from schemas.ddl import DriftError, create_table, segment_header
from schemas.policy import Policy, load_policy
from schemas.short_id import short_id
from tests import store_fixture
from tests.builders import EVENT_ID, parse_changed, policy_toml
from tests.withdrawals import line

store = store_fixture.store
POLICY = load_policy()
ANONYMOUS = "28b166dd-3580-425e-a267-8138dde974d6"
ROWS = [
    [EVENT_ID, "2026-09-30 23:59:59.999", "/a"],
    [EVENT_ID, "2026-09-30 23:59:59.999", "/a"],
    [ANONYMOUS, "2026-09-30 12:00:00.000", "/b"],
    [ANONYMOUS, "2026-10-01 12:00:00.000", "/c"],
]
EVENTS = [["2026-09-30", "/a"], ["2026-09-30", "/b"], ["2026-10-01", "/c"]]


def old_policy() -> Policy:
    """Return the policy as it was when whole ids were stored, and sorted by."""
    content = policy_toml()
    events = content["tables"]["events"]
    events["order_by"] = ["site", "event_name", "toDate(occurred_at)", "event_id"]
    events["short_ids"], events["dictionary"] = {}, []
    return parse_changed(content)


OLD = old_policy()


class Dying:
    """A store whose process dies before the n-th statement on a copy, or loses one."""

    def __init__(self, store: Store, after: int = 10**6, lost: str = "none") -> None:
        self.store = store
        self.left = after
        self.lost = lost

    def command(self, sql: str) -> None:
        """Run a statement, if still alive."""
        self.left -= "events_reordered" in sql
        if self.left < 0:
            raise KeyboardInterrupt
        if not sql.startswith(self.lost):
            self.store.command(sql)

    def query(self, sql: str, fmt: str) -> bytes:
        """Ask the store."""
        return self.store.query(sql, fmt, read_only=False)


def fill(store: Store) -> None:
    """Make a store of the older version with rows in it, one of them twice."""
    store.command("DROP TABLE IF EXISTS kastana.events SYNC")
    store.command(create_table(OLD, "events"))
    for number, row in enumerate(ROWS):
        head, types = segment_header(OLD, "events")
        values = dict(zip(head, orjson.loads(line(7)), strict=True))
        values |= {"event_id": row[0], "occurred_at": row[1], "url_path": row[2]}
        body = header_bytes(head, types) + orjson.dumps(list(values.values())) + b"\n"
        store.insert_segment("events", body, f"old-{number}")


def answer(store: Store, sql: str) -> list[list[object]]:
    """Return the rows of an answer."""
    body = store.query(sql, "JSONCompactEachRow", read_only=False)
    return [orjson.loads(one) for one in body.splitlines()]


def events(store: Store) -> list[list[object]]:
    """Return the day and the page of every event."""
    return answer(
        store,
        "SELECT toString(toDate(occurred_at)), url_path FROM kastana.events FINAL "
        "ORDER BY url_path",
    )


def key(store: Store) -> list[list[object]]:
    """Return the sorting key, and the tables that a copy could have left."""
    return answer(
        store,
        "SELECT name, sorting_key FROM system.tables WHERE database = 'kastana' "
        "AND name LIKE 'events%' ORDER BY name",
    )


NEW_KEY = [["events", "site, event_name, toDate(occurred_at), event_key"]]
OLD_KEY = [["events", "site, event_name, toDate(occurred_at), event_id"]]


def test_copied(store: Store) -> None:
    """Every event of the older table is in the new one, once, in the new order."""
    fill(store)
    migrate(store, POLICY)

    assert EVENTS == events(store)
    assert NEW_KEY == key(store)


def test_known_again(store: Store) -> None:
    """What was stored under its whole id is the same event when it is sent again."""
    migrate(store, OLD)
    fill(store)
    migrate(store, POLICY)
    # Sealed by the older version, still waiting: its header has the older types.
    head, types = segment_header(OLD, "events")
    values = dict(zip(head, orjson.loads(line(7)), strict=True))
    before = answer(store, "SELECT toUInt32(sum(marks)) FROM kastana.page_hours_marks")
    lines = b""
    for row in ROWS:
        values |= {"event_id": row[0], "occurred_at": row[1], "url_path": row[2]}
        lines += orjson.dumps(list(values.values())) + b"\n"
    waiting = header_bytes(head, types) + lines
    header = header_bytes(*segment_header(POLICY, "events"))
    store.insert_segment("events", upgraded(waiting, header), "again")

    assert not waiting.startswith(header)

    assert EVENTS == events(store)
    # The exchange left the rollup's view on the table: it saw what came.
    assert before < answer(
        store, "SELECT toUInt32(sum(marks)) FROM kastana.page_hours_marks"
    )


def test_killed_anywhere(store: Store) -> None:
    """Killed at any step of it, the next start ends with the same rows, once."""
    fill(store)
    whole = Dying(store)
    migrate(whole, POLICY)
    statements = 10**6 - whole.left
    seen = set()

    assert 7 == statements
    for after in range(2, statements):
        fill(store)
        with pytest.raises(KeyboardInterrupt):
            migrate(Dying(store, after), POLICY)
        seen.add(tuple(name for name, _ in key(store)))

        assert EVENTS == events(store), after
        migrate(store, POLICY)

        assert EVENTS == events(store), after
        assert NEW_KEY == key(store), after
    # Among the kills are such that leave a copy.
    assert {("events",), ("events", "events_reordered")} == seen


def test_copy_that_is_not_whole(store: Store) -> None:
    """A copy without all rows takes nobody's place."""
    fill(store)
    lossy = Dying(store, lost="INSERT INTO kastana.events_reordered")
    with pytest.raises(ReorderError, match="has 3 events, its copy in the new order 0"):
        migrate(lossy, POLICY)

    assert EVENTS == events(store)
    assert OLD_KEY == key(store)[:1]


def test_unknown_column(store: Store) -> None:
    """A column that the policy does not have stops the start before any copy."""
    fill(store)
    store.command("ALTER TABLE kastana.events ADD COLUMN mood String")
    with pytest.raises(DriftError, match=r"kastana\.events\.mood"):
        migrate(store, POLICY)

    assert OLD_KEY == key(store)


def test_short_ids(store: Store) -> None:
    """The key of a UUIDv7 begins with its time of day, any other's with a one."""
    timed, plain = (
        str(answer(store, "SELECT bin(" + short_id(uuid) + ")")[0][0])
        for uuid in (f"toUUID('{EVENT_ID}')", f"toUUID('{ANONYMOUS}')")
    )
    ms = int(EVENT_ID.replace("-", "")[:12], 16) % 86_400_000

    assert f"{ms // 11:024b}" == timed[:24]
    assert "1" == plain[0]
