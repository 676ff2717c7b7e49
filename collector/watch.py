"""
Looking again and again if a file has changed, beside whatever else a process does.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from collector.beside import beside
from collector.logs import describe
from collector.metrics import count, settle, show
from pipeline.location import Locator
from pipeline.withdrawal.objections import Objections, ObjectionsError

_log = logging.getLogger("kastana.watch")

EVERY_S = 1.0
# Who reads the counters right after an answer finds it counted, nearly.
SETTLE_S = 0.1


@contextlib.asynccontextmanager
async def watching(
    look: Callable[[], None], every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """
    Call a function again and again while the context lasts, the first time at once.

    Args:
        look: what to call; on a thread, since disks may be slow. When it fails that is
            logged and counted, and it is called again.
        every_s: seconds between two calls.

    """
    async with beside(_look_for_ever(look, every_s)):
        yield


@contextlib.asynccontextmanager
async def settling(every_s: float = SETTLE_S) -> AsyncIterator[None]:
    """Let the counters have what was noted, now and then and at the end."""

    async def settle_for_ever() -> None:
        while True:
            await asyncio.sleep(every_s)
            settle()

    try:
        async with beside(settle_for_ever()):
            yield
    finally:
        settle()


def look_at_databases(locator: Locator) -> None:
    """Let a locator see what changed, and show how its files are."""
    locator.refresh()
    condition = locator.condition
    show("kastana_geo_databases", condition.ok, "ok")
    show("kastana_geo_databases", condition.broken, "broken")


def look_at_objections(objections: Objections) -> None:
    """Let an edge that listens see what was done to the file by hand."""
    # What is wrong with it each event is told, which is then refused and says so.
    with contextlib.suppress(ObjectionsError):
        objections.look()


async def _look_for_ever(look: Callable[[], None], every_s: float) -> None:
    while True:
        try:
            await asyncio.to_thread(look)
        except Exception as error:  # noqa: BLE001 - the outermost frame
            kind = type(error)
            count("kastana_failures_total", kind.__name__)
            _log.error("unexpected error\n%s", describe(kind, error.__traceback__))
        await asyncio.sleep(every_s)
