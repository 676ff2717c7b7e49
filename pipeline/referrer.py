"""
Where a visit came from: the referring host, and what kind of place it is.

Campaign parameters say more than the Referer header and win over it. Hosts are
looked up in lists (`referrer_lists.py`); what they do not name is a plain referral.
"""

import re
from pathlib import Path

import msgspec

from pipeline.memo import forget_all, remember
from pipeline.places import Medium, Place, without_www
from pipeline.redact import count
from pipeline.redaction.rules import NO_EXTRA, Extra
from pipeline.referrer_lists import Lists, Shelf
from pipeline.url import clean_campaign, read_host, read_url

_APP = re.compile(
    r"(?:android|ios)-app://([a-z0-9_]+(?:\.[a-z0-9_]+){0,12})(?:/|$)", re.IGNORECASE
)
_MAX_APP = 100
_NO_PARAMETERS: frozenset[str] = frozenset()
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


_SHELF = Shelf()


def use_lists(folder: Path | None) -> None:
    """
    Prefer the copies of the lists in a data folder from now on.

    Args:
        folder: where `kastana lists refresh` writes them; None: the package's alone.

    """
    _SHELF.use(folder)
    forget_all()


def refresh_lists() -> None:
    """Read the lists again if a file of the data folder changed; costs two stats."""
    if _SHELF.refresh():
        forget_all()


def lists() -> Lists:
    """Return the lists in force."""
    return _SHELF.lists


def is_spam(host: str) -> bool:
    """Say if a host in lower case, or a domain it lies under, is a spammer's."""
    spam = _SHELF.lists.spam
    while host:
        if host in spam:
            return True
        host = host.partition(".")[2]
    return False


def classify(
    referrer: str,
    page_host: str,
    utm_source: str | None = None,
    utm_medium: str | None = None,
    extra: Extra = NO_EXTRA,
) -> Source:
    """
    Return the source of a visit.

    Args:
        referrer: the referring URL, or the name of an app as "android-app://…".
        page_host: the host of the page that was visited.
        utm_source: campaign source, as given.
        utm_medium: campaign medium, as given.
        extra: the site's own redaction rules.

    Returns:
        Host and path of the referrer, cleaned; a name for the source, taken from
        the campaign if there is one; one of a closed set of media. A web mailer's
        path, which names folders and mails, is left out.

    """
    campaign = clean_campaign(utm_source, extra), clean_campaign(utm_medium, extra)
    source, rules = read_source(referrer, page_host, *campaign, extra)
    if rules:
        count(rules)
    return source


def read_source(
    referrer: str,
    page_host: str,
    utm_source: str,
    utm_medium: str,
    extra: Extra,
) -> tuple[Source, tuple[str, ...]]:
    """
    Do what `classify` does; return the rules of what was replaced, uncounted.

    Source and medium of the campaign are cleaned already, "" for none.
    """
    domain, path, rules = _clean_referrer(referrer, extra)
    if not utm_source and not utm_medium:
        return _source(domain, path, page_host, None), rules
    campaign = utm_source.lower(), utm_medium.lower()
    return _source(domain, path, page_host, campaign), rules


_NAMING_PEOPLE = frozenset({"email", "social"})


@remember(1024)
def _source(
    domain: str, path: str, page_host: str, campaign: tuple[str, str] | None
) -> Source:
    """Name the source of a visit; all that comes in is cleaned."""
    known = lists().places.find(domain)
    if known is not None and known.medium in _NAMING_PEOPLE:
        # Folders of a mailbox, and whose profile it was.
        path = ""
    if campaign is not None:
        source, medium = _campaign(*campaign, known, domain)
    elif not domain:
        source, medium = "", "direct"
    elif _is_same_site(domain, page_host):
        source, medium = "", "internal"
    elif known is not None:
        source, medium = known.name, known.medium
    else:
        source, medium = without_www(domain), "referral"
    return Source(domain, path, source, medium)


def _clean_referrer(referrer: str, extra: Extra) -> tuple[str, str, tuple[str, ...]]:
    """Return host, path and the rules of what was replaced in them."""
    if not referrer:
        return "", "", ()
    app = _APP.match(referrer)
    if app is None:
        url, rules = read_url(referrer, extra, _NO_PARAMETERS)
        return url.domain, url.path, rules
    if len(app[1]) > _MAX_APP:
        return "", "", ()
    host = read_host(app[1], extra)
    return host.text, "", host.rules


def _campaign(
    utm_source: str, utm_medium: str, known: Place | None, domain: str
) -> tuple[str, Medium]:
    named = _find_name(utm_source) if utm_source else known
    medium = _MEDIUM_OF.get(utm_medium.replace(" ", "-"))
    if medium is None:
        # "?utm_source=chatgpt.com" says enough, a web mailer too; an unknown medium
        # says otherwise.
        place = named or known
        medium = "campaign" if utm_medium or place is None else place.medium
    return named.name if named else utm_source or without_www(domain), medium


def _find_name(source: str) -> Place | None:
    places = lists().places
    if "." in source:
        return places.find(source)
    return places.named(_SHORT_NAMES.get(source, source)) or places.named(source)


def _is_same_site(domain: str, page_host: str) -> bool:
    one, other = without_www(domain), without_www(page_host.lower())
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
