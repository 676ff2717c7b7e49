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
from typing import Any, NamedTuple

import msgspec
import orjson

from pipeline.clock import hour_text, time_text
from pipeline.enrich import Facts
from pipeline.identify import Visitor
from pipeline.redact import redact_text
from pipeline.redaction.keys import redact_named
from pipeline.redaction.version import redact_version
from pipeline.salt import DaySalt
from schemas.consent import CATEGORIES, Category, ConsentState
from schemas.ddl import EMPTY, column_types
from schemas.event import (
    EVENT_TYPES,
    AppCrash,
    Custom,
    EmailClick,
    EmailOpen,
    Event,
    Failure,
    FormSubmit,
    Location,
    PagePing,
    ScriptException,
    WebVital,
)
from schemas.outcome import Grant
from schemas.policy import Policy, PolicyError, Shape
from schemas.raw_event import RawEvent
from schemas.redaction import NO_EXTRA, Extra
from schemas.row import CountRow, Row

Transform = Callable[[Any, RawEvent], Any]


class Plan(NamedTuple):
    """What is done to the values of a row: the number of a field, and what to it."""

    empty: tuple[tuple[int, Any], ...]
    change: tuple[tuple[int, Transform], ...]


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
        extra: Extra = NO_EXTRA,
    ) -> Row:
        """Return the row of an identified or anonymous event."""
        values = _values(
            raw, category, grant, consent, facts, visitor, self._policy.version, extra
        )
        plan = self._plan(grant.outcome, grant.granted, grant.closed, grant.absent)
        for number, empty in plan.empty:
            values[number] = empty
        for number, transform in plan.change:
            values[number] = transform(values[number], raw)
        return Row(*values)

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
            synthetic=int(raw.event.synthetic),
            events=1,
        )

    def _compile(
        self,
        outcome: str,
        granted: frozenset[Category],
        closed: frozenset[Category],
        absent: frozenset[str],
    ) -> Plan:
        empty: list[tuple[int, Any]] = []
        change: list[tuple[int, Transform]] = []
        for number, (name, field) in enumerate(self._policy.columns("events").items()):
            full = outcome == "identified" and field.consent_category in granted
            shape: Shape = "identified" if full else "anonymous"
            what = field.remains(shape)
            # An error needs no consent; what its row would say only for
            # statistics stays away all the same when those are closed.
            # A rule pack may allow a row and not all of its fields.
            if field.consent_category in closed or name in absent:
                what = "absent"
            transform = self._transforms.get(what)
            if what == "absent":
                empty.append((number, EMPTY[field.type]))
            elif transform is not None:
                change.append((number, transform))
            elif what != "keep":
                where = f"fields.{name}.{shape}"
                raise PolicyError(where, f"{what!r} cannot be applied to a row")
        return Plan(tuple(empty), tuple(change))

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


def _to_hour(value: str, _raw: RawEvent) -> str:
    return value[:13] + ":00:00.000"


def _to_base_language(value: str, _raw: RawEvent) -> str:
    return value.partition("-")[0]


class _Own(msgspec.Struct, frozen=True):
    """The fields that only some events have, as they are when an event has none."""

    custom_name: str = ""
    engaged_ms: int = 0
    scroll_depth: int = 0
    form_id: str = ""
    exception_type: str = ""
    exception_message: str = ""
    exception_stacktrace: str = ""
    app_version: str = ""
    web_vital_name: str = ""
    web_vital_value: float = 0.0
    web_vital_rating: str = ""
    navigation_type: str = ""
    mailing: str = ""


_NO_OWN = _Own()
_NEVER = time_text(0)


