"""
The path of one event, steps 3 to 6: gate, enrich, identify, minimise.

Straight calls, a new type after each: what comes after `minimise` cannot see an
address, because a `Row` has none. A drop is a value, not an exception, so that
the caller has to say what becomes of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import cast

import msgspec

from pipeline.agents.networks import Networks
from pipeline.assess import Assessment, Assessor, circumstances
from pipeline.caller import Caller, Callers
from pipeline.enrich import MAIL, Facts, enrich, page_seen, speaks_for_others
from pipeline.gate import Rules, grants
from pipeline.geo.files import Spot
from pipeline.identify import (
    NOBODY,
    Visitor,
    candidate,
    identify,
    note,
    with_day,
)
from pipeline.location import Locator, place_of
from pipeline.mail import MailClerk
from pipeline.merge import add_flags, withdraw
from pipeline.minimise import Minimiser, event_name
from pipeline.page import Page
from pipeline.read_signals import has_strings
from pipeline.robots import Robots, agents_and_referrers
from pipeline.salt import DaySalt
from pipeline.signals.reading import Reading
from pipeline.withdrawal.objections import NOTHING_CLOSED, Objections
from pipeline.withdrawal.standing import united
from schemas.consent import ASKED, Category, ConsentState
from schemas.event import Event
from schemas.event import Location as Position
from schemas.outcome import Grant
from schemas.packs import Packs, load_packs
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.row import CountRow, Row
from schemas.site import Site

# Reasons of those who were not asked, or did not answer, or so long ago that it ended.
_UNDECIDED = frozenset({"no_consent", "consent_requested", "consent_expired"})


class Result(msgspec.Struct, frozen=True):
    """
    What became of an event: its outcome, why, and the row that stays.

    Attributes:
        outcome: identified, anonymous, counted or dropped.
        reasons: why, of `schemas.outcome.REASONS`.
        row: what stays.
        treatment: how the request was read; in memory alone.
        category: which consent the event needs.
        key: what a repetition of the event is known by; empty if it is not.

    """

    outcome: str
    reasons: tuple[str, ...]
    row: Row | CountRow
    treatment: "Treatment"
    category: Category
    key: str = ""


class Treatment(msgspec.Struct, frozen=True):
    """
    How a request is treated before anything of it is kept.

    Attributes:
        readings: what each source of the request says.
        consent: all of them merged, and what the collector knows was withdrawn.
        rules: the packs that decide, and the site's switches.
        place: where the request comes from, "US-CA", "DE" or "".
        visitor: the pseudonym that it would have, if that matters; in memory alone.
        purge: True if what was kept under that pseudonym has to go: a child's.
        caller: what the request says beside its event.
        grants: what may become of an event of each category.

    """

    readings: tuple[Reading, ...]
    consent: ConsentState
    rules: Rules
    place: str
    visitor: Visitor
    purge: bool
    caller: Caller
    grants: Mapping[Category, Grant]


class Processor:
    """Steps 3 to 6 with what they need; one for each process."""

    def __init__(  # noqa: PLR0913 - what the path needs, each of its own type
        self,
        policy: Policy,
        locator: Locator,
        visitor_key: bytes,
        salts: DaySalt,
        objections: Objections,
        networks: Networks | None = None,
        robots: Robots | None = None,
        clerk: MailClerk | None = None,
        packs: Packs | None = None,
    ) -> None:
        """
        Bind the path to its policy, geo database, secret and salt.

        Args:
            policy: what may be kept.
            locator: turns addresses into places.
            visitor_key: secret for lasting pseudonyms, 32 bytes.
            salts: the day's salt.
            objections: who withdrew.
            networks: what kind of network addresses are in; of none if not given.
            robots: tells what is no visitor's; by its agent alone if none is given.
            clerk: tells who opens and clicks; by agents alone if none is given.
            packs: the rule packs; those that ship with the package if none are given.

        Raises:
            PolicyError: when the policy asks for what the code cannot do.
            PackError: when a pack names what the policy does not have.

        """
        self._policy = policy
        networks = networks or Networks()
        self._locator = locator
        self._callers = Callers(locator, networks)
        self._visitor_key = visitor_key
        self._salts = salts
        self._objections = objections
        self._assessor = Assessor(policy, packs or load_packs())
        self._minimiser = Minimiser(policy, salts)
        self._robots = robots or agents_and_referrers()
        self._clerk = clerk or MailClerk(networks)

    def treat(
        self,
        raw: RawEvent,
        site: Site,
        *,
        caller: Caller | None = None,
        told: bool = False,
    ) -> Treatment:
        """
        Read what a request says and what is known of its visitor's withdrawals.

        Args:
            raw: the event and its request.
            site: the site that it is for.
            caller: what the request says beside the event, if it was read already.
            told: if the visitor asks, and withdrawals count where nothing is open.

        """
        treatment = None if told else self._shared(raw, site)
        if treatment is None:
            treatment = self._treat(raw, site, caller, told=told)
        caller, consent = treatment.caller, treatment.consent
        # Of each event anew: it counts how many come, and reads the referrer.
        robots = self._robots.flags(raw, caller.device, caller.network)
        flags = circumstances(raw, consent, robots, caller.flags)
        if not flags:
            return treatment
        consent = add_flags(consent, flags)
        return msgspec.structs.replace(
            treatment, consent=consent, grants=grants(consent, treatment.rules)
        )

    def _shared(self, raw: RawEvent, site: Site) -> Treatment | None:
        """
        Return what is said of an event that came with others; None if it came alone.

        Of one request address, agent and headers are the same for all events; what
        else decides is in the key.
        """
        fellows, event = raw.fellows, raw.event
        if fellows is None or type(event) in MAIL:
            return None
        claim = event.consent
        if claim is not None and has_strings(claim):
            # They have caches of their own.
            return None
        key = (
            site.number,
            claim,
            event.visitor,
            event.account,
            event.sent_at,
            event.gpc,
            event.dnt,
        )
        known: Treatment | None = fellows.get(key)
        if known is None:
            known = fellows[key] = self._treat(raw, site, None, told=False)
        return known

    def _treat(
        self, raw: RawEvent, site: Site, caller: Caller | None, *, told: bool
    ) -> Treatment:
        """Say what `treat` says, but for what tells robots and circumstances."""
        if caller is None:
            caller = self._callers.of(raw)
        place = ""
        if not speaks_for_others(raw):
            # A visitor's own address: in memory, before truncation.
            place = place_of(caller.spot) or raw.country
        assessment = self._assessor.assess(raw, site, place)
        merged = assessment.consent
        visitor = self.candidate(raw) if told or _matters(raw, assessment) else NOBODY
        if visitor.id and (merged.statistics != "given" or "child" in merged.flags):
            # A name that lasts is not kept then, that of the day may be or was.
            visitor = with_day(visitor, raw, self._salts)
        consent, known = self._withdrawn(merged, visitor, raw)
        purge = "child" in merged.flags and visitor.id != 0 and not known
        return Treatment(
            assessment.readings,
            consent,
            assessment.rules,
            place,
            visitor,
            purge,
            caller,
            assessment.grants
            if consent is merged
            else grants(consent, assessment.rules),
        )

    def candidate(self, raw: RawEvent) -> Visitor:
        """Return the pseudonym that a request's visitor would have."""
        return candidate(raw, self._visitor_key, self._salts)

    def process(self, raw: RawEvent, site: Site, key: str = "") -> Result:
        """
        Take one event from its door to its row, or to the counter it leaves.

        Args:
            raw: the event and its request.
            site: the site that it is for.
            key: what a repetition of the event is known by; empty if it is not.

        """
        (result,) = self.process_all([(raw, site, key)])
        if isinstance(result, Exception):
            raise result
        return result

    def process_all(
        self,
        asked: Iterable[tuple[RawEvent, Site, str]],
        after: Callable[[str], None] = lambda _step: None,
    ) -> list[Result | Exception]:
        """
        Take events from their doors to what stays of them, all of them step by step.

        One event from end to end runs through more code than the processor holds
        close by, and the next one finds none of it there: many events take a step
        together in half the time.

        Args:
            asked: arguments of `process`.
            after: told the name of each step when all have taken it.

        Returns:
            What `process` would return, or raise, for each event, in order.

        """
        works = [_Work(*one) for one in asked]
        for step in (
            self._locate,
            self._meet,
            self._judge,
            self._read,
            self._enrich,
            self._minimise,
        ):
            for work in works:
                if work.outcome is None:
                    try:
                        step(work)
                    except Exception as error:  # noqa: BLE001 - told to who asked
                        work.outcome = error
            after(step.__name__.removeprefix("_"))
        return [cast("Result | Exception", work.outcome) for work in works]

    def _locate(self, work: "_Work") -> None:
        """Before step 3: who calls, or else from where."""
        if work.raw.fellows is None:
            callers = self._callers
            work.request = callers.key(work.raw)
            work.caller = callers.known(work.request)
            if work.caller is None:
                work.spot = callers.spot(work.raw)

    def _meet(self, work: "_Work") -> None:
        """Before step 3: what else the request says beside its events."""
        if work.spot is not None:
            callers = self._callers
            # One that came with it may have been read just now.
            work.caller = callers.known(work.request) or callers.read(
                work.raw, work.request, work.spot
            )

    def _judge(self, work: "_Work") -> None:
        """Step 3: what the request says, what the rules make of it."""
        raw = work.raw
        treatment = self.treat(raw, work.site, caller=work.caller)
        category = self.category(raw.event)
        grant = treatment.grants[category]
        if type(raw.event) is Position and grant.outcome == "dropped":
            category, grant = self._coarsely(category, grant, treatment)
        work.treatment, work.category, work.grant = treatment, category, grant
        if grant.outcome == "dropped":
            self._count(work, None)

    @staticmethod
    def _read(work: "_Work") -> None:
        """Step 4, of which the page is the larger part."""
        work.page = page_seen(work.raw, work.grant, work.site)

    def _enrich(self, work: "_Work") -> None:
        """Step 4: the other coarse facts."""
        raw, grant, caller = work.raw, work.grant, work.treatment.caller
        verdict = self._clerk.verdict(raw)
        work.facts = enrich(
            raw, grant, work.site, work.page, self._locator, caller, verdict
        )
        if grant.outcome == "counted":
            self._count(work, work.facts)

    def _minimise(self, work: "_Work") -> None:
        """Steps 5 and 6: the pseudonym, the row."""
        raw, grant, treatment = work.raw, work.grant, work.treatment
        consent = treatment.consent
        visitor = identify(
            treatment.visitor,
            grant,
            raw,
            self._salts,
            consented=consent.statistics == "given",
        )
        note(visitor, raw, self._salts)
        row = self._minimiser.row(
            raw, work.category, grant, consent, work.facts, visitor, work.site.extra
        )
        self._end(work, row)

    def _count(self, work: "_Work", facts: Facts | None) -> None:
        self._end(work, self._minimiser.count(work.raw, work.grant, facts))

    @staticmethod
    def _end(work: "_Work", row: Row | CountRow) -> None:
        grant = work.grant
        work.outcome = Result(
            grant.outcome, grant.reasons, row, work.treatment, work.category, work.key
        )

    def category(self, event: Event) -> Category:
        """Return which consent an event needs: its name's, or the sender's choice."""
        rule = self._policy.events[event_name(event)]
        if rule.sender_may_choose and event.category is not None:
            return event.category
        return cast("Category", rule.consent_category)

    def _coarsely(
        self, category: Category, grant: Grant, treatment: Treatment
    ) -> tuple[Category, Grant]:
        """
        Return what becomes of coordinates without their own consent.

        Where nobody was asked for them, the pack leaves an area and statistics are
        kept, the area is a statistic. A refusal leaves nothing.
        """
        if grant.precision.point_resolution and _UNDECIDED.issuperset(grant.reasons):
            other = treatment.grants["statistics"]
            if other.outcome == "identified":
                return "statistics", other
        return category, grant

    def _withdrawn(
        self, consent: ConsentState, visitor: Visitor, raw: RawEvent
    ) -> tuple[ConsentState, bool]:
        """Return the state after withdrawals, and if this is known as a child's."""
        if not visitor.id:
            return consent, False
        standings = self._objections.standings(
            raw.event.site,
            visitor,
            given_ms=consent.given_ms,
            received_ms=raw.received_ms,
        )
        if standings is NOTHING_CLOSED:
            return consent, False
        standing = united(standings)
        flags = ["erased"] * standing.erased + ["child"] * standing.child
        if standing.withdrawn.issuperset(ASKED) and not flags:
            flags.append("withdrawn")
        known = all(one.child for one in standings)
        return withdraw(consent, standing.withdrawn, flags), known


class _Work:
    """An event on its way: what each step leaves for the next; in memory alone."""

    __slots__ = (
        "caller",
        "category",
        "facts",
        "grant",
        "key",
        "outcome",
        "page",
        "raw",
        "request",
        "site",
        "spot",
        "treatment",
    )
    category: Category
    facts: Facts
    grant: Grant
    page: Page
    request: int
    treatment: Treatment

    def __init__(self, raw: RawEvent, site: Site, key: str) -> None:
        self.raw = raw
        self.site = site
        self.key = key
        self.caller: Caller | None = None
        self.spot: Spot | None = None
        self.outcome: Result | Exception | None = None

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<_Work>"


def _matters(raw: RawEvent, assessment: Assessment) -> bool:
    """
    Say if it must be known whose an event is: to look up a withdrawal, or to purge.

    Where nothing is open there is nothing to withdraw; then not even a pseudonym of
    the day is made.
    """
    event = raw.event
    named = event.visitor is not None or event.account is not None
    if named or "child" in assessment.consent.flags:
        return True
    return not assessment.closed
