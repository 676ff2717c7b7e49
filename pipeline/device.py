"""
The device as a class: kind, family and major version, never the agent string.

Browsers freeze parts of their agent string ("Windows NT 10.0" is any Windows since
2015); what is frozen is unknown here and not its frozen value. Names come from
closed lists or have the shape of a name: an agent string can hold anything.
"""

import functools
import re
from typing import Any, Literal

import msgspec
import ua_parser
from user_agents import parsers

DeviceType = Literal[
    "desktop",
    "mobile",
    "tablet",
    "tv",
    "console",
    "wearable",
    "robot",
    "unknown",
]
ScreenClass = Literal["", "xs", "sm", "md", "lg", "xl"]

_MAX_AGENT = 1024

# CSS pixels from which on a screen belongs to a class.
_BREAK_POINTS: tuple[tuple[int, ScreenClass], ...] = (
    (1200, "xl"),
    (992, "lg"),
    (768, "md"),
    (576, "sm"),
    (1, "xs"),
)
_SIZE = re.compile(r"([0-9]{1,5})x[0-9]{1,5}")

# Most of BCP 47's extensions would tell people apart: language, script, region.
_LANGUAGE = re.compile(
    r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|[0-9]{3}))?(?:[-_][a-z0-9-_]*)?",
    re.IGNORECASE,
)
_WEIGHT = re.compile(r"[01](?:\.[0-9]{0,3})?")
_MAX_LANGUAGES, _MAX_ACCEPT_LANGUAGE = 16, 256

# Mail proxies fetch pictures for a person who reads; they come before robots.
_MAIL_PROXY = re.compile(
    r"image ?proxy|mail ?proxy|email ?proxy|barracuda sentinel", re.IGNORECASE
)
_ROBOT = re.compile(
    # Cubot makes telephones.
    r"(?<!cu)bot\b|crawl|spider|slurp|scrap(?:er|y)|headless|phantomjs|lighthouse"
    r"|puppeteer|playwright|selenium|\bcurl/|\bwget/|python-(?:requests|urllib|httpx)"
    r"|\bhttpx/|aiohttp/|go-http-client|\bjava/|apache-httpclient|libwww-perl"
    r"|node-fetch|\baxios/|guzzlehttp|postmanruntime|uptime|pingdom|monitor(?:ing)?/"
    r"|preview\b|facebookexternalhit|feedfetcher",
    re.IGNORECASE,
)
_TV = re.compile(
    r"smart-?tv|\btv\b|web0s|netcast|hbbtv|bravia|googletv|appletv|tvos|crkey|roku"
    r"|\b(?-i:AFT[A-Z]{1,4})\b|vidaa|viera|philipstv|dtv\b",
    re.IGNORECASE,
)
_CONSOLE = re.compile(r"playstation|xbox|nintendo", re.IGNORECASE)
_WEARABLE = re.compile(
    r"\bwatch ?os|(?:apple|pixel|galaxy) watch|\bsm-r[0-9]|wear ?os|oculusbrowser",
    re.IGNORECASE,
)

_KINDS: tuple[tuple[re.Pattern[str], DeviceType], ...] = (
    (_TV, "tv"),
    (_CONSOLE, "console"),
    (_WEARABLE, "wearable"),
)

# Parts of agent strings that no longer tell the version of the system.
_FROZEN = ("Windows NT 10.0", "Mac OS X 10_15_7", "Mac OS X 10.15;", "Android 10; K")
_FROZEN_SAFARI = 26  # From here on Safari says "iPhone OS 18_6" on every later one.

# No dotted or long numbers: an address or telephone number is no browser's name.
_NAME = re.compile(
    r"(?!.*[0-9]\.[0-9]|.*[0-9]{5})[A-Za-z0-9][A-Za-z0-9 .!+&/()_'-]{0,39}"
)
_VERSION = re.compile(r"[0-9]{1,4}|XP|Vista|ME|NT")

