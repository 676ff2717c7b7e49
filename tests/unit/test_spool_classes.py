"""The spool's classes: who is told when, and what each survives."""

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline.spool_room
import pipeline.spool_writer
from pipeline.segment import make_folders, recover
from pipeline.spool import Limits, Spool, SpoolError
from schemas.settings import Durability
from tests.builders import consent_row, count_row, headers, row
from tests.spool_disk import (
    IDLE_S,
    Disk,
    disk_under_spool,
    segments,
    titles,
    wait_until,
)

LIMITS = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=1 << 30)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that tells on order."""
    with disk_under_spool() as disk:
        yield disk


async def append_until_refused(spool: Spool, durability: Durability) -> int:
    """Append events of 5 kB until there is no room; return how many there were."""
    for accepted in range(100):
        try:
            await spool.append([row(page_title="x" * 5000)], durability)
        except SpoolError as error:
            return accepted if error.full else -1
    message = "there is no bound"
    raise AssertionError(message)


async def test_write_does_not_wait_for_the_disk(tmp_path: Path, disk: Disk) -> None:
    """Of the class `write` rows are in the file when it is said, and not synced."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="a")], "write")

        assert ["a"] == titles(tmp_path, "open")
        assert "fdatasync" not in disk.calls


async def test_memory_does_not_wait(tmp_path: Path, disk: Disk) -> None:
    """Of the class `memory` the answer comes first, the line with the next group."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        held = asyncio.create_task(spool.append([row(page_title="a")]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        await spool.append([row(page_title="b")], "memory")

        assert ["a"] == titles(tmp_path, "open")

        disk.gate.set()
        await held

        assert await asyncio.to_thread(
            wait_until, lambda: titles(tmp_path, "open") == ["a", "b"]
        )
    assert 1 == disk.calls.count("fdatasync") - 1


async def test_one_group_of_all_classes(tmp_path: Path, disk: Disk) -> None:
    """Who needs no sync is told before it; one sync is for all of the group."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        classes: dict[str, Durability] = {"f": "fsync", "w": "write", "m": "memory"}
        tasks = {
            name: asyncio.create_task(spool.append([row(page_title=name)], durability))
            for name, durability in classes.items()
        }
        await asyncio.to_thread(disk.waiting.wait, 10)
        await asyncio.gather(tasks["w"], tasks["m"])

        assert not tasks["f"].done()

        disk.gate.set()
        await tasks["f"]

        assert 1 == disk.calls.count("fdatasync")
        assert ["m", "w", "f"] == titles(tmp_path, "open")


@pytest.mark.parametrize("durability", ["write", "memory"])
async def test_choices_are_always_synced(
    tmp_path: Path, disk: Disk, durability: Durability
) -> None:
    """A consent choice, and what comes with it, is synced whatever the class."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(), consent_row()], durability)

        assert ["fdatasync"] * 2 == [it for it in disk.calls if it == "fdatasync"]


@pytest.mark.parametrize("durability", ["write", "memory"])
async def test_sealed_is_synced(
    tmp_path: Path, disk: Disk, durability: Durability
) -> None:
    """No segment is handed over before it is on the disk."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row()], durability)
    renames = [it for it in disk.calls if it in ("fdatasync", "fsync")]

    # The folder of the new segment; its content; the folders it is moved between.
    assert ["fsync", "fdatasync", "fsync", "fsync"] == renames


