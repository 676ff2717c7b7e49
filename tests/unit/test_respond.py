"""Answers: their bodies do not depend on consent, their headers on no cookie."""

import json
from typing import Any

import pytest
from aiohttp import web

from collector import respond
from collector.doors import Verdict
from collector.quick import Block, Ready
from pipeline.caller import Caller
from pipeline.device import Device
from pipeline.gate import Rules
from pipeline.geo.files import UNKNOWN
from pipeline.identify import NOBODY
from pipeline.process import Result, Treatment
from schemas.consent import ConsentState
from schemas.outcome import Invalid
from schemas.packs import load_packs
from schemas.row import CountRow, Row
from tests.builders import count_row, row

ORIGIN = "https://example.com"
PACKS = (load_packs().at("2026-11-23")["eu_strict"],)
RULES = Rules(PACKS, (), unknown_place=False, switches=frozenset())
CALLER = Caller(UNKNOWN, "", Device(), "", ())
TREATMENT = Treatment(
    (), ConsentState(), RULES, "", NOBODY, purge=False, caller=CALLER, grants={}
)


def result(outcome: str, reasons: tuple[str, ...], kept: Row | CountRow) -> Result:
    """Return what became of some event."""
    return Result(outcome, reasons, kept, TREATMENT, "statistics")


KEPT = result("identified", ("consent_given",), row())
COUNTED = result("counted", ("no_consent", "robot"), count_row())
DROPPED = result("dropped", ("consent_refused",), count_row())
BAD = Invalid("too_long", "words", "url", 1, "example.com")
SAID = {"code": "too_long", "message": "words", "field": "url"}


def block(response: web.StreamResponse) -> Block:
    """Return an answer's bytes."""
    assert isinstance(response, Ready)
    return response.block


def body(response: web.StreamResponse) -> Any:
    """Return the JSON of an answer."""
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    assert "application/json" == response.content_type
    assert "no-store" == response.headers["Cache-Control"]
    return json.loads(response.body)


def test_error() -> None:
    """An error has a code, words and the field; not the site."""
    response = respond.error(BAD, 400, {"Retry-After": "5"})

    assert {"error": SAID} == body(response)
    assert (400, "5") == (response.status, response.headers["Retry-After"])


@pytest.mark.parametrize("result", [KEPT, COUNTED, DROPPED])
def test_accepted_says_nothing_of_consent(result: Result) -> None:
    """Kept, counted or dropped: the same bytes."""
    response = respond.accepted(Verdict((result, result)), {"Vary": "Origin"})
    found = block(response)

    assert (202, b'{"accepted":2}') == (response.status, found.body)
    assert (
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
        b"Cache-Control: no-store\r\nVary: Origin\r\nDate: " == found.head
    )
    assert b"Content-Length: 14\r\n\r\n" == found.end


def test_accepted_with_errors() -> None:
    """Of a batch the bad events are named by their place."""
    response = respond.accepted(Verdict((KEPT, BAD)), {})

    assert {
        "accepted": 1,
        "errors": [{"index": 1, **SAID}],
    } == body(response)


def test_refused() -> None:
    """When nothing was good the first error is the answer, all of them the list."""
    one = respond.refused(Verdict((BAD,), BAD, 400), {})
    two = respond.refused(Verdict((BAD, BAD), BAD, 400), {})

    assert {"error"} == set(body(one))
    assert 2 == len(body(two)["errors"])
    assert [400, 400] == [one.status, two.status]


def test_pixel() -> None:
    """The picture is 43 bytes, and is not kept by anyone."""
    response = respond.pixel({"X-Kastana-Error": "bad_query"})

    found = block(response)
    head = found.head.decode()
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-1])
    assert 43 == len(found.body)
    assert found.body.startswith(b"GIF89a")
    assert ("image/gif", 200) == (lines["Content-Type"], response.status)
    assert "no-store" in lines["Cache-Control"]
    assert "cross-origin" == lines["Cross-Origin-Resource-Policy"]
    assert "bad_query" == lines["X-Kastana-Error"]


def test_redirect() -> None:
    """A reader goes on without saying where from."""
    response = respond.redirect("https://example.com/a?b", {})

    assert (302, "https://example.com/a?b", "no-referrer") == (
        response.status,
        response.headers["Location"],
        response.headers["Referrer-Policy"],
    )


@pytest.mark.parametrize(
    ("origin", "allowed", "names"),
    [
        (None, True, set()),
        (None, False, set()),
        (ORIGIN, False, {"Vary"}),
        (
            ORIGIN,
            True,
            {
                "Vary",
                "Access-Control-Allow-Origin",
                "Access-Control-Allow-Credentials",
                "Access-Control-Expose-Headers",
            },
        ),
    ],
)
def test_cors(origin: str | None, *, allowed: bool, names: set[str]) -> None:
    """Only an origin that is allowed is told so, by its own name."""
    headers = respond.cors(origin, allowed=allowed)

    assert names == set(headers)
    assert headers.get("Access-Control-Allow-Origin") in (None, ORIGIN)
    assert headers.get("Vary") in (None, "Origin")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("content-type", "content-type"),
        ("content-type, x-kastana-debug", "content-type, x-kastana-debug"),
        (None, None),
        ("", None),
        ("x" * 1025, None),
        ("a\r\nSet-Cookie: b", None),
        ("content-type,", None),
        ("*", None),
        # Keys of servers are shown in it: no page has any use for it.
        ("authorization", None),
        ("Content-Type,AUTHORIZATION , x-retry", "Content-Type, x-retry"),
        ("x-authorization", "x-authorization"),
    ],
)
def test_preflight(asked: str | None, told: str | None) -> None:
    """The headers asked for are allowed when they are names of headers."""
    response = respond.preflight(ORIGIN, asked, allowed=True)

    assert 204 == response.status
    assert told == response.headers.get("Access-Control-Allow-Headers")
    assert "GET, POST, OPTIONS" == response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("origin", [None, ORIGIN])
def test_preflight_refused(origin: str | None) -> None:
    """An origin that is not allowed is not told what would be."""
    response = respond.preflight(origin, "content-type", allowed=False)

    assert not [name for name in response.headers if name.startswith("Access-Control")]


def test_debug_text() -> None:
    """The debug header lists each event's outcome and reasons, within a bound."""
    text = respond.debug_text(Verdict((KEPT, BAD, COUNTED)))

    assert (
        "0 identified consent_given; 1 invalid too_long; 2 counted no_consent,robot"
        == text
    )
    assert 4096 == len(respond.debug_text(Verdict((KEPT,) * 1000)))
