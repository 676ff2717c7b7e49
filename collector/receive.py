"""
Step 1, receive: the doors for events.

Each handler reads its request within bounds, asks `doors` for a verdict, makes
the rows durable, and only then answers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence

from aiohttp import web

from collector import respond
from collector.call import Call
from collector.desk import Desk, call_of
from collector.doors import Doors, Verdict
from collector.limit import SiteRateError
from collector.links import MAX_SIGNED_CHARACTERS
from collector.metrics import tally
from collector.protocol import Express
from collector.repeats import Repeats
from pipeline.process import Result
from pipeline.salt import SaltError
from pipeline.spool import Spool, SpoolError
from pipeline.withdrawal.objections import Objections, ObjectionsError, entries_of
from schemas.outcome import Invalid
from schemas.settings import Durability

_log = logging.getLogger("kastana.receive")


class Receiver:
    """The handlers of one edge process."""

    def __init__(
        self, desk: Desk, doors: Doors, spool: Spool, objections: Objections
    ) -> None:
        """Bind the handlers to the doors, and to what is behind them."""
        self._desk = desk
        self._doors = doors
        self._spool = spool
        self._objections = objections
        self._repeats = Repeats()
        self._events = desk.guard("events", self.events)
        self._pixel = desk.guard("pixel", self.pixel)

    @property
    def express(self) -> Express:
        """The doors that nearly all requests are for."""
        return {("POST", "/e"): self._events, ("GET", "/p.gif"): self._pixel}

    def routes(self) -> list[web.RouteDef]:
        """Return the public routes."""
        guard = self._desk.guard
        return [
            web.post("/e", self._events),
            web.options("/e", guard("preflight", self._desk.preflight)),
            web.get("/p.gif", self._pixel),
            web.get("/r/{signed}", guard("redirect", self.redirect)),
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """`POST /e`."""
        call = call_of(request)
        headers = self._desk.cors(request)
        limited = self._desk.limited(call, headers)
        if limited is not None:
            return limited
        body = await self._desk.body(request, headers)
        if isinstance(body, web.Response):
            return body
        try:
            verdict = self._doors.events(call, body)
        except (ObjectionsError, SiteRateError, SaltError, OSError) as error:
            return self._untaken(error, headers)
        failure = await self._keep(
            call, verdict, headers, self._desk.settings.durability_events
        )
        if failure is not None:
            return failure
        debug = self._debug(call, verdict)
        if debug:
            headers = {**headers, **debug}
        if verdict.error is not None:
            return respond.refused(verdict, headers)
        return respond.accepted(verdict, headers)

    async def pixel(self, request: web.Request) -> web.StreamResponse:
        """`GET /p.gif`: the same bytes and 200 whatever consent said."""
        call = call_of(request)
        limited = self._desk.limited(call, {})
        if limited is not None:
            return _unkept_pixel(limited, "rate_limited")
        try:
            verdict = self._doors.pixel(call)
        except (ObjectionsError, SaltError, OSError) as error:
            return _unkept_pixel(self._untaken(error, {}))
        except SiteRateError as error:
            return _unkept_pixel(self._desk.overrun(error, {}), "rate_limited")
        failure = await self._keep(
            call, verdict, {}, self._desk.settings.durability_pixel
        )
        if failure is not None:
            return _unkept_pixel(failure)
        headers = self._debug(call, verdict)
        if verdict.bad:
            headers[respond.ERROR_HEADER] = verdict.bad[0].code
        return respond.pixel(headers)

    async def redirect(self, request: web.Request) -> web.Response:
        """`GET /r/<signed>`: count the click, then send the reader on."""
        call = call_of(request)
        signed = request.match_info["signed"]
        if len(signed) > MAX_SIGNED_CHARACTERS:
            signed = ""
        verdict = self._doors.redirect(call, signed)
        if verdict.error is not None:
            self._count(verdict)
            return respond.error(verdict.error, verdict.status)
        # A scanner's HEAD is told from a click by the verdict on its event. And the
        # reader goes on even when the click cannot be kept: a full disk is not the
        # reader's business.
        if self._desk.limited(call, {}) is None:
            await self._keep(call, verdict, {}, self._desk.settings.durability_redirect)
        return respond.redirect(verdict.target, self._debug(call, verdict))

    async def _keep(
        self,
        call: Call,
        verdict: Verdict,
        headers: Mapping[str, str],
        durability: Durability,
    ) -> web.Response | None:
        """Make the verdict's rows durable; return an answer only on failure."""
        complaints = self._doors.complaints(verdict, call) if verdict.bad else []
        # From here on every id that was begun is ended, or its repetitions wait.
        fresh, repeated = self._begin(verdict)
        rows = [one.row for one in fresh]
        rows += complaints
        durable = False
        try:
            if any(one.treatment.purge for one in fresh):
                await self._purge(fresh, call)
            if rows:
                await self._spool.append(rows, durability)
            durable = True
        except (ObjectionsError, OSError) as error:
            return self._undecided(error, headers)
        except SpoolError as error:
            return self._unkept(error, len(rows), headers)
        finally:
            keys = [one.key for one in fresh if one.key]
            self._repeats.end(keys, durable=durable)
        if repeated and not all([await first for first in repeated]):
            failed = SpoolError("the first of a repeated event failed", full=False)
            return self._unkept(failed, len(repeated), headers)
        self._count(verdict, fresh)
        return None

    async def _purge(self, results: Sequence[Result], call: Call) -> None:
        """See to it that what was kept under a child's pseudonym goes."""
        children = {
            (one.row.site, one.treatment.visitor)
            for one in results
            if one.treatment.purge
        }
        entries = [
            entry
            for site, visitor in children
            for entry in entries_of(
                visitor, time_ms=call.received_ms, site=site, kind="child"
            )
        ]
        await asyncio.to_thread(self._objections.append, entries)

    def _begin(self, verdict: Verdict) -> tuple[list[Result], list[Awaitable[bool]]]:
        """Part the new events from the repeated, whose first is waited for."""
        fresh: list[Result] = []
        repeated: list[Awaitable[bool]] = []
        for one in verdict.good:
            first = self._repeats.begin(one.key) if one.key else None
            if first is None:
                fresh.append(one)
            else:
                repeated.append(first)
        return fresh, repeated

    def _unkept(
        self, error: SpoolError, events: int, headers: Mapping[str, str]
    ) -> web.Response:
        code = "spool_full" if error.full else "spool_failed"
        return self._desk.unkept(code, str(error), events=events, headers=headers)

    def _untaken(
        self,
        error: ObjectionsError | SiteRateError | SaltError | OSError,
        headers: Mapping[str, str],
    ) -> web.Response:
        if isinstance(error, SiteRateError):
            return self._desk.overrun(error, headers)
        if isinstance(error, ObjectionsError):
            return self._undecided(error, headers)
        # Of a disk the salt's file is the only one that is asked for before the spool.
        words = "the day's salt cannot be read now"
        _log.error("%s: nothing is taken until that is mended", words)
        return self._desk.unkept("salt_unusable", words, events=1, headers=headers)

    def _undecided(
        self, error: ObjectionsError | OSError, headers: Mapping[str, str]
    ) -> web.Response:
        """Answer while nobody can say who withdrew: then nothing is taken."""
        code = error.code if isinstance(error, ObjectionsError) else "unwritable"
        _log.error("objections %s: nothing is taken until that is mended", code)
        words = "withdrawals cannot be looked up now"
        return self._desk.unkept(
            "objections_unusable", words, events=1, headers=headers
        )

    def _count(self, verdict: Verdict, fresh: Sequence[Result] = ()) -> None:
        again = len(verdict.good) - len(fresh)
        if again:
            tally("kastana_event_reasons_total", "repeated", by=again)
        for result in fresh:
            tally("kastana_events_total", result.outcome)
            for reason in result.reasons:
                tally("kastana_event_reasons_total", reason)
        bad = verdict.bad or ((verdict.error,) if verdict.error else ())
        for invalid in bad:
            tally("kastana_events_total", "invalid")
            tally("kastana_event_reasons_total", invalid.code)

    def _debug(self, call: Call, verdict: Verdict) -> dict[str, str]:
        if call.header("x-kastana-debug") != "1":
            return {}
        names = {result.row.site for result in verdict.good}
        names |= {bad.site for bad in verdict.bad}
        sites = [self._doors.sites.get(name) for name in names]
        if not all(site is not None and site.debug for site in sites):
            return {}
        return {respond.DEBUG_HEADER: respond.debug_text(verdict)}


def _unkept_pixel(failure: web.Response, code: str = "") -> web.StreamResponse:
    headers = {"Retry-After": failure.headers["Retry-After"]}
    if code:
        headers[respond.ERROR_HEADER] = code
    return respond.pixel(headers, failure.status)


async def not_found(request: web.Request) -> web.Response:
    """Answer every path and method that has no door."""
    headers = {"Access-Control-Allow-Origin": "*"}
    if request.path in ("/e", "/p.gif", "/k.js", "/consent"):
        message = f"{request.path} does not answer {request.method}"
        return respond.error(Invalid("method_not_allowed", message), 405, headers)
    return respond.error(Invalid("not_found", "nothing lives here"), 404, headers)
