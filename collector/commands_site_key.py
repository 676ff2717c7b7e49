"""`kastana site key`: keys with which servers may say whose request it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from collector.options import data_option, open_folder
from collector.sites import editing, host_name, read_sites
from schemas.server_key import digest_of, new_key
from schemas.site import Site, SiteError, make_site


@click.group()
def key() -> None:
    """Keys with which servers may speak for visitors of a site."""


@key.command(name="add")
@click.argument("site")
@data_option
@click.option("--name", help="What to call it. [default: key-1, key-2 …]")
def add_key(site: str, data: str, name: str | None) -> None:
    """Make a key and print it, this once: what is kept is a hash of it."""
    made = new_key()
    with _changing(site, data) as keys:
        name = name or _free(keys)
        if name in keys:
            raise click.ClickException(f"there is a key {name!r} already")
        keys[name] = digest_of(made)
    click.echo(made)


@key.command(name="list")
@click.argument("site")
@data_option
def list_keys(site: str, data: str) -> None:
    """Print the names of a site's keys, one a line."""
    folder = open_folder(data)
    try:
        sites = read_sites(folder.sites) if folder.sites.exists() else {}
        found = _known(sites, host_name(site))
    except SiteError as error:
        raise click.ClickException(str(error)) from None
    for name in sorted(found.keys):
        click.echo(name)


@key.command(name="remove")
@click.argument("site")
@click.argument("name")
@data_option
def remove_key(site: str, name: str, data: str) -> None:
    """Take a key back; edges refuse it within about a second."""
    with _changing(site, data) as keys:
        if keys.pop(name, None) is None:
            raise click.ClickException(f"no key {name!r}")


@contextmanager
def _changing(site: str, data: str) -> Iterator[dict[str, str]]:
    """Change the keys of a site; what is in the dictionary at the end is kept."""
    folder = open_folder(data)
    try:
        site = host_name(site)
        with editing(folder.sites) as sites:
            old = _known(sites, site)
            keys = dict(old.keys)
            yield keys
            options = msgspec.to_builtins(old)
            del options["name"]
            sites[site] = make_site(site, {**options, "keys": keys})
    except SiteError as error:
        raise click.ClickException(str(error)) from None


def _known(sites: dict[str, Site], name: str) -> Site:
    found = sites.get(name)
    if found is None:
        message = f"no site {name!r} (kastana site add)"
        raise SiteError(message)
    return found


def _free(keys: dict[str, str]) -> str:
    return next(
        name
        for number in range(1, len(keys) + 2)
        if (name := f"key-{number}") not in keys
    )
