"""Looking again and again beside other work."""

import asyncio
import threading
from pathlib import Path

import pytest

from collector import metrics
from collector.watch import look_at_databases, settling, watching
from pipeline.location import Locator
from tests.unit.test_location_refresh import city, database


def shown() -> tuple[str, str]:
    """Return what the metric says of good and broken files."""
    lines = metrics.render().decode().splitlines()
    name = "kastana_geo_databases{state="
    found = {line[len(name) :] for line in lines if line.startswith(name)}
    return (
        next(line.split()[1] for line in found if line.startswith('"ok"')),
        next(line.split()[1] for line in found if line.startswith('"broken"')),
    )


async def reaches(calls: list[int], number: int) -> None:
    """Wait until there were so many calls."""
    async with asyncio.timeout(20):
        while len(calls) < number:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.001)


async def test_looks_until_the_context_ends() -> None:
    """It is called at once and again, on a thread of its own, and not afterwards."""
    threads: list[int] = []
    async with watching(lambda: threads.append(threading.get_ident()), 0.001):
        await reaches(threads, 3)
    seen = len(threads)
    await asyncio.sleep(0.02)

    assert seen == len(threads)
    assert threading.get_ident() not in threads


async def test_a_failure_is_counted_and_not_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What nobody expected is logged without its text, and it goes on."""
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ZeroDivisionError("of 203.0.113.7")

    async with watching(fail, 0.001):
        await reaches(calls, 3)

    assert "ZeroDivisionError" in caplog.text
    assert "203.0.113" not in caplog.text
    text = metrics.render().decode()
    assert 'kastana_failures_total{type="ZeroDivisionError"}' in text


async def test_what_was_noted_is_settled() -> None:
    """While it lasts now and then, and at the end at once."""
    line = 'kastana_requests_total{door="redirect",status="302"} '

    def found() -> float:
        return float(metrics.render().decode().partition(line)[2].split("\n")[0] or 0)

    async with settling(0.001):
        metrics.tally("kastana_requests_total", "redirect", "302")
        async with asyncio.timeout(20):
            while not found():  # noqa: ASYNC110 - another task counts
                await asyncio.sleep(0.001)
        between = found()
    async with settling(3600):
        metrics.tally("kastana_requests_total", "redirect", "302")

    assert found() == between + 1


async def test_the_context_ends_with_its_error() -> None:
    """An error inside is not covered by what goes on beside it."""
    with pytest.raises(KeyError):
        async with watching(lambda: None, 0.001):
            raise KeyError


def test_databases_are_shown(tmp_path: Path) -> None:
    """What changed is in use after a look, and how the files are is a metric."""
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path, tmp_path / "missing.mmdb"])
    look_at_databases(locator)
    assert ("1.0", "1.0") == shown()

    database(path, "Hamburg")
    database(tmp_path / "missing.mmdb", "Berlin")
    look_at_databases(locator)
    assert ("2.0", "0.0") == shown()
    assert city(locator) == "Hamburg"
