"""A keeper that is killed anywhere leaves rollups that the next one makes whole."""

import ast
import random
import subprocess
import sys
import threading
from pathlib import Path

from tests.builders import ROOT
from tests.rollup_child import events_of
from tests.rollup_stage import totals_of

_SEED = 5
_ROUNDS = 2


def run(folder: Path, first: int, last: int, after_s: float | None) -> list[str]:
    """Let a process load segments, kill it so long after it began; what it said."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.rollup_child",
            str(folder),
            *map(str, (first, last)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert child.stdout is not None
    said = []
    with child, child.stdout as lines:
        for line in lines:
            said.append(line.strip())
            if after_s is not None and line.startswith("unmarked"):
                threading.Timer(after_s, child.kill).start()
    return said


def rounds(folder: Path, number: int, seed: int) -> list[str]:
    """Kill so many processes, then let one end; return all that was said."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    said, first = list[str](), 0
    for _ in range(number):
        said += run(folder, first, first + 1000, chance.uniform(0, 0.6))
        # What was not said to be taken is loaded again, as the spool would.
        first = 1 + max([-1, *(int(it[5:]) for it in said if it.startswith("took"))])
    said += run(folder, first, first + 2, None)
    taken = {int(it[5:]) for it in said if it.startswith("took")}
    assert set(range(first + 2)) == taken
    events = {it.number: it for segment in sorted(taken) for it in events_of(segment)}
    assert "drift 0" == said[-2]
    assert totals_of(events) == ast.literal_eval(said[-1].removeprefix("totals "))
    return said


def test_killed(tmp_path: Path) -> None:
    """Every event that was taken is in the totals once, after kill -9 at any moment."""
    rounds(tmp_path, _ROUNDS, _SEED)
