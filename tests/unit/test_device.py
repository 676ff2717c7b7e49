"""Devices as classes: kinds, families, frozen versions, robots, languages, sizes."""

import json
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import ua_parser
from hypothesis import given
from hypothesis import strategies as st

import pipeline.device
from pipeline.agents.device_kind import DeviceType
from pipeline.agents.plain_agents import LINES, plain_agent
from pipeline.agents.robot_agents import agent_kind
from pipeline.device import (
    ClientHints,
    Device,
    base_language,
    parse_device,
    primary_language,
    screen_class,
)

NO_HINTS = ClientHints()
PARSER = ua_parser.Parser(
    ua_parser.BestAvailableResolver(ua_parser.load_lazy_builtins())
)
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CAPTURES = Path(
    os.environ.get(
        "KASTANA_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"
    )
)


def chrome(system: str, rest: str = "Chrome/130.0.0.0 Safari/537.36") -> str:
    """Return what a browser of Chrome's family calls itself."""
    return f"Mozilla/5.0 ({system}) {WEBKIT} {rest}"


def safari(system: str, version: str) -> str:
    """Return what Safari calls itself."""
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        f"Version/{version} Safari/604.1"
    )


def firefox(system: str, version: int = 120) -> str:
    """Return what Firefox calls itself."""
    return f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"


