"""
The bench's table for a terminal, and its page: one file, nothing fetched.
"""

from collections.abc import Sequence
from html import escape

from tests.load.figures import Spread, spread
from tests.load.results import Backlog, Memory, OpenLoop, Results, Throughput

_WIDE, _HIGH, _LABEL = 860, 26, 260
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color:#1b1f24;background:#fff}pre{overflow:auto;background:#f5f6f8;"
    "padding:1rem}text{font:13px system-ui,sans-serif;fill:#1b1f24}"
)
_COLOURS = {"nginx": "#9aa4b1", "bare": "#5b6b7f"}
_OURS = "#1f7a5c"


def table(found: Results) -> str:
    """Return everything as text."""
    kind = "quick run" if found.quick else "full run"
    lines = [f"{found.machine}; {found.started}; {found.commit}; {kind}"]
    if found.throughput:
        lines += ["", *_throughput(found.throughput)]
    if found.latency:
        lines += ["", *_latency(found.latency)]
    if found.memory is not None:
        lines += ["", *_memory(found.memory)]
    if found.backlog is not None:
        lines += ["", *_backlog(found.backlog)]
    if found.loader:
        lines += ["", "loader, one core (bench_load)", found.loader.rstrip()]
    lines += [f"left out: {note}" for note in found.notes]
    return "\n".join(lines)


def page(found: Results) -> str:
    """Return everything as one HTML file, with pictures."""
    parts = []
    if found.throughput:
        parts += ["<h2>Requests a second, one core</h2>", bars(found.throughput)]
    if found.memory is not None and len(found.memory.rss_mb) > 1:
        parts += ["<h2>Memory of an edge, MB</h2>", curve(found.memory)]
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8><title>Bench</title>"
        f"<style>{_STYLE}</style>\n<h1>Bench</h1>\n"
        + "\n".join(parts)
        + f"\n<pre>{escape(table(found))}</pre>\n</html>\n"
    )


def bars(lines: Sequence[Throughput]) -> str:
    """Return a bar for each line, with its lowest and highest as a whisker."""
    # nginx is several times faster than all the rest: its bar is cut, and says so.
    most = max((one.rate.high for one in lines if one.server != "nginx"), default=0)
    most = most or max(one.rate.high for one in lines)
    scale = (_WIDE - _LABEL - 150) / most
    drawn = []
    for number, one in enumerate(lines):
        top = number * _HIGH
        width = min(one.rate.median, most) * scale
        colour = _COLOURS.get(one.server, _OURS)
        cut = " (cut)" if one.rate.median > most else ""
        drawn += [
            f'<text x="0" y="{top + 17}">{escape(one.name)}</text>',
            (
                f'<rect x="{_LABEL}" y="{top + 4}" width="{width:.1f}" height="18" '
                f'fill="{colour}"/>'
            ),
            (
                f'<text x="{_LABEL + width + 8:.1f}" y="{top + 17}">'
                f"{one.rate.median:,.0f}{cut}</text>"
            ),
        ]
        if not cut:
            low, high = (_LABEL + it * scale for it in (one.rate.low, one.rate.high))
            drawn.append(
                f'<path d="M{low:.1f} {top + 13}H{high:.1f}" stroke="#d7263d" '
                'stroke-width="2"/>'
            )
    return _svg(drawn, len(lines) * _HIGH + 4, "Requests a second")


def curve(memory: Memory) -> str:
    """Return memory over time as a line."""
    high = 180
    most = max(memory.rss_mb) * 1.1
    step = (_WIDE - 80) / (len(memory.rss_mb) - 1)
    points = " ".join(
        f"{60 + number * step:.1f},{high - one / most * (high - 20):.1f}"
        for number, one in enumerate(memory.rss_mb)
    )
    minutes = memory.seconds * len(memory.rss_mb) / 60
    drawn = [
        f'<path d="M60 {high}H{_WIDE}M60 0V{high}" stroke="#9aa4b1" fill="none"/>',
        f'<polyline points="{points}" fill="none" stroke="{_OURS}" stroke-width="2"/>',
        f'<text x="0" y="24">{most:.0f}</text><text x="0" y="{high}">0</text>',
        f'<text x="{_WIDE - 90}" y="{high + 18}">{minutes:.1f} min</text>',
    ]
    return _svg(drawn, high + 24, "Memory over time")


