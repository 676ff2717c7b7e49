"""
URLs: what may be kept of one is its host, its path, its campaign, and the parameters
that the site keeps by name.

Credentials, port and fragment are dropped, and what the query holds beside that. Of a
click id only its name is kept: its value names one person's click.
"""

import re

import idna
import msgspec

from pipeline.address import parse
from pipeline.memo import remember
from pipeline.redact import Redacted, count, redact, redact_text
from pipeline.redaction.hosts import redact_host
from pipeline.redaction.rules import NO_EXTRA, Extra
from pipeline.url_query import MAX_CAMPAIGN, NO_CAMPAIGN, Campaign, read_query

__all__ = [
    "MAX_CAMPAIGN",
    "MAX_PATH",
    "Campaign",
    "CleanUrl",
    "clean_campaign",
    "clean_host",
    "clean_target",
    "clean_url",
    "read_host",
    "read_url",
]

MAX_PATH = 1024
_MAX_URL = 8192
_MAX_HOST = 253

_IGNORED = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,31}):", re.IGNORECASE)
_HOST = re.compile(r"(?!.*\.\.)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NUMERIC_HOST = re.compile(r"[0-9.]+|0x[0-9a-f.x]+")
_MATRIX = re.compile(r";[^/]*")
_NONE_ALLOWED: frozenset[str] = frozenset()

# The path of these is somebody's telephone number.
_CALLING = frozenset(("wa.me", "www.wa.me", "signal.me", "call.whatsapp.com"))
# Schemes whose name says what a link does; others could say anything.
_NAMED_SCHEMES = frozenset(
    (
        "about",
        "android-app",
        "blob",
        "callto",
        "chrome-extension",
        "data",
        "facetime",
        "file",
        "ftp",
        "geo",
        "intent",
        "ios-app",
        "itms-apps",
        "javascript",
        "mailto",
        "maps",
        "market",
        "moz-extension",
        "ms-teams",
        "sftp",
        "sip",
        "skype",
        "slack",
        "sms",
        "tel",
        "tg",
        "viber",
        "webcal",
        "whatsapp",
        "zoommtg",
    )
)


class CleanUrl(msgspec.Struct, frozen=True):
    """A URL without anything that belongs to one person."""

    domain: str = ""
    path: str = ""
    campaign: Campaign = NO_CAMPAIGN
    ad_click: str = ""
    query: str = ""


_NOTHING = CleanUrl()
# What became of a text, and the rules of what was replaced in it: counted by whoever
# asks, so that what comes out of a cache is counted too.
_Rules = tuple[str, ...]


def clean_url(
    url: str, extra: Extra = NO_EXTRA, allowed: frozenset[str] = _NONE_ALLOWED
) -> CleanUrl:
    """
    Return what may be kept of an http or https URL; nothing of another one.

    Args:
        url: as it was sent.
        extra: the site's own rules of redaction.
        allowed: names of parameters that the site keeps, in lower case.

    """
    found, rules = read_url(url, extra, allowed)
    if rules:
        count(rules)
    return found


def clean_target(url: str, extra: Extra = NO_EXTRA) -> tuple[str, str]:
    """
    Return host and path of where a link leads.

    Of "mailto:", "tel:" and the like only the scheme remains; "other:" stands for
    schemes not known by name. A relative link has a path and no host.
    """
    host, path, rules = _clean_target(url, extra)
    if rules:
        count(rules)
    return host, path


def clean_campaign(text: str | None, extra: Extra = NO_EXTRA) -> str:
    """Return the value of a campaign parameter as it may be kept."""
    return redact_text(text.strip(), MAX_CAMPAIGN, extra) if text else ""


def clean_host(host: str, extra: Extra = NO_EXTRA) -> str:
    """
    Return a host as it may be kept: lower case, Punycode, or "" for no host.

    An address in place of a name is a machine's, often one person's: "[ip]".
    Loopback addresses stay, being the same for everyone. A name that spells an
    address or a token loses it like any other text.
    """
    found = read_host(host, extra)
    if found.rules:
        count(found.rules)
    return found.text


@remember(2048)
def read_url(
    url: str, extra: Extra, allowed: frozenset[str]
) -> tuple[CleanUrl, tuple[str, ...]]:
    """Do what `clean_url` does; return the rules of what was replaced, uncounted."""
    scheme, _, rest = _readable(url).partition(":")
    if scheme.lower() not in ("http", "https"):
        return _NOTHING, ()
    domain, path, query, rules = _split(rest, extra)
    if not domain or not query:
        return CleanUrl(domain, path), rules
    read = read_query(query, extra, allowed)
    found = CleanUrl(domain, path, read.campaign, read.ad_click, read.kept)
    return found, rules + read.rules


@remember(2048)
def _clean_target(url: str, extra: Extra) -> tuple[str, str, _Rules]:
    url = _readable(url)
    scheme = _SCHEME.match(url)
    name = scheme[1].lower() if scheme else ""
    if name in ("", "http", "https"):
        rest = url[scheme.end() :] if scheme else url
        if scheme or rest.startswith("//"):
            host, path, _, rules = _split(rest, extra)
            return host, "/" if host in _CALLING else path, rules
        found = _clean_path(rest.partition("#")[0].partition("?")[0], extra)
        return "", found.text, found.rules
    return f"{name}:" if name in _NAMED_SCHEMES else "other:", "", ()


@remember(2048)
def read_host(host: str, extra: Extra) -> Redacted:
    """Do what `clean_host` does, uncounted."""
    host = host.rstrip(".").lower()
    if not host.isascii():
        host = _to_ascii(host)
    if host.startswith("[") or _NUMERIC_HOST.fullmatch(host):
        address = parse(host)
        if address is not None and address.is_loopback:
            return Redacted(host)
        return Redacted("[ip]", ("ip",))
    if len(host) > _MAX_HOST or _HOST.fullmatch(host) is None:
        return Redacted("")
    kept = redact_host(host)
    found = redact(kept, _MAX_HOST, "path", extra)
    return found if kept == host else Redacted(found.text, ("ip", *found.rules))


def _readable(url: str) -> str:
    # As browsers do: without line breaks, and a backslash is a slash.
    url = url[:_MAX_URL]
    if not url.isprintable():
        url = _IGNORED.sub("", url)
    return url.strip().replace("\\", "/")


def _split(rest: str, extra: Extra) -> tuple[str, str, str, _Rules]:
    """Return host, path, query and rules of what follows the scheme's colon."""
    rest = rest.lstrip("/").partition("#")[0]
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    host = read_host(_without_port(authority.rpartition("@")[2]), extra)
    if not host.text:
        return "", "", "", ()
    found = _clean_path(slash + path, extra)
    return host.text, found.text, query, host.rules + found.rules


def _without_port(authority: str) -> str:
    if authority.startswith("["):
        host, bracket, _ = authority.partition("]")
        return host + bracket if bracket else ""
    return authority.partition(":")[0]


def _to_ascii(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def _clean_path(path: str, extra: Extra) -> Redacted:
    if ";" in path:
        # Parameters of a path segment carry session ids (";jsessionid=").
        path = _MATRIX.sub("", path)
    return redact(path.replace(" ", "%20") or "/", MAX_PATH, "path", extra)
