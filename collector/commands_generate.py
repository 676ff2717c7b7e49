"""`kastana generate`: made-up traffic, the same for the same seed."""

import sys
from datetime import UTC, datetime

import click

from collector.generate import Plan, traffic

# A Monday. A day that is today's would make other bytes tomorrow.
_START = "2026-01-05"


@click.command()
@click.option(
    "--events",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="How many events, exactly.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=7,
    show_default=True,
    help="Over how many days they are spread.",
)
@click.option(
    "--site", default="example.com", show_default=True, help="The site that is visited."
)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default=_START,
    show_default=True,
    help="The first day, UTC.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="The same number makes the same bytes.",
)
def generate(events: int, days: int, site: str, start: datetime, seed: int) -> None:
    """
    Write made-up traffic to standard output, for `kastana replay` and `explain`.

    One captured request a line: method, target, headers, body, peer and ts. Visitors
    come by the rhythm of day and week, from a long tail of pages and referrers, with
    the browsers, languages and time zones of our day; 52 of 100 gave consent to
    statistics, 25 refused, 23 were not asked; 5 of 100 visits are robots'; there are
    campaigns, clicks, downloads, forms, mails, pings, web vitals and errors. All of it
    is marked synthetic; addresses are those of documentation.
    """
    plan = Plan(events, days, site, start.replace(tzinfo=UTC), seed)
    out = sys.stdout.buffer
    try:
        out.writelines(traffic(plan))
        out.flush()
    except BrokenPipeError:
        # Whoever read it has enough.
        sys.stderr.close()
