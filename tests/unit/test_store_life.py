"""The store's life: opening, closing, crashing."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline.store import Store, StoreRefused, StoreUnavailable
from tests import store_fixture
from tests.store_fixture import AT, make_table, opened, segment

store = store_fixture.store
ROWS = [[1, "a.example", AT, None], [2, "b.example", AT, "x"]]


def _totals(store: Store) -> list[int]:
    answer = store.query(
        "SELECT (SELECT count() FROM hits), (SELECT sum(events) FROM hits_rollup)",
        "TSV",
    )
    return [int(part) for part in answer.split()]


class TestLife:
    """Opening, closing, crashing."""

    def test_open_again(self, tmp_path: Path) -> None:
        """Rows and remembered tokens outlive the store."""
        with opened(tmp_path) as first:
            make_table(first)
            first.insert_segment("hits", segment(ROWS), "t1")
        with opened(tmp_path) as second:
            second.insert_segment("hits", segment(ROWS), "t1")

            assert [2, 2] == _totals(second)

    def test_closed(self, store: Store) -> None:
        """After the end every call says so, and may be tried elsewhere."""
        store.close()

        assert not store.ping()
        for act in (
            lambda: store.query("SELECT 1", "TSV"),
            lambda: store.command("SELECT 1"),
            lambda: store.insert("hits", "TSV", b"", {}),
            lambda: store.check_tables({"hits": 1}),
        ):
            with pytest.raises(StoreUnavailable, match="CLOSED"):
                act()

    def test_no_database_reads_files_by_name(self, store: Store) -> None:
        """The engine's own `default`, where a table's name is a path, is gone."""
        with pytest.raises(StoreRefused) as refused:
            store.query("SELECT * FROM default.`/etc/hostname`", "TSV", read_only=False)

        assert "UNKNOWN_TABLE" == refused.value.name

    def test_leftovers_of_a_crash_are_removed(self, tmp_path: Path) -> None:
        """A file that a killed process left in the scratch folder goes."""
        left = tmp_path / "engine.scratch" / "insert-x.rows"
        left.parent.mkdir()
        left.write_bytes(b"rows")

        with opened(tmp_path):
            assert not left.exists()

    def test_one_process_a_folder(self, store: Store, tmp_path: Path) -> None:
        """A second process is told that it cannot have the folder."""
        done = _in_a_process(
            f"""
            from pipeline.store import Store, StoreUnavailable
            try:
                Store.open("chdb://{tmp_path}/engine")
            except StoreUnavailable as error:
                print("refused", error.name)
            """
        )

        assert "refused CANNOT_OPEN\n" == done.communicate(timeout=60)[0]
        assert store.ping()

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        """The reason is told, the path is not."""
        (tmp_path / "file").touch()

        with pytest.raises(StoreUnavailable) as away:
            Store.open(f"chdb://{tmp_path}/file/engine")

        assert "Not a directory" in str(away.value)
        assert str(tmp_path) not in str(away.value)

    def test_folders_become_private(self, tmp_path: Path) -> None:
        """Even those that others could read before."""
        folders = [tmp_path / "engine", tmp_path / "engine.scratch"]
        for folder in folders:
            folder.mkdir(mode=0o755)

        with opened(tmp_path):
            assert [0o700, 0o700] == [each.stat().st_mode & 0o777 for each in folders]

    def test_a_server_that_is_not_there(self) -> None:
        """It is away, not wrong."""
        with pytest.raises(StoreUnavailable, match="NETWORK_ERROR"):
            Store.open("http://127.0.0.1:9")

    def test_another_database_is_refused(self) -> None:
        """The tables are Kastana's; so must be the database."""
        with pytest.raises(ValueError, match="kastana"):
            Store.open("http://127.0.0.1:9/other")


@pytest.fixture
def killed_while_loading(tmp_path: Path) -> Path:
    """Give a folder whose process was killed in the middle of an insert."""
    with opened(tmp_path) as made:
        make_table(made)
    child = _in_a_process(
        f"""
        from pipeline.store import Store
        from tests.unit.test_store_life import big_segment
        store = Store.open("chdb://{tmp_path}/engine")
        body = big_segment()
        print("go", flush=True)
        store.insert_segment("hits", body, "t1")
        """
    )
    assert child.stdout is not None
    assert "go\n" == child.stdout.readline()
    time.sleep(0.12)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    return tmp_path


def big_segment() -> bytes:
    """Return a segment that takes a while, of several months."""
    return segment(
        [
            [i, f"s{i % 7}", f"2026-0{1 + i % 3}-01 00:00:00", None]
            for i in range(100_000)
        ]
    )


def test_kill_and_repeat_is_exactly_once(killed_while_loading: Path) -> None:
    """Whatever was committed when it was killed, the repetition completes it."""
    with opened(killed_while_loading) as again:
        for _ in range(2):
            again.insert_segment("hits", big_segment(), "t1")

        assert [100_000, 100_000] == _totals(again)
        assert [] == list((killed_while_loading / "engine.scratch").iterdir())


def _in_a_process(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
