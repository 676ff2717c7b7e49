"""
Step 4, enrich: coarse facts from raw data.

What leaves here is already coarse (a network instead of an address, a family
instead of an agent string, a host and a clean path instead of a URL); whether it
stays at all is for `minimise` and the policy to say.
"""

import zoneinfo

import msgspec

from pipeline.address import truncate
from pipeline.device import (
    ClientHints,
    Device,
    parse_device,
    primary_language,
    screen_class,
)
from pipeline.location import NOWHERE, Location, Locator, country_of_time_zone
from pipeline.referrer import Source, classify
from pipeline.url import (
    Campaign,
    CleanUrl,
    clean_campaign,
    clean_target,
    clean_url,
)
from schemas.event import (
    CampaignClaim,
    EmailClick,
    EmailOpen,
    FileDownload,
    LinkClick,
)
from schemas.outcome import Grant
from schemas.raw_event import RawEvent

_NO_CAMPAIGN = Campaign()
_NO_DEVICE = Device()
# Not unions: to ask whether something is of a union makes the union anew each time.
MAIL = (EmailOpen, EmailClick)
_WITH_TARGET = frozenset((LinkClick, FileDownload, EmailClick))
_ZONES = frozenset(zoneinfo.available_timezones())


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


def enrich(raw: RawEvent, grant: Grant, locator: Locator, device: Device) -> Facts:
    """
    Derive the coarse facts of one event; pure but for the locator's file.

    Args:
        raw: the event as it came.
        grant: what the gate allows, and how finely.
        locator: turns addresses into places.
        device: what `device_of` says of its agent.

    """
    event = raw.event
    foreign = speaks_for_others(raw)
    url = clean_url(page_url(raw))
    # Without a pseudonym no campaign is read, not even to name the source: which
    # mailing someone came from is what an anonymous row must not tell.
    identified = grant.outcome == "identified"
    campaign = _merge(event.campaign, url.campaign) if identified else _NO_CAMPAIGN
    domain, path = "", ""
    if type(event) in _WITH_TARGET:
        domain, path = clean_target(event.target_url)  # type: ignore[attr-defined]
    screen, viewport, language = event.screen, event.viewport, event.language
    return Facts(
        "" if foreign or not identified else truncate(raw.address),
        _location(raw, "" if foreign else raw.address, locator),
        device,
        screen_class(screen) if screen else "",
        screen_class(viewport) if viewport else "",
        primary_language(language or raw.headers.get("accept-language", "")),
        _zone(event.time_zone),
        url,
        classify(event.referrer or "", url.domain, campaign.source, campaign.medium),
        campaign,
        domain,
        path,
    )


def speaks_for_others(raw: RawEvent) -> bool:
    """
    Say if address and agent may be someone else's than the visitor's.

    A mail is read through a proxy as often as not, and a server speaks for its
    visitors: that network and place would be put down as the visitor's.
    """
    return raw.door == "server" or isinstance(raw.event, MAIL)


def device_of(raw: RawEvent) -> Device:
    """Return what the request's agent says of the device behind it."""
    headers = raw.headers
    return parse_device(
        raw.user_agent,
        ClientHints(
            headers.get("sec-ch-ua", ""),
            headers.get("sec-ch-ua-mobile", ""),
            headers.get("sec-ch-ua-platform", ""),
        ),
    )


def device_to_keep(raw: RawEvent, device: Device) -> Device:
    """Return the visitor's device: nothing, where it is a server's own program."""
    if raw.door == "server" and device.robot:
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


def _location(raw: RawEvent, address: str, locator: Locator) -> Location:
    event = raw.event
    if isinstance(event, MAIL):
        return NOWHERE
    location = locator.lookup(address)
    if location.country_iso_code or not event.time_zone:
        return location
    country = country_of_time_zone(event.time_zone)
    return Location(country, "", "", "time_zone") if country else location


def _zone(name: str | None) -> str:
    # A closed list: a free text could say anything about anyone.
    return name if name is not None and name in _ZONES else ""


def _merge(claim: CampaignClaim | None, found: Campaign) -> Campaign:
    if claim is None:
        return found
    # What is given outright is the sender's own text, like the URL's parameters.
    return Campaign(
        source=clean_campaign(claim.source) or found.source,
        medium=clean_campaign(claim.medium) or found.medium,
        campaign=clean_campaign(claim.campaign) or found.campaign,
        term=clean_campaign(claim.term) or found.term,
        content=clean_campaign(claim.content) or found.content,
        id=clean_campaign(claim.id) or found.id,
    )