MAC = "Macintosh; Intel Mac OS X"
IPHONE = "iPhone; CPU iPhone OS {} like Mac OS X"
PHONE_CHROME = chrome("Linux; Android 10; K", "Chrome/99.0 Mobile Safari/537.36")
WINDOWS_CHROME = chrome("Windows NT 10.0; Win64; x64")


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (chrome("X11; Linux x86_64"), ("desktop", "Linux", "", "Chrome", "130")),
        (f"{WINDOWS_CHROME} Edg/131.0.0.0", ("desktop", "Windows", "", "Edge", "131")),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            ("desktop", "Windows", "7", "Internet Explorer", "11"),
        ),
        (safari(f"{MAC} 10_15_7", "17.4"), ("desktop", "macOS", "", "Safari", "17")),
        # The engine's version is no Apple Mail's.
        (
            f"Mozilla/5.0 ({MAC} 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            ("desktop", "macOS", "", "Apple Mail", ""),
        ),
        (firefox(f"{MAC} 10.15"), ("desktop", "macOS", "", "Firefox", "120")),
        (
            firefox("X11; Ubuntu; Linux x86_64"),
            ("desktop", "Linux", "", "Firefox", "120"),
        ),
        (
            chrome("X11; CrOS x86_64 14541.0.0"),  # codespell:ignore
            ("desktop", "Chrome OS", "", "Chrome", "130"),
        ),
        (
            chrome("Linux; Android 10; K", "Chrome/130.0.0.0 Mobile Safari/537.36"),
            ("mobile", "Android", "", "Chrome", "130"),
        ),
        (chrome("Linux; Android 10; K"), ("tablet", "Android", "", "Chrome", "130")),
        (
            chrome(
                "Linux; Android 12; SAMSUNG SM-T870",
                "SamsungBrowser/23.0 Chrome/115.0.0.0 Safari/537.36",
            ),
            ("tablet", "Android", "12", "Samsung Internet", "23"),
        ),
        (firefox("Android 14; Tablet"), ("tablet", "Android", "14", "Firefox", "120")),
        (
            chrome("Linux; Android 11; CUBOT X30", "Chrome/99.0 Mobile Safari/537.36"),
            ("mobile", "Android", "11", "Chrome", "99"),
        ),
        (
            safari(IPHONE.format("17_5"), "17.5 Mobile/15E148"),
            ("mobile", "iOS", "17", "Safari", "17"),
        ),
        (
            safari(IPHONE.format("18_6"), "26.0 Mobile/15E148"),
            ("mobile", "iOS", "", "Safari", "26"),
        ),
        (
            safari("iPad; CPU OS 16_5 like Mac OS X", "16.5 Mobile/15E148"),
            ("tablet", "iOS", "16", "Safari", "16"),
        ),
        (
            f"{firefox('Mobile; Nokia_8110_4G', 48)} KAIOS/2.5",
            ("mobile", "KaiOS", "2", "Firefox", "48"),
        ),
        (
            chrome("SMART-TV; LINUX; Tizen 6.0", "Version/6.0 TV Safari/537.36"),
            ("tv", "Tizen", "6", "Safari", "6"),
        ),
        (chrome("Web0S; Linux/SmartTV"), ("tv", "webOS", "", "Chrome", "130")),
        (
            safari("PlayStation; PlayStation 5/2.26", "13.0"),
            ("console", "", "", "Safari", "13"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel Watch) Chrome/120 Mobile",
            ("wearable", "Android", "14", "Android Browser", "14"),
        ),
        (
            chrome("X11; Linux x86_64", "Chrome/120.0 YaBrowser/24.1 Safari/537.36"),
            ("desktop", "Linux", "", "Yandex Browser", "24"),
        ),
        (
            f"{PHONE_CHROME} MQQBrowser/6.2 MicroMessenger/7.0.10",
            ("mobile", "Android", "", "WeChat", "7"),
        ),
        (
            "Opera/9.80 (Linux mips; U; HbbTV/1.1.1 (; Sony; KDL32)) Presto/2.7.61",
            ("tv", "Linux", "", "Opera", "9"),
        ),
        (
            chrome("Linux; Android 9; Android TV Box", "Chrome/88.0 Safari/537.36"),
            ("tv", "Android", "9", "Chrome", "88"),
        ),
        (
            chrome("Linux; Android 12; Lenovo Tab P11", "Chrome/99.0 Mobile Safari/1"),
            ("tablet", "Android", "12", "Chrome", "99"),
        ),
        ("Mozilla/5.0", ("unknown", "", "", "", "")),
        ("", ("unknown", "", "", "", "")),
        ("\udcff\udcfe Mozilla/5.0 (X11) x", ("unknown", "", "", "", "")),
    ],
)
def test_device_class(user_agent: str, expected: tuple[str, ...]) -> None:
    """An agent string becomes kind, families and major versions; frozen is unknown."""
    found = parse_device(user_agent, NO_HINTS)

    assert expected == (
        found.device_type,
        found.os_name,
        found.os_version,
        found.user_agent_name,
        found.user_agent_version,
    )
    assert found.robot == ""


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        # Known by a list, by its number, by the branch of its system.
        (chrome("Linux; Android 9; SM-T510", "Chrome/9 Mobile Safari/1"), "tablet"),
        (chrome("Linux; Android 8.1.0; Nexus 5X"), "mobile"),
        (chrome("Linux; Android 11; 43LF1204", "Chrome/9 Mobile Safari/1"), "tv"),
        (chrome("Linux; Android 9; XY Build/PTT1.190222.001; wv"), "tv"),
        # A WebView keeps to the convention, whatever its parser is called.
        (chrome("Linux; Android 5.1; Q Build/L; wv", "Chrome/49.0 Safari/1"), "tablet"),
        (chrome("Linux; Android 5.1; Q Build/L; wv", "Chrome/49.0 Mobile"), "mobile"),
        (chrome("Linux; Android 7; Positivo Twist S", "Chrome/9 Mobile"), "mobile"),
        # Dalvik says nothing of what it runs on, but of a model that is known.
        ("Dalvik/2.1.0 (Linux; U; Android 9; no such Build/PI)", "unknown"),
        ("Dalvik/2.1.0 (Linux; U; Android 9; SM-T510 Build/PI)", "tablet"),
        ("Mozilla/5.0 (Windows NT 10.0; ARM; Lumia 550) Edge/13.10586", "mobile"),
        ("Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; ARM; Touch)", "tablet"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Gecko/1 Firefox/120.0", "desktop"),
        ("iPhone13Pro", "mobile"),
        # Words of a television, of its network; of a reader; of a console and a watch.
        ("Opera/9.80 (Linux mips) Presto/2 MB95/3 (Hitachi, Si2157, wired)", "tv"),
        ("Mozilla/5.0 (Linux like Android; de) PocketBook/630 Mobile", "tablet"),
        (chrome("Linux; Android 12; LG-V530", "Chrome/9 Mobile Safari/1"), "tablet"),
        (chrome("Linux; Android 12; RG405M", "Chrome/9 Mobile Safari/1"), "console"),
        (chrome("Linux; Android 8.1.0; OW19W3", "Chrome/9 Mobile"), "wearable"),
        # Gecko's word for telephones, whatever the model is called.
        ("Mozilla/5.0 (Mobile; A_Pad_One; rv:48.0) Gecko/48.0 Firefox/48.0", "mobile"),
        # Telephones before Android, and computers that are none of the usual ones.
        ("KDDI-CA3H UP.Browser/6.2_7.2.7.1.K.5.214 (GUI) MMP/2.0", "mobile"),
        ("DoCoMo/2.0 SH2101V", "mobile"),
        ("dv(iPh12,1);pr(UCBrowser/11.3.5.1203);ov(15_2_1);ss(414x896)", "mobile"),
        ("Mozilla/5.0 (X11; FreeBSD amd64; rv:25.0) Gecko/1 Firefox/25.0", "desktop"),
        # A list calls 9008 a tablet and the tablet of Oysters a telephone.
        (chrome("Linux; Android 7.0; 9008X", "Chrome/9 Mobile Safari/1"), "mobile"),
        (chrome("Linux; Android 4; Oysters T72H 3G", "Chrome/9 Mobile"), "tablet"),
        # Foldable, and so without "Mobile".
        (chrome("Linux; Android 12; V2178A"), "mobile"),
    ],
)
def test_kind_of_device(user_agent: str, kind: str) -> None:
    """Models are what lists and numbers say; the rest follows its own convention."""
    found = parse_device(user_agent, NO_HINTS)

    assert (found.device_type, found.robot) == (kind, "")


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://google.com/bot)", "robot"),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com)", "robot"),
        (f"{PHONE_CHROME} (compatible; Googlebot/2.1; +http://google.com)", "robot"),
        (f"{WINDOWS_CHROME} GTmetrix", "robot"),
        ("GPTBot/1.2", "robot"),
        ("facebookexternalhit/1.1", "robot"),
        ("analytics-python/2.1.1", "robot"),
        ("Go-http-client/1.1", "robot"),
        ("python-requests/2.31", "robot"),
        ("curl/8.0", "robot"),
        (
            chrome("X11; Linux x86_64", "HeadlessChrome/156.0.0.0 Safari/537.36"),
            "headless",
        ),
        (f"{WINDOWS_CHROME} PhantomJS/2.1", "headless"),
    ],
)
def test_robots(user_agent: str, kind: str) -> None:
    """Crawlers and HTTP libraries are robots; a browser without a screen is one too."""
    found = parse_device(user_agent, NO_HINTS)

    assert (found.device_type, found.robot) == ("robot", kind)
    assert agent_kind(user_agent) == kind