_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome WebView",
    "Chrome Mobile iOS": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari WebView",
    "Opera Mobile": "Opera",
    "Other": "",
}
_BRANDS = {
    "Android WebView": "Chrome WebView",
    "Brave": "Brave",
    "DuckDuckGo": "DuckDuckGo",
    "Google Chrome": "Chrome",
    "HeadlessChrome": "HeadlessChrome",
    "Microsoft Edge": "Edge",
    "Microsoft Edge WebView2": "Edge WebView",
    "NAVER Whale": "Whale",
    "Opera": "Opera",
    "Opera GX": "Opera GX",
    "Opera Mobile": "Opera",
    "OperaMobile": "Opera",
    "Samsung Internet": "Samsung Internet",
    "Vivaldi": "Vivaldi",
    "Whale": "Whale",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
}
# One entry of Sec-CH-UA. "Chromium" and GREASE such as "Not:A-Brand" are in neither
# list and so are passed over.
_BRAND = re.compile(r'"([^"\\]{1,40})"\s*;\s*v\s*=\s*"([0-9]{1,4})[0-9.]{0,20}"')
_MAX_HINT = 512
_SYSTEMS = {
    "ATV OS X": "tvOS",
    "Chromecast Linux": "Linux",
    "Debian": "Linux",
    "Fedora": "Linux",
    "Mac OS X": "macOS",
    "Other": "",
    "Red Hat": "Linux",
    "SUSE": "Linux",
    "Ubuntu": "Linux",
    "Web0S": "webOS",
}
_PLATFORMS = {
    "Android": "Android",
    "Chrome OS": "Chrome OS",
    "Chromium OS": "Chrome OS",
    "Fuchsia": "Fuchsia",
    "Linux": "Linux",
    "Windows": "Windows",
    "iOS": "iOS",
    "macOS": "macOS",
}


class ClientHints(msgspec.Struct, frozen=True):
    """The low-entropy client hints, as their headers say them."""

    brands: str = ""
    mobile: str = ""
    platform: str = ""


class Device(msgspec.Struct, frozen=True):
    """A class of devices that many people share."""

    device_type: DeviceType = "unknown"
    os_name: str = ""
    os_version: str = ""
    user_agent_name: str = ""
    user_agent_version: str = ""
    robot: Literal["", "robot", "headless"] = ""


def parse_device(user_agent: str, hints: ClientHints) -> Device:
    """Return the class of a device; unknown is "" or "unknown", never a guess."""
    return _parse(
        user_agent[:_MAX_AGENT],
        hints.brands[:_MAX_HINT],
        hints.mobile[:2],
        hints.platform[:20],
    )


@functools.lru_cache(maxsize=16384)
def _parse(user_agent: str, brands: str, mobile: str, platform: str) -> Device:
    # Header bytes that are no UTF-8 arrive as lone surrogates.
    agent = _agent(user_agent.encode(errors="replace").decode())
    if _MAIL_PROXY.search(user_agent):
        # Its system is made up, and the reader's device is not behind it.
        return Device(user_agent_name=_name(agent.browser.family, _BROWSERS))
    brand, brand_version = _brand(brands)
    robot: Literal["", "robot", "headless"] = ""
    if "Headless" in brand or "Headless" in user_agent:
        robot = "headless"
    elif agent.is_bot or _ROBOT.search(user_agent):
        robot = "robot"
    name = _name(agent.browser.family, _BROWSERS)
    version = _major(agent.browser.version)
    if brand and name in ("", "Chrome", "Chrome WebView"):
        # Chrome's agent string is what Brave and others hide behind.
        name, version = brand, brand_version
    system = _name(agent.os.family, _SYSTEMS)
    hinted = _PLATFORMS.get(platform.strip('"'), system)
    return Device(
        device_type="robot" if robot else _kind(agent, mobile),
        os_name=hinted,
        os_version=_os_version(agent) if hinted == system else "",
        user_agent_name=name,
        user_agent_version=version,
        robot=robot,
    )


