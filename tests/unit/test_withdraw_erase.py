"""Erasing: what was withdrawn leaves the store, proven by a count in the engine."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

import pipeline.load_breaker
import pipeline.load_plans
import pipeline.segment
import pipeline.withdrawal.erase
import pipeline.withdrawal.narrow
from pipeline.clock import DAY_MS, time_text
from pipeline.durable import replace_file
from pipeline.load import Loader
from pipeline.migrate import migrate
from pipeline.store import Store
from pipeline.store_errors import StoreRefused, StoreUnavailable
from pipeline.withdrawal.erase import Erased, Eraser
from pipeline.withdrawal.erase_sql import Statements
from pipeline.withdrawal.standing import Entry
from schemas.policy import PolicyError
from schemas.short_id import short_id
from tests.builders import parse_changed, policy_toml
from tests.store_fixture import opened
from tests.withdrawals import (
    ANNA,
    BERT,
    CARL,
    HEADERS,
    ROW_MS,
    SITE,
    Stage,
    event_id,
    line,
    rows_of,
    segment_name,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the policy's tables."""
    with opened(tmp_path_factory.mktemp("engine")) as store:
        migrate(store, Stage(tmp_path_factory.mktemp("policy")).policy)
        # The rows of these tests grow old; what expires is not erased.
        store.command("SYSTEM STOP TTL MERGES kastana.events")
        yield store


class Watched:
    """The store, with something that happens before or after a call."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commands: list[str] = []
        self.queries = 0
        self.before: Callable[[str], None] = lambda _what: None
        self.after: Callable[[str], None] = lambda _what: None

    def heal(self) -> None:
        """Let nothing happen any more."""
        self.before = self.after = lambda _what: None

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Insert."""
        self.before(f"insert {table}")
        self.store.insert_segment(table, body, token)
        self.after(f"insert {table}")

    def command(self, sql: str, settings: Mapping[str, str] | None = None) -> None:
        """Run a mutation, for whose end someone waits."""
        assert {"mutations_sync": "1"} == settings
        self.commands.append(sql.split(" ")[3])
        self.before("command")
        self.store.command(sql, settings)
        self.after("command")

    def query(self, sql: str, fmt: str, *, read_only: bool) -> bytes:
        """Ask."""
        self.queries += 1
        self.before("query")
        return self.store.query(sql, fmt, read_only=read_only)


class Keeper(Stage):
    """A spool, a loader and an eraser over a store."""

    def __init__(self, folder: Path, store: Watched) -> None:
        super().__init__(folder)
        self.folder = folder
        self.store = store
        self.eraser = self.start()

    def start(self, **options: Any) -> Eraser:
        """Start again, as after a crash."""
        self.narrower = self.fresh()
        self.loader = Loader(
            self.root, self.store, HEADERS, 600.0, narrower=self.narrower
        )
        self.eraser = Eraser(
            self.store,
            self.narrower,
            self.objections,
            self.policy,
            self.folder / "erased",
            **options,
        )
        return self.eraser

    def turn(self) -> Erased:
        """Do what the keeper does, over and over."""
        self.loader.run_once()
        return self.eraser.run_once()

    def insert(self, *lines: bytes, number: int = 1) -> None:
        """Bring rows into the store."""
        self.put(*lines, number=number)
        self.loader.run_once()

    def stored(self, what: str = "visitor_id") -> list[Any]:
        """Return a column of all rows, in the order of their ids."""
        keys = ", ".join(short_id(f"toUUID('{event_id(n)}')") for n in range(20))
        answer = self.store.store.query(
            f"SELECT {what} AS x FROM kastana.events "  # noqa: S608 - a test's own
            f"ORDER BY indexOf([{keys}], event_key)",
            "JSONCompactEachRow",
            read_only=False,
            settings={"output_format_json_quote_64bit_integers": "0"},
        )
        return [orjson.loads(one)[0] for one in answer.splitlines()]

    def counted(self) -> list[list[Any]]:
        """Return what the counters in the store say."""
        answer = self.store.store.query(
            "SELECT event_name, outcome, outcome_reasons, toUInt32(sum(events)) "
            "FROM kastana.counts GROUP BY ALL ORDER BY ALL",
            "JSONCompactEachRow",
            read_only=False,
        )
        return [orjson.loads(one) for one in answer.splitlines()]


