"""
What was withdrawn leaves the store, and the segments that are kept beside it.

`Eraser.run_once` runs in the loader's thread, after it. An objection that arrives while
a segment is being inserted is therefore carried out when that insert has ended; and a
segment whose insert has no known end is narrowed before it is tried again
(`pipeline/withdrawal/narrow.py`), and its plan read here after its load.

- Statistics withdrawn, a visitor erased, a child: all rows under the pseudonym that the
  objection closes are deleted, since the pseudonym itself rested on statistics.
- Another category withdrawn: rows that needed it are deleted, in all others the fields
  that need it are emptied and their consent is stored as withdrawn.
- Which rows those are is said by the limits of `pipeline/withdrawal/standing.py`, as at
  the door.
- Only when a count of what should be gone says 0 are entries marked as done: their
  last number, in a file written whole. Doing them again would change nothing.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import orjson

from pipeline.clock import now_ms
from pipeline.durable import replace_file
from pipeline.sealing import SegmentDamagedError, SegmentWaitsError
from pipeline.store_errors import StoreError
from pipeline.withdrawal.erase_sql import Statements, Target
from pipeline.withdrawal.narrow import Narrower, Plan
from pipeline.withdrawal.objections import Objections, ObjectionsError
from pipeline.withdrawal.rewrite import Principal
from schemas.policy import Policy

_log = logging.getLogger("kastana.erase")
_ENTRIES: Final = 500
# ClickHouse reads statements of 256 KiB at most; a hundred visitors need half.
_TARGETS: Final = 100
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 30.0
# How long after its client gave up a server may still be at an insert.
_FENCE_MS: Final = 900_000
_RUNNING: Final = (
    "SELECT count() FROM system.mutations WHERE database = 'kastana' "
    "AND table = 'events' AND NOT is_done"
)


class ErasingStore(Protocol):
    """What erasing needs of a store."""

    def command(self, sql: str, settings: Mapping[str, str] | None = None) -> None:
        """Run a statement that changes something."""

    def query(self, sql: str, fmt: str, *, read_only: bool) -> bytes:
        """Run a query, give its result in a ClickHouse format."""


class Erased(msgspec.Struct, frozen=True):
    """
    What one pass did, and what is left to do.

    Attributes:
        rows: rows deleted, and rows that lost fields.
        entries: entries that were marked as done.
        pending: objections that are not carried out yet, at most.
        oldest_ms: when the oldest of them was recorded, ms since 1970 UTC.

    """

    rows: int = 0
    entries: int = 0
    pending: int = 0
    oldest_ms: int | None = None


class _Unfinished(Exception):  # noqa: N818 - says what is the case
    """The store did not do it, and did not say so."""


class _Done(msgspec.Struct, frozen=True):
    """The state file: the last entry that was carried out."""

    number: int


class Eraser:
    """Carries objections out in the store; the keeper has one."""

    def __init__(  # noqa: PLR0913 - each of its own type
        self,
        store: ErasingStore,
        narrower: Narrower,
        objections: Objections,
        policy: Policy,
        state_path: Path,
        *,
        every_s: float = 0.0,
        marking: Callable[[str], Iterable[str]] = lambda _where: (),
    ) -> None:
        """
        Bind a store to the objections.

        Args:
            store: where rows are deleted.
            narrower: knows the spool, and the plans that wait for us.
            objections: what was withdrawn.
            policy: says which field needs which consent.
            state_path: the file that says how far we are; made if missing.
            every_s: seconds for which new objections are collected after a batch,
                since a mutation rewrites every part of the table that it touches.
            marking: gives what tells rollups of rows that go or change, by condition.

        Raises:
            PolicyError: when a field that needs consent is part of the table's key:
                it could not be emptied.

        """
        self._store = store
        self._narrower = narrower
        self._objections = objections
        self._sql = Statements(policy)
        self._state_path = state_path
        self._every_s = every_s
        self._marking = marking
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0
        self._seen: set[str] = set()
        self._done = _read_state(state_path)
        self.problem = ""

    def run_once(self) -> Erased:
        """Carry out a batch of what was objected to; never raises, never waits."""
        try:
            self._objections.look()
            # A file from a backup starts again; what is done twice stays done.
            if self._done > self._objections.last:
                self._done = 0
            return self._run()
        except (StoreError, ObjectionsError, _Unfinished) as error:
            return self._failed(str(error))
        except (SegmentWaitsError, SegmentDamagedError) as error:
            return self._failed(f"a plan in the spool: {error.code}")
        except OSError as error:
            return self._failed(f"the disk: {error.strerror}")

    def _run(self) -> Erased:
        batch = self._objections.after(self._done, _ENTRIES)
        plans = [plan for plan in self._narrower.loaded_plans() if self._is_due(plan)]
        principals = {
            (entry.site, entry.visitor_id)
            for _, entry in batch
            if entry.kind != "given"
        }.union(*(plan.principals for plan in plans))
        if principals and time.monotonic() < self._not_before:
            return self._left(0, 0)
        rows = self._erase(sorted(principals)) if principals else 0
        for plan in plans:
            if plan.rows or _is_old(plan):
                self._narrower.finish(plan)
            self._seen.add(plan.file)
        if batch:
            self._mark(batch[-1][0])
        if principals:
            self._pause_s = _FIRST_PAUSE_S
            # Many at once are many batches, one right after another.
            if self._done >= self._objections.last:
                self._not_before = time.monotonic() + self._every_s
            _log.info("objections carried out: %d, rows: %d", len(batch), rows)
        if self.problem:
            _log.info("objections are carried out again")
            self.problem = ""
        return self._left(rows, len(batch))

    def _erase(self, principals: Sequence[Principal]) -> int:
        rows = 0
        for start in range(0, len(principals), _TARGETS):
            chunk = principals[start : start + _TARGETS]
            targets = [
                Target(site, visitor_id, limits)
                for site, visitor_id in chunk
                if (limits := self._objections.limits(site, visitor_id)) is not None
            ]
            for where, statement in self._sql.of(targets):
                rows += self._carry_out(where, statement)
        self._narrower.sweep(frozenset(principals))
        return rows

    def _carry_out(self, where: str, statement: str) -> int:
        count = f"SELECT count() FROM kastana.events WHERE {where}"  # noqa: S608 - ours
        rows = self._number(count)
        if rows == 0:
            return 0
        if self._number(_RUNNING):
            # One that was not waited for may be at it still; no second on top.
            raise _Unfinished("a mutation is running")
        for marks in self._marking(where):
            # Equal ones would be taken for repetitions.
            self._store.command(marks, {"insert_deduplicate": "0"})
        self._store.command(statement, {"mutations_sync": "1"})
        if self._number(count):
            raise _Unfinished("rows are left")
        return rows

    def _number(self, sql: str) -> int:
        answer = self._store.query(sql, "JSONCompactEachRow", read_only=False)
        return int(orjson.loads(answer)[0])

    def _is_due(self, plan: Plan) -> bool:
        # A segment without rows is not inserted, so no token keeps away an insert of
        # the whole one that is still under way: such a plan is carried out again.
        return plan.file not in self._seen or _is_old(plan)

    def _mark(self, number: int) -> None:
        self._done = number
        content = msgspec.json.encode(_Done(number))
        draft = self._state_path.with_name(f".{self._state_path.name}.draft")
        replace_file(self._state_path, content, draft)

    def _failed(self, why: str) -> Erased:
        if not self.problem:
            _log.warning("objections wait to be carried out: %s", why)
        self.problem = why
        self._not_before = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        return self._left(0, 0)

    def _left(self, rows: int, entries: int) -> Erased:
        try:
            oldest = self._objections.after(self._done, 1)
            pending = self._objections.last - self._done
        except (ObjectionsError, OSError):
            # Said in `problem`; how many there are cannot be known.
            return Erased(rows, entries)
        oldest_ms = oldest[0][1].time_ms if oldest else None
        return Erased(rows, entries, max(0, pending), oldest_ms)


def _is_old(plan: Plan) -> bool:
    return now_ms() - plan.made_ms > _FENCE_MS


def _read_state(path: Path) -> int:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Done).number
    except FileNotFoundError:
        return 0
    except msgspec.MsgspecError:
        _log.warning("the state of erasing cannot be read; it starts again")
        return 0
