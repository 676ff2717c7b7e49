"""Cookies of consent managers: what each of them says, a table each."""

import json
import time
from collections.abc import Mapping
from urllib.parse import quote

import pytest

from pipeline.signals.cmp_cookies import (
    CMPS,
    IAB_COOKIES,
    CmpCookie,
    decode_cookie,
    read_cookies,
)
from pipeline.signals.cmp_text import moment
from pipeline.signals.errors import SignalError
from pipeline.signals.reading import Reading
from tests.unit.signals.cmp_samples import (
    CHOSEN,
    CHOSEN_ISO,
    NOW,
    borlabs,
    cookie_information,
    cookiebot,
    cookieconsent,
    cookieyes,
    encoded,
    iubenda,
    onetrust,
    tarteaucitron,
)

SERVICES = {"matomo": "statistics", "gtag": "statistics", "pixel": "marketing"}
LETTERS = {"given": "g", "refused": "r", "unknown": "u", "expired": "e", None: "-"}
DAY = 86_400_000


def read(
    *cookies: tuple[str, str],
    mapping: Mapping[str, str] | None = None,
    revision: str = "",
) -> list[Reading]:
    """Read cookies, all consent managers being looked for."""
    return read_cookies(
        cookies, cmps=CMPS, mapping=mapping or {}, now_ms=NOW, revision=revision
    )


def letters(reading: Reading) -> str:
    """Return preference, statistics, marketing as a letter each."""
    names = ("preference", "statistics", "marketing")
    return "".join(LETTERS[reading.states.get(name)] for name in names)


def said(reading: Reading) -> tuple[str, str, tuple[str, ...]]:
    """Return what most rows are about: states, method, problems."""
    return letters(reading), reading.method, reading.problems


GROUPS = {"C0001": True, "C0002": True, "C0003": True, "C0004": True, "C0005": True}
YES = {
    "functional": True,
    "analytics": True,
    "performance": True,
    "advertisement": True,
    "other": True,
}
NO = dict.fromkeys(YES, False)
ALL_OFF = dict.fromkeys(GROUPS, False) | {"C0001": True}
COMPLIANZ = ("cmplz_banner-status", "dismissed")

