"""
What the doors do with a request, without a web server: the code path that the
handlers of `receive` and `kastana explain` share.

A `Call` is a request as it stood on the wire; a `Verdict` is what to answer and
which rows would stay. Nothing is stored here.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

from collector.call import Call, Sender
from collector.decode import Decoded, DecodeError, decode_body, decode_query
from collector.limit import SiteRateError, SiteRates
from collector.links import Link, LinkError, read_link
from collector.server_keys import refusal, speak_for
from collector.sites import Sites
from pipeline.clock import MAX_AGE_MS, MAX_KEYED_AGE_MS, hour_text
from pipeline.identify import Visitor
from pipeline.ids import uuid7
from pipeline.process import Processor, Result, Treatment
from pipeline.proxies import TrustedProxies, client_address, client_country
from pipeline.salt import SaltError
from pipeline.steps import steps
from pipeline.withdrawal.objections import ObjectionsError
from schemas.consent import ConsentClaim
from schemas.event import (
    AnyEvent,
    ConsentChoice,
    EmailClick,
    EmailOpen,
    WebVital,
)
from schemas.outcome import Invalid
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.row import CountRow
from schemas.settings import Settings
from schemas.site import Site

# Bodies of these types are ours to understand; of others only if they are JSON.
_KNOWN_TYPES = ("application/json", "text/", "application/x-www-form-urlencoded")
# Of requests that are wholly refused; the others are 400.
_STATUS = {"key_required": 401, "bad_key": 403, "key_in_page": 403}


class Verdict:
    """
    What to answer, and what became of each event.

    Attributes:
        results: one entry an event, in order.
        good: the events that were understood, whatever became of them.
        bad: the events that were not.
        error: set when nothing was understood.
        status: of the answer.
        target: where it leads.

    """

    __slots__ = ("bad", "error", "good", "results", "status", "target")

    def __init__(
        self,
        results: tuple[Result | Invalid, ...] = (),
        error: Invalid | None = None,
        status: int = 202,
        target: str = "",
    ) -> None:
        """Part the good from the bad, once."""
        self.results = results
        self.error = error
        self.status = status
        self.target = target
        # Lists: a generator costs more than the one result that there mostly is.
        self.bad = tuple([one for one in results if type(one) is Invalid])
        self.good: tuple[Result, ...] = (
            tuple([one for one in results if type(one) is Result])
            if self.bad
            else results  # type: ignore[assignment] # all of them
        )


class Asked:
    """An event with its site, as its request stood; its repr says nothing."""

    __slots__ = ("raw", "site")

    def __init__(self, site: Site, raw: RawEvent) -> None:
        self.site = site
        self.raw = raw

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Asked>"


class Arrival:
    """
    A request that waits to be judged; its repr says nothing.

    Attributes:
        call: the request.
        body: as it stood on the wire; None for a picture, which has none.
        decoded: its events, or what is wrong with each.
        asked: the same, joined with what the request says beside them.
        outcome: what to answer, or why that cannot be said; None until it is known.

    """

    __slots__ = ("asked", "body", "call", "decoded", "outcome")
    decoded: list[Decoded | Invalid]
    asked: list[Asked | Invalid]

    def __init__(self, call: Call, body: bytes | None) -> None:
        self.call = call
        self.body = body
        self.outcome: Verdict | Exception | None = None

    def forget(self) -> None:
        """Let go of what is raw: the answer may wait for a disk."""
        self.decoded = []
        self.asked = []
        if self.body is not None:
            self.body = b""

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Arrival>"


class Doors:
    """Turns calls into verdicts; one for each process."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        sites: Sites,
        processor: Processor,
        link_key: bytes,
    ) -> None:
        """Bind the doors to what they need."""
        self._settings = settings
        self._policy = policy
        self.sites = sites
        self.rates = SiteRates(settings, sites)
        self._processor = processor
        self._link_key = link_key
        self._trusted = TrustedProxies.of(
            settings.trusted_proxies, settings.proxy_header, settings.country_header
        )

    def address(self, call: Call) -> str:
        """Return the client's address: the peer's, or what its proxy says."""
        if call.address is None:
            call.address = client_address(call.peer, call.headers, self._trusted)
        return call.address

    def events(self, call: Call, body: bytes) -> Verdict:
        """`POST /e`: one event or many."""
        return self._alone(Arrival(call, body))

    def pixel(self, call: Call) -> Verdict:
        """`GET /p.gif`, or HEAD: one event in the query."""
        return self._alone(Arrival(call, None))

    def _alone(self, arrival: "Arrival") -> Verdict:
        self.together([arrival])
        if isinstance(arrival.outcome, Exception):
            raise arrival.outcome
        return cast("Verdict", arrival.outcome)

    def together(self, arrivals: Sequence["Arrival"]) -> None:
        """
        Judge requests that arrived at the same time, step by step.

        As with the events of `Processor.process_all`: under load that takes half the
        time. What is to be answered, or what went wrong with it, is then each one's
        `outcome`.
        """
        for step in (self._decode, self._join):
            for arrival in arrivals:
                if arrival.outcome is None:
                    try:
                        step(arrival)
                    except Exception as error:  # noqa: BLE001 - told to who asked
                        arrival.outcome = error
        results = iter(
            self._processor.process_all(
                (one.raw, one.site, _key(one))
                for arrival in arrivals
                if arrival.outcome is None
                for one in arrival.asked
                if type(one) is Asked
            )
        )
        for arrival in arrivals:
            if arrival.outcome is None:
                arrival.outcome = _outcome(arrival, results)
            arrival.forget()

    def _decode(self, arrival: "Arrival") -> None:
        """Read the events, and take their tokens."""
        call, body = arrival.call, arrival.body
        if body is None:
            one = decode_query(call.query, received_ms=call.received_ms)
            if call.method == "HEAD" and isinstance(one, Decoded):
                one = _headed(one)
            arrival.decoded = [one]
        else:
            decoded = self._decoded(call, body, self._settings.max_events, AnyEvent)
            if isinstance(decoded, Verdict):
                arrival.outcome = decoded
                return
            arrival.decoded = decoded
        self.rates.take(
            [one.event.site for one in arrival.decoded if type(one) is Decoded]
        )

    def _join(self, arrival: "Arrival") -> None:
        """Join the events with what their request says beside them."""
        call, decoded = arrival.call, arrival.decoded
        sender = self._sender(call)
        door = "pixel" if arrival.body is None else _door(call)
        if len(decoded) > 1:
            sender.fellows = {}
        arrival.asked = [
            self._raw(call, sender, one, index, door)
            for index, one in enumerate(decoded)
        ]

    def redirect(self, call: Call, signed: str) -> Verdict:
        """`GET /r/<signed>`, or HEAD: an e-mail click, and where it leads."""
        try:
            link = read_link(signed, self._link_key)
        except LinkError as error:
            return Verdict(error=Invalid("bad_signature", str(error)), status=400)
        event = EmailClick(
            site=link.site,
            target_url=link.target,
            mailing=link.mailing,
            recipient=link.recipient,
            consent=_consent(link),
        )
        one: Result | Invalid
        try:
            self.rates.take([link.site])
            clicked = Decoded(event, call.received_ms)
            one = self._one(call, self._sender(call), clicked, 0, "redirect")
        except SiteRateError:
            # The reader goes on all the same.
            return Verdict(status=302, target=link.target)
        except ObjectionsError:
            # The click is not taken; that is not the reader's business.
            message = "withdrawals cannot be looked up now"
            one = Invalid("objections_unusable", message, "", 0, link.site)
        except (SaltError, OSError):
            message = "the day's salt cannot be read now"
            one = Invalid("salt_unusable", message, "", 0, link.site)
        return Verdict((one,), status=302, target=link.target)

    def choice(self, call: Call, body: bytes) -> "Asked | Verdict":
        """`POST /consent`: the choice that a visitor made, or what is wrong with it."""
        decoded = self._decoded(call, body, 1, ConsentChoice)
        if isinstance(decoded, Verdict):
            return decoded
        if not decoded:
            error = Invalid("empty_body", "one choice is expected")
            return Verdict(error=error, status=400)
        sender = self._sender(call)
        return self._asked(self._raw(call, sender, decoded[0], 0, _door(call)))

    def asking(self, call: Call) -> "Asked | Verdict":
        """`GET /consent`: a browser that asks how it would be treated."""
        query = f"event=page_view&{call.query}"
        decoded = decode_query(query, received_ms=call.received_ms)
        return self._asked(self._raw(call, self._sender(call), decoded, 0, "script"))

    def candidate(self, raw: RawEvent) -> Visitor:
        """Return the pseudonym that a request's visitor would have."""
        return self._processor.candidate(raw)

    def treat(self, asked: "Asked") -> Treatment:
        """Say how such a request is treated; nothing of it is kept."""
        return self._processor.treat(asked.raw, asked.site, told=True)

    def why(self, result: Result) -> list[dict[str, Any]]:
        """Return the steps that led to a result."""
        return steps(result.treatment, result.category, result.row, self._policy)

    def why_asked(self, asked: "Asked") -> list[dict[str, Any]]:
        """Return the steps that lead to how a request is treated."""
        return steps(self.treat(asked), "statistics", None, self._policy)

    def _asked(self, one: "Asked | Invalid") -> "Asked | Verdict":
        return _refused(one, (one,)) if isinstance(one, Invalid) else one

    def _sender(self, call: Call) -> Sender:
        country = client_country(call.peer, call.headers, self._trusted)
        return Sender(call, self.address(call), country)

    def _decoded(
        self,
        call: Call,
        body: bytes,
        most: int,
        kind: Any,  # noqa: ANN401 - a type, or a union of types
    ) -> list[Decoded | Invalid] | Verdict:
        try:
            return decode_body(
                body,
                received_ms=call.received_ms,
                max_bytes=self._settings.max_body_bytes,
                max_events=most,
                encoding=call.header("content-encoding") or "",
                # A key that turns out to be none is refused with its event.
                max_age_ms=(
                    MAX_AGE_MS if call.key_digest() is None else MAX_KEYED_AGE_MS
                ),
                kind=kind,
            )
        except DecodeError as error:
            if _foreign(call, error.invalid):
                message = "send JSON, in application/json or text/plain"
                return Verdict(error=Invalid("unsupported_type", message), status=415)
            return Verdict(error=error.invalid, status=400)
        except OverflowError:
            return Verdict(error=too_large(self._settings), status=413)

    def _raw(
        self,
        call: Call,
        sender: Sender,
        decoded: Decoded | Invalid,
        index: int,
        door: str,
    ) -> "Asked | Invalid":
        """Join an event with what its request says beside it."""
        if isinstance(decoded, Invalid):
            return decoded
        event = decoded.event
        site = self.sites.get(event.site)
        bad = _refusal(site, call, index, event.site)
        if bad is not None or site is None:
            return bad or Invalid("unknown_site", "the site is unknown", "site", index)
        client = event.client
        if client is not None or sender.key is not None:
            bad = refusal(site, sender.key, client, door, index)
            if bad is not None:
                return bad
            # What it says of a visitor is not held twice.
            event = msgspec.structs.replace(event, client=None)
        if event.site != site.name:
            # One site has one name, however a page spells it.
            event = msgspec.structs.replace(event, site=site.name)
        raw = RawEvent(
            event=event,
            event_id=event.event_id or uuid7(call.received_ms),
            door=door,
            address=sender.address,
            user_agent=sender.user_agent,
            referer=sender.referer,
            headers=sender.headers,
            occurred_ms=decoded.occurred_ms,
            received_ms=call.received_ms,
            cookies=call.consent_cookies() if site.consent_cookies else (),
            # Where a server stands says nothing of its visitors.
            country="" if door == "server" else sender.country,
            method=call.method if door in ("pixel", "redirect") else "",
            fellows=sender.fellows,
        )
        if client is not None:
            speak_for(raw, client)
        return Asked(site, raw)

    def _one(
        self,
        call: Call,
        sender: Sender,
        decoded: Decoded | Invalid,
        index: int,
        door: str,
    ) -> Result | Invalid:
        asked = self._raw(call, sender, decoded, index, door)
        if isinstance(asked, Invalid):
            return _refusal_of(asked, decoded)
        return self._processor.process(asked.raw, asked.site, _key(asked))

    def complaints(self, verdict: Verdict, call: Call) -> list[CountRow]:
        """Return the counters of a verdict's errors, by site."""
        # Unknown sites are counted in the metrics alone: otherwise anyone could
        # fill the store with names.
        return [
            self._invalid_row(bad, call.received_ms)
            for bad in verdict.bad
            if self.sites.get(bad.site) is not None
        ]

    def _invalid_row(self, bad: Invalid, received_ms: int) -> CountRow:
        return CountRow(
            event_name="",
            site=bad.site,
            occurred_at=hour_text(received_ms),
            outcome="invalid",
            outcome_reasons=[bad.code],
            regime="",
            regime_version="",
            decision_row="",
            policy_version=self._policy.version,
            geo_country_iso_code="",
            device_type="",
            url_path="",
            synthetic=int(bad.synthetic),
            events=1,
        )


