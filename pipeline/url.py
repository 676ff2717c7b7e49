"""
URLs: what may be kept of one is its host, its path and its campaign.

Credentials, port, query and fragment are dropped. Of the query only the campaign
parameters are read, and of a click id only that there was one: its value names
one person's click.
"""

import functools
import re
from urllib.parse import unquote_plus

import idna
import msgspec

from pipeline.address import parse
from pipeline.redact import redact_path, redact_text
from pipeline.redact_hosts import redact_host

MAX_PATH = 1024
MAX_CAMPAIGN = 200
_MAX_URL = 8192
_MAX_HOST = 253
_MAX_PARAMETERS = 200

_IGNORED = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,31}):", re.IGNORECASE)
_HOST = re.compile(r"(?!.*\.\.)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NUMERIC_HOST = re.compile(r"[0-9.]+|0x[0-9a-f.x]+")
_MATRIX = re.compile(r";[^/]*")

# Parameters of equal meaning, the first that is there wins.
_CAMPAIGN = {
    "source": ("utm_source", "source", "ref"),
    "medium": ("utm_medium",),
    "campaign": ("utm_campaign",),
    "term": ("utm_term",),
    "content": ("utm_content",),
    "id": ("utm_id",),
}
_CAMPAIGN_NAMES = frozenset(name for names in _CAMPAIGN.values() for name in names)
_CLICK_IDS = frozenset(
    (
        "_openstat",
        "cjevent",
        "dclid",
        "dicbo",
        "epik",
        "fbclid",
        "gbraid",
        "gclid",
        "igshid",
        "irclickid",
        "li_fat_id",
        "msclkid",
        "obclid",
        "qclid",
        "rdt_cid",
        "sccid",
        "srsltid",
        "tblci",
        "ttclid",
        "twclid",
        "wbraid",
        "yclid",
        "ymclid",
    )
)
_WANTED = re.compile(
    "|".join(("utm_", "source=", "ref=", *sorted(_CLICK_IDS))), re.IGNORECASE
)

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


class Campaign(msgspec.Struct, frozen=True):
    """What a URL says about the campaign that led to it."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    id: str = ""


class CleanUrl(msgspec.Struct, frozen=True):
    """A URL without anything that belongs to one person."""

    domain: str = ""
    path: str = ""
    campaign: Campaign = Campaign()
    ad_click: str = ""
    query: str = ""


_NOTHING = CleanUrl()


@functools.lru_cache(maxsize=8192)
def clean_url(url: str) -> CleanUrl:
    """Return what may be kept of an http or https URL; nothing of another one."""
    url = _readable(url)
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() not in ("http", "https"):
        return _NOTHING
    domain, path, query = _split(url[scheme.end() :])
    if not domain:
        return _NOTHING
    if not query or _WANTED.search(query) is None:
        return CleanUrl(domain, path)
    campaign, ad_click = _read_query(query)
    return CleanUrl(domain, path, campaign, ad_click)


@functools.lru_cache(maxsize=8192)
def clean_target(url: str) -> tuple[str, str]:
    """
    Return host and path of where a link leads.

    Of "mailto:", "tel:" and the like only the scheme remains; "other:" stands for
    schemes not known by name. A relative link has a path and no host.
    """
    url = _readable(url)
    scheme = _SCHEME.match(url)
    if scheme is None:
        if url.startswith("//"):
            return _split(url)[:2]
        return "", _clean_path(url)
    name = scheme[1].lower()
    if name in ("http", "https"):
        return _split(url[scheme.end() :])[:2]
    return f"{name}:" if name in _NAMED_SCHEMES else "other:", ""


def clean_campaign(text: str | None) -> str:
    """Return the value of a campaign parameter as it may be kept."""
    return redact_text(text.strip(), MAX_CAMPAIGN) if text else ""


def clean_host(host: str) -> str:
    """
    Return a host as it may be kept: lower case, Punycode, or "" for no host.

    An address in place of a name is a machine's, often one person's: "[ip]".
    Loopback addresses stay, being the same for everyone. A name that spells an
    address or a token loses it like any other text.
    """
    host = host.rstrip(".").lower()
    if not host.isascii():
        host = _to_ascii(host)
    if host.startswith("[") or _NUMERIC_HOST.fullmatch(host):
        address = parse(host)
        return host if address is not None and address.is_loopback else "[ip]"
    if len(host) > _MAX_HOST or _HOST.fullmatch(host) is None:
        return ""
    return redact_path(redact_host(host), _MAX_HOST)


def _readable(url: str) -> str:
    # As browsers do: without line breaks, and a backslash is a slash.
    return _IGNORED.sub("", url[:_MAX_URL]).strip().replace("\\", "/")


def _split(rest: str) -> tuple[str, str, str]:
    """Return host, path and query of what follows the scheme's colon."""
    rest = rest.lstrip("/").partition("#")[0]
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    host = _without_port(authority.rpartition("@")[2])
    domain = clean_host(host)
    return (domain, _clean_path(slash + path), query) if domain else ("", "", "")


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


def _clean_path(path: str) -> str:
    path = path.partition("#")[0].partition("?")[0]
    if ";" in path:
        # Parameters of a path segment carry session ids (";jsessionid=").
        path = _MATRIX.sub("", path)
    return redact_path(path.replace(" ", "%20") or "/", MAX_PATH)


def _read_query(query: str) -> tuple[Campaign, str]:
    """Return the campaign and the name of the first click id of a query."""
    found: dict[str, str] = {}
    ad_click = ""
    for pair in query.split("&", _MAX_PARAMETERS)[:_MAX_PARAMETERS]:
        name, _, value = pair.partition("=")
        name = name.lower()
        if not value:
            continue
        if name in _CAMPAIGN_NAMES:
            found.setdefault(name, value)
        elif name in _CLICK_IDS and not ad_click:
            ad_click = name
    if not found:
        return Campaign(), ad_click
    fields = {field: _first(names, found) for field, names in _CAMPAIGN.items()}
    return Campaign(**fields), ad_click


def _first(names: tuple[str, ...], found: dict[str, str]) -> str:
    raw = next((found[name] for name in names if name in found), "")
    return clean_campaign(unquote_plus(raw)) if raw else ""
