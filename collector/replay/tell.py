"""A run on the terminal: how it goes, and what came of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from collector.replay.send import Sender

_EVERY_S = 0.5


@asynccontextmanager
async def progress(sender: Sender) -> AsyncIterator[None]:
    """Show how a run goes while the context lasts, where somebody can see it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        task = asyncio.create_task(_show(sender, live))
        try:
            yield
        finally:
            task.cancel()


async def _show(sender: Sender, live: Live) -> None:
    loop = asyncio.get_running_loop()
    start, last_time, last = loop.time(), loop.time(), 0
    while True:
        await asyncio.sleep(_EVERY_S)
        measure, now = sender.measure, loop.time()
        rate = (measure.requests - last) / (now - last_time)
        last_time, last = now, measure.requests
        percentile = measure.latency.get_value_at_percentile
        parts = [
            f"{now - start:.0f} s",
            f"{measure.requests} requests",
            f"{rate:.0f} a second",
            f"{measure.accepted} events accepted",
            f"median {percentile(50) / 1000:.1f} ms",
            f"99 % {percentile(99) / 1000:.1f} ms",
            f"{measure.errors} errors",
        ]
        live.update(Text(" · ".join(parts)))


def tell(report: dict[str, Any], broken: Sequence[int]) -> None:
    """Print what came of a run."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    requests, events = report["requests"], report["events"]
    console.print(
        f"{requests['sent']} requests in {report['seconds']:.1f} s, "
        f"{requests['per_second']:g} a second; {events['sent']} events, "
        f"{events['accepted']} accepted",
        highlight=False,
    )
    _latencies(console, report)
    wrong = [one for one in requests["codes"] if one["code"]]
    rows = [
        (str(one["status"] or "none"), one["code"], str(one["requests"]))
        for one in wrong
    ]
    if rows:
        _table(console, ("status", "code", "requests"), rows)
    for reason, number in events["not_sent"].items():
        console.print(f"not sent: {reason}: {number}", highlight=False)
    for line in broken:
        console.print(f"broken_line: line {line} cannot be read", highlight=False)
    if any(one["code"] == "rate_limited" for one in wrong):
        console.print(
            "the collector limits requests of one network: for a load test start it "
            "with --client-rate 0",
            highlight=False,
        )
    if report["check"] is not None:
        _account(console, report["check"])
    if not events["accepted"]:
        console.print("✗ nothing_accepted: no event was accepted", highlight=False)


def _latencies(console: Console, report: dict[str, Any]) -> None:
    names = list(report["latency"]["percentiles"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("ms")
    for name in [*(f"{name} %" for name in names), "most"]:
        table.add_column(name, justify="right")
    for kind, words in (
        ("latency", "due to answer"),
        ("service", "sent to answer"),
        ("lateness", "due to sent"),
    ):
        told = report[kind]
        values = [*told["percentiles"].values(), told["max"]]
        table.add_row(words, *(f"{value:.2f}" for value in values))
    console.print(table)


def _account(console: Console, check: dict[str, Any]) -> None:
    rows = [
        (one["outcome"], one["reasons"], str(one["events"])) for one in check["stored"]
    ]
    rows += [
        ("", "all of them", str(check["total"])),
        ("", "accepted", str(check["accepted"])),
    ]
    if check["unknown"]:
        rows.append(("", "without an answer", str(check["unknown"])))
    _table(console, ("outcome", "reasons", "events"), rows)
    if check["right"]:
        console.print("✓ what was accepted is there, each event once", highlight=False)
        return
    refused = check["invalid"]
    for name, words in (("missing", "are missing"), ("surplus", "are too many")):
        if check[name]:
            console.print(f"✗ {check[name]} events {words}", highlight=False)
    if refused["answered"] != refused["stored"]:
        console.print(
            f"✗ {refused['answered']} events were refused, {refused['stored']} counted",
            highlight=False,
        )


def _table(
    console: Console, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, justify="right" if name == head[-1] else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
