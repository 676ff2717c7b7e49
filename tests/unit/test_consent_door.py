"""The consent door: what it takes, how it answers, and what it never tells."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from multidict import CIMultiDict

from collector import assets, consent
from collector.consent import ConsentDoor, status
from collector.desk import Desk
from pipeline.ledger.receipt import Controller
from pipeline.spool import SpoolError
from schemas.consent import ASKED, ConsentState
from schemas.outcome import Grant
from tests.builders import EVENT_ID
from tests.consent_stage import AGENT, ORIGIN, SITE, TOKEN, Rules, Stage

GIVE = {"event": "consent", "site": SITE, "action": "give", "visitor": TOKEN}
GIVEN = {**GIVE, "consent": {"statistics": True, "marketing": False}}
WITHDRAW = {"event": "consent", "site": SITE, "action": "withdraw", "visitor": TOKEN}
HEADERS = {
    "Origin": ORIGIN,
    "User-Agent": AGENT,
    "Content-Type": "application/json",
}
UPDATED = "2026-11-23"
OPEN, CLOSED = ("identified", "r1"), ("dropped", "r2")
Client = TestClient[web.Request, web.Application]
Connect = Callable[..., Awaitable[Client]]


class Decided:
    """A stand-in for a grant of the gate."""

    def __init__(self, outcome: str, row: str) -> None:
        self.outcome = outcome
        self.reasons = ("consent_given",)
        self.decision_row = row


def decide(category: str, state: ConsentState, _rules: Any) -> Any:
    """Open what is given; GPC closes marketing."""
    closed = category == "marketing" and "gpc" in state.flags
    return Decided(*(OPEN if state.of(category) == "given" and not closed else CLOSED))


@pytest.fixture
def connect(
    aiohttp_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Connect:
    """Return how to get a stage and a client of its consent door."""
    monkeypatch.setattr(consent, "decide", decide)

    async def connected(**settings: Any) -> Client:
        stage = Stage(tmp_path, **settings)
        desk = Desk(stage.settings, stage.doors)
        controller = Controller(withdrawal_url="https://c.example/consent")
        door = ConsentDoor(desk, stage.doors, stage.choices, stage.policy, controller)
        app = web.Application(client_max_size=stage.settings.max_body_bytes)
        app.router.add_routes(consent.routes(door, desk, UPDATED))
        app.router.add_routes(assets.routes())
        client: Client = await aiohttp_client(app)
        client.stage = stage  # type: ignore[attr-defined]
        return client

    return connected


@pytest.fixture
async def client(connect: Connect) -> Client:
    """A client of a door with the usual settings."""
    return await connect()


def stage_of(client: Client) -> Stage:
    """Return the stage behind a client."""
    stage: Stage = client.stage  # type: ignore[attr-defined]
    return stage


class Answer:
    """An answer whose body was read."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        code: str = self.json()["error"]["code"]
        return code


async def call(
    client: Client,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make a request as it stands."""
    named = CIMultiDict(HEADERS if headers is None else headers)
    async with client.request(method, path, data=body, headers=named) as response:
        return Answer(response.status, response.headers, await response.read())


async def post(client: Client, body: Any, **headers: str) -> Answer:
    """Send a choice."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await call(client, "POST", "/consent", content, {**HEADERS, **headers})


# ------------------------------------------------------------------------ POST /consent
async def test_answer(client: Client) -> None:
    """The record's id, its state, and that it was accepted."""
    answer = await post(client, {**GIVEN, "event_id": EVENT_ID})

    assert 202 == answer.status
    assert {
        "accepted": 1,
        "record_id": EVENT_ID,
        "event_state": "ConsentGiven",
    } == answer.json()
    assert [EVENT_ID] == [row.record_id for row in stage_of(client).disk.rows]


async def test_id_is_made_at_the_door(client: Client) -> None:
    """Without an id of its own a choice gets one."""
    answer = await post(client, GIVEN)

    assert answer.json()["record_id"] == stage_of(client).disk.rows[0].record_id


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("give", "ConsentGiven"),
        ("change", "ConsentGiven"),
        ("withdraw", "ConsentWithdrawn"),
    ],
)
async def test_states(client: Client, action: str, state: str) -> None:
    """The state is the one that was recorded."""
    answer = await post(client, {**GIVEN, "action": action})

    assert state == answer.json()["event_state"]
    assert [state] == [row.event_state for row in stage_of(client).disk.rows]


