"""
Torture: hundreds of rounds of load, each with something taken away.

    make torture ARGS='--minutes 30 --seed 7'
    python -m tests.torture --seed 7 --store server --scenario late_insert --rounds 20

Processes are killed and stopped at random moments, the store is cut off, hangs, errs,
forgets to answer and dies, the disk is full and read-only, tails of segments are torn,
the clock steps. After each round ids stored == ids acknowledged, each once, in the
table and in every rollup; counters, ledger and withdrawals hold. What was refused or
not answered may be there once or not at all.

Small disks need root; without, their scenarios are left out, and that is said. At the
first violation it stops, with exit code 1, and leaves the data folder.
"""

import argparse
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from tests.torture.disk import own_mounts
from tests.torture.driver import STORES, Plan, Run
from tests.torture.scenarios import SCENARIOS


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--minutes", type=float, default=10, help="[default: 10]")
    parser.add_argument("--rounds", type=int, default=0, help="at most so many")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--store", choices=STORES, help="only this one")
    parser.add_argument(
        "--scenario", choices=SCENARIOS, nargs="*", default=[], help="only these"
    )
    parser.add_argument("--folder", type=Path, help="where data folders are made")
    given = parser.parse_args()
    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mounts = own_mounts()
    if not mounts:
        names = [one.name for one in SCENARIOS.values() if one.needs == "disk"]
        print(f"left out, since nothing can be mounted: {', '.join(names)}")
    print(f"seed {given.seed}")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="kastana-torture-"))
    run = Run(
        Plan(
            folder=folder,
            seed=given.seed,
            rounds=given.rounds,
            minutes=given.minutes,
            stores=(given.store,) if given.store else STORES,
            scenarios=given.scenario,
            mounts=mounts,
        )
    )
    held = run.run()
    print("rounds:", ", ".join(f"{n} {name}" for name, n in sorted(run.times.items())))
    if held and not given.folder:
        folder.rmdir()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
