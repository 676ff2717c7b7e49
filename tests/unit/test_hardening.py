"""A crash leaves no memory behind."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import collector.hardening
from collector.hardening import HardeningError

PATTERN = Path("/proc/sys/kernel/core_pattern")

DIE = """
import os, resource, signal, sys
import ctypes
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if sys.argv[2] == "private":
    from collector.hardening import keep_memory_private
    keep_memory_private()
print(
    resource.getrlimit(resource.RLIMIT_CORE),
    ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    flush=True,
)
os.kill(os.getpid(), int(sys.argv[1]))
"""


def die(number: int, how: str, folder: Path) -> tuple[str, bool]:
    """Kill a process; return what it said of itself, and whether it left a core."""
    process = subprocess.Popen(
        [sys.executable, "-c", DIE, str(int(number)), how],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    said = process.stdout.read().strip()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()

    assert process.returncode == -number
    return said, os.WCOREDUMP(status)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_leaves_no_core(number: int, tmp_path: Path) -> None:
    """Killed as by a defect in native code, under a parent that allows cores."""
    said, dumped = die(number, "private", tmp_path)

    assert said == "(0, 0) 0"
    assert not dumped
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_CORE)[1] == 0
    or not PATTERN.exists()
    or PATTERN.read_text().startswith(("|", "/")),
    reason="no process writes a core into its folder here",
)
def test_without_it_a_crash_leaves_one(tmp_path: Path) -> None:
    """The test above proves something: the same death leaves a core otherwise."""
    said, dumped = die(signal.SIGSEGV, "open", tmp_path)

    assert said.endswith(" 1")
    assert dumped
    assert list(tmp_path.iterdir())


def test_a_refusal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system does not grant is said, not passed over."""

    class Refusing:
        def prctl(self, *_: int) -> int:
            return -1

    monkeypatch.setattr(collector.hardening.sys, "platform", "linux")
    monkeypatch.setattr(
        collector.hardening.resource, "setrlimit", lambda *_arguments: None
    )
    monkeypatch.setattr(
        collector.hardening.ctypes, "CDLL", lambda *_arguments, **_named: Refusing()
    )

    with pytest.raises(HardeningError, match="PR_SET_DUMPABLE"):
        collector.hardening.keep_memory_private()
