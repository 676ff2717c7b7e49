"""The account: what is missing, what is too much, and when that is known."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestServer

from collector.replay import account as accounts
from collector.replay.account import (
    Account,
    Asker,
    StoreError,
    Totals,
    difference,
    settle,
)

SITE = "load.example"
BEFORE: Totals = Counter({(SITE, "identified", "consent_given"): 7})


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again without waiting."""
    monkeypatch.setattr(accounts, "_SETTLE_S", 0.0)


def after(identified: int = 0, dropped: int = 0, invalid: int = 0) -> Totals:
    """Return what the store says when so much has come to it."""
    return Counter(
        {
            (SITE, "identified", "consent_given"): 7 + identified,
            (SITE, "dropped", "consent_refused"): dropped,
            (SITE, "invalid", "bad_time"): invalid,
            ("other.example", "dropped", "consent_refused"): 99,
        }
    )


def asking(*answers: Totals) -> Callable[[], Awaitable[Totals]]:
    """Return a store that says one after the other, and the last for good."""
    left = list(answers)

    async def ask() -> Totals:
        return left.pop(0) if len(left) > 1 else left[0]

    return ask


def account(accepted: int, total: int, unknown: int = 0, **changes: Any) -> Account:
    """Return an account of so many events."""
    values = {
        "accepted": accepted,
        "unknown": unknown,
        "stored": {("identified", "consent_given"): total},
        "refused": 0,
        "refused_stored": 0,
        "seconds": 0.0,
    }
    return Account(**{**values, **changes})


@pytest.mark.parametrize(
    ("one", "missing", "surplus", "right"),
    [
        (account(5, 5), 0, 0, True),
        (account(5, 4), 1, 0, False),
        (account(5, 6), 0, 1, False),
        (account(5, 7, unknown=2), 0, 0, True),
        (account(5, 8, unknown=2), 0, 1, False),
        (account(5, 4, unknown=2), 1, 0, False),
        (account(5, 5, refused=1), 0, 0, False),
        (account(5, 5, refused=1, refused_stored=1), 0, 0, True),
        (account(5, 5, refused_stored=1), 0, 0, False),
        (account(5, 5, unknown=1, refused_stored=1), 0, 0, True),
    ],
)
def test_arithmetic(one: Account, missing: int, surplus: int, right: bool) -> None:  # noqa: FBT001 - what is expected
    """Missing, too many, and what an answer that did not come may explain."""
    assert (missing, surplus, right) == (one.missing, one.surplus, one.right)


def test_only_the_run_is_accounted_for() -> None:
    """What was there before, and other sites' events, are not the run's."""
    stored, refused = difference(after(3, 2, 1), BEFORE, {SITE})

    assert {
        ("dropped", "consent_refused"): 2,
        ("identified", "consent_given"): 3,
    } == stored
    assert 1 == refused


async def test_waits_until_all_is_loaded() -> None:
    """Segments may come late; once all is there the account is settled."""
    ask = asking(BEFORE, after(1), after(3, 2), after(3, 2))
    done = await settle(ask, BEFORE, {SITE}, 5, 0, Counter(), 60.0)

    assert (True, 5) == (done.right, done.total)


async def test_looks_twice() -> None:
    """What is loaded once more after everything was right, is noticed."""
    ask = asking(after(3, 2), after(6, 2))
    done = await settle(ask, BEFORE, {SITE}, 5, 0, Counter(), 60.0)

    assert (False, 3) == (done.right, done.surplus)


async def test_gives_up() -> None:
    """What does not come in time is missing."""
    done = await settle(asking(after(3)), BEFORE, {SITE}, 5, 0, Counter(), 0.0)

    assert (False, 2) == (done.right, done.missing)


async def test_store_that_comes_back_is_asked_again() -> None:
    """A store that is away after a run costs time, and not the account."""
    stored = asking(after(3, 2))
    away = [True, True, False, True, False, False]

    async def ask() -> Totals:
        if away and away.pop(0):
            raise StoreError("away")
        return await stored()

    done = await settle(ask, BEFORE, {SITE}, 5, 0, Counter(), 60.0)

    assert (True, 5) == (done.right, done.total)
    assert not away


async def test_store_that_stays_away_is_said() -> None:
    """When the time is over the account cannot be made, and is not made up."""

    async def ask() -> Totals:
        raise StoreError("away")

    with pytest.raises(StoreError, match="away"):
        await settle(ask, BEFORE, {SITE}, 5, 0, Counter(), 0.0)


async def test_refused_events_of_unknown_sites_leave_nothing() -> None:
    """Only what leaves a counter is looked for."""
    invalid = Counter({"bad_time": 1, "unknown_site": 5})
    done = await settle(asking(after(1, 0, 1)), BEFORE, {SITE}, 1, 0, invalid, 60.0)

    assert (True, 1, 1) == (done.right, done.refused, done.refused_stored)


# ------------------------------------------------------------------ asking the store
async def store(status: int, body: str, seen: list[Any]) -> TestServer:
    """Return a server that says one thing."""

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Authorization"), await request.text()))
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_post("/", answer)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_ask() -> None:
    """Numbers come as ClickHouse writes them; user and password go along."""
    seen: list[Any] = []
    server = await store(200, f'["{SITE}","dropped","child","12"]\n', seen)
    url = str(server.make_url("/")).replace("http://", "http://me:sec%3Aret@")
    told = await Asker(url).ask()
    await server.close()

    assert {(SITE, "dropped", "child"): 12} == told
    assert encode_basic_auth("me", "sec:ret") == seen[0][0]
    assert "WHERE synthetic" in seen[0][1]


@pytest.mark.parametrize(
    ("status", "body"), [(500, "no"), (200, "hello"), (200, '["a"]')]
)
async def test_store_that_does_not_answer(status: int, body: str) -> None:
    """What a server says instead is not told, nor is the password."""
    server = await store(status, body, [])
    url = str(server.make_url("/")).replace("http://", "http://me:secret@")
    with pytest.raises(StoreError) as caught:
        await Asker(url).ask()
    await server.close()

    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="does not answer"):
        await Asker(url).ask()


@pytest.mark.parametrize("url", ["", "clickhouse://x", "http://", "http://x:y"])
def test_url_that_is_none(url: str) -> None:
    """A store is asked at an http or https URL."""
    with pytest.raises(StoreError):
        Asker(url)
