"""Sending: what each answer means, when requests go out, and how a run ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from collector.replay.prepare import Preparer
from collector.replay.request import Request, SourceError, Unsent
from collector.replay.schedule import AtOnce, AtRate, Schedule, schedule_of
from collector.replay.send import ERROR_HEADER, Limits, Sender, TargetError
from collector.respond import ERROR_HEADER as DOORS_OWN
from tests.builders import NOON_MS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIMITS = Limits(clients=2, seconds=None, timeout_s=5.0)
VIEW = {"event": "page_view", "site": "a.example"}


def views(number: int, events: int = 1, **changes: Any) -> Iterator[Request]:
    """Yield requests with so many events each, a second from one to the next."""
    for one in range(number):
        at_ms = float(NOON_MS + one * 1000)
        yield Request(
            **{"at_ms": at_ms, "events": [VIEW] * events, **changes}, headers={}
        )


class Stage:
    """A server that a test says the answers of, and a sender to it."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self.unsent: list[Unsent] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    async def send(
        self,
        handler: Handler,
        requests: Iterator[Request],
        schedule: Schedule | None = None,
        limits: Limits = LIMITS,
    ) -> Sender:
        """Send requests to the handler; return the sender when all is done."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.path == "/ready":
                return web.Response()
            body = await request.read()
            self.seen.append((request.path_qs, dict(request.headers), body))
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = await self._start(app)
        sender = Sender(
            str(server.make_url("/")),
            requests,
            Preparer(b"s" * 32),
            schedule or AtOnce(),
            limits,
            self.unsent.append,
        )
        await sender.run()
        return sender


@pytest.fixture
def stage(aiohttp_server: Any) -> Stage:
    """A server, and a sender to it."""
    return Stage(aiohttp_server)


def saying(status: int, body: Any = None, **headers: str) -> Handler:
    """Return a handler that always answers the same."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return handler


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of answering."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


WRONG = {"code": "bad_time", "message": "canary"}
ANSWERS: list[tuple[Handler, tuple[int, str], int, dict[str, int], int]] = [
    (saying(202, {"accepted": 2}), (202, ""), 2, {}, 0),
    (
        saying(202, {"accepted": 1, "errors": [WRONG]}),
        (202, "bad_time"),
        1,
        {"bad_time": 1},
        0,
    ),
    (
        saying(400, {"error": WRONG, "errors": [WRONG, WRONG]}),
        (400, "bad_time"),
        0,
        {"bad_time": 2},
        0,
    ),
    (
        saying(429, {"error": {"code": "rate_limited"}}),
        (429, "rate_limited"),
        0,
        {"rate_limited": 2},
        0,
    ),
    # Its rows may be on the disk all the same.
    (saying(503, {"error": {"code": "spool_full"}}), (503, "spool_full"), 0, {}, 2),
    (saying(502, "<html>"), (502, "no_code"), 0, {}, 2),
    (saying(200, {"ok": True}), (200, "foreign_answer"), 0, {}, 2),
    (
        saying(400, {"error": {"code": "a canary!"}}),
        (400, "no_code"),
        0,
        {"no_code": 2},
        0,
    ),
    (hang_up, (0, "reset"), 0, {}, 2),
]


@pytest.mark.parametrize(
    ("handler", "code", "accepted", "invalid", "unknown"),
    ANSWERS,
    ids=[f"{one[1][0]} {one[1][1] or 'ok'}" for one in ANSWERS],
)
async def test_answers(  # noqa: PLR0913 - what is said, and what it means
    stage: Stage,
    handler: Handler,
    code: tuple[int, str],
    accepted: int,
    invalid: dict[str, int],
    unknown: int,
) -> None:
    """Acknowledged, refused one by one, or nobody knows; by status and code."""
    measure = (await stage.send(handler, views(1, events=2))).measure

    assert {code: 1} == measure.codes
    assert (2, accepted, invalid, unknown) == (
        measure.sent,
        measure.accepted,
        measure.invalid,
        measure.unknown,
    )


