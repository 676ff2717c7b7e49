"""
Step 8, load: sealed segments become inserts, each row exactly once.

An insert is one segment, or several small ones of a table and header joined in order.
Its token is fixed before the first attempt (`pipeline/load_plans.py`): however often
it is repeated (a timeout after the commit, a crash before the rename) the engine takes
it once. While the store is away it is tried again with growing pauses, for ever
(`pipeline/load_breaker.py`).

What the engine refuses for its content is halved, again and again, until the refused
rows stand alone: those go to `failed/`, each with the engine's number and name beside
it, the rest is loaded. That costs some 2 * log2(n) inserts a bad row; when a segment
has given `MOST_BAD` of them, whatever part is refused next is set aside whole. Segments
of consent choices are not halved, nor joined: their rows are links of a chain.

Before each attempt a segment of events is narrowed to what may still be stored, one of
consent choices is linked into its ledger, oldest first, and one that an older policy
wrote gets the columns that came since (`pipeline/load_header.py`).
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from pipeline.durable import replace_file, sync_folder
from pipeline.load_breaker import Breaker, Status
from pipeline.load_plans import Joint, Plans, digest
from pipeline.load_ready import (
    LEDGER,
    Body,
    Preparer,
    SegmentLedger,
    SegmentNarrower,
    UnfitError,
)
from pipeline.sealing import PLAIN, Sealing, SegmentWaitsError
from pipeline.segment import SUFFIX, recover
from pipeline.store import StoreRefused, StoreUnavailable
from pipeline.withdrawal.objections import ObjectionsError

_log = logging.getLogger("kastana.load")
# How much goes into one insert that is joined; a single segment may be larger.
JOIN_ROWS = 100_000
JOIN_BYTES = 64 << 20
_JOIN_MEMBERS = 1_000
MOST_BAD = 16
# A pass ends after this, so that withdrawals are carried out while a backlog loads.
_PASS_S = 2.0


class SegmentStore(Protocol):
    """What the loader needs of a store."""

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Insert a segment's bytes under its token."""


class Loaded(msgspec.Struct, frozen=True):
    """
    What one pass did.

    Attributes:
        segments: segments loaded.
        rows: rows in them.
        failed: segments, and parts of segments, that were set aside.
        waiting: segments that cannot be read yet, for want of their key.
        inserts: attempts that the store took.
        more: whether the pass ended with work left that can be done now.

    """

    segments: int = 0
    rows: int = 0
    failed: int = 0
    waiting: int = 0
    inserts: int = 0
    more: bool = False


class _Insert(msgspec.Struct, frozen=True):
    """What goes into the store at once; `fresh` if that may still be decided."""

    members: tuple[str, ...]
    joint: Joint | None = None
    fresh: bool = False

    @property
    def table(self) -> str:
        """The table that its segments' names begin with."""
        return self.members[0].partition("-")[0]

    @property
    def token(self) -> str:
        """What the engine knows it by."""
        if self.joint is not None:
            return self.joint.token
        return self.members[0].removesuffix(SUFFIX).partition("-")[2]


@dataclass
class _Tally:
    """What a pass did so far."""

    segments: int = 0
    rows: int = 0
    failed: int = 0
    waiting: int = 0
    inserts: int = 0
    more: bool = False

    def told(self) -> Loaded:
        """Return it as what `run_once` gives."""
        return Loaded(**vars(self))


