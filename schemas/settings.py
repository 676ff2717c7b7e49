"""
Every setting: its type, default and help in one place.

Sources, later ones win: the default here, the TOML file, `KASTANA_<NAME>` in the
environment, the command line. Unknown names are refused. The example file, the
`--help` texts and the settings table derive from this list.
"""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

Listen = Annotated[str, Meta(pattern=r"^\S+:\d{1,5}\Z")]
# Lists of hops, and headers of one address: Cloudflare's, Akamai's, nginx's, Fastly's,
# Fly's, Azure Front Door's, App Engine's, Envoy's, CloudFront's.
ProxyHeader = Literal[
    "x-forwarded-for",
    "forwarded",
    "cf-connecting-ip",
    "true-client-ip",
    "x-real-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "x-azure-clientip",
    "x-appengine-user-ip",
    "x-envoy-external-address",
    "cloudfront-viewer-address",
]


# What a row survives once its sender has its answer; pipeline/spool.py says it in full.
Durability = Literal["fsync", "write", "memory"]

# Variables that are read elsewhere: the file of settings; the spool's keys, which are
# no option, since the command line can be seen by others.
_NOT_SETTINGS = ("config", "spool_key")

_NAME = re.compile(r"`\$\.(\w+)")

_HIGHEST_PORT = 65_535


