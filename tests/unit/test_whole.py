"""Requests that are there whole: gathered, handed over together, answered in order."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest
import uvloop
from aiohttp import web

from collector import protocol
from collector.listen import listening
from collector.protocol import Bounds, Connection, Way, Whole
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
        app.router.add_get("/other", _other)
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


async def _other(_request: web.Request) -> web.Response:
    return web.Response(body=b"other")


async def told(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return head and body of one answer."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


@loops
def test_what_comes_at_once_is_handed_over_together(run: Run) -> None:
    """Requests of many connections are one group; each has its own answer."""

    async def main() -> None:
        async with Stage().open() as stage:
            clients = [await stage.client() for _ in range(8)]
            for number, (_, writer) in enumerate(clients):
                # Into the kernel at once: the server's loop is this one.
                writer.write(post(b"%d" % number))
            answers = [(await told(reader))[1] for reader, _ in clients]

            assert answers == [b"%d" % number for number in range(8)]
            assert max(map(len, stage.door.groups)) > 1

    run(main())


@loops
def test_pipelined_requests_keep_their_order(run: Run) -> None:
    """Whole ones, others and bodies that are still coming, on one connection."""

    async def main() -> None:
        async with Stage().open() as stage:
            sent = post(b"a") + OTHER + post(b"b") + post(b"c")
            reader, writer = await stage.client(sent + POST % (4, b"de"))
            found = [await told(reader) for _ in range(4)]
            writer.write(b"fg" + post(b"h"))
            found += [await told(reader) for _ in range(2)]
            # Whoever has waited for the library is quick again.
            await asyncio.sleep(0.02)
            writer.write(post(b"i") + post(b"j"))
            last = [await told(reader) for _ in range(2)]

            bodies = [body for _, body in [*found, *last]]
            assert bodies == [b"a", b"other", b"b", b"c", b"defg", b"h", b"i", b"j"]
            assert [b"X-Way: whole" in head for head, _ in last] == [True, True]
            assert b"X-Way: whole" in found[0][0]

    run(main())


class Wire(asyncio.Transport):
    """A client so near that what it sends next is there as soon as it is answered."""

    def __init__(self, one: Connection, sends: Sequence[bytes]) -> None:
        super().__init__()
        self.answers: list[bytes] = []
        self.done = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._one = one
        self._sends = list(sends)
        # Sent in one round when the first answer is there; None is the end.
        self.then: list[bytes | None] = []

    @property
    def bodies(self) -> list[bytes]:
        """The answers without their heads."""
        return [answer.rpartition(b"\r\n\r\n")[2] for answer in self.answers]

    def send(self) -> None:
        """Send the next request."""
        self._loop.call_soon(self._one.data_received, self._sends.pop(0))

    def write(self, data: object) -> None:
        """Take an answer."""
        self.answers.append(bytes(data))  # type: ignore[call-overload]
        then, self.then = self.then, []
        for part in then:
            if part is None:
                self._loop.call_soon(self._one.connection_lost, None)
            elif part:
                self._loop.call_soon(self._one.data_received, part)
        if self._sends:
            self.send()
        else:
            self.done.set()

    def writelines(self, list_of_data: Any) -> None:
        """Take an answer in pieces."""
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """Say that it stays."""
        return False

    def close(self) -> None:
        """Go."""


def near(door: Door) -> Connection:
    """Return a connection of a server with that door; its path is said back."""
    express = {("POST", "/e"): Way(door.together, door.coming)}
    server = protocol.QuietServer(web.Server(_path), express=express)  # type: ignore[arg-type]
    one = server()
    assert isinstance(one, Connection)
    return one


async def _path(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=request.path.encode())


@loops
@pytest.mark.parametrize("early", [False, True])
def test_a_near_client_is_quick_as_well(run: Run, *, early: bool) -> None:
    """
    Whoever was answered by the library is quick again, with its very next request.

    The library takes a round of the loop from an answer until it waits, and from a
    connection until it does: a request that came then left all after it slow as well.
    """
    sends = [OTHER, post(b"a"), OTHER, post(b"b"), post(b"c")]
    expected = [b"/other", b"a", b"/other", b"b", b"c"]
    if early:
        sends, expected = sends[1:], expected[1:]

    async def main() -> None:
        door = Door()
        one = near(door)
        wire = Wire(one, sends)
        one.connection_made(wire)
        if not early:
            await asyncio.sleep(0.01)
        wire.send()
        await asyncio.wait_for(wire.done.wait(), 5)
        one.connection_lost(None)
        await asyncio.sleep(0)

        assert wire.bodies == expected
        assert door.groups == [[b"a"], [b"b"], [b"c"]]

    run(main())


@loops
@pytest.mark.parametrize("rest", [post(b"b"), OTHER, b"", b"rubbish\r\n\r\n"])
def test_more_behind_what_was_held_back(run: Run, rest: bytes) -> None:
    """It is answered first, whatever comes behind it before the library waits."""

    async def main() -> None:
        door = Door()
        one = near(door)
        wire = Wire(one, [OTHER])
        wire.then = [post(b"a"), rest[:9], rest[9:]]
        one.connection_made(wire)
        await asyncio.sleep(0.01)
        wire.send()
        await asyncio.sleep(0.05)
        one.connection_lost(None)
        await asyncio.sleep(0)

        assert wire.bodies[:2] == [b"/other", b"a"]
        assert len(wire.bodies) == (3 if rest else 2)

    run(main())


@loops
def test_an_upgrade_keeps_its_place(run: Run) -> None:
    """What is behind one waits for its answer, also when all of it came early."""
    get = b"GET /%d HTTP/1.1\r\nHost: a\r\n%s\r\n"
    upgrade = get % (2, b"Connection: upgrade\r\nUpgrade: websocket\r\n")

    async def main() -> None:
        one = near(Door())
        wire = Wire(one, [])
        one.connection_made(wire)
        await asyncio.sleep(0.01)
        one.data_received(get % (1, b""))
        # Behind the task's wake-up, before the first answer has begun.
        call_soon = asyncio.get_running_loop().call_soon
        call_soon(one.data_received, upgrade + get % (3, b""))
        await asyncio.sleep(0.05)
        one.connection_lost(None)
        await asyncio.sleep(0)

        assert wire.bodies == [b"/1", b"/2", b"/3"]

    run(main())


@loops
@pytest.mark.parametrize("one", [OTHER, post(b"x"), OTHER + post(b"x")])
def test_many_pipelined_requests(run: Run, one: bytes) -> None:
    """More than the library queues at a time are all answered."""

    async def main() -> None:
        async with Stage().open() as stage:
            reader, _ = await stage.client(one * 120)
            number = 120 * one.count(b"HTTP/1.1")
            heads = [(await told(reader))[0] for _ in range(number)]

            assert {head[:12] for head in heads} == {b"HTTP/1.1 200"}

    run(main())


@loops
def test_what_comes_with_the_end(run: Run) -> None:
    """A request that a client sent right before it went away counts."""

    async def main() -> None:
        door = Door()
        before = len(asyncio.all_tasks())
        one = near(door)
        wire = Wire(one, [])
        wire.then = [post(b"a"), None]
        one.connection_made(wire)
        await asyncio.sleep(0.01)
        one.data_received(OTHER)
        await asyncio.sleep(0.05)

        assert door.groups == [[b"a"]]
        assert wire.bodies == [b"/other"]
        assert len(asyncio.all_tasks()) == before

    run(main())


@loops
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(post(b"x").replace(b"POST", b"PUT"), id="another method"),
        pytest.param(post(b"x").replace(b"/e", b"/e/"), id="another path"),
        pytest.param(
            post(b"x").replace(b"Host", b"Expect: 100-continue\r\nHost"), id="expect"
        ),
        pytest.param(
            post(b"x").replace(
                b"Host", b"Connection: upgrade\r\nUpgrade: websocket\r\nHost"
            ),
            id="upgrade",
        ),
        pytest.param(b"rubbish\r\n\r\n", id="no request"),
    ],
)
def test_what_is_left_to_the_library(run: Run, sent: bytes) -> None:
    """What is not for such a door, or not plain, goes the way it always went."""

    async def main() -> None:
        async with Stage().open() as stage:
            reader, writer = await stage.client(sent)
            line = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
            writer.close()

            assert line.startswith(b"HTTP/1.")
            assert stage.door.groups == []

    run(main())


@loops
@pytest.mark.parametrize(
    ("sent", "ends"),
    [
        (post(), False),
        (post().replace(b"Host", b"Connection: close\r\nHost"), True),
        (post().replace(b"1.1", b"1.0"), True),
        (
            post().replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"),
            False,
        ),
    ],
)
def test_the_end_is_what_was_told(run: Run, sent: bytes, *, ends: bool) -> None:
    """A connection that was told to close does, and any other goes on."""

    async def main() -> None:
        async with Stage().open() as stage:
            reader, writer = await stage.client(sent)
            head, _ = await told(reader)
            writer.write(post(b"again"))
            rest = b"" if ends else (await told(reader))[1]

            assert (b"Connection: close" in head) == ends
            assert (b"Connection: keep-alive" in head) == (b"1.0" in sent and not ends)
            assert rest == (b"" if ends else b"again")
            assert not ends or await asyncio.wait_for(reader.read(), 5) == b""

    run(main())


@loops
def test_under_way_is_not_idle(run: Run) -> None:
    """The idle timer waits for the answer, then closes; nothing is left behind."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open(idle_s=0.2) as stage:
            reader, _ = await stage.client(post(b"a"))
            await asyncio.sleep(0.5)
            stage.door.let_go()
            _, body = await told(reader)
            begun = asyncio.get_running_loop().time()
            rest = await asyncio.wait_for(reader.read(), 5)
            took = asyncio.get_running_loop().time() - begun

            assert (body, rest) == (b"a", b"")
            assert took > 0.1

    run(main())


