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
from ua_parser.regex import Resolver

from pipeline.agents.device_kind import NAMED_KINDS, DeviceType, kind_of
from pipeline.agents.device_names import (
    BRANDS,
    BROWSERS,
    PLATFORMS,
    SYSTEMS,
    TOKEN_PATTERN,
    token_of,
)
from pipeline.agents.families import parsers
from pipeline.agents.plain_agents import plain_agent
from pipeline.agents.robot_agents import (
    LARGE,
    AgentKind,
    agent_kind,
    compile_any,
    is_mail_proxy,
    suspicious,
)
from pipeline.memo import remember

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

# Parts of agent strings that no longer tell the version of the system.
_FROZEN = re.compile(
    r"Windows NT 10\.0|Mac OS X 10(?:_15_7|\.15;)|Android 10; K", re.ASCII
)
_FROZEN_SAFARI = 26  # From here on Safari says "iPhone OS 18_6" on every later one.

# No dotted or long numbers: an address or telephone number is no browser's name.
_NAME = re.compile(
    r"(?!.*[0-9]\.[0-9]|.*[0-9]{5})[A-Za-z0-9][A-Za-z0-9 .!+&/()_'-]{0,39}"
)
_ENGINE = re.compile(r"(Opera|Chrome)/([0-9]{1,4})")
_VERSION = re.compile(r"[0-9]{1,4}|XP|Vista|ME|NT")

# One entry of Sec-CH-UA. "Chromium" and GREASE such as "Not:A-Brand" are in neither
# list and so are passed over.
_BRAND = re.compile(r'"([^"\\]{1,40})"\s*;\s*v\s*=\s*"([0-9]{1,4})[0-9.]{0,20}"')
_MAX_HINT = 512


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
    robot: AgentKind = ""


def parse_device(user_agent: str, hints: ClientHints) -> Device:
    """Return the class of a device; unknown is "" or "unknown", never a guess."""
    return _parse(
        user_agent[:_MAX_AGENT],
        hints.brands[:_MAX_HINT],
        hints.mobile[:2],
        hints.platform[:20],
    )


class _Said(msgspec.Struct, frozen=True):
    """
    What an agent string says for itself.

    Attributes:
        device_type: with the hint that it is mobile, or without; not of robots.
        people: False if a proxy sent it for a reader, whose device is unknown.

    """

    name: str
    version: str
    system: str = ""
    system_version: str = ""
    device_type: DeviceType = "unknown"
    robot: AgentKind = ""
    people: bool = True


@remember(2048)
def _parse(user_agent: str, brands: str, mobile: str, platform: str) -> Device:
    brand, brand_version = _brand(brands)
    said = _said(user_agent, "?1" if mobile == "?1" else "")
    name, version, robot = said.name, said.version, said.robot
    if not said.people:
        return Device(user_agent_name=name)
    if "Headless" in brand:
        robot = "headless"
    if brand and name in ("", "Chrome", "Chrome WebView"):
        # Chrome's agent string is what Brave and others hide behind.
        name, version = brand, brand_version
    system = PLATFORMS.get(platform.strip('"'), said.system)
    return Device(
        device_type="robot" if robot else said.device_type,
        os_name=system,
        os_version=said.system_version if system == said.system else "",
        user_agent_name=name,
        user_agent_version=version,
        robot=robot,
    )


def _said(user_agent: str, mobile: str) -> _Said:
    plain = plain_agent(user_agent)
    if plain is None:
        return _search(user_agent, mobile)
    said = _of_form(plain.sample, mobile)
    return _Said(
        said.name,
        plain.browser,
        said.system,
        _told(
            said.system, plain.system, plain.browser if said.name == "Safari" else ""
        ),
        said.device_type,
    )


@functools.cache
def _of_form(sample: str, mobile: str) -> _Said:
    return _search(sample, mobile)


