"""
A visitor's choice as a record for the ledger: who, what, when, under which rules.

The record proves a choice (GDPR Art. 7(1)) without keeping what would tell more than
that: no address, no agent, no consent string. Of the signals that came with the choice
a keyed hash is left, which shows that a string somebody presents is the one that was
sent, and by which two records cannot be joined.

Pure functions; event states are those of the W3C Data Privacy Vocabulary.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Literal, Protocol

import msgspec

from pipeline.clock import time_text
from pipeline.device import base_language, primary_language
from pipeline.identify import Visitor
from pipeline.merge import merge
from pipeline.redact import redact_text
from pipeline.signals.reading import Reading
from schemas.consent import ASKED, DENIED, Category, ConsentClaim, ConsentState, State
from schemas.event import ConsentChoice
from schemas.outcome import Invalid
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.row import ConsentRow

EventState = Literal["ConsentGiven", "ConsentRefused", "ConsentWithdrawn"]

SCHEMA_VERSION = "27560:2023"
# Of pipeline/signals: another number as soon as it reads the same text otherwise.
DECODER_VERSION = "1"
_COLLECTOR_VERSION = metadata.version("kastana")
_SIGNAL_HEADERS = ("sec-gpc", "dnt")
_HASH_BYTES = 16
_NOTICE_CHARACTERS = 128
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_SILENT: frozenset[State] = frozenset({"unknown", "requested"})


class Rules(Protocol):
    """The rule packs in force, by name and version."""

    @property
    def regime(self) -> str:
        """The packs' names."""

    @property
    def version(self) -> str:
        """Their versions."""


class Treatment(Protocol):
    """What the pipeline says of a request before it decides on it."""

    @property
    def readings(self) -> Sequence[Reading]:
        """What each source of the request says, and nothing else."""

    @property
    def rules(self) -> Rules:
        """The rules that apply."""

    @property
    def place(self) -> str:
        """Country, perhaps with its region; "" when unknown."""


class Said(msgspec.Struct, frozen=True):
    """
    What a choice comes to.

    Attributes:
        event_state: the record's state, a term of the DPV.
        states: the state of each asked category after the choice.
        consent: what all signals of the request say together.

    """

    event_state: EventState
    states: dict[Category, State]
    consent: ConsentState

    @property
    def given(self) -> tuple[Category, ...]:
        """The categories that are given: none of a child's."""
        if "child" in self.consent.flags:
            return ()
        return tuple(name for name in ASKED if self.states[name] == "given")

    @property
    def denied(self) -> tuple[Category, ...]:
        """The categories that are refused or withdrawn."""
        return tuple(name for name in ASKED if self.states[name] in DENIED)


def read_choice(choice: ConsentChoice, readings: Sequence[Reading]) -> Said | Invalid:
    """
    Say what a choice comes to, or that action and states do not agree.

    Only what the request itself says counts, never what was chosen before. A
    withdrawal is always understood, whatever else stands beside it.
    """
    consent = merge(readings)
    states: dict[Category, State] = {name: consent.of(name) for name in ASKED}
    if choice.action == "withdraw":
        # Of states that part what goes from what stays, those that go are meant.
        denied = [name for name in ASKED if states[name] in DENIED]
        parted = denied if "given" in states.values() else ASKED
        named = choice.categories or parted or ASKED
        states |= dict.fromkeys(named, "withdrawn")
        return Said("ConsentWithdrawn", states, consent)
    if choice.synthetic:
        # A withdrawal is one whoever sends it; of a grant the ledger would be proof.
        words = "a load test gives and refuses nothing"
        return Invalid("bad_choice", words, "synthetic", site=choice.site)
    if choice.categories is not None:
        words = "only a withdrawal names categories"
        return Invalid("bad_choice", words, "categories", site=choice.site)
    said = frozenset(states.values())
    words = _disagreement(choice.action, said)
    if words:
        return Invalid("bad_choice", words, "consent", site=choice.site)
    if choice.action == "refuse" and said <= _SILENT:
        states = dict.fromkeys(ASKED, "refused")
    event_state: EventState = "ConsentGiven" if "given" in said else "ConsentRefused"
    return Said(event_state, states, consent)


