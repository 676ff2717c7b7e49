"""
Step 8, load: a sealed segment becomes one insert, exactly once.

The insert's deduplication token is the segment's id and its body is the file's
bytes, so however often it is repeated (a timeout after the commit, a crash before
the rename) the engine takes it once. What the engine refuses for its content goes
to `failed/` with the engine's code beside it, and the rest goes on; what fails
because the store is away is tried again, with growing pauses, for ever.

Before each attempt a segment of events is narrowed to what may still be stored, and
one of consent choices is linked into its ledger, oldest first.
"""

import logging
import os
import random
import time
from pathlib import Path
from typing import Protocol

import msgspec

from pipeline.segment import SUFFIX, recover, sync_folder
from pipeline.store import StoreRefused, StoreUnavailable
from pipeline.withdrawal.narrow import SegmentError
from pipeline.withdrawal.objections import ObjectionsError

_log = logging.getLogger("kastana.load")
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0


class SegmentStore(Protocol):
    """What the loader needs of a store."""

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Insert a segment's bytes under its token."""


class SegmentNarrower(Protocol):
    """Takes from a segment of events what was withdrawn."""

    def narrow(self, path: Path) -> object:
        """Replace the file, if anything in it may not be stored any more."""


class SegmentLedger(Protocol):
    """Links segments of consent choices."""

    header: bytes

    def chain(self, path: Path) -> None:
        """Replace the file by its links, under another header."""

    def loaded(self, path: Path) -> None:
        """Take note that the file is in the store."""


class Loaded(msgspec.Struct, frozen=True):
    """What one pass did: rows and segments loaded, segments refused."""

    segments: int = 0
    rows: int = 0
    failed: int = 0


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
    ) -> None:
        """
        Bind a spool to a store.

        Args:
            root: the spool's folder.
            store: where segments go.
            headers: the header each table's segments must have.
            keep_s: how long a loaded segment is kept, seconds.
            narrower: holds events to what was withdrawn since they were accepted.
            ledger: links consent choices.

        """
        self._root = root
        self._store = store
        self._headers = headers
        self._keep_s = keep_s
        self._narrower = narrower
        self._ledger = ledger
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0
        self.problem = ""

    def run_once(self) -> Loaded:
        """Recover, load what is sealed, purge what was loaded; never waits."""
        for name in recover(self._root):
            _log.info("recovered segment %s", name)
        self._purge()
        if time.monotonic() < self._not_before:
            return Loaded()
        segments = rows = failed = 0
        for path in sorted((self._root / "sealed").glob("*" + SUFFIX)):
            try:
                rows += self._load(path)
                segments += 1
            except StoreRefused as error:
                failed += 1
                self._set_aside(path, f"{error.code} {error.name}")
            except SegmentError:
                failed += 1
                self._set_aside(path, "0 SEGMENT_LINE")
            except StoreUnavailable as error:
                self._back_off("the store is away", str(error))
                break
            except ObjectionsError as error:
                # Who withdrew cannot be known: no event is stored meanwhile.
                self._back_off("nothing is stored", str(error))
                break
            except OSError as error:
                self._back_off("the spool cannot be changed", str(error.strerror))
                break
            else:
                self._recovered()
        return Loaded(segments, rows, failed)

    def _load(self, path: Path) -> int:
        table, _, token = path.name.removesuffix(SUFFIX).partition("-")
        header = self._headers.get(table)
        linked = self._ledger if table == "consents" else None
        if linked is not None:
            linked.chain(path)
            header = linked.header
        elif table == "events" and self._narrower is not None:
            self._narrower.narrow(path)
        body = path.read_bytes()
        if header is None or not body.startswith(header):
            # Written under another policy: its columns are not these.
            raise StoreRefused(0, "SEGMENT_HEADER")
        rows = body.count(b"\n") - header.count(b"\n")
        if rows:
            self._store.insert_segment(table, body, token)
        if linked is not None:
            linked.loaded(path)
        # How long it is kept counts from now, not from its last line.
        os.utime(path)
        path.rename(self._root / "loaded" / path.name)
        sync_folder(self._root / "loaded")
        sync_folder(self._root / "sealed")
        return rows

    def _set_aside(self, path: Path, why: str) -> None:
        target = self._root / "failed" / path.name
        reason = target.with_suffix(".reason")
        reason.touch(mode=0o600)
        reason.write_text(why + "\n", encoding="utf-8")
        path.rename(target)
        sync_folder(self._root / "failed")
        _log.error("segment %s refused: %s; it waits in failed/", path.name, why)

    def _back_off(self, what: str, why: str) -> None:
        if not self.problem:
            _log.warning("%s: %s; events wait in the spool", what, why)
        self.problem = why
        # Jitter, so that several loaders do not come back in step.
        self._not_before = time.monotonic() + self._pause_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _recovered(self) -> None:
        if self.problem:
            _log.info("segments are loaded again")
        self.problem = ""
        self._pause_s = _FIRST_PAUSE_S

    def _purge(self) -> None:
        oldest = time.time() - self._keep_s
        for path in (self._root / "loaded").iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink()
