"""
The store: an embedded ClickHouse engine, or a ClickHouse server by URL.

Only this module and its parts (`store_*`) talk to it. All methods block; call them in
a thread.

- One client loads segments, one runs commands, one answers the keeper's own short
  questions, and a few serve readers, so neither an analyst's slow statement nor a
  mutation keeps a segment waiting. An embedded client serialises its own calls.
- A segment is one insert under its token. Its header must name exactly the table's
  columns: the engine would fill a missing one with its default and say nothing.
- Readers of the embedded engine are held to `READ_LIMITS`, and each statement must
  pass `SqlGuard`. On a server its own users and roles decide what may be read.
- Errors are those of `store_errors`: they hold no data.

The embedded engine allows one process a folder, and one folder a process.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

import msgspec
import orjson

from pipeline.store_clients import (
    Connect,
    Connection,
    ask,
    empty,
    engine,
    insert_file,
    insert_request,
    insert_segment_file,
    make_private,
    opening,
    prepare,
    server,
)
from pipeline.store_errors import (
    StoreError,
    StoreRefused,
    StoreUnavailable,
    insert_error,
    query_error,
)
from pipeline.store_readers import READ_LIMITS, Readers, trusted
from schemas.ddl import DATABASE

__all__ = ["READ_LIMITS", "Store", "StoreError", "StoreRefused", "StoreUnavailable"]

SEGMENT_FORMAT: Final = "JSONCompactEachRowWithNamesAndTypes"
SEGMENT_SETTINGS: Final[Mapping[str, str]] = {
    # The embedded engine's default is 1, and nobody here waits for a buffer.
    "async_insert": "0",
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "input_format_skip_unknown_fields": "0",
    "input_format_null_as_default": "0",
    # Repeats within a segment are told by merges and FINAL like all others; telling
    # them at the insert costs as much as the insert.
    "optimize_on_insert": "0",
    # One block, however long: it is stored whole or not at all.
    "min_insert_block_size_rows": "100000000",
    "min_insert_block_size_bytes": "0",
    # Late events of one segment may belong to many months; a retry would not help.
    "throw_on_max_partitions_per_insert_block": "0",
}
_WINDOW: Final = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
_COLUMNS: Final = (
    "SELECT groupArray(name), groupArray(type) FROM system.columns "
    "WHERE database = {database:String} AND table = {table:String} "
    "AND default_kind NOT IN ('ALIAS', 'MATERIALIZED', 'DEFAULT')"
)
_TARGETS: Final = (
    r"SELECT groupUniqArray(extract(create_table_query, ' TO kastana\.`?(\w+)')) "
    "FROM system.tables WHERE database = {database:String} "
    "AND engine = 'MaterializedView'"
)
_ENGINE: Final = (
    "SELECT any(engine), any(create_table_query) FROM system.tables "
    "WHERE database = {database:String} AND name = {table:String}"
)


class Store:
    """An open store."""

    def __init__(self, connect: Connect, readers: int, scratch: Path | None) -> None:
        """
        Open the clients; use `Store.open`.

        Args:
            connect: makes a client.
            readers: how many statements of readers may run at a time.
            scratch: where the embedded engine is handed rows; None for a server.

        """
        self._scratch = scratch
        self._closed = False
        self._columns: dict[str, dict[str, str]] = {}
        asker = connect(None)
        prepare(asker, embedded=self.embedded)
        self.timezone = str(asker.command("SELECT timezone()"))
        self._asker, self._loader, self._commander = (
            Connection(client, embedded=self.embedded)
            for client in (asker, connect(DATABASE), connect(DATABASE))
        )
        parse = self._parse if self.embedded else None
        self._readers = Readers(connect, readers, parse)

    @classmethod
    def open(cls, dsn: str, *, scratch: Path | None = None, readers: int = 3) -> Self:
        """
        Open a store.

        Args:
            dsn: `chdb:///folder` for the embedded engine, or the `http(s)://` URL of a
                server, with user and password in it.
            scratch: private folder for rows on their way into the embedded engine,
                made if missing; if not given, beside the engine's folder.
            readers: how many statements of readers may run at a time.

        Raises:
            StoreUnavailable: when it is away, or another process has the folder.

        """
        address = urlsplit(dsn)
        if address.scheme != "chdb":
            return opening(lambda: cls(server(address), readers, None))
        folder = Path(unquote(address.path))
        aside = scratch or folder.with_name(folder.name + ".scratch")
        for private in (folder, aside):
            make_private(private)
        store = opening(lambda: cls(engine(folder), readers, aside))
        # Only now that the engine is locked is what lies there surely left over.
        empty(aside)
        return store

    @property
    def embedded(self) -> bool:
        """Whether the engine runs in this process."""
        return self._scratch is not None

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """
        Insert a segment; however often it is repeated, its rows are there once.

        Args:
            table: a table of Kastana's database.
            body: the segment's bytes, header first.
            token: the segment's id.

        Raises:
            StoreRefused: for these bytes; they will be refused again.
            StoreUnavailable: for the store's sake.

        """
        columns = self._check_header(table, body)
        settings = {**SEGMENT_SETTINGS, "insert_deduplication_token": token}
        into = f"{DATABASE}.{table}"
        if self._scratch is None:
            # By name: a column that only travels is not taken from a header alone.
            into += " (" + ", ".join(f"`{name}`" for name in columns) + ")"
            insert_request(self._loader, into, SEGMENT_FORMAT, body, settings)
        else:
            insert_segment_file(
                self._loader,
                self._scratch,
                into,
                columns,
                SEGMENT_FORMAT,
                body,
                settings,
            )

    def insert(
        self, into: str, fmt: str, body: bytes, settings: Mapping[str, str]
    ) -> int:
        """
        Insert rows in a format; return how many the store has read.

        `into` is SQL, `table` or `table (columns)`; it must not come from a reader.
        """
        self._check_open()
        if self._scratch is None:
            return insert_request(self._loader, into, fmt, body, settings)
        return insert_file(self._loader, self._scratch, into, fmt, body, settings)

    def query(  # noqa: PLR0913 - the parts of a request
        self,
        sql: str,
        fmt: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        read_only: bool = True,
        timeout: float | None = None,
    ) -> bytes:
        """
        Run a statement and return its answer.

        Args:
            sql: one statement.
            fmt: ClickHouse format of the answer, where the statement names none.
            parameters: values for `{name:Type}`; what is not named so is not used.
            settings: settings for this statement.
            read_only: whether it is a reader's, to be checked and bounded; False is
                for the keeper's own.
            timeout: seconds; a reader's not above those of `READ_LIMITS`.

        Raises:
            GuardError: when readers may not run it.
            StoreRefused, StoreUnavailable.

        """
        given = dict(settings or {})
        if timeout is not None:
            given["max_execution_time"] = str(max(1, round(timeout)))
        if read_only:
            return self.read(sql, fmt, parameters or {}, given)[0]
        self._check_open()
        return ask(self._commander, trusted(sql), fmt, parameters or {}, given)

    def read(
        self,
        sql: str,
        fmt: str | None,
        parameters: Mapping[str, Any],
        settings: Mapping[str, str],
    ) -> tuple[bytes, str]:
        """Run a reader's statement; return its answer and the answer's format."""
        self._check_open()
        return self._readers.read(sql, fmt, parameters, settings)

    def command(self, sql: str, settings: Mapping[str, str] | None = None) -> None:
        """Run a statement that changes something: DDL, a mutation."""
        self._check_open()
        self._commander.run(
            insert_error,
            lambda client: client.command(sql, settings=dict(settings or {})),
        )

    def ping(self) -> bool:
        """Whether the store answers."""
        if self._closed:
            return False
        return self._asker.run(query_error, lambda client: client.ping())

    def check_tables(self, windows: Mapping[str, int]) -> None:
        """
        Refuse tables that would take a repeated segment twice.

        What a materialised view fills would count a repeated row as well, so the
        targets of all views must remember as much as the table that remembers most.

        Args:
            windows: for each table, how many inserts it must remember.

        Raises:
            StoreRefused: naming the table.

        """
        (targets,) = self._row(_TARGETS, "")
        longest = max(windows.values(), default=0)
        others = dict.fromkeys(set(targets) - set(windows), longest)
        for table, window in {**windows, **others}.items():
            kind, created = self._row(_ENGINE, table)
            if not created:
                raise StoreRefused(60, f"UNKNOWN_TABLE {table}")
            found = _WINDOW.search(created)
            # Replicated tables remember 10,000 inserts without being told.
            known = kind.startswith(("Replicated", "Shared"))
            if not known and int(found[1] if found else 0) < window:
                raise StoreRefused(0, f"DEDUPLICATION_WINDOW {table}")

    def close(self) -> None:
        """Close all clients as their calls end, and with the last the engine."""
        self._closed = True
        self._readers.close()
        for connection in (self._loader, self._commander, self._asker):
            connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(0, "CLOSED")

    def _check_header(self, table: str, body: bytes) -> dict[str, str]:
        """Return the columns of a segment, which are the table's, in its order."""
        columns = _header(body)
        if self._columns.get(table) != columns:
            # The table may have been altered since it was last asked for.
            names, types = self._row(_COLUMNS, table)
            self._columns[table] = dict(zip(names, types, strict=True))
        if not self._columns[table]:
            raise StoreUnavailable(60, "UNKNOWN_TABLE")
        if self._columns[table] != columns:
            raise StoreRefused(0, "SEGMENT_HEADER")
        return columns

    def _row(self, sql: str, table: str) -> list[Any]:
        self._check_open()
        where = {"database": DATABASE, "table": table}
        try:
            answer = ask(self._asker, trusted(sql), "JSONCompactEachRow", where, {})
        except StoreRefused as error:
            # What refuses our own short question is the store's state, not a fault of
            # the segment that is to be inserted.
            away = StoreUnavailable(error.code, error.name)
        else:
            row: list[Any] = orjson.loads(answer)
            return row
        raise away

    def _parse(self, sql: str, parameters: Mapping[str, str]) -> bytes:
        return ask(self._asker, trusted(sql), "JSONEachRow", parameters, {})


def _header(body: bytes) -> dict[str, str]:
    """Return the types of a segment's columns by their names."""
    first = body.find(b"\n")
    second = body.find(b"\n", first + 1)
    names, types = _texts(body[: first + 1]), _texts(body[first + 1 : second + 1])
    if not names or len(set(names)) != len(names) or len(names) != len(types):
        raise StoreRefused(0, "SEGMENT_HEADER")
    return dict(zip(names, types, strict=True))


def _texts(line: bytes) -> list[str]:
    try:
        return msgspec.json.decode(line, type=list[str])
    except msgspec.MsgspecError:
        return []
