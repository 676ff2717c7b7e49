"""No library remembers the URLs of requests for longer than a second."""

import asyncio

from aiohttp import web
from yarl import URL, _url

from collector.listen import listening
from collector.protocol import Bounds
from collector.urls import KEPT, forget_urls, forgetting
from schemas.settings import Settings

CANARY = "visitor=canary_0123456789"


def kept() -> int:
    """Return how many URLs, or parts of them, are remembered."""
    return sum(one.cache_info().currsize for one in KEPT)


def test_all_that_yarl_keeps() -> None:
    """Whatever way a URL is made, nothing of it stays."""
    ways = [
        lambda: URL.build(path="/p.gif", query_string=CANARY, encoded=True),
        lambda: URL(f"https://canary.example/?{CANARY}"),
        lambda: URL(f"https://canary.example/?{CANARY}", encoded=True),
        lambda: URL(f"https://canary.example/a?{CANARY}").with_path("/b"),
    ]
    for way in ways:
        forget_urls()
        way()
        assert kept()
        forget_urls()
        assert not kept()


def test_those_that_are_known() -> None:
    """The ones that requests fill are among those that are emptied."""
    assert _url.build_pre_encoded_url in KEPT
    assert _url.pre_encoded_url in KEPT


async def test_again_and_again() -> None:
    """It goes on while it is asked to, and once more at the end."""
    async with forgetting(0.01):
        for _ in range(2):
            URL.build(path="/p.gif", query_string=CANARY, encoded=True)
            await asyncio.sleep(0.1)
            assert not kept()
        URL.build(path="/p.gif", query_string=CANARY, encoded=True)
    assert not kept()


async def test_the_public_listener_forgets() -> None:
    """A request's query is gone a moment after its answer."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/p.gif", answer)
    async with listening(app, "127.0.0.1:0", bounds=Bounds.of(Settings())) as address:
        reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
        forget_urls()
        writer.write(f"GET /p.gif?{CANARY} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(300):
            if not kept():
                break
            await asyncio.sleep(0.01)
        left = kept()
        writer.close()

    assert not left
