"""
What one event costs in the pipeline, gate to row, step by step: with warm caches, with
cold ones, with none, and under a stream in which no agent, URL or address comes twice.

    python -m tests.load.bench_pipeline [--geo FOLDER]

Processor time of one thread in microseconds, of steps the best of several rounds.
"Alone" is an event that comes by itself; "together" are 32 that came in one round of
the loop and take each step together, as under load (`Processor.process_all`).

Machines and hours differ. So right after each round some pieces of work that the
research notes measured are done, too: texts and agents read, an address, a random id.
"there" is what the rounds would have cost on the machine of the notes, by the median of
their ratios to the pieces (of which the geometric mean counts). One piece alone is no
measure: between makers of processors orjson got faster where Python's own code took
twice as long. The pieces are done as often before they are timed: right after cold
work they take a third longer.
"""

import argparse
import gc
import ipaddress
import itertools
import json
import statistics
import tempfile
import time
import tracemalloc
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson
from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from collector.app import collect_seldom
from pipeline.agents.networks import load_networks
from pipeline.agents.rate import Rate
from pipeline.clock import now_ms
from pipeline.enrich import enrich, page_seen
from pipeline.gate import decide
from pipeline.location import Locator
from pipeline.mail import MailClerk
from pipeline.memo import forget_all
from pipeline.minimise import Minimiser
from pipeline.process import Processor
from pipeline.referrer import is_spam
from pipeline.robots import Robots
from pipeline.salt import DaySalt
from pipeline.withdrawal.objections import Objections
from schemas.event import PageView
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.site import Site, make_site

SITE = "example.com"
_EVENTS = 200
_ROUNDS = 9
_FRESH_ROUNDS = 30
_COLD_EVENTS = 4096
# As many as `collector.receive` has judged at a time.
_TOGETHER = 32
_STREAM = 20_000
# The layer counts, and finds nobody fast: a robot's event would cost less.
_NO_LIMIT = 10_000_000
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.{1}.{2}"
_WEBKIT = (
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{1}.{2} "
    "Mobile/15E148 Safari/604.1"
)
_GECKO = "Gecko/20100101 Firefox/{0}.{1}.{2}"
# Agents as the browsers of most people send them, their platform, and if mobile. The
# last is of no form whose versions alone are read: one in seven, as among visits.
AGENTS = (
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Safari/537.36", "Windows", 0),
    (f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Mobile Safari/537.36", "Android", 1),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_WEBKIT}",
        "",
        1,
    ),
    (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_BLINK} Safari/537.36",
        "macOS",
        0,
    ),
    (
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{{0}}.{{1}}.{{2}}) {_GECKO}",
        "",
        0,
    ),
    (
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) "
            "AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/{0}.{1}.{2} "
            "Mobile/15E148 Safari/604.1"
        ),
        "",
        1,
    ),
    (
        f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) {_BLINK} Mobile Safari/537.36",
        "Android",
        1,
    ),
)
_SYLLABLES = [one + two for one in "bdfgklmnprst" for two in "aeiou"]
_BODY = orjson.dumps(
    {"a": "b" * 100, "c": [1, 2, 3], "d": {"e": "f" * 60}, "g": "h" * 90}
)


_PARSER = Parser(Resolver(load_lazy_builtins()))
# How often a piece is done after a round.
_TIMES = 12


class _Piece(NamedTuple):
    """A piece of work, by a number, and what it takes on the notes' machine."""

    do: Callable[[int], object]
    notes_us: float


_PIECES = {
    "orjson reads 300 bytes": _Piece(lambda _: orjson.loads(_BODY), 0.70),
    "json reads 300 bytes": _Piece(lambda _: json.loads(_BODY), 2.73),
    "ipaddress cuts an address": _Piece(
        lambda n: str(ipaddress.ip_network(f"{_address(n)}/24", strict=False)), 3.68
    ),
    "ua-parser reads an agent": _Piece(lambda n: _PARSER.parse(_agent(n)), 14.1),
    "uuid4 as a text": _Piece(lambda _: str(uuid.uuid4()), 2.13),
}