@pytest.mark.parametrize(
    "user_agent",
    [
        chrome("Linux; Android 11; CUBOT X30", "Chrome/99.0 Mobile Safari/537.36"),
        chrome("Linux; Android 6.0; POWER BOT", "Chrome/99.0 Mobile Safari/537.36"),
        chrome("Linux; Android 8.1.0; Newsday_E1", "Chrome/84.0 Mobile Safari/537.36"),
        chrome("Linux; Android 11; DYON Google TV Build/RTK2", "Chrome/126.0 Safari/1"),
        chrome("Web0S; Linux/SmartTV", "Chrome/53.0 Safari/537.36 WebAppManager"),
        "SonyEricssonW910i/R1FA Browser/NetFront/3.4 Profile/MIDP-2.1",
        "Nokia MAUI_WAP_Browser/1.0",
        chrome("Linux; Android 9; X", "Chrome/68.0 Mobile SogouMobileBrowser/5.24"),
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; chromeframe/15.0.874.121)",
        "Microsoft Office/16.0 (Microsoft Outlook 16.0.12026; Pro)",
        f"{PHONE_CHROME} Instagram 300.0.0.0",
        f"{PHONE_CHROME} MicroMessenger/7.0.10 Process/tools NetType/WIFI",
        "iPhone13Pro",
    ],
)
def test_people_are_no_robots(user_agent: str) -> None:
    """Telephones named like robots, toolbars and mail readers are people's."""
    assert agent_kind(user_agent) == ""


