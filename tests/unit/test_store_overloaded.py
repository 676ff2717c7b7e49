"""A store that has no memory left refuses everything, and condemns nothing by it."""

from collections.abc import Iterator

import pytest

from pipeline.store import Store, StoreUnavailable
from tests import clickhouse_fixture, store_fixture
from tests.store_fixture import AT, segment
from tests.torture.network import Network, network

shared_store = store_fixture.shared_store
filled_store = clickhouse_fixture.filled_store
writable_port = clickhouse_fixture.writable_port
ROW = [7, "a.example", AT, None]


@pytest.fixture
def overloaded(writable_port: int) -> Iterator[Network]:
    """Give a network that can answer in the place of a server."""
    with network(writable_port) as between:
        yield between


def test_segment_is_not_refused(overloaded: Network, filled_store: Store) -> None:
    """Asked for a table's columns it says so: the segment is tried again later."""
    remote = Store.open(overloaded.url)
    overloaded.fault = "err"
    try:
        with pytest.raises(StoreUnavailable, match="MEMORY_LIMIT_EXCEEDED"):
            remote.insert_segment("hits", segment([ROW]), "overloaded")
        overloaded.heal()
        remote.insert_segment("hits", segment([ROW]), "overloaded")
    finally:
        remote.close()
    found = filled_store.query("SELECT count() FROM hits WHERE id = 7", "TSV")

    assert b"1\n" == found
