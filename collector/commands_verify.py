"""`kastana consent verify`: is the ledger of choices whole?"""

import sys
from collections.abc import Iterator
from typing import Any, Final

import click
import msgspec
import orjson

from collector.commands_read import call_keeper
from collector.folder import Folder
from collector.options import Unreachable, data_option, open_folder
from pipeline.clock import now_ms
from pipeline.ledger.chain import TABLE, ledger_types
from pipeline.ledger.heads import HeadsError, read_heads
from pipeline.ledger.verify import Break, Expiry, VerifyResult, verify
from schemas.ddl import DATABASE
from schemas.policy import load_policy

# How many records are asked for at a time: some hundred bytes each.
_PAGE: Final = 10_000
_MEANING: Final = {
    "hash": "the record is not what it was when it was written",
    "link": "the record is not tied to the one that stands before it",
    "gap": "records before this one are missing",
    "start": "the first records are missing, and they had not expired",
    "fork": "two records have the same place",
    "tail": "from here on records are missing, or others than were written",
    "ahead": "the record was not written by the keeper of this folder",
}
_CHAINS: Final = (
    f"SELECT site, chain FROM {DATABASE}.{TABLE} "  # noqa: S608 - our own names
    "WHERE {site:String} IN ('', site) GROUP BY site, chain ORDER BY site, chain"
)
# With ties: two records of one place are never parted by a page.
_RECORDS: Final = (
    f"SELECT * FROM (SELECT {', '.join(ledger_types())} FROM {DATABASE}.{TABLE} "  # noqa: S608
    "WHERE site = {site:String} AND chain = {chain:String} "
    "AND (sequence > {after:UInt64} OR {first:UInt8}) "
    f"ORDER BY sequence LIMIT {_PAGE} WITH TIES) ORDER BY sequence, hash"
)


@click.command("verify")
@data_option
@click.option("--site", default="", help="Only this site. [default: all]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def verify_command(data: str, site: str, *, as_json: bool) -> None:
    """
    Check that no record of the ledger was changed, added or removed.

    Exit 0 if the ledger is whole, 1 if it is not or that cannot be told, 69 if it
    could not be read.
    """
    folder = open_folder(data)
    policy = load_policy()
    days = policy.retention[policy.tables[TABLE].retention].days
    try:
        result = verify(
            _records(folder, site),
            lambda: read_heads(folder.heads),
            Expiry(now_ms(), days),
            site,
        )
    except HeadsError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(orjson.dumps(_as_object(result)))
    else:
        _tell(result)
    # Without the file an end that is missing cannot be seen: that is not "whole".
    unproved = result.records > 0 and not result.heads
    sys.exit(1 if unproved or not result.intact else 0)


def _records(folder: Folder, site: str) -> Iterator[dict[str, Any]]:
    """Yield the ledger's records page by page, in order."""
    for key in _ask(folder, _CHAINS, site=site):
        page = _ask(folder, _RECORDS, **key, after="0", first="1")
        while page:
            yield from page
            if len(page) < _PAGE:
                break
            page = _ask(
                folder, _RECORDS, **key, after=str(page[-1]["sequence"]), first="0"
            )


def _ask(folder: Folder, sql: str, **parameters: str) -> list[dict[str, Any]]:
    content = {"sql": sql, "format": "JSONEachRow", "parameters": parameters}
    try:
        answer, _ = call_keeper(folder, "/sql", content)
    except Unreachable:
        raise
    except click.ClickException as error:
        # What could not be read was not found broken either.
        raise Unreachable(error.message) from None
    return [orjson.loads(line) for line in answer.splitlines()]


def _as_object(result: VerifyResult) -> dict[str, Any]:
    return {
        "intact": result.intact,
        "records": result.records,
        "chains": result.chains,
        "heads": result.heads,
        "breaks": [
            {**msgspec.to_builtins(one), "meaning": _MEANING[one.kind]}
            for one in result.breaks
        ],
    }


def _tell(result: VerifyResult) -> None:
    if not result.heads:
        click.echo("✗ heads.json is not there: a missing end would not be seen")
    for one in result.breaks:
        click.echo(f"✗ {_place(one)}: {_MEANING[one.kind]} ({one.kind})")
    if result.intact and (result.heads or not result.records):
        read = f"{result.records} records in {result.chains} chains"
        click.echo(f"✓ the ledger is whole: {read}")


def _place(one: Break) -> str:
    record = f" {one.record_id}" if one.record_id else ""
    # As JSON: what visitors sent must not be terminal codes.
    site = orjson.dumps(one.site).decode()
    return f"site {site}, chain {one.chain}, record {one.sequence}{record}"
