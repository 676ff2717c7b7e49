"""Work beside other work: it ends with it, and its failure is not lost, nor fatal."""

import asyncio

import pytest

from collector import metrics
from collector.beside import beside


async def for_ever(seen: list[str]) -> None:
    """Go on until told to end."""
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("ended")


async def fail() -> None:
    """Fail at once, with words that are nobody's business."""
    raise ZeroDivisionError("of 203.0.113.7")


async def test_it_ends_with_the_context() -> None:
    """Nothing is left running."""
    seen: list[str] = []
    async with beside(for_ever(seen)):
        await asyncio.sleep(0)
        assert seen == []

    assert seen == ["ended"]


async def test_an_error_of_the_context_is_its_own() -> None:
    """What fails inside comes out, and the work beside it ends."""
    seen: list[str] = []

    async def use() -> None:
        async with beside(for_ever(seen)):
            await asyncio.sleep(0)
            raise KeyError

    with pytest.raises(KeyError):
        await use()

    assert seen == ["ended"]


async def test_a_failure_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """A defect is logged without its text and counted; the other work goes on."""
    async with beside(fail()):
        await asyncio.sleep(0.01)
        told = caplog.text

    assert "ZeroDivisionError" in told
    assert "203.0.113" not in told
    text = metrics.render().decode()
    assert 'kastana_failures_total{type="ZeroDivisionError"}' in text
