"""`kastana site` and `kastana link`."""

import click
import msgspec
import orjson

from collector.folder import FolderError
from collector.links import Link, LinkError, sign_link
from collector.options import data_option, open_folder
from collector.sites import editing, host_name
from schemas.settings import Settings
from schemas.site import Site, SiteError, make_site, parse_sites

_CONSENT = ("preference", "statistics", "marketing", "precise_location")


@click.group()
def site() -> None:
    """Sites whose events are accepted."""


@site.command()
@click.argument("name")
@data_option
@click.option(
    "--regime",
    type=click.Choice(["opt_in", "opt_out", "exempt_anonymous"]),
    help="What counts as consent while nothing is known. [default: opt_in]",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Page origin to accept; may be repeated. "
    "[default: the site's host and subdomains]",
)
@click.option(
    "--undecided",
    type=click.Choice(["count", "drop"]),
    help="What remains while consent is unknown. [default: count]",
)
@click.option(
    "--refused",
    type=click.Choice(["count", "drop"]),
    help="What remains after a refusal. [default: drop]",
)
@click.option("--debug/--no-debug", default=None, help="Answer X-Kastana-Debug.")
def add(name: str, data: str, origins: tuple[str, ...], **options: object) -> None:
    """Add a site, or change the options given of one that exists."""
    folder = open_folder(data)
    changes = {key: value for key, value in options.items() if value is not None}
    if origins:
        changes["origins"] = list(origins)
    try:
        name = host_name(name)
        with editing(folder.sites) as sites:
            old = msgspec.to_builtins(sites[name]) if name in sites else {}
            old.pop("name", None)
            sites[name] = make_site(name, {**old, **changes})
            kept = sites[name]
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


@click.group()
def link() -> None:
    """Signed links for e-mails."""


@link.command()
@click.argument("target")
@data_option
@click.option("--site", "site_name", required=True, help="Site the click belongs to.")
@click.option("--mailing", default="", help="Name of the mailing.")
@click.option(
    "--recipient", default="", help="Opaque token of the recipient; never an address."
)
@click.option(
    "--consent",
    multiple=True,
    type=click.Choice(["none", *_CONSENT]),
    help="What the recipient consented to; may be repeated. "
    "Without it consent is unknown.",
)
@click.option(
    "--public-url",
    envvar="KASTANA_PUBLIC_URL",
    default=Settings().base_url,
    show_default=True,
    help="How mails reach the collector.",
)
def sign(  # noqa: PLR0913 - one parameter an option
    target: str,
    data: str,
    site_name: str,
    mailing: str,
    recipient: str,
    consent: tuple[str, ...],
    public_url: str,
) -> None:
    """Print the link that counts a click and leads to TARGET."""
    folder = open_folder(data)
    if "@" in recipient:
        raise click.UsageError("--recipient must be a token, not an e-mail address")
    given = [word for word in consent if word != "none"] if consent else None
    content = {"t": target, "m": mailing, "r": recipient, "c": given}
    try:
        content["s"] = host_name(site_name)
        signed = sign_link(msgspec.convert(content, Link), folder.secret("link.key"))
    except (LinkError, SiteError, FolderError, msgspec.ValidationError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{public_url.rstrip('/')}/r/{signed}")


def _line(kept: Site) -> str:
    return orjson.dumps(msgspec.to_builtins(kept)).decode()
