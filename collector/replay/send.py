"""
Sending: some connections that take requests in order, each when it is due.

Nothing is sent twice: a request whose answer did not come may have been taken, and the
account says so.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
import msgspec
import orjson

from collector.replay.measure import Answer, Measure
from collector.replay.prepare import Outgoing, Preparer
from collector.replay.request import Request, Unsent
from collector.replay.schedule import Schedule
from pipeline.clock import now_ms

# As collector.respond names it, which would load all that answers requests.
ERROR_HEADER: Final = "X-Kastana-Error"
_CONNECT_S: Final = 5.0
# The loop's own clock stands still between two rounds, and counts milliseconds.
_now = time.perf_counter
# The event loop's timers are this coarse; the rest is waited out awake.
_TIMER_S: Final = 0.0015
_LONGEST_ANSWER: Final = 1_048_576
_LONGEST_CODE: Final = 32
_GOOD: Final = range(200, 300)
_SERVER_ERRORS: Final = range(500, 600)


class TargetError(Exception):
    """The collector cannot be reached at all: a code, and words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Limits(msgspec.Struct, frozen=True):
    """
    How much is sent at once and for how long.

    Attributes:
        clients: connections, and so requests at a time.
        seconds: after which nothing more is begun; None for no end.
        timeout_s: how long an answer may take.

    """

    clients: int
    seconds: float | None
    timeout_s: float


class Sender:
    """Sends the requests of one run; `measure` gathers what comes back."""

    def __init__(  # noqa: PLR0913 - what a run needs, each of its own type
        self,
        url: str,
        requests: Iterator[Request],
        preparer: Preparer,
        schedule: Schedule,
        limits: Limits,
        unsent: Callable[[Unsent], None],
    ) -> None:
        """
        Bind it to what it sends.

        Args:
            url: the collector's, without a path.
            requests: what is sent, in order.
            preparer: makes them ready.
            schedule: says when each is due.
            limits: how many at once.
            unsent: told of what cannot be sent after all.

        """
        self._url = url.rstrip("/")
        self._requests = requests
        self._preparer = preparer
        self._schedule = schedule
        self._limits = limits
        self._unsent = unsent
        self._number = 0
        self._start = 0.0
        self._over = False
        self.measure = Measure()
        self.seconds = 0.0

    async def run(self) -> None:
        """
        Send everything; return when the last answer is there.

        Raises:
            TargetError: when nobody listens there.
            SourceError: when the source cannot be read.

        """
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=None)
        timeout = aiohttp.ClientTimeout(
            total=self._limits.timeout_s,
            sock_connect=min(_CONNECT_S, self._limits.timeout_s),
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        ) as session:
            await self._knock(session)
            self._start = _now()
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._limits.clients):
                        group.create_task(self._client(session))
            except BaseExceptionGroup as errors:
                # The first is why the others ended.
                raise errors.exceptions[0] from None
        self.seconds = _now() - self._start
        self.measure.finish()

    def stop(self) -> None:
        """Begin nothing more; what is under way is waited for."""
        self._over = True

    async def _knock(self, session: aiohttp.ClientSession) -> None:
        """See that somebody listens before the clock starts."""
        try:
            async with session.get(f"{self._url}/ready") as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            code = _problem(error).code
            message = f"{self._url} cannot be reached"
            raise TargetError(code, message) from None

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while (request := self._next()) is not None:
            due = self._schedule.due(self._number - 1, request.at_ms)
            if due is not None:
                if self._limits.seconds is not None and due >= self._limits.seconds:
                    self._over = True
                    return
                await self._wait(self._start + due)
                if self._over:
                    return
            outgoing = self._preparer.prepare(request, now_ms())
            if isinstance(outgoing, Unsent):
                self._unsent(outgoing)
                continue
            sent = _now() - self._start
            answer = await self._send(session, outgoing)
            done = _now() - self._start
            self.measure.sites |= outgoing.sites
            self.measure.add(
                answer, outgoing.events, sent if due is None else due, sent, done
            )

    def _next(self) -> Request | None:
        """Return the next request, None at the end; never two clients the same."""
        seconds = self._limits.seconds
        passed = _now() - self._start
        if self._over or (seconds is not None and passed >= seconds):
            return None
        request = next(self._requests, None)
        self._number += 1
        return request

    async def _wait(self, moment: float) -> None:
        while not self._over and (left := moment - _now()) > 0:  # noqa: ASYNC110 - an event would come late
            # Short enough that a stop is noticed.
            await asyncio.sleep(min(max(left - _TIMER_S, 0), 0.5))

    async def _send(self, session: aiohttp.ClientSession, out: Outgoing) -> Answer:
        try:
            async with session.request(
                out.method,
                self._url + out.target,
                data=out.body or None,
                headers=out.headers,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(_LONGEST_ANSWER)
                return _judge(answer, body, out)
        except (aiohttp.ClientError, TimeoutError) as error:
            return _problem(error)


def _judge(answer: aiohttp.ClientResponse, body: bytes, out: Outgoing) -> Answer:
    """Return what an answer says of the events that were sent."""
    status = answer.status
    if status in _GOOD and out.method == "GET":
        code = answer.headers.get(ERROR_HEADER, "")
        if code:
            return Answer(status, _word(code), invalid=(_word(code),))
        return Answer(status, accepted=1)
    said = _object(body)
    listed = said.get("errors")
    wrong = [] if not isinstance(listed, list) else listed
    if status in _GOOD:
        number = said.get("accepted")
        if not isinstance(number, int):
            # Somebody answers, but no collector: nobody knows what became of it.
            return Answer(status, "foreign_answer", unknown=True)
        codes = tuple(_code(one) for one in wrong)
        return Answer(status, codes[0] if codes else "", number, codes)
    code = _code(said.get("error"))
    codes = tuple(_code(one) for one in wrong) or (code,) * out.events
    unknown = status in _SERVER_ERRORS
    return Answer(status, code, 0, () if unknown else codes, unknown)


# What is to be said of a request that got no answer; the first that fits. Of those that
# were never sent it is known that nothing was taken.
_PROBLEMS: Final[tuple[tuple[type[BaseException], Answer], ...]] = (
    (aiohttp.ClientConnectorDNSError, Answer(0, "dns")),
    (aiohttp.ClientSSLError, Answer(0, "tls")),
    (aiohttp.ConnectionTimeoutError, Answer(0, "connect_timeout")),
    (aiohttp.ClientConnectorError, Answer(0, "refused")),
    (TimeoutError, Answer(0, "timeout", unknown=True)),
    (aiohttp.ServerDisconnectedError, Answer(0, "reset", unknown=True)),
    (aiohttp.ClientOSError, Answer(0, "reset", unknown=True)),
    (aiohttp.ClientConnectionResetError, Answer(0, "reset", unknown=True)),
    (BaseException, Answer(0, "protocol", unknown=True)),
)


def _problem(error: BaseException) -> Answer:
    return next(answer for kind, answer in _PROBLEMS if isinstance(error, kind))


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _code(error: object) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return _word(code) if isinstance(code, str) else "no_code"


def _word(text: str) -> str:
    """Return a code as it is; what is none might be anything."""
    return text if text.isidentifier() and len(text) <= _LONGEST_CODE else "no_code"
