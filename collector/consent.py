"""
The consent door: a choice is made, a browser asks how it is treated.

`POST /consent` takes a choice and answers when it is in force and on disk;
`GET /consent` tells a browser what its signals came to (11 CCR 7025(c)(6) wants that
shown), and `/.well-known/gpc.json` that Global Privacy Control is honoured. No answer
here but the last may stay in any cache: each is about one browser.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

from collector import respond
from collector.call import Call
from collector.choices import Choices, Taken, UnkeptError, with_event
from collector.desk import Desk, call_of
from collector.doors import Asked, Doors, Verdict
from collector.metrics import count
from pipeline.gate import decide
from pipeline.ledger.receipt import Controller, receipt
from pipeline.ledger.record import Rules
from pipeline.withdrawal.objections import ObjectionsError
from schemas.consent import ASKED, Category, ConsentState
from schemas.event import ConsentChoice
from schemas.outcome import Grant, Invalid
from schemas.policy import Policy

VISITOR_HEADER = "X-Kastana-Visitor"
_VISITOR = re.compile(r"[A-Za-z0-9_-]{16,64}\Z")
_VARY = f"Origin, Sec-GPC, DNT, {VISITOR_HEADER}"
# Flags by which someone opts out, of schemas.consent.FLAGS.
_OPT_OUTS = frozenset(
    {"gpc", "dnt", "sale_opt_out", "share_opt_out", "targeted_opt_out", "objection"}
)
_DAY = "public, max-age=86400"


class ConsentDoor:
    """The handlers of `/consent` in one edge process."""

    def __init__(
        self,
        desk: Desk,
        doors: Doors,
        choices: Choices,
        policy: Policy,
        controller: Controller,
    ) -> None:
        """Bind the handlers to what takes choices, and to what receipts say."""
        self._desk = desk
        self._doors = doors
        self._choices = choices
        self._policy = policy
        self._controller = controller

    async def post(self, request: web.Request) -> web.Response:
        """`POST /consent`."""
        call = call_of(request)
        headers = _uncached(self._desk.cors(request))
        limited = self._desk.limited(call, headers)
        if limited is not None:
            return limited
        body = await self._desk.body(request, headers)
        if isinstance(body, web.Response):
            return body
        asked = self._doors.choice(call, body)
        if isinstance(asked, Verdict):
            return _refused(asked, headers)
        try:
            taken = await self._choices.take(asked)
        except UnkeptError as error:
            return self._desk.unkept(error.code, str(error), events=1, headers=headers)
        if isinstance(taken, Invalid):
            return _refused(Verdict((taken,), taken, 400), headers)
        if taken.repeated:
            count("kastana_event_reasons_total", "repeated")
        else:
            count("kastana_choices_total", taken.row.event_state)
        return _json(self._answer(asked, taken), 202, headers)

    async def get(self, request: web.Request) -> web.Response:
        """`GET /consent`: how this browser is treated, as the gate would now."""
        call = call_of(request)
        headers = _uncached(self._desk.cors(request))
        limited = self._desk.limited(call, headers)
        if limited is not None:
            return limited
        asked = self._asked(call)
        if isinstance(asked, Verdict):
            return _refused(asked, headers)
        try:
            treatment = self._doors.treat(asked)
        except ObjectionsError as error:
            told = UnkeptError.of(error)
            return self._desk.unkept(told.code, str(told), events=1, headers=headers)
        grants = {
            name: decide(name, treatment.consent, treatment.rules) for name in ASKED
        }
        about = {"site": asked.site.name, "policy_version": self._policy.version}
        found = status(treatment.consent, treatment.rules, grants)
        return _json({**about, **found}, 200, headers)

    def _asked(self, call: Call) -> Asked | Verdict:
        asked = self._doors.asking(call)
        if isinstance(asked, Verdict):
            return asked
        event = asked.raw.event
        if event.visitor is not None:
            # URLs end up in logs and histories; a header does not.
            words = f"a visitor's token goes into the header {VISITOR_HEADER}"
            return _bad("unknown_field", words, "visitor")
        token = call.header(VISITOR_HEADER.lower())
        if token is None:
            return asked
        if not _VISITOR.match(token):
            words = "a token has 16 to 64 of A-Z, a-z, 0-9, _ and -"
            return _bad("bad_format", words, VISITOR_HEADER)
        event = msgspec.structs.replace(event, visitor=token)
        return Asked(asked.site, with_event(asked.raw, event))

    def _answer(self, asked: Asked, taken: Taken) -> dict[str, Any]:
        told: dict[str, Any] = {
            "accepted": 1,
            "record_id": taken.row.record_id,
            "event_state": taken.row.event_state,
        }
        choice = asked.raw.event
        if isinstance(choice, ConsentChoice) and choice.receipt is not None:
            row = msgspec.to_builtins(taken.row)
            told["receipt"] = receipt(
                choice.receipt, row, self._policy, self._controller
            )
        return told


def status(
    consent: ConsentState, rules: Rules, grants: Mapping[Category, Grant]
) -> dict[str, Any]:
    """
    Return how a request is treated, ready for JSON.

    What it says was honoured is read off the decision, not off the signal: an opt-out
    counts as processed only where marketing is closed.
    """
    closed = grants["marketing"].outcome in ("counted", "dropped")
    return {
        "regime": rules.regime,
        "regime_version": rules.version,
        "signals": list(consent.flags),
        "categories": {
            name: {
                "state": consent.of(name),
                "outcome": grant.outcome,
                "reasons": list(grant.reasons),
                "row": grant.decision_row,
            }
            for name, grant in grants.items()
        },
        "gpc_honoured": "gpc" in consent.flags and closed,
        "opt_out_processed": bool(_OPT_OUTS & set(consent.flags)) and closed,
        "withdrawn": [name for name in ASKED if consent.of(name) == "withdrawn"],
    }


def routes(door: ConsentDoor, desk: Desk, last_update: str) -> list[web.RouteDef]:
    """
    Return the routes of the consent door.

    Args:
        door: takes choices and answers questions.
        desk: counts answers, and knows which pages may ask.
        last_update: date of the newest rules, YYYY-MM-DD, for gpc.json.

    """
    return [
        web.post("/consent", desk.guard("consent", door.post)),
        web.get("/consent", desk.guard("consent", door.get)),
        web.options("/consent", desk.guard("preflight", desk.preflight)),
        web.get("/.well-known/gpc.json", desk.guard("gpc", gpc(last_update))),
    ]


def gpc(last_update: str) -> Callable[[web.Request], Any]:
    """Return the handler of the resource by which a site says it honours GPC."""
    body = orjson.dumps({"gpc": True, "lastUpdate": last_update})
    headers = {
        "Cache-Control": _DAY,
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json", headers=headers)

    return handle


def _uncached(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Cache-Control": "no-store", "Vary": _VARY}


def _bad(code: str, words: str, field: str) -> Verdict:
    invalid = Invalid(code, words, field)
    return Verdict((invalid,), invalid, 400)


def _refused(verdict: Verdict, headers: dict[str, str]) -> web.Response:
    if verdict.error is not None:
        count("kastana_events_total", "invalid")
        count("kastana_event_reasons_total", verdict.error.code)
    return respond.refused(verdict, headers)


def _json(body: object, code: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=code,
        content_type="application/json",
        headers=headers,
    )