async def test_same_answer_whatever_was_before(client: Client) -> None:
    """Nobody learns from an answer what anyone chose earlier."""
    answers = []
    for before in ({}, WITHDRAW):
        if before:
            await post(client, before)
        one = {**GIVEN, "receipt": "iso27560"}
        told = (await post(client, one)).json()
        del told["record_id"], told["receipt"]["header"]["record_id"]
        del told["receipt"]["event"]
        answers.append(told)

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("form", "key"), [("iso27560", "processing"), ("kantara", "consentReceiptID")]
)
async def test_receipt(client: Client, form: str, key: str) -> None:
    """Who asks for a receipt gets one in the form that was asked for."""
    told = (await post(client, {**GIVEN, "receipt": form})).json()

    assert key in told["receipt"]
    assert told["record_id"] in json.dumps(told["receipt"])
    assert "https://c.example/consent" in json.dumps(told["receipt"])


async def test_repeated(client: Client) -> None:
    """The same answer again, and one record."""
    body = {**GIVEN, "event_id": EVENT_ID}
    first, again = await post(client, body), await post(client, body)

    assert (first.status, first.body) == (again.status, again.body)
    assert 1 == len(stage_of(client).disk.rows)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/png"])
async def test_content_type_is_not_believed(client: Client, kind: str) -> None:
    """A beacon sends JSON as plain text."""
    assert 202 == (await post(client, GIVEN, **{"Content-Type": kind})).status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"{nope", "not_json"),
        (b"17", "not_an_event"),
        (b"[]", "empty_body"),
        (json.dumps([GIVEN, GIVEN]).encode(), "too_many_events"),
        ({**GIVEN, "action": "sell"}, "bad_format"),
        ({**GIVEN, "event": "page_view"}, "unknown_event"),
        ({**GIVEN, "what": 1}, "unknown_field"),
        ({"event": "consent", "site": SITE}, "missing_field"),
        ({**GIVEN, "notice": "n" * 129}, "too_long"),
        ({**GIVEN, "receipt": "pdf"}, "bad_format"),
        ({**GIVEN, "site": "other.example"}, "unknown_site"),
        ({**GIVEN, "occurred_at": 1}, "bad_time"),
        ({**GIVE, "consent": {"statistics": False}}, "bad_choice"),
        ({**GIVEN, "categories": ["statistics"]}, "bad_choice"),
    ],
)
async def test_bad(client: Client, body: Any, code: str) -> None:
    """What is wrong has a code, and leaves nothing behind."""
    answer = await post(client, body)

    assert (400, code) == (answer.status, answer.code)
    assert [] == stage_of(client).log


async def test_foreign_origin(client: Client) -> None:
    """A page of elsewhere makes no choice for anyone here."""
    answer = await post(client, WITHDRAW, Origin="https://evil.example")

    assert (400, "origin_not_allowed") == (answer.status, answer.code)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert [] == stage_of(client).log


async def test_too_large(connect: Connect) -> None:
    """The body's bound is the events' own."""
    client = await connect(max_body_bytes=1024)
    plain = json.dumps({**GIVEN, "title": "x" * 2000}).encode()
    packed = gzip.compress(json.dumps({**GIVEN, "url": "x" * 4000}).encode())

    assert (413, "too_large") == ((await post(client, plain)).status, "too_large")
    assert 413 == (await post(client, packed)).status


async def test_rate_limit(connect: Connect) -> None:
    """One network makes so many choices a second."""
    client = await connect(client_rate=0.001, client_burst=2)
    codes = [(await post(client, GIVEN)).status for _ in range(3)]
    asking = await call(client, "GET", f"/consent?site={SITE}")

    assert [202, 202, 429] == codes
    assert (429, "rate_limited") == (asking.status, asking.code)
    assert int(asking.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("full", "code"), [("yes", "spool_full"), ("", "spool_failed")]
)
async def test_disk_that_fails(client: Client, full: str, code: str) -> None:
    """503 with a time to come again; then it is taken, once."""
    stage = stage_of(client)
    stage.disk.error = SpoolError("words", full=bool(full))
    body = {**WITHDRAW, "event_id": EVENT_ID}
    answer = await post(client, body)
    stage.disk.error = None

    assert (503, code, "5") == (
        answer.status,
        answer.code,
        answer.headers["Retry-After"],
    )
    assert 202 == (await post(client, body)).status
    assert 1 == len(stage.disk.rows)


