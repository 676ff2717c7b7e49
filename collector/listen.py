"""
Running a listener: the same way for edge, keeper and the ClickHouse interface.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator

from aiohttp import web

from collector import logs


class ListenError(Exception):
    """An address cannot be listened on."""


def split(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; brackets around IPv6 are taken off."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, address: str, *, reuse_port: bool = False
) -> AsyncIterator[str]:
    """
    Serve an app while the context lasts; give the address it really has.

    On leaving, no new connection is taken and requests under way are answered.

    Raises:
        ListenError: when the address is taken or not ours.

    """
    runner = web.AppRunner(
        app,
        access_log=None,
        # aiohttp's error log names the peer; ours withholds what libraries say.
        logger=logging.getLogger("aiohttp.server"),
        handle_signals=False,
        shutdown_timeout=10.0,
    )
    await runner.setup()
    try:
        host, port = split(address)
        site = web.TCPSite(runner, host, port, reuse_port=reuse_port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            message = f"cannot listen on {address}: {error.strerror}"
            raise ListenError(message) from error
        bound = runner.addresses[0]
        yield f"{host}:{bound[1]}"
    finally:
        await runner.cleanup()


async def until_told() -> None:
    """Return when the process is asked to end: SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    logs.watch(loop)
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
