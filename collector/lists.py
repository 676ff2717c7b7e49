"""
Taking over lists by others: from a checkout of theirs to the files that we read.

A checkout of matomo-org/searchengine-and-social-list and one of
matomo-org/referrer-spam-list, or a folder with the files of both, is read, checked and
written in our form. Nothing is fetched: how a checkout comes to this machine is for the
operator to say. What our own list knows, or leaves out, is not taken over.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import yaml

from pipeline.places import Medium, Places, without_www
from pipeline.referrer_lists import ListError, own_list, read_text

PLACES_SOURCE = "matomo-org/searchengine-and-social-list"
PLACES_LICENCE = "CC0-1.0"
SPAM_SOURCE = "matomo-org/referrer-spam-list"
SPAM_LICENCE = "public domain"
# The dead ones are marked in the first, which is preferred.
SPAM_FILES = ("active_spammers.txt", "spammers.txt")

_HOST = re.compile(r"(?=.{4,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,8}")
_ANY_COUNTRY = re.compile(r"[a-z0-9-]{2,63}\.\*")
_APP = re.compile(r"(?:android|ios)-app://([^/]+)/?")
_LAST_LABEL = re.compile(r"[a-z][a-z0-9_-]+")
# A second level that belongs to a registry: "co.uk" is not one spammer's.
_REGISTRY = re.compile(r"(?:ac|co|com|edu|gov|in|msk|net|org|spb)\.[a-z]{2}")
_NAME_LENGTH = 80
_MOST_SPOILT = 0.02


class _File(NamedTuple):
    name: str
    medium: Medium
    least: int
    most: int


# How many names a list must and may have: one cut short must not replace a whole one.
_FILES = (
    _File("SearchEngines.yml", "search", 100, 5_000),
    _File("Socials.yml", "social", 40, 2_000),
    _File("AIAssistants.yml", "ai", 10, 1_000),
)
_SPAM_BOUNDS = (300, 100_000)
_MOST_HOSTS = 50_000


class Taken(NamedTuple):
    """Lists by others, checked."""

    media: dict[str, dict[str, list[str]]]
    spam: list[str]
    # Entries that were not taken over: paths, unusual patterns, no host names.
    skipped: int
    spam_file: str


def take(folder: Path) -> Taken:
    """
    Read and check the lists in a folder.

    Args:
        folder: where the files lie, in it or in a folder right below it.

    Raises:
        ListError: missing, too_large, not_utf8, not_yaml, wrong_shape, too_few,
            too_many, bad_hosts, two_media.

    """
    own_media, left_out = own_list()
    own = Places(own_media)
    names = {name.lower(): name for found in own_media.values() for name in found}
    media: dict[str, dict[str, list[str]]] = {}
    medium_of: dict[str, Medium] = {}
    skipped = 0
    for file in _FILES:
        given = _names(_locate(folder, (file.name,)), file)
        hosts_of: dict[str, list[str]] = {}
        count = spoilt = 0
        for name, place in _entries(given, file):
            count += 1
            if count > _MOST_HOSTS:
                raise ListError("too_many", f"{file.name} names too many hosts")
            host = _host(place)
            if host is None:
                spoilt += not _has_path(place)
                skipped += 1
            elif host in left_out.get(file.medium, ()) or own.listed(host):
                continue
            elif medium_of.setdefault(host, file.medium) != file.medium:
                raise ListError("two_media", f"{host} is in two of the lists")
            else:
                known = names.get(name.lower(), name)
                hosts_of.setdefault(known, []).append(host)
        _check_spoilt(file.name, spoilt, count)
        media[file.medium] = {
            name: sorted(set(hosts)) for name, hosts in hosts_of.items()
        }
    spam_path = _locate(folder, SPAM_FILES)
    spam, left = _spammers(spam_path, own)
    return Taken(media, spam, skipped + left, spam_path.name)


def places_text(media: Mapping[str, Mapping[str, list[str]]], stamp: str) -> str:
    """
    Return the file of named hosts.

    Args:
        media: names and hosts by medium.
        stamp: when, and from which revision.

    """
    about = (
        "Referring hosts by medium and name, made by `kastana lists refresh`; what "
        "referrers.json says of a host holds before this."
    )
    lines = [
        "{",
        f'"about": {json.dumps(about)},',
        f'"sources": {json.dumps({PLACES_SOURCE: PLACES_LICENCE})},',
        f'"date": {json.dumps(stamp)},',
        '"media": {',
        ",\n".join(_medium_text(medium, media[medium]) for medium in sorted(media)),
        "}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def spam_text(hosts: Iterable[str], stamp: str, file: str) -> str:
    """Return the file of spammers' hosts."""
    head = [
        "# Referrer spammers' domains, made by `kastana lists refresh`.",
        f"# source: {SPAM_SOURCE}, {file}",
        f"# licence: {SPAM_LICENCE}",
        f"# date: {stamp}",
    ]
    return "\n".join([*head, *hosts]) + "\n"