@loops
def test_slow_look_leaves_it_alone(run: Run) -> None:
    """Who waits for an answer is neither slow in its head nor in its body."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open(head_s=0.1, body_s=0.1) as stage:
            reader, _ = await stage.client(post(b"a"))
            await asyncio.sleep(0.4)
            stage.door.let_go()

            assert (await told(reader))[1] == b"a"

    run(main())


@loops
def test_the_end_waits_for_answers(run: Run) -> None:
    """A request under way is answered at the end, with `Connection: close`."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open() as stage:
            reader, _ = await stage.client(post(b"a"))
            await stage.door.came.wait()
            asyncio.get_running_loop().call_later(0.2, stage.door.let_go)
        head, body = await told(reader)

        assert body == b"a"
        assert b"Connection: close" in head
        assert await asyncio.wait_for(reader.read(), 5) == b""

    run(main())


@loops
def test_the_end_does_not_wait_for_ever(run: Run) -> None:
    """What is never answered is cut, and no task is left."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open(drain_s=0.2) as stage:
            reader, _ = await stage.client(post(b"a"))
            await stage.door.came.wait()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        stage.door.let_go()
        await asyncio.sleep(0.05)

        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@loops
def test_client_that_is_gone(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """An answer to nobody is no error, and the library's task ends."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open() as stage:
            before = len(asyncio.all_tasks())
            _, writer = await stage.client(post(b"a"))
            await stage.door.came.wait()
            writer.transport.abort()
            await asyncio.sleep(0.1)
            stage.door.let_go()
            await asyncio.sleep(0.1)

            assert len(asyncio.all_tasks()) == before

    with caplog.at_level(logging.INFO):
        run(main())
    assert caplog.records == []


