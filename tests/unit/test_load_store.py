"""The loader with the real engine: refused rows, repeats, what clients send twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from pipeline.load import Loader
from pipeline.load_plans import prepare
from pipeline.migrate import migrate
from pipeline.segment import make_folders
from pipeline.store import Store
from schemas.policy import load_policy
from tests import store_fixture
from tests.loading import HEADERS, failed_rows
from tests.withdrawals import line

shared_store = store_fixture.shared_store


@pytest.fixture(scope="module")
def migrated(shared_store: Store) -> Store:
    """Give a store with the policy's tables."""
    migrate(shared_store, load_policy())
    return shared_store


@pytest.fixture
def store(migrated: Store) -> Iterator[Store]:
    """Give it, empty again afterwards."""
    yield migrated
    for table in ("events", "counts"):
        migrated.command(f"TRUNCATE TABLE kastana.{table} SYNC")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """An empty spool."""
    make_folders(tmp_path)
    prepare(tmp_path)
    return tmp_path


def put(spool: Path, name: str, *lines: bytes) -> None:
    """Seal a segment of events."""
    path = spool / "sealed" / f"events-{name}.ndjson"
    path.write_bytes(HEADERS["events"] + b"".join(lines))


def load(spool: Path, store: Store) -> None:
    """Load all that waits, as a new process does."""
    one = Loader(spool, store, HEADERS, 600.0)
    while one.run_once().more:
        continue


def paths(store: Store) -> list[str]:
    """Return the pages of the stored events, each as often as it counts."""
    sql = "SELECT url_path FROM kastana.activity ORDER BY url_path"
    answer = store.query(sql, "JSONCompactEachRow", read_only=False)
    return [json.loads(one)[0] for one in answer.splitlines()]


def page(number: int, **changes: object) -> bytes:
    """Return a view of a page of its own, an event of its own."""
    known = {"event_id": f"0197b2f4-0000-7000-8000-{number:012x}", "event_key": number}
    names = orjson.loads(HEADERS["events"].splitlines()[0])
    identity = {name: value for name, value in known.items() if name in names}
    return line(**{"url_path": f"/{number}", **identity, **changes})


def test_refused_rows(spool: Path, store: Store) -> None:
    """Rows that the engine cannot read are set aside; all others count, once."""
    lines = [page(number) for number in range(1, 41)]
    lines[6] = lines[6].replace(b"2025-06-01", b"soon")
    lines[7] = lines[7][:-20] + b"\n"
    lines[30] = page(31, engaged_ms="many")
    put(spool, "0001", *lines[:20])
    put(spool, "0002", *lines[20:])
    load(spool, store)
    good = {f"/{number}" for number in range(1, 41)} - {"/7", "/8", "/31"}
    reasons = [path.read_text() for path in (spool / "failed").glob("*.reason")]

    assert sorted(good) == paths(store)
    assert sorted([lines[6].strip(), lines[7].strip(), lines[30].strip()]) == (
        failed_rows(spool)
    )
    assert all(reason.split()[1].startswith("CANNOT_PARSE") for reason in reasons)
    assert all(len(reason.split()) == 2 for reason in reasons)


def test_loaded_again(spool: Path, store: Store) -> None:
    """Segments that come back from loaded/, alone or joined, change no number."""
    for number in range(4):
        put(spool, f"000{number}", page(number))
    for _ in range(3):
        load(spool, store)
        for path in list((spool / "loaded").iterdir()):
            path.rename(spool / "sealed" / path.name)

    sql = "SELECT count() FROM kastana.events"
    assert b"4\n" == store.query(sql, "TSV", read_only=False)


def test_what_a_client_repeats(spool: Path, store: Store) -> None:
    """One event counts once over segments and days of arrival; on each site alone."""
    again = page(1, received_at="2025-06-09 00:00:01.000")
    put(spool, "0001", page(1), page(2), page(1))
    load(spool, store)
    put(spool, "0002", again)
    load(spool, store)
    put(spool, "0003", again, page(1, site="other.example"))
    load(spool, store)

    assert ["/1", "/1", "/2"] == paths(store)
    views = store.query(
        "SELECT site, sum(views) FROM kastana.pages GROUP BY site ORDER BY site",
        "TSV",
        read_only=False,
    )
    assert b"example.com\t2\nother.example\t1\n" == views
