"""
The installed product, run from outside: these tests import none of its code.
"""

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

KASTANA = Path(sys.executable).parent / "kastana"
READY_S = 60
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


class Answer:
    """A response: status, headers by lower-case name, body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Product:
    """A running `kastana serve` on its own folder and ports."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        ports = free_ports(3)
        self.url, self.keeper, self.clickhouse = (
            f"http://127.0.0.1:{port}" for port in ports
        )
        self.settings = {
            "listen": f"127.0.0.1:{ports[0]}",
            "keeper_listen": f"127.0.0.1:{ports[1]}",
            "clickhouse_listen": f"127.0.0.1:{ports[2]}",
            "spool_seal_seconds": "0.2",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = None

    def start(self, *, keeper_ready: bool = True) -> "Product":
        """Start the server and wait until its listeners are ready."""
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KASTANA_")},
            **{f"KASTANA_{k.upper()}": v for k, v in self.settings.items()},
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [KASTANA, "serve", "--data", self.data],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )
        end = time.monotonic() + READY_S
        kind = "ready" if keeper_ready else "live"
        # The keeper first: once there is a new one, no old edge answers any more.
        while not (
            self._has_its_keeper()
            and self._is("ready", self.url)
            and self._is(kind, self.keeper)
        ):
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                pytest.fail("not ready:\n" + self.log.read_text()[-4000:])
            time.sleep(0.05)
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the server to end; return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(40)

    def kill(self) -> None:
        """Kill everything the product started, as a power cut would."""
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def processes(self, role: str) -> list[int]:
        """Return the running processes of a role: `serve`, `edge` or `keeper`."""
        assert self.process is not None
        found = []
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            # Gone since it was listed.
            with suppress(FileNotFoundError, ProcessLookupError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if role.encode() in words:
                    found.append(pid)
        return sorted(found)

    def run(self, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess:
        """Run a command of the product on this folder."""
        return subprocess.run(
            [KASTANA, *arguments, "--data", self.data],
            input=text,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Ask through `kastana sql`."""
        done = self.run("sql", statement, "--format", "JSONEachRow")
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]

    def add_site(self, name: str, *options: str) -> None:
        """Add a site; of a running server wait until the edges know it."""
        self.data.mkdir(parents=True, exist_ok=True)
        done = self.run("site", "add", name, *options)
        assert done.returncode == 0, done.stderr.decode()
        if self.process is not None:
            time.sleep(1.1)

    def post(self, body: Any, **headers: str) -> Answer:
        """POST a body to /e: JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", "/e", content, **headers)

    def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Answer:
        """Make a request; `_` in header names stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("User-Agent", CHROME)
        base = "" if path.startswith("http") else self.url
        request = urllib.request.Request(
            base + path, data=body, method=method, headers=named
        )
        try:
            with OPENER.open(request, timeout=20) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def wait_loaded(self) -> None:
        """Wait until nothing is on its way to the store."""
        wait_until(self.all_loaded, "segments did not load", 20)

    def all_loaded(self) -> bool:
        """Say if nothing is on its way to the store."""
        spool = self.data / "spool"
        return not any(
            # What a crash left hidden, before its first row, stays for a minute.
            any((spool / state).glob("[!.]*.ndjson"))
            for state in ("open", "sealed")
        )

    def _has_its_keeper(self) -> bool:
        assert self.process is not None
        try:
            told = json.loads((self.data / "keeper.json").read_text())
        except FileNotFoundError:
            return False
        return told["pid"] in descendants(self.process.pid)

    def _is(self, kind: str, url: str) -> bool:
        try:
            with urllib.request.urlopen(f"{url}/health/{kind}", timeout=2) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_keywords: Any) -> None:
        """Leave a redirect to the test."""


OPENER = urllib.request.build_opener(_NoRedirect)


# Below those that the kernel gives to clients, one of which could take what was free a
# moment ago, and above 10080, which browsers refuse. Each worker of pytest has a share.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_SHARE = range(11_000, 32_000)[_WORKER::_WORKERS]
_PORTS = itertools.cycle(random.sample(_SHARE, len(_SHARE)))


def free_ports(number: int) -> list[int]:
    """Return ports that nobody has now; a later call returns others."""
    return list(itertools.islice(filter(_is_free, _PORTS), number))


def _is_free(port: int) -> bool:
    # Without SO_REUSEADDR, so that connections which still end count, too.
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one; who ends meanwhile has none."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            found += [int(child), *descendants(int(child))]
    return found


def files_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files under a folder that somebody works in, with what they hold."""
    # Unlike a glob it goes on where a folder is gone when its turn comes.
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            # Merged or moved on: what it held is in another one.
            with suppress(FileNotFoundError):
                if path.is_file():
                    yield path, path.read_bytes()


def wait_until(condition: Callable[[], bool], words: str, seconds: float) -> None:
    """Wait for a condition; fail with words when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(words)
        time.sleep(0.05)
