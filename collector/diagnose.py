"""
`kastana doctor`: what is wrong with an installation, in words.
"""

import os
import re
import shutil
import stat
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from collector.assets import NAMES, AssetError, load_asset
from collector.folder import Folder, FolderError
from pipeline.agents.networks import lists_in, load_networks
from pipeline.clock import DAY_MS, now_ms
from pipeline.geo import cities
from pipeline.geo.files import databases_in
from pipeline.ledger.heads import HeadsError, read_heads
from pipeline.location import Locator
from pipeline.minimise import Minimiser
from pipeline.salt import DaySalt, SaltError
from pipeline.withdrawal.objections import MOST_ENTRIES, Objections, ObjectionsError
from schemas.packs import PackError, load_packs
from schemas.policy import PolicyError, load_policy
from schemas.settings import SettingsError
from schemas.site import SiteError, parse_sites

_LOW_SPACE_BYTES = 1 << 30
_WAITING = re.compile(rb"^kastana_waiting_segments ([0-9.e+]+)$", re.MULTILINE)


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at, and how it is."""

    what: str
    state: Literal["good", "warning", "bad"]
    words: str

    def as_object(self) -> dict[str, str]:
        """Return the finding for JSON."""
        return {"what": self.what, "state": self.state, "words": self.words}


def diagnose(
    data: Path, geo_databases: Sequence[str] = (), networks: Sequence[str] = ()
) -> list[Finding]:
    """
    Look at policy, tracker, data folder, secrets, sites, lists and processes.

    Args:
        data: the data folder.
        geo_databases: the setting of that name.
        networks: the setting of that name.

    """
    findings = [_policy(), _packs(), _tracker()]
    if not data.is_dir():
        words = f"{data} does not exist yet; `kastana serve` makes it"
        return [*findings, Finding("data folder", "warning", words)]
    folder = Folder(data)
    return [
        *findings,
        _space(folder),
        _secrets(folder),
        _salt(folder),
        _sites(folder),
        _objections(folder),
        _ledger(folder),
        _geo(folder, geo_databases),
        _cities(),
        _networks(folder, networks),
        _spool(folder),
        _keeper(folder),
    ]


def _policy() -> Finding:
    try:
        policy = load_policy()
        # What an edge does at its start; a salt is not read before an event.
        Minimiser(policy, DaySalt(Path(os.devnull)))
    except PolicyError as error:
        return Finding("policy", "bad", str(error))
    return Finding("policy", "good", f"version {policy.version}")


def _packs() -> Finding:
    try:
        packs = load_packs()
        packs.check_fields(load_policy().columns("events"))
    except (PackError, PolicyError) as error:
        return Finding("rule packs", "bad", str(error))
    words = f"{len(packs.jurisdictions)} jurisdictions, newest of {packs.newest}"
    return Finding("rule packs", "good", words)


def _tracker() -> Finding:
    try:
        sizes = [len(load_asset(name).packed) for name in NAMES]
    except AssetError as error:
        return Finding("tracker", "bad", str(error))
    return Finding("tracker", "good", f"built; {sizes[0]} bytes compressed")


def _space(folder: Folder) -> Finding:
    free = shutil.disk_usage(folder.root).free
    words = f"{free / 1e9:.1f} GB free under {folder.root}"
    return Finding("disk", "good" if free > _LOW_SPACE_BYTES else "bad", words)


def _secrets(folder: Folder) -> Finding:
    for path in folder.secrets.iterdir():
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            words = f"secrets/{path.name} can be read by others; chmod 600 it"
            return Finding("secrets", "bad", words)
    try:
        for name in ("visitor.key", "link.key", "admin.token"):
            folder.secret(name)
    except FolderError as error:
        return Finding("secrets", "bad", str(error))
    return Finding("secrets", "good", "present, readable by their owner alone")


def _salt(folder: Folder) -> Finding:
    salts, now = DaySalt(folder.salt), now_ms()
    try:
        salts.at(now)
    except (SaltError, OSError) as error:
        return Finding("day's salt", "bad", str(error))
    ahead = salts.day - now // DAY_MS
    if ahead > 0:
        words = (
            f"{ahead} days ahead: a clock was wrong once, and day pseudonyms last "
            "that long; delete secrets/day.salt while the server is stopped"
        )
        return Finding("day's salt", "warning", words)
    return Finding("day's salt", "good", "of today")


def _sites(folder: Folder) -> Finding:
    if not folder.sites.exists():
        words = "none yet; `kastana site add example.com`"
        return Finding("sites", "warning", words)
    try:
        sites = parse_sites(folder.sites.read_text(encoding="utf-8"))
    except SiteError as error:
        return Finding("sites", "bad", str(error))
    return Finding("sites", "good", ", ".join(sorted(sites)))


def _objections(folder: Folder) -> Finding:
    objections = Objections(folder.objections)
    try:
        objections.look()
    except ObjectionsError as error:
        words = f"{error}: nothing is taken until that is mended"
        return Finding("withdrawals", "bad", words)
    if objections.count > MOST_ENTRIES * 9 // 10:
        words = f"{objections.count} of at most {MOST_ENTRIES}: soon none are taken"
        return Finding("withdrawals", "warning", words)
    return Finding("withdrawals", "good", f"{objections.count} entries")


def _ledger(folder: Folder) -> Finding:
    try:
        heads = read_heads(folder.heads)
    except HeadsError as error:
        return Finding("ledger", "bad", str(error))
    if heads is None:
        return Finding("ledger", "good", "no choice was recorded yet")
    return Finding("ledger", "good", "`kastana consent verify` walks it")


def _geo(folder: Folder, named: Sequence[str]) -> Finding:
    paths = [Path(name) for name in named] or databases_in(folder.geo)
    locator = Locator(paths)
    read = [
        f"{one.name} of {one.built or 'an unknown day'}" for one in locator.databases
    ]
    owed = [line.text for line in locator.attributions]
    words = "; ".join([*read, *owed])
    if not read:
        words = (
            f"{locator.problem}; countries come from the browser's time zone "
            "(`make geo` fetches a database)"
        )
    elif locator.problem:
        words = f"{locator.problem}; read are {words}"
    return Finding("locations", "warning" if locator.problem else "good", words)


def _cities() -> Finding:
    try:
        words = f"inhabitants of {cities.count()} cities; {cities.source()}"
    except cities.CitiesError as error:
        return Finding("city names", "bad", str(error))
    return Finding("city names", "good", words)


def _networks(folder: Folder, named: Sequence[str]) -> Finding:
    paths = [Path(name) for name in named] or lists_in(folder.root / "networks")
    try:
        known = load_networks(paths)
    except SettingsError as error:
        return Finding("networks", "bad", str(error))
    if known.problem:
        words = (
            f"{known.problem}: a robot in a data centre is known by its agent alone "
            "(`pip install kastana[networks]`, or lists in networks/)"
        )
        return Finding("networks", "warning", words)
    return Finding("networks", "good", ", ".join(known.sources))


def _spool(folder: Folder) -> Finding:
    failed = list((folder.spool / "failed").glob("*.ndjson"))
    if failed:
        words = f"{len(failed)} segments were refused; see spool/failed/*.reason"
        return Finding("spool", "bad", words)
    waiting = len(list((folder.spool / "sealed").glob("*.ndjson")))
    return Finding("spool", "good", f"{waiting} segments wait for the store")


def _keeper(folder: Folder) -> Finding:
    try:
        address = folder.read_keeper()
    except FolderError as error:
        return Finding("keeper", "warning", str(error))
    try:
        # Both are the keeper's own http URL, from its file.
        with urllib.request.urlopen(address.url + "/health/ready", timeout=5):  # noqa: S310
            words = f"ready on {address.url}"
        with urllib.request.urlopen(address.url + "/metrics", timeout=5) as metrics:  # noqa: S310
            unread = unread_segments(metrics.read())
    except urllib.error.HTTPError as error:
        with error:
            return Finding("keeper", "bad", f"{address.url}: {why_away(error.read())}")
    except (urllib.error.URLError, TimeoutError):
        return Finding("keeper", "warning", f"{address.url} does not answer")
    if unread:
        words += (
            f", but {unread} segments cannot be read: their key is not given, or a "
            "newer version wrote them"
        )
        return Finding("keeper", "bad", words)
    return Finding("keeper", "good", words)


def unread_segments(metrics: bytes) -> int:
    """Return how many segments wait until they can be read, by a keeper's metrics."""
    found = _WAITING.search(metrics)
    return int(float(found[1])) if found else 0


def why_away(body: bytes) -> str:
    """Return in words why a keeper is not ready, by what its health says."""
    try:
        loader = msgspec.json.decode(body).get("loader", {})
        problem, attempts = loader["problem"], loader["attempts"]
    except (msgspec.DecodeError, AttributeError, KeyError):
        return "the store is away"
    return f"the store is away: {problem}; {attempts} attempts since {loader['since']}"
