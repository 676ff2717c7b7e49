"""Options that several commands share, and how they end when something is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from collector.folder import Folder, FolderError
from schemas.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def data_option(command: F) -> F:
    """Give a command the option --data."""
    return click.option(
        "--data",
        envvar="KASTANA_DATA",
        default=Settings().data,
        show_default=True,
        help="Data folder of the server.",
    )(command)


class Unreachable(click.ClickException):
    """The keeper or the store does not answer."""

    exit_code = 69


def open_folder(data: str) -> Folder:
    """Open a data folder that exists, or end with words."""
    if not Path(data).is_dir():
        message = f"{data} is not a folder; start `kastana serve` or give --data"
        raise click.UsageError(message)
    try:
        return Folder(Path(data))
    except FolderError as error:
        raise click.ClickException(str(error)) from None


def fail(message: str, code: int = 1) -> NoReturn:
    """End with a message on standard error and an exit code."""
    click.echo(f"Error: {message}", err=True)
    raise SystemExit(code)