class Bench:
    """A pipeline as an edge has it, and what its steps need."""

    def __init__(self, root: Path, geo: Sequence[Path]) -> None:
        policy = load_policy()
        salts = DaySalt(root / "day.salt")
        self.locator = Locator(geo)
        self.minimiser = Minimiser(policy, salts)
        self.site: Site = make_site(SITE, {})
        networks = load_networks([])
        objections = Objections(root / "objections")
        objections.listen()
        self.processor = Processor(
            policy,
            self.locator,
            b"k" * 32,
            salts,
            objections,
            networks,
            Robots(Rate(_NO_LIMIT, 10.0), is_spam),
            MailClerk(networks),
        )

    def warm(self) -> None:
        """
        Print each step of events whose agents, addresses and pages were seen before.

        The whole path takes texts that are new objects each round, as requests bring
        them: Python keeps the hash of a text that it has seen.
        """
        raws = [_raw(number % 20) for number in range(_EVENTS)]
        whole = [(raw, self.site) for raw in raws]
        process = self.processor.process
        print("\nwarm: the same agents, addresses and pages again")
        _best(process, whole)
        for name, (function, calls) in self._steps(raws).items():
            print(f"  {name:32}{_best(function, calls):8.2f}")
        for how, take in (("alone", self._alone), ("together", self._together)):
            _print(f"gate to row, {how}", _fresh(take, self.site))
        rows = [(process(raw, self.site).row,) for raw in raws]
        print(f"  {'row to line':32}{_best(_line, rows):8.2f}")

    def cold(self) -> None:
        """Print what an event costs of which no cache knows anything."""
        print("\ncold: visitor, agent, address, page and referrer are new")
        self._print_each(1_000_000, 1, empty=False)
        self._print_each(3_000_000, _TOGETHER, empty=False)
        print("\nemptied: every cache is emptied before")
        self._print_each(2_000_000, 1, empty=True)
        self._print_each(4_000_000, _TOGETHER, empty=True)

    def _print_each(self, first: int, number: int, *, empty: bool) -> None:
        """Print rounds of so many new events; of several at once each step."""
        rounds = []
        steps: dict[str, list[_Round]] = {}
        for begin in range(first, first + _COLD_EVENTS, number):
            some = [(_raw(begin + one), self.site, "") for one in range(number)]
            if empty:
                forget_all()
            marks = _Marks()
            done = self.processor.process_all(some, marks.add)
            slower = _slower()
            _raise_first(done)
            for (_, begun), (step, ended) in itertools.pairwise(marks.times):
                steps.setdefault(step, []).append(
                    _Round((ended - begun) / number * 1e6, slower)
                )
            taken_us = (marks.times[-1][1] - marks.times[0][1]) / number * 1e6
            rounds.append(_Round(taken_us, slower))
        if number > 1:
            for step, some_rounds in steps.items():
                _print(step, some_rounds)
        _print(f"gate to row, {'alone' if number == 1 else 'together'}", rounds)

    def _alone(self, raws: Sequence[RawEvent], site: Site) -> None:
        for raw in raws:
            self.processor.process(raw, site)

    def _together(self, raws: Sequence[RawEvent], site: Site) -> None:
        for begin in range(0, len(raws), _TOGETHER):
            some = [(raw, site, "") for raw in raws[begin : begin + _TOGETHER]]
            _raise_first(self.processor.process_all(some))

    def stream(self) -> None:
        """Print what a hostile stream leaves in memory."""
        process = self.processor.process
        for number in range(_STREAM):
            process(_raw(5_000_000 + number, hostile=True), self.site)
        gc.collect()
        tracemalloc.start()
        for number in range(_STREAM):
            process(_raw(6_000_000 + number, hostile=True), self.site)
        first, _ = tracemalloc.get_traced_memory()
        for number in range(_STREAM):
            process(_raw(7_000_000 + number, hostile=True), self.site)
        gc.collect()
        second, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"\nhostile: {_STREAM} events, nothing twice, caches full before")
        print(f"  {'memory kept, MiB':32}{first / 2**20:8.2f}")
        print(f"  {'after as many more, MiB':32}{second / 2**20:8.2f}")

    def _steps(
        self, raws: Sequence[RawEvent]
    ) -> dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]]:
        """Return the steps of the path and the arguments of each event."""
        treated = [self.processor.treat(raw, self.site) for raw in raws]
        deciding = [("statistics", one.consent, one.rules) for one in treated]
        grants = [decide(*arguments) for arguments in deciding]
        enriching = [
            (
                raw,
                grant,
                self.site,
                page_seen(raw, grant, self.site),
                self.locator,
                one.caller,
            )
            for raw, grant, one in zip(raws, grants, treated, strict=True)
        ]
        reading = [arguments[:3] for arguments in enriching]
        minimising = [
            (
                arguments[0],
                "statistics",
                arguments[1],
                one.consent,
                enrich(*arguments),
                one.visitor,
            )
            for arguments, one in zip(enriching, treated, strict=True)
        ]
        return {
            "signals, rules, withdrawals": (
                self.processor.treat,
                [(raw, self.site) for raw in raws],
            ),
            "gate": (decide, deciding),
            "page": (page_seen, reading),
            "enrich": (enrich, enriching),
            "minimise": (self.minimiser.row, minimising),
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--geo", type=Path, default=Path("data/geo"))
    geo = sorted(parser.parse_args().geo.glob("*.mmdb"))
    print(f"{'':34}{'lowest':>8}{'median':>8}{'there':>8}")
    for name, piece in _PIECES.items():
        taken = [_piece_us(piece) for _ in range(100)]
        numbers = (min(taken), statistics.median(taken), piece.notes_us)
        print(f"{name:34}" + "".join(f"{number:8.2f}" for number in numbers))
    print(f"{'city databases':34}{len(geo):8}")
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), geo)
        # As an edge does before its first request.
        collect_seldom()
        bench.warm()
        bench.cold()
        bench.stream()


