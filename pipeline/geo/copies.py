"""
Copies of database files, to be mapped into memory.

A mapped file that someone cuts or overwrites in place ends the process that reads it
(SIGBUS). So what is mapped is a copy of our own, one for all processes of a data
folder, named after the state of the original: never changed, only replaced by the next.
"""

import glob
import secrets
import shutil
from pathlib import Path


def stable_copy(path: Path, folder: Path) -> Path:
    """
    Return a copy of a file as it is now, made if there is none; older ones go.

    Args:
        path: the original.
        folder: where copies are; made if it is not there.

    Raises:
        OSError: when it cannot be read or copied, or was written to meanwhile.

    """
    state = _state(path)
    target = folder / f"{path.stem}-{state}.mmdb"
    if not target.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        draft = folder / f".{secrets.token_hex(8)}.draft"
        try:
            shutil.copyfile(path, draft)
            if _state(path) != state:
                message = "it was written to while it was read"
                raise OSError(message)
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)
    if _state(path) != state:
        # Another process may have copied the next state by now: that one stays.
        return target
    # Whoever has an older one open keeps it until it is closed.
    for other in folder.glob(f"{glob.escape(path.stem)}-*.mmdb"):
        if other != target and other.stem.count("-") == target.stem.count("-"):
            other.unlink(missing_ok=True)
    return target


def _state(path: Path) -> str:
    now = path.stat()
    return f"{now.st_dev:x}.{now.st_ino:x}.{now.st_size:x}.{now.st_mtime_ns:x}"
