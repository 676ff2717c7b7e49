"""UUIDv7: sorted by time, never the same twice."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ids import uuid7
from tests.builders import NOON_MS, event


@given(st.integers(0, 2**48 - 1))
def test_layout(moment: int) -> None:
    """The first 48 bits are the time; version and variant are where they belong."""
    made = uuid.UUID(uuid7(moment))

    assert (moment, 7, uuid.RFC_4122) == (made.int >> 80, made.version, made.variant)


@pytest.mark.parametrize("moment", [0, NOON_MS, 2**48 - 1])
def test_accepted_as_an_event_id(moment: int) -> None:
    """What is made here is what a client may send."""
    made = uuid7(moment)

    assert made == event(event_id=made).event_id


def test_unique() -> None:
    """Ids of one millisecond differ."""
    assert 5000 == len({uuid7(NOON_MS) for _ in range(5000)})


def test_sorted_by_time() -> None:
    """Names of later segments sort after those of earlier ones."""
    made = [uuid7(NOON_MS + step) for step in range(50)]

    assert sorted(made) == made