class SettingsError(ValueError):
    """A setting that is unknown, or has a value it cannot have."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may choose."""

    data: Annotated[
        str, Meta(description="Folder of spool, engine, secrets and sites; mode 0700")
    ] = "./data"
    listen: Annotated[Listen, Meta(description="Address of the public collector")] = (
        "127.0.0.1:8000"
    )
    keeper_listen: Annotated[
        Listen, Meta(description="Address of the keeper: admin, metrics, demo")
    ] = "127.0.0.1:8001"
    clickhouse_listen: Annotated[
        str,
        Meta(
            pattern=r"^(\S+:\d{1,5})?\Z",
            description="Address of the read-only ClickHouse HTTP interface; empty turns it off",
        ),
    ] = "127.0.0.1:8123"
    clickhouse_url: Annotated[
        str,
        Meta(
            description="A ClickHouse server (http or https URL) in place of the embedded engine"
        ),
    ] = ""
    clickhouse_cluster: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z_][A-Za-z0-9_-]{0,63})?\Z",
            description="The cluster that `clickhouse_url` is a replica of, by its name there: tables are made on all its servers, replicated; empty: one server",
        ),
    ] = ""
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Number of edge processes that share the public port",
        ),
    ] = 1
    public_url: Annotated[
        str,
        Meta(
            description="How browsers and mails reach the collector; empty: http:// and `listen`"
        ),
    ] = ""
    open_sites: Annotated[
        bool,
        Meta(
            description="Accept events of sites that were not added, under the rule pack eu_strict"
        ),
    ] = False
    demo: Annotated[bool, Meta(description="Serve the demo site from the keeper")] = (
        True
    )
    geo_databases: Annotated[
        tuple[str, ...],
        Meta(description="City databases (.mmdb); empty: those in `data`/geo"),
    ] = ()
    networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Lists of networks, named by kind (datacenter.txt, relay.txt, people.txt …); empty: those in `data`/networks"
        ),
    ] = ()
    datacenter_visits: Annotated[
        Literal["count_apart", "keep"],
        Meta(
            description="Visits from data centres: counted apart as robots, or kept where the visitors' own proxies stand there"
        ),
    ] = "count_apart"
    robot_events: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Most events in `robot_seconds` from one address and agent before the rest counts as a robot's; 0: no limit",
        ),
    ] = 300
    robot_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="The time that `robot_events` is about")
    ] = 10.0
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Networks whose forwarding header is believed, CIDR"),
    ] = ()
    proxy_header: Annotated[
        ProxyHeader,
        Meta(
            description="The one header in which the trusted proxies say the client's address"
        ),
    ] = "x-forwarded-for"
    country_header: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]{0,64}\Z",
            description="Header in which the trusted proxies say the client's country, such as CF-IPCountry; empty: none",
        ),
    ] = ""
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=67_108_864, description="Largest request body, unpacked")
    ] = 524_288
    max_events: Annotated[
        int, Meta(ge=1, le=100_000, description="Most events in one request")
    ] = 1000
    client_rate: Annotated[
        float,
        Meta(
            ge=0,
            description="Requests a second from one network (/24, /48) before 429; 0: no limit",
        ),
    ] = 200.0
    client_burst: Annotated[
        float,
        Meta(
            ge=1, description="Requests at once from one network before the rate counts"
        ),
    ] = 1000.0
    site_rate: Annotated[
        float,
        Meta(
            ge=0,
            description="Events a second of one site, in each edge, before 429; 0: no limit; a site's own `rate` goes first",
        ),
    ] = 0.0
    site_burst: Annotated[
        float,
        Meta(
            ge=1,
            description="Events at once of one site before the rate counts; a site's own `burst` goes first",
        ),
    ] = 10_000.0
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Most connections of one edge; one more is answered 503 and closed",
        ),
    ] = 4096
    head_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=600,
            description="How long a client may take to send a request's head",
        ),
    ] = 10.0
    body_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=600,
            description="In each such time a body must come on by as much as `body_rate` says, and an answer be taken on",
        ),
    ] = 10.0
    body_rate: Annotated[
        float,
        Meta(ge=0, description="Bytes a second that a body must come on by"),
    ] = 1024.0
    idle_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86_400,
            description="How long a connection is kept without a request; longer than the proxy in front keeps its own",
        ),
    ] = 75.0
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="How long requests under way may take when the edge ends or is replaced",
        ),
    ] = 10.0
    spool_seal_bytes: Annotated[
        int, Meta(ge=4096, description="A segment is sealed at this size")
    ] = 16_777_216
    spool_seal_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="A segment is sealed at this age")
    ] = 1.0
    spool_max_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            description="Bytes that may wait for the store before the collector answers 503",
        ),
    ] = 1_073_741_824
    spool_free_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="What the collector leaves free on the spool's disk, for withdrawals and the store, before it answers 503",
        ),
    ] = 67_108_864
    durability_events: Annotated[
        Durability,
        Meta(
            description="When `/e` answers: fsync: on the disk; write: safe from the death of the process, not of the machine; memory: before it is written, lost with the process"
        ),
    ] = "fsync"
    durability_pixel: Annotated[
        Durability, Meta(description="The same for `/p.gif`")
    ] = "fsync"
    durability_redirect: Annotated[
        Durability, Meta(description="The same for `/r/`")
    ] = "fsync"
    spool_key_file: Annotated[
        str,
        Meta(
            description="File of keys that encrypt the spool, 64 hexadecimal digits a line: the first encrypts, the others still read; or in KASTANA_SPOOL_KEY, commas between; empty: plain"
        ),
    ] = ""
    spool_keep_seconds: Annotated[
        float, Meta(ge=0, description="How long a loaded segment is kept")
    ] = 600.0
    withdrawal_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Stored rows of a withdrawn consent are deleted within this time",
        ),
    ] = 60.0
    rollup_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="How often hours that have ended, or got late events, are put into the rollups; totals are exact before",
        ),
    ] = 300.0
    policy_url: Annotated[
        str, Meta(description="Where visitors can read the policy; goes on receipts")
    ] = ""
    contact: Annotated[
        str, Meta(description="How to reach the controller; goes on receipts")
    ] = ""
    query_seconds: Annotated[
        int, Meta(ge=1, le=86_400, description="Longest run of an analyst's query")
    ] = 60
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="What is logged, to standard error"),
    ] = "info"

    @property
    def base_url(self) -> str:
        """The collector's URL as clients see it, without a trailing slash."""
        return (self.public_url or f"http://{self.listen}").rstrip("/")


