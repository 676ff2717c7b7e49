"""
What would become of a request: the doors' own code path, nothing stored.

Reads requests in the form of the captures (one JSON object: method, target,
headers as [[name, value], …], body or body_b64, optionally peer and ts). Serves
`kastana explain`, the golden tests and the demo page's live panel.
"""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec

from collector.call import Call
from collector.doors import Doors, Verdict
from pipeline.clock import now_ms
from pipeline.process import Result
from schemas.outcome import Invalid

# The end of the year 9999, the last that has a date.
_END_OF_TIME_S = 253_402_300_800


class ExplainError(ValueError):
    """A record that is not a captured request."""


class Record(msgspec.Struct, frozen=True):
    """A captured request; other keys of the record are not read."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    body_b64: str | None = None
    peer: str = "127.0.0.1"
    ts: Annotated[float, msgspec.Meta(ge=0, lt=_END_OF_TIME_S)] | None = None


def explain(content: object, doors: Doors, *, why: bool = False) -> dict[str, Any]:
    """
    Return status, outcome and reasons of each event, and the rows.

    With `why` also the steps of each decision, see `pipeline.steps`.

    Raises:
        ExplainError: when the record is not a captured request.

    """
    try:
        record = msgspec.convert(content, Record)
        body = _body(record)
    except (msgspec.ValidationError, binascii.Error) as error:
        message = f"not a captured request: {error}"
        raise ExplainError(message) from None
    path, _, query = record.target.partition("?")
    call = Call(
        headers=record.headers,
        peer=record.peer,
        query=query,
        received_ms=now_ms() if record.ts is None else round(record.ts * 1000),
        method=record.method.upper(),
    )
    return explain_call(call.method, path, call, body, doors, why=why)


def explain_call(  # noqa: PLR0913 - the parts of a request
    method: str,
    path: str,
    call: Call,
    body: bytes,
    doors: Doors,
    *,
    why: bool = False,
) -> dict[str, Any]:
    """Return what would be answered to this call, and what would stay of it."""
    if path == "/consent" and method in ("GET", "POST"):
        return _consent(method, call, body, doors, why=why)
    verdict = _verdict(method, path, call, body, doors)
    told: dict[str, Any] = {
        "status": verdict.status,
        "events": [_told(one, doors if why else None) for one in verdict.results],
    }
    if verdict.error is not None:
        told["error"] = _complaint(verdict.error)
    return told


def _consent(
    method: str, call: Call, body: bytes, doors: Doors, *, why: bool
) -> dict[str, Any]:
    """Return how a request to the consent door is read; nothing is recorded."""
    asked = doors.asking(call) if method == "GET" else doors.choice(call, body)
    if isinstance(asked, Verdict):
        told: dict[str, Any] = {"status": asked.status, "events": []}
        if asked.error is not None:
            told["error"] = _complaint(asked.error)
        return told
    told = {"status": 200 if method == "GET" else 202, "events": []}
    if why:
        told["why"] = doors.why_asked(asked)
    return told


def _verdict(method: str, path: str, call: Call, body: bytes, doors: Doors) -> Verdict:
    if path == "/e" and method == "POST":
        return doors.events(call, body)
    if path == "/p.gif" and method in ("GET", "HEAD"):
        return doors.pixel(call)
    if path.startswith("/r/") and method in ("GET", "HEAD"):
        return doors.redirect(call, unquote(path.removeprefix("/r/")))
    message = "no door answers this method and path"
    return Verdict(error=Invalid("not_found", message), status=404)


def _told(one: Result | Invalid, doors: Doors | None) -> dict[str, Any]:
    if isinstance(one, Invalid):
        refused = {"outcome": "invalid", **_complaint(one)}
        step = {"step": "refused", "code": one.code}
        return refused if doors is None else {**refused, "why": [step]}
    told: dict[str, Any] = {
        "outcome": one.outcome,
        "reasons": list(one.reasons),
        "row": msgspec.structs.asdict(one.row),
    }
    if doors is not None:
        told["why"] = doors.why(one)
    return told


def _complaint(invalid: Invalid) -> dict[str, str]:
    return {
        "code": invalid.code,
        "message": invalid.message,
        "field": invalid.field,
    }


def _body(record: Record) -> bytes:
    if record.body_b64 is not None:
        return base64.b64decode(record.body_b64, validate=True)
    return (record.body or "").encode("utf-8", "surrogatepass")
