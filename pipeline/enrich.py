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
    Event,
    FileDownload,
    LinkClick,
)
from schemas.outcome import Grant
from schemas.raw_event import RawEvent

_NO_CAMPAIGN = Campaign()
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


def enrich(raw: RawEvent, grant: Grant, locator: Locator) -> Facts:
    """Derive the coarse facts of one event; pure but for the locator's file."""
    event = raw.event
    mail = isinstance(event, EmailOpen | EmailClick)
    foreign = speaks_for_others(raw)
    url = clean_url(page_url(raw))
    # Without a pseudonym no campaign is read, not even to name the source: which
    # mailing someone came from is what an anonymous row must not tell.
    campaign = (
        _merge(event.campaign, url.campaign)
        if grant.outcome == "identified"
        else _NO_CAMPAIGN
    )
    target = getattr(event, "target_url", "")
    domain, path = (
        clean_target(target)
        if isinstance(event, LinkClick | FileDownload | EmailClick)
        else ("", "")
    )
    return Facts(
        client_address="" if foreign else truncate(raw.address),
        location=(
            NOWHERE if mail else _locate(event, "" if foreign else raw.address, locator)
        ),
        device=_device(raw),
        screen_class=screen_class(event.screen or ""),
        viewport_class=screen_class(event.viewport or ""),
        language=primary_language(
            event.language or raw.headers.get("accept-language", "")
        ),
        time_zone=_zone(event.time_zone),
        url=url,
        source=classify(
            event.referrer or "", url.domain, campaign.source, campaign.medium
        ),
        campaign=campaign,
        target_domain=domain,
        target_path=path,
    )


def speaks_for_others(raw: RawEvent) -> bool:
    """
    Say if address and agent may be someone else's than the visitor's.

    A mail is read through a proxy as often as not, and a server speaks for its
    visitors: that network and place would be put down as the visitor's.
    """
    return raw.door == "server" or isinstance(raw.event, EmailOpen | EmailClick)


def is_robot(raw: RawEvent) -> bool:
    """Say if the request's agent is a robot by its own name."""
    return parse_device(raw.user_agent, _hints(raw.headers)).is_robot


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


def _device(raw: RawEvent) -> Device:
    device = parse_device(raw.user_agent, _hints(raw.headers))
    if raw.door == "server" and device.is_robot:
        # The program that a server runs says nothing of the visitor's device.
        return parse_device("", ClientHints())
    return device


def _locate(event: Event, address: str, locator: Locator) -> Location:
    location = locator.lookup(address)
    if location.country_iso_code or not event.time_zone:
        return location
    country = country_of_time_zone(event.time_zone)
    return Location(country, "", "", "time_zone") if country else location


def _zone(name: str | None) -> str:
    # A closed list: a free text could say anything about anyone.
    return name if name is not None and name in _ZONES else ""


def _hints(headers: dict[str, str]) -> ClientHints:
    return ClientHints(
        brands=headers.get("sec-ch-ua", ""),
        mobile=headers.get("sec-ch-ua-mobile", ""),
        platform=headers.get("sec-ch-ua-platform", ""),
    )


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
