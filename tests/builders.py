"""Things the tests are about, made with what each test does not care for."""

import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from pipeline.segment import header_bytes
from schemas.ddl import EMPTY, segment_header
from schemas.event import AnyEvent, Event
from schemas.policy import Policy, load_policy, parse_policy
from schemas.raw_event import RawEvent
from schemas.row import ConsentRow, CountRow, Row

ROOT = Path(__file__).parent.parent
DAY_MS = 86_400_000
# Sunday, 1 June 2025, 12:34:56.789 UTC.
NOON_MS = 1_748_781_296_789
EVENT_ID = "0197b2f4-0000-7000-8000-000000000001"


def policy_toml() -> dict[str, Any]:
    """Return the shipped policy as TOML has it, not through our own types."""
    text = resources.files("schemas").joinpath("policy.toml").read_text("utf-8")
    return tomllib.loads(text)


def parse_changed(content: dict[str, Any]) -> Policy:
    """Parse a policy that was changed as a dictionary."""
    return parse_policy(to_toml(content))


def to_toml(content: dict[str, Any], *, prefix: str = "") -> str:
    """Write a dictionary as TOML: tables, texts, numbers, yes and no, lists."""
    lines = [
        f"{json.dumps(key)} = {json.dumps(value)}"
        for key, value in content.items()
        if not isinstance(value, dict)
    ]
    for key, value in content.items():
        if isinstance(value, dict):
            path = f"{prefix}{json.dumps(key)}"
            lines += [f"[{path}]", to_toml(value, prefix=f"{path}.")]
    return "\n".join(lines)


def event(name: str = "page_view", /, **fields: Any) -> Event:
    """Return an event as decoding gives it."""
    content = {"event": name, "site": "example.com", **fields}
    made: Event = msgspec.convert(content, AnyEvent)
    return made


def raw_event(name: str = "page_view", /, **changes: Any) -> RawEvent:
    """Return a raw event; what is no part of one is a field of its event."""
    parts: dict[str, Any] = {
        "event_id": EVENT_ID,
        "door": "script",
        "address": "203.0.113.77",
        "user_agent": "",
        "referer": "",
        "headers": {},
        "occurred_ms": NOON_MS,
        "received_ms": NOON_MS,
        "cookies": (),
        "country": "",
        "method": "",
        "trusted": False,
        "fellows": None,
    }
    for key in parts.keys() & changes.keys():
        parts[key] = changes.pop(key)
    return RawEvent(event=event(name, **changes), **parts)


def row(**changes: Any) -> Row:
    """Return an identified page view with nothing else in it."""
    empty = {
        name: EMPTY[field.type]
        for name, field in load_policy().columns("events").items()
    }
    values = {
        **empty,
        "event_id": EVENT_ID,
        "event_name": "page_view",
        "site": "example.com",
        "occurred_at": "2025-06-01 12:34:56.789",
        "received_at": "2025-06-01 12:34:56.789",
        "outcome": "identified",
    }
    return Row(**{**values, **changes})


def count_row(**changes: Any) -> CountRow:
    """Return a counter of one dropped page view."""
    values: dict[str, Any] = {
        "event_name": "page_view",
        "site": "example.com",
        "occurred_at": "2025-06-01 12:00:00.000",
        "outcome": "dropped",
        "outcome_reasons": ["consent_refused"],
        "regime": "",
        "regime_version": "",
        "decision_row": "",
        "policy_version": "2025-05-16",
        "geo_country_iso_code": "",
        "device_type": "",
        "url_path": "",
        "synthetic": 0,
        "events": 1,
    }
    return CountRow(**{**values, **changes})


def consent_row(**changes: Any) -> ConsentRow:
    """Return a record of consent that was given."""
    empty = {
        name: EMPTY[column.type]
        for name, column in load_policy().ledger.items()
        if column.filled_by == "edge"
    }
    values = {
        **empty,
        "record_id": EVENT_ID,
        "site": "example.com",
        "event_time": "2025-06-01 12:34:56.789",
        "received_at": "2025-06-01 12:34:57.000",
        "event_state": "ConsentGiven",
        "schema_version": "27560:2023",
    }
    return ConsentRow(**{**values, **changes})


def headers() -> dict[str, bytes]:
    """Return the header lines of each table's segments, as an edge writes them."""
    policy = load_policy()
    return {
        table: header_bytes(*segment_header(policy, table)) for table in policy.tables
    }
