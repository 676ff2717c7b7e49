"""`kastana replay` against a running product: what it accounts for and finds."""

import http.client
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.product import KASTANA, Product

SITE = "load.example"
EVENTS = 300


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A server as load tests want it: without limits for one network."""
    data = tmp_path_factory.mktemp("kastana") / "data"
    running = Product(data, client_rate="0", robot_events="0")
    running.start()
    running.add_site(SITE)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up traffic."""
    done = subprocess.run(
        [KASTANA, "generate", "--events", str(EVENTS), "--site", SITE],
        capture_output=True,
        timeout=60,
        check=True,
    )
    path = tmp_path_factory.mktemp("traffic") / "made.ndjson"
    path.write_bytes(done.stdout)
    return path


class Thief(ThreadingHTTPServer):
    """Stands before the product; a fifth of requests, or their answers, it keeps."""

    daemon_threads = True

    def __init__(self, backend: str, *, silent: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend.removeprefix("http://")
        self.silent = silent
        self.posts = self.stolen = 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Thief

    def do_GET(self) -> None:
        """Pass on."""
        self._pass_on(b"")

    def do_POST(self) -> None:
        """Pass on; a fifth is kept, or its answer is."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content = json.loads(body)
        events = len(content) if isinstance(content, list) else 1
        with self.server.lock:
            self.server.posts += 1
            chosen = self.server.posts % 5 == 0
            self.server.stolen += events * chosen
        if not chosen:
            self._pass_on(body)
        elif self.server.silent:
            self._ask(body)
            self.close_connection = True
        else:
            self._answer(202, json.dumps({"accepted": events}).encode())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _pass_on(self, body: bytes) -> None:
        self._answer(*self._ask(body))

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        backend = http.client.HTTPConnection(self.server.backend)
        backend.request(self.command, self.path, body or None, dict(self.headers))
        answer = backend.getresponse()
        told = answer.status, answer.read()
        backend.close()
        return told

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def thief(product: Product, request: pytest.FixtureRequest) -> Iterator[Thief]:
    """A thief before the product."""
    server = Thief(product.url, silent=request.param)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def replay(
    product: Product, source: Path, to: str, *options: str
) -> tuple[subprocess.CompletedProcess[bytes], dict[str, Any]]:
    """Run a load test at full speed; return how it ended, and its report."""
    report = product.data.parent / "report.json"
    report.unlink(missing_ok=True)
    done = product.run(
        *("replay", str(source), "--to", to, "--speed", "max", "--clients", "4"),
        *("--json", str(report), *options),
    )
    return done, json.loads(report.read_bytes()) if report.exists() else {}


def number(product: Product, view: str) -> int:
    """Return how many events, or rows, a view shows of the site."""
    column = "sum(events)" if view in ("outcomes", "load_tests") else "count()"
    (row,) = product.sql(
        f"SELECT toUInt32({column}) AS n FROM kastana.{view} "  # noqa: S608 - our names
        f"WHERE site = '{SITE}'"
    )
    return int(row["n"])


def test_everything_is_accounted_for(
    product: Product, traffic: Path, tmp_path: Path
) -> None:
    """All of it is stored, counted or dropped, and no visitor is among them."""
    page = tmp_path / "report.html"
    done, report = replay(product, traffic, product.url, "--html", str(page))
    check = report["check"]

    assert (0, b"") == (done.returncode, done.stderr), done.stdout.decode()
    assert EVENTS == report["events"]["accepted"] == check["total"]
    assert {"identified", "counted", "dropped"} <= {
        one["outcome"] for one in check["stored"]
    }
    assert EVENTS == number(product, "load_tests")
    assert [0, 0, 0] == [
        number(product, view) for view in ("outcomes", "pages", "activity")
    ]
    assert page.read_text().count("<svg") == 3
    assert "each event once" in done.stdout.decode()


def test_refused_events_are_accounted_for(product: Product, tmp_path: Path) -> None:
    """An event that is none is refused, counted, and no reason to call it wrong."""
    source = tmp_path / "one.ndjson"
    events = [{"event": "page_view"}, {"event": "page_view", "colour": "red"}]
    body = json.dumps({"site": SITE, "events": events})
    record = {"method": "POST", "target": "/e", "headers": [], "body": body}
    source.write_text(json.dumps(record) + "\n")
    done, report = replay(product, source, product.url)

    assert 0 == done.returncode, done.stdout.decode()
    assert {"unknown_field": 1} == report["events"]["invalid"]
    assert {"answered": 1, "stored": 1} == report["check"]["invalid"]
    assert 1 == report["events"]["accepted"]


@pytest.mark.parametrize("thief", [False], indirect=True, ids=["lies"])
def test_missing_events_are_found(
    product: Product, traffic: Path, thief: Thief
) -> None:
    """What was acknowledged and is not there is told by number, and the exit code."""
    done, report = replay(product, traffic, thief.url, "--wait", "10")

    assert thief.stolen > 0
    assert 1 == done.returncode
    assert (False, thief.stolen) == (
        report["check"]["right"],
        report["check"]["missing"],
    )
    assert f"✗ {thief.stolen} events are missing" in done.stdout.decode()


@pytest.mark.parametrize("thief", [True], indirect=True, ids=["silent"])
def test_lost_answers_are_unknown(
    product: Product, traffic: Path, thief: Thief
) -> None:
    """Without an answer nobody knows; what was taken all the same is no surplus."""
    done, report = replay(product, traffic, thief.url)
    check = report["check"]

    assert thief.stolen == check["unknown"] > 0
    assert (0, True, 0) == (done.returncode, check["right"], check["surplus"])
    assert EVENTS - thief.stolen == check["accepted"]
    assert {"reset"} == {
        one["code"] for one in report["requests"]["codes"] if one["code"]
    }
