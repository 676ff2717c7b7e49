"""`kastana link withdraw`: the link by which a recipient withdraws consent."""

import click

from collector.folder import FolderError
from collector.links import LinkError, Withdrawal, sign_withdrawal
from collector.options import data_option, open_folder
from collector.sites import host_name
from schemas.settings import Settings
from schemas.site import SiteError


@click.command()
@data_option
@click.option("--site", "site_name", required=True, help="Site that sends the mail.")
@click.option(
    "--recipient",
    required=True,
    help="Opaque token of the recipient, as in the mail's other links; never an "
    "address.",
)
@click.option(
    "--public-url",
    envvar="KASTANA_PUBLIC_URL",
    default=Settings().base_url,
    show_default=True,
    help="How mails reach the collector.",
)
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