def _values(  # noqa: PLR0913 - the inputs of the path, each of its own type
    raw: RawEvent,
    category: Category,
    grant: Grant,
    consent: ConsentState,
    facts: Facts,
    visitor: Visitor,
    policy_version: str,
    extra: Extra,
) -> list[Any]:
    """
    Return every field's fullest value, redacted; the plan takes away.

    In the order of `Row`, which `tests/unit/test_minimise.py` holds it to: a list that
    is filled by place costs a third of a dictionary.
    """
    event = raw.event
    location, device, campaign = facts.location, facts.device, facts.campaign
    url, source = facts.url, facts.source
    latitude, longitude = _coordinates(event) if type(event) is Location else _NOWHERE
    read = _OWN.get(type(event))
    own = _NO_OWN if read is None else read(event, extra)
    return [
        raw.event_id,
        event_name(event),
        event.site,
        time_text(raw.occurred_ms),
        time_text(raw.received_ms),
        grant.outcome,
        list(grant.reasons),
        grant.regime,
        grant.regime_version,
        list(grant.switches),
        grant.decision_row,
        policy_version,
        category,
        consent.preference,
        consent.statistics,
        consent.marketing,
        consent.precise_location,
        list(consent.flags),
        list(consent.sources),
        list(consent.problems),
        time_text(consent.given_ms) if consent.given_ms else _NEVER,
        raw.door,
        visitor.id,
        visitor.scope,
        facts.client_address,
        location.continent_code,
        location.country_iso_code,
        location.region_iso_code,
        location.locality_name,
        location.source,
        latitude,
        longitude,
        facts.cell,
        device.device_type,
        device.os_name,
        device.os_version,
        device.user_agent_name,
        device.user_agent_version,
        facts.screen_class,
        facts.viewport_class,
        facts.language,
        facts.time_zone,
        url.domain,
        url.path,
        url.query,
        _text(event.title, _TITLE, extra),
        source.referrer_domain,
        source.referrer_path,
        source.traffic_source,
        source.traffic_medium,
        campaign.source,
        campaign.medium,
        campaign.campaign,
        campaign.term,
        campaign.content,
        campaign.id,
        url.ad_click,
        own.custom_name,
        _properties(event, extra),
        own.engaged_ms,
        own.scroll_depth,
        facts.target_domain,
        facts.target_path,
        own.form_id,
        own.exception_type,
        own.exception_message,
        own.exception_stacktrace,
        own.app_version,
        own.web_vital_name,
        own.web_vital_value,
        own.web_vital_rating,
        own.navigation_type,
        own.mailing,
        facts.mail_verdict,
        int(event.synthetic),
    ]


def _of_ping(event: PagePing, _extra: Extra) -> _Own:
    return _Own(engaged_ms=event.engaged_ms, scroll_depth=event.scroll_depth)


def _of_custom(event: Custom, extra: Extra) -> _Own:
    return _Own(custom_name=_text(event.name, _NAME, extra))


def _of_form(event: FormSubmit, extra: Extra) -> _Own:
    return _Own(form_id=_text(event.form_id, _NAME, extra))


def _of_vital(event: WebVital, _extra: Extra) -> _Own:
    return _Own(
        web_vital_name=event.web_vital_name,
        web_vital_value=event.web_vital_value,
        web_vital_rating=event.web_vital_rating or "",
        navigation_type=event.navigation_type or "",
    )


def _of_mail(event: EmailOpen | EmailClick, extra: Extra) -> _Own:
    return _Own(mailing=_text(event.mailing, _NAME, extra))


def _of_failure(event: Failure, extra: Extra) -> _Own:
    version = event.app_version if isinstance(event, AppCrash) else ""
    return _Own(
        exception_type=_text(event.exception_type, _NAME, extra),
        exception_message=_text(event.exception_message, _MESSAGE, extra),
        exception_stacktrace=_text(event.exception_stacktrace, _STACK, extra),
        app_version=redact_version(version or ""),
    )


_OWN: dict[type[Event], Callable[[Any, Extra], _Own]] = {
    PagePing: _of_ping,
    Custom: _of_custom,
    FormSubmit: _of_form,
    WebVital: _of_vital,
    EmailOpen: _of_mail,
    EmailClick: _of_mail,
    AppCrash: _of_failure,
    ScriptException: _of_failure,
}
_NOWHERE: tuple[None, None] = (None, None)


def _coordinates(event: Location) -> tuple[float, float]:
    # Five decimals are about a metre: no device knows better.
    return round(event.latitude, 5), round(event.longitude, 5)


def _properties(event: Event, extra: Extra) -> dict[str, str]:
    if not event.properties:
        return {}
    found = {}
    for key, value in event.properties.items():
        name = _text(key, _NAME, extra)
        found[name] = _scalar(name, value, extra)
    return found


def _scalar(name: str, value: str | float | bool | None, extra: Extra) -> str:  # noqa: FBT001 - JSON's own
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode()
    # A number can be a telephone or card number as well as a text can.
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return _text(redact_named(name, text), _VALUE, extra)


def _text(text: str | None, limit: int, extra: Extra) -> str:
    return redact_text(text, limit, extra) if text else ""


def event_name(event: Event) -> str:
    """Return the event's name as it is sent and stored."""
    return _NAMES[type(event)]


_NAMES = {kind: name for name, kind in EVENT_TYPES.items()}
