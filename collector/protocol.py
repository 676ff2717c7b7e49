"""
Connections: what is not HTTP, what is too many, too large a head, and the end of all.

The server library tells a client what it could not read by saying it back, and
logs a traceback for each. Anyone can send garbage, so neither is done here: there is
one fixed answer, which quotes nothing, and no log line. Defects of ours keep the
library's plain 500 and its line in the log.

A connection counts the bytes that come in, and no more than that: who is too slow is
found by looking at all connections once a second (collector/slow.py).

What nearly all requests are for is answered without the library's request, writer and
tasks: each costs as much as its parser does. Those that are there with their body are
gathered until all connections were read, and handed to their door together: one request
from end to end runs through more code than the processor holds close by.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec
from aiohttp import HttpVersion11, StreamReader, hdrs, http_exceptions, web
from aiohttp.http import RawRequestMessage

from collector import respond
from collector.call import Call
from collector.metrics import count
from collector.quick import block_of
from pipeline.clock import now_ms
from schemas.outcome import Invalid
from schemas.settings import Settings

_CLIENT_ERRORS = (
    web.RequestPayloadError,
    http_exceptions.HttpProcessingError,
    ConnectionError,
)
_Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Way(NamedTuple):
    """
    A door that needs no router: that takes as long as the door itself.

    Attributes:
        together: takes the requests that were there with their bodies in one round of
            the loop, and sees to it that each is answered, now or later.
        coming: takes any other, as the router's handler would.

    """

    together: "Callable[[Sequence[Whole]], None]"
    coming: Callable[[Any], Awaitable[web.StreamResponse]]


class Whole:
    """
    A request that is there with its body, and waits for its answer.

    Attributes:
        call: the request; gone once it was taken.
        body: as it stood on the wire; gone with it.

    """

    __slots__ = ("_connection", "body", "call")

    def __init__(self, call: Call, body: bytes, connection: "Connection") -> None:
        self.call = call
        self.body = body
        self._connection: Connection | None = connection

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Whole>"

    def taken(self) -> None:
        """Let go of the request, which somebody else has now: only to be answered."""
        del self.call, self.body

    def answer(self, response: web.StreamResponse) -> None:
        """
        Answer it, once; nobody is told when the client is gone.

        Never raises: who calls has others to answer, of the same group on the disk.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.answered(response)
            except Exception as error:  # noqa: BLE001 - as the library's own loop
                connection.broken(error)

    def fail(self, error: Exception) -> None:
        """Close its connection, if it was not answered: there is a defect here."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.broken(error)


# By method and path.
Express = Mapping[tuple[str, str], Way]
NO_EXPRESS: Express = MappingProxyType({})

# A picture's URL with a consent string is answered, however long.
LONGEST_LINE = 65_536
_LARGEST_HEAD = LONGEST_LINE + 65_536
# Connections beyond the limit that are still being told so.
_MOST_LEAVING = 256
# A kept connection that is silent for so long has no request on its way.
_SILENT_S = 1.0
_LOOK_S = 0.05
_LEAVE_S = 1.0


class Bounds(msgspec.Struct, frozen=True):
    """What the connections of a listener may cost; the settings' words."""

    connections: int
    head_s: float
    body_s: float
    body_rate: float
    idle_s: float
    drain_s: float

    @classmethod
    def of(cls, settings: Settings) -> "Bounds":
        """Return the bounds of the public listener."""
        return cls(
            connections=settings.max_connections,
            head_s=settings.head_seconds,
            body_s=settings.body_seconds,
            body_rate=settings.body_rate,
            idle_s=settings.idle_seconds,
            drain_s=settings.drain_seconds,
        )


