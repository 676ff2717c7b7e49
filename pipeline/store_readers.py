"""
Readers of the store: bounded statements on connections of their own.
"""

import os
import queue
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from pipeline.native import native_head
from pipeline.sql_guard import SqlGuard, Statement
from pipeline.store_clients import Connect, Connection, ask
from pipeline.store_errors import StoreUnavailable
from schemas.ddl import DATABASE

READ_LIMITS: Final[Mapping[str, int]] = {
    "max_execution_time": 30,
    "max_memory_usage": 1 << 30,
    "max_result_rows": 1_000_000,
    "max_result_bytes": 256 << 20,
    "max_threads": os.cpu_count() or 1,
}
# `readonly` comes last: after it, none but settings can be changed.
_EMBEDDED: Final = {**READ_LIMITS, "log_queries": 0, "allow_ddl": 0, "readonly": 2}
_NAMES: Final = "RowBinaryWithNamesAndTypes"
_WAIT_S: Final = 5.0
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*):")


def trusted(sql: str) -> Statement:
    """Return a statement of our own, or one that a server will judge."""
    return Statement(sql, None, frozenset(_PLACEHOLDER.findall(sql)))


def _without_format(statement: Statement) -> Statement:
    ending = f" FORMAT {statement.format}" if statement.format else ""
    if not statement.text.endswith(ending):
        return statement
    return Statement(statement.text.removesuffix(ending), None, statement.parameters)


class Readers:
    """A few connections, each for one statement at a time."""

    def __init__(
        self,
        connect: Connect,
        count: int,
        parse: Callable[[str, Mapping[str, str]], bytes] | None,
    ) -> None:
        """
        Open the connections.

        Args:
            connect: makes a client.
            count: how many statements may run at a time.
            parse: asks the embedded engine's parser; None for a server, whose own
                users and roles decide what may be read.

        """
        limits = _EMBEDDED if parse else READ_LIMITS
        self._guard = SqlGuard(parse, READ_LIMITS) if parse else None
        self._all = [
            Connection(connect(DATABASE, limits), embedded=parse is not None)
            for _ in range(count)
        ]
        self._free: queue.LifoQueue[Connection] = queue.LifoQueue()
        for connection in self._all:
            self._free.put(connection)

    def read(
        self,
        sql: str,
        fmt: str | None,
        parameters: Mapping[str, Any],
        settings: Mapping[str, str],
    ) -> tuple[bytes, str]:
        """Run a statement; return its answer and the answer's format."""
        statement, given = trusted(sql), dict(settings)
        if self._guard is not None:
            statement = self._guard.check(sql, fmt)
            given = {
                name: value
                for name, value in self._guard.settings(given).items()
                # Each setting costs three round trips; the limits are set already.
                if value != str(READ_LIMITS.get(name))
            }
        answered = statement.format or fmt or "TabSeparated"
        with self._connection() as connection:
            answer = ask(connection, statement, fmt, parameters, given)
            if not answer and answered.lower() == "native" and self._guard is not None:
                bare = _without_format(statement)
                if bare.format is None:
                    names = ask(connection, bare, _NAMES, parameters, given)
                    answer = native_head(names)
        return answer, answered

    def close(self) -> None:
        """Close the connections as their statements end."""
        for connection in self._all:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            connection = self._free.get(timeout=_WAIT_S)
        except queue.Empty:
            raise StoreUnavailable(202, "TOO_MANY_SIMULTANEOUS_QUERIES") from None
        try:
            yield connection
        finally:
            self._free.put(connection)
