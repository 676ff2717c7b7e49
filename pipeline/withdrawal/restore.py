"""
Withdrawals whose file was lost, written again from the ledger of consent choices.

A missing file says that nobody withdrew. Where the ledger holds choices that is not
so: the keeper writes the entries that the edge had written for them, before it loads
or erases anything.

Invariants
----------
- Only a lost file is restored. One that is there is left as it is, even an empty one.
- A restore that was cut short is done again from the start, though there is a file by
  then: a marker stands beside it from before the first entry until after the last.
  An entry that is there twice says the same as once.
- A child's record closes everything, and a grant counts from when it was made.

The ledger names one pseudonym for each choice. What was withdrawn at once for others
(a recipient, today's browser), and what never was a choice, it cannot give back; nor
that a grant was older than the choice which told of it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from pipeline.clock import DAY_MS, now_ms
from pipeline.durable import replace_file, sync_folder
from pipeline.ledger.chain import TABLE
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.standing import Entry
from schemas.consent import ASKED, DENIED
from schemas.ddl import DATABASE

_log = logging.getLogger("kastana.restore")
_RECORDS: Final = 5000
_DAY_SCOPE_MS: Final = 2 * DAY_MS
# The last three tell records of one moment apart: no page may end between equals.
_KEY: Final = "recorded_at, sequence, site, chain, hash"
_PAGE: Final = (
    "SELECT toUnixTimestamp64Milli(recorded_at) AS recorded_ms, sequence, site, chain, "  # noqa: S608 - our own
    "hash, toUnixTimestamp64Milli(received_at) AS received_ms, "
    "toUnixTimestamp64Milli(event_time) AS event_ms, event_state, principal, "
    f"principal_scope, {', '.join(f'consent_{name}' for name in ASKED)}, consent_flags "
    f"FROM {DATABASE}.{TABLE} WHERE principal != 0 "
    "AND (principal_scope != 'day' "
    "OR received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')) "
    f"AND ({_KEY}) > (fromUnixTimestamp64Milli({{recorded_ms:Int64}}, 'UTC'), "
    "{sequence:UInt64}, {site:String}, {chain:String}, {hash:String}) "
    f"ORDER BY {_KEY} LIMIT {_RECORDS}"
)
_START: Final[Mapping[str, Any]] = {
    "recorded_ms": 0,
    "sequence": 0,
    "site": "",
    "chain": "",
    "hash": "",
}


class LedgerReader(Protocol):
    """What restoring needs of a store."""

    def query(
        self,
        sql: str,
        fmt: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        read_only: bool = True,
    ) -> bytes:
        """Run a statement, give its result in a ClickHouse format."""


def note_absence(objections_path: Path) -> None:
    """
    Leave word that there is no file yet, before anyone makes one.

    An edge may take a choice before the keeper has found its store; the file that it
    makes then is no sign that none was lost.

    Raises:
        OSError: when the disk fails.

    """
    if not objections_path.exists():
        _marker(objections_path).touch(mode=0o600)


def _marker(objections_path: Path) -> Path:
    return objections_path.with_name(f".{objections_path.name}.restoring")


def restore(
    objections_path: Path,
    objections: Objections,
    store: LedgerReader,
    clock: Callable[[], int] = now_ms,
) -> int:
    """
    Write a lost file of withdrawals again; return how many entries it got.

    Nothing is done when the file is there, and no file is made when the ledger has
    nothing for it. For the keeper alone, once its tables are there.

    Args:
        objections_path: the file.
        objections: the view of that file which the entries are appended to.
        store: where the ledger is; records of all its chains count, since a folder
            that was lost wrote under another id.
        clock: ms since 1970 UTC. A pseudonym of a day is restored for two days.

    Raises:
        StoreError: when the ledger cannot be read.
        ObjectionsError: when there is no room, or the file cannot be used.
        ValueError: when a record of the ledger is none.
        OSError: when the disk fails. After any error, call again.

    """
    marker = _marker(objections_path)
    if objections_path.exists() and not marker.exists():
        return 0
    restored = 0
    for records in _pages(store, clock() - _DAY_SCOPE_MS):
        entries = [entry for record in records for entry in _entries(record)]
        if entries:
            if restored == 0:
                draft = marker.with_name(f"{marker.name}.draft")
                replace_file(marker, b"", draft)
            objections.append(entries)
            restored += len(entries)
    marker.unlink(missing_ok=True)
    if restored:
        sync_folder(marker.parent)
        _log.warning("withdrawals restored from the ledger: %d", restored)
    return restored


def _pages(store: LedgerReader, since_ms: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the records that name someone, in the order they were recorded in."""
    after = dict(_START)
    while True:
        given = {**after, "since_ms": since_ms}
        answer = store.query(_PAGE, "JSONEachRow", given, read_only=False)
        records = [orjson.loads(line) for line in answer.splitlines()]
        if records:
            yield records
        if len(records) < _RECORDS:
            return
        last = records[-1]
        after = {name: last[name] for name in _START}


def _entries(record: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield what the edge put on the list for a record's pseudonym."""
    # Numbers of 64 bits are text in some servers' JSON.
    visitor_id, received_ms = int(record["principal"]), int(record["received_ms"])
    site, lasting = record["site"], record["principal_scope"] != "day"
    states = {name: record[f"consent_{name}"] for name in ASKED}
    denied = tuple(name for name in ASKED if states[name] in DENIED)
    given = tuple(name for name in ASKED if states[name] == "given")
    child = "child" in record["consent_flags"]
    if child:
        yield Entry(received_ms, site, visitor_id, "child", lasting=lasting)
    if denied:
        yield Entry(received_ms, site, visitor_id, "withdrawn", denied, lasting)
    # What a withdrawal leaves as it is, it does not give; and a child gives nothing.
    if given and not child and record["event_state"] != "ConsentWithdrawn":
        # From when it was made: one that arrives late undoes no later withdrawal.
        event_ms = int(record["event_ms"])
        yield Entry(event_ms, site, visitor_id, "given", given, lasting)