class QuietServer(web.Server):
    """Makes a quiet handler for each connection, of which there are only so many."""

    def __init__(
        self,
        inner: web.Server,
        bounds: Bounds | None = None,
        express: Express = NO_EXPRESS,
        **options: Any,  # noqa: ANN401 - passed on
    ) -> None:
        """
        Take over what an application's server does with a request.

        Args:
            inner: the server that the application's runner made.
            bounds: of its connections; None for a listener of our own people.
            express: of its requests those that need not ask the router.
            options: keywords of each connection's handler.

        """
        super().__init__(
            _answering(inner.request_handler, express),
            request_factory=inner.request_factory,
        )
        self.bounds = bounds
        self.express = express
        self.draining = False
        self.leaving: dict[asyncio.Transport, float] = {}
        self._options = options
        self._gathered: list[tuple[Way, Whole]] = []

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return Connection(self, loop=self._loop, **self._options)

    @property
    def full(self) -> bool:
        """True while one more connection would be too many."""
        return (
            self.bounds is not None
            and len(self._connections) >= self.bounds.connections
        )

    def gather(self, way: Way, whole: Whole) -> None:
        """Hand a request to its door, with all that come in this round of the loop."""
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append((way, whole))

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        for way in dict.fromkeys(way for way, _ in gathered):
            together = [whole for its, whole in gathered if its is way]
            try:
                way.together(together)
            except Exception as error:  # noqa: BLE001 - as the library's own loop
                for whole in together:
                    whole.fail(error)

    def transports(self) -> list[tuple["Connection", asyncio.Transport]]:
        """Return the connections and what they run on."""
        return [
            (one, transport)
            for one, transport in self._connections.items()
            if isinstance(one, Connection)
        ]

    def turn_away(self, transport: asyncio.Transport) -> None:
        """Tell one too many so; or not even that, when many are being told."""
        count("kastana_connections_cut_total", "full")
        if len(self.leaving) >= _MOST_LEAVING:
            transport.abort()
            return
        transport.write(_FULL)
        # The answer would be lost if the connection were closed before its request
        # has come: the kernel then resets it.
        transport.write_eof()
        self.leaving[transport] = time.monotonic()

    def see_off(self, now: float) -> None:
        """Close what was turned away and has had the time to read why."""
        for transport, since in list(self.leaving.items()):
            if now - since > _LEAVE_S:
                del self.leaving[transport]
                transport.abort()

    async def drain(self, seconds: float) -> None:
        """
        Let every connection have the answers it waits for, then close it.

        What comes on a kept connection meanwhile is answered with `Connection: close`;
        who has sent nothing for a while is closed. After `seconds` all may be cut.
        """
        self.draining = True
        silent: dict[Connection, float] = {}
        for one in self.connections:
            if isinstance(one, Connection):
                one.last = True
        end = time.monotonic() + seconds
        while self._connections and time.monotonic() < end:
            now = time.monotonic()
            for one, _ in self.transports():
                if not one.idle:
                    silent.pop(one, None)
                elif now - silent.setdefault(one, now) >= _SILENT_S:
                    one.force_close()
            await asyncio.sleep(_LOOK_S)
        for transport in list(self.leaving):
            transport.abort()