class Loader:
    """Moves segments from `sealed/` into a store."""

    def __init__(  # noqa: PLR0913 - each of its own type
        self,
        root: Path,
        store: SegmentStore,
        headers: dict[str, bytes],
        keep_s: float,
        *,
        narrower: SegmentNarrower | None = None,
        ledger: SegmentLedger | None = None,
        sealing: Sealing = PLAIN,
    ) -> None:
        """
        Bind a spool to a store, and end what a crash left half done.

        Args:
            root: the spool's folder.
            store: where segments go.
            headers: the header each table's segments must have.
            keep_s: how long a loaded segment is kept, seconds.
            narrower: holds events to what was withdrawn since they were accepted.
            ledger: links consent choices.
            sealing: the keys of encrypted segments.

        Raises:
            OSError: when the disk fails.

        """
        self._root = root
        self._sealed = root / "sealed"
        self._store = store
        self._keep_s = keep_s
        self._ledger = ledger
        self._sealing = sealing
        self._ready = Preparer(self._sealed, headers, narrower, ledger, sealing)
        self._plans = Plans(root, sealing)
        self._breaker = Breaker()
        # Of each part of a refused segment, that segment; and its bad rows so far.
        self._origins: dict[str, str] = {}
        self._bad: dict[str, int] = {}
        # What was said of segments that wait, and of what the disk refuses.
        self._told: set[str] = set()
        self._kept_from: set[str] = set()

    @property
    def status(self) -> Status:
        """Whether segments can be loaded, since when, and why not."""
        return self._breaker.status

    @property
    def problem(self) -> str:
        """Why no segment can be loaded now; empty when they can."""
        return self._breaker.status.problem

    def run_once(self) -> Loaded:
        """Recover, purge, and load what is sealed; never waits."""
        self._recover()
        self._purge()
        tally = _Tally()
        if self._breaker.allows():
            try:
                self._pass(tally)
            except StoreUnavailable as error:
                self._failed("the store is away", str(error))
            except ObjectionsError as error:
                # Who withdrew cannot be known: no event is stored meanwhile.
                self._failed("nothing is stored", str(error))
            except OSError as error:
                self._failed("the spool cannot be changed", str(error.strerror))
        return tally.told()

    def _pass(self, tally: "_Tally") -> None:
        """Load until nothing is left, something fails, or the time is over."""
        end = time.monotonic() + _PASS_S
        self._plans.settle()
        todo = deque(self._inserts())
        while todo:
            self._turn(todo, tally)
            if todo and time.monotonic() > end:
                tally.more = True
                return
        if not tally.waiting:
            self._told.clear()
        self._bad.clear()
        self._worked()

    def _inserts(self) -> list[_Insert]:
        """Return what waits: joints, segments that stay alone, and all others."""
        alone = self._plans.alone()
        inserts = [_Insert(one.members, joint=one) for one in self._plans.joints()]
        spoken_for = {name for insert in inserts for name in insert.members}
        for path in self._sealed.glob("*" + SUFFIX):
            if path.name not in spoken_for:
                fresh = path.name not in alone
                inserts.append(_Insert((path.name,), fresh=fresh))
        return sorted(inserts, key=self._order)

    def _order(self, insert: _Insert) -> tuple[bool, int, str]:
        """Parts of what was refused first, the smallest first; then by age."""
        name = insert.members[0]
        part = name in self._origins
        # So that bad rows are found before everything around them is in pieces.
        size = (self._sealed / name).stat().st_size if part else 0
        return not part, size, name

    def _turn(self, todo: deque[_Insert], tally: _Tally) -> None:
        """Bring about the next insert, or put what stands in its place first."""
        insert = todo.popleft()
        try:
            bodies = self._bodies(insert)
        except SegmentWaitsError as error:
            tally.waiting += len(insert.members)
            self._tell_waiting(insert.members[0], error.code)
            return
        except UnfitError as error:
            self._unfit(insert, error, todo, tally)
            return
        if insert.fresh and insert.table != LEDGER:
            insert = self._joined(insert, bodies, todo)
        if any(body.rows for body in bodies):
            header = digest(bodies[0].header)
            if insert.joint is not None:
                certain = insert.joint.header == header
            else:
                certain = self._plans.begin(insert.members[0], header)
            try:
                self._store.insert_segment(insert.table, _whole(bodies), insert.token)
            except StoreRefused as error:
                # It answers, whatever it says.
                self._worked()
                self._refused(insert, bodies[0], error, todo, tally, certain=certain)
                return
            tally.inserts += 1
            self._worked()
        self._loaded(insert)
        tally.segments += len(bodies)
        tally.rows += sum(body.rows for body in bodies)

    def _bodies(self, insert: _Insert) -> list[Body]:
        """Return what an insert consists of; of a joint, what is still there."""
        if insert.joint is None:
            return [self._ready.body(insert.members[0])]
        return [
            self._ready.body(name)
            for name in insert.members
            if (self._sealed / name).exists()
        ]

    def _joined(
        self, insert: _Insert, bodies: list[Body], todo: deque[_Insert]
    ) -> _Insert:
        """Take into an insert what follows it and fits; its bodies are added."""
        rows, size = bodies[0].rows, len(bodies[0].content)
        while todo and todo[0].fresh and todo[0].table == insert.table:
            path = self._sealed / todo[0].members[0]
            if size + path.stat().st_size > JOIN_BYTES or len(bodies) >= _JOIN_MEMBERS:
                break
            try:
                body = self._ready.body(path.name)
            except (SegmentWaitsError, UnfitError):
                # What is to be said of it is said when it is its turn.
                break
            rows, size = rows + body.rows, size + len(body.content)
            if rows > JOIN_ROWS or body.header != bodies[0].header:
                break
            bodies.append(body)
            todo.popleft()
        if len(bodies) == 1:
            return insert
        members = [body.segment for body in bodies]
        joint = self._plans.join(members, digest(bodies[0].header))
        return _Insert(joint.members, joint=joint)

    def _loaded(self, insert: _Insert) -> None:
        if insert.joint is not None:
            self._plans.taken(insert.joint)
            return
        segment = insert.members[0]
        if insert.table == LEDGER and self._ledger is not None:
            self._ledger.loaded(self._sealed / segment)
        self._plans.loaded(segment)
        self._origins.pop(segment, None)

    def _refused(  # noqa: PLR0913 - what is known of a refusal
        self,
        insert: _Insert,
        body: Body,
        error: StoreRefused,
        todo: deque[_Insert],
        tally: _Tally,
        *,
        certain: bool,
    ) -> None:
        """Find what in it the engine does not take; set that aside."""
        why = f"{error.code} {error.name}"
        if not certain:
            # An earlier attempt, with other columns, may have been taken.
            why += " maybe_stored"
            for segment in insert.members:
                self._set_aside(segment, why, tally)
        elif insert.joint is not None:
            self._plans.dissolve(insert.joint)
            todo.extendleft(_Insert((one,)) for one in reversed(insert.members))
        elif error.code and self._may_split(body):
            self._split(body, todo)
        else:
            self._set_aside(insert.members[0], why, tally)

    def _unfit(
        self,
        insert: _Insert,
        error: UnfitError,
        todo: deque[_Insert],
        tally: _Tally,
    ) -> None:
        """Set aside what cannot be made an insert; without it, a joint goes on."""
        alone = insert.joint is None and not self._plans.tried(error.segment)
        if alone and error.name == "SEGMENT_LINE":
            body = self._ready.as_it_is(error.segment)
            if self._may_split(body):
                self._split(body, todo)
                return
        self._set_aside(error.segment, f"{error.code} {error.name}", tally)
        if insert.joint is not None:
            todo.appendleft(insert)

    def _may_split(self, body: Body) -> bool:
        origin = self._origins.get(body.segment, body.segment)
        ledger = body.segment.startswith(f"{LEDGER}-")
        return body.rows > 1 and not ledger and self._bad.get(origin, 0) < MOST_BAD

    def _split(self, body: Body, todo: deque[_Insert]) -> None:
        origin = self._origins.pop(body.segment, body.segment)
        parts = self._plans.split(body.segment, body.content)
        self._origins.update(dict.fromkeys(parts, origin))
        todo.extendleft(_Insert((part,)) for part in reversed(parts))

    def _set_aside(self, segment: str, why: str, tally: _Tally) -> None:
        origin = self._origins.pop(segment, "")
        if origin:
            self._bad[origin] = self._bad.get(origin, 0) + 1
        target = self._root / "failed" / segment
        reason = target.with_suffix(".reason")
        replace_file(reason, f"{why}\n".encode(), reason.with_name(f".{reason.name}"))
        (self._sealed / segment).rename(target)
        sync_folder(self._root / "failed")
        sync_folder(self._sealed)
        tally.failed += 1
        _log.error("segment %s refused: %s; it waits in failed/", segment, why)

    def _tell_waiting(self, segment: str, code: str) -> None:
        """Say that a segment cannot be read yet; of many, of the first."""
        if code not in self._told:
            self._told.add(code)
            _log.warning("segment %s waits: %s", segment, code)

    def _failed(self, what: str, why: str) -> None:
        if self._breaker.failed(why):
            _log.warning("%s: %s; events wait in the spool", what, why)

    def _worked(self) -> None:
        if self._breaker.succeeded():
            _log.info("segments are loaded again")

    def _recover(self) -> None:
        try:
            for name in recover(self._root, self._sealing, self._tell_waiting):
                _log.info("recovered segment %s", name)
        except OSError as error:
            # What could be recovered was; the rest is tried at the next pass.
            self._tell_once("open segments not recovered", error)
        else:
            self._kept_from.discard("open segments not recovered")

    def _purge(self) -> None:
        oldest = time.time() - self._keep_s
        try:
            for path in (self._root / "loaded").iterdir():
                if path.stat().st_mtime < oldest:
                    path.unlink()
        except OSError as error:
            # They are in nobody's way: no reason to load nothing, or to end.
            self._tell_once("loaded segments not purged", error)
        else:
            self._kept_from.discard("loaded segments not purged")

    def _tell_once(self, what: str, error: OSError) -> None:
        """Log what the disk refuses, once until it does not."""
        if what not in self._kept_from:
            self._kept_from.add(what)
            _log.warning("%s: %s", what, error.strerror)


def _whole(bodies: Sequence[Body]) -> bytes:
    if len(bodies) == 1:
        return bodies[0].content
    rows = [memoryview(body.content)[body.start :] for body in bodies]
    return b"".join([bodies[0].header, *rows])
