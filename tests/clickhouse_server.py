"""
The embedded engine behind ClickHouse's HTTP interface, writes allowed: what the
tests have for a server, since the engine is the same.

    python -m tests.clickhouse_server PORT FOLDER
"""

import asyncio
import sys
from pathlib import Path

from collector.clickhouse_http import clickhouse_app
from collector.ending import until_told
from collector.listen import listening
from pipeline.store import Store


async def main() -> None:
    """Serve until told to end."""
    port, folder = sys.argv[1], Path(sys.argv[2]).absolute()  # noqa: ASYNC240 - before anything runs
    store = Store.open(f"chdb://{folder}")
    try:
        app = clickhouse_app(store, writable=True)
        async with listening(app, f"127.0.0.1:{port}"):
            await until_told()
    finally:
        store.close()


if __name__ == "__main__":
    asyncio.run(main())
