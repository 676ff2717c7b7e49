"""
wrk as a function: closed loop, one thread, as many connections as told.
"""

import os
import shutil
import subprocess
from functools import partial
from itertools import count
from pathlib import Path

import msgspec
import orjson

from tests.load.serving import MissingError, Server

SCRIPT = Path(__file__).with_name("traffic.lua")
# No two runs send the same event id: each has this many of its own.
_IDS = count(1)
_IDS_A_RUN = 2**32


class Load(msgspec.Struct, frozen=True):
    """What one run of wrk saw; latencies are of a closed loop, so they are queueing."""

    requests: int
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    broken: int
    cpu_us: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def run(
    server: Server, traffic: Path, core: int, *, seconds: float, connections: int = 64
) -> Load:
    """
    Load a server.

    Args:
        server: which.
        traffic: a file of requests, as `traffic.save` writes it.
        core: for wrk.
        seconds: how long; whole ones.
        connections: kept open.

    Raises:
        MissingError: when wrk is not installed or does not do its work, or the
            server refuses a request: a refusal is quick, and would pass for speed.

    """
    program = shutil.which("wrk")
    if program is None:
        raise MissingError("wrk is missing: apt-get install wrk")
    first = next(_IDS) * _IDS_A_RUN
    command = [
        program,
        "-t1",
        f"-c{connections}",
        f"-d{int(seconds)}s",
        "--timeout=10s",
    ]
    command += ["--latency", "-s", str(SCRIPT), f"http://127.0.0.1:{server.port}/"]
    before = server.cpu_s()
    done = subprocess.run(
        [*command, "--", str(traffic), str(first)],
        capture_output=True,
        check=False,
        text=True,
        timeout=seconds + 60,
        preexec_fn=partial(os.sched_setaffinity, 0, {core}),
    )
    spent = server.cpu_s() - before
    if done.returncode:
        raise MissingError(f"wrk failed: {done.stderr.strip()[-500:]}")
    load = msgspec.convert(orjson.loads(done.stdout.strip().splitlines()[-1]), Load)
    if load.refused or load.broken or not load.requests:
        raise MissingError(
            f"{server.name}: of {load.requests} requests {load.refused} were refused "
            f"and {load.broken} broke off"
        )
    return msgspec.structs.replace(load, cpu_us=spent / load.requests * 1e6)
