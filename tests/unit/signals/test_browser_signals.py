"""Global Privacy Control and Do Not Track, as headers carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.browser_signals import dnt, gpc, read_browser
from pipeline.signals.reading import Reading
from schemas.consent import FLAGS

VALUES: list[tuple[list[str], bool]] = [
    ([], False),
    (["1"], True),
    (["1", "1"], True),
    (["1,1"], True),
    (["1, 1"], True),
    ([" 1"], True),
    (["\t1 "], True),
    (["0", "1"], True),
    (["0,1"], True),
    ([","], False),
    ([""], False),
    (["0"], False),
    (["true"], False),
    (["1.0"], False),
    (["11"], False),
    (["01"], False),
    (["+1"], False),
    (["-1"], False),
    (["?1"], False),
    (['"1"'], False),
    (["1;q=1"], False),
    (["\uff11"], False),
    (["\u00b9"], False),
    (["\xa01"], False),
    (["1\n"], False),
    (["unspecified"], False),
]


@pytest.mark.parametrize(("values", "on"), VALUES)
def test_exactly_one_is_on_and_everything_else_says_nothing(
    values: list[str], *, on: bool
) -> None:
    """Both headers have one value that means something to us."""
    assert on is gpc(values)
    assert on is dnt(values)
    assert on is gpc(iter(values))


def test_a_lone_text_is_one_value() -> None:
    """Not a list of its characters."""
    assert gpc("1")
    assert not gpc("11")
    assert not dnt("10")


def test_each_header_that_is_on_is_a_reading() -> None:
    """An absent or off header leaves none: neither is a consent."""
    both = read_browser(["1"], ["1"])

    assert [
        Reading("gpc", {}, frozenset({"gpc"})),
        Reading("dnt", {}, frozenset({"dnt"})),
    ] == both
    assert ["gpc"] == [one.source for one in read_browser(["1"], ["0"])]
    assert ["dnt"] == [one.source for one in read_browser(["0"], ["1"])]
    assert [] == read_browser([], ["0"])
    assert all(one.flags <= set(FLAGS) for one in both)


@given(st.lists(st.text(max_size=5), max_size=4))
def test_any_header_is_read(values: list[str]) -> None:
    """Nothing without a 1 is on, and an added 1 turns it on."""
    assert not gpc(values) or any("1" in value for value in values)
    assert gpc([*values, "1"])
