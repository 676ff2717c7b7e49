"""Cookies of consent managers: what no text may ever bring about."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.signals.cmp_cookies import (
    CMPS,
    IAB_COOKIES,
    PROBLEMS,
    CmpCookie,
    decode_cookie,
    read_cookies,
)
from pipeline.signals.cmp_ids import ASKED, COMMON_IDS, DEFAULT_IDS
from pipeline.signals.errors import CODES, SignalError
from pipeline.signals.reading import Reading
from schemas import consent
from tests.unit.signals import cmp_samples as samples

MAPPINGS: list[dict[str, str]] = [
    {},
    {"matomo": "statistics", "gtag": "statistics", "pixel": "marketing"},
    {"C0005": "statistics", "other": "marketing", "4": "marketing"},
    {"performance": "", "statistics-anonymous": "statistics"},
]
NAMES = [
    "CookieConsent",
    "OptanonConsent",
    "OptanonAlertBoxClosed",
    "cookieyes-consent",
    "cmplz_statistics",
    "cmplz_banner-status",
    "cmplz_policy_id",
    "cc_cookie",
    "klaro",
    "borlabs-cookie",
    "_iub_cs-1",
    "tarteaucitron",
    "notice_gdpr_prefs",
    "notice_preferences",
    "notice_behavior",
    "cmapi_cookie_privacy",
    "CookieInformationConsent",
    "cookieconsent_status",
    "viewed_cookie_policy",
    "cookielawinfo-checkbox-analytics",
    *IAB_COOKIES,
]
# Any text at all, lone surrogates among them.
anything = st.text(st.characters(), max_size=60)
names = st.sampled_from(NAMES) | anything
values = anything | st.text("{}[]:,!=&%'\"0127tfans", max_size=60)
on = st.booleans()


def switches(*keys: str) -> st.SearchStrategy[dict[str, bool]]:
    """Return each of these keys on or off, in any order."""
    return st.permutations(keys).flatmap(
        lambda order: st.fixed_dictionaries(dict.fromkeys(order, on))
    )


def some(*keys: str) -> st.SearchStrategy[list[str]]:
    """Return some of these keys."""
    return st.lists(st.sampled_from(keys), unique=True)


groups = switches("C0001", "C0002", "C0003", "C0004", "C0005", "C0035")
boxes = switches("functional", "analytics", "performance", "advertisement", "other")
services = switches("matomo", "gtag", "pixel", "video")
# Whole cookies of every kind.
cookies = st.one_of(
    st.tuples(
        st.just("CookieConsent"),
        st.builds(samples.cookiebot, st.text("01", min_size=3, max_size=3)),
    ),
    st.tuples(st.just("CookieConsent"), st.sampled_from(["0", "-1"])),
    st.tuples(
        st.just("OptanonConsent"),
        st.builds(
            samples.onetrust,
            groups,
            interactionCount=st.sampled_from(["0", "1", "10"]),
            AwaitingReconsent=st.sampled_from(["true", "false"]),
        ),
    ),
    st.tuples(
        st.just("cookieyes-consent"),
        st.builds(
            samples.cookieyes,
            boxes,
            st.sampled_from(["yes", "no"]),
            st.sampled_from(["yes", "no", ""]),
        ),
    ),
    st.tuples(
        st.just("cc_cookie"),
        some("functionality", "analytics", "ads", "performance").map(
            lambda names: samples.cookieconsent(*names)
        ),
    ),
    st.tuples(st.just("klaro"), services.map(samples.encoded)),
    st.tuples(st.just("klaro"), services.map(json.dumps)),
    st.tuples(
        st.just("tarteaucitron"), services.map(lambda on: samples.tarteaucitron(**on))
    ),
    st.tuples(
        st.just("borlabs-cookie"),
        some("statistics", "marketing", "external-media").map(
            lambda names: samples.borlabs({name: ["x"] for name in names})
        ),
    ),
    st.tuples(
        st.just("_iub_cs-42"),
        switches("p2", "p3", "p4", "p5").map(lambda on: samples.iubenda(**on)),
    ),
    st.tuples(
        st.just("CookieInformationConsent"),
        st.builds(
            samples.cookie_information,
            some("functional", "statistic", "marketing"),
            some("functional", "statistic", "marketing"),
        ),
    ),
    st.tuples(
        st.just("notice_gdpr_prefs"),
        st.sampled_from(
            ["0:", "0,1:", "0:1:2:", "0,2:", "0,1,2,3:", "0,1::implied,us"]
        ),
    ),
    st.tuples(st.just("notice_preferences"), st.sampled_from(["0:", "1:", "2:", "3:"])),
    st.tuples(
        st.just("cmapi_cookie_privacy"),
        st.sampled_from(["permit 1,2,3", "permit 1 required", "permit%201%2C3"]),
    ),
    st.tuples(
        st.just("cookieconsent_status"), st.sampled_from(["allow", "deny", "dismiss"])
    ),
    st.tuples(st.just("cmplz_statistics"), st.sampled_from(["allow", "deny"])),
    st.tuples(st.just("cmplz_banner-status"), st.sampled_from(["dismissed", "show"])),
    st.tuples(st.just("viewed_cookie_policy"), st.sampled_from(["yes", "no"])),
    st.tuples(
        st.just("cookielawinfo-checkbox-analytics"), st.sampled_from(["yes", "no"])
    ),
    st.tuples(
        st.just("notice_behavior"), st.sampled_from(["implied,eu", "expressed,us"])
    ),
    st.tuples(st.just("OptanonAlertBoxClosed"), st.just(samples.CHOSEN_ISO)),
)
# Beside the one that is cut: the rest of the families, and the companions.
BESIDE = [
    ("cmplz_banner-status", "dismissed"),
    ("cmplz_marketing", "allow"),
    ("cmplz_statistics", "allow"),
    ("viewed_cookie_policy", "yes"),
    *(
        (f"cookielawinfo-checkbox-{key}", "yes")
        for key in ("functional", "analytics", "performance", "advertisement")
    ),
    ("notice_behavior", "expressed,eu"),
    ("notice_preferences", "2:"),
    ("OptanonConsent", samples.onetrust({"C0002": True}, interactionCount="0")),
]


def read(
    found: list[tuple[str, str]], mapping: Mapping[str, str] | None = None
) -> list[Reading]:
    """Read cookies, all consent managers being looked for."""
    return read_cookies(found, cmps=CMPS, mapping=mapping or {}, now_ms=samples.NOW)


def merged(
    name: str, value: str, mapping: Mapping[str, str], *, alone: bool
) -> dict[tuple[str, str], set[str]]:
    """Return the states of each source's categories, in all of its readings."""
    beside = [] if alone else [cookie for cookie in BESIDE if cookie[0] != name]
    states: dict[tuple[str, str], set[str]] = {}
    for reading in read([(name, value), *beside], mapping):
        for category, state in reading.states.items():
            states.setdefault((reading.source, category), set()).add(state)
    return states


