"""`kastana serve`, `edge` and `keeper`: the processes."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from collector import logs
from collector.address import ListenError
from collector.authorities import import_aiohttp
from collector.child import CONFIGURATION_EXIT
from collector.folder import Folder, FolderError
from collector.hardening import HardeningError, keep_memory_private
from collector.lifeline import Lifeline
from collector.supervise import run_serve
from pipeline.ledger.heads import HeadsError
from pipeline.salt import SaltError
from pipeline.withdrawal.objections import ObjectionsError
from schemas.ddl import DriftError
from schemas.packs import PackError
from schemas.policy import PolicyError
from schemas.settings import Settings, SettingsError, descriptions, load_settings

F = TypeVar("F", bound=Callable[..., Any])
# What an operator must mend before a process can work.
_CONFIGURATION = (
    DriftError,
    FolderError,
    HeadsError,
    ListenError,
    ObjectionsError,
    PackError,
    PolicyError,
    SaltError,
    SettingsError,
)
# How far behind the edges the keeper stands where they share a machine: a tenth of its
# share of a busy core. While a backlog loads, visitors wait for the edges.
_GIVING_WAY = 10


class ConfigurationError(click.ClickException):
    """The configuration is wrong; starting again would not help."""

    exit_code = CONFIGURATION_EXIT


def _settings_options(command: F) -> F:
    """Give a command one option for every setting."""
    for name, (text, default) in reversed(descriptions().items()):
        shown = ",".join(default) if isinstance(default, tuple) else default
        command = click.option(
            "--" + name.replace("_", "-"),
            name,
            help=f"{text}. [default: {shown}]" if shown != "" else f"{text}.",
            metavar=type(default).__name__.upper().replace("STR", "TEXT"),
        )(command)
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="KASTANA_CONFIG",
        help="Settings file, TOML.",
    )(command)


def _lifeline_option(command: F) -> F:
    """Give a command the option by which it is told who started it."""
    return click.option("--lifeline", type=int, hidden=True)(command)


@click.command()
@_settings_options
def serve(config: Path | None, **options: str | None) -> None:
    """Run everything on this machine: edges, keeper, embedded ClickHouse."""
    settings, folder = _prepare(config, options)
    sys.exit(_run(lambda: run_serve(settings, folder, lambda: _load(config, options))))


@click.command()
@_settings_options
@_lifeline_option
@click.option("--listener", type=int, hidden=True)
def edge(
    config: Path | None,
    lifeline: int | None,
    listener: int | None,
    **options: str | None,
) -> None:
    """Run one public process: receives, minimises, spools; reads nothing."""
    settings, folder = _prepare(config, options)
    import_aiohttp()
    from collector.app import run_edge  # noqa: PLC0415 - metrics need their folder first

    _run(lambda: run_edge(settings, folder, _line(lifeline), listener))


@click.command()
@_settings_options
@_lifeline_option
def keeper(config: Path | None, lifeline: int | None, **options: str | None) -> None:
    """Run the store's owner: loads segments, answers queries, shows metrics."""
    # Before there are threads, which have it from who starts them.
    os.nice(_GIVING_WAY)
    settings, folder = _prepare(config, options)
    import_aiohttp()
    from collector.keeper import run_keeper  # noqa: PLC0415 - metrics need their folder first

    _run(lambda: run_keeper(settings, folder, _line(lifeline)))


def _line(descriptor: int | None) -> Lifeline | None:
    return None if descriptor is None else Lifeline(descriptor)


def _load(config: Path | None, options: dict[str, Any]) -> Settings:
    given = dict(options)
    for name in ("geo_databases", "networks", "trusted_proxies"):
        if isinstance(given.get(name), str):
            given[name] = [part for part in given[name].split(",") if part]
    return load_settings(config, os.environ, given)


def _prepare(config: Path | None, options: dict[str, Any]) -> tuple[Settings, Folder]:
    try:
        keep_memory_private()
    except HardeningError as error:
        raise ConfigurationError(str(error)) from None
    try:
        settings = _load(config, options)
        folder = Folder(Path(settings.data))
    except (SettingsError, FolderError) as error:
        raise ConfigurationError(str(error)) from None
    logs.set_up(settings.log_level)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    # The embedded engine's client writes what it inserts to a temporary file
    # first: rows belong under the data folder, not in a folder others can list.
    os.environ["TMPDIR"] = str(folder.scratch)
    return settings, folder


def _run(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    try:
        return uvloop.run(_guarded(main)) or 0
    except KeyboardInterrupt:
        return 130


async def _guarded(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int | None:
    logs.watch(asyncio.get_running_loop())
    try:
        return await main()
    except _CONFIGURATION as error:
        raise ConfigurationError(str(error)) from None