async def test_repeated_at_once(client: Client) -> None:
    """Tabs that send the same choice at the same time make one record."""
    body = {**WITHDRAW, "event_id": EVENT_ID}
    answers = await asyncio.gather(*(post(client, body) for _ in range(5)))

    assert {202} == {one.status for one in answers}
    assert 1 == len({one.body for one in answers})
    assert 1 == len(stage_of(client).disk.rows)


async def test_cors(client: Client) -> None:
    """A page of the site may read the answer; the preflight lets the header in."""
    answer = await post(client, GIVEN)
    preflight = await call(
        client,
        "OPTIONS",
        "/consent",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Headers": "x-kastana-visitor",
        },
    )

    assert ORIGIN == answer.headers["Access-Control-Allow-Origin"]
    assert 204 == preflight.status
    assert "x-kastana-visitor" == preflight.headers["Access-Control-Allow-Headers"]


# ------------------------------------------------------------------------- GET /consent
async def ask(client: Client, query: str = "", **headers: str) -> Answer:
    """Ask how a browser is treated; `_` in header names stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/consent?site={SITE}{query}"
    return await call(client, "GET", path, headers={**HEADERS, **named})


async def test_status(client: Client) -> None:
    """All of it, for a browser with one grant and GPC."""
    told = await ask(client, "&consent=statistics,marketing", Sec_GPC="1")
    closed = {"outcome": "dropped", "reasons": ["consent_given"], "row": "r2"}

    assert 200 == told.status
    assert {
        "site": SITE,
        "policy_version": "2025-05-16",
        "regime": "eu_strict",
        "regime_version": "2026-11-23",
        "signals": ["gpc"],
        "categories": {
            "preference": {"state": "refused", **closed},
            "statistics": {
                "state": "given",
                "outcome": "identified",
                "reasons": ["consent_given"],
                "row": "r1",
            },
            "marketing": {"state": "given", **closed},
            "precise_location": {"state": "refused", **closed},
        },
        "gpc_honoured": True,
        "opt_out_processed": True,
        "withdrawn": [],
    } == told.json()
    assert [] == stage_of(client).log


async def test_status_after_a_withdrawal(client: Client) -> None:
    """The token in the header, and nobody else, is told what it withdrew."""
    await post(client, {**WITHDRAW, "categories": ["marketing"]})
    one = (await ask(client, "&consent=marketing", X_Kastana_Visitor=TOKEN)).json()
    other = (
        await ask(
            client,
            "&consent=marketing",
            X_Kastana_Visitor=TOKEN + "2",
            User_Agent="other",
        )
    ).json()

    assert ["marketing"] == one["withdrawn"]
    assert [] == other["withdrawn"]


@pytest.mark.parametrize("query", [f"&visitor={TOKEN}", f"&v%69sitor={TOKEN}"])
async def test_no_token_in_a_url(client: Client, query: str) -> None:
    """URLs end up in logs."""
    answer = await ask(client, query)

    assert (400, "unknown_field") == (answer.status, answer.code)
    assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize("token", ["short", "x" * 65, "with blanks in it!", "ü" * 20])
async def test_bad_token(client: Client, token: str) -> None:
    """What is no token is not one, and is not said back."""
    answer = await ask(client, X_Kastana_Visitor=token)

    assert (400, "bad_format") == (answer.status, answer.code)
    assert token.encode() not in answer.body


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/consent", "missing_field"),
        ("/consent?site=other.example", "unknown_site"),
        (f"/consent?site={SITE}&event=email_open", "repeated_key"),
        (f"/consent?site={SITE}&recipient=r", "unknown_field"),
    ],
)
async def test_bad_question(client: Client, path: str, code: str) -> None:
    """A question that cannot be understood says why."""
    answer = await call(client, "GET", path)

    assert (400, code) == (answer.status, answer.code)


async def test_unreadable_objections(client: Client) -> None:
    """Who cannot look it up does not say that nothing was withdrawn."""
    stage_of(client).objections._path.write_bytes(b"not a line\n")
    answer = await ask(client, X_Kastana_Visitor=TOKEN)

    assert (503, "objections_unusable") == (answer.status, answer.code)


async def test_head(client: Client) -> None:
    """HEAD is GET without a body."""
    answer = await call(client, "HEAD", f"/consent?site={SITE}")

    assert (200, b"", "no-store") == (
        answer.status,
        answer.body,
        answer.headers["Cache-Control"],
    )


def grants(marketing: str) -> dict[Any, Grant]:
    """Return grants of which only marketing's outcome differs."""
    made: dict[Any, Any] = {name: Decided("identified", "r") for name in ASKED}
    return {**made, "marketing": Decided(marketing, "r")}


