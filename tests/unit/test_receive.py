"""The doors' handlers: what is said while something behind them does not work."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import orjson
import pytest
import uvloop
from aiohttp import web

from collector import receive
from collector.call import Call
from collector.decode import Decoded
from collector.desk import Desk
from collector.doors import Arrival, Asked, Verdict
from collector.folder import Folder
from collector.limit import RateLimit
from collector.links import Link, sign_link
from collector.listen import listening
from collector.metrics import _NOTED
from collector.protocol import Bounds
from collector.receive import Receiver, _parts, _Taken
from collector.runtime import Runtime, build
from collector.sites import editing
from pipeline.spool import Limits, Spool
from schemas.event import PageView
from schemas.raw_event import RawEvent
from schemas.settings import Settings
from schemas.site import make_site
from tests.spool_disk import Disk, disk_under_spool

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


class Doors:
    """The doors as the product serves them, and what is before and behind them."""

    def __init__(
        self, runtime: Runtime, spool: Spool, receiver: Receiver, port: int
    ) -> None:
        self.runtime = runtime
        self.spool = spool
        self._receiver = receiver
        self._port = port

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, runtime: Runtime, max_bytes: int) -> AsyncIterator["Doors"]:
        """Serve while the context lasts."""
        limits = Limits(seal_bytes=1 << 20, seal_seconds=60, max_bytes=max_bytes)
        folder, settings = runtime.folder, runtime.settings
        async with Spool.running(folder.spool, runtime.headers, limits) as spool:
            desk = Desk(settings, runtime.doors)
            desk._limit = RateLimit(1, 1000)
            receiver = Receiver(desk, runtime.doors, spool, runtime.objections)
            app = web.Application()
            app.add_routes(receiver.routes())
            async with listening(
                app,
                "127.0.0.1:0",
                bounds=Bounds.of(settings),
                express=receiver.express,
                unpacking=False,
            ) as address:
                yield cls(runtime, spool, receiver, int(address.rpartition(":")[2]))

    async def ask(self, *requests: bytes) -> list[tuple[int, bytes]]:
        """Send requests at once, each on a connection of its own."""
        clients = [
            await asyncio.open_connection("127.0.0.1", self._port) for _ in requests
        ]
        await asyncio.sleep(0.05)
        for (_, writer), request in zip(clients, requests, strict=True):
            writer.write(request)
        answers = []
        for reader, writer in clients:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            answers.append((int(head[9:12]), await reader.readexactly(length)))
            writer.close()
        return answers

    async def waiting(self, number: int) -> None:
        """Wait until so many requests wait to be judged."""
        async with asyncio.timeout(10):
            while len(self._receiver._waiting) != number:  # noqa: ASYNC110 - another task
                await asyncio.sleep(0.001)

    @contextlib.asynccontextmanager
    async def behind(self, disk: Disk) -> AsyncIterator[None]:
        """Let a disk be busy with somebody's event while the context lasts."""
        disk.gate.clear()
        first = asyncio.create_task(self.ask(post()))
        try:
            await asyncio.to_thread(disk.waiting.wait, 10)
            yield
            assert not first.done()
        finally:
            disk.gate.set()
        assert [status for status, _ in await first] == [202]

    def rows(self) -> list[list[object]]:
        """Return what lies in the spool."""
        lines = [
            line
            for path in sorted((self.runtime.folder.spool / "open").glob("*.ndjson"))
            for line in path.read_bytes().splitlines()[2:]
        ]
        return [orjson.loads(line) for line in lines]


def post(**event: object) -> bytes:
    """Return a whole `POST /e`."""
    return posted(orjson.dumps({**EVENT, **event}))


def posted(body: bytes) -> bytes:
    """Return a whole `POST /e` of these bytes."""
    head = b"POST /e HTTP/1.1\r\nHost: a\r\nOrigin: https://example.com\r\n"
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


PIXEL = (
    b"GET /p.gif?site=%s&event=page_view&consent=statistics HTTP/1.1\r\nHost: a\r\n\r\n"
)
loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


@loops
def test_each_of_many_gets_its_own_answer(runtime: Runtime, run: Make) -> None:
    """Requests that come together are told apart, whatever is wrong with some."""
    one = "018f4a3e-7b5c-7e1d-8f00-000000000001"
    size = runtime.settings.max_body_bytes

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            answers = await doors.ask(
                post(),
                posted(b"{"),
                post(event_id=one),
                PIXEL % b"example.com",
                post(site="nobody.example"),
                posted(b"[" + post().partition(b"\r\n\r\n")[2] + b', {"a": 1}]'),
                posted(b" " * size + b"{}"),
                PIXEL % b"nobody.example",
                post(event_id=one),
                posted(b""),
            )
            again = await doors.ask(post(event_id=one))

            assert [status for status, _ in answers] == [
                202, 400, 202, 200, 400, 202, 413, 200, 202, 400
            ]  # fmt: skip
            assert [len(body) for status, body in answers if status == 200] == [43, 43]
            assert again == [(202, b'{"accepted":1}')]
            # Of the repeated one row, and the complaint of the batch.
            names = [row for row in doors.rows() if "page_view" in row]
            assert len(names) == 4

    run(main())


