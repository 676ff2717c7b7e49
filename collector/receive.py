"""
Step 1, receive: the public doors.

Each handler reads its request within bounds, asks `doors` for a verdict, makes
the rows durable, and only then answers. What a visitor sent is in no log line and
in no error message; an error nobody expected is counted and logged by its type.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from collector import respond
from collector.doors import Call, Doors, Verdict, too_large
from collector.limit import RateLimit
from collector.links import MAX_SIGNED_CHARACTERS
from collector.logs import describe
from collector.metrics import count
from collector.repeats import Repeats
from pipeline.address import truncate
from pipeline.clock import now_ms
from pipeline.process import Result
from pipeline.spool import Spool, SpoolError
from schemas.outcome import Invalid
from schemas.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("kastana.receive")
_RETRY_AFTER_S = 5


class Receiver:
    """The handlers of one edge process."""

    def __init__(self, settings: Settings, doors: Doors, spool: Spool) -> None:
        """Bind the handlers to the doors and the spool behind them."""
        self._settings = settings
        self._doors = doors
        self._spool = spool
        self._repeats = Repeats()
        self._limit = RateLimit(settings.client_rate, settings.client_burst)

    def routes(self) -> list[web.RouteDef]:
        """Return the public routes."""
        return [
            web.post("/e", self._guard("events", self.events)),
            web.options("/e", self._guard("preflight", self.preflight)),
            web.get("/p.gif", self._guard("pixel", self.pixel), allow_head=False),
            web.get("/r/{signed}", self._guard("redirect", self.redirect)),
        ]

    async def events(self, request: web.Request) -> web.Response:
        """`POST /e`."""
        call = _call(request)
        origin = request.headers.get("Origin")
        allowed = origin is not None and self._doors.sites.allows_origin(origin)
        headers = respond.cors(origin, allowed=allowed)
        limited = self._limited(call, headers)
        if limited is not None:
            return limited
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return respond.error(too_large(self._settings), 413, headers)
        except web.RequestPayloadError:
            # Chunks or a length that are not what was announced.
            message = "the body is not HTTP that can be read"
            return respond.error(Invalid("bad_request", message), 400, headers)
        verdict = self._doors.events(call, body)
        failure = await self._keep(call, verdict, headers)
        if failure is not None:
            return failure
        headers.update(self._debug(call, verdict))
        if verdict.error is not None:
            return respond.refused(verdict, headers)
        return respond.accepted(verdict, headers)

    async def preflight(self, request: web.Request) -> web.Response:
        """`OPTIONS /e`."""
        origin = request.headers.get("Origin")
        allowed = origin is not None and self._doors.sites.allows_origin(origin)
        asked = request.headers.get("Access-Control-Request-Headers")
        return respond.preflight(origin, asked, allowed=allowed)

    async def pixel(self, request: web.Request) -> web.Response:
        """`GET /p.gif`: the same bytes and 200 whatever consent said."""
        call = _call(request)
        if self._limited(call, {}) is not None:
            return respond.pixel({respond.ERROR_HEADER: "rate_limited"}, 429)
        verdict = self._doors.pixel(call)
        failure = await self._keep(call, verdict, {})
        if failure is not None:
            return respond.pixel(
                {"Retry-After": failure.headers["Retry-After"]}, failure.status
            )
        headers = self._debug(call, verdict)
        if verdict.bad:
            headers[respond.ERROR_HEADER] = verdict.bad[0].code
        return respond.pixel(headers)

    async def redirect(self, request: web.Request) -> web.Response:
        """`GET /r/<signed>`: count the click, then send the reader on."""
        call = _call(request)
        signed = request.match_info["signed"]
        if len(signed) > MAX_SIGNED_CHARACTERS:
            signed = ""
        verdict = self._doors.redirect(call, signed)
        if verdict.error is not None:
            self._count(verdict)
            return respond.error(verdict.error, verdict.status)
        # A scanner's HEAD is not a click. And the reader goes on even when the
        # click cannot be kept: a full disk is not the reader's business.
        if request.method == "GET" and self._limited(call, {}) is None:
            await self._keep(call, verdict, {})
        return respond.redirect(verdict.target, self._debug(call, verdict))

    async def _keep(
        self, call: Call, verdict: Verdict, headers: dict[str, str]
    ) -> web.Response | None:
        """Make the verdict's rows durable; return an answer only on failure."""
        complaints = self._doors.complaints(verdict, call)
        # From here on every id that was begun is ended, or its repetitions wait.
        fresh, repeated = self._begin(verdict)
        rows = [*(one.row for one in fresh), *complaints]
        durable = False
        try:
            if rows:
                await self._spool.append(rows)
            durable = True
        except SpoolError as error:
            return self._unkept(error, len(rows), headers)
        finally:
            keys = [one.key for one in fresh if one.key]
            self._repeats.end(keys, durable=durable)
        if not all([await first for first in repeated]):
            failed = SpoolError("the first of a repeated event failed", full=False)
            return self._unkept(failed, len(repeated), headers)
        self._count(verdict, fresh)
        return None

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
        self, error: SpoolError, events: int, headers: dict[str, str]
    ) -> web.Response:
        code = "spool_full" if error.full else "spool_failed"
        count("kastana_event_reasons_total", code, by=events)
        return respond.error(
            Invalid(code, str(error)),
            503,
            {**headers, "Retry-After": str(_RETRY_AFTER_S)},
        )

    def _limited(self, call: Call, headers: dict[str, str]) -> web.Response | None:
        wait = self._limit.wait_s(truncate(self._doors.address(call)))
        if wait == 0:
            return None
        count("kastana_events_total", "rate_limited")
        return respond.error(
            Invalid("rate_limited", "too many requests from this network"),
            429,
            {**headers, "Retry-After": str(int(wait) + 1)},
        )

    def _count(self, verdict: Verdict, fresh: Sequence[Result] = ()) -> None:
        again = len(verdict.good) - len(fresh)
        if again:
            count("kastana_event_reasons_total", "repeated", by=again)
        for result in fresh:
            count("kastana_events_total", result.outcome)
            for reason in result.reasons:
                count("kastana_event_reasons_total", reason)
        bad = verdict.bad or ((verdict.error,) if verdict.error else ())
        for invalid in bad:
            count("kastana_events_total", "invalid")
            count("kastana_event_reasons_total", invalid.code)

    def _debug(self, call: Call, verdict: Verdict) -> dict[str, str]:
        if call.header("x-kastana-debug") != "1":
            return {}
        names = {result.row.site for result in verdict.good}
        names |= {bad.site for bad in verdict.bad}
        sites = [self._doors.sites.get(name) for name in names]
        if not all(site is not None and site.debug for site in sites):
            return {}
        return {respond.DEBUG_HEADER: respond.debug_text(verdict)}

    def _guard(self, door: str, handler: Handler) -> Handler:
        """Count every answer; turn an unexpected error into a plain 500."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                response = await handler(request)
            except (web.HTTPException, ConnectionError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - the outermost frame
                kind = type(error)
                count("kastana_failures_total", kind.__name__)
                _log.error("unexpected error\n%s", describe(kind, error.__traceback__))
                response = respond.error(Invalid("internal", "a defect here"), 500)
            count("kastana_requests_total", door, str(response.status))
            return response

        return guarded


def _call(request: web.Request) -> Call:
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    return Call(
        headers=[(name, value) for name, value in request.headers.items()],
        peer=str(peer[0]) if isinstance(peer, tuple) else "",
        query=request.rel_url.raw_query_string,
        received_ms=now_ms(),
    )


async def not_found(request: web.Request) -> web.Response:
    """Answer every path and method that has no door."""
    headers = {"Access-Control-Allow-Origin": "*"}
    if request.path in ("/e", "/p.gif", "/k.js"):
        message = f"{request.path} does not answer {request.method}"
        return respond.error(Invalid("method_not_allowed", message), 405, headers)
    return respond.error(Invalid("not_found", "nothing lives here"), 404, headers)
