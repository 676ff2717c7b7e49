"""The spool: safe before it says so, in groups, in segments, within a bound."""

import asyncio
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import pipeline.spool_room
from pipeline.segment import make_folders, recover, replace_segment
from pipeline.spool import Limits, Spool, SpoolError
from schemas.row import CountRow
from tests.builders import consent_row, count_row, headers, row
from tests.spool_disk import (
    IDLE_S,
    Disk,
    disk_under_spool,
    rows_in,
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


async def test_durable_before_append_returns(tmp_path: Path, disk: Disk) -> None:
    """While the sync is not done nobody is told that anything is safe."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        waiter = asyncio.create_task(spool.append([row(page_title="a")]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        await asyncio.sleep(0.05)

        assert not waiter.done()
        assert ["a"] == titles(tmp_path, "open")

        disk.gate.set()
        await waiter

        assert ["write", "fdatasync"] == disk.calls[-2:]


async def test_every_append_is_synced(tmp_path: Path, disk: Disk) -> None:
    """One after the other, each append has a sync of its own after its write."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        for number in range(5):
            disk.calls.clear()
            await spool.append([row(page_title=str(number))])

            assert ["write", "fdatasync"] == disk.calls[-2:]
            assert str(number) == titles(tmp_path, "open")[-1]


async def test_new_segment_is_in_its_folder(tmp_path: Path, disk: Disk) -> None:
    """A segment's name is as durable as its lines: the folder is synced first."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row()])

    assert ["open", "write", "fsync", "write", "fdatasync"] == disk.calls[:5]


async def test_group_commit(tmp_path: Path, disk: Disk) -> None:
    """What arrives during a sync shares the next one."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        tasks = [
            asyncio.create_task(spool.append([row(page_title=str(number))]))
            for number in range(100)
        ]
        await asyncio.to_thread(disk.waiting.wait, 10)
        await asyncio.sleep(0)
        disk.gate.set()
        await asyncio.gather(*tasks)

        assert disk.calls.count("fdatasync") <= 2
        assert [str(number) for number in range(100)] == titles(tmp_path, "open")


async def test_event_loop_is_free(tmp_path: Path, disk: Disk) -> None:
    """A slow disk does not stop the loop."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        waiter = asyncio.create_task(spool.append([row()]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        ticks = 0
        while ticks < 20:
            await asyncio.sleep(0)
            ticks += 1
        disk.gate.set()
        await waiter

    assert 20 == ticks


async def test_segment_form(tmp_path: Path) -> None:
    """A segment is two header lines, then a line a row; its name is its token."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="ü\n\u2028"), count_row(events=7)])
    counts, events = segments(tmp_path, "sealed")

    assert re.fullmatch(r"events-[0-9a-f]{8}-[0-9a-f-]{27}\.ndjson", events.name)
    assert re.fullmatch(r"counts-[0-9a-f]{8}-[0-9a-f-]{27}\.ndjson", counts.name)
    assert events.read_bytes().startswith(headers()["events"])
    assert counts.read_bytes().startswith(headers()["counts"])
    assert ["ü\n\u2028"] == titles(tmp_path, "sealed")
    assert 7 == rows_in(counts)[0][-1]
    assert [3, 3] == [path.read_bytes().count(b"\n") for path in (events, counts)]


async def test_ledger_segment(tmp_path: Path) -> None:
    """Consent choices have a segment of their own, with what the edge knows."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([consent_row(), row(), consent_row(notice="n")])
    consents, events = segments(tmp_path, "sealed")

    assert re.fullmatch(r"consents-[0-9a-f-]{36}\.ndjson", consents.name)
    assert consents.read_bytes().startswith(headers()["consents"])
    assert [
        list(msgspec.structs.astuple(consent_row(notice=name))) for name in ("", "n")
    ] == rows_in(consents)
    assert 1 == len(rows_in(events))


async def test_ledger_is_durable(tmp_path: Path, disk: Disk) -> None:
    """A consent choice is synced before anyone is told that it is safe."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([consent_row()])

        assert ["write", "fdatasync"] == disk.calls[-2:]


