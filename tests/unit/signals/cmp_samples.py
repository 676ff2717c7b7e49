"""
Cookies of consent managers, made up in the shapes that the makers document.

A builder a consent manager: from what was chosen to the header's own notation.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

NOW = 1_764_000_000_000
CHOSEN = 1_738_130_733_000
CHOSEN_ISO = "2025-01-29T06:05:33.000Z"
CHOSEN_SCRIPT = "Wed Jan 29 2025 10:05:33 GMT+0400 (Gulf Standard Time)"


def word(on: object) -> str:
    """Return true or false, as JSON has them."""
    return json.dumps(on)


def yes_no(on: bool) -> str:  # noqa: FBT001 - the tables read better
    """Return yes or no."""
    return "yes" if on else "no"


def cookiebot(
    switches: str,
    tail: str = "method:%27explicit%27%2Cver:1%2Cutc:1738130733000%2Cregion:%27de%27",
    stamp: str = "ab+c/DEF12345==",
) -> str:
    """Return the JavaScript literal of Cookiebot; `010` is statistics only."""
    preferences, statistics, marketing = (switch == "1" for switch in switches)
    fields = (
        f"stamp:%27{stamp}%27",
        "necessary:true",
        f"preferences:{word(preferences)}",
        f"statistics:{word(statistics)}",
        f"marketing:{word(marketing)}",
        *([tail] if tail else []),
    )
    return "{" + "%2C".join(fields) + "}"


def onetrust(switches: Mapping[str, bool], /, **changes: str | None) -> str:
    """Return the form of OneTrust; a parameter that is None is left out."""
    fields: dict[str, str | None] = {
        "isGpcEnabled": "0",
        "datestamp": CHOSEN_SCRIPT,
        "version": "202409.1.0",
        "browserGpcFlag": "0",
        "isIABGlobal": "false",
        "hosts": "",
        "consentId": "0f0f0f0f-1111-4222-8333-444444444444",
        "interactionCount": "1",
        "landingPath": "https://shop.example/jane?mail=jane@example.com",
        "groups": ",".join(f"{key}:{int(on)}" for key, on in switches.items()),
        "geolocation": "DE;BE",
        "AwaitingReconsent": "false",
    }
    fields |= changes
    return "&".join(
        f"{key}={quote_plus(value, safe='()')}"
        for key, value in fields.items()
        if value is not None
    )


def cookieyes(
    switches: Mapping[str, bool], consent: str = "yes", action: str = "yes"
) -> str:
    """Return the list of CookieYes."""
    head = f"consentid:bWFkZSB1cA,consent:{consent},action:{action},necessary:yes"
    return ",".join((head, *(f"{key}:{yes_no(on)}" for key, on in switches.items())))


def encoded(value: object) -> str:
    """Return JSON, percent-encoded as encodeURIComponent does."""
    return quote(json.dumps(value, separators=(",", ":")), safe="!'()*~")


def cookieconsent(*categories: str, **changes: object) -> str:
    """Return the JSON of vanilla-cookieconsent."""
    fields: dict[str, object] = {
        "categories": ["necessary", *categories],
        "revision": 0,
        "data": None,
        "consentTimestamp": "2024-12-01T00:00:00.000Z",
        "consentId": "0f0f0f0f-1111-4222-8333-444444444444",
        "services": {"necessary": [], "analytics": []},
        "languageCode": "en",
        "lastConsentTimestamp": CHOSEN_ISO,
        "expirationTime": NOW + 1,
    }
    fields |= changes
    return encoded(
        {
            key: value
            for key, value in fields.items()
            if value is not None or key == "data"
        }
    )


def borlabs(groups: Mapping[str, list[str]], **changes: object) -> str:
    """Return the JSON of Borlabs."""
    fields: dict[str, object] = {
        "consents": {"essential": ["borlabs-cookie"], **groups},
        "domainPath": "shop.example/",
        "expires": "Mon, 21 Dec 2026 09:54:17 GMT",
        "uid": "anonymous",
        "v3": True,
        "version": 7,
    }
    return encoded(fields | changes)


def iubenda(**purposes: bool) -> str:
    """Return the JSON of iubenda; `p2=True` is purpose 2."""
    numbers = {"1": True} | {key[1:]: on for key, on in purposes.items()}
    return encoded({"timestamp": CHOSEN_ISO, "version": "1.0", "purposes": numbers})


def tarteaucitron(**services: bool | str) -> str:
    """Return the list of tarteaucitron."""
    return "".join(
        f"!{key}={on if isinstance(on, str) else word(on)}"
        for key, on in services.items()
    )


def cookie_information(approved: list[str], denied: list[str], **changes: str) -> str:
    """Return the JSON of Cookie Information."""
    fields: dict[str, object] = {
        "website_uuid": "0f0f0f0f-1111-4222-8333-444444444444",
        "timestamp": CHOSEN_ISO,
        "consent_url": "https://shop.example/jane",
        "user_uid": "0f0f0f0f-1111-4222-8333-444444444444",
        "consents_approved": [
            f"cookie_cat_{name}" for name in ("necessary", *approved)
        ],
        "consents_denied": [f"cookie_cat_{name}" for name in denied],
        "user_agent": "Mozilla/5.0 (made up)",
    }
    return encoded(fields | changes)
