"""
The ledger of consent choices: how a segment of the edge becomes links of its chains.

The keeper does it, just before the insert: it gives each record its place, ties it to
the one before it, and puts the segment so completed in the place of the edge's.

Invariants
----------
- A record is in the ledger once, however often its sender repeats it.
- What was linked is not linked again while it may be in the store: a linked segment
  that is *pending* keeps its bytes, and so its token counts it once. Another segment
  is linked only when the pending one is settled: put into the store under its own
  token, or refused by it.
- Chains go on from what this writer knows (`pipeline.ledger.heads`), not from what
  the database says, so that a record somebody slipped in there is never built upon.
  Only a writer that has lost its file takes the database's word, once.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

from pipeline.clock import now_ms, time_text
from pipeline.ledger.chain import (
    TABLE,
    Head,
    Key,
    Record,
    RecordError,
    checked,
    head_of,
    ledger_types,
    link,
    without_repeats,
)
from pipeline.ledger.heads import (
    Heads,
    Pending,
    read_heads,
    write_heads,
)
from pipeline.sealing import PLAIN, Sealing
from pipeline.segment import SUFFIX, header_bytes, read_segment, replace_segment
from pipeline.store_errors import StoreRefused, StoreUnavailable
from schemas.ddl import DATABASE, segment_header
from schemas.policy import load_policy

_log = logging.getLogger("kastana.ledger")
_LEDGER = f"{DATABASE}.{TABLE}"
# How many ids are looked up by one statement.
_IDS = 1000
_LAST = (
    f"SELECT * FROM {_LEDGER} WHERE chain = {{chain:String}} "  # noqa: S608 - our own
    "ORDER BY sequence DESC LIMIT 1 BY site"
)
_HAS = (
    f"SELECT count() AS records FROM {_LEDGER} WHERE site = {{site:String}} "  # noqa: S608
    "AND chain = {chain:String} AND sequence = {sequence:UInt64} "
    "AND hash = {hash:String}"
)


class LedgerStore(Protocol):
    """What the ledger needs of a store."""

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Insert a segment's bytes under its token."""

    def query(
        self,
        sql: str,
        fmt: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        read_only: bool = True,
    ) -> bytes:
        """Run a statement, give its result in a ClickHouse format."""


