"""The store: segments exactly once, errors without data, readers that wait."""

import contextlib
import json
import os
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import READ_LIMITS, Store, StoreRefused, StoreUnavailable
from pipeline.store_errors import StoreError
from tests import store_fixture
from tests.store_fixture import AT, COLUMNS, make_table, segment

shared_store = store_fixture.shared_store
ROWS = [[1, "a.example", AT, None], [2, "b.example", AT, "x"]]
SECRET = "SECRET-ROW-VALUE"
SLOW = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1"


@pytest.fixture
def store(shared_store: Store) -> Iterator[Store]:
    """Give the module's store with a new table `hits`."""
    make_table(shared_store)
    yield shared_store
    for table in ("hits_view", "hits_rollup", "hits"):
        shared_store.command(f"DROP TABLE kastana.{table} SYNC")


def _numbers(store: Store, sql: str) -> list[int]:
    return [int(part) for part in store.query(sql, "TSV").split()]


def _totals(store: Store) -> list[int]:
    return _numbers(
        store,
        "SELECT (SELECT count() FROM hits), (SELECT sum(events) FROM hits_rollup)",
    )


def open_files() -> list[str]:
    """Return what this process has open."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        # The folder's own is gone by now.
        with contextlib.suppress(FileNotFoundError):
            links.append(str(link.readlink()))
    return links


class TestInsertSegment:
    """A segment becomes rows once, or is refused with a reason."""

    def test_rows_arrive(self, store: Store) -> None:
        """What a segment holds is in the table, types and all."""
        store.insert_segment("hits", segment(ROWS), "t1")

        answer = store.query("SELECT * FROM hits ORDER BY id", "JSONCompactEachRow")
        assert ROWS == [json.loads(line) for line in answer.splitlines()]

    def test_a_repeated_token_changes_nothing(self, store: Store) -> None:
        """Not in the table and not in its rollup; a new token counts again."""
        for _ in range(3):
            store.insert_segment("hits", segment(ROWS), "t1")

        assert [2, 2] == _totals(store)

        store.insert_segment("hits", segment(ROWS), "t2")

        assert [4, 4] == _totals(store)

    def test_a_long_segment_is_one_block(self, store: Store) -> None:
        """However far down the bad row is, nothing of the segment is stored."""
        # The engine reads 65,409 rows at a time, and keeps the last block back.
        rows = [[number, "a", AT, None] for number in range(140_000)]
        with pytest.raises(StoreRefused):
            store.insert_segment("hits", segment([*rows, ["x"]]), "t1")

        assert [0, 0] == _totals(store)

    @pytest.mark.parametrize(
        ("body", "name"),
        [
            (b"", "SEGMENT_HEADER"),
            (b"[1]\n", "SEGMENT_HEADER"),
            (b"{}\n", "SEGMENT_HEADER"),
            (segment(ROWS)[: segment(ROWS).index(b"\n")], "SEGMENT_HEADER"),
            (segment(ROWS, COLUMNS | {"zz": "String"}), "SEGMENT_HEADER"),
            (
                segment([[1, "a", AT]], dict(list(COLUMNS.items())[:3])),
                "SEGMENT_HEADER",
            ),
            (segment(ROWS, COLUMNS | {"id": "String"}), "SEGMENT_HEADER"),
            (
                segment(ROWS).replace(b'"note"]', b'"note", "id"]'),
                "SEGMENT_HEADER",
            ),
            (
                segment([*ROWS, [SECRET, "a", AT, None]]),
                "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
            ),
            (segment([*ROWS, [3, SECRET]]), "CANNOT_PARSE_INPUT_ASSERTION_FAILED"),
            (segment([[1, "a", SECRET, None]]), "CANNOT_PARSE_DATETIME"),
            (segment([[-1, SECRET, AT, None]]), "CANNOT_PARSE_NUMBER"),
            (segment([[1, None, AT, SECRET]]), "INCORRECT_DATA"),
        ],
    )
    def test_bad_bytes_are_refused_whole(
        self, store: Store, body: bytes, name: str
    ) -> None:
        """An unknown, missing or doubled column, a wrong type, a bad row."""
        with pytest.raises(StoreRefused) as refused:
            store.insert_segment("hits", body, "t1")

        assert name == refused.value.name
        assert [0, 0] == _totals(store)

    def test_errors_hold_no_row(self, store: Store) -> None:
        """The engine quotes the row; nothing of it is reachable from the error."""
        with pytest.raises(StoreRefused) as refused:
            store.insert_segment("hits", segment([[SECRET, "a", AT, None]]), "t1")

        error = refused.value
        told = "".join(traceback.format_exception(error)) + repr(error) + error.detail
        assert SECRET not in told
        assert error.__cause__ is None
        assert error.__context__ is None

    def test_a_missing_table_condemns_no_segment(self, store: Store) -> None:
        """It is the store's state, to be mended; the segment waits."""
        with pytest.raises(StoreUnavailable) as away:
            store.insert_segment("nothing", segment(ROWS), "t1")

        assert "UNKNOWN_TABLE" == away.value.name

    def test_a_new_column_is_noticed(self, store: Store) -> None:
        """The known columns are asked for again when a header differs."""
        store.insert_segment("hits", segment(ROWS), "t1")
        store.command("ALTER TABLE kastana.hits ADD COLUMN more UInt8")
        wider = segment([[3, "a", AT, None, 7]], COLUMNS | {"more": "UInt8"})

        store.insert_segment("hits", wider, "t2")

        assert [7] == _numbers(store, "SELECT more FROM hits WHERE id = 3")
        with pytest.raises(StoreRefused):
            store.insert_segment("hits", segment(ROWS), "t3")

    def test_a_segment_of_many_months_is_taken(self, store: Store) -> None:
        """The engine's limit of partitions an insert does not stop it."""
        rows = [
            [i, "a", f"{2000 + i // 12}-{i % 12 + 1:02}-01 00:00:00", None]
            for i in range(150)
        ]

        store.insert_segment("hits", segment(rows), "t1")

        assert [150, 150] == _totals(store)

    @pytest.mark.parametrize("in_memory", [True, False])
    def test_nothing_is_left_behind(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, *, in_memory: bool
    ) -> None:
        """Rows pass through memory, or else through a private folder; none stays."""
        if not in_memory:
            monkeypatch.delattr(os, "memfd_create")
        scratch = store._scratch
        assert scratch is not None
        store.insert_segment("hits", segment(ROWS), f"t{in_memory}")
        with pytest.raises(StoreRefused):
            store.insert_segment("hits", segment([[SECRET, "a", AT, None]]), "t2")

        assert [] == list(scratch.iterdir())
        assert not any("memfd:rows" in link for link in open_files())
        assert 0o700 == scratch.stat().st_mode & 0o777
        assert 0o700 == scratch.with_name("engine").stat().st_mode & 0o777

    def test_rows_touch_no_disk_on_their_way(self, store: Store) -> None:
        """Where files can be in memory the scratch folder need not even be there."""
        scratch = store._scratch
        assert scratch is not None
        scratch.rmdir()
        try:
            store.insert_segment("hits", segment(ROWS), "t1")
        finally:
            scratch.mkdir(mode=0o700)

        assert [len(ROWS)] * 2 == _totals(store)

    def test_a_full_disk_is_not_the_segments_fault(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What cannot be written can be tried again."""
        monkeypatch.delattr(os, "memfd_create")
        scratch = store._scratch
        assert scratch is not None
        scratch.rmdir()
        try:
            with pytest.raises(StoreUnavailable, match="scratch"):
                store.insert_segment("hits", segment(ROWS), "t1")
        finally:
            scratch.mkdir(mode=0o700)


class TestQuery:
    """Readers' statements and the keeper's own."""

    def test_parameters_are_values(self, store: Store) -> None:
        """Whatever is in them, they do not become SQL."""
        nasty = "a'b\\c\t\n%(p)s {p:String} é"

        answer = store.query("SELECT {p:String}", "JSONCompactEachRow", {"p": nasty})

        assert [nasty] == json.loads(answer)

    def test_unnamed_parameters_are_not_written_into_the_text(
        self, store: Store
    ) -> None:
        """The client's own formatting of `%(name)s` never comes to work."""
        answer = store.query(
            "SELECT '%(p)s', 7 % 4", "TSV", {"p": "' || version() || '"}
        )

        assert b"%(p)s\t3\n" == answer

    def test_own_statements_are_not_guarded(self, store: Store) -> None:
        """The keeper asks what a reader may not."""
        assert b"0\n" == store.query(
            "SELECT count() FROM system.mutations", "TSV", read_only=False
        )

    def test_timeout(self, store: Store) -> None:
        """A statement ends after the seconds given, as the reader's own error."""
        before = time.monotonic()

        with pytest.raises(StoreRefused) as refused:
            store.query(SLOW, "TSV", timeout=1)

        assert "TIMEOUT_EXCEEDED" == refused.value.name
        assert time.monotonic() - before < 5

    def test_results_are_bounded(self, store: Store) -> None:
        """More rows than the limit are an error, not an answer."""
        many = READ_LIMITS["max_result_rows"] * 2

        with pytest.raises(StoreRefused) as refused:
            store.query("SELECT number FROM numbers({n:UInt64})", "TSV", {"n": many})

        assert "TOO_MANY_ROWS_OR_BYTES" == refused.value.name

    @pytest.mark.parametrize("fmt", ["TSV", "Native", "JSONCompact"])
    def test_a_failed_answer_is_nobody_elses(self, store: Store, fmt: str) -> None:
        """What a statement wrote before it failed is not in the next answer."""
        many = "SELECT throwIf(number = 300000), number FROM numbers(400000)"
        for _ in range(3):
            with pytest.raises(StoreRefused) as refused:
                store.query(many, fmt, settings={"max_block_size": "5000"})
            assert 395 == refused.value.code

            assert b"mine\n" == store.query("SELECT 'mine'", "TSV")

        with pytest.raises(StoreRefused):
            store.query(many, fmt, read_only=False)

        assert b"mine\n" == store.query("SELECT 'mine'", "TSV", read_only=False)

    def test_a_typo_is_explained_to_its_author(self, store: Store) -> None:
        """The detail says what is wrong, the error itself does not."""
        with pytest.raises(StoreRefused) as refused:
            store.query("SELECT nonsense_column", "TSV")

        assert "nonsense_column" in refused.value.detail
        assert "nonsense_column" not in str(refused.value) + repr(refused.value)

    def test_an_error_over_rows_is_not_explained(self, store: Store) -> None:
        """An error that quotes what a row holds has no detail."""
        store.insert_segment("hits", segment([[1, SECRET, AT, None]]), "t1")

        with pytest.raises(StoreRefused) as refused:
            store.query("SELECT toUInt8(site) FROM hits", "TSV")

        assert SECRET not in refused.value.detail

    def test_slow_readers_do_not_hold_up_the_loader(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Segments are loaded while all readers are busy; one more has to wait."""
        monkeypatch.setattr("pipeline.store_readers._WAIT_S", 0.1)
        errors: list[StoreError] = []

        def read() -> None:
            try:
                store.query(SLOW, "TSV", timeout=3)
            except StoreError as error:
                errors.append(error)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        for number in range(5):
            store.insert_segment("hits", segment(ROWS), f"t{number}")
        with pytest.raises(StoreUnavailable, match="TOO_MANY_SIMULTANEOUS_QUERIES"):
            store.query("SELECT 1", "TSV")
        still_reading = [thread.is_alive() for thread in threads]
        for thread in threads:
            thread.join()

        assert [True, True, True] == still_reading
        assert ["TIMEOUT_EXCEEDED"] * 3 == [error.name for error in errors]


class TestCheckTables:
    """A table that forgets too soon is noticed at the start."""

    def test_windows(self, store: Store) -> None:
        """Too short and missing are refused by name; enough is fine."""
        store.command(
            "CREATE OR REPLACE TABLE kastana.plain (a Int8) "
            "ENGINE = MergeTree ORDER BY a"
        )

        store.check_tables({"hits": 50, "hits_rollup": 100})

        for table, window, name in [
            ("hits", 101, "DEDUPLICATION_WINDOW hits"),
            ("plain", 1, "DEDUPLICATION_WINDOW plain"),
            ("missing", 1, "UNKNOWN_TABLE missing"),
        ]:
            with pytest.raises(StoreRefused) as refused:
                store.check_tables({table: window})
            assert name == refused.value.name

    def test_targets_of_views(self, store: Store) -> None:
        """What a view fills must remember as much as the table it reads."""
        store.command(
            "ALTER TABLE kastana.hits_rollup "
            "MODIFY SETTING non_replicated_deduplication_window = 99"
        )
        with pytest.raises(StoreRefused) as refused:
            store.check_tables({"hits": 100})

        assert "DEDUPLICATION_WINDOW hits_rollup" == refused.value.name