def test_memory_stays_flat_under_ever_new_agents() -> None:
    """Agents that nobody sent before fill the caches once and then no further."""

    def send(first: int, count: int) -> None:
        for number in range(first, first + count):
            parse_device(f"{WINDOWS_CHROME} planted-{number}-{'x' * 400}", NO_HINTS)

    send(0, 20_000)
    tracemalloc.start()
    try:
        send(20_000, 20_000)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Classes alone; the agents of two generations would be 10 MB more.
    assert grown < 6_000_000


@pytest.mark.parametrize(
    "user_agent",
    [
        f"{firefox('Windows NT 5.1', 11)} (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "Mozilla/5.0 (compatible; SeznamEmailProxy/2.0.174)",
        "RamblerMail/6.0 (incompatible; ImageProxy/6.0)",
        "Mozilla/5.0",
    ],
)
def test_mail_proxies_are_no_robots(user_agent: str) -> None:
    """What fetches pictures for a reader is no robot, and its system is made up."""
    found = parse_device(user_agent, NO_HINTS)

    assert (found.device_type, found.os_name, found.robot) == ("unknown", "", "")


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (
            ClientHints('"Brave";v="131", "Chromium";v="131", "Not?A_Brand";v="99"'),
            ("desktop", "Windows", "Brave", "131"),
        ),
        (
            ClientHints('"Not:A-Brand";v="8", "Chromium";v="156"', "?0", '"Windows"'),
            ("desktop", "Windows", "Chrome", "130"),
        ),
        (
            ClientHints('"Google Chrome";v="130"', "?1", '"Android"'),
            ("mobile", "Android", "Chrome", "130"),
        ),
        (
            ClientHints('"Jane Doe";v="1"', "yes", '"Jane"'),
            ("desktop", "Windows", "Chrome", "130"),
        ),
        (ClientHints("", "", '"Unknown"'), ("desktop", "Windows", "Chrome", "130")),
        (
            ClientHints('"HeadlessChrome";v="130"'),
            ("robot", "Windows", "HeadlessChrome", "130"),
        ),
    ],
)
def test_client_hints(hints: ClientHints, expected: tuple[str, ...]) -> None:
    """Hints of a closed list win over the agent string; others are passed over."""
    found = parse_device(WINDOWS_CHROME, hints)

    assert expected == (
        found.device_type,
        found.os_name,
        found.user_agent_name,
        found.user_agent_version,
    )


@given(
    st.sampled_from(["Windows NT 6.1", "Nokia 9", "Android 9; Z"]),
    st.sampled_from(["Chrome/{}.0", "Firefox/{}.1", "Version/{}.2 Safari/9", "{}"]),
    st.integers(0, 9999) | st.text(max_size=9),
)
def test_agents_are_read_as_by_the_parser(system: str, browser: str, what: Any) -> None:
    """Asking its engine alone says what the library itself would say."""
    text = f"Mozilla/5.0 ({system}) {browser.format(what)}".encode(errors="replace")
    found = pipeline.device._agent(text.decode())
    expected = PARSER.parse(text.decode()).with_defaults()

    assert (found.browser.family, found.os.family) == (
        expected.user_agent.family,
        expected.os.family,
    )
    assert (found.browser.version_string, found.os.version_string) == (
        expected.user_agent.major or "",
        expected.os.major or "",
    )


