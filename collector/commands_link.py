"""`kastana link`: signed links for e-mails, to count a click and to withdraw."""

import click
import msgspec

from collector.folder import FolderError
from collector.links import Link, LinkError, Withdrawal, sign_link, sign_withdrawal
from collector.options import data_option, open_folder, public_url_option
from collector.sites import host_name
from schemas.consent import ASKED
from schemas.site import SiteError


@click.command()
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
    type=click.Choice(["none", *ASKED]),
    help="What the recipient consented to; may be repeated. "
    "Without it consent is unknown.",
)
@public_url_option
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


@click.command()
@data_option
@click.option("--site", "site_name", required=True, help="Site that sends the mail.")
@click.option(
    "--recipient",
    required=True,
    help="Opaque token of the recipient, as in the mail's other links; never an "
    "address.",
)
@public_url_option
def withdraw(data: str, site_name: str, recipient: str, public_url: str) -> None:
    """
    Print the link for a mail's foot, and for its List-Unsubscribe header.

    Whoever presses the button on its page withdraws the recipient's consent; a GET
    alone withdraws nothing.
    """
    folder = open_folder(data)
    if "@" in recipient:
        raise click.UsageError("--recipient must be a token, not an e-mail address")
    try:
        withdrawal = Withdrawal(host_name(site_name), recipient)
        signed = sign_withdrawal(withdrawal, folder.secret("link.key"))
    except (LinkError, SiteError, FolderError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{public_url.rstrip('/')}/w/{signed}")
