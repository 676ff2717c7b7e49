"""Pseudonyms: none without consent, none across sites."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.identify import NOBODY, Visitor, candidate, identify
from pipeline.salt import DaySalt
from schemas.consent import CATEGORIES
from schemas.outcome import Grant
from tests.builders import DAY_MS, NOON_MS, raw_event

KEY = b"k" * 32
BROWSER = "browser_0123456789"


@pytest.fixture
def salts(tmp_path: Path) -> DaySalt:
    """A day's salt of its own."""
    return DaySalt(tmp_path / "day.salt")


def grant(outcome: str = "identified", *without: str) -> Grant:
    """Return a grant of everything but some categories."""
    granted = frozenset(CATEGORIES) - set(without)
    return Grant(outcome, ("consent_given",), granted, frozenset(), "opt_in")  # type: ignore[arg-type]


def who(salts: DaySalt, name: str = "page_view", /, **fields: Any) -> Visitor:
    """Return the visitor of an identified event."""
    return identify(candidate(raw_event(name, **fields), KEY, salts), grant())


@pytest.mark.parametrize(
    "given",
    [
        grant("anonymous"),
        grant("counted"),
        grant("dropped"),
        grant("identified", "statistics"),
    ],
)
@pytest.mark.parametrize(
    "raw",
    [
        raw_event(visitor=BROWSER),
        raw_event(),
        raw_event("email_open", recipient="token"),
    ],
)
def test_nobody_without_consent(salts: DaySalt, given: Grant, raw: Any) -> None:
    """Without an identified outcome and statistics consent nobody is recognised."""
    assert NOBODY == identify(candidate(raw, KEY, salts), given)


def test_scopes(salts: DaySalt) -> None:
    """A browser's own pseudonym lasts, address and agent last for the day."""
    assert "persistent" == who(salts, visitor=BROWSER).scope
    assert "day" == who(salts).scope
    assert ("persistent", "none") == (
        who(salts, "email_open", recipient="token").scope,
        who(salts, "email_open").scope,
    )


def test_mail_without_token_is_nobody(salts: DaySalt) -> None:
    """A mail proxy's address tells nothing of the reader."""
    for name in ("email_open", "email_click"):
        assert NOBODY == who(salts, name)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("page_view", {"visitor": BROWSER}, {"visitor": BROWSER + "x"}),
        ("page_view", {"visitor": BROWSER}, {"visitor": BROWSER, "site": "b.com"}),
        ("page_view", {}, {"site": "b.com"}),
        ("page_view", {}, {"address": "203.0.113.78"}),
        ("page_view", {}, {"user_agent": "another"}),
        ("page_view", {}, {"received_ms": NOON_MS + DAY_MS}),
        ("email_open", {"recipient": "a"}, {"recipient": "b"}),
        ("email_open", {"recipient": "a"}, {"recipient": "a", "site": "b.com"}),
        ("email_open", {"recipient": BROWSER}, {"visitor": BROWSER}),
    ],
)
def test_different(
    salts: DaySalt, name: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Another browser, site, network, agent, day or reader is another visitor."""
    assert who(salts, name, **one).id != who(salts, name, **other).id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"visitor": BROWSER},
            {
                "visitor": BROWSER,
                "address": "2001:db8::1",
                "user_agent": "x",
                "received_ms": NOON_MS + 90 * DAY_MS,
            },
        ),
        ({}, {"received_ms": NOON_MS + 60_000, "url": "https://example.com/b"}),
    ],
)
def test_same(salts: DaySalt, one: dict[str, Any], other: dict[str, Any]) -> None:
    """A browser's pseudonym lasts; within a day address and agent are enough."""
    assert who(salts, **one) == who(salts, **other)


def test_mail_and_its_click_are_one_reader(salts: DaySalt) -> None:
    """Who opens a mail and who clicks in it have one pseudonym."""
    assert who(salts, "email_open", recipient="a") == who(
        salts, "email_click", recipient="a"
    )


def test_key_matters(salts: DaySalt) -> None:
    """Another installation makes other pseudonyms of the same token."""
    raw = raw_event(visitor=BROWSER)

    assert candidate(raw, KEY, salts) != candidate(raw, b"q" * 32, salts)


def test_agent_may_be_any_bytes(salts: DaySalt) -> None:
    """An agent that is not UTF-8 has a pseudonym as well."""
    assert 0 < who(salts, user_agent="Mozilla\udcff").id < 2**64
