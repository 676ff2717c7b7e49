"""Unexpanded macros: absent, neither a yes nor a no."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.macros import is_absent

ABSENT = [
    None,
    "",
    " ",
    "\t\n",
    "${GDPR_CONSENT_755}",
    "${GPP_STRING_7}",
    "${}",
    "$!{gdpr}",
    "{{gdpr_consent}}",
    "{{ us_privacy }}",
    "[GPP_SID]",
    "[]",
    "%%GDPR%%",
    "%%%%",
    "undefined",
    "null",
    " ${GDPR} ",
]
PRESENT = [
    "0",
    "1",
    "1YNN",
    "1---",
    "DBABLA~BAAAAAAAAQA.QA",
    "G1--",
    "{GDPR}",
    "$GDPR",
    "$(GDPR)",
    "x${GDPR}",
    "${GDPR}x",
    "${GDPR}${GDPR}",
    "${GDPR",
    "{{a}}1YYN{{b}}",
    "{{a}",
    "[a]1YYN[b]",
    "[a",
    "%%a%%1YYN%%b%%",
    "%GDPR%",
    "%%GDPR",
    "Undefined",
    "NULL",
    "none",
    "nullundefined",
    "undefined1",
]


@pytest.mark.parametrize("text", ABSENT)
def test_these_say_nothing(text: str | None) -> None:
    """Ad servers', mail tools' and templates' tags, and nothing itself."""
    assert is_absent(text)


@pytest.mark.parametrize("text", PRESENT)
def test_these_are_there(text: str) -> None:
    """The whole text must be one macro; rubbish around one is rubbish."""
    assert not is_absent(text)


@given(st.text(max_size=30))
def test_blanks_around_it_do_not_matter(text: str) -> None:
    """As little as for any parameter."""
    assert is_absent(text) is is_absent(f" {text} ")


def test_long_texts_cost_little() -> None:
    """Openings without an end are looked at once."""
    started = time.perf_counter()
    for piece in ("${", "{{", "[", "%%", "$!{", " "):
        is_absent(piece * 50_000 + "x")
    assert time.perf_counter() - started < 1
