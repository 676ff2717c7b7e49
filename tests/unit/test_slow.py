"""Connections over real sockets: too many, too slow, too large, and their end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from collector import protocol
from collector.desk import Desk
from collector.folder import Folder
from collector.listen import listening
from collector.metrics import _child
from collector.protocol import Bounds
from collector.runtime import build
from schemas.settings import Settings

HEAD = b"POST /e HTTP/1.1\r\nHost: a\r\n"
BODY = HEAD + b"Content-Length: 4000\r\n\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"
SETTINGS = {
    "head_seconds": 0.3,
    "body_seconds": 0.3,
    "idle_seconds": 5,
    "drain_seconds": 5,
    "body_rate": 1000,
}


class Client:
    """The other end of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes, pause_s: float = 0.0) -> None:
        """Send parts one by one, until the server will have no more."""
        for part in parts:
            with contextlib.suppress(ConnectionError):
                self._writer.write(part)
                await self._writer.drain()
            await asyncio.sleep(pause_s)

    async def answer(self) -> bytes:
        """Return one answer whose connection stays open."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 10)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head + await self._reader.readexactly(length)

    async def rest(self) -> bytes:
        """Return all that comes until the server closes."""
        return await asyncio.wait_for(self._reader.read(), 10)

    async def close(self) -> None:
        """Go away."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Stage:
    """A listener of the doors' own kind, and its clients."""

    def __init__(self, folder: Path, **changed: float) -> None:
        values = SETTINGS | changed
        self.settings = Settings(data=str(folder), **values)  # type: ignore[arg-type]
        self._desk = Desk(self.settings, build(self.settings, Folder(folder)).doors)
        self._clients: list[Client] = []
        self._port = 0
        self.reading = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def client(self, *parts: bytes) -> Client:
        """Connect, and send something at once."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self._clients.append(client)
        await client.send(*parts)
        return client

    async def leave(self) -> None:
        """Let all clients go away."""
        for client in self._clients:
            await client.close()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Stage"]:
        """Listen while the context lasts."""
        app = web.Application(client_max_size=100_000)
        app.router.add_post("/e", self._post)
        app.router.add_get("/big", _big)
        bounds = Bounds.of(self.settings)
        async with listening(app, "127.0.0.1:0", bounds=bounds) as address:
            self._port = int(address.rpartition(":")[2])
            yield self

    async def _post(self, request: web.Request) -> web.StreamResponse:
        self.reading.set()
        body = await self._desk.body(request, {})
        await self.go_on.wait()
        if isinstance(body, web.Response):
            return body
        return web.Response(text=str(len(body)))


async def _big(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(30_000_000))


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Stage]]:
    """Make a stage with some settings of its own; its clients leave at the end."""
    made: list[Stage] = []

    def one(**changed: float) -> Stage:
        made.append(Stage(tmp_path, **changed))
        return made[-1]

    yield one
    for stage in made:
        await stage.leave()


def cut(reason: str) -> float:
    """Return how many connections were cut for a reason."""
    return float(_child("kastana_connections_cut_total", (reason,))._value.get())


async def test_head_that_drips_is_cut(make: Callable[..., Stage]) -> None:
    """A byte now and then does not keep a connection: 408 when its time is over."""
    before = cut("slow_head")
    async with make().open() as stage:
        client = await stage.client()
        dripping = asyncio.create_task(client.send(b"POST /", b"x", pause_s=0.2))
        answer = await client.rest()
        dripping.cancel()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"too_slow"' in answer
    assert cut("slow_head") == before + 1


async def test_head_that_goes_on_dripping_is_cut(make: Callable[..., Stage]) -> None:
    """No byte now and then wins time, whether or not the client hears the answer."""
    before = cut("slow_head")
    async with make().open() as stage:
        client = await stage.client()
        dripping = asyncio.create_task(
            client.send(b"POST /", *[b"x"] * 40, pause_s=0.05)
        )
        # What it sends after the cut may make the kernel throw the answer away.
        with contextlib.suppress(ConnectionError):
            await client.rest()
        still = not dripping.done()
        dripping.cancel()

    assert still
    assert cut("slow_head") == before + 1


async def test_head_after_a_request_has_its_time_too(
    make: Callable[..., Stage],
) -> None:
    """Who has sent one good request may not drip the next one."""
    async with make().open() as stage:
        client = await stage.client(WHOLE)
        first = await client.answer()
        dripping = asyncio.create_task(client.send(b"POST /", b"x", pause_s=0.2))
        second = await client.rest()
        dripping.cancel()

    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 408 ")


async def test_silence_is_cut_without_a_word(make: Callable[..., Stage]) -> None:
    """A browser that connects ahead would take a 408 for the answer to what it asks."""
    async with make().open() as stage:
        client = await stage.client()

        assert b"" == await client.rest()


@pytest.mark.parametrize("at_once", [0, 3000], ids=["slow", "fast, then held back"])
async def test_body_that_does_not_come_on_is_cut(
    make: Callable[..., Stage], at_once: int
) -> None:
    """A body must come on all the time: what was fast at first is no credit."""
    before = cut("slow_body")
    async with make().open() as stage:
        client = await stage.client(BODY + b"x" * at_once)
        dripping = asyncio.create_task(client.send(*[b"x"] * 40, pause_s=0.05))
        answer = await client.rest()
        dripping.cancel()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"too_slow"' in answer
    assert cut("slow_body") == before + 1


async def test_slow_but_steady_body_is_taken(make: Callable[..., Stage]) -> None:
    """A body that comes on is waited for, longer than any one deadline."""
    async with make().open() as stage:
        client = await stage.client(BODY)
        await client.send(*[b"x" * 250] * 16, pause_s=0.05)
        answer = await client.answer()

    assert answer.endswith(b"4000")


async def test_idle_connection_is_closed(make: Callable[..., Stage]) -> None:
    """A kept connection without requests has its time; a whole request none."""
    async with make(idle_seconds=0.6).open() as stage:
        client = await stage.client(WHOLE)
        await client.answer()
        # Longer than a head may take: an idle connection is no slow head.
        await asyncio.sleep(0.45)
        await client.send(WHOLE)
        again = await client.answer()

        assert again.startswith(b"HTTP/1.1 200 ")
        assert b"" == await client.rest()


async def test_one_connection_too_many_is_turned_away(
    make: Callable[..., Stage],
) -> None:
    """Beyond the limit: 503, Retry-After, closed; the others go on, and room comes."""
    before = cut("full")
    async with make(max_connections=2, head_seconds=60).open() as stage:
        kept = [await stage.client(WHOLE) for _ in range(2)]
        answers = [await one.answer() for one in kept]
        refused = await (await stage.client(WHOLE)).rest()
        await kept[0].send(WHOLE)
        answers.append(await kept[0].answer())
        await kept[1].close()
        await asyncio.sleep(0.1)
        later = await (await stage.client(WHOLE)).answer()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in refused
    assert b'"too_many_connections"' in refused
    assert all(one.startswith(b"HTTP/1.1 200 ") for one in [*answers, later])
    assert cut("full") == before + 1


def test_limit_holds_on_the_loop_of_the_product(tmp_path: Path) -> None:
    """The same on uvloop, whose transports are of other types than asyncio's."""

    async def one_too_many() -> tuple[bytes, bytes]:
        stage = Stage(tmp_path, max_connections=1, head_seconds=60)
        async with stage.open():
            kept = await stage.client(WHOLE)
            answer = await kept.answer()
            refused = await (await stage.client(WHOLE)).rest()
            await stage.leave()
        return answer, refused

    answer, refused = uvloop.run(one_too_many())

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert refused.startswith(b"HTTP/1.1 503 ")


