"""
The canary when processes die: killed as by a defect in native code in the middle of
their work, by a power cut, and asked to end with events in every buffer while the store
is dead. No memory is left on the disk, no log line tells, and no core file is written.
"""

import http.client
import json
import os
import re
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from tests.canaries import ADDRESS, PEER, SITE, find_in
from tests.canary_events import canary_events, headers
from tests.canary_flight import request
from tests.product import Product, free_ports, wait_until

NAME = f"opt-out.{SITE}"


class Load:
    """Clients that never stop sending, whatever happens to the server."""

    def __init__(self, product: Product, clients: int = 3) -> None:
        self._product = product
        self._over = threading.Event()
        self._taken = [0] * clients
        self.refused: set[int] = set()
        self._threads = [
            threading.Thread(target=self._send, args=(number,))
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sending."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def taken(self) -> int:
        """Requests that were answered 202."""
        return sum(self._taken)

    def more(self, number: int) -> None:
        """Wait until so many more requests were taken."""
        enough = self.taken + number
        wait_until(lambda: self.taken >= enough, "nothing is taken any more", 30)

    def _send(self, number: int) -> None:
        peer = (PEER, "127.0.0.1")[number % 2]
        batch = json.dumps(canary_events(NAME, None))
        while not self._over.is_set():
            try:
                status = request(self._product, "POST", "/e", batch, ADDRESS, peer=peer)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # the process it spoke to is dead
                continue
            if status == 202:
                self._taken[number] += 1
            else:
                self.refused.add(status)


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """A server without trusted proxies whose store is dead; cores are allowed here."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    # What Python itself says of a crash goes to the log.
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    product = Product(
        tmp_path / "data",
        log_level="debug",
        robot_events="0",
        workers="2",
        clickhouse_url=f"http://127.0.0.1:{free_ports(1)[0]}",
    )
    product.folder = tmp_path / "cwd"
    product.folder.mkdir()
    product.data.mkdir()
    added = product.run("site", "add", NAME, "--rules", "us_other", "--origin", "*")
    assert added.returncode == 0, added.stderr
    try:
        yield product
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
        if product.process is not None and product.process.poll() is None:
            product.kill()


def wait_replaced(product: Product, role: str, number: int, dead: int) -> None:
    """Wait until so many processes of a role run again, the dead one not among them."""

    def replaced() -> bool:
        running = product.processes(role)
        return len(running) == number and dead not in running

    wait_until(replaced, f"no new {role}", 40)


def core_limit(pid: int) -> list[str]:
    """Return soft and hard limit of a process's core files."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    return re.findall(r"Max core file size\s+(\S+)\s+(\S+)", limits)


def spooled(product: Product) -> list[Path]:
    """Return the segments that lie in the spool."""
    return list((product.data / "spool").rglob("*.ndjson"))


def rows(product: Product) -> int:
    """Return how many lines lie in the spool."""
    return sum(path.read_bytes().count(b"\n") for path in spooled(product))


def half_sent(product: Product) -> list[socket.socket]:
    """Open connections whose requests never end: canaries in the server's buffers."""
    address = urlsplit(product.url)
    body = json.dumps(canary_events(NAME, None)).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(ADDRESS).items())
    opened = []
    for _ in range(20):
        connection = socket.create_connection(
            (address.hostname, address.port), timeout=5, source_address=(PEER, 0)
        )
        connection.sendall(
            f"POST /e HTTP/1.1\r\nHost: x\r\n{head}"
            f"Content-Length: {len(body) * 2}\r\n\r\n".encode()
            + body
        )
        opened.append(connection)
    return opened


def assert_clean(product: Product) -> None:
    """Search all that is left on the disk."""
    assert product.folder is not None
    assert not list(product.folder.iterdir())  # a core would lie here
    for path in [*product.data.rglob("*"), product.log]:
        if path.is_file():
            assert not find_in(path.read_bytes()), path
            assert "core" not in path.name


def test_crashes_and_full_buffers_leave_no_canary(product: Product) -> None:
    """Edges and keeper die of SIGSEGV and SIGABRT, then all is killed, then ended."""
    product.start(keeper_ready=False)
    for role, number in (("serve", 1), ("edge", 2), ("keeper", 1)):
        running = product.processes(role)
        assert len(running) == number
        assert all([("0", "0")] == core_limit(pid) for pid in running)
    with Load(product) as load:
        load.more(5)
        for crash, role, number in (
            (signal.SIGSEGV, "edge", 2),
            (signal.SIGABRT, "edge", 2),
            (signal.SIGSEGV, "keeper", 1),
        ):
            dead = product.processes(role)[0]
            os.kill(dead, crash)
            wait_replaced(product, role, number, dead)
            load.more(3)
        product.kill()

    said = product.log.read_text()
    assert "ended with -11" in said
    assert "ended with -6" in said
    assert "Fatal Python error" in said  # it was told, but not whose event it was
    assert_clean(product)

    # What is left is room for some events more, and then for none.
    room = sum(path.stat().st_size for path in spooled(product)) + 300_000
    product.settings["spool_max_bytes"] = str(room)
    product.start(keeper_ready=False)
    with Load(product) as load:
        load.more(5)
        wait_until(lambda: 503 in load.refused, "the spool is never full", 30)
        (product.data / "objections").write_bytes(b"not a list of withdrawals\n")
        unusable = "nothing is kept, objections_unusable"
        wait_until(lambda: unusable in product.log.read_text(), "it is usable", 10)
        code = end_with_full_buffers(product)

    assert 0 == code
    assert {503} == load.refused
    assert rows(product) > 100
    assert_clean(product)


def end_with_full_buffers(product: Product) -> int:
    """Ask the product to end while events wait in every buffer; return its code."""
    assert product.process is not None
    waiting = half_sent(product)
    product.process.send_signal(signal.SIGTERM)
    # It waits a while for what is on its way.
    time.sleep(0.5)
    for connection in waiting:
        connection.close()
    return product.stop()
