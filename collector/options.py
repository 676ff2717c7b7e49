"""Options that several commands share, and how they end when something is wrong."""

import ast
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

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

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of the commands, none of which is loaded for it."""
        self._unloaded(ctx).format_commands(ctx, formatter)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Return the commands and options that begin so; no command is loaded."""
        commands = self._unloaded(ctx).commands.items()
        named = [
            CompletionItem(name, help=command.get_short_help_str())
            for name, command in commands
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def _unloaded(self, ctx: click.Context) -> click.Group:
        """Return a group of the same commands that have a name and a help only."""
        shown = click.Group()
        for name in self.list_commands(ctx):
            if name in self._elsewhere:
                about = _docstring(*self._elsewhere[name].split(":"))
                shown.add_command(click.Command(name, help=about))
            else:
                shown.add_command(self.commands[name])
        return shown


def _docstring(module: str, function: str) -> str | None:
    """Return a function's docstring from its source: the module is not run."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node)
    return None


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
