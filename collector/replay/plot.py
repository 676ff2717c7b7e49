"""Lines in SVG: one small plot at a time, nothing but text and shapes."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final, NamedTuple

_WIDTH: Final = 760
_HEIGHT: Final = 240
_LEFT: Final = 64
_RIGHT: Final = 12
_TOP: Final = 12
_BOTTOM: Final = 36
_LEAST_LOG: Final = 0.001


class Line(NamedTuple):
    """A named line; its class says how it is drawn."""

    name: str
    points: Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """An axis: what it shows, its marks (place, words), and its scale."""

    title: str
    marks: Sequence[tuple[float, str]]
    place: Callable[[float], float]


def plot(title: str, across: Axis, up: Axis, lines: Sequence[Line]) -> str:
    """Return a plot as an `<svg>` element that says in words what it shows."""
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    floor = _TOP + high
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"',
        f' aria-label="{escape(title)}">',
    ]
    for value, words in up.marks:
        y = floor - up.place(value) * high
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
            f'<text class="up" x="{_LEFT - 6}" y="{y + 4:.1f}">{escape(words)}</text>'
        )
    for value, words in across.marks:
        x = _LEFT + across.place(value) * wide
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}">{escape(words)}</text>')
    parts.append(
        f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}">'
        f"{escape(across.title)}</text>"
        f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_TOP + 8}">'
        f"{escape(up.title)}</text>"
    )
    for number, line in enumerate(lines):
        path = " ".join(
            f"{_LEFT + across.place(x) * wide:.1f},{floor - up.place(y) * high:.1f}"
            for x, y in line.points
        )
        parts.append(f'<polyline class="line{number}" points="{path}"/>')
    keys = "".join(
        f'<span class="key{number}">{escape(line.name)}</span>'
        for number, line in enumerate(lines)
    )
    return f'{"".join(parts)}</svg><p class="keys">{keys}</p>'


def linear(title: str, most: float, unit: str = "") -> Axis:
    """Return an axis from 0 to a round number above `most`."""
    top = _round_up(most)
    marks = [(top * n / 4, f"{top * n / 4:g}{unit}") for n in range(5)]
    return Axis(title, marks, lambda value: min(max(value / top, 0), 1))


def decades(title: str, least: float, most: float, unit: str = "") -> Axis:
    """Return a logarithmic axis over whole powers of ten around both."""
    low = math.floor(math.log10(max(least, _LEAST_LOG)))
    high = max(math.ceil(math.log10(max(most, _LEAST_LOG))), low + 1)
    marks = [(10.0**n, f"{10.0**n:g}{unit}") for n in range(low, high + 1)]

    def place(value: float) -> float:
        power = math.log10(max(value, 10.0**low))
        return min((power - low) / (high - low), 1)

    return Axis(title, marks, place)


def nines(title: str) -> Axis:
    """Return an axis of percentiles that gives each further nine the same room."""
    shown = (0.0, 90.0, 99.0, 99.9, 99.99)

    def place(value: float) -> float:
        return min(-math.log10(max(1 - value / 100, 1e-5)) / 4, 1)

    return Axis(title, [(one, f"{one:g} %") for one in shown], place)


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 4, 5, 8, 10) if power * step >= value)
