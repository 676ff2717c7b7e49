"""Signals of a request: every carrier is read, and none that is broken gives."""

from typing import Any

import pytest

from pipeline.read_signals import SignalReader, sections
from pipeline.signals.reading import Reading
from schemas.consent import ASKED, ConsentClaim
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.site import Site
from tests.builders import DAY_MS, NOON_MS, raw_event
from tests.gpp_strings import encode_gpp
from tests.tc_strings import encode_tc

SITE = Site("example.com")
READER = SignalReader(load_policy())
ALL_PURPOSES = list(range(1, 12))


def read(
    raw: RawEvent, site: Site = SITE, *, place: str = "", tcf_applies: bool = True
) -> dict[str, Reading]:
    """Return the readings by source; no source is there twice."""
    found = READER.read(raw, site, place=place, tcf_applies=tcf_applies)
    by_source = {one.source: one for one in found}
    assert len(by_source) == len(found)
    return by_source


def claiming(**consent: Any) -> RawEvent:
    """Return an event with this consent object."""
    return raw_event(consent=consent)


def tc(**fields: Any) -> str:
    """Return a TC string of yesterday."""
    return encode_tc(created_ms=NOON_MS - DAY_MS, **fields)


def test_the_name_of_a_source_is_one_of_a_list() -> None:
    """It is stored with every row: a sender cannot write there what it likes."""
    assert set(read(claiming(statistics=True, source="klaro"))) == {"klaro"}
    assert set(read(claiming(statistics=True, source="didomi"))) == {"didomi"}
    assert set(read(claiming(statistics=True, source="browser_0123456789"))) == {"own"}


def test_a_request_that_says_nothing_has_no_reading() -> None:
    """A request that says nothing has no reading."""
    assert read(raw_event()) == {}
    assert read(claiming()) == {}


def test_own_states_are_read_as_they_are() -> None:
    """Own states are read as they are."""
    own = read(claiming(statistics=True, marketing=False, preference="requested"))[
        "own"
    ]
    assert own.states == {
        "statistics": "given",
        "marketing": "refused",
        "preference": "requested",
    }
    assert own.method == "explicit"
    assert own.updated_ms is None


@pytest.mark.parametrize(
    ("claim", "state", "problem"),
    [
        ({"method": "implied"}, "unknown", "implied"),
        ({"policy_version": "2019-01-01"}, "expired", "policy_version"),
        ({"policy_version": "2099-01-01"}, "expired", "policy_version"),
        ({"policy_version": "v2"}, "expired", "policy_version"),
        ({"updated_at": NOON_MS - 396 * DAY_MS}, "expired", "too_old"),
        ({"updated_at": NOON_MS + 2 * DAY_MS}, "expired", "in_future"),
        ({"updated_at": NOON_MS - 394 * DAY_MS}, "given", None),
        ({"policy_version": "2025-05-16"}, "given", None),
    ],
)
def test_what_a_claimed_grant_is_worth(
    claim: dict[str, Any], state: str, problem: str | None
) -> None:
    """What a claimed grant is worth."""
    own = read(claiming(statistics=True, marketing=False, **claim))["own"]
    assert own.states["statistics"] == state
    assert own.problems == ((problem,) if problem else ())
    # A refusal does not grow old.
    assert own.states["marketing"] == "refused"


def test_a_clock_that_runs_ahead_does_not_date_a_grant_later() -> None:
    """A clock that runs ahead does not date a grant later."""
    ahead = 300_000
    raw = raw_event(
        sent_at=NOON_MS + ahead,
        consent={"statistics": True, "updated_at": NOON_MS + ahead - 1000},
    )
    assert read(raw)["own"].updated_ms == NOON_MS - 1000
    behind = raw_event(
        sent_at=NOON_MS - ahead,
        consent={"statistics": True, "updated_at": NOON_MS - ahead},
    )
    assert read(behind)["own"].updated_ms == NOON_MS - ahead


@pytest.mark.parametrize(
    ("claim", "flag"),
    [
        ({"objection": True}, "objection"),
        ({"objection": 1}, "objection"),
        ({"child": True}, "child"),
        ({"coppa": 1}, "child"),
        ({"age_band": "under_13"}, "child"),
        ({"age_band": "13_15"}, "child"),
    ],
)
def test_own_flags(claim: dict[str, Any], flag: str) -> None:
    """Own flags."""
    assert read(claiming(**claim))["own"].flags == {flag}


