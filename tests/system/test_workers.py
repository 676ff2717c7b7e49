"""Edges and keeper: replaced, killed, left alone, and never two of a kind."""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.product import Product, descendants, wait_until

SITE = "opt-out.example"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One server with two edges, whose settings are in a file."""
    folder = tmp_path_factory.mktemp("workers")
    config = folder / "kastana.toml"
    config.write_text("client_rate = 0\n")
    running = Product(folder / "data", workers="2", config=str(config))
    running.data.mkdir()
    running.run("site", "add", SITE, "--rules", "us_other")
    running.run("site", "add", "busy.example", "--rules", "us_other", "--rate", "0.1")
    running.run("site", "add", "busy.example", "--burst", "2")
    yield running.start()
    running.stop()


def event(number: int, site: str = SITE) -> dict[str, Any]:
    """Return an event with a number to find it by."""
    return {
        "event": "custom",
        "name": "numbered",
        "site": site,
        "properties": {"number": number},
    }


def stored(product: Product) -> list[int]:
    """Return the numbers in the table, sorted."""
    product.wait_loaded()
    rows = product.sql(
        "SELECT toUInt32(properties['number']) AS n FROM kastana.events "
        "WHERE site = 'opt-out.example' ORDER BY n"
    )
    return [int(row["n"]) for row in rows]


class Sender(threading.Thread):
    """Sends numbered events until told to stop; notes every one that went wrong."""

    def __init__(self, product: Product, first: int, *, keep: bool) -> None:
        super().__init__()
        self._address = product.url.removeprefix("http://")
        self._number = first
        self._headers = {} if keep else {"Connection": "close"}
        self.stopping = threading.Event()
        self.taken: list[int] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        """Send; a kept connection is opened again when the server has closed it."""
        connection = http.client.HTTPConnection(self._address, timeout=20)
        while not self.stopping.is_set():
            self._number += 1
            body = json.dumps(event(self._number))
            try:
                connection.request("POST", "/e", body, self._headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                connection.close()
                continue
            if answer.status == 202:
                self.taken.append(self._number)
            else:
                self.wrong.append(str(answer.status))
        connection.close()


def test_reload_under_load_loses_nothing(product: Product) -> None:
    """New edges take over without one refused connection, event or answer."""
    before = product.processes("edge")
    senders = [
        Sender(product, (number + 1) * 1_000_000, keep=number % 2 == 0)
        for number in range(4)
    ]
    for sender in senders:
        sender.start()
    done = product.run("reload")
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(30)
    taken = sorted(number for sender in senders for number in sender.taken)

    assert b"reloaded\n" == done.stdout, done.stderr
    assert 2 == len(product.processes("edge"))
    assert set() == set(before) & set(product.processes("edge"))
    assert [] == [words for sender in senders for words in sender.wrong]
    assert len(taken) > 100
    assert taken == stored(product)


def test_bad_configuration_changes_nothing(product: Product) -> None:
    """What is wrong is said, and the old processes go on; killed, they come back."""
    config = Path(product.settings["config"])
    before = product.processes("edge")
    config.write_text("client_rate = 'many'\n")
    try:
        done = product.run("reload")
        after = product.processes("edge")
        os.kill(after[0], signal.SIGKILL)
        wait_until(
            lambda: len(set(product.processes("edge")) - set(after)) == 1,
            "the edge did not come back",
            20,
        )
        status = product.post(event(1)).status
    finally:
        config.write_text("client_rate = 0\n")

    assert 1 == done.returncode
    assert b"not reloaded: " in done.stderr
    assert b"client_rate" in done.stderr
    assert before == after
    assert 202 == status


def test_dead_and_hung_edges_keep_nobody_waiting(product: Product) -> None:
    """With all edges dead a request waits and is answered; with one hung, at once."""
    edges = product.processes("edge")
    lines = product.log.read_text().count("collecting on")
    for pid in edges:
        os.kill(pid, signal.SIGKILL)
    status = product.post(event(2)).status
    wait_until(
        lambda: product.log.read_text().count("collecting on") >= lines + 2,
        "the edges did not come back",
        20,
    )
    hung = product.processes("edge")[0]
    os.kill(hung, signal.SIGSTOP)
    try:
        statuses = [product.post(event(number)).status for number in range(3, 13)]
    finally:
        os.kill(hung, signal.SIGCONT)

    assert 202 == status
    assert set() == set(edges) & set(product.processes("edge"))
    assert [202] * 10 == statuses


def test_keeper_gives_way(product: Product) -> None:
    """
    The keeper has a lower priority than the edges, with its threads.

    But for one that the engine, where it may, lifts above all: it watches memory.
    """
    own = os.getpriority(os.PRIO_PROCESS, 0)
    (keeper,) = product.processes("keeper")
    threads = [int(one.name) for one in Path(f"/proc/{keeper}/task").iterdir()]
    keepers = {os.getpriority(os.PRIO_PROCESS, one) for one in threads}
    edges = {os.getpriority(os.PRIO_PROCESS, one) for one in product.processes("edge")}

    assert len(threads) > 1
    assert keepers - {-20} == {min(own + 10, 19)}
    assert edges == {own}


def test_site_has_its_own_rate(product: Product) -> None:
    """A site that sends too much gets 429; others do not, and its owner sees it."""
    batch = [event(number, "busy.example") for number in range(20)]
    answers = [product.post(batch) for _ in range(6)]
    pixel = product.call("GET", "/p.gif?site=busy.example&event=page_view")
    other = product.post(event(13)).status
    refused = [one for one in answers if one.status == 429]
    metrics = product.call("GET", f"{product.keeper}/metrics").body.decode()

    # Each of the two edges has let one request in, whose cost is then waited for.
    assert 4 <= len(refused)
    assert "rate_limited" == refused[0].json()["error"]["code"]
    assert int(refused[0].headers["retry-after"]) > 100
    assert 202 == other
    assert 'kastana_limited_total{reason="site"}' in metrics
    if pixel.status == 429:
        assert "rate_limited" == pixel.headers["x-kastana-error"]


def test_no_second_server_and_no_second_keeper(product: Product) -> None:
    """Whatever is started beside a server ends at once, and says why."""
    server = product.run("serve", "--listen", "127.0.0.1:0")
    keeper = product.run("keeper", "--keeper-listen", "127.0.0.1:0")

    assert 78 == server.returncode
    assert b"another server is running" in server.stderr
    assert 78 == keeper.returncode
    assert b"another keeper is running" in keeper.stderr
    assert 202 == product.post(event(14)).status


def test_killed_server_leaves_nobody_behind(product: Product) -> None:
    """Kill -9 of the server alone: its processes end, and the next one starts."""
    assert product.process is not None
    left = descendants(product.process.pid)
    os.kill(product.process.pid, signal.SIGKILL)
    product.process.wait(10)
    product.start()

    assert len(left) == 3
    assert [] == [pid for pid in left if Path(f"/proc/{pid}").exists()]
    assert 202 == product.post(event(15)).status
    product.wait_loaded()
    refused = product.sql(
        "SELECT sum(events) AS n FROM kastana.counts "
        "WHERE site = 'busy.example' AND outcome = 'rate_limited'"
    )
    assert int(refused[0]["n"]) >= 80


def test_reload_without_a_server(product: Product) -> None:
    """`kastana reload` where no server runs says so; an ended one leaves no word."""
    code = product.stop()
    done = product.run("reload")

    assert 0 == code
    assert not (product.data / "server.json").exists()
    assert 1 == done.returncode
    assert b"no server is running" in done.stderr
