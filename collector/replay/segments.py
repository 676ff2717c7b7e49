"""
Our own segments of events: rows, made into the events that they may have come from.

A row is coarse, so what it is made into is coarse too: a typical agent of its browser,
a typical width of its screen class, the network instead of an address. The pseudonym is
not sent: a hash of it under a key of this run stands in its place, so that visitors
stay apart and nobody is recognised.
"""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from collector.replay.agents import typical_agent
from collector.replay.request import Reader, Request, SourceError, Unsent
from schemas.consent import ASKED

_NEEDED: Final = {"event_id", "event_name", "site", "occurred_at"}
_WIDTHS: Final = {"xs": 390, "sm": 600, "md": 820, "lg": 1024, "xl": 1680}
# Columns that are fields of an event under the same name, if there is something in it.
_SAME: Final = {
    "page_view": (),
    "page_ping": ("engaged_ms", "scroll_depth"),
    "link_click": (),
    "file_download": (),
    "form_submit": ("form_id",),
    "custom": (),
    "exception": ("exception_type", "exception_message", "exception_stacktrace"),
    "app_crash": (
        "exception_type",
        "exception_message",
        "exception_stacktrace",
        "app_version",
    ),
    "web_vital": (
        "web_vital_name",
        "web_vital_value",
        "web_vital_rating",
        "navigation_type",
    ),
    "email_open": ("mailing",),
    "email_click": ("mailing",),
}
_CAMPAIGN: Final = ("source", "medium", "campaign", "term", "content", "id")


def segment_reader(names_line: bytes) -> Reader:
    """
    Return what reads the rows of a segment.

    Args:
        names_line: its first line, the names of its columns.

    Raises:
        SourceError: when it is no segment of events.

    """
    try:
        names = msgspec.json.decode(names_line, type=list[str])
    except msgspec.MsgspecError:
        message = "the first line is neither a request nor the names of columns"
        raise SourceError("unknown_format", message) from None
    if not _NEEDED.issubset(names):
        message = "a segment of counters or of consent choices holds no events"
        raise SourceError("no_events", message)
    decode = msgspec.json.Decoder(list[Any]).decode
    key = os.urandom(16)

    def read(line: bytes) -> Iterator[Request | Unsent]:
        try:
            row = dict(zip(names, decode(line), strict=True))
            yield _request(row, key)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError):
            yield Unsent("broken_line")

    return read


def _request(row: dict[str, Any], key: bytes) -> Request | Unsent:
    name = row["event_name"]
    if name not in _SAME:
        # Coordinates that were kept are nobody's to send on.
        return Unsent("no_event")
    moment = datetime.fromisoformat(row["occurred_at"]).replace(tzinfo=UTC)
    event: dict[str, Any] = {"event": name, "site": row["site"]}
    event |= {field: row[field] for field in _SAME[name] if row.get(field)}
    event |= _page(row) | _own(name, row) | _consent(row, key)
    headers = {"User-Agent": typical_agent(row.get("os_name", ""), _browser(row))}
    if row.get("browser_language"):
        headers["Accept-Language"] = row["browser_language"]
    return Request(
        at_ms=moment.timestamp() * 1000,
        events=[event],
        headers=headers,
        page=row.get("door") in ("script", "pixel"),
        address=row.get("client_address", ""),
    )


def _browser(row: dict[str, Any]) -> str:
    name: str = row.get("user_agent_name", "")
    return name


def _page(row: dict[str, Any]) -> dict[str, Any]:
    query = f"?{row['url_query']}" if row.get("url_query") else ""
    found = {
        "url": _url(row, "url_domain", "url_path", query),
        "referrer": _url(row, "referrer_domain", "referrer_path"),
        "title": row.get("page_title"),
        "language": row.get("browser_language"),
        "time_zone": row.get("time_zone"),
        "screen": _size(row.get("screen_class")),
        "viewport": _size(row.get("viewport_class")),
        "properties": row.get("properties"),
    }
    campaign = {part: row.get(f"utm_{part}") for part in _CAMPAIGN}
    found["campaign"] = {part: text for part, text in campaign.items() if text}
    return {field: value for field, value in found.items() if value}


def _url(row: dict[str, Any], domain: str, path: str, query: str = "") -> str:
    if not row.get(domain):
        return ""
    return f"https://{row[domain]}{row.get(path) or '/'}{query}"


def _size(kind: str | None) -> str:
    width = _WIDTHS.get(kind or "", 0)
    return f"{width}x{width * 5 // 8}" if width else ""


def _own(name: str, row: dict[str, Any]) -> dict[str, Any]:
    if name == "custom":
        return {"name": row.get("custom_name") or "event"}
    if name in ("link_click", "file_download", "email_click"):
        url = _url(row, "target_url_domain", "target_url_path")
        return {"target_url": url or "https://example.org/"}
    return {}


def _consent(row: dict[str, Any], key: bytes) -> dict[str, Any]:
    states = {name: row.get(f"consent_{name}") for name in ASKED}
    found: dict[str, Any] = {
        "consent": {name: state for name, state in states.items() if state},
        "gpc": "gpc" in row.get("consent_signals", ()),
        "dnt": "dnt" in row.get("consent_signals", ()),
    }
    if row.get("visitor_id"):
        digest = hashlib.blake2b(b"%d" % row["visitor_id"], key=key, digest_size=16)
        found["visitor"] = digest.hexdigest()
    return found