def granted(states: Mapping[tuple[str, str], set[str]]) -> set[tuple[str, str]]:
    """Return what all readings of a source agree to."""
    return {key for key, said in states.items() if said == {"given"}}


def closed(states: Mapping[tuple[str, str], set[str]]) -> set[tuple[str, str]]:
    """Return what a source keeps others from granting."""
    return {key for key, said in states.items() if said != {"given"}}


@settings(max_examples=200)
@given(cookies, st.sampled_from(MAPPINGS), st.booleans(), st.data())
def test_a_cut_cookie_grants_no_more(
    cookie: tuple[str, str],
    mapping: dict[str, str],
    alone: bool,  # noqa: FBT001
    data: st.DataObject,
) -> None:
    """Whatever is cut off a cookie, nothing is given that was not."""
    name, value = cookie
    length = data.draw(st.integers(0, len(value) - 1))
    before = merged(name, value, mapping, alone=alone)
    after = merged(name, value[:length], mapping, alone=alone)

    assert granted(after) <= granted(before)
    # Nor does it leave to another source what it had closed.
    assert closed(after) >= closed(before)


# One of each kind whose last word is a no.
LAST_IS_NO = [
    ("CookieConsent", samples.cookiebot("110")),
    (
        "OptanonConsent",
        samples.onetrust({"C0004": True, "C0002": True, "C0005": False}),
    ),
    (
        "OptanonConsent",
        samples.onetrust({"C0002": True, "C0004": False}, AwaitingReconsent="true"),
    ),
    (
        "cookieyes-consent",
        samples.cookieyes(
            {
                "functional": True,
                "analytics": True,
                "advertisement": True,
                "other": False,
                "performance": False,
            }
        ),
    ),
    ("cc_cookie", samples.cookieconsent("analytics", expirationTime=1)),
    ("klaro", json.dumps({"matomo": True, "pixel": True, "gtag": False})),
    ("tarteaucitron", samples.tarteaucitron(matomo=True, pixel=True, gtag=False)),
    ("borlabs-cookie", samples.borlabs({"statistics": ["x"], "marketing": []})),
    ("_iub_cs-42", samples.iubenda(p4=True, p5=True, p2=True, p3=False)),
    (
        "CookieInformationConsent",
        samples.cookie_information(["statistic", "marketing"], ["statistic"]),
    ),
    ("notice_gdpr_prefs", "0,1::implied,us"),
    ("notice_preferences", "1:"),
    ("cmapi_cookie_privacy", "permit 1 required"),
    ("cmplz_statistics", "deny"),
    ("viewed_cookie_policy", "no"),
    ("notice_behavior", "implied,eu"),
]