# name of the cookie, its value, states, method, problems
ROWS: list[tuple[str, str, str, str, tuple[str, ...]]] = [
    # Cookiebot
    ("CookieConsent", cookiebot("111"), "ggg", "explicit", ()),
    ("CookieConsent", cookiebot("000"), "rrr", "explicit", ()),
    ("CookieConsent", cookiebot("010"), "rgr", "explicit", ()),
    ("CookieConsent", cookiebot("110", ""), "uur", "implied", ("implied",)),
    (
        "CookieConsent",
        cookiebot("110", "method:%27implied%27"),
        "uur",
        "implied",
        ("implied",),
    ),
    (
        "CookieConsent",
        cookiebot("111", "method:%27explicit%27", stamp="-1"),
        "uuu",
        "implied",
        ("implied",),
    ),
    (
        "CookieConsent",
        cookiebot("111", "method:%27explicit%27%2Cutc:-5"),
        "uuu",
        "explicit",
        ("bad_date",),
    ),
    ("CookieConsent", "-1", "uuu", "none", ()),
    ("CookieConsent", "0", "rrr", "explicit", ()),
    ("CookieConsent", "true", "uuu", "none", ("bad_format",)),
    ("CookieConsent", encoded({"marketing": True}), "uuu", "none", ("bad_format",)),
    # OneTrust
    ("OptanonConsent", onetrust(GROUPS), "ggg", "explicit", ()),
    ("OptanonConsent", onetrust(ALL_OFF), "rrr", "explicit", ()),
    ("OptanonConsent", onetrust(GROUPS | {"C0005": False}), "ggr", "explicit", ()),
    (
        "OptanonConsent",
        onetrust({"1": True, "2": True, "V2STACK42": True}),
        "---",
        "explicit",
        (),
    ),
    (
        "OptanonConsent",
        onetrust(GROUPS, interactionCount="0"),
        "uuu",
        "none",
        ("no_action",),
    ),
    (
        "OptanonConsent",
        onetrust(ALL_OFF, interactionCount=None),
        "uuu",
        "none",
        ("no_action",),
    ),
    (
        "OptanonConsent",
        onetrust(GROUPS | {"C0004": False}, AwaitingReconsent="true"),
        "eer",
        "explicit",
        ("reconsent",),
    ),
    (
        "OptanonConsent",
        onetrust(GROUPS, AwaitingReconsent=None),
        "uuu",
        "explicit",
        ("truncated",),
    ),
    (
        "OptanonConsent",
        onetrust({}, groups=None),
        "uuu",
        "explicit",
        ("truncated",),
    ),
    (
        "OptanonConsent",
        onetrust(GROUPS, datestamp="yesterday"),
        "uuu",
        "explicit",
        ("bad_date",),
    ),
    # Groups at the very end: the last of them may have been cut off.
    (
        "OptanonConsent",
        "interactionCount=1&AwaitingReconsent=false&groups=C0004%3A1",
        "uuu",
        "explicit",
        ("truncated",),
    ),
    ("OptanonConsent", "groups", "uuu", "none", ("bad_format",)),
    ("OptanonConsent", onetrust({}, groups="C0002:2"), "uuu", "none", ("bad_value",)),
    (
        "OptanonConsent",
        onetrust({}, groups="C0002:0,C0002:1"),
        "uuu",
        "none",
        ("bad_value",),
    ),
    ("OptanonConsent", onetrust(GROUPS) + "&groups=", "uuu", "none", ("bad_format",)),
    # CookieYes
    ("cookieyes-consent", cookieyes(YES), "ggg", "explicit", ()),
    ("cookieyes-consent", cookieyes(NO, "yes"), "rrr", "explicit", ()),
    ("cookieyes-consent", cookieyes(NO, "no"), "rrr", "explicit", ("contradiction",)),
    (
        "cookieyes-consent",
        cookieyes(YES | {"performance": False, "advertisement": False}),
        "grr",
        "explicit",
        (),
    ),
    ("cookieyes-consent", cookieyes(YES, action=""), "uuu", "none", ("no_action",)),
    ("cookieyes-consent", cookieyes(YES, action="no"), "uuu", "none", ("no_action",)),
    ("cookieyes-consent", cookieyes(YES, "no"), "uuu", "explicit", ("contradiction",)),
    (
        "cookieyes-consent",
        cookieyes({"functional": True, "analytics": True, "advertisement": True}),
        "gug",
        "explicit",
        (),
    ),
    ("cookieyes-consent", "consentid:x,consent:yes", "uuu", "none", ("truncated",)),
    (
        "cookieyes-consent",
        cookieyes(YES) + ",analytics:no",
        "uuu",
        "none",
        ("bad_format",),
    ),
    # vanilla-cookieconsent
    (
        "cc_cookie",
        cookieconsent("functionality", "analytics", "ads"),
        "ggg",
        "explicit",
        (),
    ),
    ("cc_cookie", cookieconsent(), "rrr", "explicit", ()),
    ("cc_cookie", cookieconsent("analytics"), "rgr", "explicit", ()),
    (
        "cc_cookie",
        cookieconsent("analytics", expirationTime=NOW),
        "rer",
        "explicit",
        ("expired",),
    ),
    (
        "cc_cookie",
        cookieconsent("analytics", expirationTime="soon"),
        "rur",
        "explicit",
        ("bad_date",),
    ),
    (
        "cc_cookie",
        cookieconsent("analytics", consentId=""),
        "rur",
        "explicit",
        ("incomplete",),
    ),
    (
        "cc_cookie",
        cookieconsent("analytics", services={"necessary": ["ads"], "ads": ["ads"]}),
        "rgr",
        "explicit",
        (),
    ),
    ("cc_cookie", encoded({"analytics": True}), "uuu", "none", ("bad_value",)),
    ("cc_cookie", cookieconsent(services=["x"]), "uuu", "none", ("bad_value",)),
    ("cc_cookie", "%7B%7D%zz", "uuu", "none", ("bad_percent",)),
    # Borlabs
    (
        "borlabs-cookie",
        borlabs({"preferences": ["a"], "statistics": ["x"], "marketing": ["y"]}),
        "ggg",
        "explicit",
        (),
    ),
    ("borlabs-cookie", borlabs({}), "rrr", "explicit", ()),
    (
        "borlabs-cookie",
        borlabs(
            {"statistics": ["marketing"], "marketing": [], "external-media": ["v"]}
        ),
        "rgr",
        "explicit",
        (),
    ),
    (
        "borlabs-cookie",
        borlabs({"statistics": ["x"]}, expires="Sun, 21 Dec 2024 09:54:17 GMT"),
        "rer",
        "explicit",
        ("expired",),
    ),
    (
        "borlabs-cookie",
        borlabs({"statistics": ["x"]}, expires="never"),
        "rur",
        "explicit",
        ("bad_date",),
    ),
    (
        "borlabs-cookie",
        encoded({"consents": {"a": "b"}}),
        "uuu",
        "none",
        ("bad_value",),
    ),
    # iubenda
    (
        "_iub_cs-123456",
        iubenda(p2=True, p3=True, p4=True, p5=True),
        "ggg",
        "explicit",
        (),
    ),
    (
        "_iub_cs-123456",
        iubenda(p2=False, p3=False, p4=False, p5=False),
        "rrr",
        "explicit",
        (),
    ),
    (
        "_iub_cs-1",
        iubenda(p2=True, p3=False, p4=True, p5=False),
        "rgr",
        "explicit",
        (),
    ),
    ("_iub_cs-1", encoded({"consent": True}), "uuu", "implied", ("implied",)),
    ("_iub_cs-1", encoded({"consent": False}), "rrr", "explicit", ()),
    ("_iub_cs-1", encoded({"consent": 1}), "uuu", "none", ("bad_value",)),
    ("_iub_cs-1", encoded({"purposes": {"4": 1}}), "uuu", "none", ("bad_value",)),
    # TrustArc
    ("notice_gdpr_prefs", "0:1:2:", "g-g", "explicit", ()),
    ("notice_gdpr_prefs", "0,1,2:", "g-g", "explicit", ()),
    ("notice_gdpr_prefs", "0:", "r-r", "explicit", ()),
    ("notice_gdpr_prefs", "0,1::implied,us", "g-r", "explicit", ()),
    ("notice_gdpr_prefs", "0,11:", "uuu", "none", ("bad_format",)),
    ("notice_preferences", "2:", "g-g", "explicit", ()),
    ("notice_preferences", "1:", "g-r", "explicit", ()),
    ("notice_preferences", "0:", "r-r", "explicit", ()),
    ("notice_preferences", "all", "uuu", "none", ("bad_format",)),
    ("cmapi_cookie_privacy", "permit 1,2,3", "g-g", "explicit", ()),
    ("cmapi_cookie_privacy", "permit%201%2C2", "g-r", "explicit", ()),
    ("cmapi_cookie_privacy", "permit 1 required", "r-r", "explicit", ()),
    ("cmapi_cookie_privacy", "permit_1_required", "r-r", "explicit", ()),
    ("cmapi_cookie_privacy", "deny", "uuu", "none", ("bad_format",)),
    # Cookie Information
    (
        "CookieInformationConsent",
        cookie_information(["functional", "statistic", "marketing"], []),
        "ggg",
        "explicit",
        (),
    ),
    (
        "CookieInformationConsent",
        cookie_information([], ["functional", "statistic", "marketing"]),
        "rrr",
        "explicit",
        (),
    ),
    (
        "CookieInformationConsent",
        cookie_information(["statistic", "marketing"], ["marketing"], timestamp=""),
        "rgr",
        "explicit",
        (),
    ),
    (
        "CookieInformationConsent",
        cookie_information(["statistic"], [], timestamp="now"),
        "rur",
        "explicit",
        ("bad_date",),
    ),
    (
        "CookieInformationConsent",
        encoded({"consents_approved": [1]}),
        "uuu",
        "none",
        ("bad_value",),
    ),
    (
        "CookieInformationConsent",
        encoded({"consents_approved": [], "consents_denied": "x"}),
        "uuu",
        "none",
        ("bad_value",),
    ),
    # Osano, open source
    ("cookieconsent_status", "allow", "ggg", "explicit", ()),
    ("cookieconsent_status", "deny", "rrr", "explicit", ()),
    ("cookieconsent_status", "dismiss", "uuu", "implied", ("implied",)),
    ("cookieconsent_status", "allowed", "uuu", "none", ("bad_value",)),
]


