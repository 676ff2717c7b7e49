"""
Which agents are robots by their own name.

The patterns are isbot's, from the maintained package is-bot (Apache-2.0), with a few
of our own. They are one automaton of RE2: a few microseconds for an agent never seen,
linear in its length whatever it holds, where the package's own search takes hundreds.
"""

import functools
import re
from typing import Any, Literal

import re2
from is_bot import Bots

AgentKind = Literal["", "robot", "headless"]

# Bytes an automaton may take; at the limit it forgets and starts anew.
LARGE, SMALL = 24 << 20, 4 << 20

# Patterns of isbot's that meet people: plug-ins and toolbars that old browsers name,
# an Opera Mini behind a counting proxy, Sogou's browser (its spider says so).
_MEET_PEOPLE = frozenset(
    {
        "chromeframe",
        "download",
        "firephp",
        "optimize",
        "sogou",
        r"^\d+\b",
        r"\(\)",
        r"agent\b",
    }
)

# Robots that isbot's patterns do not meet, by their operators' own descriptions.
_MORE = (
    r"^mozilla/5\.0 \(compatible; (?:[^mok]|m[^s]|o[^p]|k[^o])[^)]*\)$",
    r" at [a-z-]+ dot com|\(at\)",
    r"screen[ -]?shot|web ?thumb|websnapr|webscreenie|snapsearch|imgsizer|wkhtmlto",
    r"uptime|webmon\b|monitoring\)|alertsite|webstatus|siteguardian|netvigie|nodemeter",
    r"gtmetrix|debugbear|\bylt\b|observatory/|speed ?curve|miniature\.?io|onetrust",
    r"phantomjs|slimerjs|zombie\.js|puppeteer|playwright|selenium|cypress/",
    r"amzn-user|amazon-kendra|claude-(?:user|web)|chatgpt-user|perplexity-user|alliai",
    r"assetnote|fastdast|whatweb|heimdall|laravel reaver|<\?|yunjiankong|prospectorbr",
    r"evc-batch|grub-client|kimonolabs|stackrambler|cerberian|seocompany|mrfcompass",
    r"htdig|sqworm|owler|linkexaminer|memgator|surphace|cloudtrellis|criteo\)|\bhlb/",
    r"kube-?(?:probe|ctl)|^docker/|^gradle/|^twine/|^gitlab|hookshot|webhooks?/|^y!j-",
    r"reactornetty|web services client protocol|fetch api request|\) siege/",
    r"(?:gomez|ips-|anturis |websitepulse |dts )agent|email extractor|tester/|neustar",
    r"^dart/|^ureq/|engine\)$|link-resolver|^page valet|binglocalsearch|b-o-t\b",
    r"mikrotik/|clarsentia|seolizer|probelyspdr|i2kconnect|forusp\b|wp rocket",
    r"\bworker/|\bimporter\b",
)

# A person stands behind these: mail readers and the proxies that fetch pictures for
# them, Apple's mail privacy ("Mozilla/5.0" and no more), the light pages of Google,
# UC Browser's own form, and televisions of which a part is called a manager.
_PEOPLE = (
    r"image ?proxy|mail ?proxy|barracuda sentinel|^mozilla/5\.0$"
    r"|outlook|^microsoft office/|airmail|canarymail|postbox/|mailspring/"
    r"|^iphone ?[0-9sx][0-9a-z]*$|googletv|^smarttv_"
    r"|^\[fban/|process/(?:tools|toolsmp|appbrand)"
    r"|googleweblight|^dv\(ip|webappmanager|vidaa"
    # Telephones' own browsers, before Android.
    r"|\bmidp-|\bmaui\b|wap[_ ]browser"
)
_HEADLESS = r"headless|phantomjs|slimerjs|zombie\.js|puppeteer|playwright|selenium"

# Telephones and televisions are called anything: "Discovery", "Google TV", "POWER BOT".
# What is in the brackets of a device says nothing, unless a robot says so there.
_ANDROID = re.compile(
    r"(?:android |linux; u; |tizen )[^()]*(?:\([^()]{0,40}\)[^()]{0,80})?\)",
    re.IGNORECASE,
)
_ROBOT_INSIDE = re.compile(
    r"compatible|://|(?:bot|crawler|spider|-google)/|screenshot|neustar", re.IGNORECASE
)

# RE2 has no looking ahead or behind: such a pattern is searched without it first, and
# Python's engine is asked only about what that finds.
_LOOK = re.compile(r"\(\?<?[!=](?:[^()]|\([^()]*\))*\)")
_LOOK_BEHIND_EITHER = re.compile(r"\(\?<!([^()|]+)\|([^()|]+)\)")


@functools.cache
def _automata() -> tuple[Any, Any, re.Pattern[str], Any, Any]:
    patterns = sorted(Bots().patterns - _MEET_PEOPLE)
    looking = [pattern for pattern in patterns if _LOOK.search(pattern)]
    plain = [pattern for pattern in patterns if not _LOOK.search(pattern)]
    return (
        compile_any([*plain, *_MORE], LARGE),
        compile_any([_LOOK.sub("", pattern) for pattern in looking]),
        re.compile(
            _either(
                _LOOK_BEHIND_EITHER.sub(r"(?<!\1)(?<!\2)", pattern)
                for pattern in looking
            ),
            re.IGNORECASE,
        ),
        compile_any([_PEOPLE]),
        compile_any([_HEADLESS]),
    )


def suspicious() -> list[str]:
    """Return patterns of which every robot and every mail proxy meets at least one."""
    plain = [_LOOK.sub("", pattern) for pattern in Bots().patterns - _MEET_PEOPLE]
    return [*sorted(plain), *_MORE, *_MAIL_PROXIES]


def agent_kind(user_agent: str) -> AgentKind:
    """
    Return what an agent calls itself: "robot", "headless" (a browser without a
    screen) or "" for what may be a person's.
    """
    text = user_agent.encode(errors="replace")
    if not _is_named(text, user_agent):
        return ""
    _, _, _, people, headless = _automata()
    if headless.search(text):
        return "headless"
    if people.search(text):
        return ""
    device = _ANDROID.search(user_agent)
    if device is not None and not _ROBOT_INSIDE.search(device[0]):
        rest = user_agent[: device.start()] + ")" + user_agent[device.end() :]
        return "robot" if _is_named(rest.encode(errors="replace"), rest) else ""
    return "robot"


def _is_named(text: bytes, user_agent: str) -> bool:
    certain, perhaps, confirm, _, _ = _automata()
    return bool(
        certain.search(text) or (perhaps.search(text) and confirm.search(user_agent))
    )


def is_mail_proxy(user_agent: str) -> bool:
    """Say if an agent fetches pictures for a person whose device it is not."""
    lowered = user_agent.lower()
    return any(words in lowered for words in _MAIL_PROXIES)


_MAIL_PROXIES = (
    "imageproxy",
    "image proxy",
    "mailproxy",
    "mail proxy",
    "barracuda sentinel",
)


def _either(patterns: Any) -> str:  # noqa: ANN401
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def compile_any(patterns: list[str], memory: int = SMALL) -> Any:  # noqa: ANN401 - re2 has no types
    """Return one automaton for several patterns, any case; it searches bytes."""
    options = re2.Options()
    options.max_mem = memory
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(_either(patterns).encode(), options)