async def test_flood_beyond_the_limit_costs_little(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many too many only so many are told; the rest is cut at once."""
    monkeypatch.setattr(protocol, "_MOST_LEAVING", 5)
    async with make(max_connections=1, head_seconds=60).open() as stage:
        kept = await stage.client(WHOLE)
        await kept.answer()
        clients = [await stage.client() for _ in range(20)]
        ends = await asyncio.gather(
            *(one.rest() for one in clients), return_exceptions=True
        )
        await kept.send(WHOLE)
        answer = await kept.answer()

    told = [end for end in ends if isinstance(end, bytes) and end]
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(told) == 5
    assert all(one.startswith(b"HTTP/1.1 503 ") for one in told)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(HEAD + b"A: " + b"x" * 9000, id="a field without end"),
        pytest.param(HEAD + b"".join(b"A%d: x\r\n" % n for n in range(200)), id="many"),
        pytest.param(b"GET /" + b"x" * 70_000, id="a line without end"),
    ],
)
async def test_head_is_bounded_while_it_is_read(
    make: Callable[..., Stage], sent: bytes
) -> None:
    """What is too large is refused before its end has come: it never does here."""
    async with make(head_seconds=60).open() as stage:
        client = await stage.client(sent)
        answer = await client.rest()

    assert b" 400 " in answer[:16]
    assert b"xxx" not in answer


async def test_whole_head_is_bounded(make: Callable[..., Stage]) -> None:
    """Many fields, each within its bound, are too much together: 431."""
    fields = [b"A%d: %s\r\n" % (number, b"x" * 8000) for number in range(100)]
    before = cut("large_head")
    async with make(head_seconds=60).open() as stage:
        client = await stage.client(HEAD)
        sending = asyncio.create_task(client.send(*fields, pause_s=0.002))
        try:
            answer = await client.rest()
        except ConnectionError:
            # It went on sending: the kernel threw the answer away.
            answer = b"HTTP/1.1 431 "
        await sending

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert cut("large_head") == before + 1


async def test_body_is_bounded_while_it_is_read(make: Callable[..., Stage]) -> None:
    """A body without a length is refused when it is too large, not at its end."""
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    async with make().open() as stage:
        client = await stage.client(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.send(*[chunk] * 4)
        answer = await client.answer()
        # It would be listened to for a while, so that it reads the answer.
        await client.send(b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_who_takes_no_answer_is_cut(make: Callable[..., Stage]) -> None:
    """Answers that pile up because nobody reads them end the connection."""
    before = cut("slow_reader")
    async with make().open() as stage:
        client = await stage.client()
        # More than the kernel keeps for both ends.
        await client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(1)

    assert cut("slow_reader") == before + 1


async def test_request_under_way_is_answered_at_the_end(
    make: Callable[..., Stage],
) -> None:
    """A body that is still coming when the end begins is read and answered."""
    stage = make(body_seconds=10)
    async with stage.open():
        client = await stage.client(BODY + b"x" * 100)
        await stage.reading.wait()
        rest = asyncio.create_task(client.send(*[b"x" * 390] * 10, pause_s=0.05))
    await rest
    answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer
    assert answer.endswith(b"4000")


async def test_kept_connection_is_told_at_the_end(make: Callable[..., Stage]) -> None:
    """What comes on a kept connection while the end is near is answered with close."""
    stage = make()
    async with stage.open():
        client = await stage.client(WHOLE)
        first = await client.answer()

        async def late() -> bytes:
            await asyncio.sleep(0.3)
            await client.send(WHOLE)
            return await client.rest()

        later = asyncio.create_task(late())
    second = await later

    assert b"Connection: close" not in first
    assert second.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in second


async def test_end_comes_whatever_is_under_way(make: Callable[..., Stage]) -> None:
    """A request that does not end is cut when its time is over."""
    stage = make(drain_seconds=0.2)
    stage.go_on.clear()
    async with stage.open():
        client = await stage.client(WHOLE)
        await stage.reading.wait()
        begun = time.monotonic()
    took = time.monotonic() - begun

    assert b"" == await client.rest()
    assert took < 5


async def test_nobody_new_at_the_end(make: Callable[..., Stage]) -> None:
    """While requests under way are answered, no connection is taken."""
    stage = make()
    stage.go_on.clear()
    async with stage.open():
        client = await stage.client(WHOLE)
        await stage.reading.wait()

        async def refused() -> bool:
            await asyncio.sleep(0.2)
            try:
                await stage.client()
            except ConnectionRefusedError:
                return True
            finally:
                stage.go_on.set()
            return False

        late = asyncio.create_task(refused())

    assert await late
    assert (await client.rest()).startswith(b"HTTP/1.1 200 ")
