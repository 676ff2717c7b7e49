"""
What the bench found, as it goes into JSON, the table and the picture.
"""

import msgspec

from tests.load.figures import Spread
from tests.load.open_loop import Latency


class Throughput(msgspec.Struct, frozen=True):
    """
    One server under one kind of request, closed loop.

    Attributes:
        name: what.
        server: nginx, bare, or the durability of ours.
        door: single, pixel or batch.
        events: in a request.
        rate: requests a second.
        to_bare: its rate beside bare aiohttp's for the same door, round by round.
        to_nginx: beside nginx's.
        p50_ms, p99_ms: of answers at saturation, where latency is queueing.
        cpu_us: processor time a request.
        rss_mb: memory after it.

    """

    name: str
    server: str
    door: str
    events: int
    rate: Spread
    to_bare: Spread
    to_nginx: Spread | None
    p50_ms: Spread
    p99_ms: Spread
    cpu_us: Spread
    rss_mb: float


class OpenLoop(msgspec.Struct, frozen=True):
    """
    Latencies at a share of a server's own highest rate.

    Attributes:
        name: what.
        share: of the highest rate, of which the runs were offered.
        runs: one for each repeat.

    """

    name: str
    share: float
    runs: list[Latency]


class Memory(msgspec.Struct, frozen=True):
    """
    An edge's memory while no visitor, agent or page comes twice.

    Attributes:
        seconds: between two samples.
        rss_mb: the samples.
        growth: by which share the last third lies above the middle third; None
            when there were too few samples.
        requests: sent meanwhile.

    """

    seconds: float
    rss_mb: list[float]
    growth: float | None
    requests: int


class Backlog(msgspec.Struct, frozen=True):
    """
    A keeper that comes back to a backlog, beside an edge that goes on.

    Attributes:
        rows: that waited.
        seconds: from the keeper's start until all were loaded.
        rate: rows a second of that time.
        rest_mb: the keeper's memory before.
        peak_mb: its highest while it loaded.
        calm: the edge's latency beside a keeper at rest.
        busy: the same while the backlog loaded.
        covered: the share of `busy` during which there was a backlog.
        bytes_an_event: in the table, compressed, as its parts stand then.
        stored: rows in the table then.

    """

    rows: int
    seconds: float
    rate: float
    rest_mb: float
    peak_mb: float
    calm: Latency
    busy: Latency
    covered: float
    bytes_an_event: float
    stored: int


class Results(msgspec.Struct):
    """Everything; what was left out stands in `notes`, with the reason."""

    machine: str
    started: str
    commit: str
    quick: bool
    throughput: list[Throughput] = []
    latency: list[OpenLoop] = []
    memory: Memory | None = None
    backlog: Backlog | None = None
    loader: str = ""
    notes: list[str] = []
