"""`kastana site`: whose events are accepted, and under which rules."""

import click
import msgspec
import orjson

from collector.commands_site_key import key
from collector.options import data_option, open_folder
from collector.sites import editing, host_name
from schemas.packs import load_packs
from schemas.site import Site, SiteError, make_site, parse_sites


@click.group()
def site() -> None:
    """Sites whose events are accepted."""


site.add_command(key)


@site.command()
@click.argument("name")
@data_option
@click.option(
    "--rules",
    multiple=True,
    metavar="PACKS",
    help="Rule packs that may decide, the first of equals first; may be repeated or "
    "joined by commas. `auto` is all but those that an operator must assess for "
    "himself. [default: eu_strict]",
)
@click.option(
    "--switch",
    "switches_on",
    multiple=True,
    metavar="NAME",
    help="Turn on what a rule pack leaves to the site; may be repeated. "
    "[default: count_undecided]",
)
@click.option(
    "--no-switch",
    "switches_off",
    multiple=True,
    metavar="NAME",
    help="Turn it off; may be repeated.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Page origin to accept; may be repeated. "
    "[default: the site's host and subdomains]",
)
@click.option(
    "--consent-cookies",
    multiple=True,
    metavar="CMPS",
    help="Consent managers whose cookies are read; may be repeated or joined by "
    "commas; `none` for none. [default: none]",
)
@click.option(
    "--consent-map",
    multiple=True,
    metavar="ID=CATEGORY",
    help="Category that a consent manager's id stands for; may be repeated. "
    "`ID=` forgets it.",
)
@click.option(
    "--consent-revision",
    help="Revision of the consent manager that a grant must be of.",
)
@click.option(
    "--tcf-vendor", type=int, help="Your id in the Global Vendor List; 0 for none."
)
@click.option(
    "--tcf-purposes",
    type=click.Choice(["publisher", "core"]),
    help="Whose purposes of a TC string count, without such an id. "
    "[default: publisher]",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME",
    help="Parameter of the site's URLs that is kept, its value redacted; may be "
    "repeated or joined by commas; `none` for none. [default: none]",
)
@click.option(
    "--child-directed/--no-child-directed",
    default=None,
    help="Made for children: events are only counted.",
)
@click.option("--debug/--no-debug", default=None, help="Answer X-Kastana-Debug.")
@click.option(
    "--rate", type=float, help="Events a second in each edge; 0: the server's setting."
)
@click.option(
    "--burst", type=float, help="Events at once before it counts; 0: the server's."
)
def add(  # noqa: PLR0913 - one parameter an option
    name: str,
    data: str,
    rules: tuple[str, ...],
    switches_on: tuple[str, ...],
    switches_off: tuple[str, ...],
    origins: tuple[str, ...],
    consent_cookies: tuple[str, ...],
    consent_map: tuple[str, ...],
    parameters: tuple[str, ...],
    **options: object,
) -> None:
    """Add a site, or change the options given of one that exists."""
    folder = open_folder(data)
    changes = {key: value for key, value in options.items() if value is not None}
    lists = {
        "rules": _words(rules),
        "origins": list(origins),
        "consent_cookies": _words(consent_cookies),
        "parameters": _words(parameters),
    }
    changes |= {key: value for key, value in lists.items() if value}
    for option in ("consent_cookies", "parameters"):
        if lists[option] == ["none"]:
            changes[option] = []
    try:
        name = host_name(name)
        with editing(folder.sites) as sites:
            old = sites.get(name)
            values = {**_values(old), **changes}
            values["consent_map"] = _mapped(old, consent_map)
            values["switches"] = _switched(
                make_site(name, values), old, _words(switches_on), _words(switches_off)
            )
            kept = sites[name] = make_site(name, values)
    except SiteError as error:
        raise click.ClickException(str(error)) from None
    click.echo(_line(kept))


@site.command(name="list")
@data_option
def list_sites(data: str) -> None:
    """Print the sites, one JSON object a line."""
    folder = open_folder(data)
    if folder.sites.exists():
        try:
            sites = parse_sites(folder.sites.read_text(encoding="utf-8"))
        except SiteError as error:
            raise click.ClickException(str(error)) from None
        for name in sorted(sites):
            click.echo(_line(sites[name]))


@site.command()
@click.argument("name")
@data_option
def remove(name: str, data: str) -> None:
    """Accept no more events of a site; what is stored stays until it expires."""
    folder = open_folder(data)
    try:
        name = host_name(name)
        with editing(folder.sites) as sites:
            if sites.pop(name, None) is None:
                raise click.ClickException(f"no site {name!r}")
    except SiteError as error:
        raise click.ClickException(str(error)) from None


def _words(given: tuple[str, ...]) -> list[str]:
    words = (word.strip() for text in given for word in text.split(","))
    return [word for word in words if word]


def _values(old: Site | None) -> dict[str, object]:
    """Return a site's options but its name and switches; none for a new one."""
    values: dict[str, object] = {} if old is None else msgspec.to_builtins(old)
    return {
        key: value for key, value in values.items() if key not in ("name", "switches")
    }


def _switched(new: Site, old: Site | None, on: list[str], off: list[str]) -> list[str]:
    """Return the switches of a site: as they were, as far as its packs know them."""
    packs = load_packs()
    known = packs.switches_of(new.rules)
    for name in off:
        if name not in packs.switches:
            raise SiteError(f"there is no switch {name!r}")
    were = new.switches if old is None else old.switches
    kept = [name for name in were if name in known and name not in off]
    return kept + [name for name in on if name not in kept]


def _mapped(old: Site | None, pairs: tuple[str, ...]) -> dict[str, str]:
    """Return a site's map of ids to categories, with what was added or forgotten."""
    mapped = {} if old is None else dict(old.consent_map)
    for pair in pairs:
        # An id may hold an equals sign, a category never.
        word, equals, category = pair.rpartition("=")
        if not equals:
            raise SiteError(f"{pair!r} is not ID=CATEGORY")
        if category:
            mapped[word] = "" if category == "none" else category
        else:
            mapped.pop(word, None)
    return mapped


def _line(kept: Site) -> str:
    content = msgspec.to_builtins(kept)
    # Of keys the names: a digest tells an operator nothing.
    content["keys"] = sorted(kept.keys)
    return orjson.dumps(content).decode()
