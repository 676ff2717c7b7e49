"""
Writing so that a crash at any moment leaves the old file or the new one.
"""

import os
import stat
from pathlib import Path


def write_all(descriptor: int, content: bytes) -> None:
    """Write everything, however often the system takes only a part."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_file(
    target: Path, content: bytes, draft: Path, *, like: os.stat_result | None = None
) -> None:
    """
    Give a file new content, readable by its owner alone.

    Args:
        target: the file, which need not exist.
        content: all of it.
        draft: where it is prepared; on the same file system.
        like: whose times the file gets, if not the present ones.

    Raises:
        OSError: when the disk fails; `target` is as it was, unless only the name's
            durability failed.

    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    try:
        # Whatever the umask is, and whoever made a draft of this name.
        os.fchmod(descriptor, 0o600)
        write_all(descriptor, content)
        if like is not None:
            os.utime(descriptor, ns=(like.st_atime_ns, like.st_mtime_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter, whatever the umask is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:  # noqa: PLR2004 - rwx------
        folder.chmod(0o700)
