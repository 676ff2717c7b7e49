"""
What can become of an event, and why: one outcome each, from a closed list.

A reason or code that is not declared here cannot be given: `Drop`, `Grant` and
`Invalid` refuse it. `kastana.counts` carries the same words.
"""

from typing import Literal

import msgspec

from schemas.consent import Category
from schemas.precision import COARSEST, Precision

Kept = Literal["identified", "anonymous"]
Outcome = Literal[
    "identified", "anonymous", "counted", "dropped", "invalid", "rate_limited"
]

# Why the gate decided as it did; stored with the row, shown in the debug header.
REASONS: dict[str, str] = {
    "consent_given": "the category's consent was given",
    "essential": "the event is essential: it needs no consent and gets no pseudonym",
    "regime_opt_out": "the rules in force allow the category until someone objects",
    "regime_exempt": "the rules in force allow anonymous statistics without consent",
    "no_consent": "nothing is known about the category's consent",
    "consent_requested": "consent was asked for and not answered yet",
    "consent_refused": "the category was refused",
    "consent_withdrawn": "the category's consent was withdrawn",
    "consent_expired": "the grant is too old, or older than the policy",
    "no_statistics_consent": "without statistics consent there is no pseudonym",
    "signal_gpc": "the browser sent Global Privacy Control",
    "signal_dnt": "the browser sent Do Not Track",
    "sale_opt_out": "the visitor opted out of the sale of personal data",
    "share_opt_out": "the visitor opted out of sharing across contexts",
    "targeted_opt_out": "the visitor opted out of targeted advertising",
    "sensitive_limit": "the visitor did not consent to precise location",
    "objection": "the visitor objects, in the site's own words",
    "child": "the visitor is, or is treated as, a child: counted at most",
    "erased": "the visitor withdrew everything, or was erased",
    "mail_unasked": "an e-mail was opened by someone who was not asked",
    "robot": "the agent is a robot by its name: counted apart from visitors",
    "headless": "the browser has no screen: counted apart from visitors",
    "automated": "the browser is driven by a program: counted apart from visitors",
    "datacenter": "the address is a data centre's: counted apart from visitors",
    "referrer_spam": "the referrer is a spammer's: counted apart from visitors",
    "rate": "more events than a person makes: counted apart from visitors",
    "repeated": "the event was taken before, and is counted once",
    "prefetch": "the page was fetched ahead and perhaps never seen",
    "save_data": "the browser asks for as little traffic as possible",
}

# Codes of `invalid`: what is wrong with the input. The text is the documentation.
INVALID: dict[str, str] = {
    "bad_request": "the request is not HTTP that can be read",
    "empty_body": "the request has no body and no query",
    "not_json": "the body is not JSON",
    "bad_encoding": "the Content-Encoding or the compressed bytes are broken",
    "not_an_event": "an event must be a JSON object",
    "too_many_events": "a request holds more events than allowed",
    "unknown_event": "no event has this name",
    "unknown_field": "an event of this name has no such field",
    "missing_field": "a required field is missing",
    "wrong_type": "a field has the wrong type",
    "out_of_range": "a number is outside its range",
    "too_long": "a text, list or object is longer than allowed",
    "bad_format": "a text does not have the form its field asks for",
    "bad_time": "a time is not one, or too far in the past or the future",
    "bad_query": "the query string is not valid UTF-8 percent-encoding",
    "repeated_key": "a query key is given twice",
    "unknown_site": "the site is not configured here",
    "origin_not_allowed": "the site does not allow events from this origin",
    "key_required": "to say whose request it is takes a key of the site",
    "bad_key": "the key is not one of the site's",
    "key_in_page": "a key came from a page, where anyone can read it",
    "bad_choice": "what a choice does and the states it leads to contradict each other",
    "bad_signature": "the link was not signed here",
    "too_large": "the body is larger than allowed",
    "unsupported_type": "the body is neither JSON nor of a type that could hold it",
    "rate_limited": "too many requests from one network, or events of one site",
    "too_many_connections": "the collector has as many connections as it may",
    "too_slow": "the request came in too slowly",
    "head_too_large": "the request's headers are larger than allowed",
    "spool_full": "the collector cannot store more for now",
    "sites_unusable": "the list of sites cannot be read, so nothing is taken",
    "salt_unusable": "the day's salt cannot be read, so nothing is taken",
    "objections_unusable": "who withdrew cannot be looked up now, so nothing is taken",
    "spool_failed": "the collector's disk refused the write",
    "not_found": "nothing lives at this path",
    "method_not_allowed": "the path does not answer this method",
    "internal": "a defect of the collector; counted, and logged without content",
}


class Drop(msgspec.Struct, frozen=True):
    """
    An event that is not kept: at most a counter remains.

    Regime, version and row are those of its grant; empty when no pack decided.
    """

    outcome: Literal["counted", "dropped"]
    reasons: tuple[str, ...]
    regime: str = ""
    regime_version: str = ""
    decision_row: str = ""

    def __post_init__(self) -> None:
        """Refuse a reason that is not declared."""
        _check_reasons(self.reasons)


class Grant(msgspec.Struct, frozen=True):
    """
    What the gate allows for one event; immutable, made only by the gate.

    Attributes:
        outcome: what may become of the event.
        reasons: why, of REASONS.
        granted: categories that may be kept with a pseudonym.
        closed: categories of which a number remains at most.
        regime: ids of the rule packs that decided, joined by "+".
        regime_version: their versions, joined likewise.
        decision_row: the row of the decision table that decided, such as "5"; "18.5"
            for row 5 of the strictest pack where the place is not known.
        absent: fields that stay away beside those of closed categories.
        switches: what the site has turned on in the packs, sorted.
        precision: how finely places and networks may be kept.

    """

    outcome: Literal["identified", "anonymous", "counted", "dropped"]
    reasons: tuple[str, ...]
    granted: frozenset[Category]
    closed: frozenset[Category]
    regime: str
    regime_version: str = ""
    decision_row: str = ""
    absent: frozenset[str] = frozenset()
    switches: tuple[str, ...] = ()
    precision: Precision = COARSEST

    def __post_init__(self) -> None:
        """Refuse a reason that is not declared."""
        _check_reasons(self.reasons)


class Invalid(msgspec.Struct, frozen=True):
    """
    An event that cannot be understood: code, words, and the field at fault.

    `synthetic` if it says that a load test sent it.
    """

    code: str
    message: str
    field: str = ""
    index: int = 0
    site: str = ""
    synthetic: bool = False

    def __post_init__(self) -> None:
        """Refuse a code that is not declared."""
        if self.code not in INVALID:
            message = f"undeclared code {self.code!r}"
            raise LookupError(message)


def _check_reasons(reasons: tuple[str, ...]) -> None:
    for reason in reasons:
        if reason not in REASONS:
            message = f"undeclared reason {reason!r}"
            raise LookupError(message)
