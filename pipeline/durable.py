"""
Writing so that a crash at any moment leaves the old file or the new one.
"""

import os
from pathlib import Path

from pipeline.segment import sync_folder


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
        write_all(descriptor, content)
        if like is not None:
            os.utime(descriptor, ns=(like.st_atime_ns, like.st_mtime_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(target)
    sync_folder(target.parent)
