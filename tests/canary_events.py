"""
Events and headers with a canary in every field.
"""

from typing import Any
from urllib.parse import quote

from tests.canaries import (
    ACCOUNT,
    ADDRESS,
    ADDRESS6,
    AGENT,
    CARD,
    CONSENT_COOKIES,
    CONSENT_ID,
    COOKIE,
    EMAIL,
    GPP_STRING,
    LATITUDE,
    LONGITUDE,
    PASSWORD,
    PHONE,
    RECIPIENT,
    REFERRER_QUERY,
    SECRET_QUERY,
    SITE,
    TC_STRING,
    VISITOR,
    address_spellings,
)

# One site a pack.
PACKS = {
    f"opt-in.{SITE}": "eu_strict",
    f"opt-out.{SITE}": "us_other",
    f"exempt-anonymous.{SITE}": "eu_fr_exempt",
}
SPELLINGS = [
    spelled
    for address in (ADDRESS, ADDRESS6)
    for spelled in address_spellings(address).values()
]
# What a text says of an address in a form that a reader takes for one. A bare number
# or a run of hex digits in a text is none: product numbers survive.
READABLE = (
    "text",
    "percent, signs",
    "mapped",
    "mapped, hex",
    "exploded",
    "upper case",
    "zone",
    "port",
)
LEGIBLE = [
    spelled
    for address in (ADDRESS, ADDRESS6)
    for name, spelled in address_spellings(address).items()
    if name in READABLE
]
CONSENTS: list[dict[str, object] | None] = [
    None,
    {"statistics": True, "preference": True, "marketing": True},
    {"statistics": True},
    {"statistics": False},
    {"statistics": "withdrawn"},
    {"gdpr": True, "gdpr_consent": TC_STRING, "gpp": GPP_STRING, "gpp_sid": "7"},
    {"gdpr_consent": TC_STRING[:-9] + CONSENT_ID, "gpp": CONSENT_ID},
    {"us_privacy": CONSENT_ID, "gcs": CONSENT_ID, "gcd": CONSENT_ID},
    {"categoryPreferences": {CONSENT_ID: True, EMAIL: False}},
    {"allowedConsentIds": [EMAIL, "analytics"], "deniedConsentIds": [CONSENT_ID]},
    {
        "eventType": "allow_selected",
        "basisForProcessing": "consent",
        "consentScopes": [CONSENT_ID, "analytics"],
        "consentUrl": f"https://x.example/{EMAIL}",
        "consentVersion": CONSENT_ID,
    },
    {"statistics": True, "policy_version": CONSENT_ID, "gpp_sid": CONSENT_ID},
    {"statistics": True, "source": CONSENT_ID},
    {"statistics": True, "marketing": False, "source": CONSENT_ID},
]
FORWARDED = (ADDRESS, f"[{ADDRESS6}]:443", f"::ffff:{ADDRESS}")


def headers(forwarded: str) -> dict[str, str]:
    """Return headers with a canary wherever there is room for one."""
    crumbs = "; ".join(
        f"a{number}={spelled}"
        for number, spelled in enumerate(SPELLINGS)
        if ":" not in spelled and " " not in spelled
    )
    return {
        "User-Agent": AGENT,
        "X-Forwarded-For": forwarded,
        "Forwarded": f'for="[{ADDRESS6}]:443";by={ADDRESS}',
        "CF-Connecting-IP": ADDRESS,
        "True-Client-IP": ADDRESS6,
        "X-Real-IP": f"::ffff:{ADDRESS}",
        "X-Client-IP": f"{ADDRESS}, {ADDRESS6}",
        "Via": f"1.1 {ADDRESS}",
        "From": EMAIL,
        "Cookie": f"session={COOKIE}; mail={quote(EMAIL)}; {CONSENT_COOKIES}; {crumbs}",
        "Referer": f"https://ref.example/a?q={REFERRER_QUERY}&email={quote(EMAIL)}",
        "Authorization": f"Bearer {COOKIE}",
        "Accept-Language": "de-CH",
        "X-Kastana-Debug": "1",
        "Origin": "https://page.canary.example",
    }


def canary_events(site: str, consent: dict[str, object] | None) -> list[dict[str, Any]]:
    """Return one event of every kind, with canaries in every field."""
    text = (
        f"at {LATITUDE},{LONGITUDE} mail {EMAIL} call {PHONE} card {CARD} "
        f"from {' or '.join(LEGIBLE)}"
    )
    short = f"{EMAIL} {ADDRESS} {ADDRESS6}"
    url = (
        f"https://user:{COOKIE}@{site}/profile/{EMAIL}/from/{quote(ADDRESS6)}/{ADDRESS}"
        f"?token={SECRET_QUERY}&email={quote(EMAIL)}&utm_source={quote(EMAIL)}"
        f"&utm_campaign={quote(short)}&{quote(EMAIL)}={ADDRESS}&ip="
        + "&ip=".join(map(quote, SPELLINGS))
    )
    common: dict[str, Any] = {
        "site": site,
        "url": url,
        "referrer": f"https://ref.example/u/{quote(EMAIL)}/{ADDRESS}?q={REFERRER_QUERY}",
        "title": text[:512],
        "visitor": VISITOR,
        "account": ACCOUNT,
        "language": EMAIL,
        "time_zone": short[:64],
        "properties": {
            "note": text[:200],
            "more": " ".join(LEGIBLE)[-200:],
            "ip": ADDRESS,
            EMAIL: "key",
            "card": CARD,
            "password": PASSWORD,
            "lat": LATITUDE,
        },
        "campaign": {
            "source": short,
            "medium": short,
            "campaign": short,
            "content": EMAIL,
            "term": text[:150],
            "id": short,
        },
    }
    if consent is not None:
        common["consent"] = consent
    own: list[dict[str, Any]] = [
        {"event": "page_view"},
        {"event": "page_ping", "engaged_ms": 1200, "scroll_depth": 50},
        {"event": "link_click", "target_url": f"mailto:{EMAIL}?subject={COOKIE}"},
        {"event": "link_click", "target_url": f"https://x.example/{EMAIL}?{COOKIE}"},
        {"event": "link_click", "target_url": f"https://[{ADDRESS6}]:81/{ADDRESS}"},
        {"event": "file_download", "target_url": f"https://{site}/{EMAIL}.pdf"},
        {"event": "form_submit", "form_id": f"form-{short}"},
        {"event": "custom", "name": EMAIL},
        {
            "event": "exception",
            "exception_type": f"Error {short}",
            "exception_message": text,
            "exception_stacktrace": f"at f ({url}:1:2)\n {text}",
        },
        {
            "event": "app_crash",
            "exception_type": short,
            "exception_message": text,
            "exception_stacktrace": text,
            "app_version": EMAIL,
        },
        {"event": "web_vital", "web_vital_name": "LCP", "web_vital_value": 1.5},
        {"event": "email_open", "mailing": short, "recipient": RECIPIENT},
        {
            "event": "email_click",
            "mailing": "m",
            "recipient": RECIPIENT,
            "target_url": f"https://{ADDRESS}/{EMAIL}",
        },
        {"event": "location", "latitude": LATITUDE, "longitude": LONGITUDE},
    ]
    return [{**common, **one} for one in own]
