"""
Slow clients: all connections are looked at once a second, none has a timer.

A head must be whole within a time. A body must come on by so many bytes in each such
time, so that one sent fast at first and then held back is cut as soon as one that was
slow from the start. An answer must be taken on. What a connection did the last time it
was looked at is noted on it; deadlines are kept to the second.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from collector.beside import beside
from collector.metrics import count
from collector.protocol import Bounds, Connection, QuietServer, TooSlow

_EVERY_S = 1.0


@contextlib.asynccontextmanager
async def impatient(server: QuietServer, bounds: Bounds) -> AsyncIterator[None]:
    """Cut slow connections while the context lasts."""
    async with beside(_look_for_ever(server, bounds)):
        yield


def look(server: QuietServer, bounds: Bounds, now: float) -> None:
    """Look at every connection, and cut those that are too slow."""
    server.see_off(now)
    for connection, transport in server.transports():
        reason = _judge(connection, transport, bounds, now)
        if reason:
            count("kastana_connections_cut_total", reason)


async def _look_for_ever(server: QuietServer, bounds: Bounds) -> None:
    # With deadlines below a second, as often as they need.
    every = min(_EVERY_S, bounds.head_s / 2, bounds.body_s / 2)
    while True:
        await asyncio.sleep(every)
        look(server, bounds, time.monotonic())


def _judge(
    connection: Connection, transport: asyncio.Transport, bounds: Bounds, now: float
) -> str:
    """Cut a connection if it is too slow; return in what, empty if it is not."""
    unsent = transport.get_write_buffer_size()
    if unsent and (connection.writing_paused or transport.is_closing()):
        if _lasts(connection, ("answer", unsent), now) > bounds.body_s:
            # Not `close`: that would wait for it to be taken.
            transport.abort()
            return "slow_reader"
        return ""
    if connection.waiting:
        first = connection.requests == 0
        if not first and connection.head == 0:
            # Idle: the library's own timer ends that.
            connection.phase = ("", 0)
        elif _lasts(connection, ("head", connection.requests), now) > bounds.head_s:
            connection.too_slow()
            return "slow_head"
        return ""
    return _judge_body(connection, bounds, now)


def _judge_body(connection: Connection, bounds: Bounds, now: float) -> str:
    body = connection.awaited
    if body is None:
        connection.phase = ("", 0)
        return ""
    lasts = _lasts(connection, ("body", connection.requests), now)
    if lasts == 0:
        connection.mark = connection.body
    elif lasts > bounds.body_s:
        if connection.body - connection.mark < lasts * bounds.body_rate:
            body.set_exception(TooSlow())
            return "slow_body"
        connection.since, connection.mark = now, connection.body
    return ""


def _lasts(connection: Connection, phase: tuple[str, int], now: float) -> float:
    """Return for how long a connection has been seen doing the same, in seconds."""
    if connection.phase != phase:
        connection.phase, connection.since = phase, now
    return now - connection.since
