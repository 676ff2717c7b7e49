"""What ends a process: the first of several reasons."""

import asyncio

import pytest

from collector.ending import first_of


async def never(seen: list[str]) -> None:
    """Wait for ever, and note that it was ended."""
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("ended")


async def soon() -> None:
    """Be over at the next round."""
    await asyncio.sleep(0)


async def fails() -> None:
    """Be over with an error."""
    raise ZeroDivisionError


async def test_the_first_ends_all() -> None:
    """When one is over the others are not left behind."""
    seen: list[str] = []
    await first_of(never(seen), soon(), never(seen))

    assert seen == ["ended", "ended"]


async def test_an_error_is_not_lost() -> None:
    """The one that failed says so."""
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await first_of(never(seen), fails())

    assert seen == ["ended"]


async def test_ended_from_outside() -> None:
    """Who waits may be told to stop; then nothing runs on."""
    seen: list[str] = []
    task = asyncio.create_task(first_of(never(seen)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert seen == ["ended"]
