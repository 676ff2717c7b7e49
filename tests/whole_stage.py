"""A listener with a quick door, and its clients: for requests that are there whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest
import uvloop
from aiohttp import web

from collector.listen import listening
from collector.protocol import Bounds, Way, Whole
from collector.quick import answer

Run = Callable[[Coroutine[Any, Any, None]], None]
loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])

POST = b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
OTHER = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes = b"{}") -> bytes:
    """Return a whole request."""
    return POST % (len(body), body)


class Door:
    """A door that says back what came, at once or when it is told to."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.waiting: list[Whole] = []
        self.came = asyncio.Event()
        self.holds = False
        self.extra = b""

    def together(self, asked: Sequence[Whole]) -> None:
        """Take what came in one round."""
        self.groups.append([one.body for one in asked])
        self.waiting += asked
        self.came.set()
        if b"defect" in self.groups[-1]:
            message = "a defect"
            raise ZeroDivisionError(message)
        if not self.holds:
            self.let_go()

    def let_go(self) -> None:
        """Answer all that wait."""
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            one.answer(answer(200, {"X-Way": "whole"}, one.body + self.extra))

    async def coming(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take what was not there at once."""
        return answer(200, {"X-Way": "coming"}, await request.read())


class Stage:
    """A listener with that door, and its clients."""

    def __init__(self) -> None:
        self.door = Door()
        self._port = 0
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def open(self, **changed: float) -> AsyncIterator["Stage"]:
        """Listen while the context lasts."""
        app = web.Application()
        app.router.add_get("/other", other)
        app.router.add_post("/e", self.door.coming)  # type: ignore[arg-type]
        values = {"head_s": 5, "body_s": 5, "idle_s": 5, "drain_s": 5} | changed
        bounds = Bounds(connections=100, body_rate=1, **values)
        express = {("POST", "/e"): Way(self.door.together, self.door.coming)}
        try:
            async with listening(
                app, "127.0.0.1:0", bounds=bounds, express=express
            ) as at:
                self._port = int(at.rpartition(":")[2])
                yield self
                if not self.door.holds:
                    self._leave()
        finally:
            self._leave()

    def _leave(self) -> None:
        for writer in self._writers:
            writer.close()

    async def client(
        self, sent: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; send something when the server is ready for it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        await asyncio.sleep(0.02)
        writer.write(sent)
        return reader, writer


async def other(_request: web.Request) -> web.Response:
    """Answer what is for another door."""
    return web.Response(body=b"other")


async def told(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return head and body of one answer."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)
