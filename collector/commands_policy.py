"""`kastana policy`: show, check, inventory, ddl."""

import os
from pathlib import Path

import click
import msgspec

from pipeline.minimise import Minimiser
from pipeline.queries import ViewError, load_views
from pipeline.salt import DaySalt
from schemas.ddl import all_ddl
from schemas.inventory import inventory_json, inventory_markdown, privacy_markdown
from schemas.policy import Policy, PolicyError, load_policy

_file = click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another policy.toml than the built-in one.",
)


@click.group()
def policy() -> None:
    """The privacy policy as data, and what derives from it."""


@policy.command()
@_file
def show(file: Path | None) -> None:
    """Print the policy as JSON."""
    text = msgspec.json.encode(_load(file))
    click.echo(msgspec.json.format(text, indent=2).decode())


@policy.command()
@_file
def check(file: Path | None) -> None:
    """Check that the policy holds together; exit 1 with the key at fault."""
    loaded = _load(file)
    try:
        # What an edge does at its start; a salt is not read before an event.
        Minimiser(loaded, DaySalt(Path(os.devnull)))
        views = load_views()
    except (PolicyError, ViewError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"policy {loaded.version}: {len(loaded.fields)} fields, "
        f"{len(loaded.events)} events, {len(loaded.tables)} tables, "
        f"{len(views)} views: holds together"
    )


@policy.command()
@_file
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["markdown", "json", "privacy"]),
    default="markdown",
    show_default=True,
    help="markdown and json: everything; privacy: the table in PRIVACY.md.",
)
def inventory(file: Path | None, fmt: str) -> None:
    """Print what is collected, why, and for how long."""
    make = {
        "markdown": inventory_markdown,
        "json": inventory_json,
        "privacy": privacy_markdown,
    }
    click.echo(make[fmt](_load(file)), nl=False)


@policy.command()
@_file
def ddl(file: Path | None) -> None:
    """Print the ClickHouse statements that the policy makes."""
    click.echo(";\n\n".join(all_ddl(_load(file))) + ";")


def _load(file: Path | None) -> Policy:
    try:
        return load_policy(file)
    except PolicyError as error:
        raise click.ClickException(str(error)) from None
