"""What deploy/ has fits the product: names, bounds, commands, secrets."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from collector.child import CONFIGURATION_EXIT
from collector.cli import cli
from schemas.ddl_access import ROLES
from schemas.settings import Settings, load_settings
from tests.builders import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# What a process needs to end beside the time that it drains (collector/child.py).
GRACE_S = 20
KASTANA = re.compile(
    r"(?<![\w/-])(?<!-u )(?:\.venv/bin/|/opt/kastana/bin/)?kastana ([a-z].*)"
)
VARIABLE = re.compile(r"\bKASTANA_[A-Z_]+")


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of ours in README and the runbook, with its arguments."""
    for name in ("README.md", "deploy/runbook.md"):
        text = (ROOT / name).read_text("utf-8")
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        told = [line for block in blocks for line in block.splitlines()]
        # A span may be broken by the end of a line; a block is none.
        rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        told += [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", rest)]
        for line in told:
            if found := KASTANA.search(line.partition(" #")[0]):
                yield name, found[1]


def known_command(line: str) -> tuple[click.Command, list[str], list[str]]:
    """Return a command, the words that name it, and the words that follow."""
    command: click.Command = cli
    words, named = line.split(), []
    while words and isinstance(command, click.Group):
        # In a table: `kastana policy show, check`.
        word = words.pop(0).rstrip(",")
        inner = command.get_command(click.Context(command), word)
        assert inner is not None, line
        command, named = inner, [*named, word]
    return command, named, words


@pytest.mark.parametrize(
    ("where", "line"), sorted(set(commands())), ids=lambda text: text[:60]
)
def test_every_command_exists(where: str, line: str) -> None:
    """What README and runbook say to type is a command, with options it has."""
    command, named, words = known_command(line)
    done = CliRunner().invoke(cli, [*named, "--help"])

    assert 0 == done.exit_code, where
    options = {
        name for one in command.params for name in (*one.opts, *one.secondary_opts)
    }
    assert [] == [
        word
        for word in words
        if re.fullmatch(r"--[a-z-]+", word) and word not in options
    ]


def test_published_ports() -> None:
    """From outside nothing is reached but the proxy, on 443 and 80."""
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}

    assert {"proxy": ["443:8443", "80:8080"]} == published
    assert [] == [name for name, one in SERVICES.items() if "network_mode" in one]


def test_edges_cannot_reach_the_store() -> None:
    """No edge is in a network with the store, or has a secret of it."""
    edges = {name: one for name, one in SERVICES.items() if name.startswith("edge")}
    store = set(SERVICES["clickhouse"]["networks"])
    secrets = set(SERVICES["clickhouse"]["secrets"]) | {"keeper.toml"}

    assert 2 == len(edges)
    for one in edges.values():
        assert not store & set(one["networks"])
        assert not secrets & set(one["secrets"])
    assert all(COMPOSE["networks"][name]["internal"] for name in ("edges", "store"))


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_bounded(name: str) -> None:
    """Each container has limits, no rights, a closed file system and a health check."""
    service = SERVICES[name]

    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    # No swap beside the memory: raw requests are in it.
    assert service["mem_limit"] == service["memswap_limit"]
    assert 0 == service["ulimits"]["core"]
    assert service["pids_limit"]
    assert "healthcheck" in service or name.startswith("edge")
    assert {"logging", "restart", "image"} <= set(service)