class _Marks:
    """When each step of the path was done, processor time in seconds."""

    def __init__(self) -> None:
        self.times = [("", time.thread_time())]

    def add(self, step: str) -> None:
        self.times.append((step, time.thread_time()))


class _Round(NamedTuple):
    """What an event of a round took, and how slow the machine was right after it."""

    taken_us: float
    slower: float

    @classmethod
    def since(cls, begun: float, events: int) -> "_Round":
        """End a round of so many events."""
        taken_us = (time.thread_time() - begun) / events * 1e6
        return cls(taken_us, _slower())


def _slower() -> float:
    """Return how many times what the notes say the pieces take now."""
    return statistics.geometric_mean(
        _piece_us(piece) / piece.notes_us for piece in _PIECES.values()
    )


def _piece_us(piece: _Piece) -> float:
    numbers = range(_TIMES)
    for number in numbers:
        piece.do(number)
    taken = 0.0
    # Where a machine is shared its clock of a thread may stand still for a while.
    while not taken:
        begun = time.thread_time()
        for number in numbers:
            piece.do(number)
        taken = time.thread_time() - begun
    return taken / _TIMES * 1e6


def _raise_first(done: Sequence[object]) -> None:
    for one in done:
        if isinstance(one, Exception):
            raise one


def _print(what: str, rounds: Sequence[_Round]) -> None:
    taken = [one.taken_us for one in rounds]
    there = statistics.median(one.taken_us / one.slower for one in rounds)
    numbers = (min(taken), statistics.median(taken), there)
    print(f"  {what:32}" + "".join(f"{number:8.2f}" for number in numbers))


def _line(row: msgspec.Struct) -> bytes:
    return orjson.dumps(msgspec.structs.astuple(row))


def _best(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> float:
    return min(_once(function, calls) for _ in range(_ROUNDS))


def _fresh(
    take: Callable[[Sequence[RawEvent], Site], None], site: Site
) -> list[_Round]:
    rounds = []
    for _ in range(_FRESH_ROUNDS):
        raws = [_raw(number % 20) for number in range(_EVENTS)]
        gc.disable()
        begun = time.thread_time()
        take(raws, site)
        rounds.append(_Round.since(begun, _EVENTS))
        gc.enable()
    return rounds


def _once(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> float:
    gc.disable()
    begun = time.thread_time()
    for arguments in calls:
        function(*arguments)
    taken = time.thread_time() - begun
    gc.enable()
    return taken / len(calls) * 1e6


def _word(number: int) -> str:
    """Return a word of syllables, another for each number."""
    word = ""
    while number:
        number, place = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[place]
    return word or _SYLLABLES[0]


def _address(number: int) -> str:
    """Return an address, all over their space but where it is reserved."""
    parts = (11 + number % 100, number >> 16 & 255, number >> 8 & 255, number & 255)
    return ".".join(map(str, parts))


def _agent(number: int) -> str:
    form, _, _ = AGENTS[number % len(AGENTS)]
    return form.format(100 + number % 900, number // 1000, number % 1000)


def _raw(number: int, *, hostile: bool = False) -> RawEvent:
    """Return one visit of a page; what it says depends on the number alone."""
    major = 100 + number % 900
    word = _word(number)
    event = {
        "event": "page_view",
        "site": SITE,
        "url": f"https://{SITE}/shop/{word}/view?utm_source=news&id={number}",
        "referrer": f"https://www.{word}.example/find/{word}",
        "title": f"{word.title()} and more: the shop",
        "visitor": f"browser_{number:016d}",
        "screen": "1920x1080",
        "language": "de-DE",
        "consent": {"statistics": True, "marketing": False},
    }
    _, platform, mobile = AGENTS[number % len(AGENTS)]
    hints = {
        "sec-ch-ua": f'"Google Chrome";v="{major}", "Not_A Brand";v="24"',
        "sec-ch-ua-mobile": f"?{mobile}",
        "sec-ch-ua-platform": f'"{platform}"',
    }
    now = now_ms()
    return RawEvent(
        event=msgspec.convert(event, PageView),
        event_id="0190f3c8-7b2a-7000-8000-000000000001",
        door="script",
        address=_address(number),
        user_agent=_agent(number) + (f" x{number}" if hostile else ""),
        referer="",
        headers={
            "accept-language": "de-DE,de;q=0.9,en;q=0.8",
            **(hints if platform else {}),
        },
        occurred_ms=now - 40,
        received_ms=now,
    )


if __name__ == "__main__":
    main()