class Connection(web.RequestHandler):
    """
    The handler of one connection.

    Attributes:
        head: bytes of the head of a request that is not whole yet.
        body: bytes that came while a request was being answered.
        last: True when the next answer closes the connection.
        phase: what `slow` saw it do, and how far it was, since when.

    """

    __slots__ = (
        "_early",
        "_ends",
        "_held",
        "_peer",
        "_server",
        "_stalled",
        "_version",
        "body",
        "head",
        "last",
        "mark",
        "phase",
        "since",
    )

    def __init__(self, server: QuietServer, **options: Any) -> None:  # noqa: ANN401 - passed on
        """Make the handler; `options` are the library's."""
        super().__init__(server, **options)
        self._server = server
        self._peer = ""
        # Of a request that was taken: what the library's task waits for until then,
        # if its answer is not read, its version, and if it asks for the end.
        self._held: asyncio.Future[None] | None = None
        self._stalled = False
        self._version = HttpVersion11
        self._ends = False
        # What came while the library's task neither waited nor had anything to do.
        self._early: tuple[RawRequestMessage, StreamReader] | None = None
        self.head = 0
        self.body = 0
        self.last = server.draining
        self.phase: tuple[str, int] = ("", 0)
        self.since = 0.0
        self.mark = 0

    @property
    def waiting(self) -> bool:
        """True while no whole request has come that is not answered."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def idle(self) -> bool:
        """True while not even a part of one has come."""
        return self.waiting and self.head == 0

    @property
    def requests(self) -> int:
        """How many requests have come."""
        return self._request_count

    @property
    def awaited(self) -> asyncio.StreamReader | Any:  # noqa: ANN401 - aiohttp's own
        """The body that a handler is waiting for, None if there is none."""
        request = self._current_request
        if request is None or request.content.is_eof():
            return None
        return request.content

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or turn it away."""
        if self._server.full:
            # From here on the library reads nothing from it.
            self._force_close = True
            # Never asked for its type: uvloop's is no asyncio.Transport.
            self._server.turn_away(cast("asyncio.Transport", transport))
            return
        super().connection_made(transport)
        self._peer = peer_of(self)

    def data_received(self, data: bytes) -> None:
        """Read on; a head has its bound, fields and lines have the library's."""
        waiter = self._waiter
        if self._early is not None:
            # More is coming: all of it in the order in which it came.
            self._messages.append(self._early)
            self._early = None
        if waiter is None or waiter.done():
            super().data_received(data)
            if waiter is None:
                self.body += len(data)
                self._hold_back()
            else:
                self.head = 0
            return
        # The library's task is not woken for what is answered here.
        self._waiter = None
        super().data_received(data)
        self._waiter = waiter
        if self._messages:
            self.head = 0
            if not self._server.express or not self._take(waiter):
                waiter.set_result(None)
            return
        self.head += len(data)
        if self.head > _LARGEST_HEAD:
            count("kastana_connections_cut_total", "large_head")
            self.refuse(_LARGE)

    def _hold_back(self) -> None:
        """
        Keep a request from the library's task, which is between two or has not begun.

        It takes a round of the loop after each answer, and after a connection was made,
        until it waits. A client that is quick enough would find it like that each time,
        and never be answered the quick way. One request alone: whatever is pipelined,
        upgraded or queued up is the library's to keep in order.
        """
        if len(self._messages) != 1 or not self._server.express:
            return
        if self._request_in_progress or self._upgraded or self._buffer_paused:
            return
        message, payload = self._messages[0]
        if isinstance(message, RawRequestMessage) and self._way(message, payload):
            self._messages.clear()
            self._early = message, payload
            # Behind whatever takes the task on to where it waits.
            self._loop.call_soon(self._bring_forward)

    def _bring_forward(self) -> None:
        """Answer what was held back; or leave it to the task, which has one to do."""
        if self._early is None:
            return
        self._messages.append(self._early)
        self._early = None
        waiter = self._waiter
        if waiter is not None and not waiter.done() and not self._take(waiter):
            waiter.set_result(None)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - as inherited
        """Read on, if reading was paused: the library parses nothing anew otherwise."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _take(self, waiter: "asyncio.Future[None]") -> bool:
        """Have the first request answered without the library, if it can be."""
        message, payload = self._messages[0]
        # What could not be read is told by something else.
        if not isinstance(message, RawRequestMessage):
            return False
        way = self._way(message, payload)
        if way is None:
            return False
        self._waiter, self._held = None, waiter
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        self._hand_in(way, message, payload)
        return True

    def _hand_in(
        self, way: Way, message: RawRequestMessage, payload: StreamReader
    ) -> None:
        """Hand a request to its door, with others that come in this round."""
        # Whoever looks meanwhile finds this connection neither idle nor in a head.
        self._request_in_progress = True
        self._server.requests_count += 1
        self._version, self._ends = message.version, message.should_close
        call = Call(
            headers=message.headers,
            peer=self._peer,
            query=message.url.raw_query_string,
            received_ms=now_ms(),
            method=message.method,
        )
        self._server.gather(way, Whole(call, payload.read_nowait(), self))

    def _way(self, message: RawRequestMessage, payload: StreamReader) -> Way | None:
        """Return the door of a request that is there whole, None for any other."""
        way = self._server.express.get((message.method, message.url.raw_path))
        if way is None or not payload.is_eof() or payload.exception() is not None:
            return None
        return None if message.upgrade or hdrs.EXPECT in message.headers else way

    def answered(self, response: web.StreamResponse) -> None:
        """Write the answer to the request that was taken, and go on."""
        if self.transport is not None:
            goes_on = not (self._ends or self.last)
            answer = block_of(response).written(self._version, goes_on=goes_on)
            self.transport.write(answer)
            if not goes_on:
                self.force_close()
            elif self._paused:
                # Who does not read its answers gets no more of them.
                self._stalled = True
                return
        self.go_on()

    def broken(self, error: Exception) -> None:
        """Close after a defect of ours: the request that was taken has no answer."""
        self.log_exception("Unhandled exception", exc_info=error)
        self.force_close()
        self.go_on()

    def go_on(self) -> None:
        """Let the library's task wait on, or see to what came meanwhile."""
        waiter, self._held, self._stalled = self._held, None, False
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if waiter is None or waiter.done():
            return
        self._waiter = waiter
        if self._force_close:
            waiter.cancel()
        elif self._messages:
            if not self._take(waiter):
                waiter.set_result(None)
        else:
            end = self._loop.time() + self._keepalive_timeout
            self._next_keepalive_close_time = end
            if self._keepalive_handle is None:
                self._keepalive_handle = self._loop.call_at(
                    end, self._process_keepalive
                )

    def resume_writing(self) -> None:
        """Go on when the client takes its answers again."""
        super().resume_writing()
        if self._stalled:
            self.go_on()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let nobody wait for a client that is gone; what it sent counts."""
        early, self._early = self._early, None
        if early is not None:
            way = self._way(*early)
            if way is not None:
                self._hand_in(way, *early)
        super().connection_lost(exc)
        if self._stalled:
            self.go_on()

    def refuse(self, answer: bytes) -> None:
        """Answer a request that did not come whole, and close."""
        if self.transport is not None:
            self.transport.write(answer)
        self.force_close()

    def too_slow(self) -> None:
        """Answer a head that comes too slowly; who has sent nothing gets no answer."""
        if self.head:
            self.refuse(_SLOW)
        else:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read; leave our own defects to the library."""
        if isinstance(exc, ConnectionError):
            # The other end is gone: there is no one to answer.
            raise exc
        if not isinstance(exc, _CLIENT_ERRORS):
            return super().handle_error(request, status, exc, message)
        if request.writer.output_size > 0:
            gone = "an answer was under way"
            raise ConnectionError(gone)
        response = bad_request(400)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - as inherited
        """Log defects alone: a body that breaks off is none."""
        if not isinstance(kw.get("exc_info"), _CLIENT_ERRORS):
            super().log_exception(*args, **kw)


