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

import idna

from collector.folder import write_private
from schemas.site import Site, SiteError, dump_sites, make_site, parse_sites

_log = logging.getLogger("kastana.sites")
_LOOK_EVERY_S = 1.0
_NAME_LENGTH = 253
# A name anyone sends becomes a value in the store: not without end.
_MOST_OPEN_SITES = 10_000
# Page origins whose answer is remembered until the list is read again.
_MOST_ORIGINS = 4096
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
        self._opened: dict[str, Site] = {}
        self._origins: dict[str, bool] = {}
        self._unread = False
        self._refresh()

    @property
    def unread(self) -> bool:
        """True while there is a list that cannot be read, and none before it was."""
        self._current()
        return self._unread

    def get(self, name: str) -> Site | None:
        """
        Return the site, or None when its events are not accepted.

        The name may be in any case; the site's own is in lower case.
        """
        sites = self._current()
        site = sites.get(name)
        if site is None and name.isascii():
            name = name.lower()
            site = sites.get(name)
        if site is None and self._open:
            return self._opened.get(name) or self._open_site(name)
        return site

    def allows_origin(self, origin: str) -> bool:
        """Say if any site accepts pages of this origin (for preflights)."""
        if self._open:
            return True
        sites, known = self._current(), self._origins
        if origin not in known:
            if len(known) >= _MOST_ORIGINS:
                known.clear()
            known[origin] = any(site.allows(origin) for site in sites.values())
        return known[origin]

    def _open_site(self, name: str) -> Site | None:
        """Take a site that nobody added, unless its name may be about a person."""
        if len(self._opened) >= _MOST_OPEN_SITES:
            return None
        try:
            site = make_site(name, {"origins": ["*"]})
        except SiteError:
            return None
        if not _is_public_name(name):
            return None
        self._opened[name] = site
        if len(self._opened) == _MOST_OPEN_SITES:
            _log.warning(
                "open_sites: %d sites, no more until a restart", _MOST_OPEN_SITES
            )
        return site

    def _current(self) -> dict[str, Site]:
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._refresh()
        return self._sites

    def _refresh(self) -> None:
        self._looked = time.monotonic()
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._sites, self._stamp, self._unread = {}, None, False
            self._origins = {}
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        first = self._stamp is None or self._unread
        self._stamp = stamp
        try:
            self._sites = read_sites(self._path)
            self._origins = {}
            self._unread = False
        except (SiteError, OSError) as error:
            # The last good list stays in force: a slip of the pen must not stop
            # collection. Without one nobody knows whose an event is.
            self._unread = first
            _log.error("sites.toml not read: %s", error)


def host_name(text: str) -> str:
    """
    Return a site's name as it is kept: in lower case, other scripts as Punycode.

    Raises:
        SiteError: when the text is not a host name.

    """
    name = text.strip().lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            message = f"{text!r} is not a host name"
            raise SiteError(message) from None
    return make_site(name, {}).name


def _is_public_name(name: str) -> bool:
    # For sites that nobody added; commands that edit the list start without it.
    from pipeline.redact import redact_path  # noqa: PLC0415 - as said

    # The last label of an address is a number, of a name never.
    _, dot, last = name.rpartition(".")
    return dot != "" and last[:1].isalpha() and redact_path(name, _NAME_LENGTH) == name


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
    """
    Make sure that the demo site exists, reachable from these origins.

    A file that cannot be read is left as it is: it must not keep the keeper, and with
    it all that waits in the spool, from starting.
    """
    try:
        with editing(path) as sites:
            old = sites.get(DEMO_SITE)
            keys = {} if old is None else old.keys
            options = {"origins": list(origins), "debug": True, "keys": keys}
            sites[DEMO_SITE] = make_site(DEMO_SITE, options)
    except SiteError as error:
        _log.error("no demo site, sites.toml not read: %s", error)
