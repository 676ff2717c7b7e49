"""
Where the time of a request goes in a running edge, by its parts and by functions.

    python -m tests.load.profile [--door single|pixel|batch] [--seconds 10] [--out FILE]

An edge on one core under wrk on the other, watched by py-spy, and bare aiohttp right
before and after. Microseconds are of processor time, a request; what is cheap in
itself but called from everywhere stands under "own time". The watcher stops every
thread at each look: what that takes of threads that wait stands under "hand-over".
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.load import traffic, wrk
from tests.load.serving import MissingError, Server, bare, edge, two_cores
from tests.load.stacks import PARTS, Profile, read_profile

_RATE = 250
_WARM_S = 4
_BARE_S = 3
_DOORS = {
    "single": lambda: traffic.singles(80_000),
    "pixel": lambda: traffic.pixels(80_000),
    "batch": lambda: traffic.batches(300, 100),
}


def main() -> None:
    """Print the profile; write it to a file too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--door", choices=_DOORS, default="single")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--geo", type=Path, default=Path("data/geo"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    # The servers are stopped and the folder is removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="kastana-profile-") as folder:
            text = measure(Path(folder), options.door, options.seconds, options.geo)
    except MissingError as error:
        sys.exit(str(error))
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(root: Path, door: str, seconds: int, geo: Path) -> str:
    """
    Profile one door of an edge; return the text.

    Raises:
        MissingError: when a program or a core is missing.

    """
    spy = shutil.which("py-spy") or shutil.which(
        "py-spy", path=Path(sys.executable).parent
    )
    if spy is None:
        raise MissingError("py-spy is missing: .venv/bin/python -m pip install py-spy")
    core, other = two_cores()
    requests = traffic.save(_DOORS[door](), root / "traffic")
    raw = root / "raw"
    with bare(root / "bare", core) as nothing, edge(root / "edge", core, geo) as ours:
        before = wrk.run(nothing, requests, other, seconds=_BARE_S)
        warm = wrk.run(ours, requests, other, seconds=_WARM_S)
        idle = ours.threads_cpu_s()
        spying = _spy(spy, ours, seconds, raw)
        try:
            watched = wrk.run(ours, requests, other, seconds=seconds + 2)
        finally:
            words, _ = spying.communicate(timeout=seconds + 60)
        busy = {
            thread: cpu_s - idle.get(thread, 0.0)
            for thread, cpu_s in ours.threads_cpu_s().items()
        }
        after = wrk.run(nothing, requests, other, seconds=_BARE_S)
    if spying.returncode:
        raise MissingError(f"py-spy failed: {words.strip()[-500:]}")
    profile = read_profile(raw.read_text(encoding="utf-8").splitlines(), busy)
    rate = (before.rate + after.rate) / 2
    return "\n".join(
        [
            f"{door}: {warm.rate:,.0f} requests/s; ratio {warm.rate / rate:.3f}",
            f"bare aiohttp {before.rate:,.0f} before, {after.rate:,.0f} after",
            f"processor time a request: {warm.cpu_us:.0f} us",
            f"bare aiohttp {before.cpu_us:.0f} before, {after.cpu_us:.0f} after",
            f"watched: {watched.rate:,.0f} requests/s, {watched.cpu_us:.0f} us",
            "",
            show(profile, watched.cpu_us),
        ]
    )


def show(profile: Profile, cpu_us: float) -> str:
    """Return a profile as text."""
    lines = ["part                     us     %"]
    lines += [_line(part, profile.parts[part], cpu_us, 20) for part in PARTS]
    for title, found, most in (
        ("with all that they call", profile.inside, 70),
        ("own time, and that of libraries they call", profile.own, 50),
    ):
        lines += ["", f"functions of ours, {title}: us, %"]
        lines += [
            _line(name, share, cpu_us, 64) for name, share in list(found.items())[:most]
        ]
    return "\n".join(lines)


def _line(name: str, share: float, cpu_us: float, width: int) -> str:
    return f"{name:<{width}}{share * cpu_us:7.1f}{share * 100:6.1f}"


def _spy(spy: str, server: Server, seconds: int, raw: Path) -> subprocess.Popen[str]:
    command = [spy, "record", "--pid", str(server.pid), "--duration", str(seconds)]
    command += ["--rate", str(_RATE), "--threads", "--format", "raw"]
    command += ["--output", str(raw)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ),
    )


if __name__ == "__main__":
    main()
