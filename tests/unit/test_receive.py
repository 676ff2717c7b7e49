"""The doors' handlers: what is said while something behind them does not work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from collector.desk import Desk
from collector.folder import Folder
from collector.links import Link, sign_link
from collector.receive import Receiver
from collector.runtime import Runtime, build
from collector.sites import editing
from pipeline.spool import Limits, Spool
from schemas.settings import Settings
from schemas.site import make_site

EVENT = {
    "event": "page_view",
    "site": "example.com",
    "consent": {"statistics": True},
}
PAGE = {"Origin": "https://example.com"}
Make = Callable[..., Any]


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """An edge's parts, with one site."""
    folder = Folder(tmp_path)
    with editing(folder.sites) as sites:
        sites["example.com"] = make_site("example.com", {})
    return build(Settings(data=str(tmp_path), client_rate=1, client_burst=3), folder)


@pytest.fixture
async def client(runtime: Runtime, aiohttp_client: Make) -> AsyncIterator[Any]:
    """A browser before the doors."""
    limits = Limits(seal_bytes=1 << 20, seal_seconds=60, max_bytes=1 << 24)
    async with Spool.running(runtime.folder.spool, runtime.headers, limits) as spool:
        desk = Desk(runtime.settings, runtime.doors)
        receiver = Receiver(desk, runtime.doors, spool, runtime.objections)
        app = web.Application()
        app.add_routes(receiver.routes())
        yield await aiohttp_client(app)


async def test_damaged_salt(runtime: Runtime, client: Any) -> None:
    """Without the day's salt nothing is taken, all is said, and readers go on."""
    runtime.folder.salt.write_text("no salt")
    link = Link(
        target="https://example.com/a", site="example.com", mailing="", recipient=""
    )
    signed = sign_link(link, runtime.folder.secret("link.key"))
    posted = await client.post("/e", json=EVENT, headers=PAGE)
    pixel = await client.get(
        "/p.gif?site=example.com&event=page_view&consent=statistics"
    )
    click = await client.get(f"/r/{signed}", allow_redirects=False)

    assert (503, "salt_unusable") == (
        posted.status,
        (await posted.json())["error"]["code"],
    )
    assert (503, 43) == (pixel.status, len(await pixel.read()))
    assert {"5"} == {one.headers["Retry-After"] for one in (posted, pixel)}
    assert (302, "https://example.com/a") == (click.status, click.headers["Location"])


async def test_too_many_pixels(client: Any) -> None:
    """A picture beyond the rate is a picture, says so, and when to come again."""
    answers = [await client.get("/p.gif?site=example.com") for _ in range(4)]
    last = answers[-1]

    assert [200, 200, 200, 429] == [one.status for one in answers]
    assert "rate_limited" == last.headers["X-Kastana-Error"]
    assert int(last.headers["Retry-After"]) > 0
    assert 43 == len(await last.read())


async def test_too_large_is_said_before_it_is_sent(
    runtime: Runtime, client: Any
) -> None:
    """Who announces more than is taken need not send it first."""
    size = runtime.settings.max_body_bytes + 1
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n{" % size)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")
