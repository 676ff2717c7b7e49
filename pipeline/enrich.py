"""
Step 4, enrich: coarse facts from raw data.

What leaves here is already coarse (a network instead of an address, a family
instead of an agent string, a host and a clean path instead of a URL); whether it
stays at all is for `minimise` and the policy to say.
"""

import zoneinfo

import msgspec

from pipeline.address import truncate
from pipeline.caller import Caller
from pipeline.device import Device, primary_language, screen_class
from pipeline.geo.cell import cell_of
from pipeline.geo.time_zone import country_of_time_zone
from pipeline.location import NOWHERE, Location, Locator, of_country
from pipeline.memo import remember
from pipeline.page import Page, page_of
from pipeline.referrer import Source, read_source
from pipeline.url import Campaign, CleanUrl, clean_campaign, clean_target
from schemas.event import (
    CampaignClaim,
    EmailClick,
    EmailOpen,
    FileDownload,
    LinkClick,
)
from schemas.event import Location as Position
from schemas.outcome import Grant
from schemas.precision import Precision
from schemas.raw_event import RawEvent
from schemas.redaction import Extra
from schemas.site import Site

_NO_CAMPAIGN = Campaign()
_NO_DEVICE = Device()
# Not unions: to ask whether something is of a union makes the union anew each time.
MAIL = (EmailOpen, EmailClick)
_WITH_TARGET = frozenset((LinkClick, FileDownload, EmailClick))
_ZONES = frozenset(zoneinfo.available_timezones())


class _Around(msgspec.Struct, frozen=True):
    """What a script says of screen, window, language and time zone, in classes."""

    screen_class: str
    viewport_class: str
    language: str
    time_zone: str


class Facts(msgspec.Struct, frozen=True):
    """What is known of an event without knowing whose it is."""

    client_address: str
    location: Location
    device: Device
    screen_class: str
    viewport_class: str
    language: str
    time_zone: str
    url: CleanUrl
    source: Source
    campaign: Campaign
    target_domain: str
    target_path: str
    cell: str = ""
    mail_verdict: str = ""


def enrich(  # noqa: PLR0913 - what the path knows by now, each of its own type
    raw: RawEvent,
    grant: Grant,
    site: Site,
    page: Page,
    locator: Locator,
    caller: Caller,
    mail_verdict: str = "",
) -> Facts:
    """
    Derive the coarse facts of one event; pure but for the locator's file.

    Args:
        raw: the event as it came.
        grant: what the gate allows, and how finely.
        site: its parameters and its own rules of redaction.
        page: what `page_seen` says of it.
        locator: turns addresses into places.
        caller: what `Callers.of` says of its request.
        mail_verdict: who opened or clicked, "" for what is no mail's.

    """
    event, precision = raw.event, grant.precision
    foreign = speaks_for_others(raw)
    identified = grant.outcome == "identified"
    url, source, campaign = page.url, page.source, _NO_CAMPAIGN
    if identified:
        campaign = url.campaign
        if event.campaign is not None:
            campaign = _merge(event.campaign, campaign, site.extra)
            named = campaign.source, campaign.medium
            # Of the referrer what was replaced is counted already.
            source, _ = read_source(
                event.referrer or "", url.domain, *named, site.extra
            )
    domain, path = "", ""
    if type(event) in _WITH_TARGET:
        domain, path = clean_target(event.target_url, site.extra)  # type: ignore[attr-defined]
    address, cell = "", ""
    if identified and not foreign:
        address = truncate(raw.address, precision.address_v4, precision.address_v6)
    if type(event) is Position:
        cell = cell_of(event.latitude, event.longitude, precision.point_resolution)
    around = _around(event.screen, event.viewport, event.language, event.time_zone)
    return Facts(
        address,
        _location(raw, locator, caller, precision, foreign=foreign),
        _device_to_keep(raw, caller.device, mail_verdict),
        around.screen_class,
        around.viewport_class,
        around.language if event.language else caller.language,
        around.time_zone,
        url,
        source,
        campaign,
        domain,
        path,
        cell,
        mail_verdict,
    )


def page_seen(raw: RawEvent, grant: Grant, site: Site) -> Page:
    """Return what may be kept of an event's page and referrer."""
    # Without a pseudonym no campaign is read, not even to name the source: which
    # mailing someone came from is what an anonymous row must not tell.
    identified = grant.outcome == "identified"
    referrer = raw.event.referrer or ""
    return page_of(page_url(raw), referrer, site, campaign=identified)


def speaks_for_others(raw: RawEvent) -> bool:
    """
    Say if address and agent may be someone else's than the visitor's.

    A mail is read through a proxy as often as not, and a server speaks for its
    visitors: that network and place would be put down as the visitor's. One that
    showed a key says whose they are.
    """
    if type(raw.event) in MAIL:
        return True
    return raw.door == "server" and not raw.trusted


def _device_to_keep(raw: RawEvent, device: Device, mail_verdict: str) -> Device:
    """Return the visitor's device: nothing, where it is a program's own."""
    if mail_verdict not in ("", "human"):
        # A proxy's made-up system would be put down as the reader's.
        return _NO_DEVICE
    if raw.door == "server" and device.robot and not raw.trusted:
        return _NO_DEVICE
    return device


def page_url(raw: RawEvent) -> str:
    """
    Return the URL of the page: what the event says, else the Referer header.

    A picture in a page without script can only be told by its Referer; in an
    e-mail the Referer is the mail reader's own page and not the sender's.
    """
    event = raw.event
    if event.url is not None:
        return event.url
    if raw.door == "pixel" and not isinstance(event, EmailOpen):
        return raw.referer
    return ""


def _location(
    raw: RawEvent,
    locator: Locator,
    caller: Caller,
    precision: Precision,
    *,
    foreign: bool,
) -> Location:
    """Return the place by the address, else by a proxy's word, else the time zone."""
    event = raw.event
    if not foreign:
        known = caller.located
        if known is None or known[0] is not precision:
            known = precision, _by_address(raw, locator, caller, precision)
            caller.located = known
        if known[1] is not NOWHERE:
            return known[1]
    elif type(event) in MAIL:
        return NOWHERE
    if not event.time_zone:
        return NOWHERE
    country = country_of_time_zone(event.time_zone)
    return of_country(country, "time_zone", precision.city_population)


def _by_address(
    raw: RawEvent, locator: Locator, caller: Caller, precision: Precision
) -> Location:
    location = locator.locate(raw.address, precision, caller.spot)
    if location is NOWHERE and raw.country:
        return of_country(raw.country, "header", precision.city_population)
    return location


@remember(2048)
def _around(
    screen: str | None, viewport: str | None, language: str | None, zone: str | None
) -> _Around:
    """Return the classes of what a script says of its surroundings."""
    return _Around(
        screen_class(screen) if screen else "",
        screen_class(viewport) if viewport else "",
        primary_language(language) if language else "",
        # A closed list: a free text could say anything about anyone.
        zone if zone is not None and zone in _ZONES else "",
    )


def _merge(claim: CampaignClaim, found: Campaign, extra: Extra) -> Campaign:
    # What is given outright is the sender's own text, like the URL's parameters.
    return Campaign(
        source=clean_campaign(claim.source, extra) or found.source,
        medium=clean_campaign(claim.medium, extra) or found.medium,
        campaign=clean_campaign(claim.campaign, extra) or found.campaign,
        term=clean_campaign(claim.term, extra) or found.term,
        content=clean_campaign(claim.content, extra) or found.content,
        id=clean_campaign(claim.id, extra) or found.id,
    )
