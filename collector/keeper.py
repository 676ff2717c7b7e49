"""
The keeper: the one owner of the store. It loads segments, answers analysts, and
serves metrics and the demo on its own listener.
"""

import asyncio
import contextlib
import functools
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Sequence

from aiohttp import web

from collector.admin import admin_routes
from collector.clickhouse_http import clickhouse_app
from collector.demo import demo_routes
from collector.ending import until_told
from collector.folder import Folder, FolderError, KeeperAddress
from collector.health import show_loading
from collector.lifeline import Lifeline
from collector.listen import listening
from collector.metrics import count, show
from collector.runtime import Runtime, build
from collector.sites import ensure_demo_site
from collector.watch import look_at_databases, watching
from pipeline.clock import DAY_MS, now_ms
from pipeline.cluster import for_layout
from pipeline.ledger.writer import Ledger
from pipeline.load import Loader
from pipeline.load_breaker import Status
from pipeline.migrate import migrate
from pipeline.rollups import Rollups
from pipeline.segment import make_folders
from pipeline.spool_room import waiting_bytes
from pipeline.store import Store, StoreRefused, StoreUnavailable
from pipeline.withdrawal.erase import Eraser
from pipeline.withdrawal.narrow import Narrower
from pipeline.withdrawal.objections import ObjectionsError
from pipeline.withdrawal.restore import note_absence, restore
from schemas.ddl import DEDUPLICATION_WINDOW
from schemas.ddl_rollup import rollup_tables
from schemas.rollups import load_rollups
from schemas.settings import Settings

_log = logging.getLogger("kastana.keeper")
_LOAD_EVERY_S = 0.2
_OPEN_AGAIN_S = 2.0
_COMPACT_EVERY_S = 3600.0


class TablesError(FolderError):
    """Tables of the store that do not remember what they were given."""


class Shelf:
    """Where the store stands once it could be opened; empty until then."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.loader: Loader | None = None
        self.eraser: Eraser | None = None
        self.rollups: Rollups | None = None

    @property
    def problem(self) -> str:
        """Why the store cannot be used now; empty when it can."""
        if self.store is None or self.loader is None:
            return "the store is not open yet"
        return self.loader.problem or (self.eraser.problem if self.eraser else "")

    @property
    def loading(self) -> Status | None:
        """How loading goes; None until the store was opened."""
        return self.loader.status if self.loader else None


async def run_keeper(
    settings: Settings, folder: Folder, lifeline: Lifeline | None = None
) -> None:
    """
    Own the store and serve the admin listeners until told to end.

    An embedded engine must open, or the keeper ends with words; a server may be
    away: the keeper serves, says so in its health, and tries again.

    Raises:
        ListenError, FolderError, PolicyError, DriftError, StoreUnavailable.

    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(folder.alone("keeper"))
        make_folders(folder.spool)
        if settings.demo:
            ensure_demo_site(folder.sites, _demo_origins(settings))
        runtime = build(settings, folder)
        note_absence(folder.objections)
        shelf = Shelf()
        if not settings.clickhouse_url:
            await asyncio.to_thread(_open, runtime, shelf)
        stack.callback(_close, shelf)
        loading = asyncio.create_task(_load_for_ever(runtime, shelf))
        stack.push_async_callback(_cancel, loading)
        watch = watching(lambda: look_at_databases(runtime.locator))
        await stack.enter_async_context(watch)
        tending = watching(lambda: runtime.salts.tend(now_ms()))
        await stack.enter_async_context(tending)
        admin = await stack.enter_async_context(_serve_admin(runtime, shelf))
        clickhouse = await stack.enter_async_context(_serve_sql(runtime, shelf))
        folder.write_keeper(
            KeeperAddress(
                f"http://{admin}",
                f"http://{clickhouse}" if clickhouse else "",
                os.getpid(),
            )
        )
        _log.info("keeping on %s", admin)
        if lifeline is not None:
            lifeline.ready()
        await _first_of(until_told(lifeline), loading)


def data_source(settings: Settings, folder: Folder) -> str:
    """Return the store's DSN: the server's URL, or the embedded engine's folder."""
    return settings.clickhouse_url or f"chdb://{folder.engine}"


def _open(runtime: Runtime, shelf: Shelf) -> None:
    settings, folder = runtime.settings, runtime.folder
    store = Store.open(data_source(settings, folder), scratch=folder.scratch)
    try:
        migrate(for_layout(store, settings.clickhouse_cluster), runtime.policy)
        tables = [*runtime.policy.tables, *rollup_tables(load_rollups())]
        _check_tables(store, tables)
    except BaseException:
        store.close()
        raise
    if restore(folder.objections, runtime.objections, store):
        # Rows of these may be there again, from the same backup as the store.
        folder.erased.unlink(missing_ok=True)
    narrower = Narrower(
        runtime.objections, runtime.policy, folder.spool, runtime.sealing
    )
    shelf.loader = Loader(
        folder.spool,
        store,
        runtime.headers,
        settings.spool_keep_seconds,
        narrower=narrower,
        ledger=Ledger(store, folder.heads, folder.chain_id(), sealing=runtime.sealing),
        sealing=runtime.sealing,
    )
    shelf.rollups = Rollups(
        store, runtime.policy, load_rollups(), every_s=settings.rollup_seconds
    )
    shelf.eraser = Eraser(
        store,
        narrower,
        runtime.objections,
        runtime.policy,
        folder.erased,
        # Half, since the work itself takes its time.
        every_s=settings.withdrawal_seconds / 2,
        marking=functools.partial(shelf.rollups.marking, "events"),
    )
    shelf.store = store


