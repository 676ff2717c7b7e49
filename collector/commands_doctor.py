"""`kastana doctor`: what is wrong with an installation."""

import sys
from pathlib import Path

import click
import orjson

from collector.diagnose import diagnose
from collector.options import data_option


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(data: str, *, as_json: bool) -> None:
    """Check the installation; say in words what is wrong. Exit 1 if anything is."""
    findings = diagnose(Path(data))
    for finding in findings:
        if as_json:
            click.echo(orjson.dumps(finding.as_object()))
        else:
            mark = {"good": "✓", "warning": "!", "bad": "✗"}[finding.state]
            click.echo(f"{mark} {finding.what}: {finding.words}")
    sys.exit(1 if any(finding.state == "bad" for finding in findings) else 0)
