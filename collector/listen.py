"""
Running a listener: the same way for edge, keeper and the ClickHouse interface.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from collector.address import ListenError, listen_on, split
from collector.protocol import (
    LONGEST_LINE,
    NO_EXPRESS,
    Bounds,
    Express,
    QuietServer,
)
from collector.slow import impatient
from collector.urls import forgetting

# A connection that was refused a large body may send so long what nobody reads.
_LINGERING_S = 5.0
_DRAIN_S = 10.0


@contextlib.asynccontextmanager
async def listening(
    app: web.Application,
    address: str | socket.socket,
    *,
    bounds: Bounds | None = None,
    express: Express = NO_EXPRESS,
    unpacking: bool = True,
) -> AsyncIterator[str]:
    """
    Serve an app while the context lasts; give the address it really has.

    On leaving, no new connection is taken and requests under way are answered.

    Args:
        app: what to serve.
        address: where; or a socket that listens already, which is closed at the end.
        bounds: of the connections; None for a listener that is not public.
        express: handlers that the app has as well, for requests that do not ask its
            router.
        unpacking: if the app reads bodies whose Content-Encoding is already undone.

    Raises:
        ListenError: when the address is taken or not ours.

    """
    owner = web.AppRunner(app, handle_signals=False)
    await owner.setup()
    try:
        async with _serving(owner, bounds, express, unpacking=unpacking) as runner:
            listener = listen_on(address) if isinstance(address, str) else address
            await web.SockSite(runner, listener).start()
            yield _name(address, runner)
    finally:
        await owner.cleanup()


@contextlib.asynccontextmanager
async def _serving(
    owner: web.AppRunner, bounds: Bounds | None, express: Express, *, unpacking: bool
) -> AsyncIterator[web.ServerRunner]:
    """Run the app's connections; they end before the app does."""
    if owner.server is None:
        message = "the app is not set up"
        raise RuntimeError(message)
    idle = {} if bounds is None else {"keepalive_timeout": bounds.idle_s}
    server = QuietServer(
        owner.server,
        bounds,
        express,
        access_log=None,
        auto_decompress=unpacking,
        max_line_size=LONGEST_LINE,
        lingering_time=_LINGERING_S,
        **idle,
    )
    # What is under way at the end has had its time in `drain`.
    runner = web.ServerRunner(server, shutdown_timeout=0.5)
    await runner.setup()
    try:
        async with contextlib.AsyncExitStack() as stack:
            if bounds is not None:
                await stack.enter_async_context(impatient(server, bounds))
                await stack.enter_async_context(forgetting())
            try:
                yield runner
            finally:
                for site in runner.sites:
                    await site.stop()
                # Who was let in just before has its connection after this.
                await asyncio.sleep(0)
                await server.drain(_DRAIN_S if bounds is None else bounds.drain_s)
    finally:
        await runner.cleanup()


def _name(address: str | socket.socket, runner: web.ServerRunner) -> str:
    host, port = runner.addresses[0][:2]
    if isinstance(address, str):
        host = split(address)[0]
    return f"{host}:{port}"


__all__ = ["ListenError", "listening"]