def _check_tables(store: Store, tables: Sequence[str]) -> None:
    try:
        store.check_tables(dict.fromkeys(tables, DEDUPLICATION_WINDOW))
    except StoreRefused as error:
        what, _, table = error.name.partition(" ")
        message = (
            f"the store's table {table} would count a repeated insert twice ({what}): "
            f"give it non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
        )
        raise TablesError(message) from None


def _close(shelf: Shelf) -> None:
    if shelf.store is not None:
        shelf.store.close()


def _compact(runtime: Runtime) -> None:
    """Forget withdrawals under pseudonyms of days that no row holds any more."""
    days = runtime.policy.retention["identifier"].days
    try:
        dropped = runtime.objections.compact(now_ms() - days * DAY_MS)
    except (ObjectionsError, OSError) as error:
        # Nothing is lost: they are looked up all the same, and tried again.
        _log.warning("withdrawals not compacted: %s", error)
        return
    if dropped:
        _log.info("withdrawals forgotten with their pseudonyms: %d", dropped)


async def _load_for_ever(runtime: Runtime, shelf: Shelf) -> None:
    compacted = time.monotonic()
    while True:
        if shelf.loader is None or shelf.eraser is None:
            try:
                await asyncio.to_thread(_open, runtime, shelf)
            except StoreUnavailable as error:
                _log.warning("the store is away: %s", error)
                show("kastana_store_up", 0)
                await asyncio.sleep(_OPEN_AGAIN_S)
            continue
        done = await asyncio.to_thread(shelf.loader.run_once)
        show_loading(done, shelf.loader.status)
        show("kastana_store_up", 0 if shelf.problem else 1)
        waiting = await asyncio.to_thread(waiting_bytes, runtime.folder.spool)
        show("kastana_spool_bytes", waiting)
        # After the loader, on the same thread of events: what it had in hand when
        # someone withdrew is in the table by now.
        erased = await asyncio.to_thread(shelf.eraser.run_once)
        count("kastana_erased_rows_total", by=erased.rows)
        show("kastana_objections_pending", erased.pending)
        oldest = now_ms() if erased.oldest_ms is None else erased.oldest_ms
        show("kastana_objections_oldest_seconds", (now_ms() - oldest) / 1000)
        if shelf.rollups is not None and not shelf.problem:
            # Last: now no insert and no mutation is under way.
            built = await asyncio.to_thread(
                shelf.rollups.run_once, erased=erased.rows + erased.entries > 0
            )
            count("kastana_rollup_hours_total", by=built.hours)
            show("kastana_rollup_hours_waiting", built.waiting)
            show("kastana_rollups_up", 0 if shelf.rollups.problem else 1)
        if time.monotonic() > compacted + _COMPACT_EVERY_S:
            compacted = time.monotonic()
            await asyncio.to_thread(_compact, runtime)
        await asyncio.sleep(0 if done.more else _LOAD_EVERY_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    # What has failed has said so already, and its own traceback tells where.
    if task.cancel():
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _first_of(told: Awaitable[None], loading: asyncio.Task[None]) -> None:
    """Wait for the signal; if loading dies first, die of the same."""
    waiting = asyncio.ensure_future(told)
    done, _ = await asyncio.wait(
        {waiting, loading}, return_when=asyncio.FIRST_COMPLETED
    )
    if loading in done:
        waiting.cancel()
        loading.result()


@contextlib.asynccontextmanager
async def _serve_admin(runtime: Runtime, shelf: Shelf) -> AsyncIterator[str]:
    app = web.Application(client_max_size=runtime.settings.max_body_bytes)
    app.router.add_routes(admin_routes(runtime, shelf))
    if runtime.settings.demo:
        app.router.add_routes(demo_routes(runtime, shelf))
    async with listening(app, runtime.settings.keeper_listen) as address:
        yield address


@contextlib.asynccontextmanager
async def _serve_sql(runtime: Runtime, shelf: Shelf) -> AsyncIterator[str]:
    if not runtime.settings.clickhouse_listen or shelf.store is None:
        # With a server store the server's own HTTP interface is the one to ask.
        yield ""
        return
    app = clickhouse_app(shelf.store)
    async with listening(app, runtime.settings.clickhouse_listen) as address:
        yield address


def _demo_origins(settings: Settings) -> tuple[str, ...]:
    port = settings.keeper_listen.rpartition(":")[2]
    own = f"http://{settings.keeper_listen}"
    return tuple(dict.fromkeys((own, f"http://localhost:{port}")))
