"""Clients whose next request is there before the library waits for one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from collector import protocol
from collector.protocol import Connection, Way
from tests.whole_stage import OTHER, Door, Run, Stage, loops, post, told


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
def test_rubbish_right_behind_an_answer(run: Run) -> None:
    """It has the answer that it always has."""
    raised: list[dict[str, Any]] = []

    async def main() -> None:
        # A transport would close the connection for what `data_received` raises.
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: raised.append(context))
        one = near(Door())
        wire = Wire(one, [OTHER, b"rubbish\r\n\r\n"])
        one.connection_made(wire)
        await asyncio.sleep(0.01)
        wire.send()
        await asyncio.wait_for(wire.done.wait(), 5)
        one.connection_lost(None)
        await asyncio.sleep(0)

        assert [answer[9:12] for answer in wire.answers] == [b"200", b"400"]
        assert raised == []

    run(main())


@loops
def test_what_is_not_for_the_door_is_not_held_back(run: Run) -> None:
    """The library begins with it at once: also when its client goes right away."""
    seen = []

    async def path(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response()

    async def main() -> None:
        express = {("POST", "/e"): Way(Door().together, Door().coming)}
        server = protocol.QuietServer(web.Server(path), express=express)  # type: ignore[arg-type]
        one = server()
        one.connection_made(Wire(one, []))  # type: ignore[arg-type]
        one.data_received(OTHER)
        asyncio.get_running_loop().call_soon(one.connection_lost, None)
        await asyncio.sleep(0.05)

        assert seen == ["/other"]

    run(main())