@pytest.mark.parametrize(("name", "value", "states", "method", "problems"), ROWS)
def test_one_cookie(
    name: str, value: str, states: str, method: str, problems: tuple[str, ...]
) -> None:
    """Each cookie says what its maker means by it, and no more."""
    (reading,) = read((name, value))

    assert (states, method, problems) == said(reading)
    assert decode_or_none(name, value) in {None, reading.source}


def decode_or_none(name: str, value: str) -> str | None:
    """Return the consent manager, None for a cookie that cannot be read."""
    try:
        return decode_cookie(name, value).cmp
    except SignalError:
        return None


@pytest.mark.parametrize(
    ("value", "states"),
    [
        (encoded({"matomo": True, "gtag": True, "pixel": True}), "-gg"),
        (encoded({"matomo": False, "gtag": False, "pixel": False}), "-rr"),
        (encoded({"matomo": True, "gtag": False, "youtube": True}), "-r-"),
        (encoded({"matomo": True}), "-g-"),
        ('{"matomo":true,"pixel":false}', "-gr"),
        (encoded({"matomo": "yes"}), "uuu"),
        (encoded({"matomo": 1}), "uuu"),
        ('{"matomo":false,"matomo":true}', "uuu"),
        ('{"matomo":NaN}', "uuu"),
        ("%7B%22matomo%22%3Atrue", "uuu"),
        ('["matomo"]', "uuu"),
        ("{}", "uuu"),
    ],
)
def test_klaro(value: str, states: str) -> None:
    """Klaro knows services; the site says what they are for."""
    (reading,) = read(("klaro", value), mapping=SERVICES)

    assert states == letters(reading)


