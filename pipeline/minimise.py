"""
Step 6, minimise: from all that is known to the row that may be kept.

What remains of each field is not decided here but read from policy.toml: for
each combination of outcome and granted categories a short plan is compiled once,
"field number, what to do with it", and executed for every event.
"""

import functools
import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from pipeline.clock import hour_text, time_text
from pipeline.enrich import Facts
from pipeline.identify import Visitor
from pipeline.redact import redact_text
from pipeline.redact_keys import redact_named
from pipeline.redact_version import redact_version
from pipeline.salt import DaySalt
from schemas.consent import CATEGORIES, Category, ConsentState
from schemas.ddl import EMPTY, column_types
from schemas.event import (
    AppCrash,
    Custom,
    EmailClick,
    EmailOpen,
    Event,
    Failure,
    FormSubmit,
    Location,
    PagePing,
    WebVital,
)
from schemas.outcome import Grant
from schemas.policy import Policy, PolicyError, Shape
from schemas.raw_event import RawEvent
from schemas.row import CountRow, Row

Transform = Callable[[Any, RawEvent], Any]
Plan = tuple[tuple[str, Transform], ...]

# What is kept of a text at most, in characters.
_NAME, _TITLE, _VALUE, _MESSAGE, _STACK = 128, 512, 500, 1000, 8192


# The names that policy.toml may use; the functions are in `Minimiser`.
TRANSFORM_NAMES = frozenset(
    {"keep", "absent", "hour", "base_language", "keyed_hash", "counter"}
)


class Minimiser:
    """Makes rows as the policy allows; one for each process."""

    def __init__(self, policy: Policy, salts: DaySalt) -> None:
        """
        Compile the policy's transforms.

        Raises:
            PolicyError: when it names a transform that does not exist here, or has
                other fields than the rows.

        """
        self._policy = policy
        self._salts = salts
        self._transforms: dict[str, Transform | None] = {
            "keep": None,
            "absent": None,
            "hour": _to_hour,
            "base_language": _to_base_language,
            "keyed_hash": self._to_keyed_hash,
            "counter": None,
        }
        for name in policy.transforms:
            if name not in TRANSFORM_NAMES:
                where = f"transforms.{name}"
                raise PolicyError(where, "pipeline/minimise.py has no such transform")
        _check_columns(policy, "events", Row)
        _check_columns(policy, "counts", CountRow)
        self._plan = functools.lru_cache(maxsize=256)(self._compile)
        # What cannot be done is said now, not at the first event.
        nothing: frozenset[str] = frozenset()
        self._plan("identified", frozenset(CATEGORIES), frozenset(), nothing)
        self._plan("anonymous", frozenset(), frozenset(), nothing)

    def row(  # noqa: PLR0913 - the inputs of the path, each of its own type
        self,
        raw: RawEvent,
        category: Category,
        grant: Grant,
        consent: ConsentState,
        facts: Facts,
        visitor: Visitor,
    ) -> Row:
        """Return the row of an identified or anonymous event."""
        values = _all_values(raw, grant, consent, facts, visitor, self._policy.version)
        values["consent_category"] = category
        for name, transform in self._plan(
            grant.outcome, grant.granted, grant.closed, grant.absent
        ):
            values[name] = transform(values[name], raw)
        return Row(**values)

    def count(self, raw: RawEvent, grant: Grant, facts: Facts | None) -> CountRow:
        """
        Return the counter of an event that is not kept.

        Of a dropped event only that it happened remains, and why: no path, no
        country, no device.
        """
        counted = grant.outcome == "counted" and facts is not None
        return CountRow(
            event_name=event_name(raw.event),
            site=raw.event.site,
            occurred_at=hour_text(raw.occurred_ms),
            outcome=grant.outcome,
            outcome_reasons=list(grant.reasons),
            regime=grant.regime,
            regime_version=grant.regime_version,
            decision_row=grant.decision_row,
            policy_version=self._policy.version,
            geo_country_iso_code=(
                facts.location.country_iso_code if counted and facts else ""
            ),
            device_type=facts.device.device_type if counted and facts else "",
            url_path=facts.url.path if counted and facts else "",
            events=1,
        )

    def _compile(
        self,
        outcome: str,
        granted: frozenset[Category],
        closed: frozenset[Category],
        absent: frozenset[str],
    ) -> Plan:
        plan = []
        for name, field in self._policy.columns("events").items():
            full = outcome == "identified" and field.consent_category in granted
            shape: Shape = "identified" if full else "anonymous"
            what = field.remains(shape)
            # An error needs no consent; what its row would say only for
            # statistics stays away all the same when those are closed.
            # A rule pack may allow a row and not all of its fields.
            if field.consent_category in closed or name in absent:
                what = "absent"
            if what == "absent":
                plan.append((name, _emptier(EMPTY[field.type])))
                continue
            transform = self._transforms.get(what)
            if transform is not None:
                plan.append((name, transform))
            elif what != "keep":
                where = f"fields.{name}.{shape}"
                raise PolicyError(where, f"{what!r} cannot be applied to a row")
        return tuple(plan)

    def _to_keyed_hash(self, value: str, raw: RawEvent) -> str:
        # A client's UUIDv7 tells the millisecond; its hash under the day's salt
        # still lets a retry be recognised as one.
        digest = hashlib.blake2b(
            f"{raw.event.site}\0{value}".encode(),
            digest_size=16,
            key=self._salts.at(raw.received_ms),
        ).digest()
        return str(uuid.UUID(bytes=digest, version=4))


