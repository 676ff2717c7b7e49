"""
Captured requests: one JSON object a line, as `kastana explain` reads and `kastana
generate` writes them: method, target, headers as [[name, value], …], body or body_b64,
optionally peer and ts (seconds since 1970).

What went to our doors is taken as it is; of requests to other collectors the page views
are made into ours (`vendors`).
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import orjson

from collector.replay.request import Request, Unsent, visitor_headers
from collector.replay.vendors import page_views
from collector.unpack import UnpackError, unpack
from pipeline.address import truncate

# As much as a request of a tracker can bring, and more.
_MOST_BYTES: Final = 16_777_216
_PIXELS: Final = ("/p.gif",)


class Record(msgspec.Struct, frozen=True):
    """A captured request; other keys of the record are not read."""

    method: str
    target: str
    headers: list[tuple[str, str]] = []
    body: str | None = None
    body_b64: str | None = None
    peer: str = ""
    ts: float = 0.0


_decode = msgspec.json.Decoder(Record).decode


def read_capture(line: bytes) -> Iterator[Request | Unsent]:
    """Return what a captured request brings, in our form."""
    try:
        record = _decode(line)
        path, _, query = record.target.partition("?")
        body = _body(record)
    except (msgspec.MsgspecError, binascii.Error, UnpackError, OverflowError):
        yield Unsent("broken_line")
        return
    if record.method == "OPTIONS":
        yield Unsent("preflight")
    elif path == "/consent":
        yield Unsent("choice")
    elif path.startswith("/r/"):
        yield Unsent("signed_link")
    elif path in _PIXELS:
        yield _pixel(record, query)
    elif path == "/e" and record.method == "POST":
        yield _events(record, body)
    else:
        yield from _converted(record, path, query, body)


def _events(record: Record, body: bytes) -> Request | Unsent:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Unsent("broken_line")
    items = content.get("events") if isinstance(content, dict) else content
    shared: dict[str, Any] = {}
    if items is None:
        items = [content]
    elif isinstance(content, dict):
        shared = {key: value for key, value in content.items() if key != "events"}
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        return Unsent("broken_line")
    if not items:
        return Unsent("no_event")
    events = [{**shared, **one} for one in items] if shared else items
    return _request(record, events)


def _pixel(record: Record, query: str) -> Request | Unsent:
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    if record.method != "GET" or not pairs:
        return Unsent("no_event")
    return msgspec.structs.replace(_request(record, [pairs]), pixel=True)


def _converted(
    record: Record, path: str, query: str, body: bytes
) -> Iterator[Request | Unsent]:
    views = page_views(path, query, body)
    if isinstance(views, str):
        yield Unsent(views)
        return
    for view in views:
        headers = dict(record.headers)
        agent = view.pop("user_agent", "")
        request = _request(record, [view])
        if agent and "user-agent" not in {name.lower() for name in headers}:
            request.headers["User-Agent"] = agent
        yield request


def _request(record: Record, events: list[dict[str, Any]]) -> Request:
    names = {name.lower() for name, _ in record.headers}
    return Request(
        at_ms=record.ts * 1000,
        events=events,
        headers=visitor_headers(record.headers),
        page="origin" in names,
        address=truncate(record.peer) if record.peer else "",
    )


def _body(record: Record) -> bytes:
    if record.body_b64 is None:
        return (record.body or "").encode("utf-8", "surrogatepass")
    packed = base64.b64decode(record.body_b64, validate=True)
    named = {name.lower(): value for name, value in record.headers}
    return unpack(packed, _MOST_BYTES, named.get("content-encoding", ""))
