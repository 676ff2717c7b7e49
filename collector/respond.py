"""
Answers: status, the error object, CORS, the pixel, the debug header.

The body never depends on what consent said; the debug header does, and only
tells a caller about its own request.
"""

import base64
import re
from collections.abc import Mapping
from types import MappingProxyType

import orjson
from aiohttp import web

from collector.doors import Verdict
from collector.quick import answer
from schemas.outcome import Invalid

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
DEBUG_HEADER = "X-Kastana-Outcome"
ERROR_HEADER = "X-Kastana-Error"
_UNAUTHORIZED = 401
_NO_STORE = "no-store, no-cache, private, max-age=0"
_HEADER_NAMES = re.compile(r"^[A-Za-z0-9-]+(\s*,\s*[A-Za-z0-9-]+)*\Z")
_MAX_ASKED = 1024
# Server keys are shown in it, and a key must not be in a page.
_NOT_FOR_PAGES = "authorization"
_MAX_DEBUG = 4096
_JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_GIF_HEADERS = {
    "Content-Type": "image/gif",
    "Cache-Control": _NO_STORE,
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def error(
    invalid: Invalid, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return `{"error": {code, message, field}}`."""
    body = {"error": _as_object(invalid)}
    return _json(body, status, headers)


def raw(invalid: Invalid, status: str, *headers: str) -> bytes:
    """
    Return the whole answer to what is no request yet; the connection closes after it.

    Args:
        invalid: what is wrong.
        status: code and its words.
        headers: lines that it has beside those of every such answer.

    """
    body = orjson.dumps({"error": _as_object(invalid)})
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Access-Control-Allow-Origin: *",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def accepted(verdict: Verdict, headers: Mapping[str, str]) -> web.StreamResponse:
    """Return how many events were understood, and what was wrong with the rest."""
    if not verdict.bad:
        taken = b'{"accepted":%d}' % len(verdict.good)
        return answer(verdict.status, {**_JSON_HEADERS, **headers}, taken)
    body: dict[str, object] = {"accepted": len(verdict.good)}
    if verdict.bad:
        body["errors"] = [
            {"index": bad.index, **_as_object(bad)} for bad in verdict.bad
        ]
    return _json(body, verdict.status, headers)


def refused(verdict: Verdict, headers: Mapping[str, str]) -> web.Response:
    """Return the error of a request of which nothing was understood."""
    invalid = verdict.error or Invalid("internal", "no reason was given")
    body: dict[str, object] = {"error": _as_object(invalid)}
    if verdict.status == _UNAUTHORIZED:
        headers = {**headers, "WWW-Authenticate": "Bearer"}
    if len(verdict.bad) > 1:
        body["errors"] = [
            {"index": bad.index, **_as_object(bad)} for bad in verdict.bad
        ]
    return _json(body, verdict.status, headers)


def pixel(headers: Mapping[str, str], status: int = 200) -> web.StreamResponse:
    """Return the 43-byte GIF."""
    return answer(status, {**_GIF_HEADERS, **headers}, GIF)


def redirect(target: str, headers: Mapping[str, str]) -> web.Response:
    """Send a reader on to where a link was signed for."""
    return web.Response(
        status=302,
        headers={
            "Location": target,
            "Cache-Control": _NO_STORE,
            "Referrer-Policy": "no-referrer",
            **headers,
        },
    )


def cors(origin: str | None, *, allowed: bool) -> Mapping[str, str]:
    """Return the CORS headers of an answer to a page of this origin."""
    if origin is None:
        return _NO_PAGE
    if not allowed:
        return _STRANGER
    return {
        "Access-Control-Allow-Origin": origin,
        # A beacon with a JSON blob is sent with credentials; there are none of
        # ours, and no answer depends on a cookie.
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": f"{DEBUG_HEADER}, {ERROR_HEADER}, Retry-After",
        "Vary": "Origin",
    }


_NO_PAGE: Mapping[str, str] = MappingProxyType({})
_STRANGER: Mapping[str, str] = MappingProxyType({"Vary": "Origin"})


def preflight(origin: str | None, asked: str | None, *, allowed: bool) -> web.Response:
    """
    Answer OPTIONS.

    The headers asked for are echoed: trackers add headers on retries, and a fixed
    list would break just those. But for Authorization, which no page needs.
    """
    headers = dict(cors(origin, allowed=allowed))
    if allowed and origin is not None:
        headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        headers["Access-Control-Max-Age"] = "7200"
        if asked and len(asked) <= _MAX_ASKED and _HEADER_NAMES.match(asked):
            names = [name.strip() for name in asked.split(",")]
            allowed_names = [name for name in names if name.lower() != _NOT_FOR_PAGES]
            if allowed_names:
                headers["Access-Control-Allow-Headers"] = ", ".join(allowed_names)
    return web.Response(status=204, headers=headers)


def debug_text(verdict: Verdict) -> str:
    """Return `index outcome reason,reason; …` for the debug header."""
    parts = [
        f"{index} invalid {one.code}"
        if isinstance(one, Invalid)
        else f"{index} {one.outcome} {','.join(one.reasons)}"
        for index, one in enumerate(verdict.results)
    ]
    return "; ".join(parts)[:_MAX_DEBUG]


def _as_object(invalid: Invalid) -> dict[str, str]:
    return {
        "code": invalid.code,
        "message": invalid.message,
        "field": invalid.field,
    }


def _json(body: object, status: int, headers: Mapping[str, str] | None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
