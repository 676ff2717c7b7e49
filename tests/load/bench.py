"""
What this machine gives, side by side in one run: nginx, bare aiohttp, and Kastana.

    python -m tests.load.bench [--quick] [--only PART …] [--json FILE] [--html FILE]

The server has one core, the load the other; rounds go A B C A B C, so that noise hits
all alike; medians with the lowest and the highest. The requests are those of many
visitors, as the tracker sends them through a proxy, with consent. No limit of ours is
met, all of them are kept account of. wrk is a closed loop: its p99 is queueing; the
open loop charges what was due while the server was busy.

What is missing is named, the rest goes on, and the exit code is 1. Absolute numbers are
this machine's; ratios travel better. Other load on the machine makes all of it
worthless.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pipeline.clock import now_ms, time_text
from tests.load.measure_backlog import backlog
from tests.load.measure_memory import memory
from tests.load.measure_requests import SHARES, Place, Plan, throughput
from tests.load.report import page, table
from tests.load.results import Results
from tests.load.serving import ROOT, MissingError, two_cores

QUICK = Plan(rounds=2, seconds=2, open_seconds=2, visitors=10_000)
FULL = Plan(rounds=5, seconds=5, open_seconds=8, visitors=20_000)
_LOADER_S = 240


class Bench:
    """One run; each part writes into `found`."""

    def __init__(self, options: argparse.Namespace, place: Place) -> None:
        """Take the options of the command line."""
        self._options = options
        self._place = place
        self._plan = QUICK if options.quick else FULL
        self.found = Results(
            machine=_machine(),
            started=time_text(now_ms()),
            commit=_commit(),
            quick=options.quick,
        )

    def run(self, names: list[str]) -> None:
        """Run parts; a part that cannot be run is told of."""
        for name in names:
            begun = time.monotonic()
            _tell(f"{name} …")
            try:
                PARTS[name](self)
            except MissingError as error:
                self.found.notes.append(f"{name}: {error}")
                _tell(f"{name}: {error}")
            _tell(f"{name}: {time.monotonic() - begun:.0f} s")

    def requests(self) -> None:
        """Requests a second, and latencies below that."""
        throughput(self._place, self._plan, self.found)

    def memory(self) -> None:
        """Memory of an edge over time."""
        minutes = self._options.minutes or (0.1 if self._options.quick else 2.0)
        self.found.memory = memory(self._place, minutes, self._plan.visitors)

    def backlog(self) -> None:
        """The keeper's return to a backlog, and bytes on disk."""
        rows = self._options.rows or (20_000 if self._options.quick else 1_000_000)
        ours = [one for one in self.found.throughput if one.name.endswith("t, fsync")]
        rate = ours[0].rate.median * SHARES[0] if ours else None
        self.found.backlog = backlog(self._place, rows, rate, self._plan.open_seconds)

    def loader(self) -> None:
        """Rows a second of the loader alone, on one core."""
        command = [sys.executable, "-m", "tests.load.bench_load"]
        if self._options.quick:
            command += ["--segments", "2", "--rows", "50000"]
        core = self._place.other
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            check=False,
            text=True,
            timeout=_LOADER_S,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        if done.returncode:
            raise MissingError(done.stderr.strip()[-500:])
        self.found.loader = done.stdout


PARTS: dict[str, Callable[[Bench], None]] = {
    "requests": Bench.requests,
    "memory": Bench.memory,
    "backlog": Bench.backlog,
    "loader": Bench.loader,
}


def main() -> None:
    """Run the bench."""
    options = _options()
    # The servers are stopped and the folder is removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        core, other = two_cores()
        with tempfile.TemporaryDirectory(
            prefix="kastana-bench-", dir=options.folder
        ) as root:
            place = Place(Path(root), core, other, options.geo)
            bench = Bench(options, place)
            bench.run(options.only or list(PARTS))
    except MissingError as error:
        sys.exit(str(error))
    print(table(bench.found))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(bench.found)))
    options.html.write_text(page(bench.found), encoding="utf-8")
    print(f"\n{options.json}\n{options.html}")
    if bench.found.notes:
        sys.exit(1)


def _options() -> argparse.Namespace:
    folder = Path(tempfile.gettempdir())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="two or three minutes, rough"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, help="not everything")
    parser.add_argument("--minutes", type=float, help="of load for the memory's curve")
    parser.add_argument(
        "--rows",
        type=int,
        help="of the backlog; [1000000, an hour of 278 events a second]",
    )
    parser.add_argument("--geo", type=Path, default=Path("data/geo"))
    parser.add_argument(
        "--folder", type=Path, help="on the disk that is measured; a temporary one"
    )
    parser.add_argument("--json", type=Path, default=folder / "kastana-bench.json")
    parser.add_argument("--html", type=Path, default=folder / "kastana-bench.html")
    return parser.parse_args()


def _machine() -> str:
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    return done.stdout.strip() or "no commit"


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