def _search(user_agent: str, mobile: str) -> _Said:
    """Find by its patterns what an agent string says, whatever it is."""
    # Header bytes that are no UTF-8 arrive as lone surrogates.
    encoded = user_agent.encode(errors="replace")
    agent = _agent(encoded.decode())
    name, version = "", ""
    robot: AgentKind = ""
    # Most agents are plain browsers: one question instead of many.
    unusual = _unusual().search(encoded) is not None
    if unusual:
        if is_mail_proxy(user_agent):
            # Its system is made up, and the reader's device is not behind it.
            return _Said(_name(agent.browser.family, BROWSERS), "", people=False)
        robot = agent_kind(user_agent)
        name, version = token_of(agent.ua_string)
    if not name:
        name = _name(agent.browser.family, BROWSERS)
        # Apple Mail does not tell its version; the parser takes the engine's for it.
        version = "" if name == "Apple Mail" else _major(agent.browser.version)
    if name == "HbbTV":
        name, version = _engine_of_television(agent.ua_string)
    return _Said(
        name,
        version,
        _name(agent.os.family, SYSTEMS),
        _os_version(agent),
        "robot" if robot else kind_of(agent, mobile, plain=not unusual),
        robot,
    )


@functools.cache
def _unusual() -> Any:  # noqa: ANN401 - re2 has no types
    """Return what finds every agent that is more, or other, than a plain browser's."""
    return compile_any([*suspicious(), TOKEN_PATTERN, *NAMED_KINDS], LARGE)


_NO_DEVICE = parsers.Device("Other", "", "")
_OTHER_BROWSER = parsers.Browser("Other", (), "")
_OTHER_SYSTEM = parsers.OperatingSystem("Other", (), "")


@functools.cache
def _engine() -> Resolver:
    """
    Return ua_parser's patterns in its Rust engine.

    Not behind ua_parser's own cache: the classes are cached here, agent strings twice
    would only be more of them in memory. Without its patterns for models of devices,
    half of all, which nobody asks for.
    """
    browsers, systems, _ = ua_parser.load_lazy_builtins()
    return Resolver((browsers, systems, []))


def _agent(text: str) -> Any:  # noqa: ANN401 - user_agents has no types
    """Make a user_agents object from the fast parser's result, not its own slow one."""
    # What it finds, not the objects that ua_parser makes of it: a third less time.
    engine = _engine()
    browser, system = engine.ua.extract(text), engine.os.extract(text)
    agent = parsers.UserAgent.__new__(parsers.UserAgent)
    agent.ua_string = text
    agent.os = (
        parsers.OperatingSystem(system.family, *_version(system.major))
        if system
        else _OTHER_SYSTEM
    )
    agent.browser = (
        parsers.Browser(browser.family, *_version(browser.major))
        if browser
        else _OTHER_BROWSER
    )
    agent.device = _NO_DEVICE
    return agent


def _version(major: str | None) -> tuple[tuple[str, ...], str]:
    return ((major,), major) if major else ((), "")


def _engine_of_television(user_agent: str) -> tuple[str, str]:
    # HbbTV is what the television can show; the browser is the engine it names.
    if match := _ENGINE.search(user_agent):
        return match[1], match[2]
    return "HbbTV", ""


def _os_version(agent: Any) -> str:  # noqa: ANN401
    if _FROZEN.search(agent.ua_string):
        return ""
    safari = agent.browser.family.startswith("Mobile Safari")
    return _told(
        agent.os.family,
        _major(agent.os.version),
        _major(agent.browser.version) if safari else "",
    )


def _told(system: str, version: str, safari: str) -> str:
    """Return a system's version, "" where Safari of that version says another's."""
    if (
        system == "iOS"
        and safari.isdecimal()
        and int(safari) >= _FROZEN_SAFARI
        and int(safari) > int(version or 0)
    ):
        return ""
    return version


def _major(version: tuple[str, ...]) -> str:
    major = version[0] if version else ""
    return major if _VERSION.fullmatch(major) else ""


def _name(family: str, known: dict[str, str]) -> str:
    name = known.get(family)
    return _own_name(family) if name is None else name


@remember(512)
def _own_name(family: str) -> str:
    return family if _NAME.fullmatch(family) else ""


@remember(512)
def _brand(header: str) -> tuple[str, str]:
    for brand, version in _BRAND.findall(header):
        if brand in BRANDS:
            return BRANDS[brand], version
    return "", ""


def screen_class(size: str) -> ScreenClass:
    """
    Return the class of a size such as "1920x1080", by its width in CSS pixels.

    xs below 576, sm below 768, md below 992, lg below 1200, xl from there on.
    """
    match = _SIZE.fullmatch(size)
    width = int(match[1]) if match else 0
    return next((name for least, name in _BREAK_POINTS if width >= least), "")


@remember(2048)
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
