"""
What a process does first, so that a crash leaves nobody's data behind.

A core file would hold all that was in memory: addresses, agents, bodies. The size of
one is limited to nothing; and since that limit does not hold for a handler that the
kernel pipes cores to (systemd, apport), the process is marked as not dumpable as well
(Linux), which also keeps other processes of the same user from reading its memory. The
mark does not survive the start of another program: each process calls this for itself.
See core(5), prctl(2).

Python's own crash report (`faulthandler`) shows files, lines and names of functions,
never values; it is left as the operator has it.
"""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4


class HardeningError(Exception):
    """The system refuses what keeps memory out of files."""


def keep_memory_private() -> None:
    """
    Forbid core files of this process; on Linux, reading its memory too.

    Raises:
        HardeningError: when the system refuses.

    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise HardeningError(f"prctl(PR_SET_DUMPABLE): {reason}")
