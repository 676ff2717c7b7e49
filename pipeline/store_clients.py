"""
Clients of the store: how they are opened, asked, and handed rows.
"""

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import SplitResult, unquote

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error
from clickhouse_connect.driver.summary import QuerySummary

from pipeline.durable import write_all
from pipeline.sql_guard import Statement
from pipeline.store_errors import (
    StoreError,
    StoreRefused,
    StoreUnavailable,
    insert_error,
    open_error,
    query_error,
)
from schemas.ddl import DATABASE

_T = TypeVar("_T")
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONNECT_S: Final = 5
_ANSWER_S: Final = 120
_SETTLE_TRIES: Final = 3
_PREFIX, _SUFFIX = "insert-", ".rows"
_LOW_CARDINALITY: Final = re.compile(r"LowCardinality\(([A-Za-z0-9]+)\)")
# The header's types were compared with the table's; here they are others. One thread,
# since the second core has visitors to answer.
_AS_PLAIN_TEXT: Final = {
    "input_format_with_types_use_header": "0",
    "input_format_parallel_parsing": "0",
    "max_threads": "1",
    # An insert that could not be recognised when it is repeated must fail.
    "deduplicate_insert_select": "force_enable",
}
# The embedded engine's database `default` takes any path for the name of a table and
# reads that file.
_FILE_DATABASE: Final = (
    "SELECT count() FROM system.databases WHERE name = 'default' "
    "AND engine = 'Overlay' "
    "AND NOT (SELECT count() FROM system.tables WHERE database = 'default')"
)


class Connect(Protocol):
    """Makes a client."""

    def __call__(
        self, database: str | None, settings: Mapping[str, int] | None = None
    ) -> Client:
        """Return a client in a database, with settings for all its statements."""


def engine(folder: Path) -> Connect:
    """Return what opens clients of the embedded engine on a folder."""

    def connect(
        database: str | None, settings: Mapping[str, int] | None = None
    ) -> Client:
        return clickhouse_connect.get_client(
            interface="chdb",
            path=str(folder),
            database=database,
            settings=dict(settings or {}),
        )

    return connect


def server(address: SplitResult) -> Connect:
    """
    Return what opens clients of a server.

    Raises:
        ValueError: when the address names another database than Kastana's.

    """
    if address.path.strip("/") not in {"", DATABASE}:
        message = f"the store's database is {DATABASE}"
        raise ValueError(message)

    def connect(
        database: str | None, settings: Mapping[str, int] | None = None
    ) -> Client:
        return clickhouse_connect.get_client(
            interface=address.scheme,
            host=address.hostname,
            port=address.port,
            username=unquote(address.username or "") or None,
            password=unquote(address.password or ""),
            database=database,
            settings=dict(settings or {}),
            connect_timeout=_CONNECT_S,
            send_receive_timeout=_ANSWER_S,
            query_retries=0,
            # A session would let only one thread at a time use the client.
            autogenerate_session_id=False,
        )

    return connect


def prepare(client: Client, *, embedded: bool) -> None:
    """Make the database; take from the embedded engine what reads files by name."""
    if not client.command(f"EXISTS DATABASE {DATABASE}"):
        client.command(f"CREATE DATABASE {DATABASE}")
    client.database = DATABASE
    if embedded and client.command(_FILE_DATABASE):
        client.command("DROP DATABASE default SYNC")
        # New clients start in `default`, so there must be one.
        client.command("CREATE DATABASE default ENGINE = Memory")


class Connection:
    """A client, and the turn to use it."""

    def __init__(self, client: Client, *, embedded: bool) -> None:
        """
        Take a client.

        Args:
            client: nobody else's.
            embedded: whether it is one of the embedded engine, which serves one call
                at a time.

        """
        self._client = client
        self._embedded = embedded
        self._turn = threading.Lock()

    def run(
        self, meaning: Callable[[Error], StoreError], work: Callable[[Client], _T]
    ) -> _T:
        """
        Do work with the client.

        Raises:
            StoreError: as `meaning` says; it has no tie to the client's own error,
                whose text quotes rows and statements.

        """
        with self._turn if self._embedded else nullcontext():
            try:
                return work(self._client)
            except Error as error:
                failure = meaning(error)
            if self._embedded:
                self._settle()
        raise failure

    def close(self) -> None:
        """Close the client when its call has ended."""
        self._client.close()

    def _settle(self) -> None:
        # What a statement had written before it failed stays with the embedded
        # engine's connection, which puts it before the next answer: that would be
        # another reader's. Take it away, and make sure.
        for _ in range(_SETTLE_TRIES):
            try:
                if self._client.raw_query("SELECT 1 FORMAT TSV") == b"1\n":
                    return
            except Error:
                break
        self._client.close()


