"""
A page and where its visitor came from, as they may be kept; remembered together.

A page is seen by many, mostly from the same few places.
"""

import msgspec

from pipeline.memo import Memory
from pipeline.redact import count
from pipeline.referrer import Source, read_source
from pipeline.url import CleanUrl, read_url
from schemas.site import Site

_CACHED = 4096


class Page(msgspec.Struct, frozen=True):
    """
    What may be kept of a page's URL and of its referrer.

    Attributes:
        url: the page's.
        source: where the visit came from.
        rules: of what was replaced in both, once each time.

    """

    url: CleanUrl
    source: Source
    rules: tuple[str, ...]


_KNOWN: Memory[Page] = Memory(_CACHED)


def page_of(url: str, referrer: str, site: Site, *, campaign: bool) -> Page:
    """
    Return what may be kept of a page; what was replaced is counted.

    Args:
        url: of the page, as it was sent.
        referrer: as it was sent.
        site: its parameters and its own rules of redaction.
        campaign: if the URL's campaign may name the source.

    """
    key = hash((url, referrer, site.number, campaign))
    page = _KNOWN.get(key)
    if page is None:
        page = _KNOWN.put(key, _read(url, referrer, site, campaign=campaign))
    if page.rules:
        count(page.rules)
    return page


def _read(url: str, referrer: str, site: Site, *, campaign: bool) -> Page:
    clean, rules = read_url(url, site.extra, site.allowed)
    named = clean.campaign
    source, more = read_source(
        referrer,
        clean.domain,
        named.source if campaign else "",
        named.medium if campaign else "",
        site.extra,
    )
    return Page(clean, source, rules + more)
