"""Made-up traffic: the same for the same seed, and mixed as it says."""

import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.cli import cli
from collector.decode import Decoded, decode_body, decode_query
from collector.generate import Plan, traffic
from collector.generate_world import Choice, Dice
from collector.replay.captures import read_capture
from collector.replay.request import Request
from collector.replay.source import Source
from pipeline.agents.robot_agents import agent_kind
from schemas.event import EVENT_TYPES, Event

SITE = "made.example"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
MONDAY_MS = round(MONDAY.timestamp() * 1000)
EVENTS = 15_000


def plan(events: int = 500, seed: int = 1, days: int = 7) -> Plan:
    """Return a plan."""
    return Plan(events, days, SITE, MONDAY, seed)


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """A week of traffic, as replay reads it."""
    source = Source(io.BytesIO(b"".join(traffic(plan(EVENTS)))), "")
    found = list(source.requests())
    assert not source.unsent
    return found


def share(requests: list[Request], wanted: Any) -> float:
    """Return which share of all requests is such a one."""
    return sum(map(wanted, requests)) / len(requests)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 40))
def test_same_seed_same_bytes(seed: int, events: int, days: int) -> None:
    """The same plan makes the same bytes, exactly as many events, in order of time."""
    made = list(traffic(plan(events, seed, days)))
    requests = [one for line in made for one in read_capture(line)]
    times = [one.at_ms for one in requests if isinstance(one, Request)]

    assert made == list(traffic(plan(events, seed, days)))
    assert events == sum(
        len(one.events) for one in requests if isinstance(one, Request)
    )
    assert len(made) == len(times)
    assert times == sorted(times)
    assert times[0] >= MONDAY_MS


def test_other_seed_other_traffic() -> None:
    """Another seed makes other visits."""
    assert list(traffic(plan(seed=1))) != list(traffic(plan(seed=2)))


PINNED: list[tuple[float, str]] = [
    (1767593016.335, "2001:db8:15f1:5b1e::1"),
    (1767600403.714, "2001:db8:15f1:5b1e::1"),
    (1767600427.827, "2001:db8:15f1:5b1e::1"),
]


def test_bytes_do_not_change_unnoticed() -> None:
    """The first requests of seed 1 are what they were: reports can be compared."""
    first = [orjson.loads(line) for line in islice(traffic(plan()), 3)]

    assert PINNED == [(one["ts"], one["peer"]) for one in first]


def decoded(requests: list[Request]) -> Iterator[Event]:
    """Yield the events as the doors understand them, just as they happen."""
    for one in requests:
        now_ms = round(one.at_ms)
        if one.pixel:
            query = "&".join(f"{key}={value}" for key, value in one.events[0].items())
            told = [decode_query(query, received_ms=now_ms)]
        else:
            told = decode_body(
                orjson.dumps(one.events),
                received_ms=now_ms,
                max_bytes=1_000_000,
                max_events=1000,
            )
        for answer in told:
            assert isinstance(answer, Decoded), answer
            yield answer.event


def test_doors_understand_all_of_it(requests: list[Request]) -> None:
    """Every event is one, marked, of its site; all kinds but crash and place occur."""
    kinds: Counter[str] = Counter()
    for event in decoded(requests):
        assert event.synthetic
        assert SITE == event.site
        kinds[str(type(event).__struct_config__.tag)] += 1

    assert EVENTS == kinds.total()
    assert set(EVENT_TYPES) - {"app_crash", "location"} == set(kinds)
    assert kinds["page_view"] > kinds["page_ping"] > kinds["link_click"]


def visitors(requests: list[Request]) -> list[Request]:
    """Return the first request of each visitor that is no robot's."""
    first: dict[str, Request] = {}
    for one in requests:
        if one.page:
            first.setdefault(one.address, one)
    return list(first.values())


