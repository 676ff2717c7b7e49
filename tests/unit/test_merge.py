"""Merging: the most restrictive of all sources, whatever their number and order."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.merge import add_flags, merge, withdraw
from pipeline.signals.reading import Reading
from schemas.consent import ASKED, FLAGS, ConsentState

RANK = ["withdrawn", "refused", "expired", "unknown", "requested", "given"]

readings = st.builds(
    Reading,
    source=st.sampled_from(["own", "tcf", "gpp_usnat", "cookiebot"]),
    states=st.dictionaries(st.sampled_from(ASKED), st.sampled_from(RANK)),
    flags=st.frozensets(st.sampled_from(sorted(FLAGS)), max_size=3),
    updated_ms=st.none() | st.integers(0, 10**13),
    problems=st.lists(st.sampled_from(["too_old", "implied"]), max_size=1).map(tuple),
)


def test_without_a_source_nothing_is_known() -> None:
    """Without a source nothing is known."""
    assert merge([]) == ConsentState()


def test_one_source_is_taken_as_it_is() -> None:
    """One source is taken as it is."""
    state = merge([Reading("own", {"statistics": "given", "marketing": "refused"})])
    assert (state.statistics, state.marketing) == ("given", "refused")
    assert (state.preference, state.precise_location) == ("unknown", "unknown")
    assert state.sources == ("own",)


def test_a_source_that_does_not_speak_of_a_category_leaves_it_alone() -> None:
    """A source that does not speak of a category leaves it alone."""
    own = Reading("own", {"statistics": "given"})
    browser = Reading("gpc", {}, frozenset({"gpc"}))
    state = merge([own, browser])
    assert state.statistics == "given"
    assert state.flags == ("gpc",)
    assert state.sources == ("gpc", "own")


def test_of_two_the_most_restrictive_counts_in_either_order() -> None:
    """Of two the most restrictive counts in either order."""
    for place, low in enumerate(RANK):
        for high in RANK[place:]:
            one = Reading("own", {"statistics": low})
            other = Reading("tcf", {"statistics": high})
            assert merge([one, other]).statistics == low
            assert merge([other, one]).statistics == low


def test_an_unreadable_source_takes_a_grant_away() -> None:
    """An unreadable source takes a grant away."""
    own = Reading("own", {"statistics": "given"})
    cut = Reading("tcf", dict.fromkeys(ASKED, "unknown"), problems=("truncated",))
    state = merge([own, cut])
    assert state.statistics == "unknown"
    assert state.problems == ("tcf:truncated",)


def test_the_grant_is_as_old_as_the_oldest_of_its_sources() -> None:
    """The grant is as old as the oldest of its sources."""

    def grant(updated_ms: int | None) -> Reading:
        return Reading("own", {"statistics": "given"}, updated_ms=updated_ms)

    assert merge([grant(7), grant(5)]).given_ms == 5
    # A grant of no known time is older than any withdrawal.
    assert merge([grant(7), grant(None)]).given_ms is None
    refusal = Reading("tcf", {"marketing": "refused"}, updated_ms=1)
    assert merge([grant(7), refusal]).given_ms == 7


@given(st.lists(readings, max_size=4), readings)
def test_one_more_source_never_gives(before: list[Reading], more: Reading) -> None:
    """One more source never gives."""
    fewer, all_of_them = merge(before), merge([*before, more])
    assert set(fewer.flags) <= set(all_of_them.flags)
    for category in ASKED:
        spoken = any(category in one.states for one in before)
        if spoken:
            was, now = fewer.of(category), all_of_them.of(category)
            assert RANK.index(now) <= RANK.index(was)


@given(readings)
def test_one_source_is_as_that_source_twice(one: Reading) -> None:
    """The short way for a single source leads to the same."""
    assert merge([one]) == merge([one, one])


@given(st.lists(readings, max_size=5))
def test_order_makes_no_difference(some: list[Reading]) -> None:
    """Order makes no difference."""
    assert merge(some) == merge(reversed(some))


@given(
    st.lists(readings, max_size=3),
    st.frozensets(st.sampled_from(ASKED)),
    st.frozensets(st.sampled_from(["erased", "child"])),
)
def test_a_withdrawal_closes_and_leaves_the_rest(
    some: list[Reading], categories: frozenset[str], flags: frozenset[str]
) -> None:
    """A withdrawal closes and leaves the rest."""
    before = merge(some)
    after = withdraw(before, categories, flags)
    for category in ASKED:
        expected = "withdrawn" if category in categories else before.of(category)
        assert after.of(category) == expected
    assert set(after.flags) == set(before.flags) | flags
    if categories:
        assert "withdrawal" in after.sources or after == before
    assert after.given_ms == before.given_ms


def test_no_withdrawal_changes_nothing() -> None:
    """No withdrawal changes nothing."""
    before = merge([Reading("own", {"statistics": "given"}, updated_ms=5)])
    assert withdraw(before, (), ()) is before
    assert add_flags(before, ()) is before
    assert add_flags(before, ["gpc"]).flags == ("gpc",)
    assert add_flags(before, ["gpc"]).given_ms == 5
