"""
A number that all processes on one data folder see change: "there is something new".

To ask a file for its state is a system call, a tenth of what an event costs. A page of
memory that is shared by way of a small file can be read without one, and a change is
there for everyone as soon as it is made.

Nothing but a count is in the file. Where it is lost or replaced under running processes
they hear nothing more, so whoever listens has to look for himself now and then.
"""

import mmap
import os
from pathlib import Path
from typing import Final

_BYTES: Final = 8


class Beat:
    """One process's view of the number; whoever changes it must hold a lock."""

    def __init__(self, path: Path) -> None:
        """
        Map the file, which is made (mode 0600) where there is none.

        Raises:
            OSError: when it cannot be made or mapped.

        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _BYTES:
                # Longer, never shorter: others may have mapped it.
                os.ftruncate(descriptor, _BYTES)
            self._map = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)

    def count(self) -> bytes:
        """Return the number as it is now; only good to be compared."""
        return self._map[:]

    def advance(self) -> None:
        """Let everyone know that there is something new."""
        number = int.from_bytes(self._map[:], "little") + 1
        self._map[:] = (number % (1 << 8 * _BYTES)).to_bytes(_BYTES, "little")

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()
