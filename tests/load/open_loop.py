"""
A client that does not wait: requests leave when they are due, answered or not.

    python -m tests.load.open_loop PORT TRAFFIC RATE SECONDS [--connections 64] …

Latency runs from the moment a request was due, so a server that stalls is charged
with all that queued up behind it (no coordinated omission), and so is a client that
is late itself: `lag_p99_ms` tells how much of it that is. All latencies are kept;
percentiles are exact. Prints one line of JSON.
"""

import argparse
import gc
import itertools
import os
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.load.figures import arrivals, percentile
from tests.load.traffic import Pieces, load, render

_PATIENCE_S = 10.0
_LENGTH = b"content-length:"
_PERCENTILES = {
    "p50_ms": 0.5,
    "p90_ms": 0.9,
    "p99_ms": 0.99,
    "p999_ms": 0.999,
    "max_ms": 1.0,
}


class Latency(msgspec.Struct, frozen=True):
    """What an open-loop run saw; times in milliseconds from when a request was due."""

    offered: float
    requests: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    lag_p99_ms: float
    unanswered: int
    statuses: dict[str, int]


class Connection:
    """One kept-alive connection; at most one request is under way on it."""

    __slots__ = ("due", "received", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.due = 0.0

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self.socket.fileno()


class Run:
    """One run; the arrays hold what was seen, in seconds of `perf_counter`."""

    def __init__(self, port: int, requests: Sequence[Pieces], connections: int) -> None:
        """Open the connections."""
        self._requests = itertools.cycle(requests)
        # Nobody else's ids: time in the upper digits.
        self._ids = itertools.count(time.time_ns() >> 16 & 0xFFFF_FFFF_FFFF)
        self._free = [Connection(port) for _ in range(connections)]
        self._busy: set[Connection] = set()
        self.dues = array("d")
        self.latencies = array("d")
        self.lags = array("d")
        self.statuses: Counter[str] = Counter()
        self.unanswered = 0

    def drive(self, schedule: Sequence[float]) -> None:
        """Send each request when it is due; wait for the last answers, not for ever."""
        waiting: deque[float] = deque()
        begun = time.perf_counter()
        at, end = 0, begun + schedule[-1] + _PATIENCE_S
        while True:
            now = time.perf_counter()
            while at < len(schedule) and begun + schedule[at] <= now:
                waiting.append(begun + schedule[at])
                self.lags.append(now - waiting[-1])
                at += 1
            while waiting and self._free:
                self._send(waiting.popleft())
            if at == len(schedule) and not self._busy and not waiting:
                break
            if now > end:
                self.unanswered = len(self._busy) + len(waiting)
                break
            due = begun + schedule[at] if at < len(schedule) else end
            pause = max(0.0, due - time.perf_counter())
            for one in select.select(self._busy, (), (), pause)[0]:
                self._receive(one)
        for one in (*self._free, *self._busy):
            one.socket.close()

    def _send(self, due: float) -> None:
        one = self._free.pop()
        one.due = due
        one.socket.sendall(render(next(self._requests), self._ids))
        self._busy.add(one)

    def _receive(self, one: Connection) -> None:
        piece = one.socket.recv(65_536)
        if not piece:
            raise ConnectionError("the server closed a connection")
        one.received += piece
        size = answer_size(one.received)
        if size is None or len(one.received) < size:
            return
        self.statuses[one.received[9:12].decode("ascii")] += 1
        self.dues.append(one.due)
        self.latencies.append(time.perf_counter() - one.due)
        one.received = b""
        self._busy.remove(one)
        self._free.append(one)


def answer_size(received: bytes) -> int | None:
    """Return how long an HTTP answer is; None while its head has not arrived."""
    head, sign, _ = received.partition(b"\r\n\r\n")
    if not sign:
        return None
    _, named, rest = head.lower().partition(_LENGTH)
    body = int(rest.partition(b"\r\n")[0]) if named else 0
    return len(head) + len(sign) + body


def in_ms(times: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of latencies in order, by the names of `Latency`."""
    return {
        name: percentile(times, share) * 1e3 for name, share in _PERCENTILES.items()
    }


def summary(run: Run, rate: float) -> Latency:
    """Return what a run saw."""
    times = sorted(run.latencies)
    return Latency(
        offered=rate,
        requests=len(times),
        lag_p99_ms=percentile(sorted(run.lags), 0.99) * 1e3,
        unanswered=run.unanswered,
        statuses=dict(run.statuses),
        **in_ms(times),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("traffic", type=Path)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--core", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raw", type=Path, help="file for due times and latencies")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    schedule = list(arrivals(options.rate, options.seconds, options.seed))
    if not schedule:
        sys.exit("the rate is so low that nothing is due in this time")
    run = Run(options.port, load(options.traffic), options.connections)
    gc.freeze()
    gc.disable()
    run.drive(schedule)
    if options.raw is not None:
        options.raw.write_bytes(run.dues.tobytes() + run.latencies.tobytes())
    if not run.latencies:
        sys.exit("nothing was answered")
    print(msgspec.json.encode(summary(run, options.rate)).decode())


if __name__ == "__main__":
    main()
