"""Rows as lines: what they take while they wait for the disk."""

import tracemalloc

from pipeline.spool_lines import encode, join
from tests.builders import consent_row, row


def test_a_waiting_line_takes_its_own_size() -> None:
    """Thousands wait under load: none keeps the room that it was written in."""
    rows = [row(page_title=f"page {number}") for number in range(200)]
    rows += [consent_row() for _ in range(200)]
    encode(rows[0])
    tracemalloc.start()
    try:
        lines = [encode(one) for one in rows]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    written = sum(map(len, join([lines]).values()))

    assert written > 100_000
    assert taken < 1.5 * written
