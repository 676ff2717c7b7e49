"""What an objection closes: the rule, by example and by property."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.withdrawal.standing import Entry, Kind, Standing, add, limits, pack
from schemas.consent import ASKED, Category

EVERYTHING = frozenset(ASKED)
times = st.integers(0, 12)
entries = st.lists(
    st.one_of(
        st.builds(
            Entry,
            time_ms=times,
            site=st.just("example.com"),
            visitor_id=st.just(1),
            kind=st.sampled_from(["withdrawn", "given"]),
            categories=st.lists(
                st.sampled_from(ASKED), min_size=1, max_size=4, unique=True
            ).map(tuple),
        ),
        st.builds(
            Entry,
            time_ms=times,
            site=st.just("example.com"),
            visitor_id=st.just(1),
            kind=st.sampled_from(["erased", "child"]),
        ),
    ),
    max_size=6,
)
given_times = st.one_of(st.none(), times)


def entry(time_ms: int, kind: Kind, *categories: Category) -> Entry:
    """Return an entry."""
    return Entry(time_ms, "example.com", 1, kind, categories)


def standing(recorded: list[Entry], given_ms: int | None, received_ms: int) -> Standing:
    """Return what entries close for an event."""
    packed: tuple[int, ...] = ()
    for one in recorded:
        packed = add(packed, pack(one))
    return limits(packed).standing(given_ms, received_ms)


def plainly(
    recorded: list[Entry], category: Category, given_ms: int | None, received_ms: int
) -> bool:
    """Say if a category is closed, in the words of the rule and no others."""
    closing = [
        one.time_ms
        for one in recorded
        if one.kind in ("erased", "child") or category in one.categories
        if one.kind != "given"
    ]
    if any(one.kind == "child" for one in recorded):
        return True
    if not closing:
        return False
    grants = [
        one.time_ms
        for one in recorded
        if one.kind == "given" and category in one.categories
    ]
    # A grant of the future has a wrong clock: its time says nothing.
    if given_ms is not None and given_ms <= received_ms:
        return given_ms <= max(closing)
    return received_ms <= max(closing) or max(grants, default=-1) <= max(closing)


@pytest.mark.parametrize(
    ("given_ms", "received_ms", "closed"),
    [
        (50, 200, True),
        (100, 200, True),
        (101, 200, False),
        (300, 90, True),
        (None, 90, True),
        (None, 100, True),
        (None, 101, True),
    ],
)
def test_withdrawn_at_100(
    given_ms: int | None, received_ms: int, *, closed: bool
) -> None:
    """A newer grant opens again; a grant without a time does not."""
    found = standing([entry(100, "withdrawn", "statistics")], given_ms, received_ms)

    assert closed is ("statistics" in found.withdrawn)
    assert not found.withdrawn - {"statistics"}
    assert not found.erased
    assert not found.child


@pytest.mark.parametrize(
    ("given_ms", "received_ms", "closed"),
    [
        (None, 100, True),
        (None, 101, False),
        (None, 200, False),
        (50, 300, True),
        (150, 300, False),
    ],
)
def test_given_again_at_150(
    given_ms: int | None, received_ms: int, *, closed: bool
) -> None:
    """A recorded grant opens what came after the withdrawal, not what came before."""
    recorded = [
        entry(100, "withdrawn", "statistics"),
        entry(150, "given", "statistics"),
    ]
    found = standing(recorded, given_ms, received_ms)

    assert closed is ("statistics" in found.withdrawn)


def test_grant_of_another_category_opens_nothing() -> None:
    """Each category is given again by itself."""
    recorded = [
        entry(100, "withdrawn", "statistics", "marketing"),
        entry(150, "given", "marketing"),
    ]

    assert {"statistics"} == standing(recorded, None, 200).withdrawn


def test_erased() -> None:
    """An erasure closes everything before, and after until given again."""
    erased = entry(100, "erased")
    again = entry(150, "given", "statistics")

    assert Standing(EVERYTHING, erased=True) == standing([erased], None, 500)
    assert Standing(EVERYTHING, erased=True) == standing([erased], 99, 500)
    assert Standing() == standing([erased], 101, 500)
    assert Standing(EVERYTHING, erased=True) == standing([erased, again], None, 100)
    assert Standing(EVERYTHING - {"statistics"}) == standing([erased, again], None, 160)


def test_child() -> None:
    """A child stays one, whatever was given when."""
    recorded = [entry(100, "child"), entry(150, "given", *ASKED)]

    for given_ms in (None, 50, 400):
        found = standing(recorded, given_ms, 500)

        assert Standing(EVERYTHING, child=True) == found


@given(recorded=entries, given_ms=given_times, received_ms=times)
def test_rule(recorded: list[Entry], given_ms: int | None, received_ms: int) -> None:
    """Whatever was recorded, the packed form says what the rule's words say."""
    found = standing(recorded, given_ms, received_ms)

    assert {
        name for name in ASKED if plainly(recorded, name, given_ms, received_ms)
    } == found.withdrawn
    assert any(one.kind == "child" for one in recorded) is found.child


