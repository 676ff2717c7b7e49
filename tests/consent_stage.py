"""
The consent door on a stage: real doors, real list of objections, real pseudonyms.

Only what decides about events is a stand-in, and the disk under the records, so that it
can fail.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector.choices import Choices
from collector.doors import Doors
from collector.sites import Sites
from pipeline.identify import Visitor, candidate
from pipeline.merge import merge, withdraw
from pipeline.salt import DaySalt
from pipeline.signals.reading import Reading
from pipeline.spool import SpoolError
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.standing import Entry, united
from schemas.consent import ASKED, ConsentState, state_of
from schemas.event import EmailOpen, PageView
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.row import ConsentRow
from schemas.settings import Settings
from schemas.site import Site

SITE = "example.com"
ORIGIN = f"https://{SITE}"
AGENT = "Mozilla/5.0 (Stage)"
TOKEN = "visitor-token-0001"
RECIPIENT = "recipient-5521"
VISITOR_KEY, LINK_KEY, SIGNAL_KEY = b"v" * 32, b"l" * 32, b"s" * 32


class Rules:
    """Some rules."""

    regime = "eu_strict"
    version = "2026-11-23"


class Treatment:
    """What the stand-in says of a request."""

    def __init__(self, readings: list[Reading], consent: ConsentState) -> None:
        self.readings = readings
        self.consent = consent
        self.rules = Rules()
        self.place = "FR-75C"


class Processor:
    """Reads the consent object and GPC, and holds both against the objections."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage

    def treat(self, raw: RawEvent, _site: Site, *, told: bool = False) -> Treatment:  # noqa: ARG002 - as the real one
        """Say how a request is treated."""
        claim = raw.event.consent
        said: dict[str, Any] = {}
        if claim is not None:
            said = {name: getattr(claim, name) for name in ASKED}
        states = {
            name: state_of(value) for name, value in said.items() if value is not None
        }
        flags = frozenset({"gpc"} if raw.headers.get("sec-gpc") == "1" else ())
        if claim is not None and claim.child:
            flags |= {"child"}
        updated = None if claim is None else claim.updated_at
        given_ms = updated if isinstance(updated, int) else None
        readings = [Reading("own", states, flags, updated_ms=given_ms)]
        consent = merge(readings)
        visitor = self._stage.candidate(raw)
        standing = united(
            self._stage.objections.standings(
                raw.event.site,
                visitor,
                given_ms=consent.given_ms,
                received_ms=raw.received_ms,
            )
        )
        return Treatment(readings, withdraw(consent, standing.withdrawn, ()))


class Disk:
    """Where records go; it fails as long as it is told to."""

    def __init__(self, stage: "Stage") -> None:
        self.rows: list[ConsentRow] = []
        self.error: SpoolError | None = None
        self._stage = stage

    async def append(self, rows: Sequence[ConsentRow]) -> None:
        """Keep rows, or fail."""
        self._stage.log.append("record")
        if self.error is not None:
            raise self.error
        self.rows += rows


class Watched(Objections):
    """Objections that leave word when they were called, and fail when told to."""

    def __init__(self, path: Path, stage: "Stage") -> None:
        super().__init__(path)
        self.error: Exception | None = None
        self._stage = stage

    def append(self, entries: Sequence[Entry]) -> None:
        """Append, or fail."""
        self._stage.log.append("objection")
        if self.error is not None:
            raise self.error
        super().append(entries)


class Stage:
    """All parts of the consent door, on a folder."""

    def __init__(self, folder: Path, sites: str = "", **settings: Any) -> None:
        self.log: list[str] = []
        path = folder / "sites.toml"
        path.write_text(sites or f'[sites."{SITE}"]\n', "utf-8")
        self.sites = Sites(path, open_sites=False)
        self.objections = Watched(folder / "objections", self)
        self.disk = Disk(self)
        self.candidate = functools.partial(
            candidate, key=VISITOR_KEY, salts=DaySalt(folder / "salt")
        )
        self.settings = Settings(**settings)
        self.policy = load_policy()
        processor: Any = Processor(self)
        self.doors = Doors(self.settings, self.policy, self.sites, processor, LINK_KEY)
        self.choices = Choices(
            treat=self.doors.treat,
            candidate=self.candidate,
            withdrawals=self.objections,
            records=self.disk,
            signal_key=SIGNAL_KEY,
            policy=self.policy,
        )

    def entries(self) -> list[Entry]:
        """Return what was put on the list of objections."""
        return [entry for _, entry in self.objections.after(0, 1000)]

    def named(self) -> set[tuple[str, int, tuple[str, ...]]]:
        """Return kind, pseudonym and categories of what is on that list."""
        return {(one.kind, one.visitor_id, one.categories) for one in self.entries()}

    def token_id(self, token: str = TOKEN) -> int:
        """Return the pseudonym that a token's events have."""
        return self._of(PageView(site=SITE, visitor=token)).id

    def account_id(self, account: str) -> int:
        """Return the pseudonym that a signed-in visitor's events have."""
        return self._of(PageView(site=SITE, account=account)).id

    def recipient_id(self, recipient: str = RECIPIENT) -> int:
        """Return the pseudonym that a recipient's e-mail events have."""
        return self._of(EmailOpen(site=SITE, recipient=recipient)).id

    def browser_id(self, address: str, received_ms: int, agent: str = AGENT) -> int:
        """Return the pseudonym that a browser's events have today."""
        return self._of(PageView(site=SITE), address, agent, received_ms).id

    def _of(
        self, event: Any, address: str = "", agent: str = "", received_ms: int = 0
    ) -> Visitor:
        raw = RawEvent(
            event=event,
            event_id="",
            door="script",
            address=address,
            user_agent=agent,
            referer="",
            headers={},
            occurred_ms=received_ms,
            received_ms=received_ms,
        )
        return self.candidate(raw)
