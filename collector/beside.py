"""
Work that goes on beside other work, and ends with it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from collector.logs import describe
from collector.metrics import count

_log = logging.getLogger("kastana.beside")


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """
    Run a coroutine while the context lasts.

    Work that is to go on for ever and fails is a defect: it is logged without its
    text and counted at once, and the other work goes on without it.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_tell)
    try:
        yield
    finally:
        task.cancel()
        # What it failed of is told already.
        await asyncio.gather(task, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        kind = type(error)
        count("kastana_failures_total", kind.__name__)
        _log.error("unexpected error\n%s", describe(kind, error.__traceback__))
