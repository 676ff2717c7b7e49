"""
Where a visit came from: the referring host, and what kind of place it is.

Campaign parameters say more than the Referer header and win over it. Hosts are
looked up in data/referrers.json; what is not listed there is a plain referral.
"""

import functools
import json
import re
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from pipeline.url import clean_campaign, clean_url

Medium = Literal[
    "direct",
    "internal",
    "search",
    "social",
    "email",
    "ai",
    "referral",
    "paid",
    "campaign",
]

_LIST = Path(__file__).parent / "data" / "referrers.json"
# Where one name stands for several media, what is meant without further word.
_LIST_ORDER: tuple[Medium, ...] = (
    "search",
    "social",
    "ai",
    "email",
    "referral",
    "paid",
)

_APP = re.compile(
    r"(?:android|ios)-app://([a-z0-9_]+(?:\.[a-z0-9_]+){0,12})(?:/|$)", re.IGNORECASE
)
_MAX_APP = 100
_MAIL_HOST = re.compile(r"(?:web)?mail[0-9]?\.|roundcube\.|owa\.")
# Below these a search engine's other hosts are still the search engine.
_SEARCH_LABEL = re.compile(
    r"[a-z]{2}|www[0-9]?|m|amp|cse|encrypted|html|images?|lite|mobile|noai|news|search"
    r"|safe|video|yandex"
)
_SECOND_LEVEL = frozenset(("ac", "co", "com", "edu", "gov", "it", "ne", "net", "org"))

_MEDIA_WORDS: dict[Medium, str] = {
    "email": "email e-mail e_mail mail newsletter news-letter mailing edm",
    "social": "social social-media social_media socialmedia social-network sm",
    "search": "organic seo search organic_search organic-search",
    "ai": "ai ai-chat llm chatbot assistant",
    "referral": "referral referrer link web",
    "paid": "ad ads affiliate affiliates banner cpa cpc cpm cpv display paid ppc "
    "paid-search paid_search paidsearch paid-social paid_social paidsocial "
    "remarketing retargeting sem",
}
_MEDIUM_OF: dict[str, Medium] = {
    word: medium for medium, words in _MEDIA_WORDS.items() for word in words.split()
}
_SHORT_NAMES = {
    "fb": "facebook",
    "ig": "instagram",
    "insta": "instagram",
    "li": "linkedin",
    "openai": "chatgpt",
    "tw": "x",
    "twitter": "x",
    "wa": "whatsapp",
    "yahoo": "yahoo!",
    "yt": "youtube",
}


class Source(msgspec.Struct, frozen=True):
    """Where a visit came from."""

    referrer_domain: str = ""
    referrer_path: str = ""
    traffic_source: str = ""
    traffic_medium: Medium = "direct"


class _Known(NamedTuple):
    medium: Medium
    name: str


@functools.lru_cache(maxsize=8192)
def classify(
    referrer: str,
    page_host: str,
    utm_source: str | None = None,
    utm_medium: str | None = None,
) -> Source:
    """
    Return the source of a visit.

    Args:
        referrer: the referring URL, or the name of an app as "android-app://…".
        page_host: the host of the page that was visited.
        utm_source: campaign source, as given.
        utm_medium: campaign medium, as given.

    Returns:
        Host and path of the referrer, cleaned; a name for the source, taken from
        the campaign if there is one; one of a closed set of media. A web mailer's
        path, which names folders and mails, is left out.

    """
    domain, path = _clean_referrer(referrer)
    known = _find_host(domain)
    if known is not None and known.medium == "email":
        path = ""
    if utm_source or utm_medium:
        source, medium = _campaign(utm_source, utm_medium, known, domain)
    elif not domain:
        source, medium = "", "direct"
    elif _is_same_site(domain, page_host):
        source, medium = "", "internal"
    elif known is not None:
        source, medium = known.name, known.medium
    else:
        source, medium = _without_www(domain), "referral"
    return Source(domain, path, source, medium)


def _clean_referrer(referrer: str) -> tuple[str, str]:
    app = _APP.match(referrer)
    if app is None:
        url = clean_url(referrer)
        return url.domain, url.path
    return (app[1].lower(), "") if len(app[1]) <= _MAX_APP else ("", "")


def _campaign(
    utm_source: str | None, utm_medium: str | None, known: _Known | None, domain: str
) -> tuple[str, Medium]:
    source = clean_campaign(utm_source).lower()
    named = _find_name(source) if source else known
    medium = _MEDIUM_OF.get(clean_campaign(utm_medium).lower())
    if medium is None:
        # "?utm_source=chatgpt.com" says enough, a web mailer too; an unknown medium
        # says otherwise.
        place = named or known
        medium = "campaign" if utm_medium or place is None else place.medium
    return named.name if named else source or _without_www(domain), medium


def _find_name(source: str) -> _Known | None:
    hosts, names = _known()
    if "." in source:
        return _find_host(source)
    return names.get(_SHORT_NAMES.get(source, source)) or hosts.get(source)


@functools.lru_cache(maxsize=8192)
def _find_host(domain: str) -> _Known | None:
    """Look a host up: itself, as one of many countries', below a known host."""
    hosts, _ = _known()
    host = _without_www(domain)
    found = hosts.get(host) or hosts.get(_across_countries(host))
    if found is not None or not host:
        return found
    label, _, parent = host.partition(".")
    while "." in parent:
        found = hosts.get(parent) or hosts.get(_across_countries(parent))
        if found is not None:
            break
        label, _, parent = parent.partition(".")
    if found is not None and (
        found.medium != "search" or _SEARCH_LABEL.fullmatch(label)
    ):
        return found
    if _MAIL_HOST.match(host):
        return _Known("email", host)
    # An unlisted host of a search engine's company, such as its shop.
    return _Known("referral", host) if found is not None else None


def _across_countries(host: str) -> str:
    """Return "name.*" for a host right below a top-level domain, "" for others."""
    name, _, top = host.partition(".")
    first, dot, country = top.partition(".")
    if dot and (first not in _SECOND_LEVEL or len(country) != len("uk")):
        return ""
    return f"{name}.*"


def _is_same_site(domain: str, page_host: str) -> bool:
    one, other = _without_www(domain), _without_www(page_host.lower())
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _without_www(host: str) -> str:
    return host.removeprefix("www.")


@functools.cache
def _known() -> tuple[dict[str, _Known], dict[str, _Known]]:
    """Return the listed sources by host, and by name in lower case."""
    media = json.loads(_LIST.read_text(encoding="utf-8"))["media"]
    hosts: dict[str, _Known] = {}
    names: dict[str, _Known] = {}
    for medium in _LIST_ORDER:
        for name, places in media[medium].items():
            known = _Known(medium, name)
            names.setdefault(name.lower(), known)
            hosts.update((place.lower(), known) for place in places)
    return hosts, names