@pytest.mark.parametrize(
    ("value", "states"),
    [
        (tarteaucitron(matomo=True, gtag=True, pixel=True), "-gg"),
        (tarteaucitron(matomo=True, gtag=True, pixel=True) + "!", "-gg"),
        (tarteaucitron(matomo=False, gtag=False, pixel=False), "-rr"),
        (tarteaucitron(matomo=True, gtag=False, other="x"), "-ru"),
        (tarteaucitron(matomo=True, gtag="wait", pixel="wait"), "-uu"),
        # The refusal of gtag may have been cut off.
        (tarteaucitron(matomo=True), "-uu"),
        ("matomo=true", "uuu"),
        ("!matomo=true!gta", "uuu"),
        ("!matomo=false!matomo=true!gtag=true", "uuu"),
    ],
)
def test_tarteaucitron(value: str, states: str) -> None:
    """Tarteaucitron has no end mark: every service of the site must be there."""
    (reading,) = read(("tarteaucitron", value), mapping=SERVICES)

    assert states == letters(reading)


@pytest.mark.parametrize(
    ("cookies", "said_of_it", "version"),
    [
        (
            [
                COMPLIANZ,
                ("cmplz_preferences", "allow"),
                ("cmplz_statistics", "allow"),
                ("cmplz_marketing", "allow"),
                ("cmplz_policy_id", "34"),
                ("cmplz_consented_services", ""),
            ],
            ("ggg", "explicit", ()),
            "34",
        ),
        (
            [
                COMPLIANZ,
                ("cmplz_functional", "allow"),
                ("cmplz_preferences", "deny"),
                ("cmplz_statistics-anonymous", "allow"),
                ("cmplz_statistics", "deny"),
                ("cmplz_marketing", "deny"),
            ],
            ("rrr", "explicit", ()),
            "",
        ),
        (
            [COMPLIANZ, ("cmplz_statistics-anonymous", "allow")],
            ("---", "explicit", ()),
            "",
        ),
        (
            [
                ("cmplz_banner-status", "show"),
                ("cmplz_statistics", "allow"),
                ("cmplz_policy_id", "9"),
            ],
            ("uuu", "none", ("no_action",)),
            "9",
        ),
        ([("cmplz_statistics", "deny")], ("uuu", "none", ("no_action",)), ""),
        (
            [COMPLIANZ, ("cmplz_statistics", "allowed"), ("cmplz_marketing", "deny")],
            ("uur", "explicit", ("bad_value",)),
            "",
        ),
        (
            [COMPLIANZ, ("cmplz_statistics", ""), ("cmplz_marketing", "allow")],
            ("uuu", "explicit", ("empty",)),
            "",
        ),
    ],
)
def test_complianz(
    cookies: list[tuple[str, str]],
    said_of_it: tuple[str, str, tuple[str, ...]],
    version: str,
) -> None:
    """Complianz keeps a cookie a category; together they are one choice."""
    mapping = {"statistics-anonymous": "statistics"}
    (reading,) = read(*cookies, mapping=mapping if version == "" else {})

    assert said_of_it == said(reading)
    assert version == reading.policy_version


