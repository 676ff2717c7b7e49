"""
Before the gate: which rules decide on a request, and what it says about consent.

Which packs are in force is known first, since a signal may mean nothing under some
of them. Pure, but for the packs that are read at the start.
"""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from pipeline.clock import DAY_MS
from pipeline.enrich import speaks_for_others
from pipeline.gate import Rules, grants
from pipeline.jurisdiction import Declared, choose
from pipeline.memo import Memory
from pipeline.merge import merge
from pipeline.read_signals import SignalReader, sections
from pipeline.signals.reading import Reading
from schemas.consent import ASKED, Category, ConsentState
from schemas.event import EmailOpen
from schemas.outcome import Grant
from schemas.packs import Packs
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.site import Site

_CACHED = 4096
_UNDECLARED = {False: Declared(), True: Declared(child_directed=True)}


class Assessment(msgspec.Struct, frozen=True):
    """
    What a request says, and the rules for it.

    Attributes:
        readings: what each source of the request says.
        consent: all of them merged.
        rules: the packs that decide, and the site's switches.
        grants: what follows from them for an event of each category, while nothing
            else restricts it.
        closed: if nothing at all is open then.

    """

    readings: tuple[Reading, ...]
    consent: ConsentState
    rules: Rules
    grants: Mapping[Category, Grant]
    closed: bool


class _Said(NamedTuple):
    """What each source says, and all of them merged."""

    readings: tuple[Reading, ...]
    consent: ConsentState


class Assessor:
    """Reads requests as policy and packs want it; one for each process."""

    def __init__(self, policy: Policy, packs: Packs) -> None:
        """
        Bind it to the policy and the rule packs.

        Raises:
            PackError: when a pack names a field that the policy does not have.

        """
        packs.check_fields(policy.columns("events"))
        self._packs = packs
        self._signals = SignalReader(policy)
        self._known: Memory[Assessment] = Memory(_CACHED)
        # What is said is the same wherever it is said.
        self._said: Memory[_Said] = Memory(_CACHED)

    def assess(self, raw: RawEvent, site: Site, place: str) -> Assessment:
        """
        Read what a request says, and choose the rules that decide on it.

        Args:
            raw: the event and its request.
            site: the site that it is for.
            place: where its address is, "US-CA", "DE" or "" if that is not known.

        """
        parts = self._signals.key(raw, site)
        if parts is None:
            return self._assess(raw, site, place)
        day = raw.received_ms // DAY_MS
        key = hash((*parts, place, speaks_for_others(raw), day))
        return self._known.get(key) or self._known.put(
            key, self._assess(raw, site, place, hash((*parts, day)))
        )

    def _assess(
        self, raw: RawEvent, site: Site, place: str, said_key: int | None = None
    ) -> Assessment:
        claim = raw.event.consent
        declared = _UNDECLARED[site.child_directed]
        if claim is not None and (
            claim.gdpr is not None or claim.gpp_sid is not None or claim.jurisdiction
        ):
            declared = Declared(
                gdpr=None if claim.gdpr is None else bool(claim.gdpr),
                sections=sections(claim),
                place=claim.jurisdiction or "",
                child_directed=site.child_directed,
            )
        rules = choose(
            site.rules,
            site.switches,
            declared,
            place,
            server=speaks_for_others(raw),
            day=_day(raw.received_ms // DAY_MS),
            packs=self._packs,
        )
        # "gdpr=0" says that a string of the European framework means nothing, which
        # is believed only where the rules in force do not read one.
        tcf_applies = (
            claim is None
            or claim.gdpr is None
            or bool(claim.gdpr)
            or any(pack.reads_tcf for pack in rules.packs)
        )
        said = None if said_key is None else self._said.get(said_key)
        if said is None:
            said = self._read(raw, site, place, tcf_applies=tcf_applies)
            if said_key is not None:
                self._said.put(said_key, said)
        found = grants(said.consent, rules)
        closed = found["essential"].closed.issuperset(ASKED)
        return Assessment(said.readings, said.consent, rules, found, closed)

    def _read(
        self, raw: RawEvent, site: Site, place: str, *, tcf_applies: bool
    ) -> "_Said":
        readings = self._signals.read(raw, site, place=place, tcf_applies=tcf_applies)
        return _Said(tuple(readings), merge(readings))


def circumstances(
    raw: RawEvent, consent: ConsentState, robots: tuple[str, ...], said: tuple[str, ...]
) -> tuple[str, ...]:
    """
    Return what restricts an event beside the visitor's choices.

    Args:
        raw: the event and its request.
        consent: what is known of the choices.
        robots: the reasons why it is no visitor's, of `Robots.flags`.
        said: what its headers restrict, of `caller.header_flags`.

    """
    found = robots + said
    if type(raw.event) is EmailOpen and consent.statistics != "given":
        found += ("mail_unasked",)
    return found


@functools.lru_cache(maxsize=64)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