@pytest.mark.parametrize("mapping", range(len(MAPPINGS)))
@pytest.mark.parametrize("cookie", range(len(LAST_IS_NO)))
def test_every_cut(cookie: int, mapping: int) -> None:
    """At no length does a cookie grant more than whole."""
    name, value = LAST_IS_NO[cookie]
    alone = not name.startswith(("cmplz_", "viewed_", "notice_behavior"))
    before = merged(name, value, MAPPINGS[mapping], alone=alone)
    for length in range(len(value)):
        after = merged(name, value[:length], MAPPINGS[mapping], alone=alone)
        assert granted(after) <= granted(before)
        assert closed(after) >= closed(before)


def test_cuts_have_something_to_lose() -> None:
    """The two tests above are about cookies that grant."""
    on = dict.fromkeys(("matomo", "gtag", "pixel"), True)
    whole = merged(
        "tarteaucitron", samples.tarteaucitron(**on), MAPPINGS[1], alone=True
    )
    cut = merged("tarteaucitron", "!matomo=true", MAPPINGS[1], alone=True)
    beside = merged("OptanonAlertBoxClosed", samples.CHOSEN_ISO, {}, alone=False)

    assert ("tarteaucitron", "marketing") in granted(whole)
    assert set() == granted(cut)
    assert {
        ("complianz", "statistics"),
        ("cookielawinfo", "statistics"),
        ("onetrust", "statistics"),
        ("trustarc", "preference"),
    } <= granted(beside)


def attempt(name: str, value: str) -> CmpCookie | SignalError:
    """Decode a cookie, or return why it cannot be."""
    try:
        return decode_cookie(name, value)
    except SignalError as error:
        return error


@given(names, values)
def test_decode_raises_nothing_else(name: str, value: str) -> None:
    """Any text is a cookie or a SignalError, which holds no other exception."""
    found = attempt(name, value)
    if isinstance(found, SignalError):
        assert found.code in CODES
        assert found.__context__ is None
    else:
        json.dumps(found.as_dict())


@given(st.lists(st.tuples(names, values) | cookies, max_size=6))
def test_read_raises_nothing(found: list[tuple[str, str]]) -> None:
    """Any cookies give readings, of known sources, states and problems."""
    for reading in read(found, MAPPINGS[1]):
        assert reading.source in CMPS
        assert set(reading.states) <= set(ASKED)
        assert set(reading.problems) <= set(PROBLEMS) | set(CODES)
        if reading.problems or reading.method != "explicit":
            assert "given" not in reading.states.values()


@given(cookies, st.data())
def test_a_changed_character_breaks_nothing(
    cookie: tuple[str, str], data: st.DataObject
) -> None:
    """A cookie with any one character changed is read, or is not."""
    name, value = cookie
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters() | st.sampled_from("%{}[]:,!=&'\"0"))
    for reading in read([(name, value[:at] + other + value[at + 1 :]), *BESIDE]):
        assert reading.source in CMPS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CookieConsent", samples.cookiebot("111", stamp="canary")),
        (
            "OptanonConsent",
            samples.onetrust(
                {"canary": True, "C0002": True},
                consentId="canary",
                landingPath="https://shop.example/canary",
                geolocation="canary",
                version="canary",
            ),
        ),
        ("cookieyes-consent", "consentid:canary,consent:yes,action:yes,analytics:yes"),
        ("cc_cookie", samples.cookieconsent("analytics", consentId="canary")),
        ("klaro", samples.encoded({"canary": True})),
        ("tarteaucitron", "!canary=true!id=canary"),
        ("borlabs-cookie", samples.borlabs({"statistics": ["x"]}, uid="canary")),
        (
            "CookieInformationConsent",
            samples.cookie_information(["canary"], ["canary"]),
        ),
        ("_iub_cs-1", samples.encoded({"consent": True, "id": "canary"})),
        ("cmplz_canary", "canary"),
        ("cookielawinfo-checkbox-canary", "canary"),
        ("OptanonConsent", "canary"),
    ],
)
def test_readings_hold_nothing_personal(name: str, value: str) -> None:
    """No id, address or place of a cookie gets as far as a reading."""
    for reading in read([(name, value)]):
        assert "canary" not in repr(reading)


def test_data() -> None:
    """All ids lead to categories; the asked ones are those of the product."""
    categories = {*ASKED, "essential"}

    assert consent.ASKED == ASKED
    assert all(set(ids.values()) <= categories for ids in DEFAULT_IDS.values())
    assert set(COMMON_IDS.values()) == categories
    assert all(key == key.lower() for key in COMMON_IDS)
    assert set(CODES).isdisjoint(PROBLEMS)
