"""What is tortured: a product, its store, and the disk, network and clock they have."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.product import Product, free_ports
from tests.torture.clock import Clock
from tests.torture.disk import SmallDisk
from tests.torture.journal import CHOICES, COUNTED, ROWS
from tests.torture.network import Network, network

ROOT = Path(__file__).parents[2]
READY_S = 60.0


class ViolationError(Exception):
    """Something that must never be."""


@dataclass(frozen=True)
class Mode:
    """
    How the product is set up for some rounds.

    Attributes:
        server: with a store over HTTP, in place of the embedded engine.
        workers: how many edges.
        durability: the class of /e.
        encrypted: whether the spool is.
        free_bytes: what the edges leave free on the disk.
        max_bytes: what may wait in the spool.

    """

    server: bool
    workers: int = 1
    durability: str = "fsync"
    encrypted: bool = False
    free_bytes: int = 0
    max_bytes: int = 1 << 30

    def __str__(self) -> str:
        """Say it in a few words."""
        words = [
            "server" if self.server else "engine",
            f"{self.workers} edge{'s' * (self.workers > 1)}",
            self.durability,
            "encrypted" if self.encrypted else "plain",
            f"{self.free_bytes >> 10} KiB free",
            f"{self.max_bytes >> 10} KiB at most",
        ]
        return ", ".join(words)


class _Product(Product):
    """A product that may be started where it can only say that it is full."""

    live_is_enough = False

    def _is(self, kind: str, url: str) -> bool:
        return super()._is("live" if self.live_is_enough else kind, url)


class Stage:
    """
    One data folder, with its store, through all its rounds.

    Attributes:
        kills: how often a process was killed since the product was started.
        lossy: whether an edge was killed in this round, which the class `memory`
            does not promise to survive.

    """

    def __init__(self, folder: Path, *, server: bool, mounts: bool) -> None:
        """
        Describe a stage; nothing runs yet.

        Args:
            folder: a new one, for everything.
            server: whether the store is one over HTTP.
            mounts: whether a small disk can be mounted.

        """
        folder.mkdir(parents=True)
        self.folder = folder
        self.product = _Product(folder / "data")
        self.mode = Mode(server=server)
        self.network: Network | None = None
        self.disk = SmallDisk(folder / "data" / "spool") if mounts else None
        self.clock = Clock(folder / "clock")
        self.kills = 0
        self.lossy = False
        self._key = secrets.token_hex(32)
        self._stack = ExitStack()
        self._store: subprocess.Popen[bytes] | None = None
        self._store_port = 0

    def prepare(self) -> None:
        """Start the store, if it is one apart; make the sites."""
        if self.mode.server:
            self._store_port = free_ports(1)[0]
            self.network = self._stack.enter_context(network(self._store_port))
            self.start_store()
        for name, options in (
            (ROWS, ("--rules", "us_other")),
            (COUNTED, ()),
            (CHOICES, ()),
        ):
            self.product.add_site(name, *options)

    def set_up(self, mode: Mode) -> None:
        """Run the product in another mode, from now on."""
        if self.product.process is not None:
            self.end_product()
        self.mode = mode
        self.product.settings |= {
            "client_rate": "0",
            "robot_events": "0",
            "demo": "false",
            "workers": str(mode.workers),
            "durability_events": mode.durability,
            "spool_free_bytes": str(mode.free_bytes),
            "spool_max_bytes": str(mode.max_bytes),
            # What is loaded shares the small disk with what waits.
            "spool_keep_seconds": "5",
            "withdrawal_seconds": "1",
            "rollup_seconds": "0.5",
            "drain_seconds": "3",
        }
        # After a round nothing waits that would need the key.
        self.product.settings.pop("spool_key", None)
        if mode.encrypted:
            self.product.settings["spool_key"] = self._key
        if self.network is not None:
            self.product.settings["clickhouse_url"] = self.network.url
        self.start()

    def start(self, *, ready: bool = True) -> None:
        """Start the product, and wait until it is ready, or at least answers."""
        before = dict(os.environ)
        os.environ.update(self.clock.environment)
        try:
            self.product.live_is_enough = not ready
            self.product.start()
        except pytest.fail.Exception as failure:
            raise ViolationError(f"it does not start: {failure}") from None
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.kills = 0

    def end_product(self) -> None:
        """Tell the product to end, and see that it does in order."""
        code = self.product.stop()
        if code != 0:
            raise ViolationError(f"told to end it ended with {code}")

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to one of the product's processes, if it still is there."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def kill(self, *roles: str, one: random.Random | None = None) -> None:
        """Kill all processes of some roles, or one of them by chance."""
        pids = [pid for role in roles for pid in self.product.processes(role)]
        if one is not None and pids:
            pids = [one.choice(pids)]
        for pid in pids:
            self.signal(pid, signal.SIGKILL)
        # Each time the server waits longer before it starts one again.
        self.kills += 1
        self.lossy |= "edge" in roles

    def kill_all(self) -> None:
        """Kill everything that the product is, at once."""
        self.product.kill()
        self.lossy = True

    def start_store(self) -> None:
        """Start the server of the store, and wait until it answers."""
        with (self.folder / "store.log").open("ab") as log:
            self._store = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.clickhouse_server",
                    str(self._store_port),
                    self.folder / "store",
                ],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.until(self._store_answers, "the store does not start")

    def stop_store(self, *, going: bool) -> None:
        """Let the server of the store stand still, or go on."""
        assert self._store is not None
        self._store.send_signal(signal.SIGCONT if going else signal.SIGSTOP)

    def kill_store(self) -> None:
        """Kill the server of the store."""
        assert self._store is not None
        self._store.kill()
        self._store.wait(10)

    def heal(self) -> None:
        """Take every fault away, and wait until the product works again."""
        if self.network is not None:
            self.network.heal()
        if self.disk is not None:
            self.disk.empty()
        self.clock.step(0)
        if self._store is not None and self._store.poll() is not None:
            self.start_store()
        if self.product.process is None or self.product.process.poll() is not None:
            self.start()
        for pid in (*self.product.processes("edge"), *self.product.processes("keeper")):
            self.signal(pid, signal.SIGCONT)

    def until(self, condition: Any, words: str, seconds: float = READY_S) -> None:
        """
        Wait for a condition.

        Raises:
            ViolationError: with these words, when it does not come true.

        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise ViolationError(words)
            time.sleep(0.05)

    def settle(self) -> None:
        """Wait until nothing is on its way to the store."""
        self.until(self.product.all_loaded, "segments are not loaded")

    def ask(self, sql: str) -> list[list[Any]]:
        """Return the rows that the store answers a statement with."""
        base = self.product.clickhouse
        if self.network is not None:
            base = f"http://127.0.0.1:{self._store_port}"
        query = urllib.parse.urlencode(
            {
                "default_format": "JSONCompactEachRow",
                "output_format_json_quote_64bit_integers": "0",
            }
        )
        request = urllib.request.Request(f"{base}/?{query}", data=sql.encode())
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return [json.loads(line) for line in response.read().splitlines()]
        except urllib.error.HTTPError as error:
            words = f"the store answers {error.code} {error.read()!r} to {sql}"
            raise ViolationError(words) from None

    def end(self, *, keep: bool) -> None:
        """End everything; of the small disk a copy may be kept."""
        if self.product.process is not None and self.product.process.poll() is None:
            self.product.kill()
        if self._store is not None:
            self.kill_store()
        self._stack.close()
        if self.disk is not None:
            if keep:
                self.disk.leave_copy(self.folder / "spool")
            self.disk.end()

    def _store_answers(self) -> bool:
        try:
            return bool(self.ask("SELECT 1"))
        except OSError:
            return False


@contextmanager
def stage_on(folder: Path, *, server: bool, mounts: bool) -> Iterator[Stage]:
    """Run a stage; what is left of it stays in its folder if it ends badly."""
    stage = Stage(folder, server=server, mounts=mounts)
    failed = True
    try:
        stage.prepare()
        yield stage
        failed = False
    finally:
        stage.end(keep=failed)
