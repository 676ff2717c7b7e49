"""
Step 8, before the insert: a waiting segment is made what may be stored now.

Events are narrowed to what was not withdrawn meanwhile, consent choices are linked into
their ledger, and what an older policy wrote gets the columns that came since.
"""

import logging
from pathlib import Path
from typing import Protocol

import msgspec

from pipeline.load_header import header_of, missing, upgraded
from pipeline.sealing import Sealing, SegmentDamagedError
from pipeline.segment import (
    count_lines,
    read_segment,
    replace_segment,
    rows_begin,
)
from pipeline.store_errors import StoreRefused
from pipeline.withdrawal.narrow import SegmentError

_log = logging.getLogger("kastana.load")
LEDGER = "consents"


class SegmentNarrower(Protocol):
    """Takes from a segment of events what was withdrawn."""

    def read(self, path: Path) -> tuple[bytes, int]:
        """
        Replace the file, if anything in it may not be stored any more.

        Returns:
            Its plain bytes then, and how many rows they hold.

        """


class SegmentLedger(Protocol):
    """Links segments of consent choices."""

    header: bytes

    def chain(self, path: Path) -> None:
        """Replace the file by its links, under another header."""

    def loaded(self, path: Path) -> None:
        """Take note that the file is in the store."""


class UnfitError(Exception):
    """A segment that cannot be made an insert: its name, and why, in code words."""

    def __init__(self, segment: str, code: int, name: str) -> None:
        super().__init__(name)
        self.segment = segment
        self.code = code
        self.name = name


class Body(msgspec.Struct, frozen=True):
    """A segment ready for its insert: all its bytes, and how long its header is."""

    segment: str
    content: bytes
    start: int
    rows: int

    @property
    def header(self) -> bytes:
        """Its two header lines."""
        return self.content[: self.start]

    def __repr__(self) -> str:
        """Say nothing: it holds rows."""
        return "<Body>"


class Preparer:
    """Makes sealed segments ready."""

    def __init__(
        self,
        folder: Path,
        headers: dict[str, bytes],
        narrower: SegmentNarrower | None,
        ledger: SegmentLedger | None,
        sealing: Sealing,
    ) -> None:
        """Bind the folder of sealed segments to what holds them to the rules."""
        self._folder = folder
        self._headers = headers
        self._narrower = narrower
        self._ledger = ledger
        self._sealing = sealing
        self._told = ""

    def body(self, segment: str) -> Body:
        """
        Return a segment as it may be stored now.

        Raises:
            UnfitError: when it is none.
            SegmentWaitsError: when it cannot be read yet.
            StoreUnavailable: when the ledger cannot be asked.
            ObjectionsError: when the withdrawals cannot be read in full.
            OSError: when the disk fails.

        """
        try:
            return self._body(segment)
        except StoreRefused as error:
            why = error.code, error.name
        except SegmentError:
            why = 0, "SEGMENT_LINE"
        except SegmentDamagedError:
            why = 0, "SEGMENT_DAMAGED"
        raise UnfitError(segment, *why)

    def as_it_is(self, segment: str) -> Body:
        """
        Return a segment without looking at its rows.

        Raises:
            OSError: when the disk fails.

        """
        content = read_segment(self._folder / segment, self._sealing)
        start = len(header_of(content))
        return Body(segment, content, start, count_lines(content, start))

    def _body(self, segment: str) -> Body:
        path = self._folder / segment
        table = segment.partition("-")[0]
        header = self._headers.get(table)
        if header is None:
            raise StoreRefused(0, "SEGMENT_HEADER")
        if table == LEDGER and self._ledger is not None:
            self._modernise(path, header)
            self._ledger.chain(path)
            header = self._ledger.header
        if table == "events" and self._narrower is not None:
            content, rows = self._narrower.read(path)
        else:
            content = read_segment(path, self._sealing)
            rows = count_lines(content, rows_begin(content))
        # To each row columns are added, but none is added or lost.
        content = self._upgraded(segment, content, header)
        return Body(segment, content, len(header), rows)

    def _modernise(self, path: Path, edge: bytes) -> None:
        """Give a segment of choices today's columns, of the edge's or linked ones."""
        linked = b"" if self._ledger is None else self._ledger.header
        content = read_segment(path, self._sealing)
        if not content.startswith((edge, linked)):
            was_linked = b'"prev_hash"' in content[: content.find(b"\n")]
            header = linked if was_linked else edge
            made = self._upgraded(path.name, content, header)
            replace_segment(path, made, self._sealing)

    def _upgraded(self, segment: str, content: bytes, header: bytes) -> bytes:
        added = missing(content, header)
        if added and self._told != segment:
            self._told = segment
            _log.info(
                "segment %s is of an older policy: %s empty in its rows",
                segment,
                ", ".join(added),
            )
        return upgraded(content, header)
