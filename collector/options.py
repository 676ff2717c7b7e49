"""Options that several commands share, and how they end when something is wrong."""

import importlib
from collections.abc import Callable, Mapping
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


def public_url_option(command: F) -> F:
    """Give a command the option --public-url."""
    return click.option(
        "--public-url",
        envvar="KASTANA_PUBLIC_URL",
        default=Settings().base_url,
        show_default=True,
        help="How mails and browsers reach the collector.",
    )(command)


class LazyGroup(click.Group):
    """A group of commands whose modules are loaded when they are called for."""

    def __init__(self, name: str, elsewhere: Mapping[str, str], about: str) -> None:
        """
        Name the commands.

        Args:
            name: the group's name.
            elsewhere: `module:attribute` of each command, by its name.
            about: what the group is, for its help.

        """
        names = ["-h", "--help"]
        super().__init__(
            name, help=about, context_settings={"help_option_names": names}
        )
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted([*super().list_commands(ctx), *self._elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none of this name."""
        if cmd_name not in self._elsewhere:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._elsewhere[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


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