BOXES = "cookielawinfo-checkbox-"


@pytest.mark.parametrize(
    ("viewed", "boxes", "said_of_it"),
    [
        ("yes", YES, ("ggg", "explicit", ())),
        ("yes", NO, ("rrr", "explicit", ())),
        ("yes", YES | {"performance": False}, ("grg", "explicit", ())),
        ("yes", {"analytics": True}, ("uuu", "explicit", ())),
        ("no", YES, ("rrr", "explicit", ())),
        ("", YES, ("uuu", "none", ("empty", "no_action"))),
        (None, YES, ("uuu", "none", ("no_action",))),
        ("y", NO, ("uuu", "none", ("bad_value", "no_action"))),
    ],
)
def test_cookielawinfo(
    viewed: str | None,
    boxes: dict[str, bool],
    said_of_it: tuple[str, str, tuple[str, ...]],
) -> None:
    """Boxes that nobody has seen are no choice, ticked or not."""
    cookies = [(BOXES + key, "yes" if on else "no") for key, on in boxes.items()]
    seen = [] if viewed is None else [("viewed_cookie_policy", viewed)]
    (reading,) = read(*cookies, *seen)

    assert said_of_it == said(reading)
    assert "cookielawinfo" == reading.source


@pytest.mark.parametrize(
    ("cookie", "companion", "states", "updated_ms", "problems"),
    [
        (
            onetrust(GROUPS, interactionCount=None),
            ("OptanonAlertBoxClosed", "2025-01-02T00:00:00Z"),
            "ggg",
            1_735_776_000_000,
            (),
        ),
        (
            onetrust(GROUPS),
            ("OptanonAlertBoxClosed", "2025-13-02"),
            "uuu",
            None,
            ("bad_date",),
        ),
        (
            onetrust(GROUPS, interactionCount="0"),
            ("OptanonAlertBoxClosed", ""),
            "uuu",
            None,
            ("no_action",),
        ),
    ],
)
def test_onetrust_closed_box(
    cookie: str,
    companion: tuple[str, str],
    states: str,
    updated_ms: int | None,
    problems: tuple[str, ...],
) -> None:
    """A closed box is an action, and its date is that of the choice."""
    (reading,) = read(("OptanonConsent", cookie), companion)

    assert states == letters(reading)
    assert updated_ms == reading.updated_ms
    assert problems == reading.problems


def test_onetrust_closed_twice() -> None:
    """Of two closed boxes the older one counts: its consent is the oldest."""
    (reading,) = read(
        ("OptanonAlertBoxClosed", "2025-01-03T00:00:00Z"),
        ("OptanonConsent", onetrust(GROUPS)),
        ("OptanonAlertBoxClosed", "2025-01-02T00:00:00Z"),
    )

    assert 1_735_776_000_000 == reading.updated_ms


@pytest.mark.parametrize("field", ["isGpcEnabled", "browserGpcFlag"])
@pytest.mark.parametrize(
    ("value", "flags"),
    [("1", {"gpc"}), ("true", {"gpc"}), ("0", set()), ("false", set()), ("", set())],
)
def test_onetrust_gpc(field: str, value: str, flags: set[str]) -> None:
    """OneTrust notes Global Privacy Control; that counts before any choice."""
    (reading,) = read(("OptanonConsent", onetrust(GROUPS, **{field: value})))
    (asked,) = read(
        ("OptanonConsent", onetrust(GROUPS, interactionCount="0", **{field: value}))
    )

    assert flags == reading.flags
    assert flags == asked.flags


@pytest.mark.parametrize(
    ("behaviour", "states"),
    [("expressed,eu", "g-r"), ("implied,us", "u-r"), ("expr", "u-r"), ("", "u-r")],
)
def test_trustarc_behaviour(behaviour: str, states: str) -> None:
    """Where the notice takes mere use for a yes, TrustArc grants nothing."""
    (reading,) = read(("notice_preferences", "1:"), ("notice_behavior", behaviour))

    assert states == letters(reading)