def _check_columns(policy: Policy, table: str, kind: type[msgspec.Struct]) -> None:
    # A line whose values are not in the order of its header would not load, or
    # worse, load into each other's columns.
    columns, fields = list(column_types(policy, table)), list(kind.__struct_fields__)
    differing = set(columns) ^ set(fields) or {
        column for column, field in zip(columns, fields, strict=True) if column != field
    }
    if differing:
        where = f"fields.{min(differing)}"
        raise PolicyError(where, f"the policy and {kind.__name__} differ in {table}")


def _emptier(empty: object) -> Transform:
    if isinstance(empty, list | dict):
        kind = type(empty)
        return lambda _value, _raw: kind()
    return lambda _value, _raw: empty


def _to_hour(value: str, _raw: RawEvent) -> str:
    return value[:13] + ":00:00.000"


def _to_base_language(value: str, _raw: RawEvent) -> str:
    return value.partition("-")[0]


def _all_values(  # noqa: PLR0913 - the six inputs of the path, each of its own type
    raw: RawEvent,
    grant: Grant,
    consent: ConsentState,
    facts: Facts,
    visitor: Visitor,
    policy_version: str,
) -> dict[str, Any]:
    """Return every field's fullest value, redacted; the plan takes away."""
    event = raw.event
    latitude, longitude = _coordinates(event)
    location, device, campaign = facts.location, facts.device, facts.campaign
    return {
        "event_id": raw.event_id,
        "event_name": event_name(event),
        "site": event.site,
        "occurred_at": time_text(raw.occurred_ms),
        "received_at": time_text(raw.received_ms),
        "outcome": grant.outcome,
        "outcome_reasons": list(grant.reasons),
        "regime": grant.regime,
        "regime_version": grant.regime_version,
        "regime_switches": list(grant.switches),
        "decision_row": grant.decision_row,
        "policy_version": policy_version,
        "consent_preference": consent.preference,
        "consent_statistics": consent.statistics,
        "consent_marketing": consent.marketing,
        "consent_precise_location": consent.precise_location,
        "consent_signals": list(consent.flags),
        "consent_sources": list(consent.sources),
        "consent_problems": list(consent.problems),
        "consent_given_at": time_text(consent.given_ms or 0),
        "door": raw.door,
        "visitor_id": visitor.id,
        "visitor_scope": visitor.scope,
        "client_address": facts.client_address,
        "geo_continent_code": location.continent_code,
        "geo_country_iso_code": location.country_iso_code,
        "geo_region_iso_code": location.region_iso_code,
        "geo_locality_name": location.locality_name,
        "geo_source": location.source,
        "geo_latitude": latitude,
        "geo_longitude": longitude,
        "geo_cell": facts.cell,
        "device_type": device.device_type,
        "os_name": device.os_name,
        "os_version": device.os_version,
        "user_agent_name": device.user_agent_name,
        "user_agent_version": device.user_agent_version,
        "screen_class": facts.screen_class,
        "viewport_class": facts.viewport_class,
        "browser_language": facts.language,
        "time_zone": facts.time_zone,
        "url_domain": facts.url.domain,
        "url_path": facts.url.path,
        "url_query": facts.url.query,
        "page_title": _text(event.title, _TITLE),
        "referrer_domain": facts.source.referrer_domain,
        "referrer_path": facts.source.referrer_path,
        "traffic_source": facts.source.traffic_source,
        "traffic_medium": facts.source.traffic_medium,
        "utm_source": campaign.source,
        "utm_medium": campaign.medium,
        "utm_campaign": campaign.campaign,
        "utm_term": campaign.term,
        "utm_content": campaign.content,
        "utm_id": campaign.id,
        "ad_click": facts.url.ad_click,
        "properties": _properties(event),
        "target_url_domain": facts.target_domain,
        "target_url_path": facts.target_path,
        "mail_verdict": facts.mail_verdict,
        **_OWN_FIELDS,
        **_own_values(event),
    }


