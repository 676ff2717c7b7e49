"""The proxy of deploy/ writes down nothing of visitors, and vouches for one header."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.product import free_ports

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
CANARY = "canary7f3a9c"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]


class Upstream(BaseHTTPRequestHandler):
    """An edge that only takes notes."""

    seen: list[tuple[Message, bytes]] = []  # noqa: RUF012 - of the whole class

    def do_POST(self) -> None:
        """Note what came, and say yes."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers, body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class Proxy:
    """A running nginx with our configuration, at other ports and paths."""

    def __init__(self, folder: Path, upstream: int, dead: int) -> None:
        self.folder = folder
        self.plain, self.tls = free_ports(2)
        make_certificate(folder)
        text = CONFIG.read_text(encoding="utf-8")
        for found, other in (
            ("/tmp/", f"{folder}/"),  # noqa: S108 - what the configuration says
            ("/run/secrets/tls", str(folder / "tls")),
            ("/dev/stdout doors buffer=64k flush=5s", f"{folder}/access.log doors"),
            ("error_log stderr", f"error_log {folder}/error.log"),
            ("172.30.80.11:8000", f"127.0.0.1:{upstream}"),
            ("172.30.80.12:8000", f"127.0.0.1:{dead} down"),
            ("listen 8080", f"listen 127.0.0.1:{self.plain}"),
            ("listen 8443", f"listen 127.0.0.1:{self.tls}"),
        ):
            assert found in text
            text = text.replace(found, other)
        text, six = re.subn(r"listen \[::\][^;]*;", "", text)
        assert 2 == six
        self.config = folder / "nginx.conf"
        self.config.write_text(text, encoding="utf-8")

    def command(self, *more: str) -> list[str]:
        """Return the command line."""
        log = str(self.folder / "error.log")
        return [
            str(NGINX),
            "-e",
            log,
            "-p",
            str(self.folder),
            "-c",
            str(self.config),
            *more,
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it while the context lasts."""
        process = subprocess.Popen(
            self.command("-g", "daemon off; master_process off;")
        )
        try:
            end = time.monotonic() + 20
            while not listening(self.tls):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(10)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Send a request over TLS; return the status."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        request = urllib.request.Request(
            f"https://localhost:{self.tls}{path}", body, headers
        )
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def listening(port: int) -> bool:
    """Say if someone accepts connections on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(folder: Path) -> None:
    """Write a certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
    )
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Run the proxy in front of an edge that takes notes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made = Proxy(tmp_path_factory.mktemp("nginx"), server.server_port, free_ports(1)[0])
    try:
        with made.running():
            yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_configuration_holds(proxy: Proxy) -> None:
    """Nginx takes the configuration."""
    done = subprocess.run(proxy.command("-t"), capture_output=True, check=False)

    assert 0 == done.returncode, done.stderr


def test_one_header_is_vouched_for(proxy: Proxy) -> None:
    """What a visitor says of addresses and countries does not reach an edge."""
    claims = {
        "X-Forwarded-For": "203.0.113.77",
        "Forwarded": "for=203.0.113.77",
        "X-Real-IP": "203.0.113.77",
        "CF-Connecting-IP": "203.0.113.77",
        "CF-IPCountry": "FR",
        "True-Client-IP": "203.0.113.77",
        "Sec-GPC": "1",
    }
    assert 202 == proxy.post("/e?q=1", b"{}", claims)
    headers, body = Upstream.seen[-1]

    assert ["127.0.0.1"] == headers.get_all("X-Forwarded-For")
    assert ("1", b"{}") == (headers["Sec-GPC"], body)
    assert [] == [
        name
        for name in claims
        if name not in {"X-Forwarded-For", "Sec-GPC"} and headers[name]
    ]
    assert "203.0.113.77" not in str(headers)


def test_nothing_is_written_down(proxy: Proxy, tmp_path: Path) -> None:
    """Neither log nor file has addresses, agents, queries, cookies, paths or bodies."""
    told = {
        "User-Agent": CANARY,
        "Cookie": CANARY,
        "Referer": f"https://{CANARY}.example/",
    }
    large = CANARY.encode() * 40_000
    assert 202 == proxy.post(f"/r/{CANARY}?{CANARY}", large, told)
    assert 413 == proxy.post(f"/e?{CANARY}", large * 2, told)
    # An edge that is away, and a client that speaks no TLS.
    away = Proxy(tmp_path, *free_ports(2))
    with away.running():
        assert 502 == away.post(f"/e?{CANARY}", b"{}", told)
        with socket.create_connection(("127.0.0.1", away.tls)) as client:
            client.sendall(f"GET /{CANARY} HTTP/1.1\r\n\r\n".encode())
            client.recv(4096)
    for folder in (proxy.folder, tmp_path):
        for path in folder.rglob("*"):
            if path.is_file():
                assert CANARY.encode() not in path.read_bytes(), path
        for name in ("access.log", "error.log"):
            assert "127.0.0.1" not in (folder / name).read_text("utf-8")

    lines = (proxy.folder / "access.log").read_text("utf-8").splitlines()
    assert any(" POST redirect 202 " in line for line in lines)
    assert any(" POST events 413 " in line for line in lines)
