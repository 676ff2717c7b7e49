"""Requests that are there whole: gathered, handed over together, answered in order."""

import asyncio
import logging

import pytest
from aiohttp import web

from collector import protocol
from collector.protocol import Connection
from collector.quick import answer
from tests.whole_stage import OTHER, POST, Run, Stage, loops, other, post, told


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

    inner = web.Server(other)  # type: ignore[arg-type]
    server = protocol.QuietServer(inner)
    one = Watched(server, loop=asyncio.get_running_loop())
    one.resume_reading()
    assert parsed == []
    one.data_received(POST % (4, b"a"))
    parsed.clear()
    one.pause_reading()
    one.resume_reading()
    assert parsed == [b""]