def _key(asked: Asked) -> str:
    """Return what a repetition of an event is known by; "" if it is not."""
    event = asked.raw.event
    # A metric of a page grows under the same id: its last value is the one.
    if event.event_id is None or type(event) is WebVital:
        return ""
    return f"{asked.site.name}\0{event.event_id}"


def _outcome(
    arrival: Arrival, results: Iterator[Result | Exception]
) -> Verdict | Exception:
    """Return what became of a request, of whose events `results` come next."""
    found: list[Result | Invalid] = []
    failed: Exception | None = None
    for asked, decoded in zip(arrival.asked, arrival.decoded, strict=True):
        one = next(results) if type(asked) is Asked else _refusal_of(asked, decoded)
        if isinstance(one, Exception):
            failed = failed or one
        else:
            found.append(one)
    if failed is not None:
        return failed
    if arrival.body is None:
        return Verdict(tuple(found), status=200)
    verdict = Verdict(tuple(found))
    if verdict.bad and not verdict.good:
        return _refused(verdict.bad[0], verdict.results)
    return verdict


def _refusal_of(asked: Asked | Invalid, decoded: Decoded | Invalid) -> Invalid:
    """Return what is wrong with an event; a load test's is told apart."""
    invalid = cast("Invalid", asked)
    if isinstance(decoded, Decoded) and decoded.event.synthetic:
        return msgspec.structs.replace(invalid, synthetic=True)
    return invalid


