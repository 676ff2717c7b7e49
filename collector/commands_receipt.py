"""`kastana consent receipt`: a record of the ledger, as its person may have it."""

import re

import click
import orjson

from collector.commands_read import call_keeper
from collector.options import data_option, open_folder, public_url_option
from pipeline.ledger.receipt import Controller, Form
from pipeline.ledger.receipt import receipt as make_receipt
from schemas.policy import PolicyError, load_policy

_RECORD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
# The first of a repeated record is the one that was chained.
_SQL = (
    "SELECT * FROM kastana.consents WHERE record_id = {id:UUID} "
    "ORDER BY recorded_at, sequence LIMIT 1"
)


@click.command()
@click.argument("record_id")
@data_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["iso27560", "kantara"]),
    default="iso27560",
    show_default=True,
    help="ISO/IEC TS 27560:2023, or Kantara Consent Receipt v1.1.0.",
)
@public_url_option
@click.option(
    "--policy-url",
    envvar="KASTANA_POLICY_URL",
    default="",
    help="Where the privacy policy can be read.",
)
@click.option(
    "--contact",
    envvar="KASTANA_CONTACT",
    default="",
    help="How to reach the controller.",
)
def receipt(  # noqa: PLR0913 - one parameter an option
    record_id: str,
    data: str,
    form: Form,
    public_url: str,
    policy_url: str,
    contact: str,
) -> None:
    """Print the receipt of a choice; exit 1 if the ledger has no such record."""
    record_id = record_id.lower()
    if not _RECORD_ID.match(record_id):
        raise click.UsageError("RECORD_ID is not a UUID")
    asked = {"sql": _SQL, "format": "JSONEachRow", "parameters": {"id": record_id}}
    answer, _ = call_keeper(open_folder(data), "/sql", asked)
    if not answer.strip():
        raise click.ClickException(
            "the ledger has no such record; one just made is there within seconds"
        )
    controller = Controller(
        withdrawal_url=f"{public_url.rstrip('/')}/consent",
        policy_url=policy_url,
        contact=contact,
    )
    try:
        told = make_receipt(form, orjson.loads(answer), load_policy(), controller)
    except PolicyError as error:
        raise click.ClickException(str(error)) from None
    click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