def versions(
    browser: str, app: str, other: str, ios: str, android: str
) -> Callable[..., str]:
    """Return what puts versions into a line of plain_agents.txt."""
    marks = {
        "<browser>": browser,
        "<app>": app,
        "<other>": other,
        "<ios>": ios,
        "<android>": android,
    }
    return lambda line: re.sub("<[a-z]+>", lambda mark: marks[mark[0]], line)


NUMBER = st.integers(0, 99) | st.integers(0, 99_999)
BROWSER_VERSION = st.builds(
    lambda major, rest: ".".join(map(str, (major, *rest))),
    st.integers(10, 200) | st.integers(10, 999),
    st.lists(NUMBER, min_size=1, max_size=3),
)
APP_VERSION = st.builds(
    "{}.{}.{}".format, st.integers(10, 999), NUMBER, st.integers(0, 9_999_999_999)
)
SMALL = st.integers(0, 99)
IOS_VERSION = st.builds("{}_{}".format, st.integers(1, 99), SMALL) | st.builds(
    "{}_{}_{}".format, st.integers(1, 99), SMALL, SMALL
)
ANDROID_VERSION = st.integers(1, 99).map(str) | st.builds(
    "{}.{}.{}".format, st.integers(1, 99), SMALL, SMALL
)


@given(
    st.sampled_from(LINES),
    st.builds(
        versions,
        browser=BROWSER_VERSION,
        app=APP_VERSION,
        other=BROWSER_VERSION,
        ios=IOS_VERSION,
        android=ANDROID_VERSION,
    ),
    st.sampled_from(["", "?1"]),
)
def test_plain_agents_are_read_as_by_the_patterns(
    line: str, filled: Callable[[str], str], mobile: str
) -> None:
    """Of a known form only versions are read, and all is as every pattern would say."""
    agent = filled(line)

    assert plain_agent(agent) is not None
    assert pipeline.device._said(agent, mobile) == pipeline.device._search(
        agent, mobile
    )


def test_each_plain_form_is_found_as_itself() -> None:
    """No form hides another, and each tells the system's version as it is."""
    found = [
        plain_agent(versions("18.0", "18.0.0", "118.0", "18_5", "14")(line))
        for line in LINES
    ]

    assert [plain and plain.sample for plain in found] == [
        versions("18.0", "18.0.0", "118.0", "18_5", "14")(line) for line in LINES
    ]
    assert [(plain.browser, plain.system) for plain in found if plain] == [
        ("18", "18" if "<ios>" in line else "14" if "<android>" in line else "")
        for line in LINES
    ]


@pytest.mark.parametrize(
    ("kept", "changed"),
    [
        ("Mozilla/5.0 (Windows", " Mozilla/5.0 (Windows"),
        ("Safari/537.36", "Safari/537.36\n"),
        ("Safari/537.36", "Safari/537.36 Quark/1.0"),
        ("Chrome/130", "HeadlessChrome/130"),
        ("Chrome/130", "Chrome/1300"),
        ("Chrome/130", "Chrome/9"),
        ("Chrome/130.0", "Chrome/130.123456"),
        ("Chrome/130.0.0.0", "Chrome/130.0.0.0.0"),
        ("Chrome/130.0.0.0", "Chrome/130"),
        ("Chrome/130", "Chrome/\u0661\u0663\u0660"),
        ("x64)", "x64; compatible; Googlebot/2.1)"),
        ("KHTML", "khtml"),
    ],
)
def test_what_differs_a_little_is_no_plain_agent(kept: str, changed: str) -> None:
    """One character more, less or other, and all patterns are asked."""
    assert plain_agent(WINDOWS_CHROME) is not None
    assert kept in WINDOWS_CHROME
    assert plain_agent(WINDOWS_CHROME.replace(kept, changed)) is None


