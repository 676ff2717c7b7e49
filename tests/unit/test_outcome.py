"""Outcomes: what is not declared cannot be said."""

import pytest

from schemas.outcome import INVALID, REASONS, Drop, Grant, Invalid


@pytest.mark.parametrize("reason", REASONS)
def test_declared_reasons(reason: str) -> None:
    """Every declared reason can be given."""
    assert (reason,) == Drop("dropped", (reason,)).reasons
    assert (reason,) == Grant(
        "dropped", (reason,), frozenset(), frozenset(), "opt_in"
    ).reasons


def test_undeclared_reason() -> None:
    """A reason that is not declared cannot be given, not even beside one that is."""
    with pytest.raises(LookupError, match="mood"):
        Drop("dropped", ("no_consent", "mood"))
    with pytest.raises(LookupError, match="mood"):
        Grant("dropped", ("no_consent", "mood"), frozenset(), frozenset(), "opt_in")


@pytest.mark.parametrize("code", INVALID)
def test_declared_codes(code: str) -> None:
    """Every declared code can be given."""
    assert code == Invalid(code, "words").code


def test_undeclared_code() -> None:
    """A code that is not declared cannot be given."""
    with pytest.raises(LookupError, match="mood"):
        Invalid("mood", "words")


def test_every_word_is_explained() -> None:
    """Reasons and codes are documented where they are declared."""
    assert [] == [word for word, text in {**REASONS, **INVALID}.items() if not text]
