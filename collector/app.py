"""
The edge: the public process. It appends to the spool and can read nothing back.
"""

import gc
import logging
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from collector import assets, consent, withdraw
from collector.address import adopt, handed_over, listen_on
from collector.choices import Choices
from collector.desk import Desk
from collector.ending import first_of, until_told
from collector.folder import Folder
from collector.lifeline import Lifeline
from collector.listen import listening
from collector.open_files import allow_connections
from collector.protocol import Bounds
from collector.receive import Receiver, not_found
from collector.refusals import telling
from collector.runtime import Runtime, build
from collector.spool_counts import counting
from collector.watch import look_at_databases, look_at_objections, settling, watching
from pipeline.clock import now_ms
from pipeline.ledger.receipt import Controller
from pipeline.referrer import refresh_lists
from pipeline.spool import Limits, Spool
from pipeline.withdrawal.restore import note_absence
from schemas.packs import load_packs
from schemas.settings import Settings

# Objects made and not gone, and collections of younger ones: some MB at the most.
_COLLECT_AFTER = 10_000, 20, 50

_log = logging.getLogger("kastana.edge")


async def run_edge(
    settings: Settings,
    folder: Folder,
    lifeline: Lifeline | None = None,
    listener: int | None = None,
) -> None:
    """
    Serve the public listener until told to end; then drain.

    Args:
        settings: the server's.
        folder: its data folder.
        lifeline: to who started the process, if that was `kastana serve`.
        listener: descriptor of the socket that it listens on.

    Raises:
        ListenError, PolicyError, FolderError, AssetError: before it serves.

    """
    bounds = Bounds.of(settings)
    allow_connections(bounds.connections)
    runtime = build(settings, folder, serving=True)
    limits = Limits(
        settings.spool_seal_bytes,
        settings.spool_seal_seconds,
        settings.spool_max_bytes,
        settings.spool_free_bytes,
    )
    # A damaged salt is said now, not at the first event.
    runtime.salts.tend(now_ms())
    note_absence(folder.objections)
    # Before anyone asks: a long list of withdrawals takes its time to read.
    runtime.objections.listen()
    async with (
        Spool.running(folder.spool, runtime.headers, limits, runtime.sealing) as spool,
        watching(lambda: look_at_databases(runtime.locator)),
        watching(refresh_lists),
        settling(),
        watching(lambda: look_at_objections(runtime.objections)),
        watching(lambda: runtime.salts.tend(now_ms())),
        counting(spool.done),
    ):
        app = web.Application(client_max_size=settings.max_body_bytes)
        desk = Desk(settings, runtime.doors)
        receiver = Receiver(desk, runtime.doors, spool, runtime.objections)
        app.router.add_routes(receiver.routes())
        app.router.add_routes(_consent_routes(runtime, desk, spool))
        app.router.add_routes(assets.routes())
        app.router.add_routes(
            [
                web.get("/health/live", live),
                web.get("/health/ready", _ready(spool)),
                web.route("*", "/{tail:.*}", not_found),
            ]
        )
        # Bodies are unpacked by `decode`, within its bound and with its own words.
        async with (
            telling(runtime.doors.rates, spool, runtime.policy.version),
            listening(
                app,
                _listener(settings, listener),
                bounds=bounds,
                express=receiver.express,
                unpacking=False,
            ) as address,
        ):
            _log.info("collecting on %s", address)
            if lifeline is not None:
                lifeline.ready()
            collect_seldom()
            await first_of(until_told(lifeline), spool.broken())
    _log.info("drained")


def collect_seldom() -> None:
    """Keep what was made until now for good, and look seldom for what is to go."""
    # A full collection of all that was made until now stops the loop for as long as
    # hundreds of events take, and finds nothing.
    gc.collect()
    gc.freeze()
    # What comes after that goes as it came, by its own counting; what does not is
    # looked for less often than the interpreter would.
    gc.set_threshold(*_COLLECT_AFTER)


def _listener(settings: Settings, inherited: int | None) -> socket.socket:
    """Return what to accept from: a server's socket, systemd's, or one of its own."""
    if inherited is not None:
        return adopt(inherited)
    return handed_over() or listen_on(settings.listen, shared=True)


def _consent_routes(runtime: Runtime, desk: Desk, spool: Spool) -> list[web.RouteDef]:
    settings, folder, doors = runtime.settings, runtime.folder, runtime.doors
    choices = Choices(
        treat=doors.treat,
        candidate=doors.candidate,
        withdrawals=runtime.objections,
        records=spool,
        signal_key=folder.secret("signal.key"),
        policy=runtime.policy,
    )
    controller = Controller(
        withdrawal_url=f"{settings.base_url}/consent",
        policy_url=settings.policy_url,
        contact=settings.contact,
    )
    door = consent.ConsentDoor(desk, doors, choices, runtime.policy, controller)
    way_out = withdraw.WithdrawDoor(
        desk, doors.sites, choices, folder.secret("link.key")
    )
    newest = max(runtime.policy.version, load_packs().newest)
    return [
        *consent.routes(door, desk, newest),
        *withdraw.routes(way_out, desk),
    ]


async def live(_request: web.Request) -> web.Response:
    """Say that the process answers."""
    return web.json_response({"status": "live"})


def _ready(spool: Spool) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(_request: web.Request) -> web.Response:
        if spool.full:
            return web.json_response({"status": "spool_full"}, status=503)
        return web.json_response({"status": "ready"})

    return ready