def _medium_text(medium: str, names: Mapping[str, list[str]]) -> str:
    rows = ",\n".join(
        f"  {_dumps(name)}: {_dumps(names[name])}"
        for name in sorted(names, key=str.casefold)
    )
    return f"{_dumps(medium)}: {{\n{rows}\n}}"


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _locate(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        for path in (folder / name, *sorted(folder.glob(f"*/{name}"))):
            if path.is_file():
                return path
    raise ListError("missing", f"{' or '.join(names)} is not in {folder}")


def _names(path: Path, file: _File) -> Mapping[str, object]:
    text = read_text(path)
    try:
        # References could unfold few bytes to many, and tags name what we do not read.
        plain = not any(
            isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None)
            for event in yaml.parse(text, Loader=yaml.BaseLoader)
        )
        # Every scalar is the text that stands there: "no" is no "False".
        found = yaml.load(text, Loader=yaml.BaseLoader) if plain else None  # noqa: S506 - makes texts, lists and mappings alone
    except (yaml.YAMLError, RecursionError):
        plain = False
    if not plain:
        raise ListError("not_yaml", f"{path.name} is not plain YAML")
    if not isinstance(found, dict):
        raise ListError("wrong_shape", f"{path.name} does not map names to hosts")
    _check_number(path.name, len(found), file.least, file.most)
    return found


def _entries(given: Mapping[str, object], file: _File) -> Iterator[tuple[str, str]]:
    """Yield each place with its name; a list holds hosts or has them under `urls`."""
    for key, found in given.items():
        parts = found if isinstance(found, list) else []
        if isinstance(key, str) and parts and all(isinstance(p, str) for p in parts):
            urls = parts
        else:
            urls = [
                url
                for part in parts
                if isinstance(part, dict) and isinstance(part.get("urls"), list)
                for url in part["urls"]
            ]
        name = unquote(key).strip() if isinstance(key, str) else ""
        if not urls or not name.isprintable() or not 0 < len(name) <= _NAME_LENGTH:
            raise ListError("wrong_shape", f"{file.name}: an entry is not as described")
        for url in urls:
            if not isinstance(url, str):
                raise ListError("wrong_shape", f"{file.name}: a host is not a text")
            yield name, url


def _host(place: str) -> str | None:
    """Return a place as a host of ours, None when it cannot be one."""
    text = place.strip().lower()
    app = _APP.fullmatch(text)
    if app is not None:
        text = app[1]
    host = without_www(text)
    if host.startswith("{}."):
        # A country's part of a known host: those below it are found by it.
        host = host.removeprefix("{}.")
    if host.endswith(".{}"):
        host = host.removesuffix("{}") + "*"
        return host if _ANY_COUNTRY.fullmatch(host) else None
    return host if _is_host(host) else None


def _is_host(text: str) -> bool:
    last = text.rpartition(".")[2]
    return _HOST.fullmatch(text) is not None and _LAST_LABEL.fullmatch(last) is not None


def _has_path(place: str) -> bool:
    """Say if an entry is regular there but means nothing to us."""
    return "/" in place or "{}" in place


def _spammers(path: Path, own: Places) -> tuple[list[str], int]:
    """Return the hosts of a list of spammers, and how many were left out."""
    hosts: set[str] = set()
    left = spoilt = count = 0
    for line in read_text(path).splitlines():
        host = line.strip().lower()
        if not host or host.startswith("!"):
            continue
        count += 1
        if not _is_host(host) or _REGISTRY.fullmatch(host):
            spoilt += 1
        elif own.listed(host) is not None:
            # What our own list knows as a place people come from is not spam.
            left += 1
        else:
            hosts.add(host)
    _check_spoilt(path.name, spoilt, count)
    _check_number(path.name, len(hosts), *_SPAM_BOUNDS)
    return sorted(hosts), left + spoilt


def _check_number(file: str, number: int, least: int, most: int) -> None:
    if number < least:
        message = f"{file} has {number} entries; fewer than {least} are no whole list"
        raise ListError("too_few", message)
    if number > most:
        message = f"{file} has {number} entries, more than {most}"
        raise ListError("too_many", message)


def _check_spoilt(file: str, spoilt: int, count: int) -> None:
    if spoilt > count * _MOST_SPOILT:
        message = f"{file}: {spoilt} of {count} entries are no host names"
        raise ListError("bad_hosts", message)