class TooSlow(web.RequestPayloadError):
    """A body that does not come on; its reader is told by this."""


def bad_request(status: int) -> web.Response:
    """Return the answer to what is not HTTP, the same for whatever was sent."""
    count("kastana_event_reasons_total", "bad_request")
    message = "the request is not HTTP that can be read"
    return respond.error(Invalid("bad_request", message), status)


def peer_of(protocol: web.RequestHandler) -> str:
    """Return the address of the other end of a connection, "" if it has none."""
    peer = protocol.peername
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _answering(handle: _Handle, express: Express) -> _Handle:
    """Say with the last answer that it is; answer an unknown `Expect` as the rest."""

    async def handled(request: web.BaseRequest) -> web.StreamResponse:
        known = express.get((request.method, request.rel_url.raw_path))
        if known is not None and hdrs.EXPECT not in request.headers:
            response = await known.coming(request)
            if request.protocol.last:  # type: ignore[attr-defined] # a Connection
                response.force_close()
            return response
        try:
            response = await handle(request)
        except web.HTTPExpectationFailed:
            # The library would quote it.
            response = bad_request(417)
        if request.protocol.last:  # type: ignore[attr-defined] # a Connection
            response.force_close()
        return response

    return handled


_FULL = respond.raw(
    Invalid("too_many_connections", "too many connections, come again"),
    "503 Service Unavailable",
    "Retry-After: 5",
)
_SLOW = respond.raw(
    Invalid("too_slow", "the request did not come in time"), "408 Request Timeout"
)
_LARGE = respond.raw(
    Invalid("head_too_large", f"at most {_LARGEST_HEAD} bytes of headers"),
    "431 Request Header Fields Too Large",
)