@pytest.mark.parametrize(
    ("name", "value", "updated_ms", "version"),
    [
        ("CookieConsent", cookiebot("111"), CHOSEN, ""),
        ("OptanonConsent", onetrust(GROUPS), CHOSEN, ""),
        ("cc_cookie", cookieconsent("analytics", revision=3), CHOSEN, "3"),
        ("cc_cookie", cookieconsent("analytics", revision=True), CHOSEN, ""),
        ("cc_cookie", cookieconsent("analytics", revision=-1), CHOSEN, ""),
        ("cc_cookie", cookieconsent("analytics", revision=2**31), CHOSEN, ""),
        ("borlabs-cookie", borlabs({}), None, "7"),
        ("_iub_cs-1", iubenda(p4=True), CHOSEN, ""),
        ("CookieInformationConsent", cookie_information([], []), CHOSEN, ""),
    ],
)
def test_when_and_which(
    name: str, value: str, updated_ms: int | None, version: str
) -> None:
    """The time of the choice and the policy's version come from the cookie."""
    (reading,) = read((name, value))

    assert updated_ms == reading.updated_ms
    assert version == reading.policy_version


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (0, 0),
        (253402300799999, 253402300799999),
        (253402300800000, None),
        (-1, None),
        (True, None),
        (1.5, None),
        (None, None),
        ("2025-01-29T06:05:33.000Z", CHOSEN),
        ("2025-01-29T06:05:33", CHOSEN),
        ("2025-01-29T10:05:33+04:00", CHOSEN),
        ("Wed Jan 29 2025 10:05:33 GMT+0400 (Gulf Standard Time)", CHOSEN),
        ("Wed Jan 29 2025 01:35:33 GMT-0430", CHOSEN),
        ("Wed, 29 Jan 2025 06:05:33 GMT", CHOSEN),
        ("Wed Jan 32 2025 10:05:33 GMT+0400", None),
        ("Wed Jan 29 2025 10:05:33 GMT+2400", None),
        ("Wed, 29 Jan 2025 06:05:33 CET", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("1969-12-31T23:59:59Z", None),
        ("soon", None),
        ("\ud800", None),
    ],
)
def test_moment(value: object, milliseconds: int | None) -> None:
    """Each notation of a time is read, and nothing else is a time."""
    assert milliseconds == moment(value)


def test_moment_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time without a zone is in UTC, wherever the collector stands."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert CHOSEN == moment("2025-01-29T06:05:33")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("ahead", "states"), [(DAY, "rgr"), (DAY + 1000, "rur")])
def test_choice_of_the_future(ahead: int, states: str) -> None:
    """A choice dated more than a day ahead grants nothing."""
    tail = f"method:%27explicit%27%2Cutc:{NOW + ahead}"
    (reading,) = read(("CookieConsent", cookiebot("010", tail)))

    assert states == letters(reading)
    assert (("future",) if states == "rur" else ()) == reading.problems


@pytest.mark.parametrize(
    ("configured", "states", "problems"),
    [("", "rgr", ()), ("2", "rgr", ()), ("3", "rer", ("revision",))],
)
def test_revision(configured: str, states: str, problems: tuple[str, ...]) -> None:
    """A choice about another revision has expired."""
    value = cookieconsent("analytics", revision=2)
    (reading,) = read(("cc_cookie", value), revision=configured)

    assert states == letters(reading)
    assert problems == reading.problems


@pytest.mark.parametrize(
    ("name", "value", "mapping", "states"),
    [
        # A site's own id.
        ("OptanonConsent", onetrust({"C0035": True}), {"C0035": "statistics"}, "-g-"),
        # It wins over the usual one,
        ("OptanonConsent", onetrust(GROUPS), {"C0002": "marketing"}, "g-g"),
        # and can switch it off.
        (
            "OptanonConsent",
            onetrust(GROUPS | {"C0005": False}),
            {"C0005": ""},
            "ggg",
        ),
        # The most restrictive of several wins.
        (
            "OptanonConsent",
            onetrust(GROUPS | {"C0035": False}),
            {"C0035": "statistics"},
            "grg",
        ),
        # CookieYes without "performance": not there, unless the site says so.
        (
            "cookieyes-consent",
            cookieyes({"functional": True, "analytics": True, "advertisement": False}),
            {"performance": ""},
            "ggr",
        ),
        ("cookieyes-consent", cookieyes(YES), {"custom": "marketing"}, "ggu"),
        # A list of what is on: what the site names must be on it.
        ("cc_cookie", cookieconsent("a", "b"), {"a": "statistics"}, "rgr"),
        (
            "cc_cookie",
            cookieconsent("a"),
            {"a": "statistics", "b": "statistics"},
            "rrr",
        ),
        (
            "cc_cookie",
            cookieconsent("analytics", services={"analytics": ["matomo"]}),
            {"matomo": "statistics", "gtag": "marketing"},
            "rgr",
        ),
        # A service of a category that is off is off.
        (
            "cc_cookie",
            cookieconsent(services={"analytics": ["matomo"]}),
            {"matomo": "statistics"},
            "rrr",
        ),
        (
            "borlabs-cookie",
            borlabs({"statistics": ["gtag"]}),
            {"matomo": "statistics"},
            "rrr",
        ),
        (
            "borlabs-cookie",
            borlabs({"external-media": ["video"]}),
            {"video": "marketing"},
            "rrg",
        ),
        ("notice_preferences", "2:", {"2": "statistics"}, "-gg"),
    ],
)
def test_mapping(name: str, value: str, mapping: dict[str, str], states: str) -> None:
    """The site's mapping adds to the usual ids, and wins."""
    (reading,) = read((name, value), mapping=mapping)

    assert states == letters(reading)


