"""
The sites an edge accepts: `sites.toml`, read again when it changes.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from collector.folder import write_private
from schemas.site import Site, SiteError, dump_sites, make_site, parse_sites

_log = logging.getLogger("kastana.sites")
_LOOK_EVERY_S = 1.0
DEMO_SITE = "demo.kastana.localhost"


class Sites:
    """A view of the file that is never more than a second old."""

    def __init__(self, path: Path, *, open_sites: bool) -> None:
        """Read the file; `open_sites` accepts sites that are not in it."""
        self._path = path
        self._open = open_sites
        self._looked = 0.0
        self._stamp: tuple[int, int] | None = None
        self._sites: dict[str, Site] = {}
        self._refresh()

    def get(self, name: str) -> Site | None:
        """Return the site, or None when its events are not accepted."""
        site = self._current().get(name)
        if site is None and self._open:
            with contextlib.suppress(SiteError):
                return make_site(name, {"origins": ["*"]})
        return site

    def allows_origin(self, origin: str) -> bool:
        """Say if any site accepts pages of this origin (for preflights)."""
        if self._open:
            return True
        return any(site.allows(origin) for site in self._current().values())

    def _current(self) -> dict[str, Site]:
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._refresh()
        return self._sites

    def _refresh(self) -> None:
        self._looked = time.monotonic()
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._sites, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._sites = read_sites(self._path)
        except (SiteError, OSError) as error:
            # The last good list stays in force: a slip of the pen must not stop
            # collection.
            _log.error("sites.toml not read: %s", error)


def read_sites(path: Path) -> dict[str, Site]:
    """
    Read the sites from a file.

    Raises:
        SiteError: when what it holds is not a list of sites.

    """
    try:
        return parse_sites(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        message = f"{path.name} is not UTF-8"
        raise SiteError(message) from error


@contextlib.contextmanager
def editing(path: Path) -> Iterator[dict[str, Site]]:
    """
    Change the sites under a lock; what is in the dictionary at the end is kept.

    Raises:
        SiteError: when the file as it is cannot be read.

    """
    lock = os.open(
        path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sites = read_sites(path) if path.exists() else {}
        yield sites
        draft = path.with_suffix(".draft")
        write_private(draft, dump_sites(sites))
        draft.replace(path)
    finally:
        os.close(lock)


def ensure_demo_site(path: Path, origins: tuple[str, ...]) -> None:
    """Make sure that the demo site exists, reachable from these origins."""
    with editing(path) as sites:
        sites[DEMO_SITE] = make_site(
            DEMO_SITE, {"origins": list(origins), "debug": True}
        )
