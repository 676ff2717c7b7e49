"""
How a running server stands: `server.json` in its data folder, for `kastana reload`.

The file is there while the server runs, and after it only if it was killed.
"""

from pathlib import Path

import msgspec

from collector.folder import write_private


class Standing(msgspec.Struct, frozen=True):
    """
    What a server says of itself.

    Attributes:
        pid: its process.
        reloads: how many reloads it has tried.
        problem: why the last of them changed nothing; empty when it worked.

    """

    pid: int
    reloads: int = 0
    problem: str = ""


def write_standing(path: Path, standing: Standing) -> None:
    """Say how the server stands; 0600."""
    draft = path.with_name(f".{path.name}")
    write_private(draft, msgspec.json.encode(standing).decode())
    draft.replace(path)


def read_standing(path: Path) -> Standing | None:
    """Return how the server stands, None when there is no word of any."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standing)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
