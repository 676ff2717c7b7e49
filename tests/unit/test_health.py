"""What the keeper says of loading: in its health, and as metrics."""

from pathlib import Path

import pytest

import pipeline.load_breaker
from collector import metrics
from collector.diagnose import unread_segments, why_away
from collector.health import health, show_loading
from pipeline.load import Loaded
from pipeline.load_breaker import Breaker, Status
from tests import loading
from tests.loading import Store, away, loader, seal

root, store = loading.root, loading.store


def test_health() -> None:
    """Ready with the breaker's state; away with the words and the failed attempts."""
    status = Status("open", 1_748_781_296_789, 3, "NETWORK_ERROR")

    assert {"status": "store_unavailable", "message": "x"} == health("x", None)
    assert {
        "status": "store_unavailable",
        "message": "NETWORK_ERROR",
        "loader": {
            "state": "open",
            "since": "2025-06-01T12:34:56.789+00:00",
            "attempts": 3,
            "problem": "NETWORK_ERROR",
        },
    } == health("NETWORK_ERROR", status)
    assert "ready" == health("", Breaker().status)["status"]


def test_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed, open, half open after a pause, open for longer, closed again."""
    now = [100.0]
    monkeypatch.setattr(pipeline.load_breaker.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        pipeline.load_breaker.random, "uniform", lambda _low, high: high
    )
    breaker = Breaker()
    seen = [(breaker.allows(), breaker.status.state)]
    assert breaker.failed("one")
    for seconds in (0.19, 0.02):
        now[0] += seconds
        seen.append((breaker.allows(), breaker.status.state))
    assert not breaker.failed("two")
    now[0] += 0.39
    seen.append((breaker.allows(), breaker.status.state))
    attempts, problem = breaker.status.attempts, breaker.status.problem
    now[0] += 0.02
    seen.append((breaker.allows(), breaker.status.state))
    assert breaker.succeeded()
    assert not breaker.succeeded()

    assert [
        (True, "closed"),
        (False, "open"),
        (True, "half_open"),
        (False, "open"),
        (True, "half_open"),
    ] == seen
    assert (2, "two") == (attempts, problem)
    assert (0, "", "closed") == (
        breaker.status.attempts,
        breaker.status.problem,
        breaker.status.state,
    )


def test_metrics_of_an_outage(root: Path, store: Store) -> None:
    """One state is 1, the others 0; failed attempts are counted."""
    one = loader(root, store)
    seal(root, "events-0001")
    store.before = away
    show_loading(one.run_once(), one.status)
    text = metrics.render().decode()

    assert 'kastana_loader_state{state="open"} 1.0' in text
    assert 'kastana_loader_state{state="closed"} 0.0' in text
    assert "kastana_loader_attempts 1.0" in text


def test_doctor_reads_how_many_segments_cannot_be_read() -> None:
    """What waits for its key is a number in the metrics; without them it is none."""
    status = Breaker().status
    show_loading(Loaded(waiting=12), status)
    some = unread_segments(metrics.render())
    show_loading(Loaded(), status)

    assert (12, 0, 0) == (some, unread_segments(metrics.render()), unread_segments(b""))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'{"loader": {"problem": "NETWORK_ERROR", "attempts": 3, "since": "then"}}',
            "the store is away: NETWORK_ERROR; 3 attempts since then",
        ),
        (b'{"status": "store_unavailable"}', "the store is away"),
        (b"<html>", "the store is away"),
        (b"[]", "the store is away"),
    ],
)
def test_doctor_says_why(body: bytes, words: str) -> None:
    """A keeper that is not ready says why, or only that it is not."""
    assert words == why_away(body)
