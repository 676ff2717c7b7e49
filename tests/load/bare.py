"""
What aiohttp gives with nothing done: reads the body, answers 204; or a picture.

    python -m tests.load.bare PORT

The same loop and the same settings of connections as the edge has.
"""

import asyncio
import contextlib
import signal
import sys

import uvloop
from aiohttp import web

_LONGEST_LINE = 65_536
_PICTURE = b"GIF89a" + bytes(36) + b";"


async def event(request: web.Request) -> web.Response:
    """Read the body and forget it."""
    await request.read()
    return web.Response(status=204)


async def pixel(_request: web.Request) -> web.Response:
    """Answer the picture."""
    return web.Response(body=_PICTURE, content_type="image/gif")


async def serve(port: int) -> None:
    """Serve until told to end."""
    app = web.Application(client_max_size=524_288)
    app.router.add_routes([web.post("/e", event), web.get("/p.gif", pixel)])
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        auto_decompress=False,
        max_line_size=_LONGEST_LINE,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(int(sys.argv[1])))
