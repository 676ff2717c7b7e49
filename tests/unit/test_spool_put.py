"""Rows handed to the spool without waiting: who is told, when, and how often."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pipeline.spool import Limits, Spool, SpoolError
from pipeline.spool_writer import Writer
from tests.builders import count_row, headers, row
from tests.spool_disk import IDLE_S, Disk, disk_under_spool, titles

Run = Callable[[Coroutine[Any, Any, None]], None]
LIMITS = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=1 << 30)
loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that can wait and fail."""
    with disk_under_spool() as disk:
        yield disk


@loops
def test_told_when_it_is_there(tmp_path: Path, disk: Disk, run: Run) -> None:
    """Each is told once, in order, and not before the disk has said so."""
    told: list[tuple[str, SpoolError | None]] = []

    async def main() -> None:
        async with Spool.running(tmp_path, headers(), LIMITS) as spool:
            disk.gate.clear()
            for name in "abc":
                spool.put(
                    [row(page_title=name)],
                    "fsync",
                    lambda problem, name=name: told.append((name, problem)),
                )
            await asyncio.to_thread(disk.waiting.wait, 10)
            before = list(told)
            disk.gate.set()
            await spool.append([row(page_title="d")])

            assert before == []
            assert told == [("a", None), ("b", None), ("c", None)]
            assert titles(tmp_path, "open") == ["a", "b", "c", "d"]
        assert len(told) == 3

    run(main())


@loops
def test_at_rest_when_nothing_is_on_its_way(
    tmp_path: Path, disk: Disk, run: Run
) -> None:
    """Busy from the first row until the last is told of, whatever their class."""
    seen: list[str] = []

    async def main() -> None:
        async with Spool.running(tmp_path, headers(), LIMITS) as spool:
            rest = asyncio.Event()

            def at_rest() -> None:
                seen.append(f"at rest {spool.busy}")
                rest.set()

            spool.at_rest(at_rest)
            disk.gate.clear()
            before = spool.busy
            spool.put([row()], "fsync", lambda _: seen.append("fsync"))
            await asyncio.to_thread(disk.waiting.wait, 10)
            spool.put([row()], "memory", lambda _: seen.append("memory"))
            spool.put([row()], "write", lambda _: seen.append("write"))
            during = spool.busy
            disk.gate.set()
            await asyncio.wait_for(rest.wait(), 10)

            assert (before, during) == (False, True)
            assert seen == ["memory", "fsync", "write", "at rest False"]

    run(main())


@loops
def test_at_once_where_nothing_is_waited_for(tmp_path: Path, run: Run) -> None:
    """Of the class `memory`, and without rows, the answer is there on return."""
    told: list[SpoolError | None] = []

    async def main() -> None:
        async with Spool.running(tmp_path, headers(), LIMITS) as spool:
            spool.put([row(page_title="a")], "memory", told.append)
            spool.put([], "fsync", told.append)

            assert told == [None, None]
        assert told == [None, None]
        assert titles(tmp_path, "sealed") == ["a"]

    run(main())


@loops
def test_refused_is_an_error_not_an_answer(tmp_path: Path, run: Run) -> None:
    """Without room, or after the end, it is raised; nobody is told besides."""
    told: list[SpoolError | None] = []

    async def main() -> None:
        small = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=1)
        async with Spool.running(tmp_path, headers(), small) as spool:
            with pytest.raises(SpoolError) as refused:
                spool.put([row()], "fsync", told.append)
            assert refused.value.full
        with pytest.raises(SpoolError):
            spool.put([row()], "fsync", told.append)
        assert told == []

    run(main())


@loops
def test_each_is_told_of_its_own_table(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one group, whose table failed is told so; the others are safe."""
    told: dict[str, SpoolError | None] = {}
    real = Writer._append

    def failing(self: Writer, table: str, lines: bytes, *, sync: bool) -> None:
        if table == "counts":
            raise OSError(28, "full")
        real(self, table, lines, sync=sync)

    monkeypatch.setattr(Writer, "_append", failing)

    async def main() -> None:
        async with Spool.running(tmp_path, headers(), LIMITS) as spool:
            cases = {"event": [row()], "count": [count_row()]}
            for name, rows in cases.items():
                spool.put(
                    rows,
                    "fsync",
                    lambda problem, name=name: told.update({name: problem}),
                )
        assert told["event"] is None
        assert told["count"] is not None
        assert told["count"].full

    run(main())


@loops
def test_told_once_though_the_thread_dies(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was told already is not told again; who was not, is told the end."""
    told: dict[str, list[SpoolError | None]] = {"write": [], "fsync": []}
    real = Writer._put

    def dying(self: Writer, content: Any, *, sync: bool) -> Any:
        if sync:
            raise ZeroDivisionError
        return real(self, content, sync=sync)

    monkeypatch.setattr(Writer, "_put", dying)

    async def main() -> None:
        async with Spool.running(tmp_path, headers(), LIMITS) as spool:
            spool.put([row()], "write", told["write"].append)
            spool.put([row()], "fsync", told["fsync"].append)
            await asyncio.sleep(0.2)

    with pytest.raises(ZeroDivisionError):
        run(main())

    (end,) = told["fsync"]
    assert told["write"] == [None]
    assert end is not None
    assert not end.full