def test_sixteen_is_no_child_and_a_site_for_children_has_no_adults() -> None:
    """Sixteen is no child and a site for children has no adults."""
    assert read(claiming(age_band="16_17")) == {}
    assert read(claiming(age_band="adult")) == {}
    site = Site("example.com", child_directed=True)
    assert read(raw_event(), site)["own"].flags == {"child"}


def test_browser_signals_from_headers_and_scripts() -> None:
    """Browser signals from headers and scripts."""
    headers = raw_event(headers={"sec-gpc": "1", "dnt": "1"})
    assert {name for one in read(headers).values() for name in one.flags} == {
        "gpc",
        "dnt",
    }
    assert read(raw_event(headers={"sec-gpc": "0", "dnt": "0"})) == {}
    assert read(raw_event(headers={"sec-gpc": "true"})) == {}
    assert read(raw_event(gpc=True))["gpc"].flags == {"gpc"}
    assert read(raw_event(dnt=True))["dnt"].flags == {"dnt"}
    assert read(claiming(gpc=1))["gpc"].flags == {"gpc"}


def test_a_tc_string_is_read_where_it_means_something() -> None:
    """A tc string is read where it means something."""
    raw = claiming(
        gdpr=1,
        gdpr_consent=tc(
            publisher_purpose_consents=ALL_PURPOSES, special_feature_opt_ins=[1]
        ),
    )
    assert read(raw)["tcf"].states == dict.fromkeys(ASKED, "given")
    assert read(raw, tcf_applies=False) == {}


def test_a_broken_tc_string_says_unknown_of_everything() -> None:
    """A broken tc string says unknown of everything."""
    whole = tc(publisher_purpose_consents=ALL_PURPOSES)
    for text in (whole[:20], whole.lower(), "DBABLA~BVQqAAAAAgA.QA", "x" * 8192):
        tcf = read(claiming(gdpr_consent=text))["tcf"]
        assert tcf.states == dict.fromkeys(ASKED, "unknown")
        assert tcf.problems
        assert text not in repr(tcf)


@pytest.mark.parametrize(
    "template",
    ["${GDPR_CONSENT_755}", "{{consent}}", "[CONSENT]", "%%TC%%", "undefined", "", " "],
)
def test_a_template_that_was_not_filled_in_says_nothing(template: str) -> None:
    """A template that was not filled in says nothing."""
    names = ("gdpr_consent", "gpp", "us_privacy", "gcs", "gcd")
    assert read(claiming(**dict.fromkeys(names, template))) == {}


def test_gpp_sections_in_force() -> None:
    """Gpp sections in force."""
    text = encode_gpp({"usnat": {"SaleOptOut": 1}, "usca": {"SaleOptOut": 2}})
    by_section = read(claiming(gpp=text, gpp_sid="7"))
    assert by_section["gpp_usnat"].flags == {"sale_opt_out"}
    assert "sale_opt_out" not in read(claiming(gpp=text, gpp_sid=[8]))["gpp_usca"].flags
    # Without a section the place says which.
    assert set(read(claiming(gpp=text), place="US-CA")) == {"gpp_usca"}
    assert set(read(claiming(gpp=text), place="US-NV")) == {"gpp_usnat"}


def test_a_broken_gpp_string_is_an_opt_out() -> None:
    """A broken gpp string is an opt out."""
    for text in ("DBABLA~B", "nonsense", tc()):
        flags = {
            flag
            for one in read(claiming(gpp=text, gpp_sid="7")).values()
            for flag in one.flags
        }
        assert flags >= {"sale_opt_out", "share_opt_out", "targeted_opt_out"}


def test_an_opt_out_in_the_wrong_place_holds() -> None:
    """A GPP string where a TC string belongs grants nothing and opts out."""
    text = encode_gpp({"usnat": {"SaleOptOut": 1}})
    found = read(claiming(gdpr_consent=text), place="US-NV")
    assert found["gpp_usnat"].flags == {"sale_opt_out"}
    assert found["gpp_usnat"].states == dict.fromkeys(ASKED, "unknown")
    assert found["tcf"].states == dict.fromkeys(ASKED, "unknown")


def test_a_section_that_is_not_there_takes_no_opt_out_away() -> None:
    """To name another section in force leaves what the string opts out of."""
    text = encode_gpp({"usca": {"SaleOptOut": 1}})
    found = read(claiming(gpp=text, gpp_sid="2"), place="US-CA")
    assert "sale_opt_out" in found["gpp_usca"].flags


