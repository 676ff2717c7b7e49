"""
Keeping rollups exact: hours that were marked are built again, and what is stale goes.

`Rollups.run_once` runs in the loader's thread, after the loader and the eraser, and
only when neither has a problem: then no insert and no mutation is under way, and what
a count of marks says is what the table holds. What a build is, and why the totals are
exact without one, is told in schemas/ddl_rollup.py.

- Hours that have ended are built, some at a time; the running hour is read from the
  source. Rows that come later mark their hour, and it is built again.
- A build is written under a number of its own and counts from the insert that
  publishes it, with the marks it has seen. A crash in between leaves rows that no
  reader sees; so does an insert that a server carries out after we gave it up.
- Such rows, and those of an hour whose rows were erased, are deleted: at the start,
  after an erasure and after a second build. States hold pseudonyms, and are deleted
  with the rows they were made of.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import orjson

from pipeline.clock import now_ms
from pipeline.store_errors import StoreError
from pipeline.withdrawal.erase_sql import quote
from schemas.ddl import DATABASE
from schemas.ddl_rollup import BUILD, SETTLED, mark, totals
from schemas.policy import Policy
from schemas.rollups import Rollup

_log = logging.getLogger("kastana.rollups")
# A statement names each; ClickHouse reads statements of 256 KiB at most.
_HOURS: Final = 300
_HOUR_MS: Final = 3_600_000
# Two marks may well be equal: the engine would take the second for a repetition.
_NEW: Final = {"insert_deduplicate": "0", "async_insert": "0"}


class RollupStore(Protocol):
    """What rollups need of a store."""

    def command(self, sql: str, settings: Mapping[str, str] | None = None) -> None:
        """Run a statement that changes something."""

    def query(
        self,
        sql: str,
        fmt: str,
        parameters: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        read_only: bool,
    ) -> bytes:
        """Run a statement, give its result in a ClickHouse format."""


class Built(msgspec.Struct, frozen=True):
    """What one pass did: hours that were built, hours that wait although they ended."""

    hours: int = 0
    waiting: int = 0


class _Hour(msgspec.Struct, frozen=True, array_like=True):
    """An hour of a site, with the marks it had when it was looked at."""

    site: str
    hour: int
    seen: int
    build: int


class _Unfinished(Exception):  # noqa: N818 - says what is the case
    """The store did not do it, and did not say so."""


class Rollups:
    """Builds what was marked; the keeper has one."""

    def __init__(
        self,
        store: RollupStore,
        policy: Policy,
        rollups: Mapping[str, Rollup],
        *,
        every_s: float = 0.0,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """
        Bind rollups to a store.

        Args:
            store: where their tables are, and their sources.
            policy: says what their sources have.
            rollups: by name.
            every_s: seconds between two passes that build; hours that rows still
                come for would be built for each of them.
            clock: ms since 1970 UTC.

        """
        self._store = store
        self._policy = policy
        self._rollups = rollups
        self._every_s = every_s
        self._clock = clock
        self._not_before = 0.0
        # Set by another thread: what it wants is for the pass that comes after.
        self._wanted = threading.Event()
        self._stale = True
        self._last_build = 0
        self._waiting = 0
        self.problem = ""

    def run_once(self, *, erased: bool = False) -> Built:
        """
        Delete what is stale, build what is due; never raises, never waits.

        Args:
            erased: whether rows were erased since the last pass.

        """
        wanted = self._wanted.is_set()
        if wanted:
            # Before anything is read: who asks from now on asks for another pass.
            self._wanted.clear()
            # Until nothing waits any more, which may take several passes.
            self._not_before = 0.0
        self._stale = self._stale or erased or wanted
        due = time.monotonic() >= self._not_before
        if not due and not (self._stale and not self.problem):
            return Built(0, self._waiting)
        try:
            if self._stale:
                for name in self._rollups:
                    self._sweep(name)
                self._stale = False
            built = self._build_all() if due else Built(0, self._waiting)
        except (StoreError, _Unfinished) as error:
            if not self.problem:
                _log.warning("rollups are not built: %s", error)
            self.problem = str(error)
            self._not_before = time.monotonic() + max(self._every_s, 1.0)
            return Built(0, self._waiting)
        self.problem = ""
        return built

    def marking(self, source: str, where: str) -> Iterator[str]:
        """Yield what marks the hours of rows that are about to go or change."""
        for name, rollup in self._rollups.items():
            if rollup.source == source:
                yield mark(self._policy, name, rollup, where)

    def rebuild(self, name: str, site: str, start: str, end: str) -> None:
        """
        Mark all hours of some days, so that they are built again.

        Args:
            name: of a rollup.
            site: "" for all.
            start: the first day, YYYY-MM-DD.
            end: the last day.

        Raises:
            KeyError: when there is no such rollup.
            StoreError: when the store is away, or a day is none.

        """
        rollup = self._rollups[name]
        in_range = "toDate({}) BETWEEN {{start:Date}} AND {{end:Date}}"
        of_site = "({site:String} = '' OR site = {site:String})"
        where = f"{of_site} AND {in_range.format('occurred_at')}"
        # Also hours that the source has nothing of any more.
        known = (
            f"INSERT INTO {DATABASE}.{name}_marks (site, hour, marks)\n"
            f"SELECT DISTINCT site, hour, 1 FROM {DATABASE}.{name}_marks\n"
            f"WHERE {of_site} AND {in_range.format('hour')}"
        )
        given = {"site": site, "start": start, "end": end}
        for sql in (mark(self._policy, name, rollup, where), known):
            self._store.query(sql, "TSV", given, _NEW, read_only=False)
        self._wanted.set()

    def _build_all(self) -> Built:
        hours = waiting = 0
        for name, rollup in self._rollups.items():
            due = self._due(name)
            if due:
                self._build(name, rollup, due)
            hours += len(due)
            waiting += self._count(
                f"(SELECT site, hour FROM {DATABASE}.{name}_marks "
                f"WHERE {self._ended()} GROUP BY site, hour HAVING NOT ({SETTLED}))"
            )
        if not waiting:
            self._not_before = time.monotonic() + self._every_s
        self._waiting = waiting
        if hours:
            _log.info("rollups: %d hours built, %d wait", hours, waiting)
        return Built(hours, waiting)

    def _due(self, name: str) -> Sequence[_Hour]:
        """Return hours that have ended and are not settled, those of a day together."""
        answer = self._store.query(
            f"SELECT site, toUInt32(hour), toString(sum(marks)), toString({BUILD}) "
            f"FROM {DATABASE}.{name}_marks WHERE {self._ended()} "
            f"GROUP BY site, hour HAVING NOT ({SETTLED}) "
            f"ORDER BY hour, site LIMIT {_HOURS}",
            "JSONCompactEachRow",
            read_only=False,
        )
        rows = [orjson.loads(line) for line in answer.splitlines()]
        return [_Hour(row[0], row[1], int(row[2]), int(row[3])) for row in rows]

    def _build(self, name: str, rollup: Rollup, due: Sequence[_Hour]) -> None:
        build = self._next(name)
        hours = sorted({one.hour for one in due})
        days = ", ".join(str(day) for day in sorted({hour // 86400 for hour in hours}))
        sites = ", ".join(sorted({quote(one.site) for one in due}))
        pairs = ", ".join(f"({quote(one.site)}, {one.hour})" for one in due)
        # The first three are what the source's key and partitions can use.
        where = (
            f"site IN ({sites}) AND toDate(occurred_at) IN ({days}) "
            f"AND occurred_at BETWEEN toDateTime64({hours[0]}, 3, 'UTC') "
            f"AND toDateTime64({hours[-1] + 3600}, 3, 'UTC') "
            f"AND (toString(site), toUnixTimestamp(toStartOfHour(occurred_at))) "
            f"IN ({pairs})"
        )
        columns = ", ".join(["site", "hour", *rollup.dimensions, *rollup.measures])
        self._store.command(
            f"INSERT INTO {DATABASE}.{name}_built ({columns}, build)\n"
            f"SELECT {columns}, {build} AS build FROM (\n"
            f"{totals(self._policy, rollup, where)}\n)",
            _NEW,
        )
        values = ", ".join(
            f"({quote(one.site)}, {one.hour}, 0, ({build}, {one.seen}))" for one in due
        )
        self._store.command(
            f"INSERT INTO {DATABASE}.{name}_marks (site, hour, marks, built) "
            f"VALUES {values}",
            _NEW,
        )
        if any(one.build for one in due):
            self._sweep(name)

    def _sweep(self, name: str) -> None:
        """Delete the rows of every build that is not the settled one of its hour."""
        where = (
            f"(site, hour, build) NOT IN (SELECT site, hour, {BUILD} "
            f"FROM {DATABASE}.{name}_marks GROUP BY site, hour HAVING {SETTLED})"
        )
        table = f"{DATABASE}.{name}_built"
        if not self._count(f"{table} WHERE {where}"):
            return
        if self._count(
            "system.mutations WHERE NOT is_done "
            f"AND database = '{DATABASE}' AND table = '{name}_built'"
        ):
            raise _Unfinished("a mutation is running")
        self._store.command(
            f"ALTER TABLE {table} DELETE WHERE {where}",
            # Replicas would each read their own marks; the count below says it then.
            {"mutations_sync": "1", "allow_nondeterministic_mutations": "1"},
        )
        if self._count(f"{table} WHERE {where}"):
            raise _Unfinished("stale rows are left")

    def _next(self, name: str) -> int:
        """Return a number above that of every build, also of those that failed."""
        answer = self._store.query(
            "SELECT toString(max(tupleElement(built, 'build'))) "
            f"FROM {DATABASE}.{name}_marks",
            "JSONCompactEachRow",
            read_only=False,
        )
        published = int(orjson.loads(answer)[0])
        last = max(published, self._last_build)
        self._last_build = max(last + 1, self._clock() * 1000)
        return self._last_build

    def _ended(self) -> str:
        hour = self._clock() // _HOUR_MS * (_HOUR_MS // 1000)
        return f"hour < toDateTime({hour}, 'UTC')"

    def _count(self, what: str) -> int:
        sql = f"SELECT count() FROM {what}"
        answer = self._store.query(sql, "JSONCompactEachRow", read_only=False)
        return int(orjson.loads(answer)[0])
