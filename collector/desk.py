"""
What all public handlers share: reading a request within bounds, and refusing it.

What a visitor sent is in no log line and in no error message; an error nobody
expected is counted and logged by its type.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from collector import respond
from collector.call import Call
from collector.doors import Doors, too_large
from collector.limit import RateLimit, SiteRateError
from collector.logs import describe
from collector.metrics import count, count_redactions, tally
from collector.protocol import TooSlow, peer_of
from pipeline.address import truncate
from pipeline.clock import now_ms
from schemas.outcome import Invalid
from schemas.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("kastana.receive")
_RETRY_AFTER_S = 5
# What keeps everybody out is said this often, and not with every request.
_SAY_EVERY_S = 60.0


# What is of no site; and a reader goes on to a link's target even when the click
# cannot be kept.
_WITHOUT_SITES = frozenset({"gpc", "preflight", "redirect"})


class Desk:
    """One edge process's front desk; its handlers share one rate limit."""

    def __init__(self, settings: Settings, doors: Doors) -> None:
        """Bind the desk to its bounds."""
        self._settings = settings
        self._largest = settings.max_body_bytes
        self._doors = doors
        self._limit = RateLimit(settings.client_rate, settings.client_burst)
        # When each code, with its cause, was last in the log.
        self._said: dict[tuple[str, str], float] = {}

    def cors(self, request: web.Request) -> Mapping[str, str]:
        """Return the CORS headers for the page that asks."""
        return self.cors_of(request.headers.get("Origin"))

    def cors_of(self, origin: str | None) -> Mapping[str, str]:
        """Return the CORS headers for a page of this origin."""
        allowed = origin is not None and self._doors.sites.allows_origin(origin)
        return respond.cors(origin, allowed=allowed)

    async def preflight(self, request: web.Request) -> web.Response:
        """`OPTIONS` of every door that pages may use."""
        origin = request.headers.get("Origin")
        allowed = origin is not None and self._doors.sites.allows_origin(origin)
        asked = request.headers.get("Access-Control-Request-Headers")
        return respond.preflight(origin, asked, allowed=allowed)

    async def body(
        self, request: web.Request, headers: Mapping[str, str]
    ) -> bytes | web.Response:
        """Return the body as it stood on the wire, or the answer that refuses it."""
        content = request.content
        try:
            if content.is_eof() and content.total_bytes <= self._largest:
                # All of it is here: without a round through the loop.
                return content.read_nowait()
            if (request.content_length or 0) > self._largest:
                # Nobody has to send it first.
                return respond.error(too_large(self._settings), 413, headers)
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return respond.error(too_large(self._settings), 413, headers)
        except TooSlow:
            message = "the body did not come in time"
            return respond.error(Invalid("too_slow", message), 408, headers)
        except web.RequestPayloadError:
            # Chunks or a length that are not what was announced.
            message = "the body is not HTTP that can be read"
            return respond.error(Invalid("bad_request", message), 400, headers)

    def larger(self, body: bytes, headers: Mapping[str, str]) -> web.Response | None:
        """Return the answer to a whole body that is too large, None if it is not."""
        if len(body) <= self._largest:
            return None
        return respond.error(too_large(self._settings), 413, headers)

    @property
    def settings(self) -> Settings:
        """The server's settings."""
        return self._settings

    def limited(
        self, call: Call, headers: Mapping[str, str], key: str = ""
    ) -> web.Response | None:
        """
        Take a token; return the answer if there is none.

        Args:
            call: the request; its network has the tokens.
            headers: of the answer.
            key: who has them instead, where the network is not the visitor's.

        """
        wait = self._limit.wait_s(key or truncate(self._doors.address(call)))
        if wait == 0:
            return None
        count("kastana_limited_total", "recipient" if key else "network")
        return self._limited("too many requests from this network", wait, headers)

    def overrun(self, error: SiteRateError, headers: Mapping[str, str]) -> web.Response:
        """Answer that a site has had its events for now."""
        count("kastana_limited_total", "site")
        return self._limited("too many events of this site", error.wait_s, headers)

    def _limited(
        self, words: str, wait_s: float, headers: Mapping[str, str]
    ) -> web.Response:
        count("kastana_events_total", "rate_limited")
        return respond.error(
            Invalid("rate_limited", words),
            429,
            {**headers, "Retry-After": str(int(wait_s) + 1)},
        )

    def unkept(
        self,
        code: str,
        words: str,
        *,
        events: int,
        headers: Mapping[str, str],
        cause: str = "",
    ) -> web.Response:
        """
        Answer that nothing was kept, and when to come again; tell the operator.

        Args:
            code: of `schemas.outcome.INVALID`.
            words: for the sender and the log.
            events: how many were not kept.
            headers: of the answer.
            cause: for the log alone.

        """
        now, what = time.monotonic(), (code, cause)
        if now - self._said.get(what, -_SAY_EVERY_S) >= _SAY_EVERY_S:
            self._said[what] = now
            _log.error("nothing is kept, %s: %s", code, f"{words} {cause}".strip())
        count("kastana_event_reasons_total", code, by=events)
        return respond.error(
            Invalid(code, words), 503, {**headers, "Retry-After": str(_RETRY_AFTER_S)}
        )

    def _no_sites(self) -> web.Response:
        # Not "unknown site": that is final, and the event would be lost.
        words = "the list of sites cannot be read now"
        headers = {"Access-Control-Allow-Origin": "*"}
        return self.unkept("sites_unusable", words, events=1, headers=headers)

    def closed(self, door: str) -> web.StreamResponse | None:
        """Return the answer of a door that cannot work now, None if it can."""
        if self._doors.sites.unread and door not in _WITHOUT_SITES:
            return self._no_sites()
        return None

    def defect(self, error: Exception) -> web.Response:
        """Return the answer to an error nobody expected; it is counted and logged."""
        kind = type(error)
        count("kastana_failures_total", kind.__name__)
        _log.error("unexpected error\n%s", describe(kind, error.__traceback__))
        return respond.error(Invalid("internal", "a defect here"), 500)

    def note(self, door: str, response: web.StreamResponse) -> None:
        """Count an answer."""
        tally("kastana_requests_total", door, str(response.status))
        count_redactions()

    def guard(self, door: str, handler: Handler) -> Handler:
        """Count every answer; turn an unexpected error into a plain 500."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                response = self.closed(door) or await handler(request)
            except (web.HTTPException, ConnectionError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - the outermost frame
                response = self.defect(error)
            self.note(door, response)
            return response

        return guarded


def call_of(request: web.Request) -> Call:
    """Return a request as it stood on the wire."""
    return Call(
        headers=request.headers,
        peer=peer_of(request.protocol),
        query=request.rel_url.raw_query_string,
        received_ms=now_ms(),
        method=request.method,
    )
