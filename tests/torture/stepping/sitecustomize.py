"""
Python looks for this module first of all: it lets the process's clock of day step.

The monotonic clock goes on as it is, as on a machine whose clock is set. (libfaketime
was tried: with the monotonic clock left alone `time.sleep` fails under it.)
"""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["TORTURE_CLOCK"])
_LOOK_S = 0.1
_real_ns = time.time_ns
_looked = -_LOOK_S
_off_ns = 0


def _time_ns() -> int:
    global _looked, _off_ns  # noqa: PLW0603 - a clock is one a process
    now = time.monotonic()
    if now >= _looked + _LOOK_S:
        _looked = now
        _off_ns = int(_FILE.read_text()) * 1_000_000_000
    return _real_ns() + _off_ns


def _time() -> float:
    return _time_ns() / 1e9


time.time_ns, time.time = _time_ns, _time
