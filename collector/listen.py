"""
Running a listener: the same way for edge, keeper and the ClickHouse interface.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from collector import logs
from collector.protocol import QuietServer

_LONGEST_LINE = 65_536


class ListenError(Exception):
    """An address cannot be listened on."""


def split(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; brackets around IPv6 are taken off."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def check_free(address: str) -> None:
    """
    Make sure that nobody else listens on an address.

    The edges share their port, and the kernel would share it with a forgotten
    server just as well: half of the events would go there.

    Raises:
        ListenError: when it is taken or not ours.

    """
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"cannot listen on {address}: {error.strerror}"
            raise ListenError(message) from error


@contextlib.asynccontextmanager
async def listening(
    app: web.Application,
    address: str,
    *,
    reuse_port: bool = False,
    unpacking: bool = True,
) -> AsyncIterator[str]:
    """
    Serve an app while the context lasts; give the address it really has.

    With `unpacking` the app reads bodies whose Content-Encoding is already undone.
    On leaving, no new connection is taken and requests under way are answered.

    Raises:
        ListenError: when the address is taken or not ours.

    """
    owner = web.AppRunner(app, handle_signals=False)
    await owner.setup()
    try:
        async with _serving(owner, unpacking=unpacking) as runner:
            yield await _bind(runner, address, reuse_port=reuse_port)
    finally:
        await owner.cleanup()


@contextlib.asynccontextmanager
async def _serving(
    owner: web.AppRunner, *, unpacking: bool
) -> AsyncIterator[web.ServerRunner]:
    """Run the app's connections; they end before the app does."""
    if owner.server is None:
        message = "the app is not set up"
        raise RuntimeError(message)
    server = QuietServer(
        owner.server,
        access_log=None,
        auto_decompress=unpacking,
        # A picture's URL with a consent string is answered, however long.
        max_line_size=_LONGEST_LINE,
    )
    runner = web.ServerRunner(server, shutdown_timeout=10.0)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def _bind(runner: web.ServerRunner, address: str, *, reuse_port: bool) -> str:
    """Listen on an address; return the one it really is."""
    host, port = split(address)
    site = web.TCPSite(runner, host, port, reuse_port=reuse_port, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        message = f"cannot listen on {address}: {error.strerror}"
        raise ListenError(message) from error
    bound = runner.addresses[0]
    return f"{host}:{bound[1]}"


async def until_told() -> None:
    """Return when the process is asked to end: SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    logs.watch(loop)
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
