"""
What would be decided from signals and circumstances that someone states: one line of
`kastana consent decide`. The path is the collector's own; nothing is stored.
"""

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from collector.decode import CONSENT_KEYS, consent_pair, filled
from pipeline.assess import Assessor, circumstances
from pipeline.caller import device_of, header_flags
from pipeline.clock import TimeError, now_ms, parse_time
from pipeline.gate import Rules, decide, why
from pipeline.merge import add_flags, withdraw
from pipeline.robots import agents_and_referrers
from schemas.consent import CATEGORIES, FLAGS, Category, ConsentState, Time
from schemas.event import AnyEvent
from schemas.outcome import Grant
from schemas.packs import load_packs
from schemas.policy import Policy
from schemas.raw_event import READ_HEADERS, RawEvent
from schemas.site import CMPS, Site, SiteError, make_site

_SITE = "example.com"
# The least that the events with required fields need.
_REQUIRED: dict[str, dict[str, Any]] = {
    "link_click": {"target_url": ""},
    "file_download": {"target_url": ""},
    "custom": {"name": "-"},
    "web_vital": {"web_vital_name": "LCP", "web_vital_value": 0},
    "location": {"latitude": 0, "longitude": 0},
}


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The circumstances of a request; each has the default of a plain page view."""

    place: Annotated[str, Meta(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?)?\Z")] = ""
    event: str = "page_view"
    category: Category | None = None
    door: Literal["script", "pixel", "redirect", "server"] = "script"
    time: Time | None = None
    site: dict[str, Any] = {}
    withdrawn: tuple[Category, ...] = ()
    flags: tuple[str, ...] = ()
    user_agent: str = ""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signals as a request carries them, and the request's circumstances."""

    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    consent: dict[str, Any] = {}
    context: Context = Context()


class DecideError(ValueError):
    """A line that says nothing that can be decided; `code` is one of INVALID."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class Decider:
    """Decides on stated signals; reads policy and packs once."""

    def __init__(self, policy: Policy) -> None:
        """Bind it to the policy."""
        self._policy = policy
        self._assessor = Assessor(policy, load_packs())
        # A line has no address: agents and referrers are all that tells a robot.
        self._robots = agents_and_referrers()

    def line(self, content: object) -> dict[str, Any]:
        """
        Return the decision on one line of JSON that was read.

        Beside `headers`, `cookies`, `consent` and `context` a line may hold the
        signals of the industry under their names: `gdpr`, `gdpr_consent`, `gpp` …

        Raises:
            DecideError: when the line cannot be understood.

        """
        line = _line(content)
        context = line.context
        if context.event not in self._policy.events:
            known = ", ".join(self._policy.events)
            raise DecideError("unknown_event", f"known are: {known}", "context.event")
        unknown = sorted(set(context.flags) - FLAGS.keys())
        if unknown:
            known = ", ".join(FLAGS)
            raise DecideError("bad_format", f"known are: {known}", "context.flags")
        raw = _raw(line)
        assessment = self._assessor.assess(raw, _site(line), context.place)
        consent = withdraw(assessment.consent, context.withdrawn, ())
        robots = self._robots.flags(raw, device_of(raw))
        more = circumstances(raw, consent, robots, header_flags(raw.headers))
        consent = add_flags(consent, [*more, *context.flags])
        rule = self._policy.events[context.event]
        category = context.category or cast("Category", rule.consent_category)
        return _told(category, consent, assessment.rules)


def _line(content: object) -> Line:
    if not isinstance(content, dict):
        raise DecideError("not_an_event", "a line is a JSON object")
    line = dict(content)
    signals = {key: line.pop(key) for key in CONSENT_KEYS & line.keys()}
    if signals and not isinstance(line.get("consent", {}), dict):
        raise DecideError("wrong_type", "consent is an object", "consent")
    if signals:
        pairs = {
            key: value
            for name, said in signals.items()
            for key, value in consent_pair(name, said).items()
        }
        line["consent"] = {**line.get("consent", {}), **pairs}
    converted: Line = _convert(line, Line, strict=True)
    return msgspec.structs.replace(converted, consent=filled(converted.consent))


def _site(line: Line) -> Site:
    options = {"consent_cookies": CMPS, **line.context.site}
    try:
        return make_site(_SITE, options)
    except SiteError as error:
        raise DecideError("bad_format", str(error), "context.site") from None


def _raw(line: Line) -> RawEvent:
    context = line.context
    event = {"event": context.event, "site": _SITE, **_REQUIRED.get(context.event, {})}
    if line.consent:
        event["consent"] = line.consent
    try:
        now = now_ms() if context.time is None else parse_time(context.time)
        if line.consent.get("updated_at") is not None:
            parse_time(line.consent["updated_at"])
    except TimeError as error:
        raise DecideError("bad_time", str(error)) from None
    return RawEvent(
        event=_convert(event, AnyEvent, strict=False),
        event_id="",
        door=context.door,
        address="",
        user_agent=context.user_agent,
        referer="",
        headers={
            name.lower(): value
            for name, value in line.headers.items()
            if name.lower() in READ_HEADERS
        },
        occurred_ms=now,
        received_ms=now,
        cookies=tuple(line.cookies.items()),
    )


def _convert(content: object, kind: Any, *, strict: bool) -> Any:  # noqa: ANN401 - any type
    try:
        return msgspec.convert(content, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise DecideError("bad_format", str(error)) from None


def _told(category: Category, consent: ConsentState, rules: Rules) -> dict[str, Any]:
    grants = {name: decide(name, consent, rules) for name in CATEGORIES}
    return {
        **_decision(grants[category]),
        "category": category,
        "regime": rules.regime,
        "regime_version": rules.version,
        "categories": {
            name: {"state": consent.of(name), **_decision(grant)}
            for name, grant in grants.items()
        },
        "flags": list(consent.flags),
        "sources": list(consent.sources),
        "problems": list(consent.problems),
        "matched": why(consent, rules),
    }


def _decision(grant: Grant) -> dict[str, Any]:
    return {
        "outcome": grant.outcome,
        "row": grant.decision_row,
        "reasons": list(grant.reasons),
    }
