"""
What can go wrong between Kastana and its store.

    StoreError
    ├── StoreUnavailable   not the data's fault: try again later
    └── StoreRefused       the same bytes will be refused again

The engine quotes the row it cannot parse and the statement it ran. None of that is
kept: an error carries the engine's number and symbolic name, and it is raised outside
the `except` that saw the engine's own, so that no traceback or `__context__` leads to
the text. `StoreRefused.detail` is the one exception: for errors of a reader's own
statement (a misspelt column) it holds the engine's words for that reader. It is no
part of `str()` or `repr()`, and must not be logged.
"""

import re
from typing import Final

from clickhouse_connect.driver.exceptions import Error, OperationalError


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RETRY: Final = _names(
    """
    ABORTED ALL_CONNECTION_TRIES_FAILED ALL_REPLICAS_ARE_STALE ASYNC_LOAD_CANCELED
    CANNOT_ALLOCATE_MEMORY CANNOT_CREATE_DIRECTORY CANNOT_CREATE_FILE CANNOT_FSYNC
    CANNOT_OPEN_FILE CANNOT_READ_FROM_SOCKET CANNOT_SCHEDULE_TASK
    CANNOT_WRITE_TO_FILE CANNOT_WRITE_TO_FILE_DESCRIPTOR CANNOT_WRITE_TO_SOCKET
    DEADLOCK_AVOIDED DISTRIBUTED_TOO_MANY_PENDING_BYTES DNS_ERROR
    HTTP_CONNECTION_LIMIT_REACHED KEEPER_EXCEPTION MEMORY_LIMIT_EXCEEDED
    MEMORY_RESERVATION_FAILED MEMORY_RESERVATION_KILLED NETWORK_ERROR
    NOT_ENOUGH_SPACE NO_ACTIVE_REPLICAS NO_AVAILABLE_REPLICA NO_FREE_CONNECTION
    NO_ZOOKEEPER PART_IS_LOCKED PART_IS_TEMPORARILY_LOCKED
    QUERY_SLOT_ACQUISITION_TIMEOUT QUERY_WAS_CANCELLED
    QUERY_WAS_CANCELLED_BY_CLIENT QUOTA_EXCEEDED RECEIVED_ERROR_TOO_MANY_REQUESTS
    REPLICA_IS_NOT_IN_QUORUM REPLICA_STATUS_CHANGED S3_ERROR SESSION_IS_LOCKED
    SOCKET_TIMEOUT TABLE_IS_READ_ONLY TCP_CONNECTION_LIMIT_REACHED TIMEOUT_EXCEEDED
    TOO_FEW_LIVE_REPLICAS TOO_MANY_MUTATIONS TOO_MANY_PARTS
    TOO_MANY_SIMULTANEOUS_QUERIES TOO_SLOW UNEXPECTED_ZOOKEEPER_ERROR
    UNKNOWN_STATUS_OF_INSERT UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    """
)
# A missing table or right is the store's state, not a fault of the segment; an error
# without a name condemns no segment either.
_RETRY_INSERT: Final = _RETRY | _names(
    """
    ACCESS_DENIED AUTHENTICATION_FAILED READONLY REQUIRED_PASSWORD UNKNOWN_DATABASE
    UNKNOWN_TABLE UNKNOWN_USER UNNAMED WRONG_PASSWORD
    """
)
# A reader's slow or greedy statement is the reader's to change.
_OWN_LIMITS: Final = frozenset(
    {"MEMORY_LIMIT_EXCEEDED", "TIMEOUT_EXCEEDED", "TOO_SLOW"}
)
# Errors of the analysis of a statement, and limits: their words quote no rows.
_ABOUT_THE_STATEMENT: Final = _OWN_LIMITS | _names(
    """
    AMBIGUOUS_IDENTIFIER BAD_QUERY_PARAMETER ILLEGAL_AGGREGATION
    ILLEGAL_TYPE_OF_ARGUMENT INVALID_JOIN_ON_EXPRESSION
    MULTIPLE_EXPRESSIONS_FOR_ALIAS NOT_AN_AGGREGATE NO_COMMON_TYPE
    NO_SUCH_COLUMN_IN_TABLE NUMBER_OF_ARGUMENTS_DOESNT_MATCH
    NUMBER_OF_COLUMNS_DOESNT_MATCH SYNTAX_ERROR TOO_DEEP_RECURSION
    TOO_FEW_ARGUMENTS_FOR_FUNCTION TOO_MANY_ARGUMENTS_FOR_FUNCTION TOO_MANY_BYTES
    TOO_MANY_ROWS TOO_MANY_ROWS_OR_BYTES UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_DATABASE
    UNKNOWN_FORMAT UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_QUERY_PARAMETER
    UNKNOWN_SETTING UNKNOWN_TABLE UNKNOWN_TYPE
    """
)
_VERSION: Final = r"\(version [^()]*(?:\([^()]*\)[^()]*)*\)"
_URL: Final = r"\(for url [^()\s]*\)"
_NAME: Final = re.compile(
    rf"\(([A-Z][A-Z0-9_]+)\)[\s.]*(?:{_VERSION})?[\s.]*(?:{_URL})?\Z"
)
_NOISE: Final = re.compile(
    r"\AReceived ClickHouse exception, code: \d+, server response: "
    rf"|(?:Code: \d+\. )?DB::Exception: |\s*{_VERSION}\.?|\s*{_URL}"
)
_DETAIL_LENGTH: Final = 1_000


class StoreError(Exception):
    """The engine's error number (0: none) and name; never its words."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(f"{name} ({code})" if code else name)
        self.code = code
        self.name = name


class StoreUnavailable(StoreError):  # noqa: N818 - says what is the case
    """The store is away, closing or too busy; the same call may succeed later."""


class StoreRefused(StoreError):  # noqa: N818 - says what is the case
    """The store will not take this; `detail` is for the reader who asked."""

    def __init__(self, code: int, name: str, detail: str = "") -> None:
        super().__init__(code, name)
        self.detail = detail


def insert_error(error: Error) -> StoreError:
    """Return what a client's error means for an insert or a command."""
    code, name = _identity(error)
    if not code or name in _RETRY_INSERT:
        return StoreUnavailable(code, name)
    return StoreRefused(code, name)


def open_error(error: Error) -> StoreError:
    """Return what a client's error means while a store is opened."""
    failure = insert_error(error)
    if failure.code:
        return failure
    away = isinstance(error, OperationalError)
    return StoreUnavailable(0, "NETWORK_ERROR" if away else "CANNOT_OPEN")


def query_error(error: Error) -> StoreError:
    """Return what a client's error means for a reader's statement."""
    code, name = _identity(error)
    if not code or name in _RETRY - _OWN_LIMITS:
        return StoreUnavailable(code, name)
    return StoreRefused(code, name, _detail(error, name))


def _identity(error: Error) -> tuple[int, str]:
    code = error.code or 0
    # Only the very end is the engine's own word; what is before may quote a row.
    found = _NAME.search(str(error))
    if code and found:
        return code, found[1]
    if code:
        return code, "UNNAMED"
    return 0, "NETWORK_ERROR" if isinstance(error, OperationalError) else "CLOSED"


def _detail(error: Error, name: str) -> str:
    if name not in _ABOUT_THE_STATEMENT:
        return ""
    words = _NOISE.sub("", str(error)).strip()
    return words[:_DETAIL_LENGTH]