@loops
def test_no_room_is_told_to_each(runtime: Runtime, run: Make) -> None:
    """What finds no room is told so, and may come again: nothing of it was taken."""
    one = "018f4a3e-7b5c-7e1d-8f00-000000000002"

    async def main() -> None:
        async with Doors.open(runtime, 1) as doors:
            first = await doors.ask(post(event_id=one), PIXEL % b"example.com")
            doors.spool._writer.room._limits = Limits(1 << 20, 60, 1 << 24)
            second = await doors.ask(post(event_id=one))

            assert [status for status, _ in first] == [503, 503]
            assert b"spool_full" in first[0][1]
            assert second == [(202, b'{"accepted":1}')]
            assert len(doors.rows()) == 1

    run(main())


async def test_what_keeps_everybody_out_is_said_once_a_minute(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator reads that nothing is kept, and why, and nothing of a visitor."""
    now = [1000.0]
    monkeypatch.setattr(
        "collector.desk.time", SimpleNamespace(monotonic=lambda: now[0])
    )
    canary = "anna.karenina@canary.example"
    asked = post(title=canary), PIXEL % b"example.com", post(visitor="canary_012345678")
    async with Doors.open(runtime, 1) as doors:
        await doors.ask(*asked)
        now[0] += 59
        await doors.ask(*asked)
        once = list(caplog.messages)
        now[0] += 1
        await doors.ask(*asked)
        twice = list(caplog.messages)
        doors.spool._writer.room._limits = Limits(1 << 20, 60, 1 << 24)
        now[0] += 60
        await doors.ask(*asked)

    assert ["nothing is kept, spool_full: the spool has reached its bound"] == once
    assert once * 2 == twice == caplog.messages
    assert "canary" not in caplog.text


@loops
def test_a_defect_is_one_requests_own(
    runtime: Runtime, run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody expected is a 500 for its request, and for no other."""
    real = Receiver._debug

    def broken(self: Receiver, call: Any, verdict: Any) -> dict[str, str]:
        if call.method == "GET":
            raise ZeroDivisionError
        return real(self, call, verdict)

    monkeypatch.setattr(Receiver, "_debug", broken)

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            answers = await doors.ask(post(), PIXEL % b"example.com", post())

            assert [status for status, _ in answers] == [202, 500, 202]

    _NOTED.clear()
    run(main())
    assert _NOTED["kastana_requests_total", "events", "202"] == 2
    assert _NOTED["kastana_requests_total", "pixel", "500"] == 1


@loops
def test_unusable_sites_close_the_doors(runtime: Runtime, run: Make) -> None:
    """Without a list of sites nothing is taken, on the quick way either."""
    runtime.folder.sites.write_text("[x")
    sites = build(runtime.settings, runtime.folder).doors.sites
    runtime.doors.sites = sites

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            answers = await doors.ask(post(), PIXEL % b"example.com")

            assert [status for status, _ in answers] == [503, 503]
            assert all(b"sites_unusable" in body for _, body in answers)

    run(main())


@loops
def test_a_childs_event_waits_for_its_purge(runtime: Runtime, run: Make) -> None:
    """What has to go under a pseudonym is on record before the answer."""

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            event = {"visitor": "browser_0123456789", "consent": {"child": True}}
            answers = await doors.ask(post(**event), post())

            assert [status for status, _ in answers] == [202, 202]
            assert runtime.folder.objections.stat().st_size > 0

    run(main())


class Judged:
    """How many requests the doors judged at a time; `broken` doors judge none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
        self.sizes: list[int] = []
        self.broken = False
        self._more = asyncio.Event()
        self._real = runtime.doors.together
        monkeypatch.setattr(runtime.doors, "together", self._together)

    def _together(self, arrivals: Any) -> None:
        self.sizes.append(len(arrivals))
        self._more.set()
        if self.broken:
            raise ZeroDivisionError
        self._real(arrivals)

    async def number(self, number: int) -> None:
        """Wait until so many were judged."""
        while sum(self.sizes) < number:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), 10)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> Judged:
    """See what the doors are asked."""
    return Judged(monkeypatch, runtime)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that can wait and fail."""
    with disk_under_spool() as disk:
        yield disk


@loops
def test_waits_while_the_disk_is_busy(
    runtime: Runtime,
    judged: Judged,
    disk: Disk,
    run: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes while others are written is judged together when they are."""
    monkeypatch.setattr(receive, "_WAIT_S", 60)

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            async with doors.behind(disk):
                others = asyncio.create_task(doors.ask(post(), PIXEL % b"example.com"))
                last = asyncio.create_task(doors.ask(post(), posted(b"{")))
                await doors.waiting(4)
            answers = [*await others, *await last]

            assert judged.sizes == [1, 4]
            assert [status for status, _ in answers] == [202, 200, 202, 400]
            assert len(doors.rows()) == 4

    run(main())


@loops
def test_doors_of_one_round_go_together(
    runtime: Runtime, judged: Judged, run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes at once is one group on a disk at rest, whichever the door."""
    monkeypatch.setattr(receive, "_WAIT_S", 60)

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            answers = await doors.ask(post(), PIXEL % b"example.com")

            assert [status for status, _ in answers] == [202, 200]
            assert judged.sizes == [1, 1]
            assert doors.spool.done.syncs == 1

    run(main())


@loops
def test_no_disk_is_waited_for_in_vain(
    runtime: Runtime,
    disk: Disk,
    run: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A door that keeps in memory does not wait for a disk that others wait for."""
    monkeypatch.setattr(receive, "_WAIT_S", 60)
    settings = msgspec.structs.replace(runtime.settings, durability_pixel="memory")
    runtime = msgspec.structs.replace(runtime, settings=settings)

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            async with doors.behind(disk):
                pixel = await doors.ask(PIXEL % b"example.com")

            assert [status for status, _ in pixel] == [200]

    run(main())


@loops
def test_an_error_holds_nobodys_request(runtime: Runtime, run: Make) -> None:
    """What some are refused for does not keep what others of the group sent."""
    with editing(runtime.folder.sites) as sites:
        sites["busy.example"] = make_site(
            "busy.example", {"rate": 0.001, "burst": 1, "origins": ["*"]}
        )
    runtime = build(runtime.settings, runtime.folder)
    events = [post(), *[post(site="busy.example")] * 3, post()]

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            before = [one for one in gc.get_objects() if type(one) is Call]
            gc.disable()
            try:
                answers = await doors.ask(*events)
                after = [one for one in gc.get_objects() if type(one) is Call]
            finally:
                gc.enable()

            assert sorted(status for status, _ in answers) == [202] * 3 + [429] * 2
            assert len(after) == len(before)

    gc.collect()
    run(main())


@loops
def test_many_do_not_wait_for_the_disk(
    runtime: Runtime,
    judged: Judged,
    disk: Disk,
    run: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as are quickest together are judged, whatever the disk does."""
    monkeypatch.setattr(receive, "_WAIT_S", 60)

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            async with doors.behind(disk):
                others = asyncio.create_task(doors.ask(*[post()] * 40))
                await judged.number(33)

            assert [status for status, _ in await others] == [202] * 40
            assert sum(judged.sizes) == 41
            assert len(doors.rows()) == 41

    run(main())


@loops
def test_nobody_waits_long_for_a_disk_that_hangs(
    runtime: Runtime, disk: Disk, run: Make
) -> None:
    """Whoever is to be refused is told so while others wait for the disk."""

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            async with doors.behind(disk):
                refused = await doors.ask(posted(b"{"))

            assert [status for status, _ in refused] == [400]

    run(main())


@loops
def test_nothing_raw_waits_for_the_disk(
    runtime: Runtime, judged: Judged, disk: Disk, run: Make
) -> None:
    """While rows are written no part of the process still has what was sent."""
    page = "https://example.com/canary-page?email=anna%40canary.example"
    bodies = post(url=page), post(url=page, visitor="canary_0123456789")
    raw = (RawEvent, Call, Arrival, Decoded, Asked, Verdict, PageView)

    def held() -> list[object]:
        gc.collect()
        return [one for one in gc.get_objects() if isinstance(one, raw)]

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            before = len(held())
            disk.gate.clear()
            asking = asyncio.create_task(doors.ask(*bodies, PIXEL % b"example.com"))
            await judged.number(3)
            await asyncio.to_thread(disk.waiting.wait, 10)
            during = len(held())
            waits = not asking.done()
            disk.gate.set()

            assert waits
            assert during == before
            assert [status for status, _ in await asking] == [202, 202, 200]

    run(main())


@loops
def test_doors_with_a_defect_leave_nobody_waiting(
    runtime: Runtime, judged: Judged, run: Make
) -> None:
    """A defect in front of all of a group is a 500 for each, and over with it."""

    async def main() -> None:
        async with Doors.open(runtime, 1 << 24) as doors:
            judged.broken = True
            broken = await doors.ask(post(), post())
            judged.broken = False
            mended = await doors.ask(post())

            assert [status for status, _ in broken] == [500, 500]
            assert [status for status, _ in mended] == [202]

    run(main())


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([], []),
        ([10] * 70, [32, 32, 6]),
        ([40_000] * 5, [2, 2, 1]),
        ([10, 100_000, 10], [2, 1]),
        ([None] * 33, [32, 1]),
    ],
    ids=["none", "many", "large", "huge", "pictures"],
)
def test_a_part_has_an_end(sizes: list[int | None], parts: list[int]) -> None:
    """Not too many, and not too much, is judged before the first is answered."""
    call = Call(headers=[], peer="", query="", received_ms=0)
    waiting = [
        _Taken(
            "pixel" if size is None else "events",
            call,
            b"x" * (size or 0),
            {},
            lambda _: None,
        )
        for size in sizes
    ]
    found = list(_parts(waiting))

    assert [len(part) for part in found] == parts
    assert [one for part in found for one in part] == waiting