async def test_equal_counters_become_one_line(tmp_path: Path, disk: Disk) -> None:
    """Counters of a group that differ only in their number are added."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        tasks = [
            asyncio.create_task(spool.append([count_row(url_path=path)] * 3))
            for path in ("/a", "/b", "/a", "/a")
        ]
        await asyncio.sleep(0.05)
        disk.gate.set()
        await asyncio.gather(*tasks)
    place = CountRow.__struct_fields__.index("url_path")
    counted = [
        (line[place], line[-1]) for line in rows_in(*segments(tmp_path, "sealed"))
    ]

    assert {"/a": 9, "/b": 3} == {
        path: sum(number for name, number in counted if name == path)
        for path in ("/a", "/b")
    }
    assert len(counted) <= 3


async def test_sealed_by_size(tmp_path: Path) -> None:
    """A segment that is large enough is handed over; the next row opens another."""
    limits = Limits(seal_bytes=4096, seal_seconds=IDLE_S, max_bytes=1 << 30)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        await spool.append([row(page_title="x" * 4000)])

        assert await asyncio.to_thread(
            wait_until, lambda: len(segments(tmp_path, "sealed")) == 1
        )
        assert [] == segments(tmp_path, "open")

        await spool.append([row(page_title="y")])

        assert ["y"] == [title[0] for title in titles(tmp_path, "sealed", "open")[1:]]


async def test_sealed_by_age(tmp_path: Path) -> None:
    """A segment that is old enough is handed over without another row."""
    limits = Limits(seal_bytes=1 << 24, seal_seconds=0.1, max_bytes=1 << 30)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        await spool.append([row(), count_row()])

        assert await asyncio.to_thread(
            wait_until, lambda: len(segments(tmp_path, "sealed")) == 2
        )
        assert [] == segments(tmp_path, "open")


async def test_sealed_at_the_end(tmp_path: Path) -> None:
    """Leaving seals everything; later appends are refused, not lost."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="a"), count_row()])
        late = asyncio.create_task(spool.append([row(page_title="b")]))
        await asyncio.sleep(0)
    await late

    assert ["a", "b"] == titles(tmp_path, "sealed")
    assert [] == segments(tmp_path, "open")
    with pytest.raises(SpoolError, match="not running") as caught:
        await spool.append([row()])
    assert caught.value.full is False


@pytest.mark.parametrize("umask", [0, 0o277, 0o777])
async def test_private(tmp_path: Path, umask: int) -> None:
    """Files are 0600 and folders 0700, whatever the umask."""
    old = os.umask(umask)
    try:
        root = tmp_path / "spool"
        async with Spool.running(root, headers(), LIMITS) as spool:
            await spool.append([row(), count_row()])
        (path, _) = segments(root, "sealed")
        replace_segment(path, path.read_bytes())
    finally:
        os.umask(old)
    modes = {
        path.relative_to(root).parts[0]: stat.S_IMODE(path.stat().st_mode)
        for path in root.iterdir()
    }

    assert dict.fromkeys(("open", "sealed", "loaded", "failed"), 0o700) == modes
    assert {0o600} == {
        stat.S_IMODE(path.stat().st_mode) for path in segments(root, "sealed")
    }


async def test_a_caller_that_goes_away(tmp_path: Path, disk: Disk) -> None:
    """Who does not wait any more takes nothing from those who do."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        disk.gate.clear()
        tasks = [
            asyncio.create_task(spool.append([row(page_title=name)])) for name in "abc"
        ]
        await asyncio.to_thread(disk.waiting.wait, 10)
        tasks[0].cancel()
        tasks[1].cancel()
        disk.gate.set()
        await tasks[2]

    assert "c" in titles(tmp_path, "sealed")


async def test_nothing_to_append(tmp_path: Path) -> None:
    """No rows make no segment."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([])

    assert [] == segments(tmp_path, "open", "sealed")


