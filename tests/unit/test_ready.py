"""Whether a listener answers: what `kastana serve` waits for."""

import asyncio

import pytest

from collector.ready import answers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 2000\r\n\r\n", False),
        (b"", False),
    ],
    ids=["200", "503", "2000", "nothing"],
)
async def test_only_200_is_an_answer(said: bytes, *, expected: bool) -> None:
    """One plain GET of the path is sent; whatever else comes back is a no."""
    asked = []

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await answers(f"127.0.0.1:{port}", "/health/ready")

    assert expected is found
    (request,) = asked
    assert request.startswith(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_nobody_there() -> None:
    """A port that nobody listens on, or no longer, is a no and no error."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

    assert not await answers(f"127.0.0.1:{port}", "/health/ready")
