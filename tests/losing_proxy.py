"""
A network between the product and its ClickHouse server that loses answers on order.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class LosingProxy(ThreadingHTTPServer):
    """Passes requests on; loses the answers to inserts into tables that it is told."""

    daemon_threads = True

    def __init__(self, backend: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.lose = ""
        self.lost = 0

    @property
    def url(self) -> str:
        """Where the product finds it."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def before(self, _handler: BaseHTTPRequestHandler, _said: str) -> bool:
        """Do something in place of passing a request on; say if that was done."""
        return False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LosingProxy

    def do_GET(self) -> None:
        """Pass on."""
        self._pass_on()

    def do_POST(self) -> None:
        """Pass on."""
        self._pass_on()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        body = self._body()
        said = (self.path + body[:1000].decode("latin-1")).lower()
        if self.server.before(self, said):
            return
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _HOP
        }
        try:
            backend.request(self.command, self.path, body, headers)
            answer = backend.getresponse()
            content = answer.read()
        except OSError:
            self.close_connection = True
            return
        finally:
            backend.close()
        if self.server.lose and "insert" in said and self.server.lose in said:
            self.server.lost += 1
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


@contextmanager
def losing_proxy(backend: int) -> Iterator[LosingProxy]:
    """Run one before a port of this machine."""
    proxy = LosingProxy(backend)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(10)
