"""What 2xx promises: killed, cut off from the store, full, told to end."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.product import Product, descendants, free_ports, wait_until

SITE = "opt-out.example"
ROOT = Path(__file__).parents[2]


def event(number: int) -> dict[str, Any]:
    """Return an event with a number to find it by."""
    return {
        "event": "custom",
        "name": "numbered",
        "site": SITE,
        "properties": {"number": number},
    }


def start(data: Path, **settings: str) -> Product:
    """Start a product with the site that needs no consent."""
    product = Product(data, client_rate="0", **settings)
    product.data.mkdir(parents=True)
    product.run("site", "add", SITE, "--rules", "us_other")
    return product.start()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A server for the tests that leave it running as it was."""
    product = Product(tmp_path_factory.mktemp("steady") / "data", client_rate="0")
    product.add_site(SITE, "--rules", "us_other")
    product.add_site("opt-in.example")
    yield product.start()
    product.stop()


def stored(product: Product) -> list[int]:
    """Return the numbers in the table, sorted."""
    rows = product.sql(
        "SELECT toUInt32(properties['number']) AS n FROM kastana.events ORDER BY n"
    )
    return [int(row["n"]) for row in rows]


def send_until_dead(product: Product, acknowledged: list[int], first: int) -> None:
    """Send numbered events one by one; note those that were acknowledged."""
    for number in range(first, first + 100_000):
        try:
            if product.post(event(number)).status == 202:
                acknowledged.append(number)
        except OSError:
            return


def test_killed_at_any_moment_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    """Kill -9 of everything under load, three times: each 202 is one row."""
    product = start(tmp_path / "data", workers="2")
    acknowledged: list[int] = []
    for round_ in range(3):
        sender = threading.Thread(
            target=send_until_dead, args=(product, acknowledged, round_ * 100_000)
        )
        sender.start()
        time.sleep(1.0 + round_ * 0.13)
        product.kill()
        sender.join(30)
        product.start()
    product.wait_loaded()
    rows = stored(product)
    product.stop()

    assert len(acknowledged) > 100
    assert not set(acknowledged) - set(rows)
    assert len(rows) == len(set(rows))


def test_keeper_death_does_not_stop_collection(tmp_path: Path) -> None:
    """With the keeper dead events are accepted; it comes back and loads them."""
    product = start(tmp_path / "data")
    keeper = json.loads((product.data / "keeper.json").read_text())["pid"]
    assert product.process is not None
    assert keeper in descendants(product.process.pid)
    subprocess.run(["kill", "-9", str(keeper)], check=True)
    statuses = [product.post(event(number)).status for number in range(20)]

    assert [202] * 20 == statuses
    wait_until(
        lambda: (
            product.call("GET", f"{product.keeper}/health/live").status == 200
            if _listens(product)
            else False
        ),
        "the keeper did not come back",
        30,
    )
    product.wait_loaded()
    assert list(range(20)) == stored(product)
    product.stop()


def _listens(product: Product) -> bool:
    try:
        return product.call("GET", f"{product.keeper}/health/ready").status == 200
    except OSError:
        return False


def test_absent_store_delays_and_loses_nothing(tmp_path: Path) -> None:
    """Events wait for a server store that is away, and load once it is there."""
    port = free_ports(1)[0]
    product = Product(
        tmp_path / "data", client_rate="0", clickhouse_url=f"http://127.0.0.1:{port}"
    )
    product.data.mkdir()
    product.run("site", "add", SITE, "--rules", "us_other")
    product.start(keeper_ready=False)
    ready = product.call("GET", f"{product.keeper}/health/ready")
    statuses = [product.post(event(number)).status for number in range(30)]
    refused = product.run("sql", "SELECT 1")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.clickhouse_server", str(port), tmp_path / "ch"],
        cwd=ROOT,
    )
    try:
        wait_until(lambda: _listens(product), "the store was not found", 40)
        product.wait_loaded()
        rows = stored(product)
    finally:
        product.stop()
        server.send_signal(signal.SIGTERM)
        server.wait(20)

    assert (503, "store_unavailable") == (ready.status, ready.json()["status"])
    assert [202] * 30 == statuses
    assert 1 == refused.returncode
    assert b"store_unavailable" in refused.stderr
    assert list(range(30)) == rows


