"""
What the server library remembers of URLs, and shall not.

yarl keeps the last URLs that it made, 128 of each kind, and with them the queries of
requests: pages, visitors' tokens, consent strings. On a site where few come that is for
hours; here it is for a second, in which the few paths that all ask for are found there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from yarl import _parse, _url

from collector.beside import beside

_EVERY_S = 1.0
KEPT = [
    one
    for module in (_parse, _url)
    for one in vars(module).values()
    if hasattr(one, "cache_clear")
]


def forget_urls() -> None:
    """Empty all that yarl keeps of URLs and their parts."""
    for kept in KEPT:
        kept.cache_clear()


@contextlib.asynccontextmanager
async def forgetting(every_s: float = _EVERY_S) -> AsyncIterator[None]:
    """Forget URLs again and again while the context lasts, and at the end."""

    async def forget_for_ever() -> None:
        while True:
            await asyncio.sleep(every_s)
            forget_urls()

    try:
        async with beside(forget_for_ever()):
            yield
    finally:
        forget_urls()
