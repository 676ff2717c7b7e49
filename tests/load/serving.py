"""
The servers that are measured, each on the core it is given, gone when it is over.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.load.visitors import SITE

ROOT = Path(__file__).parents[2]
KASTANA = Path(sys.executable).parent / "kastana"
_READY_S = 60
_TICKS = os.sysconf("SC_CLK_TCK")
# Every limit stands and none is met: its bookkeeping is part of what is measured.
_SETTINGS = {
    "trusted_proxies": "127.0.0.1/32",
    "client_rate": "1000000",
    "client_burst": "1000000",
    "robot_events": "1000000",
    "spool_max_bytes": str(64 * 2**30),
    "log_level": "warning",
}


class MissingError(Exception):
    """Something that a measurement needs is not there; says what and how to get it."""


class Server(NamedTuple):
    """A running server."""

    name: str
    port: int
    pid: int

    def cpu_s(self) -> float:
        """Return the processor time it took, its threads' and system calls' too."""
        return cpu_s(self.pid)

    def threads_cpu_s(self) -> dict[int, float]:
        """Return the same of each of its threads that lives, by its number."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return {int(task.name): _cpu_s(task / "stat") for task in tasks}

    def rss_mb(self) -> float:
        """Return its memory in MB (10**6 bytes)."""
        return rss_mb(self.pid)


def cpu_s(pid: int) -> float:
    """Return the processor time that a process took, in seconds."""
    return _cpu_s(Path(f"/proc/{pid}/stat"))


def _cpu_s(stat: Path) -> float:
    fields = stat.read_text(encoding="ascii").rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / _TICKS


def rss_mb(pid: int) -> float:
    """Return a process's resident memory in MB (10**6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def two_cores() -> tuple[int, int]:
    """
    Return the core for the servers and the one for the load.

    Raises:
        MissingError: when there is only one.

    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise MissingError(
            "two cores are needed, one for the server and one for the load; "
            f"this process may use {len(cores)}"
        )
    return cores[0], cores[1]


def on_core(
    command: Sequence[str | Path], core: int | None, env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a command on one core; None for wherever there is room."""
    pin = None if core is None else partial(os.sched_setaffinity, 0, {core})
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=ROOT,
            preexec_fn=pin,  # noqa: PLW1509 - no threads here
        )


@contextlib.contextmanager
def nginx(folder: Path, core: int) -> Iterator[Server]:
    """Run nginx that answers 204 to everything: what HTTP itself costs."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise MissingError("nginx is missing: apt-get install nginx-light")
    port = free_port()
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr crit;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        f"client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/fast; uwsgi_temp_path {folder}/uwsgi;\n"
        f"scgi_temp_path {folder}/scgi;\n"
        f"server {{ listen 127.0.0.1:{port} backlog=1024; return 204; }} }}\n",
        encoding="ascii",
    )
    log = folder / "log"
    command: list[str | Path] = [program, "-p", folder, "-c", config]
    with _running("nginx", command, port, core, dict(os.environ), log) as server:
        yield server


@contextlib.contextmanager
def bare(folder: Path, core: int) -> Iterator[Server]:
    """Run aiohttp that does nothing."""
    port = free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "tests.load.bare", str(port)]
    log = folder / "log"
    with _running("bare", command, port, core, dict(os.environ), log) as server:
        yield server


@contextlib.contextmanager
def edge(
    folder: Path, core: int | None, geo: Path, **settings: str
) -> Iterator[Server]:
    """Run an edge of ours, without a keeper beside it."""
    port = free_port()
    _add_site(folder)
    env = environment(folder, geo, listen=f"127.0.0.1:{port}", **settings)
    log = folder / "edge.log"
    with _running("edge", [KASTANA, "edge"], port, core, env, log) as server:
        yield server


def environment(data: Path, geo: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a process of ours."""
    known = {
        "data": str(data),
        "geo_databases": ",".join(str(one) for one in sorted(geo.glob("*.mmdb"))),
        **_SETTINGS,
        **settings,
    }
    return {
        **{name: it for name, it in os.environ.items() if name[:8] != "KASTANA_"},
        **{f"KASTANA_{name.upper()}": it for name, it in known.items() if it},
    }


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def _running(  # noqa: PLR0913 - what a process is started with
    name: str,
    command: Sequence[str | Path],
    port: int,
    core: int | None,
    env: Mapping[str, str],
    log: Path,
) -> Iterator[Server]:
    process = on_core(command, core, env, log)
    try:
        wait_for_port(port, process, log)
        yield Server(name, port, process.pid)
    finally:
        stop(process)


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """
    Wait until a process listens.

    Raises:
        MissingError: with the end of its log, when it ends or takes too long.

    """
    end = time.monotonic() + _READY_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise MissingError(f"{process.args!r} did not start:\n{words}")
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process: with words first, then without."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _add_site(data: Path) -> None:
    data.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        [KASTANA, "site", "add", SITE, "--data", data],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise MissingError(f"the site was not added: {done.stderr.strip()}")
