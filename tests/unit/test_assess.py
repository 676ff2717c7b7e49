"""Which rules decide on a request, what it says, and what restricts it beside that."""

from typing import Any

import pytest

from pipeline.assess import Assessor, circumstances
from pipeline.caller import device_of, header_flags
from pipeline.merge import NOTHING
from pipeline.robots import agents_and_referrers
from schemas.consent import ConsentState
from schemas.packs import load_packs
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.site import Site, make_site
from tests.builders import DAY_MS
from tests.builders import raw_event as any_event
from tests.tc_strings import encode_tc

# 2026-11-22: all the packs decide by then.
NOON_MS = 1_795_348_800_000

ROBOTS = agents_and_referrers()


def told(raw: RawEvent, consent: ConsentState) -> list[str]:
    """Return the circumstances of an event."""
    robots = ROBOTS.flags(raw, device_of(raw))
    return [*circumstances(raw, consent, robots, header_flags(raw.headers))]


ASSESSOR = Assessor(load_policy(), load_packs())
STRICT = Site("example.com")
AUTO = make_site("example.com", {"rules": ["auto"]})
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def raw_event(name: str = "page_view", /, **changes: Any) -> RawEvent:
    """Return an event of a day on which all the packs decide."""
    return any_event(name, occurred_ms=NOON_MS, received_ms=NOON_MS, **changes)


def regime(raw: RawEvent, place: str, site: Site = AUTO) -> list[str]:
    """Return the packs in force for a request."""
    return ASSESSOR.assess(raw, site, place).rules.regime.split("+")


def test_one_configured_pack_decides_everywhere() -> None:
    """One configured pack decides everywhere."""
    for place in ("", "DE", "US-CA", "JP"):
        assert regime(raw_event(), place, STRICT) == ["eu_strict"]


@pytest.mark.parametrize(
    ("place", "pack"),
    [
        ("DE", "eu_strict"),
        ("FR", "eu_strict"),
        ("GB", "gb_statistical"),
        ("US-CA", "us_ca"),
        ("US-CO", "us_uoom"),
        ("US-NV", "us_other"),
        ("US", "us_other"),
        ("BR", "br"),
        ("CA-QC", "ca_qc"),
    ],
)
def test_the_place_of_the_address_chooses(place: str, pack: str) -> None:
    """The place of the address chooses."""
    assert regime(raw_event(), place) == [pack]


def test_an_unknown_place_is_under_all_of_the_sites_packs() -> None:
    """An unknown place is under all of the sites packs."""
    for place in ("", "JP", "CA-ON"):
        found = regime(raw_event(), place)
        assert found[0] == "unknown_geo"
        assert {"eu_strict", "us_other", "br"} <= set(found)


def test_what_is_declared_is_added_and_never_taken_instead() -> None:
    """What is declared is added and never taken instead."""
    claimed = raw_event(consent={"gdpr": 1})
    assert set(regime(claimed, "US-NV")) == {"us_other", "eu_strict"}
    assert regime(claimed, "DE") == ["eu_strict"]
    # A page cannot talk a visitor out of the place of the address.
    assert regime(raw_event(consent={"gdpr": 0}), "DE") == ["eu_strict"]
    signed_in = raw_event(consent={"jurisdiction": "DE"})
    assert set(regime(signed_in, "US-NV")) == {"us_other", "eu_strict"}
    section = raw_event(consent={"gpp_sid": "8"})
    assert set(regime(section, "US-NV")) == {"us_other", "us_ca"}


def test_a_servers_address_says_nothing_of_its_visitor() -> None:
    """A servers address says nothing of its visitor."""
    raw = raw_event(door="server")
    assert regime(raw, "US-NV")[0] == "unknown_geo"
    declared = raw_event(door="server", consent={"jurisdiction": "US-NV"})
    assert regime(declared, "DE") == ["us_other"]
    # Nor does the address of a mail's proxy.
    assert regime(raw_event("email_open"), "US-NV")[0] == "unknown_geo"


def test_gdpr_0_is_believed_only_where_the_rules_agree() -> None:
    """Gdpr 0 is believed only where the rules agree."""
    refusing = encode_tc(created_ms=NOON_MS - DAY_MS)
    raw = raw_event(consent={"gdpr": 0, "gdpr_consent": refusing})
    assert ASSESSOR.assess(raw, AUTO, "US-NV").consent == NOTHING
    for place in ("DE", "GB", ""):
        consent = ASSESSOR.assess(raw, AUTO, place).consent
        assert consent.statistics == "refused"
    # Without the word of the page a refusal counts anywhere.
    silent = raw_event(consent={"gdpr_consent": refusing})
    assert ASSESSOR.assess(silent, AUTO, "US-NV").consent.statistics == "refused"


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"headers": {"sec-purpose": "prefetch;prerender"}}, "prefetch"),
        ({"headers": {"purpose": "prefetch"}}, "prefetch"),
        ({"headers": {"x-moz": "prefetch"}}, "prefetch"),
        ({"headers": {"save-data": "on"}}, "save_data"),
        ({"automated": True}, "automated"),
        ({"user_agent": ROBOT}, "robot"),
    ],
)
def test_circumstances(changes: dict[str, Any], flag: str) -> None:
    """Circumstances."""
    assert told(raw_event(**changes), NOTHING) == [flag]


def test_a_plain_visit_has_no_circumstances() -> None:
    """A plain visit has no circumstances."""
    headers = {"save-data": "off", "sec-purpose": ""}
    assert told(raw_event(headers=headers), NOTHING) == []


def test_mail_is_opened_asked_or_unasked_and_never_by_a_robot() -> None:
    """Mail is opened asked or unasked and never by a robot."""
    opened = raw_event("email_open", user_agent=ROBOT)
    assert told(opened, NOTHING) == ["mail_unasked"]
    assert told(opened, ConsentState(statistics="given")) == []
    clicked = raw_event("email_click", target_url="https://example.com/")
    assert told(clicked, NOTHING) == []


def test_a_servers_program_is_no_robot() -> None:
    """A servers program is no robot."""
    raw = raw_event(door="server", user_agent="curl/8.5.0")
    assert told(raw, NOTHING) == []
