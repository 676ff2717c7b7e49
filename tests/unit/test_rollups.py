"""Rollups are exact: whatever is repeated, late, erased or interrupted."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.migrate import migrate
from pipeline.rollups import Built, Rollups
from pipeline.store import Store, StoreRefused, StoreUnavailable
from pipeline.withdrawal.erase import Eraser
from pipeline.withdrawal.standing import Entry
from schemas.ddl import DEDUPLICATION_WINDOW
from schemas.ddl_rollup import rollup_tables
from schemas.policy import load_policy
from schemas.rollups import load_rollups
from tests.rollup_stage import (
    DAY,
    TOKEN,
    Event,
    answer,
    body,
    drift_of,
    totals_in,
    totals_of,
)
from tests.store_fixture import opened
from tests.withdrawals import Stage

POLICY = load_policy()
ROLLUPS = load_rollups()
_numbers = itertools.count(1)


class Failing:
    """The store, with one command that fails before or after it is carried out."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.left = -1
        self.after = False
        # Called once, when it has been counted how many hours wait.
        self.looked: Callable[[], None] | None = None

    def command(self, sql: str, settings: Mapping[str, str] | None = None) -> None:
        """Run a statement, or fail."""
        self.left -= 1
        if self.left == 0 and not self.after:
            raise StoreUnavailable(0, "AWAY")
        self.store.command(sql, settings)
        if self.left == 0:
            raise StoreUnavailable(0, "AWAY")

    def query(self, *args: Any, **kwargs: Any) -> bytes:
        """Run a query."""
        found = self.store.query(*args, **kwargs)
        counted = args[0].startswith("SELECT count() FROM (SELECT")
        if counted and self.looked is not None:
            looked, self.looked = self.looked, None
            looked()
        return found


class Site:
    """A site of its own in the shared store, and what its totals must be."""

    def __init__(self, store: Store) -> None:
        self.name = f"s{next(_numbers)}.example"
        self.store = Failing(store)
        self.events: dict[int, Event] = {}
        self.sent: list[tuple[str, tuple[Event, ...]]] = []
        self.restart()

    def restart(self) -> None:
        """Let another keeper go on."""
        self.rollups = Rollups(self.store, POLICY, ROLLUPS)

    def insert(self, *events: Event) -> None:
        """Load a segment."""
        self.sent.append((TOKEN % next(_numbers), events))
        self.events |= {event.number: event for event in events}
        self.repeat(-1)

    def repeat(self, number: int) -> None:
        """Load a segment again, under its token."""
        token, events = self.sent[number]
        self.store.store.insert_segment("events", body(self.name, *events), token)

    def erase(self, visitor: int) -> None:
        """Erase a visitor, as the eraser does."""
        where = f"site = '{self.name}' AND visitor_id = {visitor}"
        for sql in self.rollups.marking("events", where):
            self.store.store.command(sql, {"insert_deduplicate": "0"})
        self.store.store.command(
            f"ALTER TABLE kastana.events DELETE WHERE {where}", {"mutations_sync": "1"}
        )
        self.events = {n: it for n, it in self.events.items() if it.visitor != visitor}
        self.rollups.run_once(erased=True)

    def check(self) -> None:
        """Whatever has been done: the totals are those of the distinct events."""
        assert totals_of(self.events) == totals_in(self.store.store, self.name)

    def settle(self) -> None:
        """Build until nothing waits."""
        self.store.left = -1
        if self.rollups.problem:
            # It would wait before it tries again; another keeper does not.
            self.restart()
        while self.rollups.run_once().waiting:
            pass
        assert "" == self.rollups.problem

    def built(self, *columns: str) -> list[Any]:
        """Return rows of the rollup's table, stale ones too."""
        what = ", ".join(columns)
        where = f"WHERE site = '{self.name}' ORDER BY ALL"
        sql = f"SELECT {what} FROM kastana.page_hours_built {where}"  # noqa: S608
        return answer(self.store.store, sql)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the policy's tables and rollups."""
    with opened(tmp_path_factory.mktemp("engine")) as store:
        migrate(store, POLICY)
        yield store


@pytest.fixture
def site(engine: Store) -> Site:
    """A site of which nothing is known yet."""
    return Site(engine)