@loops
def test_who_takes_no_answers_gets_no_more(run: Run) -> None:
    """While answers pile up, what comes after them waits; then it goes on."""

    async def main() -> None:
        async with Stage().open(body_s=60) as stage:
            stage.door.extra = bytes(2_000_000)
            reader, writer = await stage.client(post(b"x") * 12)
            await asyncio.sleep(0.3)
            taken = sum(map(len, stage.door.groups))
            answers = [await told(reader) for _ in range(12)]

            assert taken < 12
            assert {len(body) for _, body in answers} == {2_000_001}
            writer.close()

    run(main())


@loops
def test_who_takes_no_answers_and_goes(run: Run) -> None:
    """It is forgotten, with all that it had sent."""

    async def main() -> None:
        async with Stage().open(body_s=60) as stage:
            before = len(asyncio.all_tasks())
            stage.door.extra = bytes(9_000_000)
            _, writer = await stage.client(post(b"x") * 12)
            await asyncio.sleep(0.2)
            writer.transport.abort()
            await asyncio.sleep(0.2)

            assert len(asyncio.all_tasks()) == before

    run(main())


@loops
def test_a_defect_closes_its_own(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A door that fails is logged; who was in that group is not left waiting."""

    async def main() -> None:
        async with Stage().open() as stage:
            reader, _ = await stage.client(post(b"defect"))
            assert await asyncio.wait_for(reader.read(), 5) == b""
            other, _ = await stage.client(post(b"a"))
            assert (await told(other))[1] == b"a"

    run(main())
    assert "Unhandled exception" in caplog.text


@loops
def test_an_answer_that_cannot_be_written(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """It closes its own connection, and whoever answers goes on with the others."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open() as stage:
            reader, _ = await stage.client(post(b"a"))
            await stage.door.came.wait()
            (one,) = stage.door.waiting
            # Of the library's own kind, with a body that is yet to come.
            one.answer(web.StreamResponse())

            assert await asyncio.wait_for(reader.read(), 5) == b""

    run(main())
    assert "Unhandled exception" in caplog.text


@loops
def test_answered_once(run: Run) -> None:
    """A second answer, or a failure after the answer, goes nowhere."""

    async def main() -> None:
        stage = Stage()
        stage.door.holds = True
        async with stage.open() as stage:
            reader, writer = await stage.client(post(b"a"))
            await stage.door.came.wait()
            (one,) = stage.door.waiting
            stage.door.let_go()
            one.answer(answer(500, {}, b"no"))
            one.fail(ValueError())
            writer.write(post(b"b"))
            first = await told(reader)
            await asyncio.sleep(0.05)
            stage.door.let_go()

            assert (first[1], (await told(reader))[1]) == (b"a", b"b")
            assert repr(one) == "<Whole>"

    run(main())


@loops
def test_large_head_after_a_whole_request(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound of a head stands on a connection that was quick before."""
    monkeypatch.setattr(protocol, "_LARGEST_HEAD", 5000)

    async def main() -> None:
        async with Stage().open() as stage:
            reader, writer = await stage.client(post(b"a"))
            await told(reader)
            writer.write(b"POST /e HTTP/1.1\r\nA: " + b"x" * 4000 + b"\r\n")
            await asyncio.sleep(0.05)
            writer.write(b"B: " + b"x" * 4000)

            assert (await asyncio.wait_for(reader.read(), 5))[:13] == b"HTTP/1.1 431 "

    run(main())


async def test_reading_is_resumed_only_if_it_was_paused() -> None:
    """The parser is not asked again for nothing; and is, after a pause."""
    parsed: list[bytes] = []

    class Watched(Connection):
        def data_received(self, data: bytes) -> None:
            parsed.append(data)
            super().data_received(data)

    inner = web.Server(_other)  # type: ignore[arg-type]
    server = protocol.QuietServer(inner)
    one = Watched(server, loop=asyncio.get_running_loop())
    one.resume_reading()
    assert parsed == []
    one.data_received(POST % (4, b"a"))
    parsed.clear()
    one.pause_reading()
    one.resume_reading()
    assert parsed == [b""]