async def test_a_failed_sync_keeps_what_was_said(tmp_path: Path, disk: Disk) -> None:
    """What `write` was told of stays when the sync of others fails; those are cut."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.fail("fdatasync")
        results = await asyncio.gather(
            spool.append([row(page_title="f")]),
            spool.append([row(page_title="w")], "write"),
            return_exceptions=True,
        )
        disk.errors.clear()
        (given_up,) = segments(tmp_path, "open")
        await spool.append([row(page_title="later")])

        assert isinstance(results[0], SpoolError)
        assert results[1] is None
        assert [given_up.name] == recover(tmp_path)
        assert ["w"] == titles(tmp_path, "sealed")
        assert ["later"] == titles(tmp_path, "open")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync", "open"])
async def test_any_error_any_call(
    tmp_path: Path, disk: Disk, call: str, number: int
) -> None:
    """Whatever fails: it is refused, nothing said is lost, and it goes on by itself."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="before")])
        disk.fail(call, number)
        for _ in range(3):
            with pytest.raises(SpoolError) as caught:
                await spool.append([count_row(), row(page_title="lost")])
            assert caught.value.full == (number in (errno.ENOSPC, errno.EDQUOT))
        disk.errors.clear()
        await spool.append([row(page_title="after")])
    recover(tmp_path)
    kept = titles(tmp_path, "sealed")

    # Where only the counter's new segment failed its event may have been kept.
    assert ["before", "after"] == [it for it in kept if it != "lost"]
    assert ("lost" in kept) <= (call in ("fsync", "open"))
    assert [] == segments(tmp_path, "open")


async def test_memory_is_tried_again(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were acknowledged from memory wait there for room on the disk."""
    monkeypatch.setattr(pipeline.spool_writer, "_AGAIN_S", 0.05)
    monkeypatch.setattr(pipeline.spool_room, "MEASURE_EVERY_S", 0.05)
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.fail("write", errno.ENOSPC)
        await spool.append([row(page_title="m")], "memory")
        with pytest.raises(SpoolError):
            await spool.append([row(page_title="w")], "write")

        assert [] == titles(tmp_path, "open", "sealed")

        disk.errors.clear()

        assert await asyncio.to_thread(
            wait_until, lambda: titles(tmp_path, "open") == ["m"]
        )
    assert ["m"] == titles(tmp_path, "sealed")
    assert 0 == spool.done.lost_rows


async def test_memory_that_a_stop_loses_is_said(tmp_path: Path, disk: Disk) -> None:
    """Rows that could not be written until the end are counted as lost."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.fail("write", errno.ENOSPC)
        await spool.append([row(), row()], "memory")

    assert 2 == spool.done.lost_rows


async def test_bound_is_not_overstepped(tmp_path: Path) -> None:
    """What would not fit is refused before anything of it is written."""
    limits = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=65_536)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        with pytest.raises(SpoolError, match="bound") as caught:
            await spool.append([row(page_title="x" * 70_000)])

        assert caught.value.full
        assert not spool.full
        assert [] == segments(tmp_path, "open")

        accepted = await append_until_refused(spool, "fsync")
        (path,) = segments(tmp_path, "open")
        assert accepted == len(titles(tmp_path, "open"))
        assert path.stat().st_size <= limits.max_bytes


async def test_disk_is_not_filled(tmp_path: Path) -> None:
    """Where the disk has less than is to be left free, appends are refused."""
    limits = Limits(1 << 24, IDLE_S, 1 << 30, free_bytes=1 << 60)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        with pytest.raises(SpoolError) as caught:
            await spool.append([row()])

        assert caught.value.full
        assert spool.full


async def test_memory_is_bounded(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk hangs rows wait in memory up to a bound, whatever the class."""
    monkeypatch.setattr(pipeline.spool_room, "MEMORY_BYTES", 30_000)
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        held = asyncio.create_task(spool.append([row()]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        accepted = await append_until_refused(spool, "memory")
        disk.gate.set()
        await held

        assert 3 <= accepted <= 5


async def test_what_others_write_counts_ahead(tmp_path: Path) -> None:
    """What another process wrote in the last second is expected of the next one."""
    make_folders(tmp_path)
    limits = Limits(1 << 24, IDLE_S, max_bytes=300_000)
    room = pipeline.spool_room.Room(tmp_path, limits)
    before = room.left(0)
    (tmp_path / "open" / "events-other.ndjson").write_bytes(bytes(100_000))
    room._measured -= 2
    room.measure()

    assert (300_000, 100_000) == (before, room.left(0))
