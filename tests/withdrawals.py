"""Segments of events for tests of what is withdrawn, and how to read them again."""

from pathlib import Path
from typing import Any

import msgspec
import orjson

from pipeline.segment import make_folders
from pipeline.withdrawal.narrow import Narrower
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.standing import Entry, Kind
from schemas.consent import Category
from schemas.policy import load_policy
from tests.builders import headers, row

SITE = "example.com"
ANNA, BERT, CARL = 0xA << 60 | 1, 22, 333
# The rows' own time: 1 June 2025, 12:34:56.789 UTC.
ROW_MS = 1_748_781_296_789
TOKEN = "0197b2f4-0000-7000-8000-0000000000%02x"
HEADERS = headers()


def line(visitor_id: int = ANNA, **changes: Any) -> bytes:
    """Return a row's line: a page view with statistics consent."""
    values = {
        "visitor_id": visitor_id,
        "visitor_scope": "persistent" if visitor_id else "none",
        "consent_category": "statistics",
        "consent_statistics": "given",
        "policy_version": "2025-05-16",
        "regime": "eu_strict",
        "regime_version": "1",
        "decision_row": "3",
        "url_path": "/a",
        "geo_country_iso_code": "DE",
        "device_type": "mobile",
        **changes,
    }
    return orjson.dumps(msgspec.structs.astuple(row(**values))) + b"\n"


def event_id(number: int) -> str:
    """Return an event's id."""
    return f"0197b2f4-0000-7000-8000-{number:012x}"


def segment_name(number: int = 1, table: str = "events") -> str:
    """Return a segment's file name."""
    return f"{table}-{TOKEN % number}.ndjson"


class Stage:
    """A spool with objections and a narrower, in a folder of a test."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "spool"
        make_folders(self.root)
        self.objections = Objections(folder / "objections")
        self.policy = load_policy()
        self.narrower = self.fresh()

    def fresh(self) -> Narrower:
        """Return a narrower as a new process has it."""
        return Narrower(self.objections, self.policy, self.root)

    def put(self, *lines: bytes, number: int = 1, state: str = "sealed") -> Path:
        """Put a segment of events into the spool."""
        path = self.root / state / segment_name(number)
        path.write_bytes(HEADERS["events"] + b"".join(lines))
        return path

    def object(
        self,
        *categories: Category,
        visitor_id: int = ANNA,
        kind: Kind = "withdrawn",
        time_ms: int = ROW_MS + 1,
    ) -> None:
        """Record an objection, of statistics if nothing is said."""
        named = categories or (
            ("statistics",) if kind in ("withdrawn", "given") else ()
        )
        self.objections.append([Entry(time_ms, SITE, visitor_id, kind, named)])

    def counters(self, state: str = "sealed") -> list[dict[str, Any]]:
        """Return the counters that lie in a state."""
        paths = sorted((self.root / state).glob("counts-*.ndjson"))
        return [found for path in paths for found in rows_of(path)]

    def plans(self) -> list[str]:
        """Return the plans' names."""
        return sorted(path.name for path in (self.root / "narrowed").iterdir())


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return a segment's rows by column."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    names, _, *lines = map(orjson.loads, content.splitlines())
    return [dict(zip(names, values, strict=True)) for values in lines]
