"""`kastana doctor`: what is wrong with an installation."""

import os
import sys
from pathlib import Path

import click
import orjson

from collector.diagnose import diagnose
from collector.diagnose_rollups import look_at_rollups
from collector.folder import Folder
from collector.options import data_option
from schemas.settings import SettingsError, load_settings


@click.command()
@data_option
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KASTANA_CONFIG",
    help="Settings file, TOML, that the server is started with.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(data: str, config: Path | None, *, as_json: bool) -> None:
    """Check the installation; say in words what is wrong. Exit 1 if anything is."""
    try:
        settings = load_settings(config, os.environ, {"data": data})
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    findings = diagnose(Path(data), settings.geo_databases, settings.networks)
    if Path(data).is_dir():
        findings += look_at_rollups(Folder(Path(data)))
    for finding in findings:
        if as_json:
            click.echo(orjson.dumps(finding.as_object()))
        else:
            mark = {"good": "✓", "warning": "!", "bad": "✗"}[finding.state]
            click.echo(f"{mark} {finding.what}: {finding.words}")
    sys.exit(1 if any(finding.state == "bad" for finding in findings) else 0)
