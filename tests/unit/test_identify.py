"""Pseudonyms: none without consent, none across sites."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.identify import NOBODY, Visitor, candidate, identify, with_day
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
    raw = raw_event(name, **fields)
    return identify(candidate(raw, KEY, salts), grant(), raw, salts, consented=True)


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
        raw_event(account="jane@example.com"),
    ],
)
def test_nobody_without_consent(salts: DaySalt, given: Grant, raw: Any) -> None:
    """Without an identified outcome and statistics consent nobody is recognised."""
    visitor = candidate(raw, KEY, salts)
    assert NOBODY == identify(visitor, given, raw, salts, consented=True)


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
        ("page_view", {"account": BROWSER}, {"visitor": BROWSER}),
        ("page_view", {"account": "jane"}, {"account": "Jane"}),
        ("page_view", {"account": "jane"}, {"account": "jane", "site": "b.com"}),
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
        (
            {"account": "jane", "door": "server"},
            {
                "account": "jane",
                "door": "server",
                "address": "2001:db8::1",
                "received_ms": NOON_MS + 400 * DAY_MS,
            },
        ),
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


def test_who_is_signed_in_is_one_on_all_devices(salts: DaySalt) -> None:
    """The account is the pseudonym; what the device is known by is kept in mind."""
    signed_in = who(salts, account="jane", visitor=BROWSER)
    elsewhere = who(salts, account="jane", address="203.0.113.78")
    server = who(salts, account="jane", door="server")
    token, day = who(salts, visitor=BROWSER), who(salts, address="203.0.113.78")

    assert {signed_in.id} == {elsewhere.id, server.id}
    assert {"account"} == {signed_in.scope, elsewhere.scope, server.scope}
    assert [(token.id,), (day.id,), ()] == [
        one.others for one in (signed_in, elsewhere, server)
    ]
    assert [(), (day.id,), ()] == [
        one.passing for one in (signed_in, elsewhere, server)
    ]


def test_pseudonyms_say_which_of_them_last(salts: DaySalt) -> None:
    """Those of tokens and accounts do; nobody has none."""
    signed_in = who(salts, account="jane", visitor=BROWSER)
    day = who(salts, account="jane")

    assert [] == list(NOBODY.pseudonyms())
    assert [(signed_in.id, True), (signed_in.others[0], True)] == list(
        signed_in.pseudonyms()
    )
    assert [(day.id, True), (day.others[0], False)] == list(day.pseudonyms())
    assert [False] == [lasts for _, lasts in who(salts).pseudonyms()]


def test_an_account_is_read_nowhere(salts: DaySalt) -> None:
    """It is not in what says whose an event is, and depends on a secret."""
    raw = raw_event(account="jane@example.com")
    one, other = candidate(raw, KEY, salts), candidate(raw, b"q" * 32, salts)

    assert one.id != other.id
    assert "jane" not in repr((one, raw, raw.event))


@pytest.mark.parametrize(
    ("trusted", "address", "agent", "scope"),
    [
        (True, "203.0.113.77", "Mozilla/5.0", "day"),
        (True, "", "Mozilla/5.0", "none"),
        (True, "203.0.113.77", "", "none"),
        (False, "203.0.113.77", "Mozilla/5.0", "none"),
    ],
)
def test_a_server_may_speak_for_a_visitor(
    salts: DaySalt, address: str, agent: str, scope: str, *, trusted: bool
) -> None:
    """With a key, and address and agent of the visitor: as the visitor itself would."""
    raw = raw_event(door="server", address=address, user_agent=agent)
    raw.trusted = trusted
    found = candidate(raw, KEY, salts)
    page = candidate(raw_event(address=address, user_agent=agent), KEY, salts)

    assert scope == found.scope
    if scope == "day":
        assert found == page


def test_who_hides_the_address_is_nobody(tmp_path: Path) -> None:
    """All with one agent behind a proxy that hides them would be one visitor."""
    hidden = raw_event(address="", user_agent="Mozilla/5.0")

    assert candidate(hidden, KEY, DaySalt(tmp_path / "day.salt")) == NOBODY


@pytest.mark.parametrize(
    ("fields", "scope"),
    [
        ({"visitor": BROWSER}, "day"),
        ({"account": "jane"}, "day"),
        ({}, "day"),
        ({"visitor": BROWSER, "door": "server"}, "none"),
    ],
)
def test_what_lasts_needs_a_yes(
    salts: DaySalt, fields: dict[str, Any], scope: str
) -> None:
    """Rules that allow a row without consent allow a pseudonym of the day alone."""
    raw = raw_event(**fields)
    visitor = candidate(raw, KEY, salts)
    found = identify(visitor, grant(), raw, salts, consented=False)
    stranger = candidate(raw_event(), KEY, salts)

    assert found.scope == scope
    assert found.id == (stranger.id if scope == "day" else 0)
    # It is among the names under which a withdrawal is looked up.
    assert {found.id} - {0} <= {
        one for one, _ in with_day(visitor, raw, salts).pseudonyms()
    }


def test_a_reader_of_mails_has_no_day(salts: DaySalt) -> None:
    """Without a yes a recipient is nobody: the address is a mail proxy's."""
    raw = raw_event("email_open", recipient="token")
    visitor = candidate(raw, KEY, salts)

    assert identify(visitor, grant(), raw, salts, consented=False) == NOBODY
    assert with_day(visitor, raw, salts) == visitor
