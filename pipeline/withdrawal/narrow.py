"""
Step 8, before the load: what was withdrawn meanwhile leaves the waiting segments.

Between its acceptance and its insert a row may wait for days. `Narrower.narrow` holds
each sealed segment of events to the objections of that moment, at every attempt.

A change of a segment is written down as a *plan* before anything is touched, in
`narrowed/` beside the spool's other folders:

    plan -> sealed/counts-… -> sealed/events-… replaced -> loaded -> erased -> no plan

Invariants
----------
- Killed anywhere in between, the same plan is carried out again, to the letter: its
  counters have one name and so one insert token, and count once.
- The segment that was there before may already be in the store, by an insert whose
  answer got lost; the engine then drops the narrowed repeat, by its token. So a plan
  stays until `pipeline/withdrawal/erase.py` has deleted its visitors' withdrawn rows
  from the store, after the load.
- A segment that nobody's objection touches keeps its bytes.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.clock import now_ms
from pipeline.durable import make_private, replace_file, sync_folder
from pipeline.failed import holding_failed
from pipeline.load_plans import fix
from pipeline.sealing import (
    PLAIN,
    Sealing,
    SegmentDamagedError,
    SegmentWaitsError,
)
from pipeline.segment import (
    SUFFIX,
    count_lines,
    read_segment,
    replace_segment,
    rows_begin,
)
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.rewrite import Principal, Rewriter, SegmentError
from schemas.policy import Policy

__all__ = ["Narrowed", "Narrower", "Plan", "SegmentError"]

_FOLDER: Final = "narrowed"
_PLAN: Final = ".plan"
_DRAFT: Final = ".draft"
# Where a segment can wait that a plan is about.
_WAITING: Final = ("sealed", "failed")


class Narrowed(msgspec.Struct, frozen=True):
    """What narrowing did: rows that are gone, rows that lost fields."""

    removed: int = 0
    emptied: int = 0


UNTOUCHED: Final = Narrowed()


class Plan(msgspec.Struct, frozen=True):
    """
    A change of one segment, decided for good.

    Attributes:
        name: the segment's file name.
        before: digest of the bytes that are to be replaced.
        body: the bytes that replace them.
        counters_name: file name of the segment of counters.
        counters: its bytes, empty if no row is gone.
        principals: (site, pseudonym) of every row that was touched.
        rows: how many rows are left.
        made_ms: when it was decided, ms since 1970 UTC.
        done: whether it was carried out; then it holds no rows any more.

    """

    name: str
    before: bytes
    body: bytes
    counters_name: str
    counters: bytes
    principals: tuple[Principal, ...]
    rows: int
    made_ms: int
    done: bool = False

    @property
    def file(self) -> str:
        """The plan's own file name."""
        return f"{_token(self.name)}.{self.before.hex()[:16]}{_PLAN}"

    def __repr__(self) -> str:
        """Say nothing: it holds rows."""
        return "<Plan>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class Narrower:
    """Takes from waiting segments what was withdrawn; the keeper has one."""

    def __init__(
        self,
        objections: Objections,
        policy: Policy,
        root: Path,
        sealing: Sealing = PLAIN,
    ) -> None:
        """
        Bind a spool to the objections.

        Args:
            objections: what was withdrawn.
            policy: says which field needs which consent.
            root: the spool's folder; a folder for plans is made in it.
            sealing: the keys of segments and plans.

        """
        self._rewriter = Rewriter(objections, policy)
        self._root = root
        self._sealing = sealing
        self._plans = root / _FOLDER
        make_private(self._plans)
        for draft in self._plans.glob(f"*{_DRAFT}"):
            draft.unlink()

    def read(self, path: Path) -> tuple[bytes, int]:
        """
        Narrow a sealed segment of events; return what it is then.

        Returns:
            Its plain bytes, and how many rows it has.

        Raises:
            SegmentError, SegmentWaitsError, SegmentDamagedError, ObjectionsError,
            OSError: as `narrow`.

        """
        _, body, rows = self._narrowed(path)
        return body, rows

    def narrow(self, path: Path) -> Narrowed:
        """
        Take from a sealed segment of events what was withdrawn since.

        Raises:
            SegmentError: when a line cannot be judged: it must not be loaded.
            SegmentWaitsError, SegmentDamagedError: when it, or a plan, cannot be read.
            ObjectionsError: when the objections cannot be read in full.
            OSError: when the disk fails; the next call goes on where this one ended.

        """
        return self._narrowed(path)[0]

    def _narrowed(self, path: Path) -> tuple[Narrowed, bytes, int]:
        """Narrow a segment; return what that did, its bytes and its rows."""
        for plan in self._read_plans(path.name):
            self._carry_out(plan)
        body = read_segment(path, self._sealing)
        rows = count_lines(body, rows_begin(body))
        change = self._rewriter.change(body, rows=rows)
        if change is None:
            return UNTOUCHED, body, rows
        before = _digest(body)
        plan = Plan(
            path.name,
            before,
            change.body,
            _counters_name(path.name, before),
            change.counters,
            change.principals,
            change.rows,
            now_ms(),
        )
        self._note(plan)
        self._carry_out(plan)
        return Narrowed(change.removed, change.emptied), change.body, change.rows

    def sweep(self, principals: AbstractSet[Principal]) -> int:
        """
        Take what visitors withdrew from segments that do not wait; return how many.

        Loaded segments were counted as they are, so nothing is counted again; those
        that the store refused were never, and are narrowed as waiting ones are. One
        whose lines cannot be read at all is left to the person it waits for.

        Raises:
            ObjectionsError, OSError: as `narrow`.

        """
        changed = 0
        for path in sorted((self._root / "loaded").glob(f"events-*{SUFFIX}")):
            try:
                body = read_segment(path, self._sealing)
                change = self._rewriter.change(body, principals)
            except (SegmentError, SegmentWaitsError, SegmentDamagedError):
                # It was loaded, so nobody needs it.
                path.unlink()
                changed += 1
                continue
            if change is not None:
                self._write_segment(path, change.body, like=path.stat())
                changed += 1
        # An operator may put one of these back at the same moment.
        with holding_failed(self._root):
            for path in sorted((self._root / "failed").glob(f"events-*{SUFFIX}")):
                try:
                    changed += self.narrow(path) != UNTOUCHED
                except (SegmentError, SegmentWaitsError, SegmentDamagedError):
                    continue
        return changed

    def loaded_plans(self) -> list[Plan]:
        """Return the plans whose segment does not wait for its load any more."""
        waiting = set(os.listdir(self._root / "sealed"))  # noqa: PTH208 - names are all that is asked
        return [plan for plan in self._read_plans() if plan.name not in waiting]

    def finish(self, plan: Plan) -> None:
        """Forget a plan: its visitors' rows are gone from the store."""
        (self._plans / plan.file).unlink(missing_ok=True)
        sync_folder(self._plans)

    def _carry_out(self, plan: Plan) -> None:
        if plan.done:
            return
        for state in _WAITING:
            path = self._root / state / plan.name
            # If these are other bytes, they were replaced before a crash.
            if path.exists() and self._digest(path) == plan.before:
                if plan.counters:
                    # Written twice under one token: it must be joined to nothing.
                    fix(self._root, plan.counters_name)
                    counters = self._root / "sealed" / plan.counters_name
                    self._write_segment(counters, plan.counters)
                self._write_segment(path, plan.body)
        self._note(msgspec.structs.replace(plan, body=b"", counters=b"", done=True))

    def _digest(self, path: Path) -> bytes:
        return _digest(read_segment(path, self._sealing))

    def _note(self, plan: Plan) -> None:
        path = self._plans / plan.file
        content = self._sealing.close(path.name, msgspec.msgpack.encode(plan))
        replace_file(path, content, self._draft(path))

    def _read_plans(self, segment: str = "") -> Iterator[Plan]:
        for path in sorted(self._plans.glob(f"*{_PLAN}")):
            if path.name.startswith(_token(segment)):
                content = self._sealing.open(path.name, path.read_bytes())
                plan = msgspec.msgpack.decode(content, type=Plan)
                if segment in ("", plan.name):
                    yield plan

    def _write_segment(
        self, path: Path, content: bytes, *, like: os.stat_result | None = None
    ) -> None:
        draft = self._draft(path)
        replace_segment(path, content, self._sealing, draft=draft, like=like)

    def _draft(self, path: Path) -> Path:
        return self._plans / f"{path.name}{_DRAFT}"


def _token(segment: str) -> str:
    return segment.removesuffix(SUFFIX).partition("-")[2]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def _counters_name(segment: str, before: bytes) -> str:
    """Return a name that follows from the segment's: a UUIDv7 of the same moment."""
    token = _token(segment)
    mixed = bytearray(hashlib.blake2b(token.encode() + before, digest_size=16).digest())
    try:
        mixed[:6] = uuid.UUID(token).bytes[:6]
    except ValueError:
        # A name that a person gave; the hash alone is as good.
        mixed[:6] = bytes(6)
    mixed[6] = mixed[6] & 0x0F | 0x70
    mixed[8] = mixed[8] & 0x3F | 0x80
    return f"counts-{uuid.UUID(bytes=bytes(mixed))}{SUFFIX}"