def test_consent_mix(requests: list[Request]) -> None:
    """52 of 100 visitors gave statistics, 25 refused, 23 were not asked."""
    first = [one for one in visitors(requests) if not one.pixel]

    def state(one: Request) -> Any:
        consent = one.events[0].get("consent")
        return consent and consent["statistics"]

    mix = Counter(state(one) for one in first)

    assert 0.52 == pytest.approx(mix[True] / len(first), abs=0.03)
    assert 0.25 == pytest.approx(mix[False] / len(first), abs=0.03)
    assert 0.23 == pytest.approx(mix[None] / len(first), abs=0.03)
    assert all(("visitor" in one.events[0]) == (state(one) is True) for one in first)


def test_signals(requests: list[Request]) -> None:
    """6 of 100 visitors send GPC, 3 DNT."""
    first = visitors(requests)

    assert 0.06 == pytest.approx(
        share(first, lambda one: "Sec-GPC" in one.headers), abs=0.02
    )
    assert 0.03 == pytest.approx(
        share(first, lambda one: "DNT" in one.headers), abs=0.015
    )


def test_robots(requests: list[Request]) -> None:
    """What is no page's is a robot's by its name, and nothing else is."""
    agents = {(one.page, one.headers["User-Agent"]) for one in requests}
    robots = {one.address for one in requests if not one.page}

    assert all((agent_kind(agent) == "robot") is not page for page, agent in agents)
    assert 0.05 == pytest.approx(
        len(robots) / (len(robots) + len(visitors(requests)) / 0.7), abs=0.02
    )


def test_long_tails(requests: list[Request]) -> None:
    """A few pages and referrers have most views; most have few."""
    views = [
        event
        for one in requests
        for event in one.events
        if event.get("event") == "page_view"
    ]
    pages = Counter(view["url"].partition("?")[0] for view in views).most_common()
    hosts = Counter(
        view.get("referrer", "").split("/")[2:3] == ["www.google.com"] for view in views
    )

    assert len(pages) > 700
    assert 0.05 < pages[0][1] / len(views) < 0.2
    assert sum(number for _, number in pages[:100]) > len(views) / 2
    assert hosts[True] > 100
    assert any("utm_campaign=" in view["url"] for view in views)
    assert any(".example/post" in view.get("referrer", "") for view in views)


def test_rhythm(requests: list[Request]) -> None:
    """Days are busier than nights, Mondays than Saturdays; all days have visits."""
    moments = [datetime.fromtimestamp(one.at_ms / 1000, UTC) for one in requests]
    hours = Counter(moment.hour for moment in moments)
    days = Counter(moment.date() for moment in moments)
    weekdays = Counter(moment.weekday() for moment in moments)

    assert hours[20] > 4 * hours[3]
    assert len(days) in (7, 8)
    assert weekdays[0] > weekdays[5]


def test_nobody_is_in_it(requests: list[Request]) -> None:
    """Addresses are those of documentation; what is no site of ours is reserved."""
    assert all(one.address.startswith("2001:db8:") for one in requests)


def test_visits_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the visits under way wait for their turn."""
    import collector.generate as module

    most = 0
    push = module.heapq.heappush

    def watching(heap: list[Any], item: Any) -> None:
        nonlocal most
        push(heap, item)
        most = max(most, len(heap))

    monkeypatch.setattr(module.heapq, "heappush", watching)
    for _ in traffic(plan(EVENTS, days=30)):
        pass

    assert 1 < most < 500


def test_choice_follows_weights() -> None:
    """What weighs nothing is never picked, the rest by its weight."""
    dice, choice = Dice(7), Choice([(3.0, "a"), (0.0, "b"), (1.0, "c")])
    picked = Counter(choice.pick(dice) for _ in range(4000))

    assert set(picked) == {"a", "c"}
    assert 3 == pytest.approx(picked["a"] / picked["c"], rel=0.15)


def test_command() -> None:
    """The command writes what the plan says."""
    options = ["--events", "50", "--site", SITE, "--seed", "5", "--days", "2"]
    done = CliRunner().invoke(cli, ["generate", *options])

    assert 0 == done.exit_code
    assert b"".join(traffic(plan(50, 5, 2))) == done.stdout_bytes