def test_precise_location() -> None:
    """A yes to cookies is none to precise location; a no to everything is one."""
    (given,) = read(("cookieconsent_status", "allow"))
    (listed,) = read(("cc_cookie", cookieconsent("analytics")))
    (denied,) = read(("cookieconsent_status", "deny"))
    (asked,) = read(
        ("OptanonConsent", onetrust(GROUPS | {"GEO": True})),
        mapping={"GEO": "precise_location"},
    )

    assert "precise_location" not in given.states
    assert "precise_location" not in listed.states
    assert "refused" == denied.states["precise_location"]
    assert "given" == asked.states["precise_location"]


def test_twice() -> None:
    """Two cookies of a name are two readings, unless they are the same."""
    off, on = cookiebot("000"), cookiebot("111")
    readings = read(*[("CookieConsent", value) for value in (off, on, off)])

    assert ["rrr", "ggg"] == [letters(reading) for reading in readings]


def test_family_twice() -> None:
    """Of a family, each value of a member is read with the others."""
    readings = read(
        ("cmplz_marketing", "allow"),
        COMPLIANZ,
        ("cmplz_statistics", "allow"),
        ("cmplz_marketing", "deny"),
    )

    assert ["-gg", "-gr"] == [letters(reading) for reading in readings]


def test_only_those_of_the_site() -> None:
    """A cookie of a consent manager that the site does not name is not read."""
    cookies = [
        ("CookieConsent", cookiebot("111")),
        ("klaro", encoded({"matomo": True})),
        ("_ga", "GA1.2.1.1"),
    ]
    readings = read_cookies(cookies, cmps={"klaro"}, mapping={}, now_ms=NOW)

    assert ["klaro"] == [reading.source for reading in readings]
    assert [] == read_cookies(cookies, cmps=(), mapping={}, now_ms=NOW)


