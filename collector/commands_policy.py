"""`kastana policy`: show, check, inventory, ddl, access."""

import os
from pathlib import Path

import click
import msgspec

from pipeline.minimise import Minimiser
from pipeline.queries import ViewError, load_views
from pipeline.salt import DaySalt
from pipeline.statements import cluster_statements, script, server_statements
from schemas.ddl_access import access_ddl
from schemas.ddl_cluster import ALL_SHARDS, ClusterError
from schemas.inventory import inventory_json, inventory_markdown, privacy_markdown
from schemas.policy import Policy, PolicyError, load_policy
from schemas.rollups import check_rollup, load_rollups

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
        for name, rollup in load_rollups().items():
            check_rollup(loaded, name, rollup)
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


_cluster = click.option(
    "--cluster",
    default="",
    help="For a cluster of this name: on all its servers, with replicas.",
)
_all_shards = click.option(
    "--database",
    default=ALL_SHARDS,
    show_default=True,
    help="With --cluster: where the tables are that read all shards.",
)


@policy.command()
@_file
@_cluster
@_all_shards
def ddl(file: Path | None, cluster: str, database: str) -> None:
    """Print the ClickHouse statements that the policy makes."""
    chosen = _load(file)
    try:
        made = (
            cluster_statements(chosen, cluster, database)
            if cluster
            else server_statements(chosen)
        )
    except ClusterError as error:
        raise click.UsageError(str(error)) from None
    click.echo(script(made), nl=False)


@policy.command()
@_cluster
@_all_shards
def access(cluster: str, database: str) -> None:
    """Print the roles, limits and quotas for a ClickHouse server's store."""
    try:
        made = access_ddl(cluster, database)
    except ClusterError as error:
        raise click.UsageError(str(error)) from None
    click.echo(script(made), nl=False)


def _load(file: Path | None) -> Policy:
    try:
        return load_policy(file)
    except PolicyError as error:
        raise click.ClickException(str(error)) from None
