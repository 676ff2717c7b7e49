"""`kastana sql`, `query`, `version`: what asks the keeper, and who we are."""

import sys
import urllib.error
import urllib.request
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from typing import Any

import click
import orjson

from collector.folder import Folder, FolderError
from collector.options import F, Unreachable, data_option, open_folder


def _format(command: F) -> F:
    """Give a command the option --format."""
    return click.option(
        "--format",
        "fmt",
        default="table",
        show_default=True,
        help="table, or any output format of ClickHouse: JSONEachRow, CSV, Parquet…",
    )(command)


@click.command()
@click.argument("statement")
@data_option
@_format
def sql(statement: str, data: str, fmt: str) -> None:
    """Ask the running server's ClickHouse; `-` reads the statement from input."""
    if statement == "-":
        statement = sys.stdin.read()
    _ask(open_folder(data), "/sql", {"sql": statement}, fmt)


@click.command()
@click.argument("name", required=False)
@data_option
@click.option("--site", default="", help="Only this site. [default: all]")
@click.option("--from", "start", help="First day, YYYY-MM-DD. [default: 30 days ago]")
@click.option("--to", "end", help="Last day, YYYY-MM-DD. [default: today, UTC]")
@_format
def query(  # noqa: PLR0913 - one parameter an option
    name: str | None, data: str, site: str, start: str | None, end: str | None, fmt: str
) -> None:
    """Run a named view; without a NAME, list them."""
    if name is None:
        _list_views()
        return
    today = datetime.now(UTC).date()
    content = {
        "name": name,
        "site": site,
        "start": _day(start, today - timedelta(days=30)),
        "end": _day(end, today),
    }
    _ask(open_folder(data), "/query", content, fmt)


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(metadata.version("kastana"))


def _list_views() -> None:
    # Only this needs the policy: the keeper knows the views that it is asked for.
    from collector.table import print_table  # noqa: PLC0415 - as said
    from pipeline.queries import load_views  # noqa: PLC0415 - as said

    print_table(
        ["name", "title", "meaning"],
        [[view.name, view.title, view.meaning] for view in load_views().values()],
    )


def _day(text: str | None, default: date) -> str:
    if text is None:
        return default.isoformat()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.UsageError(f"{text!r} is not a day, YYYY-MM-DD") from None


def _ask(folder: Folder, path: str, content: dict[str, Any], fmt: str) -> None:
    wanted = "JSONCompactEachRowWithNames" if fmt == "table" else fmt
    answer, used = call_keeper(folder, path, {**content, "format": wanted})
    if fmt != "table" or used != wanted:
        sys.stdout.buffer.write(answer)
        return
    text = answer.decode("utf-8", "replace")
    lines = [orjson.loads(line) for line in text.splitlines() if line]
    if lines:
        # What draws tables takes longer to load than most answers to come.
        from collector.table import print_table  # noqa: PLC0415 - as said

        print_table(lines[0], lines[1:])


def call_keeper(
    folder: Folder, path: str, content: dict[str, Any]
) -> tuple[bytes, str]:
    """
    Send a request to the folder's keeper; return its answer and the format of it.

    Raises:
        click.ClickException: with the keeper's own words, or that it is away.

    """
    try:
        address = folder.read_keeper()
        token = folder.secret("admin.token").hex()
    except FolderError as error:
        raise Unreachable(str(error)) from None
    request = urllib.request.Request(  # noqa: S310 - the keeper's own http URL
        address.url + path,
        data=orjson.dumps(content),
        headers={"Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.read(), response.headers.get("X-ClickHouse-Format", "")
    except urllib.error.HTTPError as error:
        told = orjson.loads(error.read())["error"]
        raise click.ClickException(f"{told['code']}: {told['message']}") from None
    except urllib.error.URLError:
        message = f"the keeper at {address.url} does not answer; is the server running?"
        raise Unreachable(message) from None
