"""Answers that are ready: their bytes, on real connections."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from collector.quick import Block, Ready, answer

HEAD = b"HTTP/1.1 202 Accepted\r\nX-A: b\r\nDate: "


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Serve one answer to everyone; at /last it is the connection's last."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = answer(202, {"X-A": "b"}, b"body")
        if request.path == "/last":
            response.force_close()
        return response

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def told(port: int, asked: bytes) -> bytes:
    """Return all that comes back until the server closes, or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    found = b""
    try:
        async with asyncio.timeout(1):
            while chunk := await reader.read(65_536):
                found += chunk
                if found.count(b"HTTP/1.1 ") == asked.count(b" HTTP/1.") > 1:
                    break
    except TimeoutError:
        found += b"<open>"
    writer.close()
    return re.sub(rb"Date: [^\r]* GMT\r\n", b"Date: \r\n", found)


GET = b"GET %b HTTP/1.%d\r\nHost: a\r\n%b\r\n"
OPEN, CLOSE = b"<open>", b"Connection: close\r\n"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (GET % (b"/", 1, b""), b"Content-Length: 4\r\n\r\nbody" + OPEN),
        (GET % (b"/", 1, CLOSE), CLOSE + b"Content-Length: 4\r\n\r\nbody"),
        (GET % (b"/last", 1, b""), CLOSE + b"Content-Length: 4\r\n\r\nbody"),
        (GET % (b"/", 0, b""), CLOSE + b"Content-Length: 4\r\n\r\nbody"),
        (
            GET % (b"/", 0, b"Connection: keep-alive\r\n"),
            b"Connection: keep-alive\r\nContent-Length: 4\r\n\r\nbody" + OPEN,
        ),
        (
            (GET % (b"/", 1, b"")).replace(b"GET", b"HEAD"),
            b"Content-Length: 4\r\n\r\n" + OPEN,
        ),
    ],
)
async def test_bytes(port: int, asked: bytes, expected: bytes) -> None:
    """What is told of the body and of the connection is what is done with them."""
    assert await told(port, asked) == HEAD + b"\r\n" + expected


async def test_one_after_the_other(port: int) -> None:
    """Requests that come together are answered in their order."""
    found = await told(port, GET % (b"/", 1, b"") + GET % (b"/last", 1, b""))

    one = HEAD + b"\r\nContent-Length: 4\r\n\r\nbody"
    last = HEAD + b"\r\n" + CLOSE + b"Content-Length: 4\r\n\r\nbody"
    assert found == one + last


@pytest.mark.parametrize("value", ["b\r\nX-C: d", "b\nX-C: d", "\r"])
def test_no_line_breaks(value: str) -> None:
    """One header cannot become two."""
    with pytest.raises(ValueError, match="line break"):
        Block(200, {"X-A": value}, b"")


def test_made_once() -> None:
    """Equal answers share their bytes, others do not."""
    same = [answer(202, {"A": "b"}, b"c").block for _ in range(2)]
    others = [
        answer(200, {"A": "b"}, b"c").block,
        answer(202, {"A": "c"}, b"c").block,
        answer(202, {"B": "b"}, b"c").block,
        answer(202, {"A": "b"}, b"d").block,
    ]

    assert same[0] is same[1]
    assert all(one is not same[0] for one in others)


def test_what_came_goes_back() -> None:
    """An origin in odd bytes is said back in the same ones."""
    origin = b"https://\xff.example".decode("utf-8", "surrogateescape")

    assert b"https://\xff.example\r\n" in Block(200, {"A": origin}, b"").head


async def test_nobody_there() -> None:
    """An answer to who is gone is an error that the server knows."""

    class Gone:
        transport = None

    with pytest.raises(ConnectionResetError):
        await Ready(Block(200, {}, b"")).prepare(Gone())  # type: ignore[arg-type]
