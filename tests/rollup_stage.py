"""Segments of page views and pings, what their totals are, and what a store says."""

import time
from typing import Any

import msgspec
import orjson

from pipeline.store import Store
from tests.builders import headers, row

# Three days ago: those hours have ended, and nothing of them expires.
DAY = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3 * 86_400))
HEADER = headers()["events"]
TOKEN = "0197b2f4-0000-7000-8000-0000%08x"
# Path, country, device, and of the hour: views, visitors, engaged milliseconds.
Totals = dict[tuple[str, str, str, str], tuple[int, int, int]]
_STATES = """
SELECT formatDateTime(hour, '%Y-%m-%d %H'), url_path, geo_country_iso_code, device_type,
    toUInt32(sum(views)), toUInt32(uniqExactMerge(visitors)),
    toUInt32(sum(engaged_ms))
FROM kastana.page_hours_states WHERE site = '{site}'
GROUP BY hour, url_path, geo_country_iso_code, device_type
"""


class Event(msgspec.Struct, frozen=True):
    """A view or a ping of a visitor; 0 is none."""

    number: int
    hour: int = 10
    visitor: int = 1
    path: str = "/a"
    country: str = "DE"
    engaged: int = 0
    synthetic: int = 0

    @property
    def name(self) -> str:
        """A number is one event, so it has one name."""
        return "page_ping" if self.number % 3 == 0 else "page_view"

    @property
    def id(self) -> str:
        """The event's id."""
        return f"0197b2f4-0000-7000-8000-{self.number:012x}"

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """Whose totals it is in."""
        return f"{DAY} {self.hour:02}", self.path, self.country, "mobile"

    def line(self, site: str) -> bytes:
        """Return its line in a segment."""
        values: dict[str, Any] = {
            "site": site,
            "event_id": self.id,
            "event_name": self.name,
            "occurred_at": f"{DAY} {self.hour:02}:12:13.456",
            "received_at": f"{DAY} {self.hour:02}:12:14.000",
            "visitor_id": self.visitor,
            "url_path": self.path,
            "geo_country_iso_code": self.country,
            "device_type": "mobile",
            "engaged_ms": self.engaged,
            "synthetic": self.synthetic,
            "consent_category": "statistics",
            "consent_statistics": "given",
        }
        return orjson.dumps(msgspec.structs.astuple(row(**values))) + b"\n"


def body(site: str, *events: Event) -> bytes:
    """Return a segment's bytes."""
    return HEADER + b"".join(event.line(site) for event in events)


def totals_of(events: dict[int, Event]) -> Totals:
    """Return what the totals of distinct events are, added up by hand."""
    totals: Totals = {}
    real = [event for event in events.values() if not event.synthetic]
    for cell in {event.cell for event in real}:
        here = [event for event in real if event.cell == cell]
        views = [event for event in here if event.name == "page_view"]
        engaged = sum(event.engaged for event in here if event.name == "page_ping")
        people = {event.visitor for event in views} - {0}
        totals[cell] = (len(views), len(people), engaged)
    return totals


def totals_in(store: Store, site: str) -> Totals:
    """Return what the rollup says of a site."""
    rows = answer(store, _STATES.format(site=site))
    return {(a, b, c, d): (views, who, ms) for a, b, c, d, views, who, ms in rows}


def drift_of(store: Store, site: str) -> list[Any]:
    """Return the hours of a site that the rollup has wrong."""
    where = f"WHERE site = '{site}'"
    return answer(store, f"SELECT * FROM kastana.page_hours_drift {where}")  # noqa: S608


def answer(store: Store, sql: str) -> list[Any]:
    """Return the rows of an answer."""
    found = store.query(sql, "JSONCompactEachRow", read_only=False)
    return [orjson.loads(line) for line in found.splitlines()]