def test_stops_leave_time_to_drain() -> None:
    """Who stops a process waits longer than it may drain."""
    longest = Settings().drain_seconds + GRACE_S
    for name in ("edge-1", "edge-2", "keeper"):
        assert longest < float(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    for unit in UNITS:
        told = re.search(
            r"^TimeoutStopSec=(\d+)$", unit.read_text("utf-8"), re.MULTILINE
        )
        assert told is not None
        both = 2 if unit.name == "kastana.service" else 1
        assert longest * both < int(told[1])


def test_secrets_are_made(tmp_path: Path) -> None:
    """The script makes every secret but the certificate, once; they are settings."""
    script = tmp_path / "make-secrets.sh"
    script.write_bytes((DEPLOY / "make-secrets.sh").read_bytes())
    runs = []
    for _ in range(2):
        subprocess.run(["sh", script, "c.example"], check=True, capture_output=True)
        folder = tmp_path / "secrets"
        runs.append({one.name: one.read_text("utf-8") for one in folder.iterdir()})
    made = runs[0]
    edge = load_settings(folder / "edge.toml", {}, {})
    keeper = load_settings(folder / "keeper.toml", {}, {})

    assert runs[0] == runs[1]
    assert 0o700 == folder.stat().st_mode & 0o777
    assert {"tls.crt", "tls.key"} == set(COMPOSE["secrets"]) - set(made)
    assert ("", "https://c.example") == (edge.clickhouse_url, edge.base_url)
    assert keeper.clickhouse_url.endswith("@clickhouse:8123")
    assert made["clickhouse_keeper"].strip() in keeper.clickhouse_url
    proxy = SERVICES["proxy"]["networks"]["edges"]["ipv4_address"]
    assert (f"{proxy}/32",) == tuple(edge.trusted_proxies)
    assert re.fullmatch(r"[0-9a-f]{64}\n", made["spool.key"])


def test_the_proxy_knows_the_edges() -> None:
    """The proxy's upstreams are the edges' addresses."""
    text = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
    edges = {
        SERVICES[name]["networks"]["edges"]["ipv4_address"] + ":8000"
        for name in ("edge-1", "edge-2")
    }

    assert edges == set(re.findall(r"server (172\S+)", text))


def test_bounds_of_the_proxy() -> None:
    """The proxy lets through what an edge takes, and keeps connections less long."""
    text = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
    size = f"{Settings().max_body_bytes // 1024}k;"

    assert f"client_max_body_size {size}" in text
    assert f"client_body_buffer_size {size}" in text
    assert Settings().idle_seconds > 60
    assert "keepalive_timeout 60s;" in text


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units(unit: Path) -> None:
    """A unit starts a command, gives it settings that exist, and is hardened."""
    text = unit.read_text("utf-8")
    command = re.search(
        r"^ExecStart=/opt/kastana/bin/kastana (\w+)$", text, re.MULTILINE
    )

    assert command is not None
    assert command[1] in {"serve", "edge", "keeper"}
    for line in (
        "User=kastana",
        "StateDirectoryMode=0700",
        "LimitCORE=0",
        "MemorySwapMax=0",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "UMask=0077",
        f"RestartPreventExitStatus={CONFIGURATION_EXIT}",
    ):
        assert f"\n{line}\n" in text


def test_named_settings_exist() -> None:
    """No file names a setting that there is none of: it would be refused."""
    known = {f"KASTANA_{name.upper()}" for name in Settings.__struct_fields__}
    files = [
        path
        for path in DEPLOY.rglob("*")
        if path.is_file() and "secrets" not in path.parts
    ]
    named = {
        name for path in files for name in VARIABLE.findall(path.read_text("utf-8"))
    }

    assert set() == named - known - {"KASTANA_CONFIG", "KASTANA_SPOOL_KEY", "KASTANA_"}


def test_image() -> None:
    """What runs has another user than root and no builder's tools; nothing lacks."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    last = stages[-1]

    assert "USER 10001:10001" in last
    assert "apt-get" not in last
    assert "HEALTHCHECK" in last
    assert "--constraint constraints.txt" in stages[-2]
    copied = {
        word
        for line in stages[-2].splitlines()
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {name.split(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    assert needed <= copied
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" == ignored[1]
    assert {
        f"!{name}" for name in copied if "/" not in name and "--" not in name
    } <= set(ignored)


def test_users_have_roles() -> None:
    """Each user that is made has one of the roles; the admin has no door outside."""
    text = (DEPLOY / "clickhouse" / "make-users.sh").read_text("utf-8")
    made = dict(re.findall(r'^make_user (\w+) "(HOST \w+)"$', text, re.MULTILINE))

    assert set(ROLES) == {f"kastana_{name}" for name in made}
    assert "HOST LOCAL" == made["admin"]
