"""The network before the store: refuses, hangs, errs, and forgets to answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.losing_proxy import LosingProxy

# What a server says that has no memory left, in ClickHouse's words.
_CODE = "241"
_WORDS = b"Code: 241. DB::Exception: Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)\n"  # noqa: E501


class Network(LosingProxy):
    """
    Passes requests on, unless it is told otherwise.

    Attributes:
        fault: "", or what is done in place of passing on: `refuse`, `err`.
        faults: requests that it was done to.
        waiting: inserts that are kept waiting.

    """

    def __init__(self, backend: int) -> None:
        super().__init__(backend)
        self.fault = ""
        self.faults = 0
        self.waiting = 0
        self._gate = threading.Event()
        self._gate.set()
        self._gates: list[threading.Event] = []

    def hang(self) -> None:
        """Keep inserts waiting; they are passed on in the end, whoever is gone."""
        self._gate = threading.Event()
        self._gates.append(self._gate)

    def hang_no_more(self) -> None:
        """Pass new inserts on, and let those wait that do."""
        self._gate = threading.Event()
        self._gate.set()

    def before(self, handler: BaseHTTPRequestHandler, said: str) -> bool:
        """Do what was told; return if that was all."""
        gate = self._gate
        if "insert" in said and not gate.is_set():
            self.waiting += 1
            gate.wait(30)
            self.waiting -= 1
        self.faults += bool(self.fault)
        if self.fault == "refuse":
            handler.close_connection = True
            return True
        if self.fault == "err":
            handler.send_response(500)
            handler.send_header("X-ClickHouse-Exception-Code", _CODE)
            handler.send_header("Content-Length", str(len(_WORDS)))
            handler.end_headers()
            handler.wfile.write(_WORDS)
            return True
        return False

    def heal(self) -> None:
        """Pass everything on again."""
        self.fault = self.lose = ""
        self.hang_no_more()
        for gate in self._gates:
            gate.set()
        self._gates.clear()

    def handle_error(self, *_arguments: object) -> None:
        """Say nothing: clients are killed here."""


@contextmanager
def network(backend: int) -> Iterator[Network]:
    """Run one before a port of this machine."""
    proxy = Network(backend)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        proxy.shutdown()
        proxy.server_close()
        thread.join(10)