def load_settings(
    file: Path | None, environment: Mapping[str, str], options: Mapping[str, Any]
) -> Settings:
    """
    Merge the sources into settings.

    Args:
        file: a TOML file, or None.
        environment: the process's variables; only KASTANA_* is read.
        options: what the command line gave; None values are left out.

    Raises:
        SettingsError: naming the setting and the source at fault.

    """
    known = set(Settings.__struct_fields__)
    layers = {
        str(file): _from_file(file, known) if file is not None else {},
        "environment": _from_environment(environment, known),
        "options": {name: it for name, it in options.items() if it is not None},
    }
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers.items():
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    if isinstance(values.get("proxy_header"), str):
        # Written in any case, as headers are.
        values["proxy_header"] = values["proxy_header"].lower()
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        found = _NAME.search(str(error))
        name = found[1] if found else ""
        message = f"{sources.get(name, 'options')}: {error}".replace("$.", "")
        raise SettingsError(message) from error
    for cidr in settings.trusted_proxies:
        _check_network(cidr, sources["trusted_proxies"])
    for name in ("listen", "keeper_listen", "clickhouse_listen"):
        _check_port(getattr(settings, name), name, sources.get(name, "options"))
    url = settings.clickhouse_url
    if url and not url.startswith(("http://", "https://")):
        message = f"{sources['clickhouse_url']}: not http(s) - at `clickhouse_url`"
        raise SettingsError(message)
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """
    Return the variables from which `load_settings` makes the same settings.

    Raises:
        SettingsError: when a value cannot be written as a variable.

    """
    values = msgspec.to_builtins(settings)
    variables = {f"KASTANA_{name.upper()}": _text(it) for name, it in values.items()}
    if load_settings(None, variables, {}) != settings:
        message = "a path or a network holds a comma or begins with a space"
        raise SettingsError(message)
    return variables


def descriptions() -> dict[str, tuple[str, Any]]:
    """Return help and default of every setting, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    defaults = dict(
        zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True)
    )
    found = {}
    for name in Settings.__struct_fields__:
        texts = [
            meta.description
            for meta in get_args(hints[name])
            if isinstance(meta, Meta) and meta.description
        ]
        found[name] = (texts[-1], defaults[name])
    return found


def example_toml() -> str:
    """Return deploy/settings.example.toml: every setting with its default."""
    lines = [
        "# Kastana settings: every one with its default. Derived from schemas/settings.py",
        "# by `make derive`. Each can also be given as KASTANA_<NAME> in the environment",
        "# (lists separated by commas) and as --<name> on the command line.",
    ]
    for name, (text, default) in descriptions().items():
        lines += ["", f"# {text}.", f"# {name} = {_toml(default)}"]
    return "\n".join(lines) + "\n"


def _check_port(address: str, name: str, source: str) -> None:
    if address and int(address.rpartition(":")[2]) > _HIGHEST_PORT:
        message = f"{source}: no port is above {_HIGHEST_PORT} - at `{name}`"
        raise SettingsError(message)


def _check_network(cidr: str, source: str) -> None:
    try:
        ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        message = f"{source}: {cidr!r} is not a network - at `trusted_proxies`"
        raise SettingsError(message) from error


def _from_file(file: Path, known: set[str]) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{file}: is not TOML: {error}"
        raise SettingsError(message) from error
    for name in values:
        if name not in known:
            message = f"{file}: unknown setting {name!r}"
            raise SettingsError(message)
    return values


def _from_environment(
    environment: Mapping[str, str], known: set[str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith("KASTANA_"):
            continue
        name = variable.removeprefix("KASTANA_").lower()
        if name in _NOT_SETTINGS:
            continue
        if name not in known:
            message = f"environment: {variable} is not a setting"
            raise SettingsError(message)
        if name in ("geo_databases", "networks", "trusted_proxies"):
            values[name] = [part.strip() for part in text.split(",") if part.strip()]
        else:
            values[name] = text
    return values


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(value)
    return str(value)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)
