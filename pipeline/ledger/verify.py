"""
Whether the ledger is whole: every record as it was written, each tied to the last.

Pure: it is given the records, in order, and the heads that the writer knows. In each
chain it names the first thing that is not as the writer left it:

    hash    the record is not what its hash was made of
    link    the record is tied to another one than stands before it
    gap     records are missing before it
    start   the first records of the chain are missing
    fork    two records have the same place
    tail    the last records are missing, or others than the writer wrote
    ahead   there are records after the last one that the writer wrote

Records that are missing because they have expired break nothing: the one after them
says when the last of them was recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final, Literal

import msgspec

from pipeline.ledger.chain import Head, Key, Record, head_of, record_hash
from pipeline.ledger.heads import Heads

Kind = Literal["hash", "link", "gap", "start", "fork", "tail", "ahead"]
# The engine's clock, by which records expire, may be another than the reader's.
_SLACK: Final = timedelta(hours=1)


class Break(msgspec.Struct, frozen=True):
    """
    The first thing in a chain that is not as its writer left it.

    Attributes:
        site, chain: whose records, linked by which writer.
        kind: see above.
        sequence: the place at which it is seen.
        record_id: of the record at that place; empty if there is none.

    """

    site: str
    chain: str
    kind: Kind
    sequence: int
    record_id: str = ""


class VerifyResult(msgspec.Struct, frozen=True):
    """
    What was found.

    Attributes:
        records: how many were read.
        chains: how many chains they form.
        breaks: the first of each chain that has one, in the order of the chains.
        heads: whether the writer's own file was there: without it nobody can tell
            that the end of a chain is missing.

    """

    records: int
    chains: int
    breaks: tuple[Break, ...]
    heads: bool

    @property
    def intact(self) -> bool:
        """Whether no chain is broken."""
        return not self.breaks


class Expiry:
    """Tells which records may have expired by now."""

    def __init__(self, now_ms: int, days: int) -> None:
        """
        Bind it to a time and a retention.

        Args:
            now_ms: ms since 1970 UTC.
            days: after how many days a record is deleted.

        """
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        self._oldest = now - timedelta(days=days) + _SLACK

    def __call__(self, recorded_at: str) -> bool:
        """Say if a record of this time may be gone."""
        return datetime.fromisoformat(recorded_at + "+00:00") <= self._oldest


def verify(
    records: Iterable[Mapping[str, Any]],
    read_heads: Callable[[], Heads | None],
    expired: Callable[[str], bool],
    site: str = "",
) -> VerifyResult:
    """
    Walk the chains.

    Args:
        records: the ledger's records with all columns, as ClickHouse's JSONEachRow
            gives them, ordered by site, chain, sequence.
        read_heads: reads what the writer knows. It is asked before the records are
            and after: the ledger may grow meanwhile.
        expired: whether a record of a time may have expired.
        site: only this site was read; empty: all.

    """
    before = read_heads()
    ends: dict[Key, Record] = {}
    breaks: dict[Key, Break] = {}
    count = 0
    for key, rows in groupby(records, lambda row: (row["site"], row["chain"])):
        walk = _Walk(key, before.heads.get(key) if before else None, expired)
        for row in rows:
            count += 1
            record = {**row, "principal": int(row["principal"])}
            record |= {"sequence": int(row["sequence"])}
            walk.step(record)
            ends[key] = record
        found = walk.end()
        if found is not None:
            breaks[key] = found
    after = read_heads()
    for one in (*_cut(before, ends, expired), *_ahead(after, ends)):
        if site in {"", one.site}:
            breaks.setdefault((one.site, one.chain), one)
    ordered = tuple(breaks[key] for key in sorted(breaks))
    return VerifyResult(count, len(ends), ordered, after is not None)


class _Walk:
    """One chain, record by record, up to its first break."""

    def __init__(
        self, key: Key, head: Head | None, expired: Callable[[str], bool]
    ) -> None:
        self._key = key
        self._head = head
        self._expired = expired
        self._last: Head | None = None
        self._found: Break | None = None
        self._doubt: Break | None = None

    def step(self, record: Record) -> None:
        """Look at the next record."""
        if self._found is None:
            kind = self._fault(record)
            place = (record["sequence"], record["record_id"])
            if self._doubt is not None and kind != "fork":
                self._found = self._doubt
            elif kind is not None:
                self._found = Break(*self._key, kind, *place)
            elif self._is_another(record):
                # If the writer's own record comes next, they share a place.
                self._doubt = Break(*self._key, "tail", *place)
        self._last = head_of(record)

    def end(self) -> Break | None:
        """Return the first break, None if the chain is whole."""
        return self._found or self._doubt

    def _is_another(self, record: Record) -> bool:
        """Say if the writer knows another record at this place."""
        head = self._head
        if head is None or record["sequence"] != head.sequence:
            return False
        return head_of(record) != head

    def _fault(self, record: Record) -> Kind | None:
        last = self._last or Head()
        sequence = record["sequence"]
        if self._last is not None and sequence == last.sequence:
            return "fork"
        if record_hash(record) != record["hash"]:
            return "hash"
        if sequence == last.sequence + 1:
            tied = Head(last.sequence, record["prev_hash"], record["prev_recorded_at"])
            if tied != last or record["recorded_at"] < last.recorded_at:
                return "link"
        elif sequence < 1 or not self._expired(record["prev_recorded_at"]):
            return "start" if self._last is None else "gap"
        return None


def _cut(
    heads: Heads | None,
    ends: Mapping[Key, Record],
    expired: Callable[[str], bool],
) -> Iterator[Break]:
    """Yield the chains that end before the last record their writer knows."""
    for key, head in heads.heads.items() if heads else ():
        last = ends[key]["sequence"] if key in ends else 0
        if last < head.sequence and not expired(head.recorded_at):
            yield Break(*key, "tail", last + 1)


def _ahead(heads: Heads | None, ends: Mapping[Key, Record]) -> Iterator[Break]:
    """Yield the chains that go on after the last record their writer knows."""
    for key, record in ends.items():
        # Other writers' chains end where only their own folders know.
        if heads is None or key[1] not in heads.chains():
            continue
        furthest = heads.furthest(key) or Head()
        if record["sequence"] > furthest.sequence:
            yield Break(*key, "ahead", record["sequence"], record["record_id"])
