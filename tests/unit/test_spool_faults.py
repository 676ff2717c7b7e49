"""The spool on a bad disk: what was acknowledged stays, the rest is not half there."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.segment import recover
from pipeline.spool import Limits, Spool, SpoolError
from tests.builders import count_row, headers, row
from tests.spool_disk import (
    IDLE_S,
    Disk,
    descriptors,
    disk_under_spool,
    segments,
    titles,
    wait_until,
)

LIMITS = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=1 << 30)
HEADER = len(headers()["events"])


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that can fail."""
    with disk_under_spool() as disk:
        yield disk


async def append_all(spool: Spool, names: str) -> tuple[list[str], list[str]]:
    """Append one event a name; return the acknowledged and the refused."""
    good: list[str] = []
    bad: list[str] = []
    for name in names:
        try:
            await spool.append([row(page_title=name)])
        except SpoolError:
            bad.append(name)
        else:
            good.append(name)
    return good, bad


# Room for nothing, part of a header, a header, parts of the lines that follow.
@pytest.mark.parametrize(
    "budget",
    [0, 1, HEADER - 1, HEADER, HEADER + 1, *range(HEADER + 100, HEADER + 1300, 70)],
)
async def test_disk_full_anywhere(tmp_path: Path, disk: Disk, budget: int) -> None:
    """Wherever the disk is full: the acknowledged are there, the refused are not."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.budget = budget
        good, bad = await append_all(spool, "abcdef")
        disk.budget = None
        more, none = await append_all(spool, "gh")
    recover(tmp_path)

    assert [] == none
    assert bad
    assert [*good, *more] == sorted(titles(tmp_path, "sealed"))
    assert [] == segments(tmp_path, "open")


@pytest.mark.parametrize("call", ["write", "fdatasync"])
async def test_io_error(tmp_path: Path, disk: Disk, call: str) -> None:
    """A write or sync that fails is not acknowledged and leaves nothing behind."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        good, _ = await append_all(spool, "ab")
        disk.fail(call)
        none, bad = await append_all(spool, "cd")
        disk.errors.clear()
        more, _ = await append_all(spool, "ef")
    recover(tmp_path)

    assert ([], ["c", "d"]) == (none, bad)
    assert [*good, *more] == titles(tmp_path, "sealed")


async def test_error_names_no_path(tmp_path: Path, disk: Disk) -> None:
    """The error is the disk's own word and nothing else."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.fail("write")

        with pytest.raises(SpoolError) as caught:
            await spool.append([row(page_title="canary")])

    assert "writing the spool failed: Input/output error" == str(caught.value)


async def test_cannot_even_be_cut(tmp_path: Path, disk: Disk) -> None:
    """A part of a line that could not be cut back is cut before it is loaded."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="a")])
        disk.budget = 50
        disk.fail("ftruncate")

        with pytest.raises(SpoolError):
            await spool.append([row(page_title="b")])

        disk.budget = None
        disk.errors.clear()
        await spool.append([row(page_title="c")])

        assert 1 == len(recover(tmp_path))
    assert ["a", "c"] == titles(tmp_path, "sealed")


async def test_the_file_of_an_error_is_left(tmp_path: Path, disk: Disk) -> None:
    """After an error nothing more is written to that file; its lock is given up."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="a")])
        (first,) = segments(tmp_path, "open")
        disk.fail("fdatasync")
        with pytest.raises(SpoolError):
            await spool.append([row(page_title="b")])
        disk.errors.clear()
        await spool.append([row(page_title="c")])

        assert 2 == len(segments(tmp_path, "open"))
        assert [first.name] == recover(tmp_path)
        assert ["c"] == titles(tmp_path, "open")


@pytest.mark.parametrize("call", ["write", "fsync"])
async def test_segment_that_cannot_be_made(
    tmp_path: Path, disk: Disk, call: str
) -> None:
    """A segment that cannot be begun leaves no file and no descriptor."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.fail(call)
        with pytest.raises(SpoolError) as caught:
            await spool.append([row()])
        before = descriptors()
        for _ in range(10):
            with pytest.raises(SpoolError):
                await spool.append([row()])

        assert caught.value.full is False
        assert before == descriptors()
        assert [] == segments(tmp_path, "open", "sealed")


async def test_one_table_fails(tmp_path: Path, disk: Disk) -> None:
    """Those whose rows are on disk are told so, whatever befell another table."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        first = asyncio.create_task(spool.append([row(page_title="a")]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        both = [
            asyncio.create_task(spool.append([row(page_title="b")])),
            asyncio.create_task(spool.append([count_row()])),
        ]
        await asyncio.sleep(0)
        # The events segment is open, one for counters is not and cannot be.
        disk.fail("fsync")
        disk.gate.set()
        await first
        results = await asyncio.gather(*both, return_exceptions=True)
        disk.errors.clear()

    assert [None, SpoolError] == [one and type(one) for one in results]
    assert ["a", "b"] == titles(tmp_path, "sealed")


async def test_seal_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A segment that cannot be handed over is safe: it is said, and made up for."""
    limits = Limits(seal_bytes=4096, seal_seconds=IDLE_S, max_bytes=1 << 30)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        (tmp_path / "sealed").rmdir()
        with caplog.at_level(logging.WARNING, "kastana.spool"):
            await spool.append([row(page_title="x" * 5000)])
            await asyncio.to_thread(wait_until, lambda: bool(caplog.text))

        assert "not sealed: No such file or directory" in caplog.text

        (tmp_path / "sealed").mkdir()

        assert 1 == len(recover(tmp_path))
    assert 1 == len(titles(tmp_path, "sealed"))


async def use_until_broken(root: Path, disk: Disk) -> None:
    """Run a spool into a defect; nobody may be left waiting."""
    async with Spool.running(root, headers(), LIMITS) as spool:
        disk.errors["fdatasync"] = ZeroDivisionError()
        tasks = [asyncio.create_task(spool.append([row()])) for _ in range(3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert [SpoolError] * 3 == [type(one) for one in results]
        with pytest.raises(SpoolError, match="not running"):
            await spool.append([row()])


async def test_nobody_waits_for_ever(tmp_path: Path, disk: Disk) -> None:
    """A defect ends the spool loudly; who waits or comes is refused."""
    with pytest.raises(ZeroDivisionError):
        await use_until_broken(tmp_path, disk)