@functools.cache
def _parser() -> ua_parser.Parser:
    # Without ua_parser's own cache: the classes are cached here, agent strings twice
    # would only be more of them in memory.
    return ua_parser.Parser(
        ua_parser.BestAvailableResolver(ua_parser.load_lazy_builtins())
    )


def _agent(text: str) -> Any:  # noqa: ANN401 - user_agents has no types
    """Make a user_agents object from the fast parser's result, not its own slow one."""
    result = _parser().parse(text).with_defaults()
    agent = parsers.UserAgent.__new__(parsers.UserAgent)
    agent.ua_string = text
    os, browser, device = result.os, result.user_agent, result.device
    agent.os = parsers.parse_operating_system(os.family, os.major, os.minor, os.patch)
    agent.browser = parsers.parse_browser(
        browser.family, browser.major, browser.minor, browser.patch
    )
    agent.device = parsers.parse_device(device.family, device.brand, device.model)
    return agent


def _kind(agent: Any, mobile: str) -> DeviceType:  # noqa: ANN401
    text = agent.ua_string
    for pattern, kind in _KINDS:
        if pattern.search(text):
            return kind
    if mobile == "?1":
        return "mobile"
    if agent.is_tablet or "Tablet" in text:
        return "tablet"
    if agent.is_mobile or ("Mobile" in text and not agent.is_pc):
        return "mobile"
    return "desktop" if agent.is_pc else "unknown"


def _os_version(agent: Any) -> str:  # noqa: ANN401
    if any(token in agent.ua_string for token in _FROZEN):
        return ""
    version = _major(agent.os.version)
    safari = _major(agent.browser.version)
    if (
        agent.os.family == "iOS"
        and agent.browser.family.startswith("Mobile Safari")
        and safari.isdecimal()
        and int(safari) >= _FROZEN_SAFARI
        and int(safari) > int(version or 0)
    ):
        return ""
    return version


def _major(version: tuple[int | str, ...]) -> str:
    major = str(version[0]) if version else ""
    return major if _VERSION.fullmatch(major) else ""


def _name(family: str, known: dict[str, str]) -> str:
    name = known.get(family, family)
    return name if _NAME.fullmatch(name) else ""


def _brand(header: str) -> tuple[str, str]:
    for brand, version in _BRAND.findall(header):
        if brand in _BRANDS:
            return _BRANDS[brand], version
    return "", ""


def screen_class(size: str) -> ScreenClass:
    """
    Return the class of a size such as "1920x1080", by its width in CSS pixels.

    xs below 576, sm below 768, md below 992, lg below 1200, xl from there on.
    """
    match = _SIZE.fullmatch(size)
    width = int(match[1]) if match else 0
    return next((name for least, name in _BREAK_POINTS if width >= least), "")


@functools.lru_cache(maxsize=4096)
def primary_language(header: str) -> str:
    """
    Return the preferred language of a language tag or Accept-Language header.

    Language, script and region remain of it ("de-DE", "zh-Hant-TW"); "" when the
    header names none.
    """
    best, best_weight = "", 0.0
    entries = header[:_MAX_ACCEPT_LANGUAGE].split(",", _MAX_LANGUAGES)
    for entry in entries[:_MAX_LANGUAGES]:
        tag, _, parameter = entry.partition(";")
        weight = _weight(parameter)
        language = _language(tag.strip()) if weight > best_weight else ""
        if language:
            best, best_weight = language, weight
    return best


def base_language(language: str) -> str:
    """Return a language without script and region: "de" of "de-DE"."""
    return language.partition("-")[0]


def _language(tag: str) -> str:
    match = _LANGUAGE.fullmatch(tag)
    if match is None:
        return ""
    language, script, region = match.groups()
    parts = (language.lower(), (script or "").title(), (region or "").upper())
    return "-".join(filter(None, parts))


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    return float(value) if _WEIGHT.fullmatch(value.strip()) else 0.0
