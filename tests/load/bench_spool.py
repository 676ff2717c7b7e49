"""
What the spool takes: events a second through `Spool.append`, by class, and its CPU.

    taskset -c 0 python -m tests.load.bench_spool [--callers 64] [--folder .]

Each caller appends one row, waits, and appends the next, as a connection does. The rows
are encoded each time. "keyed" is `fsync` with encryption. The folder decides what a
sync costs: it should be on the disk that the spool is to be on.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from pipeline.sealing import PLAIN, Sealing
from pipeline.spool import Limits, Spool
from schemas.settings import Durability
from tests.builders import headers, row

LIMITS = Limits(seal_bytes=1 << 24, seal_seconds=1.0, max_bytes=1 << 34)
KEYED = Sealing([bytes(range(32))])


async def measure(
    folder: Path, durability: Durability, sealing: Sealing, callers: int, seconds: float
) -> str:
    """Return a line of the table for one class."""
    event = row(page_title="A page of ordinary length", url_path="/a/path/of/a/page")
    took: list[float] = []
    async with Spool.running(folder, headers(), LIMITS, sealing) as spool:
        end = time.perf_counter() + seconds

        async def call() -> None:
            while (began := time.perf_counter()) < end:
                await spool.append([event], durability)
                took.append(time.perf_counter() - began)
                # Answering without waiting must not keep the loop from the others.
                await asyncio.sleep(0)

        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        wall = time.perf_counter() - wall
        groups = spool.done.groups
    cpu = time.process_time() - cpu
    cuts = statistics.quantiles(took, n=100)
    return (
        f"{len(took) / wall:>11,.0f} {cuts[49] * 1e3:>8.2f} {cuts[98] * 1e3:>8.2f}"
        f" {cpu / len(took) * 1e6:>12.1f} {len(took) / max(groups, 1):>13.1f}"
    )


def main() -> None:
    """Measure all classes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    print(f"{'class':8}   events/s   p50 ms   p99 ms   CPU us/event   events/group")
    classes: list[tuple[str, Durability, Sealing]] = [
        ("fsync", "fsync", PLAIN),
        ("keyed", "fsync", KEYED),
        ("write", "write", PLAIN),
        ("memory", "memory", PLAIN),
    ]
    for name, durability, sealing in classes:
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            line = uvloop.run(
                measure(folder, durability, sealing, options.callers, options.seconds)
            )
        finally:
            shutil.rmtree(folder)
        print(f"{name:8}{line}")


if __name__ == "__main__":
    main()
