"""The data folder: private, and the same secret for all who ask."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from collector.folder import Folder, FolderError, KeeperAddress, write_private
from tests.builders import ROOT


def mode(path: Path) -> int:
    """Return the permissions of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def test_private(tmp_path: Path) -> None:
    """The folder and all that is made in it belong to their owner alone."""
    old = os.umask(0)
    try:
        folder = Folder(tmp_path / "data")
        folder.secret("link.key")
        folder.write_keeper(KeeperAddress("http://127.0.0.1:8001", "", 1))
    finally:
        os.umask(old)
    folders = [folder.root, *(path for path in folder.root.iterdir() if path.is_dir())]

    assert {0o700} == {mode(path) for path in folders}
    assert {0o600} == {mode(path) for path in folder.root.rglob("*") if path.is_file()}


def test_parts_are_private_in_a_public_folder(tmp_path: Path) -> None:
    """In a folder that others can read the parts that hold data are still closed."""
    tmp_path.chmod(0o755)
    folder = Folder(tmp_path)

    assert {0o700} == {
        mode(path) for path in (folder.spool, folder.secrets, folder.engine)
    }


def test_secret_is_made_once(tmp_path: Path) -> None:
    """A secret is 32 random bytes, and stays."""
    folder = Folder(tmp_path)
    key = folder.secret("link.key")

    assert 32 == len(key)
    assert key == folder.secret("link.key") == Folder(tmp_path).secret("link.key")
    assert key != folder.secret("visitor.key")
    assert ["link.key", "visitor.key"] == sorted(
        path.name for path in folder.secrets.iterdir()
    )


def test_processes_agree(tmp_path: Path) -> None:
    """Several that ask first at the same moment get the same secret."""
    code = (
        "import sys; from pathlib import Path; from collector.folder import Folder; "
        "print(Folder(Path(sys.argv[1])).secret('link.key').hex())"
    )
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]

    assert {Folder(tmp_path).secret("link.key").hex()} == {
        asker.communicate(timeout=30)[0].strip() for asker in askers
    }


@pytest.mark.parametrize("content", [b"", b"short", b"zz" * 32, b"\xff" * 64])
def test_damaged_secret(tmp_path: Path, content: bytes) -> None:
    """A secret that is none is an error that does not say it, and is not replaced."""
    folder = Folder(tmp_path)
    (folder.secrets / "link.key").write_bytes(content)

    with pytest.raises(FolderError, match="is not 64 hexadecimal digits") as caught:
        folder.secret("link.key")
    assert content == (folder.secrets / "link.key").read_bytes()
    assert "zz" not in str(caught.value)


def test_not_a_folder(tmp_path: Path) -> None:
    """Where a file is in the way the error says where."""
    (tmp_path / "data").write_text("")

    with pytest.raises(FolderError, match="data"):
        Folder(tmp_path / "data" / "inside")


def test_keeper_address(tmp_path: Path) -> None:
    """What the keeper leaves is what the command line finds."""
    folder = Folder(tmp_path)
    address = KeeperAddress("http://127.0.0.1:1", "http://127.0.0.1:2", 3)
    with pytest.raises(FolderError, match="no keeper has run"):
        folder.read_keeper()
    folder.write_keeper(address)

    assert address == folder.read_keeper()

    (tmp_path / "keeper.json").write_text('{"url": 1')
    with pytest.raises(FolderError, match="damaged"):
        folder.read_keeper()


def test_write_private_replaces(tmp_path: Path) -> None:
    """A private file has just the new text."""
    path = tmp_path / "file"
    write_private(path, "a long text")
    write_private(path, "short")

    assert ("short", 0o600) == (path.read_text(), mode(path))
