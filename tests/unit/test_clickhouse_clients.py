"""ClickHouse's HTTP interface, with the client that everything in Python uses."""

import functools
import gzip
import threading
from collections.abc import Iterator

import clickhouse_connect
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from pipeline.store import Store, StoreRefused
from tests import clickhouse_fixture, store_fixture
from tests.clickhouse_fixture import send
from tests.store_fixture import AT, make_table, segment

shared_store = store_fixture.shared_store
filled_store = clickhouse_fixture.filled_store
port = clickhouse_fixture.port
writable_port = clickhouse_fixture.writable_port

packed = functools.partial(gzip.compress, mtime=0)


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """Give a client of the reading server."""
    made = clickhouse_connect.get_client(host="127.0.0.1", port=port)
    yield made
    made.close()


class TestClickHouseConnect:
    """The client library that everything in Python uses."""

    def test_query(self, client: Client) -> None:
        """Native format, types, names."""
        result = client.query("SELECT id, site, at, note FROM hits ORDER BY id")

        assert ("id", "site", "at", "note") == result.column_names
        assert [(0, "a.example"), (1, "b.example"), (2, "a.example")] == [
            row[:2] for row in result.result_rows
        ]

    def test_parameters(self, client: Client) -> None:
        """Server-side and client-side binding."""
        sql = "SELECT id FROM hits WHERE site = {site:String} ORDER BY id"

        assert [(0,), (2,)] == list(
            client.query(sql, parameters={"site": "a.example"}).result_rows
        )
        assert [(1,)] == list(
            client.query(
                "SELECT id FROM hits WHERE site = %(site)s",
                parameters={"site": "b.example"},
            ).result_rows
        )
        assert [("it's\t\\",)] == list(
            client.query("SELECT {p:String}", parameters={"p": "it's\t\\"}).result_rows
        )

    def test_parameters_in_a_form(self, port: int) -> None:
        """Long statements and their parameters go into the body."""
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=port, form_encode_query_params=True
        )

        result = client.query("SELECT {p:String}", parameters={"p": "it's"})
        client.close()

        assert [("it's",)] == list(result.result_rows)

    def test_frames(self, client: Client) -> None:
        """pandas, Arrow, Parquet."""
        sql = "SELECT id, site FROM hits ORDER BY id"

        frame = client.query_df(sql)
        arrow = client.query_arrow(sql)
        parquet = client.raw_query(sql, fmt="Parquet")

        assert [0, 1, 2] == list(frame["id"])
        assert [0, 1, 2] == arrow["id"].to_pylist()
        table = pq.read_table(pa.BufferReader(parquet))
        assert [0, 1, 2] == table["id"].to_pylist()

    def test_no_rows(self, client: Client) -> None:
        """An empty answer keeps its columns in every format."""
        columns = ("id", "site", "at", "note", "tags", "m")
        sql = (
            "SELECT id, site, at, note, [site] AS tags, map(site, toNullable(id)) AS m "
            "FROM hits WHERE id > 100"
        )

        assert columns == client.query(sql).column_names
        assert [] == list(client.query(sql).result_rows)
        assert columns == client.query(f"{sql} LIMIT 0").column_names
        assert 0 == len(client.query_df(sql))
        assert columns == tuple(client.query_arrow(sql).column_names)
        assert columns == client.query(f"{sql} SETTINGS max_threads = 1").column_names
        assert client.raw_query(f"{sql} FORMAT native").endswith(b"UInt64))")
        assert b"" == client.raw_query(f"{sql} FORMAT Native SETTINGS max_threads = 1")

    def test_large(self, client: Client) -> None:
        """An answer of many blocks, compressed on the way."""
        sql = "SELECT number, toString(number) FROM numbers(300000)"

        assert 300_000 == len(client.query(sql).result_rows)

    def test_commands(self, client: Client) -> None:
        """Statements of one value."""
        assert 3 == client.command("SELECT count() FROM hits")
        assert 1 == client.command("EXISTS TABLE hits")
        assert client.ping()

    def test_writing_is_refused(self, client: Client) -> None:
        """By insert, by command, by a crafted query."""
        for act in (
            lambda: client.insert("hits", [[1]], column_names=["id"]),
            lambda: client.command("DROP TABLE hits"),
            lambda: client.query("SELECT 1; DROP TABLE hits"),
            lambda: client.raw_insert("hits", ["id"], b"1\n", fmt="TSV"),
        ):
            with pytest.raises(DatabaseError):
                act()
        assert 3 == client.command("SELECT count() FROM hits")

    def test_settings_and_threads(self, port: int) -> None:
        """A client of several threads, with settings of its own."""
        client = clickhouse_connect.get_client(
            host="127.0.0.1",
            port=port,
            database="kastana",
            autogenerate_session_id=False,
            settings={"max_threads": 1, "join_use_nulls": 1},
        )
        counts: list[object] = []
        threads = [
            threading.Thread(
                target=lambda: counts.append(client.command("SELECT count() FROM hits"))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

        assert [3] * 8 == counts


class TestWritable:
    """A ClickHouse server for tests of the HTTP path."""

    def test_inserts(self, writable_port: int) -> None:
        """Native rows, raw rows, and each token once."""
        client = clickhouse_connect.get_client(host="127.0.0.1", port=writable_port)
        client.command(
            "CREATE TABLE kastana.w (id UInt64, s String) "
            "ENGINE = MergeTree ORDER BY id "
            "SETTINGS non_replicated_deduplication_window = 10"
        )
        token = {"insert_deduplication_token": "t1", "async_insert": 0}

        client.insert("kastana.w", [[1, "a"], [2, "b"]], column_names=["id", "s"])
        for _ in range(2):
            client.raw_insert(
                "kastana.w",
                insert_block=b'[3,"c"]\n',
                fmt="JSONCompactEachRow",
                settings=token,
            )
        client.raw_insert(
            "kastana.w",
            ["id", "s"],
            packed(b"4\td\n"),
            fmt="TSV",
            compression="gzip",
        )
        client.command("INSERT INTO kastana.w VALUES (5, 'e')")
        client.command("INSERT INTO kastana.w SELECT 6, 'f'")

        assert [1, 2, 3, 4, 5, 6] == [
            row[0]
            for row in client.query("SELECT id FROM kastana.w ORDER BY id").result_rows
        ]
        client.command("DROP TABLE kastana.w SYNC")
        client.close()

    def test_the_store_over_http(self, writable_port: int) -> None:
        """A store by URL behaves as the embedded one: same rows, same errors."""
        remote = Store.open(f"http://127.0.0.1:{writable_port}")
        make_table(remote, "far")
        remote.check_tables({"far": 100})
        for _ in range(2):
            remote.insert_segment("far", segment([[1, "a", AT, None]]), "t1")

        assert b"1\t1\n" == remote.query(
            "SELECT (SELECT count() FROM far), (SELECT sum(events) FROM far_rollup)",
            "TSV",
        )
        assert b"x'y\n" == remote.query("SELECT {p:String}", "Raw", {"p": "x'y"})
        with pytest.raises(StoreRefused) as refused:
            remote.insert_segment("far", segment([["SECRET", "a", AT, None]]), "t2")
        assert "CANNOT_PARSE_INPUT_ASSERTION_FAILED" == refused.value.name
        with pytest.raises(StoreRefused) as unknown:
            remote.query("SELECT nonsense", "TSV")
        assert "UNKNOWN_IDENTIFIER" == unknown.value.name
        assert "nonsense" in unknown.value.detail
        assert remote.ping()
        remote.close()

    def test_get_only_reads(self, writable_port: int) -> None:
        """As a server does it, even here."""
        assert 403 == send(writable_port, query="DROP TABLE kastana.hits").status
