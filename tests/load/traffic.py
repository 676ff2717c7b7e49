"""
Requests as browsers send them, many visitors', ready to go on the wire.

A request is a list of pieces: between two of them stands the end of an event's id,
which the load generator counts up, so that no event is anyone's repetition. `save`
writes them for `traffic.lua`: every server gets the same bytes from every generator.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

from pipeline.clock import now_ms
from tests.load.visitors import GAP, SITE, Visitor

Pieces = list[bytes]
# Pages that a visit has, on average.
_VISIT = 4
# Visits that are under way at a time.
_PRESENT = 500


def singles(number: int, *, unique: bool = False) -> Iterator[Pieces]:
    """
    Yield requests of one event each.

    As a site has them: some hundreds of visits are under way at a time, each of a few
    events, and who has gone does not come back. With `unique` every request is from
    another visitor.
    """
    time_ms = now_ms()
    for visitor in _visiting(number, 1 if unique else _VISIT, unique=unique):
        body = visitor.envelope([visitor.event(time_ms - 100)], time_ms)
        yield _post(visitor.headers(), body)


def _visiting(number: int, length: int, *, unique: bool = False) -> Iterator[Visitor]:
    """Yield whose turn it is, each about `length` times."""
    dice = random.Random(number)  # noqa: S311 - nothing secret
    numbers = itertools.count()
    present = [Visitor(next(numbers), unique=unique) for _ in range(_PRESENT)]
    for _ in range(number):
        seat = dice.randrange(_PRESENT)
        yield present[seat]
        if dice.randrange(length) == 0:
            present[seat] = Visitor(next(numbers), unique=unique)


def batches(number: int, size: int) -> Iterator[Pieces]:
    """Yield requests of many events each, as a queue that waited sends them."""
    time_ms = now_ms()
    for one in range(number):
        visitor = Visitor(one)
        events = [visitor.event(time_ms - 1000 + at) for at in range(size)]
        yield _post(visitor.headers(), visitor.envelope(events, time_ms))


def sessions(events: int, *, days: int) -> Iterator[Pieces]:
    """
    Yield requests of a visit each, a few events long, spread over the last days.

    In the order of time, as an hour's backlog has them; together at least `events`.
    """
    dice = random.Random(days)  # noqa: S311 - nothing secret
    now, length_ms = now_ms(), days * 86_400_000
    step = length_ms * _VISIT / max(events, 1)
    sent = one = 0
    while sent < events:
        visitor = Visitor(one)
        begun = int(now - length_ms + one * step) if one * step < length_ms else now
        views = 1 + min(int(dice.expovariate(1 / (_VISIT - 0.5))), 40)
        ended = min(begun + views * 30_000, now)
        gaps = sorted(dice.randrange(begun, ended + 1) for _ in range(views))
        body = visitor.envelope([visitor.event(at) for at in gaps], now)
        yield _post(visitor.headers(), body)
        sent += views
        one += 1


def pixels(number: int) -> Iterator[Pieces]:
    """Yield requests of the picture; visits as in `singles`."""
    for visitor in _visiting(number, _VISIT):
        query = {
            "event": "page_view",
            "site": SITE,
            **visitor.page(),
            "visitor": visitor.token,
            "consent": "statistics",
        }
        headers = visitor.headers()
        # A picture is asked for without an origin.
        del headers["Origin"]
        yield [_head(f"GET /p.gif?{urlencode(query)}", headers)]


def render(pieces: Sequence[bytes], ids: "itertools.count[int]") -> bytes:
    """Return a request's bytes, with new ids in its gaps."""
    if len(pieces) == 1:
        return pieces[0]
    parts = [pieces[0]]
    for piece in pieces[1:]:
        parts += (b"%012x" % next(ids), piece)
    return b"".join(parts)


def save(requests: Iterator[Pieces], path: Path) -> Path:
    """Write requests for `traffic.lua`: a line of the pieces' lengths, the pieces."""
    with path.open("wb") as file:
        for pieces in requests:
            lengths = " ".join(str(len(piece)) for piece in pieces)
            file.write(lengths.encode() + b"\n" + b"".join(pieces))
    return path


def load(path: Path) -> list[Pieces]:
    """Read what `save` wrote."""
    with path.open("rb") as file:
        return [[file.read(int(length)) for length in line.split()] for line in file]


def _post(headers: dict[str, str], body: bytes) -> Pieces:
    named = {
        **headers,
        "Content-Type": "text/plain;charset=UTF-8",
        "Content-Length": str(len(body)),
    }
    # Twelve digits take the place of the gap's twelve characters.
    return (_head("POST /e", named) + body).split(GAP.encode())


def _head(line: str, headers: dict[str, str]) -> bytes:
    lines = [f"{line} HTTP/1.1", *(f"{name}: {it}" for name, it in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