@pytest.mark.parametrize(
    ("name", "value", "cmp", "fields"),
    [
        (
            "CookieConsent",
            quote(
                "{stamp:'a+b',necessary:true,preferences:false,"
                "statistics:true,marketing:false,ver:2}",
                safe="",
            ),
            "cookiebot",
            {
                "stamp": "a+b",
                "necessary": True,
                "preferences": False,
                "statistics": True,
                "marketing": False,
                "ver": 2,
            },
        ),
        (
            "CookieConsent",
            cookiebot("101", "region:%27us-06%27%2Ciab2:%27CPxx.YAA%27"),
            "cookiebot",
            {
                "stamp": "ab+c/DEF12345==",
                "necessary": True,
                "preferences": True,
                "statistics": False,
                "marketing": True,
                "region": "us-06",
                "iab2": "CPxx.YAA",
            },
        ),
        ("CookieConsent", "-1", "cookiebot", {"value": "-1"}),
        (
            "OptanonConsent",
            "datestamp=A+B%2BC&groups=1%3A1%2CC0002%3A0&AwaitingReconsent=false",
            "onetrust",
            {
                "datestamp": "A B+C",
                "groups": {"1": True, "C0002": False},
                "AwaitingReconsent": "false",
            },
        ),
        (
            "OptanonAlertBoxClosed",
            CHOSEN_ISO,
            "onetrust",
            {"OptanonAlertBoxClosed": CHOSEN_ISO},
        ),
        (
            "cookieyes-consent",
            "consent%3Ayes%2Caction%3A",
            "cookieyes",
            {"consent": "yes", "action": ""},
        ),
        (
            "tarteaucitron",
            "!matomo=true!x=wait",
            "tarteaucitron",
            {"matomo": "true", "x": "wait"},
        ),
        ("notice_gdpr_prefs", "0:1:", "trustarc", {"notice_gdpr_prefs": [0, 1]}),
        ("cmplz_x", "%7B%7D", "complianz", {"cmplz_x": "{}"}),
        ("cmplz_x", "", "complianz", {"cmplz_x": ""}),
        (BOXES + "others", "no", "cookielawinfo", {BOXES + "others": "no"}),
    ],
)
def test_decode(name: str, value: str, cmp: str, fields: dict[str, object]) -> None:
    """For the command line a cookie is shown whole, under its maker's names."""
    cookie = decode_cookie(name, value)

    assert {"cmp": cmp, "fields": fields} == cookie.as_dict()
    assert cookie.as_dict() == json.loads(json.dumps(cookie.as_dict()))


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("_ga", "GA1.2.1.1", "unknown_format"),
        ("euconsent-v2", "CPxx", "unknown_format"),
        ("_iub_cs-s1", "{}", "unknown_format"),
        ("CookieConsent", "", "empty"),
        ("CookieConsent", "{", "truncated"),
        ("CookieConsent", cookiebot("111")[:-1], "bad_format"),
        ("CookieConsent", cookiebot("111") + "x", "bad_format"),
        ("CookieConsent", "{stamp:%27a%27}", "bad_format"),
        ("CookieConsent", "{necessary:true%2Cnecessary:true}", "bad_format"),
        (
            "CookieConsent",
            cookiebot("111", "method:%27asked%27"),
            "bad_value",
        ),
        ("OptanonConsent", onetrust(GROUPS, AwaitingReconsent=""), "bad_value"),
        ("OptanonConsent", onetrust(GROUPS, interactionCount="x"), "bad_value"),
        ("OptanonConsent", "gr%6fups=1", "bad_format"),
        ("cookieyes-consent", "%", "bad_percent"),
        ("cookieyes-consent", "%ff", "bad_percent"),
        ("cookieyes-consent", "consent,action:yes", "bad_format"),
        ("klaro", "[" * 4000, "bad_format"),
        ("tarteaucitron", "gtag=false!matomo=true", "bad_format"),
        ("cc_cookie", encoded({"categories": "analytics"}), "bad_value"),
        ("cc_cookie", encoded({"categories": [1]}), "bad_value"),
        ("cc_cookie", '{"categories":[],"data":NaN}', "bad_format"),
        ("klaro", '{"a":' * 800, "bad_format"),
        (
            "cc_cookie",
            '{"categories":[],"data":' + "[" * 8 + "]" * 8 + "}",
            "bad_format",
        ),
        ("klaro", '{"a":"' + "a" * 4096 + '"}', "too_long"),
        ("notice_gdpr_prefs", "0:1:2:x", "bad_format"),
        ("viewed_cookie_policy", "y", "bad_value"),
        (BOXES + "jane@example.com", "maybe", "bad_value"),
    ],
)
def test_undecodable(name: str, value: str, code: str) -> None:
    """What is not in its maker's form is refused, and nothing of it quoted."""
    with pytest.raises(SignalError) as caught:
        decode_cookie(name, value)

    assert code == caught.value.code
    assert caught.value.__context__ is None
    assert "jane" not in str(caught.value)


def test_longest() -> None:
    """A cookie of the longest size that browsers keep is read."""
    value = '{"' + "a" * (4096 - 9) + '":true}'

    assert 4096 == len(value)
    assert "klaro" == decode_cookie("klaro", value).cmp
    assert (
        8 == len(decode_cookie("cc_cookie", cookieconsent(data=[[[[[1]]]]])).fields) - 1
    )


def test_iab_cookies() -> None:
    """Cookies of the IAB are for other decoders."""
    assert "gdpr_consent" == IAB_COOKIES["euconsent-v2"]
    assert "gdpr_consent" == IAB_COOKIES["eupubconsent-v2"]
    assert "us_privacy" == IAB_COOKIES["usprivacy"]
    assert "gpp" == IAB_COOKIES["OTGPPConsent"]


def test_silent() -> None:
    """A decoded cookie does not print itself."""
    cookie = CmpCookie("klaro", {"secret": True})

    assert "<CmpCookie>" == repr(cookie)
    assert [] == cookie.__rich_repr__()