def test_full_spool_is_said_and_nothing_acknowledged_is_dropped(
    tmp_path: Path,
) -> None:
    """At the bound 503 with Retry-After; what got 202 is on disk."""
    product = Product(
        tmp_path / "data",
        client_rate="0",
        clickhouse_url=f"http://127.0.0.1:{free_ports(1)[0]}",
        spool_max_bytes="65536",
    )
    product.data.mkdir()
    product.run("site", "add", SITE, "--rules", "us_other")
    product.start(keeper_ready=False)
    batch = [{**event(number), "title": "x" * 400} for number in range(40)]
    answers = [product.post(batch) for _ in range(8)]
    for _ in range(2000):
        # What is small finds room for longer.
        pixel = product.call("GET", f"/p.gif?site={SITE}")
        if pixel.status != 200:
            break
    product.stop()
    accepted = sum(answer.status == 202 for answer in answers)
    lines = sum(
        path.read_bytes().count(b'"numbered"')
        for path in (product.data / "spool").rglob("*.ndjson")
    )

    assert 503 == answers[-1].status
    assert "spool_full" == answers[-1].json()["error"]["code"]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (503, 43) == (pixel.status, len(pixel.body))
    assert accepted * 40 == lines


def test_repeated_event_id_counts_once(steady: Product) -> None:
    """A client that retries what already got through is counted once."""
    identity = str(uuid.UUID(int=uuid.uuid4().int & ~(0xF << 76) | 0x7 << 76))
    once = {**event(1), "event_id": identity, "occurred_at": int(time.time() * 1000)}
    for _ in range(3):
        assert steady.post(once).status == 202
        steady.wait_loaded()  # the next one is in another segment
    rows = steady.sql(
        "SELECT count() AS n FROM kastana.activity WHERE custom_name = 'numbered'"
    )

    assert 1 == int(rows[0]["n"])


def test_repeated_counter_counts_once(steady: Product) -> None:
    """A repeated event that leaves only a number is one, while and after writing."""
    identity = str(uuid.UUID(int=uuid.uuid4().int & ~(0xF << 76) | 0x7 << 76))
    # Of this site only numbers are kept, since nobody was asked.
    once = {**event(1), "site": "opt-in.example", "event_id": identity}
    body = json.dumps([once] * 3).encode()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: steady.post(body), range(24)))
    steady.wait_loaded()
    rows = steady.sql(
        "SELECT sum(events) AS n FROM kastana.counts WHERE site = 'opt-in.example'"
    )

    assert {(202, 3)} == {(one.status, one.json()["accepted"]) for one in answers}
    assert 1 == int(rows[0]["n"])


def test_too_many_requests_from_one_network(tmp_path: Path) -> None:
    """Beyond the burst: 429 with Retry-After, the pixel too."""
    product = Product(tmp_path / "data", client_rate="0.5", client_burst="3")
    product.data.mkdir()
    product.run("site", "add", SITE, "--rules", "us_other")
    product.start()
    answers = [product.post(event(number)) for number in range(6)]
    pixel = product.call("GET", f"/p.gif?site={SITE}")
    product.stop()

    assert [202, 202, 202, 429, 429, 429] == [one.status for one in answers]
    assert "rate_limited" == answers[-1].json()["error"]["code"]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (429, 43) == (pixel.status, len(pixel.body))


def test_told_to_end_it_drains_and_ends_with_zero(tmp_path: Path) -> None:
    """SIGTERM: what was acknowledged is sealed, exit code 0, and loads later."""
    product = start(tmp_path / "data", spool_seal_seconds="600")
    for number in range(5):
        assert product.post(event(number)).status == 202
    code = product.stop()
    left = list((product.data / "spool" / "open").iterdir())
    product.start()
    product.wait_loaded()
    rows = stored(product)
    product.stop()

    assert 0 == code
    assert [] == left
    assert list(range(5)) == rows


def test_second_keeper_is_refused_with_words(steady: Product) -> None:
    """Two keepers on one folder: the second ends at once and says why."""
    second = steady.run("keeper", "--keeper-listen", "127.0.0.1:0")

    assert 78 == second.returncode
    assert b"another keeper is running" in second.stderr


def test_taken_address_is_refused_with_words(steady: Product, tmp_path: Path) -> None:
    """A port that another program has: words and exit 78, no traceback."""
    other = Product(tmp_path / "other")
    other.settings["keeper_listen"] = steady.settings["keeper_listen"]
    with pytest.raises(pytest.fail.Exception, match="cannot listen on"):
        other.start()

    assert b"Traceback" not in other.log.read_bytes()
    assert 78 == other.process.wait(20) if other.process else False