# The fields that only some events have, as they are when the event has none.
_OWN_FIELDS: dict[str, Any] = {
    "custom_name": "",
    "engaged_ms": 0,
    "scroll_depth": 0,
    "form_id": "",
    "exception_type": "",
    "exception_message": "",
    "exception_stacktrace": "",
    "app_version": "",
    "web_vital_name": "",
    "web_vital_value": 0.0,
    "web_vital_rating": "",
    "navigation_type": "",
    "mailing": "",
}


def _own_values(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {}
    match event:
        case PagePing():
            found["engaged_ms"] = event.engaged_ms
            found["scroll_depth"] = event.scroll_depth
        case Custom():
            found["custom_name"] = _text(event.name, _NAME)
        case FormSubmit():
            found["form_id"] = _text(event.form_id, _NAME)
        case Failure():
            return _failure(event)
        case WebVital():
            found["web_vital_name"] = event.web_vital_name
            found["web_vital_value"] = event.web_vital_value
            found["web_vital_rating"] = event.web_vital_rating or ""
            found["navigation_type"] = event.navigation_type or ""
        case EmailOpen() | EmailClick():
            found["mailing"] = _text(event.mailing, _NAME)
    return found


def _failure(event: Failure) -> dict[str, Any]:
    return {
        "exception_type": _text(event.exception_type, _NAME),
        "exception_message": _text(event.exception_message, _MESSAGE),
        "exception_stacktrace": _text(event.exception_stacktrace, _STACK),
        "app_version": (
            redact_version(event.app_version or "")
            if isinstance(event, AppCrash)
            else ""
        ),
    }


def _coordinates(event: Event) -> tuple[float | None, float | None]:
    if not isinstance(event, Location):
        return None, None
    # Five decimals are about a metre: no device knows better.
    return round(event.latitude, 5), round(event.longitude, 5)


def _properties(event: Event) -> dict[str, str]:
    if not event.properties:
        return {}
    found = {}
    for key, value in event.properties.items():
        name = _text(key, _NAME)
        found[name] = _scalar(name, value)
    return found


def _scalar(name: str, value: str | float | bool | None) -> str:  # noqa: FBT001 - JSON's own
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode()
    # A number can be a telephone or card number as well as a text can.
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return _text(redact_named(name, text), _VALUE)


def _text(text: str | None, limit: int) -> str:
    return redact_text(text, limit) if text else ""


def event_name(event: Event) -> str:
    """Return the event's name as it is sent and stored."""
    return str(event.__struct_config__.tag)