@pytest.fixture
def keeper(
    tmp_path: Path, engine: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Keeper]:
    """A keeper whose store is empty, and that never pauses."""
    monkeypatch.setattr(pipeline.load_breaker, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(pipeline.withdrawal.erase, "_FIRST_PAUSE_S", 0.0)
    for table in ("events", "counts"):
        engine.command(f"TRUNCATE TABLE kastana.{table}")
    yield Keeper(tmp_path, Watched(engine))
    engine.command("SYSTEM START MERGES kastana.events")


def numbered(visitor_id: int, number: int, **changes: Any) -> bytes:
    """Return a row's line with an event id of its own."""
    return line(visitor_id, event_id=event_id(number), **changes)


# ---------------------------------------------------------------------- what goes
def test_statistics_withdrawn(keeper: Keeper) -> None:
    """All rows of the pseudonym on that site go, nobody else's."""
    keeper.insert(
        numbered(ANNA, 1),
        numbered(BERT, 2),
        numbered(ANNA, 3, event_name="exception", consent_category="essential"),
        numbered(ANNA, 4, site="other.example"),
        numbered(0, 5),
        numbered(ANNA, 6, event_name="custom", consent_category="marketing"),
    )
    keeper.object()
    done = keeper.eraser.run_once()

    assert Erased(rows=3, entries=1) == done
    assert [BERT, ANNA, 0] == keeper.stored()
    assert ["DELETE"] == keeper.store.commands
    assert "" == keeper.eraser.problem


@pytest.mark.parametrize("kind", ["erased", "child"])
def test_erased_and_child(keeper: Keeper, kind: Any) -> None:
    """Both take every row."""
    keeper.insert(numbered(ANNA, 1), numbered(BERT, 2))
    keeper.object(kind=kind)
    keeper.eraser.run_once()

    assert [BERT] == keeper.stored()


def test_marketing_withdrawn(keeper: Keeper) -> None:
    """Rows that needed it go, of the others what needed it; no more."""
    full = {"ad_click": "gclid", "consent_marketing": "given", "utm_source": "mail"}
    keeper.insert(
        numbered(ANNA, 1, **full),
        numbered(ANNA, 2, event_name="custom", consent_category="marketing", **full),
        numbered(BERT, 3, **full),
        numbered(ANNA, 4, consent_marketing="refused"),
    )
    keeper.object("marketing")

    assert Erased(rows=3, entries=1) == keeper.eraser.run_once()
    assert [
        [str(ANNA), "", "withdrawn", "mail"],
        [str(BERT), "gclid", "given", "mail"],
        [str(ANNA), "", "withdrawn", ""],
    ] == keeper.stored(
        "[toString(visitor_id), ad_click, consent_marketing, utm_source]"
    )
    assert ["DELETE", "UPDATE"] == keeper.store.commands


def test_precise_location_withdrawn(keeper: Keeper) -> None:
    """Coordinates become NULL, the event of that category goes."""
    here = {"geo_latitude": 52.5, "geo_longitude": 13.4}
    keeper.insert(
        numbered(ANNA, 1, **here),
        numbered(ANNA, 2, event_name="location", consent_category="precise_location"),
        numbered(BERT, 3, **here),
    )
    keeper.object("precise_location", "preference")
    keeper.eraser.run_once()

    assert [[None, None], [52.5, 13.4]] == keeper.stored(
        "[geo_latitude, geo_longitude]"
    )
    assert ["withdrawn", "unknown"] == keeper.stored(
        "if(consent_preference = '', 'unknown', toString(consent_preference))"
    )


def test_same_rule_as_at_the_door(keeper: Keeper) -> None:
    """By the grant's time, or else by arrival and the grants on record."""
    later = "2025-06-01 12:34:57.000"
    rows = {
        "old grant": {
            "consent_given_at": "2025-05-01 00:00:00.000",
            "received_at": later,
        },
        "new grant": {
            "consent_given_at": "2025-06-01 12:34:56.792",
            "received_at": later,
        },
        "before": {},
        "after": {"received_at": later},
        "grant from the future": {"consent_given_at": later},
    }
    keeper.insert(
        *(
            numbered(ANNA, number, page_title=title, **times)
            for number, (title, times) in enumerate(rows.items())
        )
    )
    keeper.object()
    keeper.object(kind="given", time_ms=ROW_MS + 2)
    keeper.eraser.run_once()

    assert ["new grant", "after"] == keeper.stored("page_title")


@pytest.mark.parametrize("regiven", [False, True])
@pytest.mark.parametrize(
    "given_at",
    ["1970-01-01 00:00:00.000", time_text(ROW_MS + 1), time_text(ROW_MS + 2)],
)
@pytest.mark.parametrize("received_at", [time_text(ROW_MS + 1), time_text(ROW_MS + 2)])
def test_engine_and_rule_agree(
    keeper: Keeper, given_at: str, received_at: str, *, regiven: bool
) -> None:
    """The statement deletes a row exactly when the loader would have dropped it."""
    row = numbered(ANNA, 1, consent_given_at=given_at, received_at=received_at)
    keeper.insert(row)
    keeper.object()
    if regiven:
        keeper.object(kind="given", time_ms=ROW_MS + 2)
    waiting = keeper.put(row, number=2)
    keeper.narrower.narrow(waiting)
    keeper.eraser.run_once()

    assert len(rows_of(waiting)) == len(keeper.stored())


def test_rows_of_an_older_policy(keeper: Keeper) -> None:
    """A row that does not say what it needed is judged by its event's name."""
    names = ["location", "page_view", "forgotten"]
    keeper.insert(
        *(
            numbered(ANNA, number, event_name=name, consent_category="")
            for number, name in enumerate(names)
        )
    )
    keeper.object("precise_location")
    keeper.eraser.run_once()

    assert ["page_view", "forgotten"] == keeper.stored("event_name")


def test_odd_site_name(keeper: Keeper) -> None:
    """A name with quotes in it is data in a statement, and finds its rows."""
    site = "it's\\' OR 1=1 --"
    keeper.insert(numbered(ANNA, 1, site=site), numbered(ANNA, 2), numbered(BERT, 3))
    keeper.objections.append([Entry(ROW_MS, site, ANNA, "withdrawn", ("statistics",))])
    keeper.eraser.run_once()

    assert [ANNA, BERT] == keeper.stored()


def test_many_at_once(keeper: Keeper) -> None:
    """Hundreds of visitors are a few statements, none of them too long."""
    visitors = range(1, 251)
    keeper.insert(*(numbered(one, one) for one in visitors), numbered(999, 999))
    keeper.objections.append(
        [
            Entry(
                ROW_MS,
                SITE,
                one,
                "withdrawn",
                ("statistics", "marketing", "preference"),
            )
            for one in visitors
        ]
    )

    assert Erased(rows=250, entries=250) == keeper.eraser.run_once()
    assert [999] == keeper.stored()
    assert ["DELETE"] * 3 == keeper.store.commands
    targets = [
        pipeline.withdrawal.erase.Target("x" * 253, 2**64 - 1, limits)
        for limits in [keeper.objections.limits(SITE, 1)]
        * pipeline.withdrawal.erase._TARGETS
        if limits is not None
    ]
    longest = max(len(sql) for _, sql in Statements(keeper.policy).of(targets))
    assert longest < 262_144


# ------------------------------------------------------------------ done, and said
def test_nothing_to_do_costs_nothing(keeper: Keeper) -> None:
    """Without new objections the store is not even asked."""
    keeper.insert(numbered(ANNA, 1))
    keeper.object()
    keeper.eraser.run_once()
    queries = keeper.store.queries
    keeper.object(kind="given", time_ms=ROW_MS + 5)

    assert Erased(entries=1) == keeper.eraser.run_once()
    assert Erased() == keeper.eraser.run_once()
    assert queries == keeper.store.queries


def test_nobody_of_the_table(keeper: Keeper) -> None:
    """Who has no rows costs a question, no mutation."""
    keeper.insert(numbered(BERT, 1))
    keeper.object()

    assert Erased(entries=1) == keeper.eraser.run_once()
    assert [] == keeper.store.commands


def test_goes_on_where_it_was(keeper: Keeper) -> None:
    """What was done is not done again after a restart; its state is the owner's."""
    keeper.insert(numbered(ANNA, 1))
    keeper.object()
    keeper.eraser.run_once()
    keeper.start()

    assert Erased() == keeper.eraser.run_once()
    assert 0o600 == (keeper.folder / "erased").stat().st_mode & 0o777


@pytest.mark.parametrize("state", [b"canary", b"", b'{"number":"x"}', b'{"number":99}'])
def test_state_that_is_none_begins_again(
    keeper: Keeper, state: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged state, or one ahead of the file, costs work, never an erasure."""
    keeper.insert(numbered(ANNA, 1))
    keeper.object()
    (keeper.folder / "erased").write_bytes(state)
    keeper.start().run_once()

    assert [] == keeper.stored()
    assert "canary" not in caplog.text


def test_batches(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass does so many, and says how many are left and how old the oldest is."""
    monkeypatch.setattr(pipeline.withdrawal.erase, "_ENTRIES", 2)
    for number in range(3):
        keeper.object(visitor_id=number + 1, time_ms=ROW_MS + number)

    assert Erased(0, 2, 1, ROW_MS + 2) == keeper.eraser.run_once()
    assert Erased(0, 1) == keeper.eraser.run_once()


def test_pace(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches keep their distance, so that mutations are not one a withdrawal."""
    now = [1000.0]
    monkeypatch.setattr(pipeline.withdrawal.erase.time, "monotonic", lambda: now[0])
    keeper.start(every_s=60.0)
    keeper.insert(numbered(ANNA, 1), numbered(BERT, 2))
    keeper.object()
    keeper.eraser.run_once()
    keeper.object(visitor_id=BERT)
    now[0] += 59

    assert Erased(pending=1, oldest_ms=ROW_MS + 1) == keeper.eraser.run_once()
    assert [BERT] == keeper.stored()
    now[0] += 2
    assert Erased(1, 1) == keeper.eraser.run_once()


def test_no_pace_for_many_or_after_a_failure(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due is done: a second batch, a second try wait for no collecting."""
    monkeypatch.setattr(pipeline.withdrawal.erase, "_ENTRIES", 1)
    keeper.start(every_s=3600.0)
    keeper.insert(numbered(ANNA, 1), numbered(BERT, 2), numbered(CARL, 3))
    keeper.object()
    keeper.object(visitor_id=BERT)
    keeper.store.before = unavailable
    keeper.eraser.run_once()
    keeper.store.heal()

    assert [1, 1] == [keeper.eraser.run_once().rows for _ in range(2)]
    assert [CARL] == keeper.stored()
    assert "" == keeper.eraser.problem


# ------------------------------------------------------------------------ failures
def unavailable(_what: str) -> None:
    """Fail like a store that is away."""
    raise StoreUnavailable(0, "NETWORK_ERROR")


def refused(_what: str) -> None:
    """Fail like a store that does not let us."""
    raise StoreRefused(497, "ACCESS_DENIED", "canary")


def broken(_what: str) -> None:
    """Fail like a disk."""
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("fault", [unavailable, refused, broken])
@pytest.mark.parametrize("what", ["query", "command", "after"])
def test_store_fails(
    keeper: Keeper,
    caplog: pytest.LogCaptureFixture,
    fault: Callable[[str], None],
    what: str,
) -> None:
    """Tried again until it is done; said once, and never marked before."""
    keeper.insert(numbered(ANNA, 1), numbered(BERT, 2))
    keeper.object()
    if what == "after":
        keeper.store.after = fault
    else:
        keeper.store.before = lambda call: fault(call) if call == what else None
    with caplog.at_level(logging.INFO, "kastana.erase"):
        # An answer that got lost is found out by counting: done at the second try.
        tries = 1 if what == "after" else 3
        for _ in range(tries):
            found = keeper.eraser.run_once()

            assert Erased(pending=1, oldest_ms=ROW_MS + 1) == found
            assert keeper.eraser.problem
            assert not (keeper.folder / "erased").exists()
        keeper.store.heal()
        done = keeper.eraser.run_once()

    assert 1 == done.entries
    assert [BERT] == keeper.stored()
    assert "" == keeper.eraser.problem
    assert 1 == sum(one.levelname == "WARNING" for one in caplog.records)
    assert "canary" not in caplog.text


def test_pauses_grow(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that stays away is asked ever less often, within a bound."""
    now = [1000.0]
    monkeypatch.setattr(pipeline.withdrawal.erase.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(pipeline.withdrawal.erase, "_FIRST_PAUSE_S", 0.2)
    keeper.start()
    keeper.object()
    keeper.store.before = unavailable
    asked = []
    for _ in range(2000):
        queries = keeper.store.queries
        keeper.eraser.run_once()
        if keeper.store.queries > queries:
            asked.append(now[0])
        now[0] += 0.1

    assert asked[1] - asked[0] <= 0.4
    assert 29 <= asked[-1] - asked[-2] <= 31
    assert "NETWORK_ERROR" == keeper.eraser.problem


def test_rows_that_do_not_go(keeper: Keeper) -> None:
    """A mutation that did nothing is no erasure, whatever the store answered."""
    keeper.insert(numbered(ANNA, 1))
    keeper.object()
    real = keeper.store.store.command
    keeper.store.store.command = lambda *_: None  # type: ignore[method-assign]
    try:
        left = keeper.eraser.run_once()
    finally:
        keeper.store.store.command = real  # type: ignore[method-assign]

    assert Erased(pending=1, oldest_ms=ROW_MS + 1) == left
    assert "rows are left" == keeper.eraser.problem


def test_running_mutation_is_waited_for(keeper: Keeper) -> None:
    """While a mutation is at the table no second one is put on top."""
    keeper.insert(numbered(ANNA, 1))
    keeper.object()
    command = keeper.store.store.command
    # With merges stopped no mutation comes to its end.
    command("SYSTEM STOP MERGES kastana.events")
    command(
        "ALTER TABLE kastana.events DELETE WHERE visitor_id = 1",
        {"mutations_sync": "0"},
    )
    keeper.eraser.run_once()

    assert "a mutation is running" == keeper.eraser.problem
    assert [] == keeper.store.commands

    command("SYSTEM START MERGES kastana.events")
    end = time.monotonic() + 30
    while keeper.stored() and time.monotonic() < end:
        keeper.eraser.run_once()

    assert [] == keeper.stored()


def test_damaged_objections(keeper: Keeper) -> None:
    """A file that cannot be read is said, and nothing is marked as done."""
    (keeper.folder / "objections").write_bytes(b"canary\n")

    assert Erased() == keeper.eraser.run_once()
    assert "objections damaged in line 1" == keeper.eraser.problem


# ------------------------------------------------------- the loader and the eraser
def test_outage(keeper: Keeper) -> None:
    """Accepted, then withdrawn while the store is away: dropped, counted, exact."""
    keeper.put(numbered(ANNA, 1), numbered(ANNA, 2), numbered(BERT, 3))
    keeper.store.before = unavailable
    keeper.turn()
    keeper.object()
    keeper.turn()
    keeper.store.heal()
    for _ in range(3):
        keeper.turn()

    assert [BERT] == keeper.stored()
    assert [["page_view", "dropped", ["consent_withdrawn"], 2]] == keeper.counted()
    assert [] == keeper.plans()
    assert [] == list((keeper.root / "sealed").iterdir())


def test_segment_of_which_nothing_is_left(keeper: Keeper) -> None:
    """It counts as loaded without an insert."""
    inserted: list[str] = []
    keeper.store.before = inserted.append
    keeper.put(numbered(ANNA, 1))
    keeper.object()
    keeper.loader.run_once()
    keeper.loader.run_once()

    assert "insert events" not in inserted
    assert (keeper.root / "loaded" / segment_name()).exists()
    assert [["page_view", "dropped", ["consent_withdrawn"], 1]] == keeper.counted()


@pytest.mark.parametrize("others", [0, 2])
def test_committed_and_then_away(keeper: Keeper, others: int) -> None:
    """The insert was taken, its answer lost, then consent withdrawn: still exact."""
    keeper.put(
        numbered(ANNA, 1),
        numbered(ANNA, 2),
        *(numbered(BERT, 10 + number) for number in range(others)),
    )
    keeper.store.after = lambda what: unavailable(what) if "insert" in what else None
    keeper.turn()
    assert 2 + others == len(keeper.stored())

    keeper.object()
    keeper.store.heal()
    for _ in range(3):
        keeper.turn()

    assert [BERT] * others == keeper.stored()
    assert [["page_view", "dropped", ["consent_withdrawn"], 2]] == keeper.counted()


@pytest.mark.parametrize("early", [False, True], ids=["", "erased before the retry"])
def test_committed_long_after_it_was_given_up(keeper: Keeper, *, early: bool) -> None:
    """An insert that ends after its entry was carried out is erased after the retry."""
    path = keeper.put(numbered(ANNA, 1), numbered(BERT, 2))
    whole = path.read_bytes()
    keeper.store.before = unavailable
    keeper.loader.run_once()
    keeper.object()
    keeper.store.heal()
    keeper.eraser.run_once()
    # Only now the server is through with the first attempt.
    token = path.name.removeprefix("events-").removesuffix(".ndjson")
    keeper.store.insert_segment("events", whole, token)
    if early:
        keeper.eraser.run_once()
    assert [ANNA, BERT] == keeper.stored()
    for _ in range(3):
        keeper.turn()

    assert [BERT] == keeper.stored()
    assert [["page_view", "dropped", ["consent_withdrawn"], 1]] == keeper.counted()


def test_nothing_left_and_committed_late(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an insert no token keeps the late one away: it is looked for again."""
    path = keeper.put(numbered(ANNA, 1))
    whole = path.read_bytes()
    keeper.store.before = unavailable
    keeper.loader.run_once()
    keeper.object()
    keeper.store.heal()
    keeper.turn()
    keeper.turn()
    assert 1 == len(keeper.plans())
    queries = keeper.store.queries
    keeper.turn()
    assert queries == keeper.store.queries

    token = path.name.removeprefix("events-").removesuffix(".ndjson")
    keeper.store.insert_segment("events", whole, token)
    now = pipeline.withdrawal.erase.now_ms()
    monkeypatch.setattr(pipeline.withdrawal.erase, "now_ms", lambda: now + DAY_MS)
    keeper.turn()

    assert [] == keeper.stored()
    assert [] == keeper.plans()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("lost", [False, True], ids=["", "and the answer is lost"])
def test_withdrawn_in_the_middle_of_an_insert(
    keeper: Keeper, moment: str, *, lost: bool
) -> None:
    """A withdrawal that comes while rows are on their way takes them too."""

    def withdraw(what: str) -> None:
        if what == "insert events":
            keeper.store.heal()
            keeper.object()
            if lost:
                raise StoreUnavailable(209, "SOCKET_TIMEOUT")

    setattr(keeper.store, moment, withdraw)
    keeper.put(numbered(ANNA, 1), numbered(BERT, 2))
    for _ in range(3):
        keeper.turn()

    assert [BERT] == keeper.stored()
    kept = rows_of(keeper.root / "loaded" / segment_name())
    assert [BERT] == [row["visitor_id"] for row in kept]


class Crash(BaseException):
    """The keeper is killed here."""


class Steps:
    """Counts the steps that leave a trace, and dies at one of them."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.taken = 0

    def take(self, _what: str = "") -> None:
        """Take a step, or die."""
        self.taken += 1
        if self.taken - 1 == self.last:
            raise Crash

    def under(self, keeper: Keeper, patch: pytest.MonkeyPatch) -> None:
        """Make steps of every call of the store and every write of a file."""
        keeper.store.before = keeper.store.after = self.take
        for module in (
            pipeline.load_plans,
            pipeline.segment,
            pipeline.withdrawal.narrow,
            pipeline.withdrawal.erase,
        ):
            patch.setattr(module, "replace_file", self._replace)

    def _replace(self, *arguments: Any, **options: Any) -> None:
        self.take()
        replace_file(*arguments, **options)
        self.take()


def test_killed_anywhere(
    tmp_path: Path, engine: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each step from acceptance to erasure: always the same end."""
    monkeypatch.setattr(pipeline.load_breaker, "FIRST_PAUSE_S", 0.0)
    at, killed = 0, True
    while killed:
        for table in ("events", "counts"):
            engine.command(f"TRUNCATE TABLE kastana.{table}")
        folder = tmp_path / str(at)
        folder.mkdir()
        keeper = Keeper(folder, Watched(engine))
        # One visitor's rows are stored, another's wait, both withdraw.
        keeper.insert(numbered(CARL, 1), numbered(BERT, 2))
        keeper.put(numbered(ANNA, 3), numbered(BERT, 4), number=2)
        keeper.object()
        keeper.object(visitor_id=CARL)
        with monkeypatch.context() as patch:
            steps = Steps(at)
            steps.under(keeper, patch)
            with contextlib.suppress(Crash):
                for _ in range(3):
                    keeper.turn()
            killed = steps.taken > at
        keeper.store.heal()
        keeper.start()
        for _ in range(3):
            keeper.turn()

        assert [BERT, BERT] == keeper.stored(), at
        assert [["page_view", "dropped", ["consent_withdrawn"], 1]] == keeper.counted()
        assert Erased() == keeper.turn()
        assert [] == keeper.plans()
        for path in keeper.root.rglob("events-*.ndjson"):
            assert {BERT} == {row["visitor_id"] for row in rows_of(path)}
        at += 1

    assert at > 20


# ------------------------------------------------------------------------ the key
def test_field_of_the_key_cannot_be_emptied() -> None:
    """A policy that sorts by a field that consent may take away is refused."""
    content = policy_toml()
    content["tables"]["events"]["order_by"].insert(0, "ad_click")

    with pytest.raises(PolicyError, match="ad_click"):
        Statements(parse_changed(content))