@given(
    recorded=entries,
    more=entries.filter(lambda found: all(one.kind != "given" for one in found)),
    given_ms=given_times,
    received_ms=times,
)
def test_an_objection_never_opens(
    recorded: list[Entry], more: list[Entry], given_ms: int | None, received_ms: int
) -> None:
    """With another objection on record nothing is open that was not before."""
    before = standing(recorded, given_ms, received_ms)
    after = standing(recorded + more, given_ms, received_ms)

    assert before.withdrawn <= after.withdrawn
    assert before.erased <= after.erased
    assert before.child <= after.child


@given(recorded=entries, given_ms=given_times, received_ms=times)
def test_what_came_before_a_withdrawal_stays_closed(
    recorded: list[Entry], given_ms: int | None, received_ms: int
) -> None:
    """A later withdrawal beats every older grant and every older arrival."""
    last = max([received_ms, given_ms or 0, *(one.time_ms for one in recorded)])
    late = [*recorded, entry(last, "withdrawn", *ASKED)]

    assert EVERYTHING == standing(late, given_ms, received_ms).withdrawn


@given(recorded=entries, received_ms=times, earlier=times, later=times)
def test_an_older_grant_opens_no_more(
    recorded: list[Entry], received_ms: int, earlier: int, later: int
) -> None:
    """The older a grant is, the more is closed; one of the future opens nothing."""
    earlier, later = sorted((min(earlier, received_ms), min(later, received_ms)))
    old = standing(recorded, earlier, received_ms)

    assert standing(recorded, later, received_ms).withdrawn <= old.withdrawn


def test_a_grant_of_the_future_beats_no_withdrawal() -> None:
    """A clock that is fast, or lies, does not undo what came before the event."""
    recorded = [entry(1000, "withdrawn", *ASKED)]

    assert standing(recorded, 1500, 2000).withdrawn == frozenset()
    for ahead in (2001, 2000 + 3_600_000, 2000 + 80_000_000):
        assert EVERYTHING == standing(recorded, ahead, 2000).withdrawn


@given(
    recorded=entries.filter(lambda found: len(found) <= 4),
    given_ms=given_times,
    received_ms=times,
)
def test_order_of_lines_does_not_matter(
    recorded: list[Entry], given_ms: int | None, received_ms: int
) -> None:
    """Two edges may write in either order: times decide, not places."""
    found = {
        standing(list(order), given_ms, received_ms) for order in permutations(recorded)
    }

    assert 1 == len(found)


@given(recorded=entries)
def test_bounded_memory_of_a_visitor(recorded: list[Entry]) -> None:
    """However often someone changes their mind, few numbers stay."""
    packed: tuple[int, ...] = ()
    for one in [*recorded, *recorded, *recorded]:
        packed = add(packed, pack(one))

    assert len(packed) <= len(
        {(one.kind, frozenset(one.categories)) for one in recorded}
    )