def _svg(drawn: Sequence[str], high: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high}" '
        f'width="100%" role="img" aria-label="{title}">' + "".join(drawn) + "</svg>"
    )


def _throughput(lines: Sequence[Throughput]) -> list[str]:
    shown = [
        (
            f"{'one core, closed loop':34}{'requests/s':>12}{'min-max':>20}"
            f"{'events/s':>11}{'x bare':>8}{'min-max':>13}{'x nginx':>9}"
            f"{'p50 ms':>9}{'p99 ms':>9}{'us/req':>8}{'MB':>6}"
        )
    ]
    for one in lines:
        rate, bare = one.rate, one.to_bare
        nginx = f"{one.to_nginx.median:.3f}" if one.to_nginx is not None else "-"
        shown.append(
            f"{one.name:34}{rate.median:12,.0f}{_range(rate, ',.0f'):>20}"
            f"{rate.median * one.events:11,.0f}{bare.median:8.3f}"
            f"{_range(bare, '.3f'):>13}{nginx:>9}{one.p50_ms.median:9.2f}"
            f"{one.p99_ms.median:9.2f}{one.cpu_us.median:8.1f}{one.rss_mb:6.0f}"
        )
    return shown


def _latency(lines: Sequence[OpenLoop]) -> list[str]:
    shown = [
        (
            f"{'one core, open loop':44}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}"
            f"{'min-max':>16}{'p99.9':>9}{'client lag p99':>16}"
        )
    ]
    for one in lines:
        p99 = spread([run.p99_ms for run in one.runs])
        p50, p999, lag = (
            spread([getattr(run, name) for run in one.runs]).median
            for name in ("p50_ms", "p999_ms", "lag_p99_ms")
        )
        shown.append(
            f"{one.name:44}{one.runs[0].offered:12,.0f}{p50:9.2f}{p99.median:9.2f}"
            f"{_range(p99, '.2f'):>16}{p999:9.2f}{lag:16.2f}"
        )
    return shown


def _memory(memory: Memory) -> list[str]:
    samples = memory.rss_mb
    grown = "-" if memory.growth is None else f"{memory.growth:+.1%}"
    minutes = memory.seconds * len(samples) / 60
    return [
        (
            f"edge's memory, nothing twice: {minutes:.1f} min, "
            f"{memory.requests:,} events; {samples[0]:.0f} MB first, "
            f"{samples[-1]:.0f} last, {max(samples):.0f} most; "
            f"last third beside the middle one {grown}"
        )
    ]


def _backlog(one: Backlog) -> list[str]:
    return [
        (
            f"backlog of {one.rows:,} rows: loaded {one.seconds:.1f} s after the "
            f"keeper's start, {one.rate:,.0f} rows/s"
        ),
        f"keeper's memory: {one.rest_mb:.0f} MB at rest, {one.peak_mb:.0f} MB at most",
        (
            f"edge's p99 meanwhile, {one.busy.offered:,.0f} requests/s: "
            f"{one.busy.p99_ms:.2f} ms, {one.calm.p99_ms:.2f} ms beside a keeper at "
            f"rest, x {one.busy.p99_ms / one.calm.p99_ms:.2f} "
            f"({one.covered:.0%} of the run had a backlog)"
        ),
        (
            f"on disk: {one.bytes_an_event:.1f} bytes an event ({one.stored:,} rows, "
            "parts as they stand)"
        ),
    ]


def _range(it: Spread, form: str) -> str:
    return f"{it.low:{form}}-{it.high:{form}}"
