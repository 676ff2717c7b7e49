"""Consent states: what may be said of a category, and what it means."""

import msgspec
import pytest

from schemas.consent import CATEGORIES, DENIED, ConsentClaim, ConsentState, state_of
from tests.strategies import STATES


@pytest.mark.parametrize(
    ("claim", "state"),
    [
        (None, "unknown"),
        (True, "given"),
        (False, "refused"),
        *((word, word) for word in STATES),
    ],
)
def test_claims(claim: bool | str | None, state: str) -> None:  # noqa: FBT001
    """Yes, no, nothing and a state's own name are understood."""
    read = msgspec.convert({"statistics": claim}, ConsentClaim)

    assert state == state_of(read.statistics)


@pytest.mark.parametrize("claim", ["yes", "granted", "Given", "", "true", 1, 0, [], {}])
def test_no_claim(claim: object) -> None:
    """What looks like a yes and is none of ours is refused, never taken for one."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"statistics": claim}, ConsentClaim)


def test_unknown_category() -> None:
    """A category that does not exist is an error and not a silent loss."""
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"analytics": True}, ConsentClaim)


def test_nothing_is_unknown() -> None:
    """Without a word every asking category is unknown; essential asks nobody."""
    state = ConsentState()

    assert ["given", *["unknown"] * 4] == [state.of(name) for name in CATEGORIES]


def test_each_category_has_its_state() -> None:
    """A state is that of its own category."""
    state = ConsentState("given", "refused", "withdrawn", "expired")

    assert ["given", "given", "refused", "withdrawn", "expired"] == [
        state.of(name) for name in CATEGORIES
    ]


def test_denied() -> None:
    """Refused and withdrawn are denials; not knowing is none."""
    assert {"refused", "withdrawn"} == DENIED
