"""`kastana replay`: a load test with recorded or made-up traffic, and its account."""

import asyncio
import hashlib
import os
import signal
import sys
from itertools import chain
from pathlib import Path

import click
import orjson
import uvloop

from collector.folder import Folder, FolderError
from collector.options import Unreachable, data_option, fail
from collector.replay.account import Account, Asker, StoreError, Totals, settle
from collector.replay.page import page
from collector.replay.prepare import Preparer, Times
from collector.replay.report import Setup, report_of, shown_url
from collector.replay.request import SourceError
from collector.replay.schedule import Schedule, schedule_of
from collector.replay.send import Limits, Sender, TargetError
from collector.replay.source import Source, open_source
from collector.replay.tell import progress, tell
from pipeline.clock import now_ms
from schemas.consent import ASKED


@click.command()
@click.argument("source")
@click.option("--to", "url", required=True, metavar="URL", help="The collector.")
@click.option(
    "--speed",
    default="1x",
    show_default=True,
    help="How many times faster than the source: 1x, 10x; max: as fast as it goes, "
    "each connection when its answer is there.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.001, 1_000_000),
    help="Requests a second, evenly spaced, in place of the source's own times.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Connections, and so requests that wait for an answer at a time.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0.1),
    metavar="SECONDS",
    help="Begin nothing after that. [default: until the source ends]",
)
@click.option("--site", default="", help="Make all events this site's.")
@click.option(
    "--key",
    default="",
    metavar="KEY|@FILE",
    help="A server key of the site: then the visitors' networks are sent along.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Sent with every request; may be given again.",
)
@click.option(
    "--consent",
    metavar="CATEGORIES",
    help="What events give that say nothing of consent: statistics,marketing; none.",
)
@click.option(
    "--times",
    type=click.Choice(["now", "source"]),
    default="now",
    show_default=True,
    help="When events happened: as they are sent, or when they did (30 days back at "
    "most, 395 with a key).",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    show_default=True,
    help="Seconds that an answer may take.",
)
@click.option(
    "--check",
    "store",
    metavar="KEEPER_URL",
    help="ClickHouse's HTTP interface that has the rows. [default: the keeper's of "
    "--data]",
)
@click.option("--no-check", is_flag=True, help="Do not ask the store.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help="Seconds until everything has to be loaded.",
)
@click.option("--seed", type=int, help="The same tokens in every run. [default: new]")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to this file.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it as a page with plots.",
)
@data_option
def replay(  # noqa: PLR0913 - one parameter an option
    source: str,
    url: str,
    speed: str,
    rate: float | None,
    clients: int,
    seconds: float | None,
    site: str,
    key: str,
    headers: tuple[str, ...],
    consent: str | None,
    times: Times,
    timeout: float,
    store: str | None,
    wait: float,
    seed: int | None,
    json_file: Path | None,
    html_file: Path | None,
    data: str,
    *,
    no_check: bool,
) -> None:
    """
    Send recorded traffic to a collector, measure it, and check that all of it is kept.

    SOURCE (or -) holds captured requests, one JSON object a line, as `kastana generate`
    writes them and `kastana explain` reads them; of requests to other collectors the
    page views are taken. Or it is one of our segments (events-….ndjson), or an access
    log of nginx or Apache in the combined form.

    Everything is marked synthetic: it is stored apart, and no view but `load_tests` has
    it. Event ids are new, tokens of visitors are replaced, of addresses no more than
    the network is sent, and that only with a key.

    The schedule does not wait for answers: a latency counts from when its request was
    due. Afterwards the store is asked: accepted = stored + counted + dropped. Of two
    runs on one site at a time the account is wrong.

    A collector takes 200 requests a second from one network, and 300 events in 10
    seconds from one browser, unless it runs with --client-rate 0 --robot-events 0.

    Exit 0 if the account is right, 1 if not, or if no event was accepted, or if the
    source cannot be read; 69 if the collector or the store cannot be reached.
    """
    asker = None if no_check else _asker(store, data)
    secret = os.urandom(32) if seed is None else hashlib.sha256(b"%d" % seed).digest()
    preparer = Preparer(
        secret,
        site=site,
        key=_key(key),
        headers=_headers(headers),
        consent=_consent(consent),
        times=times,
    )
    target = _target(url)
    schedule = _schedule(speed, rate)
    limits = Limits(clients, seconds, timeout)
    try:
        with open_source(source, sys.stdin.buffer) as file:
            read = Source(file, site)
            run = _Run(target, read, preparer, schedule, limits)
            account = uvloop.run(run.all(asker, wait))
    except SourceError as error:
        fail(f"{error.code}: {error}")
    except TargetError as error:
        raise Unreachable(f"{error.code}: {error}") from None
    except StoreError as error:
        raise Unreachable(f"store: {error}") from None
    setup = Setup(
        shown_url(target),
        Path(source).name,
        read.format,
        speed,
        rate,
        clients,
        run.started_ms,
        run.sender.seconds,
    )
    measure = run.sender.measure
    report = report_of(setup, measure, read.unsent, account)
    _write(json_file, orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    _write(html_file, page(report, measure).encode())
    tell(report, read.broken)
    # A run of which nothing was taken measured refusals, however right its account.
    right = account is None or account.right
    sys.exit(0 if right and measure.accepted else 1)


class _Run:
    """One run, from the first look at the store to the last."""

    def __init__(
        self,
        target: str,
        source: Source,
        preparer: Preparer,
        schedule: Schedule,
        limits: Limits,
    ) -> None:
        requests = source.requests()
        # A source that cannot be read is found out before anything is sent.
        first = next(requests, None)
        if first is None:
            message = "nothing in the source can be sent: " + ", ".join(
                f"{reason} {number}" for reason, number in source.unsent.most_common()
            )
            raise SourceError("nothing_to_send", message)
        self.sender = Sender(
            target,
            chain((first,), requests),
            preparer,
            schedule,
            limits,
            source.drop,
        )
        self.started_ms = 0

    async def all(self, asker: Asker | None, wait_s: float) -> Account | None:
        """Send everything, and settle the account if there is a store to ask."""
        before = Totals() if asker is None else await asker.ask()
        self.started_ms = now_ms()
        # Interrupted, it ends in order: what was sent is told and accounted for.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.sender.stop)
        async with progress(self.sender):
            await self.sender.run()
        loop.remove_signal_handler(signal.SIGINT)
        if asker is None:
            return None
        measure = self.sender.measure
        return await settle(
            asker.ask,
            before,
            measure.sites,
            measure.accepted,
            measure.unknown,
            measure.invalid,
            wait_s,
        )


def _asker(store: str | None, data: str) -> Asker:
    try:
        if store is None:
            if not Path(data).is_dir():
                message = (
                    f"{data} is not a folder: name the keeper's with --data, the store "
                    "with --check, or do without the account with --no-check"
                )
                raise click.UsageError(message)
            store = Folder(Path(data)).read_keeper().clickhouse_url
            if not store:
                message = "the keeper's ClickHouse interface is turned off"
                raise Unreachable(message)
        return Asker(store)
    except (FolderError, StoreError) as error:
        raise Unreachable(str(error)) from None


def _target(url: str) -> str:
    try:
        shown = shown_url(url)
    except ValueError:
        shown = ""
    if not shown.startswith(("http://", "https://")) or shown.endswith("//"):
        raise click.UsageError("--to is no http or https URL")
    return url.partition("?")[0].rstrip("/")


def _schedule(speed: str, rate: float | None) -> Schedule:
    try:
        return schedule_of(speed, rate)
    except ValueError:
        raise click.UsageError("--speed is max, or a number such as 1x") from None


def _key(key: str) -> str:
    if not key.startswith("@"):
        return key
    try:
        return Path(key[1:]).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        raise click.UsageError("the file of --key cannot be read") from None


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip().isascii() or not one.isprintable():
            raise click.UsageError("--header is 'NAME: VALUE'")
        found[name.strip()] = value.strip()
    return found


def _consent(given: str | None) -> list[str] | None:
    if given is None:
        return None
    names = [name.strip() for name in given.split(",") if name.strip() != "none"]
    if not set(names) <= set(ASKED):
        raise click.UsageError(f"--consent takes none, or some of {', '.join(ASKED)}")
    return names


def _write(path: Path | None, content: bytes) -> None:
    if path is None:
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        fail(f"unwritable: {path}: {error.strerror}")
