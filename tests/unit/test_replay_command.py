"""The command: what it refuses, how it ends, and that it tells nobody's data."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from click.testing import CliRunner, Result

from collector.cli import cli

CANARY = "canary-91ab@example.com"
KEY = "ks_canary91ab"


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Be ready."""
        self._answer(200, b"")

    def do_POST(self) -> None:
        """Take whatever comes."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(202, b'{"accepted": 1}')

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def collector() -> Iterator[str]:
    """The URL of something that takes all events."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A capture full of what nobody may be told, and a broken line of it."""
    event = {
        "event": "page_view",
        "site": "a.example",
        "url": f"https://a.example/?email={CANARY}",
        "visitor": "canary91ab0000000",
    }
    record = {
        "method": "POST",
        "target": "/e",
        "headers": [["User-Agent", f"agent {CANARY}"]],
        "peer": "203.0.113.77",
        "body": json.dumps(event),
    }
    path = tmp_path / "source.ndjson"
    path.write_text(f"{json.dumps(record)}\n{{{CANARY}\n{json.dumps(record)}\n")
    return path


def run(*arguments: str | Path, data: Path | None = None) -> Result:
    """Run `kastana replay`."""
    where = [] if data is None else ["--data", str(data)]
    return CliRunner().invoke(cli, ["replay", *map(str, arguments), *where])


def test_nothing_is_told(collector: str, source: Path, tmp_path: Path) -> None:
    """Terminal, report and page have numbers and codes, and nothing of the source."""
    report, page = tmp_path / "report.json", tmp_path / "report.html"
    done = run(
        *(source, "--to", f"{collector}/?token={CANARY}", "--speed", "max"),
        *("--no-check", "--json", report, "--html", page, "--key", KEY),
        *("--header", f"X-Test: {CANARY}"),
    )
    told = done.output + report.read_text() + page.read_text()

    assert 0 == done.exit_code, done.output
    assert "broken_line: line 2 cannot be read" in done.output
    assert 2 == json.loads(report.read_text())["events"]["accepted"]
    assert not [word for word in ("canary", "203.0.113") if word in told]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to", "ftp://x"), "--to is no http"),
        (("--to", "http://x:y"), "--to is no http"),
        (("--to", "http://x", "--speed", "fast"), "--speed is max"),
        (("--to", "http://x", "--header", "none"), "--header is"),
        (("--to", "http://x", "--consent", "all"), "--consent takes"),
        (("--to", "http://x", "--key", "@/no/such"), "file of --key"),
        (("--to", "http://x", "--rate", "0"), "--rate"),
    ],
)
def test_usage(source: Path, options: tuple[str, ...], words: str) -> None:
    """What cannot be meant is refused before anything is opened."""
    done = run(source, *options, "--no-check")

    assert (2, True) == (done.exit_code, words in done.output), done.output


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (f"hello {CANARY}\n", "unknown_format: line 1 is no"),
        ("", "empty: "),
        (
            '{"method": "OPTIONS", "target": "/e"}\n',
            "nothing_to_send: nothing in the source can be sent: preflight 1",
        ),
    ],
)
def test_source(collector: str, source: Path, content: str, code: str) -> None:
    """A source that cannot be read ends the command with a code, not its content."""
    source.write_text(content)
    done = run(source, "--to", collector, "--no-check")

    assert 1 == done.exit_code
    assert f"Error: {code}" in done.output
    assert CANARY not in done.output


def test_nobody_listens(source: Path) -> None:
    """A collector that is not there ends the run before it begins."""
    url = f"http://127.0.0.1:{unused_port()}"
    done = run(source, "--to", url, "--no-check")

    assert 69 == done.exit_code
    assert f"Error: refused: {url} cannot be reached" in done.output


def test_store_that_is_not_there(collector: str, source: Path, tmp_path: Path) -> None:
    """Without a store to ask nothing is sent, unless that is what is wanted."""
    closed = f"http://127.0.0.1:{unused_port()}"
    unasked = run(source, "--to", collector, data=tmp_path)
    unanswered = run(source, "--to", collector, "--check", closed)

    assert (69, 69) == (unasked.exit_code, unanswered.exit_code)
    assert "no keeper has run" in unasked.output
    assert "does not answer" in unanswered.output


def test_nothing_was_accepted(
    collector: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of which everything was refused is no success: its site may be unknown."""
    refusal = b'{"error": {"code": "unknown_site", "message": "no such site"}}'
    answer = _Collector._answer

    def refuse(handler: _Collector, status: int, body: bytes) -> None:
        answer(handler, *((400, refusal) if body else (status, body)))

    monkeypatch.setattr(_Collector, "_answer", refuse)
    done = run(source, "--to", collector, "--no-check", "--speed", "max")

    assert 1 == done.exit_code, done.output
    assert "unknown_site" in done.output
    assert "✗ nothing_accepted: no event was accepted" in done.output


def test_key_of_a_file(collector: str, source: Path, tmp_path: Path) -> None:
    """A key may stand in a file, where no list of processes shows it."""
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    options = ("--no-check", "--speed", "max", "--key", f"@{file}")

    assert 0 == run(source, "--to", collector, *options).exit_code
