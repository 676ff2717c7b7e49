"""
Consent states and what a request says about them.

States are those of the W3C Data Privacy Vocabulary; categories are the four of
the published policy and the separate one for precise location.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

State = Literal["unknown", "requested", "given", "refused", "withdrawn", "expired"]
Category = Literal[
    "essential", "preference", "statistics", "marketing", "precise_location"
]

CATEGORIES: tuple[Category, ...] = (
    "essential",
    "preference",
    "statistics",
    "marketing",
    "precise_location",
)
# The categories that a visitor is asked about.
ASKED: tuple[Category, ...] = CATEGORIES[1:]
# Withdrawn and refused close a category in every regime; the others leave it to
# the regime, and none but "given" opens it where consent is asked for.
DENIED: frozenset[State] = frozenset({"refused", "withdrawn"})

# Restrictive signals of a request. Each of them can only take away; which it takes
# is in the rule packs (schemas/packs).
FLAGS: dict[str, str] = {
    "gpc": "Global Privacy Control: do not sell or share",
    "dnt": "Do Not Track",
    "sale_opt_out": "opted out of the sale of personal data (GPP, US Privacy)",
    "share_opt_out": "opted out of sharing across contexts (GPP)",
    "targeted_opt_out": "opted out of targeted advertising (GPP)",
    "sensitive_limit": "no consent to the processing of precise location (GPP)",
    "objection": "the visitor objects, in the site's own words",
    "child": "the visitor is, or is treated as, a child",
    "withdrawn": "the visitor withdrew consent to everything, here",
    "erased": "the visitor was erased",
    "mail_unasked": "an e-mail was opened by someone who was not asked",
    "robot": "the agent is a robot by its name",
    "headless": "the browser has no screen",
    "automated": "the browser is driven by a program",
    "datacenter": "the address is a data centre's",
    "referrer_spam": "the referrer is a spammer's",
    "rate": "more events than a person makes",
    "prefetch": "the page was fetched ahead and perhaps never seen",
    "save_data": "the browser asks for as little traffic as possible",
}

# What a sender may say of a category: a state by its name, or yes, no, nothing.
Claim = State | bool | None
Time = (
    Annotated[int, Meta(ge=0, le=253402300799999)] | Annotated[str, Meta(max_length=40)]
)
# A place: ISO 3166-1 alpha-2, or ISO 3166-2 with its country.
Place = Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?\Z")]
# Twice the longest string that a consent manager is known to make.
SignalText = Annotated[str, Meta(max_length=8192)]
ShortText = Annotated[str, Meta(max_length=64)]
Ids = Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=200)]
OneOrZero = bool | Literal[0, 1]


class ConsentClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The consent object of an event: as the tracker or a server sends it.

    Beside our own words it may hold the strings of the industry's frameworks, and
    the objects of other trackers; all of it is merged, the most restrictive wins.
    """

    essential: Claim = None
    preference: Claim = None
    statistics: Claim = None
    marketing: Claim = None
    precise_location: Claim = None
    policy_version: Annotated[str, Meta(max_length=32)] | None = None
    updated_at: Time | None = None
    method: Literal["explicit", "implied"] = "explicit"
    source: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,32}\Z")] = "own"
    jurisdiction: Place | None = None
    # Restrictive signals that a script could see.
    gpc: OneOrZero = False
    dnt: OneOrZero = False
    objection: OneOrZero = False
    child: OneOrZero = False
    age_band: Literal["under_13", "13_15", "16_17", "adult"] | None = None
    coppa: OneOrZero = False
    # IAB TCF, GPP and US Privacy, Google Consent Mode, under their normative names.
    gdpr: OneOrZero | None = None
    gdpr_consent: SignalText | None = None
    gpp: SignalText | None = None
    gpp_sid: (
        Annotated[str, Meta(max_length=128)]
        | Annotated[list[int], Meta(max_length=64)]
        | None
    ) = None
    us_privacy: ShortText | None = None
    gcs: ShortText | None = None
    gcd: ShortText | None = None
    # Segment: context.consent.
    categoryPreferences: (  # noqa: N815 - Segment's own name
        Annotated[
            dict[Annotated[str, Meta(max_length=128)], bool], Meta(max_length=200)
        ]
        | None
    ) = None
    # RudderStack: context.consentManagement.
    allowedConsentIds: Ids | None = None  # noqa: N815 - RudderStack's own name
    deniedConsentIds: Ids | None = None  # noqa: N815
    provider: ShortText | None = None
    resolutionStrategy: ShortText | None = None  # noqa: N815
    # Snowplow, in version 1-0-0 of its schema consent_preferences:
    eventType: ShortText | None = None  # noqa: N815 - Snowplow's own name
    basisForProcessing: ShortText | None = None  # noqa: N815
    consentUrl: Annotated[str, Meta(max_length=4096)] | None = None  # noqa: N815
    consentVersion: ShortText | None = None  # noqa: N815
    consentScopes: Ids | None = None  # noqa: N815
    domainsApplied: Ids | None = None  # noqa: N815
    gdprApplies: bool | None = None  # noqa: N815

    def __repr__(self) -> str:
        """Say nothing: a consent string is a mark of its browser."""
        return "<ConsentClaim>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class ConsentState(msgspec.Struct, frozen=True):
    """
    The merged state: one for each asked category, and the flags beside it.

    This is all that a decision needs of a visitor's choices, and all of it is
    stored with the row, so that the decision can be made again from the row.

    Attributes:
        flags: restrictive signals that are on, sorted, of FLAGS.
        sources: what was read, sorted: `own`, `tcf`, `gpp_usnat`, `cookiebot` …
        problems: what could not be read or did not count, sorted, as
            `source:problem`.
        given_ms: when the oldest of the grants was given, ms since 1970 UTC; None
            when that was not said.

    """

    preference: State = "unknown"
    statistics: State = "unknown"
    marketing: State = "unknown"
    precise_location: State = "unknown"
    flags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    given_ms: int | None = None

    def of(self, category: Category) -> State:
        """Return the state of a category; essential needs no consent."""
        if category == "essential":
            return "given"
        state: State = getattr(self, category)
        return state


def state_of(claim: Claim) -> State:
    """Translate yes, no, nothing or a state's name into a state."""
    if claim is None:
        return "unknown"
    if claim is True:
        return "given"
    if claim is False:
        return "refused"
    return claim
