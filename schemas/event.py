"""
Events as they may be sent: a tagged union with a limit on every field.

The wire is documented in ARCHITECTURE.md; limits are counted in characters.
`sent_at`, `visitor` and `account` are optional everywhere; a field that is not listed
for an event is refused, so that a typo is an error and not a silent loss.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.consent import ConsentClaim, Time

MAX_PROPERTIES = 30

Text128 = Annotated[str, Meta(max_length=128)]
# Who is signed in, as the site knows them; no control characters.
Account = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z")
]
Url = Annotated[str, Meta(max_length=4096)]
Size = Annotated[str, Meta(max_length=11, pattern=r"^\d{1,5}x\d{1,5}\Z")]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
Scalar = Annotated[str, Meta(max_length=500)] | int | float | bool | None
Properties = Annotated[dict[Key, Scalar], Meta(max_length=MAX_PROPERTIES)]
CampaignText = Annotated[str, Meta(max_length=200)] | None
AskedCategory = Literal["preference", "statistics", "marketing"]
AskedConsent = Literal["preference", "statistics", "marketing", "precise_location"]


class CampaignClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Campaign parameters given outright, instead of in the URL."""

    source: CampaignText = None
    medium: CampaignText = None
    campaign: CampaignText = None
    term: CampaignText = None
    content: CampaignText = None
    id: CampaignText = None


class ClientClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Whose request it is that a server speaks of; it needs a key of the site.

    Address as text; the others are the visitor's headers as they came: User-Agent,
    Accept-Language, Sec-CH-UA, Sec-CH-UA-Mobile, Sec-CH-UA-Platform.
    """

    address: Annotated[str, Meta(max_length=100)] | None = None
    user_agent: Annotated[str, Meta(max_length=2048)] | None = None
    language: Annotated[str, Meta(max_length=1024)] | None = None
    brands: Annotated[str, Meta(max_length=1024)] | None = None
    mobile: Annotated[str, Meta(max_length=8)] | None = None
    platform: Annotated[str, Meta(max_length=64)] | None = None

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<ClientClaim>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="event",
):
    """What every event carries."""

    site: Annotated[str, Meta(min_length=1, max_length=253)]
    event_id: (
        Annotated[
            str,
            Meta(
                pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"
            ),
        ]
        | None
    ) = None
    url: Url | None = None
    referrer: Url | None = None
    title: Annotated[str, Meta(max_length=512)] | None = None
    occurred_at: Time | None = None
    sent_at: Time | None = None
    language: Annotated[str, Meta(max_length=35)] | None = None
    time_zone: Annotated[str, Meta(max_length=64)] | None = None
    viewport: Size | None = None
    screen: Size | None = None
    campaign: CampaignClaim | None = None
    consent: ConsentClaim | None = None
    visitor: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,64}\Z")] | None = None
    account: Account | None = None
    client: ClientClaim | None = None
    category: AskedCategory | None = None
    gpc: bool = False
    dnt: bool = False
    automated: bool = False
    # Sent by a load test: nobody's visit, and kept apart from those.
    synthetic: bool = False
    properties: Properties | None = None

    def __repr__(self) -> str:
        """Name the event, never what is in it: reprs end up in logs."""
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class PageView(Event, frozen=True, tag="page_view"):
    """A page was shown."""


class PagePing(Event, frozen=True, tag="page_ping"):
    """Engaged milliseconds since the last ping, and the furthest scroll, %."""

    engaged_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0
    scroll_depth: Annotated[int, Meta(ge=0, le=100)] = 0


class LinkClick(Event, frozen=True, tag="link_click"):
    """A link to somewhere else was followed."""

    target_url: Url


class FileDownload(Event, frozen=True, tag="file_download"):
    """A file was downloaded."""

    target_url: Url


class FormSubmit(Event, frozen=True, tag="form_submit"):
    """A form was sent; its values are nobody's business."""

    form_id: Text128 = ""


class Custom(Event, frozen=True, tag="custom"):
    """An event the site named itself."""

    name: Key


class Failure(Event, frozen=True):
    """What an exception and a crash have in common."""

    exception_type: Text128 = ""
    exception_message: Annotated[str, Meta(max_length=1000)] = ""
    exception_stacktrace: Annotated[str, Meta(max_length=8192)] = ""


class ScriptException(Failure, frozen=True, tag="exception"):
    """A script failed."""


class AppCrash(Failure, frozen=True, tag="app_crash"):
    """An application or a tab crashed."""

    app_version: Annotated[str, Meta(max_length=64)] = ""


class WebVital(Event, frozen=True, tag="web_vital"):
    """One metric of one page; milliseconds, CLS without unit."""

    web_vital_name: Literal["LCP", "CLS", "INP", "FCP", "TTFB"]
    web_vital_value: Annotated[float, Meta(ge=0, le=86_400_000)]
    web_vital_rating: Literal["good", "needs-improvement", "poor"] | None = None
    navigation_type: (
        Literal[
            "navigate",
            "reload",
            "back-forward",
            "back-forward-cache",
            "prerender",
            "restore",
            "soft-navigation",
        ]
        | None
    ) = None


class EmailOpen(Event, frozen=True, tag="email_open"):
    """The picture in an e-mail was loaded."""

    mailing: Text128 = ""
    recipient: Text128 = ""


class EmailClick(Event, frozen=True, tag="email_click"):
    """A link in an e-mail was followed."""

    mailing: Text128 = ""
    recipient: Text128 = ""
    target_url: Url = ""


class Location(Event, frozen=True, tag="location"):
    """Where a device says it is: degrees, accuracy in metres."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    accuracy: Annotated[float, Meta(ge=0, le=40_100_000)] | None = None


class ConsentChoice(Event, frozen=True, tag="consent"):
    """
    A choice that a visitor made, for the ledger; taken at `/consent` alone.

    `consent` holds the states after the choice. A withdrawal may name the categories
    it is about; without any it is about all of them. `notice` names the text that was
    shown: a version, a file name or a hash.
    """

    action: Literal["give", "refuse", "change", "withdraw"]
    categories: Annotated[list[AskedConsent], Meta(max_length=4)] | None = None
    recipient: Text128 = ""
    notice: Text128 = ""
    receipt: Literal["iso27560", "kantara"] | None = None


AnyEvent = (
    PageView
    | PagePing
    | LinkClick
    | FileDownload
    | FormSubmit
    | Custom
    | ScriptException
    | AppCrash
    | WebVital
    | EmailOpen
    | EmailClick
    | Location
)
EVENT_TYPES: dict[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        PageView,
        PagePing,
        LinkClick,
        FileDownload,
        FormSubmit,
        Custom,
        ScriptException,
        AppCrash,
        WebVital,
        EmailOpen,
        EmailClick,
        Location,
    )
}
