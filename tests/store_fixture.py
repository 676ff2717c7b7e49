"""
A real store for tests, and a real HTTP server in a thread.

The embedded engine allows one folder a process at a time: close a store before the
next one is opened. Fixtures do; a store of a wider scope must not outlive its module.
Opening the first costs about a second (the library is 550 MB), each further 0.1 s.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from pipeline.store import Store

COLUMNS = {
    "id": "UInt64",
    "site": "LowCardinality(String)",
    "at": "DateTime64(3, 'UTC')",
    "note": "Nullable(String)",
}
AT = "2026-01-02 03:04:05.000"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """Give a store on a folder of its own."""
    store = Store.open(f"chdb://{folder}/engine")
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an empty store."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Give one store to a whole module."""
    with opened(tmp_path_factory.mktemp("store")) as made:
        yield made


def make_table(store: Store, name: str = "hits", window: int = 100) -> None:
    """Make a table, and a rollup of it by a materialised view."""
    columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
    remembers = f"SETTINGS non_replicated_deduplication_window = {window}"
    store.command(
        f"CREATE TABLE kastana.{name} ({columns}) ENGINE = ReplacingMergeTree "
        f"PARTITION BY toYYYYMM(at) ORDER BY id {remembers}"
    )
    store.command(
        f"CREATE TABLE kastana.{name}_rollup (site String, events UInt64) "
        f"ENGINE = SummingMergeTree ORDER BY site {remembers}"
    )
    counting = f"SELECT site, count() AS events FROM kastana.{name} GROUP BY site"  # noqa: S608 - a test's own name
    store.command(
        f"CREATE MATERIALIZED VIEW kastana.{name}_view TO kastana.{name}_rollup "
        f"AS {counting}"
    )


def segment(
    rows: Sequence[Sequence[object]], columns: dict[str, str] | None = None
) -> bytes:
    """Return a segment's bytes."""
    named = columns if columns is not None else COLUMNS
    lines = [list(named), list(named.values()), *rows]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@contextlib.contextmanager
def serving(app: web.Application) -> Iterator[int]:
    """Serve an app on a free port of 127.0.0.1 from a thread; give the port."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
