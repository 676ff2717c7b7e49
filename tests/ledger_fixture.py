"""A ledger on a real store, and what a loader does with it, step by step."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson

from pipeline.ledger.heads import Heads, read_heads
from pipeline.ledger.verify import Break, Expiry, VerifyResult, verify
from pipeline.ledger.writer import Ledger
from pipeline.segment import make_folders
from pipeline.store import Store
from schemas.ddl import DATABASE, create_table
from schemas.policy import load_policy
from schemas.row import ConsentRow
from tests.builders import DAY_MS, NOON_MS, consent_row, headers

DAYS = 1490


def record_id(number: int) -> str:
    """Return an id of its own for each number."""
    return str(uuid.UUID(int=number))


def rows(*numbers: int, site: str = "example.com", **changes: Any) -> list[ConsentRow]:
    """Return records that differ in their id."""
    return [
        consent_row(record_id=record_id(number), site=site, **changes)
        for number in numbers
    ]


def emptied(store: Store) -> Store:
    """Return a migrated store with a new ledger: of an older one nothing is left."""
    store.command(f"DROP TABLE {DATABASE}.consents SYNC")
    store.command(create_table(load_policy(), "consents"))
    return store


class Keeper:
    """A folder's ledger: what seals, links, inserts and forgets, as a keeper does."""

    def __init__(self, store: Store, root: Path, chain: str = "c1") -> None:
        make_folders(root)
        self.store = store
        self.root = root
        self.chain_id = chain
        self.now_ms = NOON_MS
        self.ledger = self.restarted()

    def restarted(self) -> Ledger:
        """Return a ledger that knows only what is on disk."""
        self.ledger = Ledger(
            self.store, self.heads_path, self.chain_id, lambda: self.now_ms
        )
        return self.ledger

    @property
    def heads_path(self) -> Path:
        """The file of the heads."""
        return self.root / "heads.json"

    def heads(self) -> Heads | None:
        """Return what the file of the heads says."""
        return read_heads(self.heads_path)

    def seal(self, name: str, records: Iterable[ConsentRow]) -> Path:
        """Put a segment into the spool, as an edge does."""
        lines = [orjson.dumps(msgspec.structs.astuple(one)) for one in records]
        path = self.root / "sealed" / f"consents-{name}.ndjson"
        path.write_bytes(headers()["consents"] + b"".join(one + b"\n" for one in lines))
        return path

    def insert(self, path: Path) -> None:
        """Insert a linked segment under its token."""
        token = path.name.removesuffix(".ndjson").partition("-")[2]
        self.store.insert_segment("consents", path.read_bytes(), token)

    def load(self, path: Path) -> None:
        """Do all that a loader does with one segment."""
        self.ledger.chain(path)
        self.insert(path)
        self.ledger.loaded(path)
        path.rename(self.root / "loaded" / path.name)

    def add(self, name: str, records: Iterable[ConsentRow]) -> None:
        """Seal and load a segment."""
        self.load(self.seal(name, records))

    def records(self) -> list[dict[str, Any]]:
        """Return the ledger's records in order."""
        answer = self.store.query(
            "SELECT * FROM kastana.consents ORDER BY site, chain, sequence, hash",
            "JSONEachRow",
            read_only=False,
        )
        return [orjson.loads(line) for line in answer.splitlines()]

    def places(self) -> list[tuple[str, int, int]]:
        """Return site, place and number of each record, in order."""
        return [
            (one["site"], one["sequence"], uuid.UUID(one["record_id"]).int)
            for one in self.records()
        ]

    def verify(self) -> VerifyResult:
        """Verify the ledger a day later."""
        expired = Expiry(self.now_ms + DAY_MS, DAYS)
        return verify(iter(self.records()), self.heads, expired)

    def breaks(self) -> list[tuple[str, int]]:
        """Return what is wrong, and where."""
        return [(one.kind, one.sequence) for one in self.verify().breaks]

    def tamper(self, sql: str) -> None:
        """Change the ledger behind its back, at once."""
        self.store.command(sql, settings={"mutations_sync": "2"})


def growing(heads: Iterable[Heads | None]) -> Callable[[], Heads | None]:
    """Return what reads the heads: first these, then those."""
    left: Iterator[Heads | None] = iter(heads)
    return lambda: next(left)


def kinds(breaks: Iterable[Break]) -> list[str]:
    """Return the kinds of breaks."""
    return [one.kind for one in breaks]
