"""Devices and robots are told as rightly as promised, by the lists that others made."""

import subprocess

import pytest

import pipeline.device
from pipeline.agents.plain_agents import plain_agent
from tests.accuracy.measure import BROWSERS, ROBOTS, measure
from tests.accuracy.sources import (
    browsers_of,
    fetch_all,
    robots_of,
    visits,
)


@pytest.fixture(scope="module", autouse=True)
def _lists() -> None:
    """Fetch the lists; without them all is skipped."""
    try:
        fetch_all(seconds=30)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"the lists cannot be fetched here ({type(error).__name__})")


def test_most_visitors_have_a_plain_agent_and_lose_nothing_by_it() -> None:
    """Reading only versions of known forms serves four in five, and errs for nobody."""
    agents = {agent for source, _ in BROWSERS for agent in browsers_of(source)}
    agents |= {agent for source, _ in ROBOTS for agent in robots_of(source)}
    plain = {agent for agent in agents if plain_agent(agent)}

    seen = visits()
    assert sum(agent in plain for agent in seen) / len(seen) > 0.8
    assert len(plain) > 1000
    for agent in plain:
        found = pipeline.device._said(agent, "")
        assert found == pipeline.device._search(agent, "")


def test_every_target_is_met() -> None:
    """No list finds more errors than its target."""
    results = list(measure())
    missed = [
        f"{result.source.package} {result.metric}: {result.value:.2%}"
        for result in results
        if not result.met
    ]

    assert not missed
    assert {result.metric for result in results if not result.floor} == {
        "robots found",
        "browsers flagged",
        "browser",
        "system",
        "device",
    }
