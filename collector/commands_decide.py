"""`kastana consent decode` and `decide`: what signals say, and what follows."""

import sys
from typing import IO, Any

import click
import orjson

from collector.decide import DecideError, Decider
from pipeline.signals.decode_line import decode_line
from pipeline.signals.errors import SignalError
from schemas.policy import load_policy

_file = click.argument("file", type=click.File("rb"), default="-")


@click.command()
@_file
def decode(file: IO[bytes]) -> None:
    """
    Read consent strings, one a line; print every field of each as JSON.

    FILE (or standard input) holds TC, GPP and US Privacy strings, gcs, gcd, and
    cookies of consent managers as name=value. Exit code 1 if one cannot be read.
    """
    bad = False
    for line in file:
        if not line.strip():
            continue
        try:
            told: dict[str, Any] = decode_line(line.decode("utf-8"))
        except UnicodeDecodeError:
            told = _error("bad_character", "the line is not UTF-8")
        except SignalError as error:
            told = _error(error.code, str(error), error.field)
        bad = bad or "error" in told
        click.echo(orjson.dumps(told))
    sys.exit(1 if bad else 0)


@click.command()
@_file
def decide(file: IO[bytes]) -> None:
    """
    Decide on stated signals, one JSON object a line; print decision, row, reasons.

    A line holds any of: headers {"Sec-GPC": "1"}, cookies {name: value}, consent
    {the consent object of an event}, gdpr, gdpr_consent, gpp, gpp_sid, us_privacy,
    gcs, gcd …, and context {place, event, category, door, time, user_agent, site
    {rules, switches, …}, withdrawn, flags}. Nothing is stored, no server is needed.
    """
    decider = Decider(load_policy())
    bad = False
    for line in file:
        if not line.strip():
            continue
        try:
            told = decider.line(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            told = _error("not_json", f"is not JSON at character {error.pos}")
        except DecideError as error:
            told = _error(error.code, str(error), error.field)
        bad = bad or "error" in told
        click.echo(orjson.dumps(told))
    sys.exit(1 if bad else 0)


def _error(code: str, message: str, field: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": field}}
