"""
A keeper that was away: what its return costs in memory, how fast it loads, what the
visitors of the edge notice of it, and what an event takes on disk in the end.

The edge stays on its core; the keeper runs where the machine lets it, beside the load.
"""

import contextlib
import subprocess
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from tests.load import traffic, wrk
from tests.load.measure_requests import SHARES, Place, durability_settings, open_loop
from tests.load.open_loop import Latency, in_ms
from tests.load.results import Backlog
from tests.load.serving import (
    KASTANA,
    MissingError,
    Server,
    edge,
    environment,
    free_port,
    on_core,
    rss_mb,
    stop,
    wait_for_port,
)

# What a keeper has to do at first is over by then.
_REST_S = 3.0
_FILL_RUN_S = 4
_FILL_MOST_S = 240.0
_DRAIN_MOST_S = 240.0
_DAYS = 28
_HEADER_LINES = 2
_TOLD = "SELECT sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts "
_TOLD += "WHERE active AND database = 'kastana' AND table = 'events'"


class Keeper(NamedTuple):
    """A running keeper."""

    pid: int
    data: Path


def backlog(place: Place, rows: int, rate: float | None, seconds: float) -> Backlog:
    """
    Measure a backlog of about so many rows.

    Args:
        place: where.
        rows: how many wait; fewer if they cannot be made within four minutes.
        rate: requests a second that the edge gets beside it, open loop; None for
            a share of its highest, which is then measured.
        seconds: how long, before and while the keeper loads.

    Raises:
        MissingError: when something needed is missing, or rows are.

    """
    data = place.root / "backlog"
    visits = traffic.save(
        traffic.sessions(min(rows, 300_000), days=_DAYS), place.root / "visits"
    )
    calls = traffic.save(traffic.singles(2000), place.root / "calls")
    kind = durability_settings("fsync")
    with edge(data, place.core, place.geo, **kind) as ours:
        if rate is None:
            highest = wrk.run(ours, calls, place.other, seconds=_FILL_RUN_S)
            rate = highest.rate * SHARES[0]
        with keeper(data, place.geo) as one:
            time.sleep(_REST_S)
            rest = rss_mb(one.pid)
            calm = open_loop(ours.port, calls, rate, seconds, place.other, seed=1)
            _wait_until_loaded(data, _DRAIN_MOST_S)
        waiting = _fill(ours, visits, place.other, data, rows)
        with keeper(data, place.geo, ready=False) as one:
            watch = _Watch(one)
            raw = place.root / "busy"
            busy = open_loop(
                ours.port, calls, rate, seconds, place.other, seed=2, raw=raw
            )
            taken = watch.end()
            busy, covered = _while_loading(raw, busy, watch.loaded_at)
            size, stored = _on_disk(data)
    return Backlog(
        waiting,
        taken,
        waiting / taken,
        rest,
        watch.peak_mb,
        calm,
        busy,
        covered,
        size,
        stored,
    )


@contextlib.contextmanager
def keeper(data: Path, geo: Path, *, ready: bool = True) -> Iterator[Keeper]:
    """Run a keeper on a folder; `ready` waits until it listens."""
    port = free_port()
    env = environment(
        data, geo, keeper_listen=f"127.0.0.1:{port}", clickhouse_listen=""
    )
    # An empty one turns the ClickHouse interface off; left out, it has its default.
    env["KASTANA_CLICKHOUSE_LISTEN"] = ""
    log = data / "keeper.log"
    process = on_core([KASTANA, "keeper"], None, env, log)
    try:
        if ready:
            wait_for_port(port, process, log)
        yield Keeper(process.pid, data)
    finally:
        stop(process)


def waiting_rows(data: Path, known: dict[str, int]) -> int:
    """
    Return how many rows wait in sealed segments.

    Args:
        data: the data folder; no keeper runs on it.
        known: what was counted before, by name; nothing is read twice.

    """
    for path in (data / "spool" / "sealed").glob("events-*"):
        if path.name not in known:
            known[path.name] = path.read_bytes().count(b"\n") - _HEADER_LINES
    return sum(known.values())


class _Watch:
    """Follows a keeper from another thread until nothing of the backlog is left."""

    def __init__(self, one: Keeper) -> None:
        self.peak_mb = 0.0
        self._keeper = one
        self.loaded_at = 0.0
        self._begun = time.perf_counter()
        # What waits now; what the edge seals meanwhile is no backlog.
        self._old = set((one.data / "spool" / "sealed").glob("events-*"))
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """
        Wait until it is loaded; return how many seconds that took from the start.

        Raises:
            MissingError: when it takes too long.

        """
        self._thread.join(_DRAIN_MOST_S)
        if not self.loaded_at:
            raise MissingError(f"a backlog was not loaded in {_DRAIN_MOST_S:.0f} s")
        return self.loaded_at - self._begun

    def _follow(self) -> None:
        while time.perf_counter() - self._begun < _DRAIN_MOST_S:
            self.peak_mb = max(self.peak_mb, rss_mb(self._keeper.pid))
            if not any(path.exists() for path in self._old):
                self.loaded_at = time.perf_counter()
                return
            time.sleep(0.1)


def _fill(server: Server, visits: Path, core: int, data: Path, rows: int) -> int:
    """Load an edge without a keeper until enough rows wait; return how many."""
    begun, known = time.monotonic(), dict[str, int]()
    while time.monotonic() - begun < _FILL_MOST_S:
        wrk.run(server, visits, core, seconds=_FILL_RUN_S)
        # The last segment is sealed by its age.
        time.sleep(1.5)
        if waiting_rows(data, known) >= rows:
            break
    return waiting_rows(data, known)


def _while_loading(
    raw: Path, whole: Latency, loaded_at: float
) -> tuple[Latency, float]:
    """Return the latencies of what was due while it loaded, and their share."""
    both = array("d", raw.read_bytes())
    half = len(both) // 2
    times = sorted(
        late
        for due, late in zip(both[:half], both[half:], strict=True)
        if due < loaded_at
    )
    if not times:
        raise MissingError("the backlog was loaded before a request was due")
    seen = msgspec.structs.replace(whole, requests=len(times), **in_ms(times))
    return seen, len(times) / half


def _wait_until_loaded(data: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while any((data / "spool" / "sealed").glob("*")):
        if time.monotonic() > end:
            raise MissingError("the keeper does not load what an edge has sealed")
        time.sleep(0.1)


def _on_disk(data: Path) -> tuple[float, int]:
    """Return bytes an event in the table, as its parts stand now, and its rows."""
    done = subprocess.run(
        [KASTANA, "sql", _TOLD, "--data", data, "--format", "JSONEachRow"],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise MissingError(f"the table was not measured: {done.stderr.strip()[-300:]}")
    told = orjson.loads(done.stdout)
    rows = int(told["rows"])
    if not rows:
        raise MissingError("nothing is in the table")
    return int(told["bytes"]) / rows, rows