class Ledger:
    """Links segments for one store; segments come one at a time, oldest first."""

    def __init__(
        self,
        store: LedgerStore,
        heads_path: Path,
        chain_id: str,
        clock: Callable[[], int] = now_ms,
        *,
        sealing: Sealing = PLAIN,
    ) -> None:
        """
        Read what this writer knows.

        Args:
            store: where the ledger is.
            heads_path: the file of the heads.
            chain_id: who writes: the id of the data folder.
            clock: ms since 1970 UTC.
            sealing: the keys of segments.

        Raises:
            HeadsError: when the file of the heads is damaged.

        """
        self._store = store
        self._path = heads_path
        self._chain = chain_id
        self._clock = clock
        self._sealing = sealing
        self._file = read_heads(heads_path)
        types = ledger_types()
        self.header = header_bytes(list(types), list(types.values()))
        self._edge_names, edge_types = segment_header(load_policy(), TABLE)
        self._edge_header = header_bytes(self._edge_names, edge_types)

    def chain(self, path: Path) -> None:
        """
        Link a sealed segment's records and put all their columns into the file.

        Call it before the insert; the header of the file is `header` afterwards. A
        segment that may be in the store already keeps its bytes. One of which every
        record is known keeps no line.

        Raises:
            StoreUnavailable: when the store cannot be asked; try again.
            StoreRefused: when the file is no segment of the ledger.
            SegmentWaitsError, SegmentDamagedError: when a file cannot be read.
            OSError: when the file could not be replaced; it is as it was.

        """
        body = read_segment(path, self._sealing)
        if body.startswith(self.header) and path.name in self._kept():
            return
        self._settle(path)
        records = list(self._new(list(self._records(body))))
        heads: dict[Key, Head] = {}
        lines = []
        now = time_text(self._clock())
        for record in records:
            key = (str(record["site"]), self._chain)
            head = heads.get(key) or self._heads.heads.get(key) or Head()
            linked, heads[key] = link(record, head, self._chain, now)
            lines.append(orjson.dumps(list(linked.values())) + b"\n")
        replace_segment(path, self.header + b"".join(lines), self._sealing)
        # After the file: what is pending has its links, and may be inserted.
        self._know(
            Heads(self._heads.heads, self._heads.segment, Pending(path.name, heads))
        )

    def loaded(self, path: Path) -> None:
        """
        Take note that a segment is in the store; before it leaves `sealed/`.

        Only the segment that `chain` linked last can be news.

        Raises:
            OSError: when that could not be written down; call again.

        """
        if self._heads.pending and self._heads.pending.segment == path.name:
            self._know(self._heads.taken())

    def _kept(self) -> set[str]:
        """Return the segments whose links may be, or are, in the store."""
        pending = self._heads.pending
        return {self._heads.segment, pending.segment if pending else ""} - {""}

    def _settle(self, path: Path) -> None:
        """Find out what became of the pending segment, or bring it about."""
        pending = self._heads.pending
        if pending is None:
            return
        waiting = path.with_name(pending.segment)
        token = pending.segment.removesuffix(SUFFIX).partition("-")[2]
        body = read_segment(waiting, self._sealing) if waiting.exists() else b""
        if body.startswith(self.header):
            try:
                # Its insert may still be under way: under its token it counts once.
                self._store.insert_segment(TABLE, body, token)
            except StoreRefused as error:
                _log.warning("segment %s is refused: %s", pending.segment, error)
            else:
                self._know(self._heads.taken())
                return
        known = Heads(self._heads.heads, self._heads.segment)
        self._know(self._heads.taken() if self._has(pending) else known)

    def _has(self, pending: Pending) -> bool:
        """Say if the store has the records that a segment ended with."""
        return bool(pending.heads) and all(
            int(
                self._ask(
                    _HAS,
                    site=site,
                    chain=chain,
                    sequence=head.sequence,
                    hash=head.hash,
                )[0]["records"]
            )
            for (site, chain), head in pending.heads.items()
        )

    def _records(self, body: bytes) -> Iterator[Record]:
        """Yield what the edge knew, from its own segment or from a linked one."""
        linked = body.startswith(self.header)
        header = self.header if linked else self._edge_header
        names = list(ledger_types()) if linked else self._edge_names
        if not body.startswith(header):
            raise StoreRefused(0, "SEGMENT_HEADER")
        for line in body.removeprefix(header).splitlines():
            record = _record(names, line)
            if record is None:
                raise StoreRefused(0, "LEDGER_RECORD")
            yield {name: record[name] for name in self._edge_names}

    def _new(self, records: Sequence[Record]) -> Iterator[Record]:
        """Yield the records that the ledger does not have."""
        known: set[str] = set()
        for start in range(0, len(records), _IDS):
            some = records[start : start + _IDS]
            # Each is a UUID in its canonical form, by `checked`.
            ids = ", ".join(f"'{record['record_id']}'" for record in some)
            sql = f"SELECT record_id FROM {_LEDGER} WHERE record_id IN ({ids})"  # noqa: S608
            known |= {row["record_id"] for row in self._ask(sql)}
        yield from without_repeats(records, frozenset(known))

    @property
    def _heads(self) -> Heads:
        """What this writer knows; if it lost its file, what the store says."""
        if self._file is None:
            rows = self._ask(_LAST, chain=self._chain)
            self._know(
                Heads({(row["site"], self._chain): head_of(row) for row in rows})
            )
        return self._file or Heads()

    def _know(self, heads: Heads) -> None:
        write_heads(self._path, heads)
        self._file = heads

    def _ask(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        try:
            answer = self._store.query(
                sql, "JSONEachRow", parameters or None, read_only=False
            )
        except StoreRefused as error:
            # What refuses our own short question is the store's state, not a fault
            # of the segment.
            away = StoreUnavailable(error.code, error.name)
        else:
            return [orjson.loads(line) for line in answer.splitlines()]
        raise away


def _record(names: Sequence[str], line: bytes) -> Record | None:
    """Return a line as a record in its form, None if it has none."""
    try:
        return checked(dict(zip(names, orjson.loads(line), strict=True)))
    except (RecordError, TypeError, ValueError):
        # Raised further on, where no text of the line is at hand.
        return None