VIEWS = (Event(1), Event(2, visitor=2), Event(3, engaged=700), Event(4, hour=11))

events = st.builds(
    Event,
    number=st.integers(1, 9),
    hour=st.integers(9, 11),
    visitor=st.integers(0, 3),
    path=st.sampled_from(["/a", "/b"]),
    country=st.sampled_from(["DE", "FR"]),
    engaged=st.integers(0, 1000),
    synthetic=st.sampled_from([0, 0, 0, 1]),
)
segments = st.lists(events, min_size=1, max_size=5).map(lambda all_: ("insert", all_))
steps = st.one_of(
    segments,
    segments,
    st.tuples(st.just("repeat"), st.integers(0, 9)),
    st.tuples(st.just("join"), st.integers(0, 9)),
    st.tuples(st.just("erase"), st.integers(1, 3)),
    st.tuples(st.just("build"), st.just(0)),
    st.tuples(st.just("build, and fail"), st.integers(1, 6)),
    st.tuples(st.just("restart"), st.just(0)),
)


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(todo=st.lists(steps, min_size=3, max_size=9))
@example(
    todo=[
        ("insert", [Event(1), Event(2, visitor=2), Event(3, engaged=500)]),
        ("build", 0),
        # Known ones, one of them otherwise; a late one; one of a load test.
        ("insert", [Event(1), Event(2, country="FR"), Event(4), Event(5, synthetic=1)]),
        ("repeat", 0),
        ("build, and fail", 2),
        ("erase", 2),
        ("build", 0),
        ("join", 0),
    ]
)
def test_exact_whatever_happens(engine: Store, todo: list[tuple[str, Any]]) -> None:
    """After every step, and after the last build, the totals are the events' own."""
    site = Site(engine)
    for what, how in todo:
        if what == "insert":
            site.insert(*how)
        elif what == "repeat" and site.sent:
            site.repeat(how % len(site.sent))
        elif what == "join" and site.sent:
            # Segments that lay side by side go as one, in their order.
            joined = [
                it for _, sent in site.sent[how % len(site.sent) :] for it in sent
            ]
            gone = {it.number for it in joined} - site.events.keys()
            site.insert(*(it for it in joined if it.number not in gone))
        elif what == "erase":
            site.erase(how)
        elif what == "restart":
            site.restart()
        elif what.startswith("build"):
            site.store.left = how or -1
            site.store.after = how % 2 == 0
            site.rollups.run_once()
            site.store.left = -1
        site.check()
    site.settle()
    site.check()

    assert [] == drift_of(engine, site.name)
    assert len(totals_of(site.events)) == len(site.built("hour"))


def test_built_once(site: Site) -> None:
    """What has ended is built, read from there, and then left alone."""
    site.insert(*VIEWS)
    site.settle()
    before = site.built("build", "views")

    assert 2 == len(before)
    assert Built() == site.rollups.run_once()
    assert before == site.built("build", "views")
    site.check()


def test_totals_come_from_the_rollup(site: Site) -> None:
    """Of settled hours no event is read: totals are what the build put down."""
    site.insert(*VIEWS)
    site.settle()
    site.store.store.command(
        f"ALTER TABLE kastana.page_hours_built UPDATE views = 70 "
        f"WHERE site = '{site.name}' AND toHour(hour) = 11",
        {"mutations_sync": "1"},
    )

    assert 70 == totals_in(site.store.store, site.name)[VIEWS[3].cell][0]
    wrong = drift_of(site.store.store, site.name)
    assert [f"{DAY} 11:00:00"] == [one[1] for one in wrong]

    site.rollups.rebuild("page_hours", site.name, DAY, DAY)
    site.check()
    site.settle()
    site.check()


def test_running_hour_is_read_from_the_events(engine: Store) -> None:
    """An hour that has not ended is not built, and its totals are exact."""
    site = Site(engine)
    noon = int(answer(engine, f"SELECT toUnixTimestamp('{DAY} 11:59:59')")[0][0])
    site.rollups = Rollups(site.store, POLICY, ROLLUPS, clock=lambda: noon * 1000)
    site.insert(*VIEWS)
    site.settle()

    assert [[f"{DAY} 10:00:00"]] == site.built("hour")
    site.check()


