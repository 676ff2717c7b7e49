"""
The lists behind sources and channels, and which copy of each is in force.

Three lists: our own of named hosts (referrers.json), one of named hosts by others
(places.json), and one of referrer spammers by others (referrer_spam.txt). The package
has all three; those by others may lie in a data folder as well (`kastana lists
refresh`), newer, and then hold instead. Our own is the last word on a host.

A process reads them at their first use, and again when `refresh` sees that a file of
the data folder changed. A file that cannot be read leaves what was in force.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.places import LISTED_MEDIA, Media, Places

BUILT_IN = Path(__file__).parent / "data"
OWN = "referrers.json"
PLACES = "places.json"
SPAM = "referrer_spam.txt"

_log = logging.getLogger("kastana.lists")
# Bounds of a file in bytes; what is larger is no such list.
MAX_BYTES = 8 << 20


class ListError(Exception):
    """A list cannot be used; `code` says why in a word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class About(NamedTuple):
    """Where a list comes from."""

    file: str
    built_in: bool
    source: str
    licence: str
    date: str
    entries: int


class Lists(NamedTuple):
    """What is in force."""

    places: Places
    spam: frozenset[str]
    about: tuple[About, ...]


class Shelf:
    """The lists of a process."""

    def __init__(self) -> None:
        """Begin with the package's lists; read nothing yet."""
        self._folder: Path | None = None
        self._lists: Lists | None = None
        self._stamp: tuple[object, ...] = ()

    def use(self, folder: Path | None) -> None:
        """Prefer the copies in a folder, if there are any; None: the package's."""
        self._folder, self._lists = folder, None

    @property
    def lists(self) -> Lists:
        """
        Return what is in force, read at first use.

        A copy in the folder that cannot be read is logged, and the package's holds.
        """
        if self._lists is None:
            self._stamp = self._stamps()
            try:
                self._lists = read_lists(self._folder)
            except ListError as error:
                _log.error("lists not read, the built-in ones hold: %s", error)
                self._lists = read_lists(None)
        return self._lists

    def refresh(self) -> bool:
        """
        Read the folder's files again if one changed; return whether lists changed.

        Costs one stat a file. A file that cannot be read is logged, and what was in
        force stays so.
        """
        if self._lists is None or self._folder is None:
            return False
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._lists = read_lists(self._folder)
        except ListError as error:
            _log.error("lists not read, the last ones stay: %s", error)
            return False
        _log.info("lists read again")
        return True

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(self._folder, name) for name in (PLACES, SPAM))


def read_lists(folder: Path | None) -> Lists:
    """
    Read all lists, the folder's copies before the package's.

    Raises:
        ListError: when a file is not the list it should be.

    """
    own = _read_json(BUILT_IN / OWN)
    theirs_at, spam_at = _find(folder, PLACES), _find(folder, SPAM)
    theirs = _read_json(theirs_at)
    spam, head = read_spam(spam_at)
    about = (
        _about_json(BUILT_IN / OWN, own),
        _about_json(theirs_at, theirs),
        About(
            SPAM,
            spam_at.parent == BUILT_IN,
            head.get("source", ""),
            head.get("licence", ""),
            head.get("date", ""),
            len(spam),
        ),
    )
    # Our own first for the names, and last for the hosts.
    places = Places(own["media"], theirs["media"], own["media"])
    return Lists(places, spam, about)


def own_list() -> tuple[Media, Media]:
    """Return our own list, and what it leaves out of lists by others, by medium."""
    own = _read_json(BUILT_IN / OWN)
    return own["media"], own["left_out"]


def read_spam(path: Path) -> tuple[frozenset[str], dict[str, str]]:
    """
    Return the hosts of a list of ours, and what its head says ("# name: value").

    Raises:
        ListError: when it cannot be read, or is empty.

    """
    hosts, head = set(), {}
    for line in read_text(path).splitlines():
        if line.startswith("#"):
            name, colon, value = line.removeprefix("#").partition(":")
            if colon:
                head[name.strip()] = value.strip()
        elif line:
            hosts.add(line)
    if not hosts:
        raise ListError("empty_list", f"{path.name} names no host")
    return frozenset(hosts), head


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(read_text(path))
    except json.JSONDecodeError:
        raise ListError("not_json", f"{path.name} is not JSON") from None
    if not isinstance(found, dict):
        raise ListError("wrong_shape", f"{path.name} is no object")
    media = found.get("media")
    if not isinstance(media, dict) or not media.keys() <= set(LISTED_MEDIA):
        raise ListError("wrong_shape", f"{path.name} has no media of ours")
    for names in media.values():
        if not isinstance(names, dict) or not all(map(_are_hosts, names.values())):
            raise ListError("wrong_shape", f"{path.name} names no hosts")
    return found


def _are_hosts(hosts: object) -> bool:
    return isinstance(hosts, list) and all(isinstance(host, str) for host in hosts)


def _about_json(path: Path, found: dict[str, Any]) -> About:
    sources = found.get("sources", {})
    return About(
        path.name,
        path.parent == BUILT_IN,
        ", ".join(sources),
        ", ".join(sources.values()),
        found.get("date", ""),
        sum(
            len(hosts) for names in found["media"].values() for hosts in names.values()
        ),
    )


def _find(folder: Path | None, name: str) -> Path:
    if folder is not None and (folder / name).exists():
        return folder / name
    return BUILT_IN / name


def _stamp(folder: Path | None, name: str) -> tuple[int, int] | None:
    if folder is None:
        return None
    try:
        status = os.stat(folder / name)  # noqa: PTH116 - Path.stat is twice as slow
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def read_text(path: Path) -> str:
    """
    Return the text of a list that others wrote, within bounds.

    Raises:
        ListError: when it cannot be read, is too large or no UTF-8.

    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ListError("unreadable", f"{path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ListError("too_large", f"{path.name} is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ListError("not_utf8", f"{path.name} is not UTF-8") from None
