"""
Requests that are not HTTP: one fixed answer, which quotes nothing, and no log line.

The server library tells a client what it could not read by saying it back, and
logs a traceback for each. Anyone can send garbage, so neither is done here.
Defects of ours keep the library's plain 500 and its line in the log.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import http_exceptions, web

from collector import respond
from collector.metrics import count
from schemas.outcome import Invalid

_CLIENT_ERRORS = (
    web.RequestPayloadError,
    http_exceptions.HttpProcessingError,
    ConnectionError,
)

_Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class QuietServer(web.Server):
    """Makes a quiet handler for each connection."""

    def __init__(self, inner: web.Server, **options: Any) -> None:  # noqa: ANN401 - passed on
        """
        Take over what an application's server does with a request.

        Args:
            inner: the server that the application's runner made.
            options: keywords of each connection's handler.

        """
        super().__init__(
            _expecting(inner.request_handler), request_factory=inner.request_factory
        )
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return _QuietHandler(self, loop=self._loop, **self._options)


class _QuietHandler(web.RequestHandler):
    __slots__ = ()

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


def bad_request(status: int) -> web.Response:
    """Return the answer to what is not HTTP, the same for whatever was sent."""
    count("kastana_event_reasons_total", "bad_request")
    message = "the request is not HTTP that can be read"
    return respond.error(Invalid("bad_request", message), status)


def _expecting(handle: _Handle) -> _Handle:
    """Answer an unknown `Expect` as the rest: the library would quote it."""

    async def handled(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPExpectationFailed:
            return bad_request(417)

    return handled
