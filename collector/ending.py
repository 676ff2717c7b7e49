"""
How a process learns that it is to end.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine
from typing import Any

from collector import logs
from collector.lifeline import Lifeline

_log = logging.getLogger("kastana.ending")


async def until_told(lifeline: Lifeline | None = None) -> None:
    """
    Return when the process is asked to end, by SIGTERM or SIGINT.

    With a lifeline also when it is cut: a process is not left behind by the one that
    started it. SIGHUP, which reloads that one, is then none of its business.
    """
    loop = asyncio.get_running_loop()
    logs.watch(loop)
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if lifeline is None:
        await told.wait()
        return
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    cut = asyncio.create_task(_tell(lifeline, told))
    try:
        await told.wait()
    finally:
        cut.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cut


async def first_of(*several: Coroutine[Any, Any, None]) -> None:
    """Return when one of several is over, and leave none of the others behind."""
    tasks = [asyncio.ensure_future(one) for one in several]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _tell(lifeline: Lifeline, told: asyncio.Event) -> None:
    await lifeline.cut()
    _log.error("the process that started this one is gone; ending")
    told.set()
