"""
Taking a choice: the withdrawal first, then its record, and only then the answer.

A withdrawal is in force as soon as it is durable, before anything proves it; so a disk
that takes the one and not the other errs on the visitor's side. No web server here.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from collector.doors import Asked
from collector.repeats import Repeats
from pipeline.identify import NOBODY, Visitor
from pipeline.ledger.record import Said, Treatment, read_choice, record
from pipeline.spool import SpoolError
from pipeline.withdrawal.objections import ObjectionsError, entries_of
from pipeline.withdrawal.standing import Entry
from schemas.event import ConsentChoice, EmailOpen, Event, PageView
from schemas.outcome import Invalid
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.row import ConsentRow


class UnkeptError(Exception):
    """A choice that could not be made durable; `code` is one of INVALID."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code

    @classmethod
    def of(cls, error: ObjectionsError | SpoolError | OSError) -> "UnkeptError":
        """Say in our own words what a disk, or a file on it, refused."""
        if isinstance(error, OSError):
            return cls("spool_failed", f"writing failed: {error.strerror}")
        if error.full:
            return cls("spool_full", "the collector cannot store more for now")
        if isinstance(error, SpoolError):
            return cls("spool_failed", str(error))
        return cls("objections_unusable", "withdrawals cannot be looked up now")


class Taken(msgspec.Struct, frozen=True):
    """A choice that is in force, and its record; `repeated` if it was before."""

    row: ConsentRow
    repeated: bool


class Withdrawals(Protocol):
    """Where withdrawals last: pipeline.withdrawal.objections.Objections."""

    def append(self, entries: Sequence[Entry], /) -> None:
        """Return when the entries are on disk."""


class Records(Protocol):
    """Where records go: pipeline.spool.Spool."""

    async def append(self, rows: Sequence[ConsentRow], /) -> None:
        """Return when the rows are on disk."""


class Choices:
    """Takes the choices of one edge process."""

    def __init__(  # noqa: PLR0913 - what a choice needs, each of its own type
        self,
        *,
        treat: Callable[[Asked], Treatment],
        candidate: Callable[[RawEvent], Visitor],
        withdrawals: Withdrawals,
        records: Records,
        signal_key: bytes,
        policy: Policy,
    ) -> None:
        """
        Bind it to what it needs.

        Args:
            treat: says which rules apply to a request.
            candidate: gives the pseudonym that an event's visitor would have.
            withdrawals: the list that events are held against.
            records: the way to the ledger.
            signal_key: secret for hashes of signals, 32 bytes.
            policy: the policy in force.

        """
        self._treat = treat
        self._candidate = candidate
        self._withdrawals = withdrawals
        self._records = records
        self._signal_key = signal_key
        self._policy = policy
        self._repeats = Repeats()

    async def take(self, asked: Asked) -> Taken | Invalid:
        """
        Put a choice into force and into the ledger; say what is wrong if it is none.

        Nothing that is returned depends on what anyone chose before.

        Raises:
            UnkeptError: when it is not durable; whoever made it must make it again.

        """
        raw = asked.raw
        choice = raw.event
        if not isinstance(choice, ConsentChoice):
            message = "only a ConsentChoice can be taken"
            raise TypeError(message)
        try:
            treatment = self._treat(asked)
        except ObjectionsError as error:
            raise UnkeptError.of(error) from error
        said = read_choice(choice, treatment.readings)
        if isinstance(said, Invalid):
            return said
        known = list(self._known(raw, choice))
        browser = self._browser(raw)
        visitor = _named(choice, said, known, browser)
        row = record(raw, said, treatment, visitor, self._signal_key, self._policy)
        entries = list(_entries(raw, choice, said, known, browser))
        key = _key(row) if choice.event_id is not None else ""
        first = self._repeats.begin(key) if key else None
        if first is None:
            await self._keep(entries, row, key)
        elif not await first:
            words = "the first of a repeated choice failed"
            raise UnkeptError("spool_failed", words)
        return Taken(row, repeated=first is not None)

    async def _keep(self, entries: list[Entry], row: ConsentRow, key: str) -> None:
        durable = False
        try:
            if entries:
                await asyncio.to_thread(self._withdrawals.append, entries)
            await self._records.append([row])
            durable = True
        except (ObjectionsError, SpoolError, OSError) as error:
            raise UnkeptError.of(error) from error
        finally:
            if key:
                self._repeats.end([key], durable=durable)

    def _known(self, raw: RawEvent, choice: ConsentChoice) -> Iterator[Visitor]:
        """Yield the lasting pseudonyms of who chose: as events would have them."""
        if choice.account is not None:
            signed_in = self._candidate(
                with_event(raw, PageView(site=choice.site, account=choice.account))
            )
            # What else the event would be known by is told of here for itself.
            yield Visitor(signed_in.id, signed_in.scope)
        if choice.visitor is not None:
            yield self._candidate(
                with_event(raw, PageView(site=choice.site, visitor=choice.visitor))
            )
        if choice.recipient:
            yield self._candidate(
                with_event(raw, EmailOpen(site=choice.site, recipient=choice.recipient))
            )

    def _browser(self, raw: RawEvent) -> Visitor:
        """Return today's pseudonym of the browser; a server's own is none."""
        if raw.door != "script" and not raw.trusted:
            return NOBODY
        return self._candidate(with_event(raw, PageView(site=raw.event.site)))


def with_event(raw: RawEvent, event: Event) -> RawEvent:
    """Return a request as if it had brought another event."""
    parts = {name: getattr(raw, name) for name in RawEvent.__slots__}
    return RawEvent(**{**parts, "event": event})


def _named(
    choice: ConsentChoice, said: Said, known: list[Visitor], browser: Visitor
) -> Visitor:
    """
    Return whose choice the record names: without consent only what was handed in.

    Of an account not even that: it was handed in for those who are counted.
    """
    withdraws = choice.action == "withdraw"
    for visitor in known:
        if withdraws or "statistics" in said.given or visitor.scope != "account":
            return visitor
    return browser if withdraws else NOBODY


def _entries(
    raw: RawEvent,
    choice: ConsentChoice,
    said: Said,
    known: list[Visitor],
    browser: Visitor,
) -> Iterator[Entry]:
    """Yield what events will be held against, for each pseudonym of who chose."""
    if "child" in said.consent.flags:
        for visitor in [*known, browser]:
            yield from entries_of(
                visitor, time_ms=raw.received_ms, site=choice.site, kind="child"
            )
    withdraws = choice.action == "withdraw"
    if said.denied:
        for visitor in [*known, browser] if withdraws else known:
            # As late as it can have been made: at its arrival.
            yield from entries_of(
                visitor,
                time_ms=raw.received_ms,
                site=choice.site,
                kind="withdrawn",
                categories=said.denied,
            )
    if withdraws or not said.given:
        return
    # As early as it can have been made: a grant that is told of late, or again,
    # does not undo a withdrawal that came after it.
    given_ms = raw.occurred_ms
    if said.consent.given_ms is not None:
        given_ms = min(given_ms, said.consent.given_ms)
    for visitor in [*known, browser]:
        # The day's and an account's are pseudonyms that only statistics allow.
        if "statistics" in said.given or visitor.scope == "persistent":
            yield from entries_of(
                visitor,
                time_ms=given_ms,
                site=choice.site,
                kind="given",
                categories=said.given,
            )


def _key(row: ConsentRow) -> str:
    """Return what a repetition is known by: the id, and that it says the same."""
    same = msgspec.structs.replace(row, event_time="", received_at="", jurisdiction="")
    return hashlib.blake2b(msgspec.json.encode(same), digest_size=16).hexdigest()
