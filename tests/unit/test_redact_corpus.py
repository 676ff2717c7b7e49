"""The corpus: what is found in real texts, and what is left alone."""

import pytest

from pipeline.redact import redact
from schemas.redaction import RULES
from tests.redact_corpus import examples, finds, keeps

LIMIT = 500
# Found by a property's name alone.
BY_NAME = {"contact"}


@pytest.mark.parametrize(("rule", "text", "kept"), finds())
def test_personal_data_goes(rule: str, text: str, kept: str) -> None:
    """Each is replaced by its word, its surroundings stay, its rule is told."""
    found = redact(text, LIMIT)

    assert kept == found.text
    assert rule in found.rules


@pytest.mark.parametrize("text", keeps())
def test_the_rest_stays(text: str) -> None:
    """Titles, versions, dates, product numbers and identifiers survive."""
    assert text == redact(text, LIMIT).text


def test_every_rule_has_examples() -> None:
    """No rule is in the list that nothing is found by, or the other way round."""
    assert set(RULES) - BY_NAME == {rule for rule, _, _ in finds()}


def test_examples_are_taken_apart() -> None:
    """What the property plants is what the corpus says is found."""
    for example in examples():
        assert example.secret
        assert example.secret in example.text
