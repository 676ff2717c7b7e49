"""
A server of ClickHouse's HTTP interface for tests, and plain requests to it.
"""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from collector.clickhouse_http import clickhouse_app
from pipeline.store import Store
from tests.store_fixture import AT, make_table, segment, serving


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(
    port: int,
    path: str = "/",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    **fields: str,
) -> Answer:
    """Send a request and return whatever is answered."""
    query = urllib.parse.urlencode(fields)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}?{query}",
        data=body,
        headers=dict(headers or {}),
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@pytest.fixture(scope="module")
def filled_store(shared_store: Store) -> Store:
    """Give a store with a table `hits` of three rows."""
    make_table(shared_store)
    rows = [[i, f"{'ab'[i % 2]}.example", AT, None] for i in range(3)]
    shared_store.insert_segment("hits", segment(rows), "t1")
    return shared_store


@pytest.fixture(scope="module")
def port(filled_store: Store) -> Iterator[int]:
    """Give the port of a server for reading."""
    with serving(clickhouse_app(filled_store)) as number:
        yield number


@pytest.fixture(scope="module")
def writable_port(filled_store: Store) -> Iterator[int]:
    """Give the port of a server that lets everything through."""
    with serving(clickhouse_app(filled_store, writable=True)) as number:
        yield number
