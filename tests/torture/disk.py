"""A small disk for the spool, which can be full and read-only; needs to be root."""

import ctypes
import errno
import shutil
import subprocess
import time
from pathlib import Path

SIZE = 24 << 20
_BLOCK = 65_536
_GONE_S = 20.0
_NEW_MOUNTS = 0x00020000


def own_mounts() -> bool:
    """Give this process mounts of its own, gone when it ends; return if it may."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) != 0:
        return False
    done = subprocess.run(
        ["mount", "--make-rprivate", "/"], capture_output=True, check=False
    )
    return done.returncode == 0


class SmallDisk:
    """A tmpfs on a folder."""

    def __init__(self, folder: Path) -> None:
        """Mount it; the folder is made."""
        self.folder = folder
        folder.mkdir(parents=True, mode=0o700)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", folder],
            check=True,
        )

    def fill(self, left: int) -> None:
        """Fill it, but for some bytes, while others write."""
        block = bytes(_BLOCK)
        with (self.folder / "filler").open("wb", buffering=0) as file:
            try:
                while file.write(block) == _BLOCK:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            file.truncate(max(0, file.tell() - left))

    def empty(self) -> None:
        """Take away what filled it."""
        (self.folder / "filler").unlink(missing_ok=True)

    def make_writable(self, *, writable: bool) -> None:
        """
        Let nobody write, or everybody.

        Those who had files open for writing are dead, but perhaps not quite gone.
        """
        command = ["mount", "-o", f"remount,{'rw' if writable else 'ro'}", self.folder]
        end = time.monotonic() + _GONE_S
        while subprocess.run(command, capture_output=True, check=False).returncode:
            if time.monotonic() > end:
                raise TimeoutError("the small disk cannot be mounted anew")
            time.sleep(0.1)

    def leave_copy(self, target: Path) -> None:
        """Copy what is on it to where it can be looked at later."""
        shutil.copytree(self.folder, target)

    def end(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "--lazy", self.folder], check=True)
