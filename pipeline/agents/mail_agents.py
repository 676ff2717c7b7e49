"""
Who loads a mail's pictures, by the agent alone.

Lists of robots take mail proxies and Outlook for robots: what is known of mail is asked
before them. Sources: research/consent of 2026 on agents seen in
mail logs; bird.com on Gmail's prefetching (2022); Apple's Mail Privacy Protection.
"""

from typing import Literal

from pipeline.memo import remember

# "webkit" is Apple Mail, the new Outlook, or an app's view: a bare engine's agent.
Reader = Literal["", "human", "webkit", "proxy", "prefetch", "scanner"]

_MAX_AGENT = 1024

# Mail Privacy Protection says this and no more, when the mail arrives.
_APPLE_PREFETCH = "Mozilla/5.0"
# An Edge of 2015, from Google's network, before the mail is shown.
_GMAIL_PREFETCH = "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246"

# Parts of agents in lower case: words are found far faster than patterns.
_SCANNERS = (
    "barracuda",
    "fireeye",
    "forcepoint",
    "fortimail",
    "ironport",
    "link check",
    "linkcheck",
    "linkscan",
    "messagelabs",
    "microsoft office existence discovery",
    "mimecast",
    "proofpoint",
    "sophos",
    "symantec",
    "trend micro",
    "trendmicro",
    "yahoo link preview",
)
_PROXIES = (
    "fastmailua",
    "image proxy",
    "image-proxy",
    "imageproxy",
    "mail proxy",
    "mailproxy",
    "ramblermail",
    "ukr.net",
    "ukrnet",
    "via ggpht.com",
    "ymailatgateway",
)
# Programs in which people read mail.
_READERS = (
    "airmail",
    "apple mail",
    "applemail",
    "betterbird",
    "claws mail",
    "em client",
    "emclient",
    "evolution/",
    "hcl notes",
    "kmail/",
    "lotus-notes",
    "mailbird",
    "microsoft outlook",
    "ms-office",
    "msoffice",
    "outlook-android",
    "outlook-ios",
    "postbox/",
    "superhuman",
    "the bat!",
    "thunderbird",
)
_BROWSERS = ("safari/", "chrome/", "firefox/", "crios/", "fxios/")


@remember(4096)
def reader_of(user_agent: str) -> Reader:
    """
    Return who loads a mail's pictures under this agent; "" if that is not known here.

    A request without any agent says of nobody that they read: prefetch.
    """
    agent = user_agent[:_MAX_AGENT].strip()
    if agent in ("", _APPLE_PREFETCH) or _GMAIL_PREFETCH in agent:
        return "prefetch"
    words = agent.lower()
    if _has(words, _SCANNERS):
        return "scanner"
    if _has(words, _PROXIES):
        return "proxy"
    if _has(words, _READERS):
        return "human"
    if "applewebkit/" in words and not _has(words, _BROWSERS):
        return "webkit"
    return ""


def _has(words: str, parts: tuple[str, ...]) -> bool:
    return any(part in words for part in parts)
