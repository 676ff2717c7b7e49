"""Copies that are mapped, so that what happens to their originals does not matter."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.geo.copies import stable_copy


def test_one_copy_of_each_state(tmp_path: Path) -> None:
    """The copy is made once, another state is another copy, and the older one goes."""
    path, folder = tmp_path / "a-city.mmdb", tmp_path / "mapped"
    path.write_bytes(b"one")
    first = stable_copy(path, folder)
    written = first.stat().st_mtime_ns

    assert first.read_bytes() == b"one"
    assert stable_copy(path, folder) == first
    assert first.stat().st_mtime_ns == written
    path.write_bytes(b"other")
    second = stable_copy(path, folder)
    assert second != first
    assert [one.read_bytes() for one in folder.iterdir()] == [b"other"]


def test_other_files_copies_stay(tmp_path: Path) -> None:
    """Two databases whose names begin alike are two."""
    folder = tmp_path / "mapped"
    kept = []
    for name in ("city.mmdb", "city-v6.mmdb", "city-v6-old.mmdb"):
        (tmp_path / name).write_bytes(name.encode())
        kept.append(stable_copy(tmp_path / name, folder))

    assert sorted(folder.iterdir()) == sorted(kept)


def test_written_to_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of one state and half of another are no copy; nothing is left of them."""
    path, folder = tmp_path / "city.mmdb", tmp_path / "mapped"
    path.write_bytes(b"one")
    copy = shutil.copyfile

    def slow(source: Path, target: Path) -> Any:
        copy(source, target)
        path.write_bytes(b"longer")

    monkeypatch.setattr(shutil, "copyfile", slow)
    with pytest.raises(OSError, match="written to while it was read"):
        stable_copy(path, folder)

    assert not list(folder.iterdir())


def test_who_is_late_removes_nothing_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that still saw the file before leaves the copy of the one after."""
    path, folder = tmp_path / "city.mmdb", tmp_path / "mapped"
    path.write_bytes(b"one")
    older = stable_copy(path, folder)
    exists = Path.exists

    def overtaken(self: Path) -> bool:
        monkeypatch.setattr(Path, "exists", exists)
        path.write_bytes(b"other")
        folder.joinpath("city-next.mmdb").write_bytes(b"other")
        return exists(self)

    monkeypatch.setattr(Path, "exists", overtaken)

    assert stable_copy(path, folder) == older
    assert folder.joinpath("city-next.mmdb").exists()