@pytest.mark.parametrize("built", [False, True], ids=["before", "after"])
def test_repeated_segment(site: Site, built: bool) -> None:  # noqa: FBT001
    """The same token again changes no row, no mark and no total."""
    site.insert(*VIEWS)
    if built:
        site.settle()
    marks = (
        "SELECT toUInt8(sum(marks)) FROM kastana.page_hours_marks "  # noqa: S608
        f"WHERE site = '{site.name}'"
    )
    before = answer(site.store.store, marks)
    for _ in range(3):
        site.repeat(0)

    assert [[4]] == before
    assert before == answer(site.store.store, marks)
    site.check()


def test_view_gets_what_only_the_table_had(site: Site) -> None:
    """A crash between the two leaves rows without marks; the repetition marks them."""
    store = site.store.store
    store.command("DETACH TABLE kastana.page_hours_marking SYNC")
    try:
        site.insert(*VIEWS)
    finally:
        store.command("ATTACH TABLE kastana.page_hours_marking")
    assert {} == totals_in(store, site.name)

    site.repeat(0)

    site.check()
    site.repeat(0)
    site.settle()
    site.check()


def test_equal_erasures_both_count(site: Site) -> None:
    """Two erasures that mark the same hour by the same number are two."""
    site.insert(Event(1), Event(2, visitor=2), Event(4, visitor=3))
    site.settle()
    for visitor in (1, 2):
        site.erase(visitor)
        site.check()
        site.settle()
        site.check()


def test_erased_leave_the_states(site: Site) -> None:
    """Right after an erasure no state holds the pseudonym, built again or not."""
    site.insert(*VIEWS)
    site.settle()
    # Only an erasure is due; building waits for its time.
    site.rollups = Rollups(site.store, POLICY, ROLLUPS, every_s=3600)
    site.rollups.run_once()
    site.erase(2)

    assert [[11, 1]] == site.built(
        "toHour(hour)", "toUInt8(finalizeAggregation(visitors))"
    )
    site.check()


def test_stale_rows_of_a_failed_build_go(site: Site) -> None:
    """A build that was not published counts for nothing, and the next start ends it."""
    site.insert(*VIEWS)
    site.store.left, site.store.after = 1, True
    site.rollups.run_once()
    assert "AWAY" in site.rollups.problem
    assert 2 == len(site.built("hour"))
    site.check()

    site.restart()
    site.settle()

    assert 2 == len(site.built("hour"))
    site.check()


def test_real_eraser(engine: Store, tmp_path: Path) -> None:
    """Withdrawals go through the eraser into the rollup, two that look alike too."""
    site, stage = Site(engine), Stage(tmp_path)
    site.insert(Event(1), Event(2, visitor=2), Event(4, visitor=3), Event(5, hour=11))
    eraser = Eraser(
        engine,
        stage.narrower,
        stage.objections,
        POLICY,
        tmp_path / "erased",
        marking=lambda where: site.rollups.marking("events", where),
    )
    for visitor, rows in ((2, 1), (3, 1), (1, 2)):
        site.settle()
        entry = Entry(4_000_000_000_000, site.name, visitor, "erased", ())
        stage.objections.append([entry])
        done = eraser.run_once()
        site.events = {n: it for n, it in site.events.items() if it.visitor != visitor}

        assert ("", rows) == (eraser.problem, done.rows)
        site.check()
    site.rollups.run_once(erased=True)
    site.settle()
    site.check()

    assert [] == site.built("hour")


