"""`kastana spool`: segments on their way to the store."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table

from collector.options import data_option, fail, open_folder
from collector.spool_files import (
    Found,
    SpoolFileError,
    content,
    drop,
    find,
    retry,
    segments,
)
from collector.spool_keys import spool_sealing
from pipeline.sealing import Sealing
from pipeline.segment import STATES
from schemas.settings import SettingsError, load_settings

_HOUR_S = 3600
_MINUTE_S = 60


config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KASTANA_CONFIG",
    help="Settings file, TOML, that the server is started with.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line."
)


@click.command("ls")
@data_option
@config_option
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Only segments in this state; may be repeated. [default: all]",
)
@json_option
def list_command(
    data: str, config: Path | None, states: Sequence[str], *, as_json: bool
) -> None:
    """
    List segments: table, state, age, rows, bytes, and why one was refused.

    A segment is open (being written), sealed (waits for the store), loaded (kept for
    a while) or failed (the store refused it).
    """
    root, sealing = _spool(data, config)
    found = [one for one in segments(root, sealing) if one.state in (states or STATES)]
    if as_json:
        for one in found:
            click.echo(orjson.dumps(one.as_object()))
        return
    table = Table("state", "table", "id", "age", "rows", "bytes", "reason")
    for one in found:
        rows = "?" if one.rows is None else str(one.rows)
        why = one.reason or one.problem
        table.add_row(
            one.state, one.table, one.id, _age(one), rows, str(one.bytes), why
        )
    # As wide as it must be: an id that is cut short is of no use.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@click.command()
@click.argument("segment")
@data_option
@config_option
@click.option(
    "--rows",
    "most",
    type=click.IntRange(min=0),
    default=0,
    help="Print so many rows too. They hold only what was to be stored: no address, "
    "agent or URL as it came. [default: 0]",
)
@json_option
def show(
    segment: str, data: str, config: Path | None, most: int, *, as_json: bool
) -> None:
    """Show a segment: its columns, how many rows, why it was refused."""
    root, sealing = _spool(data, config)
    try:
        found = find(root, sealing, segment)
        columns, lines = content(found, sealing)
    except SpoolFileError as error:
        fail(f"{error.code}: {error}")
    rows = [_row(columns, line) for line in lines[:most]]
    if as_json:
        about = {**found.as_object(), "columns": columns}
        click.echo(orjson.dumps({**about, "content": rows} if most else about))
        return
    for name, value in found.as_object().items():
        click.echo(f"{name:12} {value}")
    click.echo(f"{'columns':12} {', '.join(columns)}")
    for row in rows:
        # As JSON: what visitors sent must not be terminal codes.
        click.echo(orjson.dumps(row))


@click.command("retry")
@click.argument("segment", required=False)
@data_option
@config_option
@click.option("--all", "everything", is_flag=True, help="All that were refused.")
def retry_command(
    segment: str | None, data: str, config: Path | None, *, everything: bool
) -> None:
    """Give a refused segment to the store again; its rows still count once."""
    if (segment is None) is not everything:
        message = "name a segment, or say --all"
        raise click.UsageError(message)
    root, sealing = _spool(data, config)
    try:
        if segment is not None:
            chosen = [find(root, sealing, segment)]
        else:
            chosen = [one for one in segments(root, sealing) if one.state == "failed"]
        for found in chosen:
            retry(root, found)
            click.echo(f"{found.table}-{found.id} waits for the store again")
    except SpoolFileError as error:
        fail(f"{error.code}: {error}")


@click.command("drop")
@click.argument("segment")
@data_option
@config_option
@click.option("--yes", is_flag=True, help="Really: its rows are lost for good.")
def drop_command(segment: str, data: str, config: Path | None, *, yes: bool) -> None:
    """
    Delete a refused segment. Its rows are lost.

    That it was dropped, its table and its number of rows are added to
    spool/dropped.jsonl.
    """
    root, sealing = _spool(data, config)
    try:
        found = find(root, sealing, segment)
        rows = "an unknown number of" if found.rows is None else found.rows
        if not yes:
            message = f"this loses {rows} rows of {found.table}; say --yes"
            raise click.UsageError(message)
        drop(root, found)
    except SpoolFileError as error:
        fail(f"{error.code}: {error}")
    click.echo(f"dropped {found.table}-{found.id}: {rows} rows of {found.table}")


def _spool(data: str, config: Path | None) -> tuple[Path, Sealing]:
    folder = open_folder(data)
    try:
        settings = load_settings(config, os.environ, {"data": data})
        sealing = spool_sealing(settings, os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    return folder.spool, sealing


def _row(columns: dict[str, str], line: bytes) -> object:
    """Return a line by its columns, as text where it is no row of them."""
    try:
        return dict(zip(columns, orjson.loads(line), strict=True))
    except (TypeError, ValueError):
        return line.decode("utf-8", "replace")


def _age(found: Found) -> str:
    seconds = found.age_seconds
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
