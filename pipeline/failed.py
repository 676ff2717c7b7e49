"""
Who may touch what lies in `failed/`: one process at a time.

The keeper takes withdrawn rows from there, an operator puts segments back or drops
them. The lock is on a file of its own beside the folders; whoever dies gives it up.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE_S = 5.0
_AGAIN_S = 0.02


@contextlib.contextmanager
def holding_failed(root: Path) -> Iterator[None]:
    """
    Hold `failed/` while the context lasts.

    Raises:
        TimeoutError: when another process did not let go within a few seconds.
        OSError: when the disk fails.

    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(root / "failed.lock", flags, 0o600)
    try:
        end = time.monotonic() + _PATIENCE_S
        while not _locked(descriptor):
            if time.monotonic() > end:
                message = "failed/ is held by another process"
                raise TimeoutError(message)
            time.sleep(_AGAIN_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
