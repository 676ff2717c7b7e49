"""`kastana explain`: what would become of a captured request."""

import os
import sys
from pathlib import Path
from typing import IO

import click
import orjson

from collector.explain import ExplainError
from collector.explain import explain as explain_record
from collector.folder import FolderError
from collector.options import data_option, open_folder
from collector.runtime import build
from pipeline.salt import SaltError
from schemas.settings import SettingsError, load_settings


@click.command()
@click.argument("file", type=click.File("rb"))
@data_option
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KASTANA_CONFIG",
    help="Settings file of the server, TOML.",
)
@click.option("--why", is_flag=True, help="Every step of each decision.")
def explain(file: IO[bytes], data: str, config: Path | None, *, why: bool) -> None:
    """
    Tell what would become of captured requests; nothing is stored.

    FILE (or -) holds one JSON object a line: method, target, headers as
    [[name, value], …], body or body_b64, optionally peer and ts
    (seconds since 1970).
    """
    folder = open_folder(data)
    try:
        settings = load_settings(config, os.environ, {"data": data})
        doors = build(settings, folder, keep=False).doors
    except (SettingsError, FolderError, SaltError) as error:
        raise click.ClickException(str(error)) from None
    bad = False
    for line in file:
        if not line.strip():
            continue
        try:
            told = explain_record(orjson.loads(line), doors, why=why)
        except (ExplainError, orjson.JSONDecodeError) as error:
            bad = True
            words = str(error) if isinstance(error, ExplainError) else "not JSON"
            told = {"error": {"code": "bad_record", "message": words, "field": ""}}
        click.echo(orjson.dumps(told))
    sys.exit(1 if bad else 0)