class TestMigrate:
    """Rollups of a store that has rows, or another definition."""

    def test_rows_from_before(self, site: Site) -> None:
        """A rollup that is made over rows has them, each once, also if cut short."""
        store = site.store.store
        site.insert(*VIEWS)
        site.settle()
        for statement in (
            "DROP VIEW kastana.page_hours_marking SYNC",
            "DROP TABLE kastana.page_hours_marks SYNC",
        ):
            store.command(statement)
        migrate(store, POLICY)
        site.check()
        # As if the start had ended before the marks were made.
        store.command("TRUNCATE TABLE kastana.page_hours_marks")
        store.command(
            "ALTER TABLE kastana.page_hours_marks MODIFY COMMENT 'Not complete'"
        )
        migrate(store, POLICY)
        site.check()
        site.restart()
        site.settle()
        site.check()

        assert [] == drift_of(store, site.name)

    def test_second_start_changes_nothing(self, site: Site) -> None:
        """A complete rollup is left as it is."""
        site.insert(*VIEWS)
        site.settle()
        before = site.built("build")
        migrate(site.store.store, POLICY)

        assert before == site.built("build")

    def test_windows(self, engine: Store) -> None:
        """The tables remember the segments as long as their source does."""
        tables = rollup_tables(ROLLUPS)
        engine.check_tables(dict.fromkeys(tables, DEDUPLICATION_WINDOW))

        assert {"page_hours_marks", "page_hours_built"} == set(tables)

    def test_expiry(self, engine: Store) -> None:
        """What is made of pseudonyms is emptied when they are, before its row goes."""
        long_ago = "now() - INTERVAL 400 DAY"
        engine.command(
            "INSERT INTO kastana.page_hours_built (site, hour, build, views, visitors)"
            f"SELECT 'old.example', toStartOfHour({long_ago}), 1, 2, "
            "uniqExactState(toUInt64(7))"
        )
        engine.command("OPTIMIZE TABLE kastana.page_hours_built FINAL")

        assert [[2, 0]] == answer(
            engine,
            "SELECT toUInt8(views), toUInt8(finalizeAggregation(visitors)) "
            "FROM kastana.page_hours_built WHERE site = 'old.example'",
        )


class TestRebuild:
    """Hours that someone wants built again."""

    def test_hour_without_events(self, site: Site) -> None:
        """An hour whose events went unnoticed is put right as well."""
        site.insert(*VIEWS)
        site.settle()
        site.store.store.command(
            f"ALTER TABLE kastana.events DELETE WHERE site = '{site.name}'",
            {"mutations_sync": "1"},
        )
        assert [] != drift_of(site.store.store, site.name)

        site.rollups.rebuild("page_hours", site.name, DAY, DAY)
        site.settle()

        site.events = {}
        site.check()
        assert [] == drift_of(site.store.store, site.name)

    def test_of_one_site(self, engine: Store) -> None:
        """Hours of another site, and of other days, stay settled."""
        one, two = Site(engine), Site(engine)
        for site in (one, two):
            site.insert(*VIEWS)
            site.settle()
        before = two.built("build")
        one.rollups.rebuild("page_hours", one.name, DAY, DAY)
        one.rollups.rebuild("page_hours", two.name, "2020-01-01", "2020-01-02")
        changed = one.built("build")
        one.settle()

        assert before == two.built("build")
        assert changed != one.built("build")

    def test_while_a_pass_is_under_way(self, site: Site) -> None:
        """What is asked for when a pass has looked is built by the next, at once."""
        site.insert(*VIEWS)
        site.settle()
        rollups = Rollups(site.store, POLICY, ROLLUPS, every_s=3600)
        site.store.looked = lambda: rollups.rebuild("page_hours", site.name, DAY, DAY)

        built = [rollups.run_once().hours for _ in range(3)]

        assert 0 == built[0]
        assert built[1] > 0
        assert 0 == built[2]
        # Answered: what comes later waits for its time again.
        site.insert(Event(5))
        assert 0 == rollups.run_once().hours

    def test_of_more_hours_than_a_pass_builds(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It goes on until nothing waits, pass after pass."""
        site.insert(*VIEWS)
        site.settle()
        rollups = Rollups(site.store, POLICY, ROLLUPS, every_s=3600)
        rollups.run_once()
        monkeypatch.setattr("pipeline.rollups._HOURS", 1)
        rollups.rebuild("page_hours", site.name, DAY, DAY)

        built = [rollups.run_once().hours for _ in range(3)]

        assert [1, 1, 0] == built

    def test_unknown(self, site: Site) -> None:
        """A rollup that is none is said so; a day that is none is refused."""
        with pytest.raises(KeyError):
            site.rollups.rebuild("nothing", "", DAY, DAY)
        with pytest.raises(StoreRefused):
            site.rollups.rebuild("page_hours", "", "yesterday", DAY)
