"""The way out of an e-mail: only who presses the button withdraws."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from collector import withdraw
from collector.desk import Desk
from collector.links import Link, Withdrawal, sign_link, sign_withdrawal
from collector.withdraw import WithdrawDoor
from pipeline.spool import SpoolError
from pipeline.withdrawal.objections import ObjectionsError
from schemas.consent import ASKED
from tests.consent_stage import LINK_KEY, RECIPIENT, SITE, Stage

Client = TestClient[web.Request, web.Application]
Connect = Callable[..., Awaitable[Client]]
SIGNED = sign_withdrawal(Withdrawal(SITE, RECIPIENT), LINK_KEY)
PATH = f"/w/{SIGNED}"
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    b"One-Click\r\n--x--\r\n"
)


@pytest.fixture
def connect(aiohttp_client: Any, tmp_path: Path) -> Connect:
    """Return how to get a stage and a client of its way out."""

    async def connected(sites: str = "", **settings: Any) -> Client:
        stage = Stage(tmp_path, sites, **settings)
        desk = Desk(stage.settings, stage.doors)
        door = WithdrawDoor(desk, stage.sites, stage.choices, LINK_KEY)
        app = web.Application(client_max_size=1024)
        app.router.add_routes(withdraw.routes(door, desk))
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


async def call(
    client: Client,
    method: str,
    path: str = PATH,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str], str]:
    """Make a request; return status, headers and text of the answer."""
    async with client.request(method, path, data=body, headers=headers) as response:
        return response.status, response.headers, await response.text()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_following_the_link_withdraws_nothing(
    client: Client, method: str
) -> None:
    """Scanners of mail follow every link."""
    status, _, _ = await call(client, method)

    assert 200 == status
    assert [] == stage_of(client).log


async def test_page(client: Client) -> None:
    """It says what will happen, and has one button that posts to the same place."""
    _, headers, text = await call(client, "GET")

    assert "text/html; charset=utf-8" == headers["Content-Type"]
    assert f"{SITE} records when you open its e-mails" in text
    assert 1 == text.count("<form") == text.count("<button")
    assert '<form method="post">' in text
    assert "{{" not in text
    assert "{site}" not in text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ONE_CLICK, FORM),
        (b"withdraw=yes", FORM),
        (b"", {}),
        (
            MULTIPART,
            {"Content-Type": "multipart/form-data; boundary=x"},
        ),
        (b"x" * 5000, FORM),
    ],
)
async def test_button_withdraws(
    client: Client, body: bytes, headers: dict[str, str]
) -> None:
    """All of the recipient's consent, by the button or by the mail reader's own."""
    status, _, text = await call(client, "POST", body=body, headers=headers)
    stage = stage_of(client)
    (row,) = stage.disk.rows

    assert 200 == status
    assert "Your consent is withdrawn" in text
    assert "<form" not in text
    assert {("withdrawn", stage.recipient_id(), ASKED)} == stage.named()
    assert ("ConsentWithdrawn", stage.recipient_id(), SITE) == (
        row.event_state,
        row.principal,
        row.site,
    )


async def test_nothing_of_the_reader_is_recorded(client: Client) -> None:
    """Neither language, place nor browser: a mail provider's are none of theirs."""
    headers = {"Accept-Language": "de-CH", "User-Agent": "Reader", "Origin": "null"}
    await call(client, "POST", body=ONE_CLICK, headers={**FORM, **headers})
    (row,) = stage_of(client).disk.rows

    assert ("", "") == (row.browser_language, row.notice)
    assert [stage_of(client).recipient_id()] == [
        one.visitor_id for one in stage_of(client).entries()
    ]


@pytest.mark.parametrize(
    "signed",
    [
        SIGNED[:-1],
        SIGNED + "A",
        SIGNED.partition(".")[0],
        "x",
        "carla.canary@bird.example",
        "a" * 8000,
        sign_link(Link(SITE, "https://example.com/", "", RECIPIENT), LINK_KEY),
        sign_withdrawal(Withdrawal(SITE, RECIPIENT), b"q" * 32),
        sign_withdrawal(Withdrawal("other.example", RECIPIENT), LINK_KEY),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_not_signed_here(client: Client, method: str, signed: str) -> None:
    """A link that is none, or leads to a click, withdraws nothing and says little."""
    status, headers, text = await call(client, method, f"/w/{signed}", ONE_CLICK)

    assert 400 == status
    assert "This link does not work" in text
    assert "no-store" == headers["Cache-Control"]
    assert "canary" not in text
    assert [] == stage_of(client).log


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [PATH, "/w/x"])
async def test_headers(client: Client, method: str, path: str) -> None:
    """No script, no frame, no referrer, no cache, no search engine."""
    _, headers, text = await call(client, method, path, ONE_CLICK)
    policy = dict(
        part.strip().split(" ", 1)
        for part in headers["Content-Security-Policy"].split(";")
    )

    assert "'none'" == policy.pop("default-src")
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy.pop("style-src"))
    assert {
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    } == policy
    assert {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }.items() <= dict(headers).items()
    assert "<script" not in text
    assert not re.search(r"https?://|src=|url\(", text)


async def test_style_is_the_one_of_the_policy(client: Client) -> None:
    """The page's style is let in by its hash."""
    _, headers, text = await call(client, "GET")
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in headers["Content-Security-Policy"]


async def test_twice(client: Client) -> None:
    """Who presses again is told the same."""
    first = await call(client, "POST", body=ONE_CLICK)
    again = await call(client, "POST", body=ONE_CLICK)

    assert (first[0], first[2]) == (again[0], again[2])
    assert 1 == len(stage_of(client).named())


@pytest.mark.parametrize(
    ("disk", "list_"),
    [
        (SpoolError("words", full=True), None),
        (SpoolError("words", full=False), None),
        (None, ObjectionsError("full")),
        (None, OSError(5, "Input/output error")),
    ],
)
async def test_disk_that_fails(
    client: Client, disk: SpoolError | None, list_: Exception | None
) -> None:
    """503, a page that says so, and a button to try again."""
    stage_of(client).disk.error = disk
    stage_of(client).objections.error = list_
    status, headers, text = await call(client, "POST", body=ONE_CLICK)

    assert (503, "5") == (status, headers["Retry-After"])
    assert "no-store" == headers["Cache-Control"]
    assert "Please try again" in text
    assert "<button" in text
    assert "withdrawn</h1>" not in text


async def test_limit_is_the_links_own(connect: Connect) -> None:
    """A provider that asks for many readers at once is let through."""
    client = await connect(client_rate=0.001, client_burst=1)
    codes = []
    for recipient in ("a", "b", "a", "c"):
        signed = sign_withdrawal(Withdrawal(SITE, recipient), LINK_KEY)
        codes.append((await call(client, "POST", f"/w/{signed}", ONE_CLICK))[0])

    assert [200, 200, 429, 200] == codes


async def test_site_in_capitals(client: Client) -> None:
    """A site has one name, and its recipients one pseudonym, however it is spelt."""
    signed = sign_withdrawal(Withdrawal("EXAMPLE.com", RECIPIENT), LINK_KEY)
    await call(client, "POST", f"/w/{signed}", ONE_CLICK)

    assert {("withdrawn", stage_of(client).recipient_id(), ASKED)} == stage_of(
        client
    ).named()