@pytest.mark.parametrize(
    "agent", ["+491701234567Spider/1.0", "anna98765/3.1 CFNetwork/1240.0.4 Darwin/20.6"]
)
def test_numbers_are_no_names(agent: str) -> None:
    """What the parser takes for a name, and may be someone's number, is not kept."""
    assert re.search("[0-9]{5}", pipeline.device._agent(agent).browser.family)
    assert "" == parse_device(agent, NO_HINTS).user_agent_name


@given(
    st.text(st.characters(categories=None), max_size=80),
    st.text(max_size=40),
    st.sampled_from(["", "{}Bot/1.0", "Mozilla/5.0 ({})", "{}/1.0 Mobile Safari"]),
)
def test_any_text_becomes_a_class(text: str, hint: str, frame: str) -> None:
    """Whatever an agent calls itself, only names and short numbers come out."""
    planted = frame.format(f"{text} 203.0.113.7 jane@example.com")
    found = parse_device(planted, ClientHints(hint, hint, hint))
    kept = "|".join(str(getattr(found, name)) for name in Device.__struct_fields__)

    assert found.device_type in get_args(DeviceType)
    assert "203.0.113" not in kept
    assert "@" not in kept
    kept.encode()


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captured requests beside us")
def test_captured_requests_are_sensible() -> None:
    """Each captured browser is Chrome, each server's library is no one's device."""
    browsers, servers = set(), set()
    for path in sorted(CAPTURES.glob("*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            headers = {
                name.lower(): value for name, value in json.loads(line)["headers"]
            }
            found = parse_device(
                headers.get("user-agent", ""),
                ClientHints(
                    headers.get("sec-ch-ua", ""),
                    headers.get("sec-ch-ua-mobile", ""),
                    headers.get("sec-ch-ua-platform", ""),
                ),
            )
            language = primary_language(headers.get("accept-language", ""))
            (browsers if "browser" in path.name else servers).add(
                (found.device_type, found.os_name, found.user_agent_name, language)
            )

    assert browsers == {
        ("desktop", "Linux", "Chrome", "de-DE"),
        ("desktop", "Linux", "Chrome", "en-US"),
        ("robot", "Linux", "HeadlessChrome", "en-US"),
    }
    assert {row[0] for row in servers} <= {"unknown", "robot"}


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ("320x568", "xs"),
        ("575x1", "xs"),
        ("576x1", "sm"),
        ("768x1024", "md"),
        ("992x1", "lg"),
        ("1199x1", "lg"),
        ("1200x800", "xl"),
        ("1920x1080", "xl"),
        ("0x0", ""),
        ("1920", ""),
        ("1920X1080", ""),
        ("-1x5", ""),
        ("123456x1", ""),
        ("\u0663\u0669\u0660x1", ""),
        ("", ""),
    ],
)
def test_screen_class(size: str, name: str) -> None:
    """A size is a class by its width; what is no size has none."""
    assert name == screen_class(size)


@pytest.mark.parametrize(
    ("header", "language", "base"),
    [
        ("de-DE,en;q=0.5", "de-DE", "de"),
        ("en;q=0.5, de-AT;q=0.9", "de-AT", "de"),
        ("fr", "fr", "fr"),
        ("en_us", "en-US", "en"),
        ("zh-hant-tw", "zh-Hant-TW", "zh"),
        ("es-419", "es-419", "es"),
        ("de-DE-u-co-phonebk", "de-DE", "de"),
        ("de;q=0,fr", "fr", "fr"),
        ("*,it", "it", "it"),
        ("*", "", ""),
        ("de;q=x", "", ""),
        ("x-jane", "", ""),
        ("jane.doe@example.com", "", ""),
        ("", "", ""),
    ],
)
def test_language(header: str, language: str, base: str) -> None:
    """Of the preferred language tag, language, script and region remain."""
    assert language == primary_language(header)
    assert base == base_language(language)


@given(st.text(max_size=300))
def test_language_has_the_shape_of_one(header: str) -> None:
    """Any header gives a short tag of letters and digits, or none."""
    language = primary_language(header)

    assert len(language) <= len("zho-Hant-419")
    assert language == primary_language(language)
