"""
The edge: the public process. It appends to the spool and can read nothing back.
"""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from collector import assets
from collector.folder import Folder
from collector.listen import listening, until_told
from collector.receive import Receiver, not_found
from collector.runtime import build
from pipeline.spool import Limits, Spool
from schemas.settings import Settings

_log = logging.getLogger("kastana.edge")


async def run_edge(settings: Settings, folder: Folder) -> None:
    """
    Serve the public listener until told to end; then drain.

    Raises:
        ListenError, PolicyError, FolderError, AssetError: before it serves.

    """
    runtime = build(settings, folder)
    limits = Limits(
        settings.spool_seal_bytes,
        settings.spool_seal_seconds,
        settings.spool_max_bytes,
    )
    async with Spool.running(folder.spool, runtime.headers, limits) as spool:
        app = web.Application(client_max_size=settings.max_body_bytes)
        receiver = Receiver(settings, runtime.doors, spool)
        app.router.add_routes(receiver.routes())
        app.router.add_routes(assets.routes())
        app.router.add_routes(
            [
                web.get("/health/live", live),
                web.get("/health/ready", _ready(spool)),
                web.route("*", "/{tail:.*}", not_found),
            ]
        )
        # Bodies are unpacked by `decode`, within its bound and with its own words.
        async with listening(
            app, settings.listen, reuse_port=True, unpacking=False
        ) as address:
            _log.info("collecting on %s", address)
            await until_told()
    _log.info("drained")


async def live(_request: web.Request) -> web.Response:
    """Say that the process answers."""
    return web.json_response({"status": "live"})


def _ready(spool: Spool) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(_request: web.Request) -> web.Response:
        if spool.full:
            return web.json_response({"status": "spool_full"}, status=503)
        return web.json_response({"status": "ready"})

    return ready
