"""
The path of one event, steps 3 to 6: gate, enrich, identify, minimise.

Straight calls, a new type after each: what comes after `minimise` cannot see an
address, because a `Row` has none. A drop is a value, not an exception, so that
the caller has to say what becomes of it.
"""

from typing import cast

import msgspec

from pipeline.clock import parse_time
from pipeline.enrich import Facts, enrich
from pipeline.gate import decide, read_consent
from pipeline.identify import identify
from pipeline.location import Locator
from pipeline.minimise import Minimiser, event_name
from pipeline.salt import DaySalt
from schemas.consent import Category, Signal
from schemas.event import EmailClick, EmailOpen, Event
from schemas.outcome import Drop, Grant
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.row import CountRow, Row
from schemas.site import Site

_PREFETCH_HEADERS = ("sec-purpose", "purpose", "x-moz")


class Result(msgspec.Struct, frozen=True):
    """
    What became of an event: its outcome, why, and the row that stays.

    `key` is what a repetition of the event is known by; empty if it is not.
    """

    outcome: str
    reasons: tuple[str, ...]
    row: Row | CountRow
    key: str = ""


class Processor:
    """Steps 3 to 6 with what they need; one for each process."""

    def __init__(
        self, policy: Policy, locator: Locator, visitor_key: bytes, salts: DaySalt
    ) -> None:
        """
        Bind the path to its policy, geo database, secret and salt.

        Args:
            policy: what may be kept.
            locator: turns addresses into places.
            visitor_key: secret for lasting pseudonyms, 32 bytes.
            salts: the day's salt.

        Raises:
            PolicyError: when the policy asks for what the code cannot do.

        """
        self._policy = policy
        self._locator = locator
        self._visitor_key = visitor_key
        self._salts = salts
        self._minimiser = Minimiser(policy, salts)

    def process(self, raw: RawEvent, site: Site) -> Result:
        """Take one event from its door to its row, or to the counter it leaves."""
        consent = read_consent(
            raw.event.consent,
            signals=_signals(raw),
            policy=self._policy,
            updated_ms=_updated_ms(raw),
            now_ms=raw.received_ms,
        )
        grant = decide(self._category(raw.event), consent, site)
        drop = _drop_by_request(raw, grant)
        if drop is not None and drop.outcome == "dropped":
            return self._count(raw, drop, None)
        facts = enrich(raw, grant, self._locator)
        drop = _drop_by_agent(raw, grant, drop, facts)
        if drop is not None:
            return self._count(raw, drop, facts)
        visitor = identify(raw, grant, self._visitor_key, self._salts)
        row = self._minimiser.row(raw, grant, consent, facts, visitor)
        return Result(grant.outcome, grant.reasons, row)

    def _category(self, event: Event) -> Category:
        rule = self._policy.events[event_name(event)]
        if rule.sender_may_choose and event.category is not None:
            return event.category
        return cast("Category", rule.consent_category)

    def _count(self, raw: RawEvent, drop: Drop, facts: Facts | None) -> Result:
        count = self._minimiser.count(raw, drop, facts)
        return Result(drop.outcome, drop.reasons, count)


def _drop_by_request(raw: RawEvent, grant: Grant) -> Drop | None:
    if grant.outcome == "dropped":
        return Drop("dropped", grant.reasons)
    if any("prefetch" in raw.headers.get(name, "") for name in _PREFETCH_HEADERS):
        return Drop("dropped", (*grant.reasons, "prefetch"))
    if raw.event.automated:
        return Drop("counted", (*grant.reasons, "automated"))
    if grant.outcome == "counted":
        return Drop("counted", grant.reasons)
    return None


def _drop_by_agent(
    raw: RawEvent, grant: Grant, drop: Drop | None, facts: Facts
) -> Drop | None:
    # A mail proxy calls itself a robot and still means that a person reads; a
    # server's agent is the program it runs, not the visitor it speaks of.
    if isinstance(raw.event, EmailOpen | EmailClick) or raw.door == "server":
        return drop
    if facts.device.is_robot:
        reasons = grant.reasons if drop is None else drop.reasons
        return Drop("counted", (*reasons, "robot"))
    return drop


def _updated_ms(raw: RawEvent) -> int | None:
    claim = raw.event.consent
    if claim is None or claim.updated_at is None:
        return None
    return parse_time(claim.updated_at)


def _signals(raw: RawEvent) -> tuple[Signal, ...]:
    signals: list[Signal] = []
    if raw.event.gpc or _is_one(raw.headers.get("sec-gpc")):
        signals.append("gpc")
    if raw.event.dnt or _is_one(raw.headers.get("dnt")):
        signals.append("dnt")
    return tuple(signals)


def _is_one(value: str | None) -> bool:
    # Exactly "1" is the signal (W3C GPC, section 3.1); two headers that a proxy
    # made one are still a "1" each.
    return value is not None and "1" in (part.strip() for part in value.split(","))
