"""A few rounds of torture, always the same; `make torture` does hundreds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUNDS = ("lose_and_kill", "kill_both", "late_insert", "torn_tails")


@pytest.mark.timeout(330)
def test_a_few_rounds_of_torture(tmp_path: Path) -> None:
    """Killed, cut off, stopped: what was acknowledged is there, each once."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.torture", "--folder", tmp_path),
            *("--seed", "1", "--store", "server", "--rounds", str(len(ROUNDS))),
            *("--scenario", *ROUNDS),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert len(ROUNDS) == done.stdout.count("held\n")
