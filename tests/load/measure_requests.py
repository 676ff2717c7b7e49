"""
Requests a second and latencies, all servers side by side, in turns.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from schemas.settings import Settings
from tests.load import traffic, wrk
from tests.load.figures import ratios, spread
from tests.load.open_loop import Latency
from tests.load.results import OpenLoop, Results, Throughput
from tests.load.serving import ROOT, MissingError, Server, bare, edge, nginx
from tests.load.wrk import Load

BATCH = 100
DURABILITY = ("memory", "write", "fsync")
SHARES = (0.4, 0.5)
_WARM_S = 2


class Place(NamedTuple):
    """Where it is measured: a folder, the cores of server and load, the databases."""

    root: Path
    core: int
    other: int
    geo: Path


class Plan(NamedTuple):
    """How much: rounds of so many seconds, and of how many different visitors."""

    rounds: int
    seconds: int
    open_seconds: int
    visitors: int


class Case(NamedTuple):
    """One line of the table."""

    name: str
    server: str
    door: str
    events: int = 1


CASES = (
    Case("nginx, return 204", "nginx", "single"),
    Case("bare aiohttp, 204", "bare", "single"),
    Case("bare aiohttp, picture", "bare", "pixel"),
    Case("bare aiohttp, 204 to 100 events", "bare", "batch", BATCH),
    *(Case(f"edge, event, {one}", one, "single") for one in DURABILITY),
    Case("edge, picture, fsync", "fsync", "pixel"),
    Case("edge, 100 events, fsync", "fsync", "batch", BATCH),
)


def durability_settings(kind: str) -> dict[str, str]:
    """Return the settings that make every door of an edge keep events in one way."""
    return {
        name: kind
        for name in Settings.__struct_fields__
        if name.startswith("durability_")
    }


@contextlib.contextmanager
def servers(place: Place, notes: list[str]) -> Iterator[dict[str, Server]]:
    """Run all servers on one core; those that cannot be started are told of."""
    with contextlib.ExitStack() as stack:
        running: dict[str, Server] = {}
        ways: dict[str, Callable[[], contextlib.AbstractContextManager[Server]]] = {
            "nginx": lambda: nginx(place.root / "nginx", place.core),
            "bare": lambda: bare(place.root / "bare", place.core),
        }
        for kind in DURABILITY:
            ways[kind] = lambda kind=kind: edge(  # type: ignore[misc]
                place.root / kind, place.core, place.geo, **durability_settings(kind)
            )
        for name, start in ways.items():
            try:
                running[name] = stack.enter_context(start())
            except MissingError as error:
                notes.append(str(error))
        yield running


def throughput(place: Place, plan: Plan, found: Results) -> None:
    """
    Measure every case, round by round, so that noise hits all alike.

    Raises:
        MissingError: when wrk is missing, or a server refuses a request.

    """
    files = {
        "single": traffic.save(traffic.singles(plan.visitors), place.root / "single"),
        "pixel": traffic.save(traffic.pixels(plan.visitors), place.root / "pixel"),
        "batch": traffic.save(
            traffic.batches(max(plan.visitors // 100, 20), BATCH), place.root / "batch"
        ),
    }
    with servers(place, found.notes) as running:
        if "bare" not in running:
            raise MissingError("bare aiohttp did not start, and all is told beside it")
        cases = [case for case in CASES if case.server in running]
        loads: dict[Case, list[Load]] = {case: [] for case in cases}
        for number in range(-1, plan.rounds):
            for case in cases:
                load = wrk.run(
                    running[case.server],
                    files[case.door],
                    place.other,
                    seconds=plan.seconds if number >= 0 else _WARM_S,
                )
                empty_spool(place.root / case.server)
                # The first round fills caches and is not counted.
                if number >= 0:
                    loads[case].append(load)
                    _tell(number, plan.rounds, case, load)
        found.throughput = [
            _line(case, loads, running[case.server].rss_mb()) for case in cases
        ]
        found.latency = list(_latencies(place, plan, found, running, files["single"]))


def open_loop(  # noqa: PLR0913 - the client's arguments
    port: int,
    requests: Path,
    rate: float,
    seconds: float,
    core: int,
    *,
    seed: int = 1,
    raw: Path | None = None,
) -> Latency:
    """
    Run the open-loop client on a core.

    Raises:
        MissingError: when it fails, or answers are missing or bad.

    """
    command = [sys.executable, "-m", "tests.load.open_loop", str(port), str(requests)]
    command += [str(rate), str(seconds), "--core", str(core), "--seed", str(seed)]
    if raw is not None:
        command += ["--raw", str(raw)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=seconds + 60,
    )
    if done.returncode:
        raise MissingError(f"open loop: {done.stderr.strip()[-500:]}")
    seen = msgspec.json.decode(done.stdout, type=Latency)
    bad = {code: it for code, it in seen.statuses.items() if not code.startswith("2")}
    if bad or seen.unanswered:
        raise MissingError(f"open loop: {seen.unanswered} unanswered, refused: {bad}")
    return seen


def empty_spool(data: Path) -> None:
    """Remove what was sealed: no keeper takes it, and the disk is not endless."""
    for path in (data / "spool" / "sealed").glob("*"):
        path.unlink(missing_ok=True)


def _latencies(
    place: Place,
    plan: Plan,
    found: Results,
    running: dict[str, Server],
    requests: Path,
) -> Iterator[OpenLoop]:
    for case in CASES:
        if case.door != "single" or case.server not in ("bare", "fsync"):
            continue
        line = next((one for one in found.throughput if one.name == case.name), None)
        if line is None:
            continue
        for share in SHARES:
            rate = line.rate.median * share
            runs = []
            for seed in range(1, plan.rounds + 1):
                runs.append(
                    open_loop(
                        running[case.server].port,
                        requests,
                        rate,
                        plan.open_seconds,
                        place.other,
                        seed=seed,
                    )
                )
                empty_spool(place.root / case.server)
            yield OpenLoop(f"{case.name}, {share:.0%} of its rate", share, runs)


def _line(case: Case, loads: dict[Case, list[Load]], rss_mb: float) -> Throughput:
    mine = [load.rate for load in loads[case]]

    def rates_of(server: str, door: str) -> list[float]:
        return [
            load.rate
            for other, seen in loads.items()
            if (other.server, other.door) == (server, door)
            for load in seen
        ]

    bare_rates, nginx_rates = rates_of("bare", case.door), rates_of("nginx", "single")
    return Throughput(
        case.name,
        case.server,
        case.door,
        case.events,
        spread(mine),
        ratios(mine, bare_rates),
        ratios(mine, nginx_rates) if nginx_rates else None,
        spread([load.p50_ms for load in loads[case]]),
        spread([load.p99_ms for load in loads[case]]),
        spread([load.cpu_us for load in loads[case]]),
        rss_mb,
    )


def _tell(number: int, rounds: int, case: Case, load: Load) -> None:
    print(
        f"  {number + 1}/{rounds} {case.name:34}{load.rate:12,.0f} requests/s",
        file=sys.stderr,
        flush=True,
    )
