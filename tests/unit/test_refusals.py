"""What a site's rate kept out is told to its owner."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from collector import refusals
from collector.limit import SiteRates
from collector.refusals import tell, telling
from collector.sites import Sites
from pipeline.spool import SpoolError
from schemas.row import CountRow
from schemas.settings import Settings


class Spool:
    """Keeps rows in a list, or refuses them."""

    def __init__(self) -> None:
        self.rows: list[CountRow] = []
        self.full = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def append(self, rows: Sequence[CountRow]) -> None:
        """Take rows, unless full."""
        await asyncio.sleep(0)
        if self.full:
            raise SpoolError("no room", full=True)
        self.rows += rows
        self.meanwhile()


def rates(tmp_path: Path) -> SiteRates:
    """Return rates that have refused three events of one site."""
    made = SiteRates(Settings(), Sites(tmp_path / "sites.toml", open_sites=False))
    made.refused["a.example"] = 3
    return made


async def test_numbers_wait_for_room(tmp_path: Path) -> None:
    """What a full spool does not take is told later; so is what comes meanwhile."""
    refused, spool = rates(tmp_path), Spool()
    spool.full = True
    await tell(refused, spool, "1")  # type: ignore[arg-type]
    refused.refused["a.example"] += 2
    spool.full = False
    spool.meanwhile = lambda: refused.refused.update({"a.example": 1})
    await tell(refused, spool, "1")  # type: ignore[arg-type]
    spool.meanwhile = lambda: None
    await tell(refused, spool, "1")  # type: ignore[arg-type]
    await tell(refused, spool, "1")  # type: ignore[arg-type]

    assert [("a.example", "rate_limited", 5), ("a.example", "rate_limited", 1)] == [
        (row.site, row.outcome, row.events) for row in spool.rows
    ]


async def test_numbers_are_told_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not wait for the end, and the end waits for them."""
    monkeypatch.setattr(refusals, "_EVERY_S", 0.01)
    refused, spool = rates(tmp_path), Spool()
    async with telling(refused, spool, "1"):  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        first = [row.events for row in spool.rows]
        monkeypatch.setattr(refusals, "_EVERY_S", 1000)
        await asyncio.sleep(0.05)
        refused.refused["b.example"] = 7

    assert [3] == first
    assert [3, 7] == [row.events for row in spool.rows]
