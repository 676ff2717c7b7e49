"""
What the keeper says of itself: ready or not, and how loading goes.
"""

from datetime import UTC, datetime
from typing import Any

from collector.metrics import count, show
from pipeline.load import Loaded
from pipeline.load_breaker import STATES, Status


def health(problem: str, status: Status | None) -> dict[str, Any]:
    """
    Return the body of `/health/ready`.

    Args:
        problem: why the store cannot be used now; empty when it can.
        status: the loader's breaker; None until the store was opened.

    """
    body: dict[str, Any] = {"status": "store_unavailable" if problem else "ready"}
    if problem:
        body["message"] = problem
    if status is not None:
        since = datetime.fromtimestamp(status.since_ms / 1000, UTC)
        body["loader"] = {
            "state": status.state,
            "since": since.isoformat(timespec="milliseconds"),
            "attempts": status.attempts,
            "problem": status.problem,
        }
    return body


def show_loading(done: Loaded, status: Status) -> None:
    """Put what a pass of the loader did, and its breaker, into the metrics."""
    count("kastana_loaded_segments_total", by=done.segments)
    count("kastana_loaded_rows_total", by=done.rows)
    count("kastana_loaded_inserts_total", by=done.inserts)
    count("kastana_failed_segments_total", by=done.failed)
    show("kastana_waiting_segments", done.waiting)
    for state in STATES:
        show("kastana_loader_state", state == status.state, state)
    show("kastana_loader_since_seconds", status.since_ms / 1000)
    show("kastana_loader_attempts", status.attempts)
