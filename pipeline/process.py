"""
The path of one event, steps 3 to 6: gate, enrich, identify, minimise.

Straight calls, a new type after each: what comes after `minimise` cannot see an
address, because a `Row` has none. A drop is a value, not an exception, so that
the caller has to say what becomes of it.
"""

from typing import cast

import msgspec

from pipeline.assess import Assessment, Assessor, circumstances
from pipeline.enrich import Facts, enrich, speaks_for_others
from pipeline.gate import Rules, decide
from pipeline.identify import NOBODY, Visitor, candidate, identify
from pipeline.location import Locator
from pipeline.merge import add_flags, withdraw
from pipeline.minimise import Minimiser, event_name
from pipeline.objections import Objections
from pipeline.salt import DaySalt
from pipeline.signals.reading import Reading
from schemas.consent import ASKED, Category, ConsentState
from schemas.event import Event
from schemas.outcome import Grant
from schemas.packs import Packs, load_packs
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.row import CountRow, Row
from schemas.site import Site


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

    """

    readings: tuple[Reading, ...]
    consent: ConsentState
    rules: Rules
    place: str
    visitor: Visitor
    purge: bool = False


class Processor:
    """Steps 3 to 6 with what they need; one for each process."""

    def __init__(  # noqa: PLR0913 - what the path needs, each of its own type
        self,
        policy: Policy,
        locator: Locator,
        visitor_key: bytes,
        salts: DaySalt,
        objections: Objections,
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
            packs: the rule packs; those that ship with the package if none are given.

        Raises:
            PolicyError: when the policy asks for what the code cannot do.
            PackError: when a pack names what the policy does not have.

        """
        self._policy = policy
        self._locator = locator
        self._visitor_key = visitor_key
        self._salts = salts
        self._objections = objections
        self._assessor = Assessor(policy, packs or load_packs())
        self._minimiser = Minimiser(policy, salts)

    def treat(self, raw: RawEvent, site: Site, *, told: bool = False) -> Treatment:
        """
        Read what a request says and what is known of its visitor's withdrawals.

        Args:
            raw: the event and its request.
            site: the site that it is for.
            told: if the visitor asks, and withdrawals count where nothing is open.

        """
        place = self._place(raw)
        assessment = self._assessor.assess(raw, site, place)
        visitor = self.candidate(raw) if told or _matters(raw, assessment) else NOBODY
        merged = assessment.consent
        consent, known = self._withdrawn(merged, visitor, raw)
        purge = "child" in merged.flags and visitor.id != 0 and not known
        consent = add_flags(consent, circumstances(raw, consent))
        return Treatment(
            assessment.readings, consent, assessment.rules, place, visitor, purge
        )

    def candidate(self, raw: RawEvent) -> Visitor:
        """Return the pseudonym that a request's visitor would have."""
        return candidate(raw, self._visitor_key, self._salts)

    def process(self, raw: RawEvent, site: Site) -> Result:
        """Take one event from its door to its row, or to the counter it leaves."""
        treatment = self.treat(raw, site)
        category = self.category(raw.event)
        grant = decide(category, treatment.consent, treatment.rules)
        if grant.outcome == "dropped":
            return self._count(raw, treatment, category, grant, None)
        facts = enrich(raw, grant, self._locator)
        if grant.outcome == "counted":
            return self._count(raw, treatment, category, grant, facts)
        visitor = identify(treatment.visitor, grant)
        row = self._minimiser.row(
            raw, category, grant, treatment.consent, facts, visitor
        )
        return Result(grant.outcome, grant.reasons, row, treatment, category)

    def category(self, event: Event) -> Category:
        """Return which consent an event needs: its name's, or the sender's choice."""
        rule = self._policy.events[event_name(event)]
        if rule.sender_may_choose and event.category is not None:
            return event.category
        return cast("Category", rule.consent_category)

    def _place(self, raw: RawEvent) -> str:
        """Return where a visitor's own address is; in memory, before truncation."""
        if speaks_for_others(raw):
            return ""
        location = self._locator.lookup(raw.address)
        return location.region_iso_code or location.country_iso_code

    def _withdrawn(
        self, consent: ConsentState, visitor: Visitor, raw: RawEvent
    ) -> tuple[ConsentState, bool]:
        """Return the state after withdrawals, and if this is known as a child's."""
        if not visitor.id:
            return consent, False
        standing = self._objections.standing(
            raw.event.site,
            visitor.id,
            given_ms=consent.given_ms,
            received_ms=raw.received_ms,
        )
        flags = ["erased"] * standing.erased + ["child"] * standing.child
        if standing.withdrawn.issuperset(ASKED) and not flags:
            flags.append("withdrawn")
        return withdraw(consent, standing.withdrawn, flags), standing.child

    def _count(
        self,
        raw: RawEvent,
        treatment: Treatment,
        category: Category,
        grant: Grant,
        facts: Facts | None,
    ) -> Result:
        count = self._minimiser.count(raw, grant, facts)
        return Result(grant.outcome, grant.reasons, count, treatment, category)


def _matters(raw: RawEvent, assessment: Assessment) -> bool:
    """
    Say if it must be known whose an event is: to look up a withdrawal, or to purge.

    Where nothing is open there is nothing to withdraw; then not even a pseudonym of
    the day is made.
    """
    event = raw.event
    if event.visitor is not None or "child" in assessment.consent.flags:
        return True
    grant = decide("essential", assessment.consent, assessment.rules)
    return not grant.closed.issuperset(ASKED)
