"""The report as one HTML file: plots and tables, no script, nothing from a network."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from collector.replay.measure import Measure, distribution
from collector.replay.plot import Line, decades, linear, nines, plot

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b2733;--soft:#5b6b7a;--grid:#d9e0e6;
--a:#0b6fb8;--b:#c4501b;--c:#7a4fb5;--paper:#fff;--bad:#b3261e;--good:#1c7c3c}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9fb0bf;--grid:#2c3a47;
--a:#5fb4f0;--b:#f0996a;--c:#bfa0ec;--paper:#11181f;--bad:#ff8a80;--good:#7bd394}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:800px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:left;
border-bottom:1px solid var(--grid)}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums}
svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--soft);
text-anchor:middle}svg .up,svg .axis{text-anchor:end}
.grid{stroke:var(--grid)}polyline{fill:none;stroke-width:1.8}
.line0{stroke:var(--a)}.line1{stroke:var(--b)}.line2{stroke:var(--c)}
.keys span{margin-right:1.5rem}.keys span::before{content:"\\25A0";margin-right:.4rem}
.key0::before{color:var(--a)}.key1::before{color:var(--b)}.key2::before{color:var(--c)}
.bad{color:var(--bad)}.good{color:var(--good)}.soft{color:var(--soft)}
"""


def page(report: dict[str, Any], measure: Measure) -> str:
    """Return the page of a report."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Load test of {escape(report['target'])}</title>"
        f"<style>{_STYLE}</style></head><body>"
        f"{_head(report)}{_check(report['check'])}{_plots(measure)}"
        f"{_latencies(report)}{_codes(report)}</body></html>\n"
    )


def _head(report: dict[str, Any]) -> str:
    events, requests = report["events"], report["requests"]
    schedule = report["schedule"]
    how = (
        f"{schedule['rate']:g} requests a second"
        if schedule["rate"] is not None
        else f"speed {schedule['speed']}"
    )
    source = report["source"]
    rows = [
        ("Started", report["started"]),
        ("Source", f"{source['name']} ({source['format']})"),
        ("Schedule", f"{how}, {schedule['clients']} connections"),
        ("Duration", f"{report['seconds']:g} s"),
        ("Requests", f"{requests['sent']}, {requests['per_second']:g} a second"),
        ("Errors", str(requests["errors"])),
        ("Events sent", str(events["sent"])),
        ("accepted", f"{events['accepted']}, {events['per_second']:g} a second"),
        *((f"invalid: {code}", str(n)) for code, n in events["invalid"].items()),
        *((f"not sent: {why}", str(n)) for why, n in events["not_sent"].items()),
    ]
    if not schedule["open_loop"]:
        rows.append(
            ("Note", "each connection waits for its answer: the latencies are those")
        )
        rows.append(("", "of a collector that is kept busy, not of arriving visitors"))
    return f"<h1>Load test of {escape(report['target'])}</h1>{_table((), rows)}"


def _check(check: dict[str, Any] | None) -> str:
    if check is None:
        return '<h2>Account</h2><p class="soft">The store was not asked.</p>'
    words = "right" if check["right"] else "wrong"
    mark = "good" if check["right"] else "bad"
    rows = [
        (one["outcome"], one["reasons"], str(one["events"])) for one in check["stored"]
    ]
    rows += [
        ("all of them", "", str(check["total"])),
        ("accepted", "", str(check["accepted"])),
        ("missing", "", str(check["missing"])),
        ("too many", "", str(check["surplus"])),
        ("unknown", "no answer came", str(check["unknown"])),
    ]
    return (
        f'<h2>Account: <span class="{mark}">{words}</span></h2>'
        f"{_table(('outcome', 'reasons', 'events'), rows)}"
    )


def _plots(measure: Measure) -> str:
    points = measure.points
    if not points:
        return ""
    ends = [(one.start_ms / 1000 + one.seconds, one) for one in points]
    across = linear("seconds", max(end for end, _ in ends))
    rates = [(end, one.requests / one.seconds) for end, one in ends]
    errors = [(end, one.errors / one.seconds) for end, one in ends]
    busiest = max(rate for _, rate in rates)
    rate_plot = plot(
        "Requests a second",
        across,
        linear("a second", busiest),
        [Line("requests", rates), Line("errors", errors)],
    )
    seen = [one for one in ends if one[1].requests]
    most = max((one.most for _, one in seen), default=1.0)
    least = min((one.p50 for _, one in seen), default=1.0)
    time_plot = plot(
        "Latency over time",
        across,
        decades("ms", least, most),
        [
            Line("median", [(end, one.p50) for end, one in seen]),
            Line("99 %", [(end, one.p99) for end, one in seen]),
            Line("most", [(end, one.most) for end, one in seen]),
        ],
    )
    curves = [
        Line("from when it was due", distribution(measure.latency)),
        Line("from when it was sent", distribution(measure.service)),
    ]
    all_ms = [ms for curve in curves for _, ms in curve.points] or [1.0]
    percentiles = plot(
        "Latency by percentile",
        nines("percentile"),
        decades("ms", min(all_ms), max(all_ms)),
        curves,
    )
    return (
        f"<h2>Requests</h2>{rate_plot}<h2>Latency over time</h2>{time_plot}"
        f"<h2>Latency by percentile</h2>{percentiles}"
    )


def _latencies(report: dict[str, Any]) -> str:
    names = list(report["latency"]["percentiles"])
    rows = [
        (
            words,
            *(f"{report[kind]['percentiles'][name]:.3f}" for name in names),
            f"{report[kind]['max']:.3f}",
        )
        for kind, words in (
            ("latency", "due to answer"),
            ("service", "sent to answer"),
            ("lateness", "due to sent"),
        )
    ]
    head = ("ms", *(f"{name} %" for name in names), "most")
    return f"<h2>Latency</h2>{_table(head, rows)}"


def _codes(report: dict[str, Any]) -> str:
    rows = [
        (str(one["status"] or "none"), one["code"] or "ok", str(one["requests"]))
        for one in report["requests"]["codes"]
    ]
    return f"<h2>Answers</h2>{_table(('status', 'code', 'requests'), rows)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        inner = "".join(
            (f'<{tag} class="n">' if number else f"<{tag}>") + f"{escape(cell)}</{tag}>"
            for number, cell in enumerate(cells)
        )
        return f"<tr>{inner}</tr>"

    top = line("th", head) if head else ""
    return f"<table>{top}{''.join(line('td', row) for row in rows)}</table>"