async def test_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound appends are refused; what is there stays; room opens it again."""
    monkeypatch.setattr(pipeline.spool_room, "MEASURE_EVERY_S", 0.05)
    limits = Limits(seal_bytes=4096, seal_seconds=IDLE_S, max_bytes=20_000)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        accepted = 0
        while not spool.full:
            await spool.append([row(page_title="x" * 5000)])
            accepted += 1
        with pytest.raises(SpoolError, match="bound") as caught:
            await spool.append([row()])

        assert caught.value.full is True
        assert accepted < 5
        assert await asyncio.to_thread(
            wait_until, lambda: len(titles(tmp_path, "sealed")) == accepted
        )

        # Loaded segments do not wait any more.
        for path in segments(tmp_path, "sealed"):
            path.rename(tmp_path / "loaded" / path.name)

        assert await asyncio.to_thread(wait_until, lambda: not spool.full)

        await spool.append([row(page_title="again")])

    assert ["again"] == titles(tmp_path, "sealed")


async def test_what_waits_in_memory_counts(tmp_path: Path, disk: Disk) -> None:
    """Rows that wait for a slow disk are bounded like those on it."""
    limits = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=50_000)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        disk.gate.clear()
        tasks = [
            asyncio.create_task(spool.append([row(page_title="x" * 10_000)]))
            for _ in range(20)
        ]
        await asyncio.to_thread(disk.waiting.wait, 10)
        await asyncio.sleep(0)
        disk.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [one for one in results if isinstance(one, SpoolError) and one.full]

        assert 20 - len(refused) == len(titles(tmp_path, "open"))
        assert 4 <= 20 - len(refused) <= 5


async def test_what_others_left_counts(tmp_path: Path) -> None:
    """What waits from before a start is part of the bound."""
    make_folders(tmp_path)
    (tmp_path / "sealed" / "events-old.ndjson").write_bytes(b"x" * 70_000)
    limits = Limits(seal_bytes=4096, seal_seconds=IDLE_S, max_bytes=65_536)
    async with Spool.running(tmp_path, headers(), limits) as spool:
        with pytest.raises(SpoolError) as caught:
            await spool.append([row()])

    assert caught.value.full is True


async def test_recover_leaves_a_running_spool_alone(tmp_path: Path) -> None:
    """A segment that has a writer is not taken from it."""
    async with Spool.running(tmp_path, headers(), LIMITS) as spool:
        await spool.append([row(page_title="a")])

        assert [] == recover(tmp_path)

        await spool.append([row(page_title="b")])

        assert ["a", "b"] == titles(tmp_path, "open")
    assert [] == recover(tmp_path)
    assert ["a", "b"] == titles(tmp_path, "sealed")


async def test_several_spools_in_one_folder(tmp_path: Path) -> None:
    """Each process has segments of its own; together nothing is lost."""
    async with (
        Spool.running(tmp_path, headers(), LIMITS) as one,
        Spool.running(tmp_path, headers(), LIMITS) as other,
    ):
        await asyncio.gather(
            *(
                spool.append([row(page_title=f"{name}{number}")])
                for number in range(20)
                for name, spool in (("a", one), ("b", other))
            )
        )

        assert 2 == len(segments(tmp_path, "open"))

    assert 40 == len(set(titles(tmp_path, "sealed")))


async def test_a_defect_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the thread dies of a defect nobody waits for it, and its owner is told."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def use() -> None:
        async with Spool.running(tmp_path, headers(), LIMITS) as spool:
            with pytest.raises(SpoolError, match="stopped"):
                await spool.append([row()])
            await spool.broken()
            with pytest.raises(SpoolError, match="not running"):
                await spool.append([row()])

    monkeypatch.setattr("pipeline.spool_writer.Writer.commit", fail)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(use(), 10)