@pytest.mark.parametrize(
    ("handler", "accepted", "invalid"),
    [
        (saying(200), 1, {}),
        (saying(200, X_Kastana_Error="unknown_site"), 0, {"unknown_site": 1}),
    ],
    ids=["taken", "refused"],
)
async def test_pixel(
    stage: Stage, handler: Handler, accepted: int, invalid: dict[str, int]
) -> None:
    """A picture is always there; a header tells if its event was taken."""
    pixels = views(1, pixel=True)
    measure = (await stage.send(handler, pixels)).measure

    assert DOORS_OWN == ERROR_HEADER
    assert (accepted, invalid) == (measure.accepted, measure.invalid)
    assert stage.seen[0][0].startswith("/p.gif?event=page_view&site=a.example")


async def test_answer_that_does_not_come(stage: Stage) -> None:
    """After its time an answer is given up; what became of it nobody knows."""
    never = asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    limits = Limits(clients=1, seconds=None, timeout_s=0.2)
    measure = (await stage.send(wait, views(1), limits=limits)).measure
    never.set()

    assert {(0, "timeout"): 1} == measure.codes
    assert 1 == measure.unknown


async def test_all_is_sent_once_in_order(stage: Stage) -> None:
    """Each request goes out once, and none waits for more than its connection."""
    sender = await stage.send(
        saying(202, {"accepted": 1}), views(50), limits=Limits(1, None, 5.0)
    )

    assert 50 == len(stage.seen) == sender.measure.accepted
    assert 50 == len({body for _, _, body in stage.seen})


async def test_schedule_does_not_wait_for_answers(stage: Stage) -> None:
    """While one answer is out, what is due next is sent on another connection."""
    second = asyncio.Event()

    async def handler(_request: web.Request) -> web.StreamResponse:
        if len(stage.seen) > 1:
            second.set()
        # The first answer comes only when the second request is there.
        await second.wait()
        return web.json_response({"accepted": 1}, status=202)

    sender = await stage.send(handler, views(2), AtRate(1000))

    assert 2 == sender.measure.accepted


async def test_lateness_is_latency(stage: Stage) -> None:
    """On one connection that is held up, those that wait behind it are late, too."""
    held = 0.2

    async def handler(_request: web.Request) -> web.StreamResponse:
        if len(stage.seen) == 1:
            await asyncio.sleep(held)
        return web.json_response({"accepted": 1}, status=202)

    limits = Limits(clients=1, seconds=None, timeout_s=5.0)
    measure = (await stage.send(handler, views(10), AtRate(1000), limits)).measure

    # Due within 10 ms, and sent after the first answer.
    assert measure.latency.get_min_value() >= (held - 0.011) * 1_000_000
    assert measure.lateness.get_value_at_percentile(50) >= (held - 0.011) * 1_000_000


async def test_ends_in_time(stage: Stage) -> None:
    """After its time nothing more is begun: what is due later is not sent."""
    limits = Limits(clients=3, seconds=0.05, timeout_s=5.0)
    handler = saying(202, {"accepted": 1})
    sender = await stage.send(handler, views(10), schedule_of("100x", None), limits)

    # Due at 0, 10, 20, 30 and 40 ms.
    assert sender.measure.requests <= 5


async def test_what_cannot_be_sent_is_told(stage: Stage) -> None:
    """An event without a site is counted, and the rest goes on."""
    nameless = Request(0.0, [{"event": "page_view"}], {})
    requests = iter([nameless, *views(1)])
    sender = await stage.send(saying(202, {"accepted": 1}), requests)

    assert [Unsent("no_site")] == stage.unsent
    assert 1 == sender.measure.accepted


async def test_source_that_fails_ends_the_run(stage: Stage) -> None:
    """What is wrong with a source is said as it is, not as a group of errors."""
    requests = iter([Request(0.0, [VIEW], {})])
    with pytest.raises(SourceError, match="no times"):
        await stage.send(saying(202), requests, schedule_of("1x", None))


async def test_nobody_listens() -> None:
    """A port that nobody listens at is told before anything is sent."""
    sender = Sender(
        f"http://127.0.0.1:{unused_port()}",
        views(1),
        Preparer(b"s" * 32),
        AtOnce(),
        LIMITS,
        list[Unsent]().append,
    )
    with pytest.raises(TargetError) as caught:
        await sender.run()

    assert "refused" == caught.value.code
    assert 0 == sender.measure.requests