def test_gpp_sid_that_cannot_be_read_is_as_none() -> None:
    """A gpp_sid that cannot be read is as none."""
    assert sections(None) == ()
    assert sections(ConsentClaim(gpp_sid="7,8")) == (7, 8)
    assert sections(ConsentClaim(gpp_sid="seven")) == ()
    assert sections(ConsentClaim(gpp_sid="${GPP_SID}")) == ()


def test_us_privacy_and_consent_mode() -> None:
    """Us privacy and consent mode."""
    found = read(claiming(us_privacy="1YYN", gcs="G111", gcd="11r1r1r1r5"))
    assert found["us_privacy"].flags == {"sale_opt_out"}
    assert found["consent_mode"].states["statistics"] == "given"
    assert read(claiming(gcs="G100"))["consent_mode"].states["statistics"] == "refused"


def test_objects_of_other_trackers() -> None:
    """Objects of other trackers."""
    segment = read(claiming(categoryPreferences={"analytics": True, "ads": False}))
    assert segment["segment"].states["statistics"] == "given"
    rudder = read(claiming(allowedConsentIds=["c1"], deniedConsentIds=["c2"]))
    assert "statistics" not in rudder["rudderstack"].states
    mapped = Site("example.com", consent_map={"c1": "statistics", "c2": "marketing"})
    rudder = read(claiming(allowedConsentIds=["c1"], deniedConsentIds=["c2"]), mapped)
    assert rudder["rudderstack"].states == {
        "statistics": "given",
        "marketing": "refused",
    }
    snow = read(claiming(eventType="deny_all", basisForProcessing="consent"))
    assert snow["snowplow"].states["statistics"] == "refused"


COOKIEBOT = (
    "{stamp:%27AAAA==%27%2Cnecessary:true%2Cpreferences:false%2Cstatistics:true"
    "%2Cmarketing:false%2Cmethod:%27explicit%27%2Cver:1%2Cutc:"
    + str(NOON_MS - DAY_MS)
    + "%2Cregion:%27de%27}"
)


def test_cookies_are_read_for_sites_that_say_so() -> None:
    """Cookies are read for sites that say so."""
    raw = raw_event(cookies=(("CookieConsent", COOKIEBOT),))
    assert read(raw) == {}
    site = Site("example.com", consent_cookies=("cookiebot",))
    assert read(raw, site)["cookiebot"].states["statistics"] == "given"
    assert read(raw, site)["cookiebot"].states["marketing"] == "refused"


def test_a_cookies_grant_grows_old_as_any_other() -> None:
    """A cookies grant grows old as any other."""
    old = COOKIEBOT.replace(str(NOON_MS - DAY_MS), str(NOON_MS - 400 * DAY_MS))
    site = Site("example.com", consent_cookies=("cookiebot",))
    found = read(raw_event(cookies=(("CookieConsent", old),)), site)["cookiebot"]
    assert found.states["statistics"] == "expired"
    assert found.states["marketing"] == "refused"
    assert "too_old" in found.problems


def test_iab_strings_in_cookies_count_beside_those_in_the_object() -> None:
    """Iab strings in cookies count beside those in the object."""
    site = Site("example.com", consent_cookies=("iab",))
    refusing = raw_event(
        cookies=(("euconsent-v2", tc(purpose_consents=[])),),
        consent={"gdpr_consent": tc(publisher_purpose_consents=ALL_PURPOSES)},
    )
    found = READER.read(refusing, site, place="", tcf_applies=True)
    states = [one.states["statistics"] for one in found if one.source == "tcf"]
    assert sorted(states) == ["given", "refused"]
    opted_out = raw_event(cookies=(("usprivacy", "1YYN"),))
    assert read(opted_out, site)["us_privacy"].flags == {"sale_opt_out"}
    assert read(opted_out) == {}


def test_gdpr_0_takes_grants_away_and_no_refusal() -> None:
    """Where the string is read although the sender says that it does not apply."""
    granting = tc(publisher_purpose_consents=ALL_PURPOSES)
    granted = read(claiming(gdpr=0, gdpr_consent=granting))["tcf"]
    refusing = tc(publisher_purpose_consents=[1])
    refused = [
        read(claiming(gdpr=gdpr, gdpr_consent=refusing))["tcf"] for gdpr in (0, 1)
    ]
    believed = read(claiming(gdpr=1, gdpr_consent=granting))["tcf"]

    assert set(believed.states.values()) >= {"given"}
    assert "given" not in granted.states.values()
    assert "gdpr_0" in granted.problems
    assert refused[0].states["statistics"] == refused[1].states["statistics"]
    assert refused[0].states["statistics"] == "refused"