def record(  # noqa: PLR0913 - each part of a record has one source
    raw: RawEvent,
    said: Said,
    treatment: Treatment,
    visitor: Visitor,
    signal_key: bytes,
    policy: Policy,
) -> ConsentRow:
    """
    Return the ledger's record of a choice.

    Args:
        raw: the choice as it came.
        said: what `read_choice` made of it.
        treatment: the rules and the place that apply to it.
        visitor: whose choice it is, NOBODY where no pseudonym may be kept.
        signal_key: the installation's secret for hashes of signals, 16 to 64 bytes.
        policy: the policy in force.

    Raises:
        TypeError: when the event is no ConsentChoice.

    """
    choice = raw.event
    if not isinstance(choice, ConsentChoice):
        message = "only a ConsentChoice goes into the ledger"
        raise TypeError(message)
    claim = choice.consent
    language = choice.language or raw.headers.get("accept-language", "")
    return ConsentRow(
        record_id=raw.event_id,
        site=choice.site,
        event_time=time_text(raw.occurred_ms),
        received_at=time_text(raw.received_ms),
        event_state=said.event_state,
        principal=visitor.id,
        principal_scope=visitor.scope,
        consent_preference=said.states["preference"],
        consent_statistics=said.states["statistics"],
        consent_marketing=said.states["marketing"],
        consent_precise_location=said.states["precise_location"],
        consent_flags=list(said.consent.flags),
        consent_sources=list(said.consent.sources),
        consent_method="explicit" if claim is None else claim.method,
        policy_version=_policy_version(claim, policy),
        notice=redact_text(choice.notice, _NOTICE_CHARACTERS),
        regime=treatment.rules.regime,
        regime_version=treatment.rules.version,
        jurisdiction=treatment.place.partition("-")[0],
        signal_hash=signal_hash(raw, signal_key),
        decoder_version=DECODER_VERSION,
        collector_version=_COLLECTOR_VERSION,
        browser_language=base_language(primary_language(language)),
        schema_version=SCHEMA_VERSION,
    )


def signal_hash(raw: RawEvent, key: bytes) -> str:
    """
    Return a keyed hash, 32 hexadecimal digits, of the signals that a choice came with.

    BLAKE2b over record id, site and the signals in canonical JSON: the consent object
    as far as it was filled in, the event's own flags, the signal headers and the
    consent managers' cookies. The record id is in it because a consent string alone
    marks its browser: by equal hashes the records of one could be found.
    """
    event = raw.event
    signals: dict[str, Any] = {
        "consent": _filled(event.consent),
        "cookies": sorted(raw.cookies),
        "gpc": event.gpc,
        "dnt": event.dnt,
        "headers": {
            name: raw.headers[name] for name in _SIGNAL_HEADERS if name in raw.headers
        },
    }
    # ASCII, because a header may hold bytes that are no UTF-8.
    canonical = json.dumps(signals, sort_keys=True, separators=(",", ":"))
    text = f"{raw.event_id}\0{event.site}\0{canonical}"
    return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES, key=key).hexdigest()


def _filled(claim: ConsentClaim | None) -> dict[str, Any]:
    """Return the members that were given: one that a later version adds is none."""
    if claim is None:
        return {}
    empty = type(claim)()
    return {
        name: getattr(claim, name)
        for name in claim.__struct_fields__
        if getattr(claim, name) != getattr(empty, name)
    }


def _policy_version(claim: ConsentClaim | None, policy: Policy) -> str:
    """Return the version that the choice was about; "" if that is none of ours."""
    if claim is None or claim.policy_version is None:
        return policy.version
    # A free text could say anything about anyone.
    return claim.policy_version if _VERSION.match(claim.policy_version) else ""


def _disagreement(action: str, said: frozenset[State]) -> str:
    """Return how an action and the states beside it disagree; "" if they do not."""
    if action == "refuse":
        if "given" in said:
            return "a refusal gives no category"
        return "" if said <= _SILENT or said & DENIED else "no category is refused"
    if "given" in said or (action == "change" and said & DENIED):
        return ""
    return "no category is given"