@pytest.mark.parametrize(
    ("flags", "marketing", "gpc_honoured", "processed"),
    [
        (("gpc",), "dropped", True, True),
        (("gpc",), "counted", True, True),
        (("gpc",), "identified", False, False),
        (("gpc",), "anonymous", False, False),
        (("sale_opt_out",), "dropped", False, True),
        (("share_opt_out",), "dropped", False, True),
        (("targeted_opt_out",), "dropped", False, True),
        (("dnt",), "dropped", False, True),
        (("objection",), "dropped", False, True),
        (("robot", "child"), "dropped", False, False),
        ((), "dropped", False, False),
    ],
)
def test_what_was_honoured(
    flags: tuple[str, ...], marketing: str, *, gpc_honoured: bool, processed: bool
) -> None:
    """An opt-out counts as processed only where the decision says so."""
    told = status(ConsentState(flags=flags), Rules(), grants(marketing))

    assert (gpc_honoured, processed) == (
        told["gpc_honoured"],
        told["opt_out_processed"],
    )


# ------------------------------------------------------------------------------ caches
async def test_gpc_resource(client: Client) -> None:
    """The well-known resource of the GPC specification."""
    answer = await call(client, "GET", "/.well-known/gpc.json")

    assert {"gpc": True, "lastUpdate": UPDATED} == answer.json()
    assert "application/json" == answer.headers["Content-Type"]
    assert "*" == answer.headers["Access-Control-Allow-Origin"]


PUBLIC = {"/k.js", "/k-consent.js", "/k-vitals.js", "/.well-known/gpc.json"}


async def test_consent_is_in_no_cache(connect: Connect) -> None:
    """Of all routes only what is the same for everyone may be stored anywhere."""
    client = await connect(client_rate=0.001, client_burst=20)
    assert client.app is not None
    paths = {route.resource.canonical for route in client.app.router.routes()}  # type: ignore[union-attr]
    assert {"/consent", *PUBLIC} <= paths
    for path in paths:
        shared = path in PUBLIC or path.startswith(("/k.", "/k-consent.", "/k-vitals."))
        for query in ("", f"?site={SITE}&consent=statistics", "?site=no"):
            answer = await call(client, "GET", path + query)
            stored = answer.headers["Cache-Control"]

            assert (
                stored.startswith("public, max-age=")
                if shared
                else (stored == "no-store")
            ), path


@pytest.mark.parametrize("body", [GIVEN, WITHDRAW, b"{nope", {**GIVEN, "site": "no"}])
async def test_answers_vary(client: Client, body: Any) -> None:
    """Each answer names the headers that it may depend on."""
    for answer in (
        await post(client, body),
        await ask(client),
        await ask(client, "&x=1"),
    ):
        varies = {name.strip() for name in answer.headers["Vary"].split(",")}

        assert {"Origin", "Sec-GPC", "DNT", "X-Kastana-Visitor"} == varies
        assert "no-store" == answer.headers["Cache-Control"]


# ------------------------------------------------------------------------------- silent
CANARY = "canary-7f3a9c"


@pytest.mark.parametrize(
    "body",
    [
        {**GIVEN, CANARY: 1},
        {**GIVEN, "notice": [CANARY]},
        {**GIVEN, "site": CANARY},
        {**GIVEN, "action": CANARY},
        {**GIVEN, "categories": [CANARY]},
        {**GIVEN, "consent": {CANARY: True}},
        {**GIVEN, "visitor": f"{CANARY}@example.com"},
        {**GIVEN, "event_id": CANARY},
        {**GIVEN, "consent": {"gdpr_consent": CANARY, "statistics": False}},
        f"{{{CANARY}".encode(),
        {**GIVEN, "notice": f"{CANARY}@example.com", "receipt": "iso27560"},
        {**GIVEN, "notice": f"{CANARY}@example.com", "receipt": "kantara"},
    ],
)
async def test_nothing_is_said_back(
    client: Client, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    """No answer and no log line quotes what was sent."""
    answer = await post(client, body)

    assert CANARY.encode() not in answer.body
    assert CANARY not in str(dict(answer.headers))
    assert CANARY not in caplog.text
    assert TOKEN.encode() not in answer.body