def too_large(settings: Settings) -> Invalid:
    """Return the complaint about a body over the limit."""
    message = f"at most {settings.max_body_bytes} bytes, unpacked"
    return Invalid("too_large", message)


def _refusal(site: Site | None, call: Call, index: int, name: str) -> Invalid | None:
    if site is None:
        message = "the site is not configured here (kastana site add)"
        return Invalid("unknown_site", message, "site", index)
    if not site.allows(call.header("origin")):
        message = "the site does not accept pages of this origin"
        return Invalid("origin_not_allowed", message, "site", index, name)
    return None


def _headed(decoded: Decoded) -> Decoded | Invalid:
    """Refuse the HEAD of a page's picture: only in mails does it tell something."""
    if isinstance(decoded.event, EmailOpen | EmailClick):
        return decoded
    message = "a picture of a page is not asked for with HEAD"
    return Invalid("method_not_allowed", message, site=decoded.event.site)


def _refused(first: Invalid, results: tuple[Result | Invalid, ...]) -> Verdict:
    return Verdict(results, first, _STATUS.get(first.code, 400))


def _door(call: Call) -> str:
    # Only pages send an Origin header with a POST; what has none is a server.
    return "script" if call.header("origin") is not None else "server"


def _foreign(call: Call, invalid: Invalid) -> bool:
    kind = (call.header("content-type") or "").strip().lower()
    return (
        invalid.code == "not_json" and bool(kind) and not kind.startswith(_KNOWN_TYPES)
    )


def _consent(link: Link) -> ConsentClaim | None:
    if link.consent is None:
        return None
    return ConsentClaim(
        preference="preference" in link.consent,
        statistics="statistics" in link.consent,
        marketing="marketing" in link.consent,
        precise_location="precise_location" in link.consent,
    )