def opening(work: Callable[[], _T]) -> _T:
    """Do what opens a store; its errors are those of the store."""
    try:
        return work()
    except Error as error:
        failure = open_error(error)
    raise failure


def ask(
    connection: Connection,
    statement: Statement,
    fmt: str | None,
    parameters: Mapping[str, Any],
    settings: Mapping[str, str],
) -> bytes:
    """Return the answer to a statement; only parameters it names are bound."""
    # Were none of them a placeholder, the client would write them into the text.
    bound = {k: v for k, v in parameters.items() if k in statement.parameters}
    return connection.run(
        query_error,
        lambda client: client.raw_query(
            statement.text,
            parameters=bound or None,
            settings=dict(settings),
            fmt=None if statement.format else fmt,
        ),
    )


def insert_request(
    connection: Connection,
    into: str,
    fmt: str,
    body: bytes,
    settings: Mapping[str, str],
) -> int:
    """Insert rows by a request to a server; return how many it has read."""
    return connection.run(
        insert_error,
        lambda client: client.raw_insert(
            into, insert_block=body, fmt=fmt, settings=dict(settings)
        ),
    ).written_rows


def insert_file(  # noqa: PLR0913 - one more than a request has
    connection: Connection,
    folder: Path,
    into: str,
    fmt: str,
    body: bytes,
    settings: Mapping[str, str],
) -> int:
    """
    Insert rows by a private file; return how many were read.

    The client would do the same with a file in the folder of all temporary files,
    where a killed process leaves it. Ours is in memory, or else in `folder`.
    """
    with _file(folder, body) as path:
        sql = (
            f"INSERT INTO {into} FROM INFILE {_quoted(path)}"
            f"{_clause(settings)} FORMAT {fmt}"
        )
        done = connection.run(insert_error, lambda client: client.command(sql))
    return int(done.summary["read_rows"]) if isinstance(done, QuerySummary) else 0


def insert_segment_file(  # noqa: PLR0913 - one more than a request has
    connection: Connection,
    folder: Path,
    into: str,
    columns: Mapping[str, str],
    fmt: str,
    body: bytes,
    settings: Mapping[str, str],
) -> None:
    """
    Insert a segment by a private file, its texts read as plain ones first.

    Reading text straight into a LowCardinality column makes the engine look up each
    value by itself; whole columns of plain text are turned into one in a tenth of the
    time: 39 against 12 microseconds a row of 75 columns.

    Args:
        connection: the loader's.
        folder: where the file is made, if it cannot be in memory.
        into: the table.
        columns: its columns as the segment's header has them, names and types; they
            must be the table's, for they become part of the statement.
        fmt: the segment's format.
        body: its bytes.
        settings: for the statement.

    """
    names = ", ".join(f"`{name}`" for name in columns)
    plain = ", ".join(f"`{name}` {_plain(kind)}" for name, kind in columns.items())
    given = {**settings, **_AS_PLAIN_TEXT}
    with _file(folder, body) as path:
        source = f"file({_quoted(path)}, {_quoted(fmt)}, {_quoted(plain)})"
        sql = (
            f"INSERT INTO {into} ({names}) SELECT {names} FROM {source}{_clause(given)}"  # noqa: S608 - checked names
        )
        connection.run(insert_error, lambda client: client.command(sql))


@contextmanager
def _file(folder: Path, body: bytes) -> Iterator[str]:
    """Give the name of a file with these bytes: in memory, where the system can."""
    if hasattr(os, "memfd_create"):
        # Rows that were encrypted in the spool do not lie in the open beside it.
        memory = os.memfd_create("rows", os.MFD_CLOEXEC)
        try:
            write_all(memory, body)
            yield f"/proc/self/fd/{memory}"
        finally:
            os.close(memory)
        return
    problem = ""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(
                tempfile.NamedTemporaryFile(dir=folder, prefix=_PREFIX, suffix=_SUFFIX)
            )
            file.write(body)
            file.flush()
        except OSError as error:
            problem = os.strerror(error.errno or 0)
        if problem:
            raise StoreUnavailable(0, f"the scratch folder: {problem}")
        yield file.name


def make_private(folder: Path) -> None:
    """
    Make a folder that is its owner's alone.

    Raises:
        StoreUnavailable: when that cannot be.

    """
    problem = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        problem = os.strerror(error.errno or 0)
    if problem:
        raise StoreUnavailable(0, f"the store's folder: {problem}")


def empty(folder: Path) -> None:
    """Remove what a killed process left in the scratch folder."""
    for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        left.unlink()


def _plain(kind: str) -> str:
    return _LOW_CARDINALITY.sub(r"\1", kind)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _clause(settings: Mapping[str, str]) -> str:
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise StoreRefused(115, "UNKNOWN_SETTING")
    pairs = ", ".join(f"{name} = {_quoted(v)}" for name, v in settings.items())
    return f" SETTINGS {pairs}" if pairs else ""
