"""`kastana rollup`: whether the rollups' totals are right, and making them again."""

import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
import orjson

from collector.commands_read import call_keeper
from collector.folder import Folder
from collector.options import F, data_option, open_folder
from schemas.rollups import load_rollups

_name = click.argument("name", type=click.Choice(list(load_rollups())))


def _range(command: F) -> F:
    """Give a command the options --site, --from and --to."""
    for option in (
        click.option("--to", "end", help="Last day, YYYY-MM-DD. [default: today, UTC]"),
        click.option(
            "--from", "start", help="First day, YYYY-MM-DD. [default: 7 days ago]"
        ),
        click.option("--site", default="", help="Only this site. [default: all]"),
        data_option,
    ):
        command = option(command)
    return command


@click.command()
@_name
@_range
def check(name: str, data: str, site: str, start: str | None, end: str | None) -> None:
    """
    Compare a rollup with the events it is made of. Exit 1 if they differ.

    Events that arrive meanwhile may look like a difference: ask again then.
    """
    hours = drift(open_folder(data), name, site, *_days(start, end))
    if hours:
        click.echo(f"{name}: {hours} hours differ; `kastana rollup rebuild {name}`")
        sys.exit(1)
    click.echo(f"{name}: the same as its events")


@click.command()
@_name
@_range
def rebuild(
    name: str, data: str, site: str, start: str | None, end: str | None
) -> None:
    """Have the hours of some days built again; totals stay exact meanwhile."""
    first, last = _days(start, end)
    content = {"name": name, "site": site, "start": first, "end": last}
    call_keeper(open_folder(data), "/rollup/rebuild", content)
    click.echo(f"{name}: {first} to {last} will be built again")


def drift(folder: Folder, name: str, site: str, start: str, end: str) -> int:
    """
    Return for how many hours a rollup's totals are not those of its events.

    Raises:
        click.ClickException: when the keeper does not answer, or not with that.

    """
    content: dict[str, Any] = {
        "sql": (
            f"SELECT uniqExact(site, hour) FROM kastana.{name}_drift "  # noqa: S608 - a name of ours
            "WHERE ({site:String} = '' OR site = {site:String}) "
            "AND day BETWEEN {start:Date} AND {end:Date}"
        ),
        "format": "JSONCompactEachRow",
        "parameters": {"site": site, "start": start, "end": end},
    }
    answer, _ = call_keeper(folder, "/sql", content)
    return int(orjson.loads(answer)[0])


def _days(start: str | None, end: str | None) -> tuple[str, str]:
    today = datetime.now(UTC).date()
    return _day(start, today - timedelta(days=7)), _day(end, today)


def _day(text: str | None, default: date) -> str:
    if text is None:
        return default.isoformat()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.UsageError(f"{text!r} is not a day, YYYY-MM-DD") from None
