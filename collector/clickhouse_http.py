"""
ClickHouse's HTTP interface over the store, for reading.

curl, clickhouse-connect, Grafana, Metabase and other clients of ClickHouse speak to
the embedded engine through it. Statements pass the store's guard and its limits.

Nothing is asked of a client on the same machine, but a page in its browser is not
that client: a request with a foreign `Origin`, marked `Sec-Fetch-Site: cross-site`, or
for a `Host` that is no name of this machine (DNS rebinding) is refused, and no answer
carries a CORS header. Other machines need credentials, see `clickhouse_app`.

Statements and peers are never logged. Sessions are not kept, ClickHouse's own block
compression (`compress=1`) is not spoken; HTTP compression is.

`writable=True` passes every statement to the engine, unguarded: a ClickHouse server
for tests, which exercise the HTTP path of the store with it.
"""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import orjson
from aiohttp import web

from collector.clickhouse_peers import credentials, foreign_page, same_machine
from collector.clickhouse_wire import (
    Asked,
    WireError,
    content_type,
    pack,
    read_request,
    status_of,
    unpack,
)
from pipeline.sql_guard import GuardError
from pipeline.store import Store, StoreRefused, StoreUnavailable
from schemas.ddl import DATABASE

Authorise = Callable[[str, str], bool]

_READING_BODY: Final = 1 << 20
_WRITING_BODY: Final = 512 << 20
_BODY_S: Final = 60.0
_THREADS: Final = 4
_MOST_WAITING: Final = 32
_HEADERS: Final = {
    "X-ClickHouse-Server-Display-Name": "kastana",
    "Vary": "Accept-Encoding",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_READS: Final = re.compile(
    rb"[\s(]*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS)\b", re.IGNORECASE
)
_NAMES_FORMAT: Final = re.compile(rb"\bFORMAT\s+(\w+)[\s;]*\Z", re.IGNORECASE)
_INSERTS: Final = re.compile(
    rb"\s*INSERT\s+INTO\s+(?:TABLE\s+)?(?P<into>[^\s(]+\s*(?:\([^)]*\))?)"
    rb"\s*FORMAT\s+(?P<format>\w+)[ \t]*\r?(?:\n|\Z)",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """An answer's bytes, their format and packing, and how many rows were written."""

    body: bytes = b""
    format: str = ""
    encoding: str = ""
    written: int = 0


class ClickHouse:
    """The handlers, over one store."""

    def __init__(
        self, store: Store, *, writable: bool, authorise: Authorise | None
    ) -> None:
        self._store = store
        self._writable = writable
        self._authorise = authorise
        self._longest = _WRITING_BODY if writable else _READING_BODY
        # Not the loop's own threads: slow statements would hold up the loader.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sql")
        self._under_way = 0

    async def threads(self, _app: web.Application) -> AsyncIterator[None]:
        """Keep the threads while the app runs."""
        yield
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ping(self, _request: web.Request) -> web.Response:
        """`GET /ping` and `/replicas_status`."""
        return web.Response(text="Ok.\n", headers=_HEADERS)

    async def options(self, _request: web.Request) -> web.Response:
        """`OPTIONS`: what is possible, and nothing for a browser's preflight."""
        allow = {"Allow": "GET, HEAD, OPTIONS, POST"}
        return web.Response(status=204, headers=_HEADERS | allow)

    async def ask(self, request: web.Request) -> web.Response:
        """`GET` and `POST /`: a statement."""
        started = time.perf_counter_ns()
        query_id = str(uuid.uuid4())
        try:
            self._admit(request)
            asked = await self._read(request)
            query_id = asked.query_id or query_id
            if not asked.statement.strip():
                return self._greet(request)
            wanted = request.query.get("enable_http_compression", "1") != "0"
            accepted = request.headers.get("Accept-Encoding", "") if wanted else ""
            answer = await self._run(request.method, asked, accepted)
        except WireError as error:
            return _failure(error.code, error.name, str(error), query_id)
        except GuardError as error:
            return _failure(error.code, error.name, str(error), query_id)
        except StoreRefused as error:
            return _failure(error.code, error.name, error.detail, query_id)
        except StoreUnavailable as error:
            return _failure(error.code or 279, error.name, "", query_id, away=True)
        return self._respond(answer, query_id, started)

    def _admit(self, request: web.Request) -> None:
        if foreign_page(request.headers):
            message = "requests of other sites' pages are refused"
            raise WireError(497, "ACCESS_DENIED", message)
        if self._authorise is None:
            if not same_machine(request.remote, request.headers.get("Host", "")):
                message = "without credentials only this machine may ask"
                raise WireError(516, "AUTHENTICATION_FAILED", message)
        elif not self._authorise(*credentials(request.headers, request.query)):
            raise WireError(516, "AUTHENTICATION_FAILED", "wrong user or password")

    async def _read(self, request: web.Request) -> Asked:
        fields = dict(request.query)
        body = b""
        try:
            async with asyncio.timeout(_BODY_S):
                if request.content_type == "multipart/form-data":
                    fields |= _texts(await request.post())
                else:
                    body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise WireError(307, "TOO_MANY_BYTES", "the body is too long") from None
        except TimeoutError:
            raise WireError(159, "TIMEOUT_EXCEEDED", "the body is late") from None
        body = unpack(body, request.headers.get("Content-Encoding", ""), self._longest)
        return read_request(
            fields,
            request.headers.get("X-ClickHouse-Format", ""),
            body,
            writing=self._writable,
        )

    def _greet(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            raise WireError(62, "SYNTAX_ERROR", "Empty query")
        return web.Response(text="Ok.\n", headers=_HEADERS)

    async def _run(self, method: str, asked: Asked, accepted: str) -> Answer:
        if asked.database not in {"", "default", DATABASE}:
            message = f"Database {asked.database} does not exist"
            raise WireError(81, "UNKNOWN_DATABASE", message)
        if self._under_way >= _MOST_WAITING:
            raise StoreUnavailable(202, "TOO_MANY_SIMULTANEOUS_QUERIES")
        work = self._write if self._writable and method == "POST" else self._query

        def answer() -> Answer:
            done = work(asked)
            body, encoding = pack(done.body, accepted)
            return done._replace(body=body, encoding=encoding)

        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, answer
            )
        finally:
            self._under_way -= 1

    def _query(self, asked: Asked) -> Answer:
        body, fmt = self._store.read(
            _text(asked), asked.format, asked.parameters, asked.settings
        )
        return Answer(body, fmt)

    def _write(self, asked: Asked) -> Answer:
        if _READS.match(asked.statement):
            named = _NAMES_FORMAT.search(asked.statement)
            fmt = named[1].decode() if named else asked.format
            body = self._store.query(
                _text(asked),
                None if named else fmt,
                asked.parameters,
                asked.settings,
                read_only=False,
            )
            return Answer(body, fmt)
        if match := _INSERTS.match(asked.statement):
            into, fmt = match["into"].decode(), match["format"].decode()
            rows = asked.statement[match.end() :]
            return Answer(written=self._store.insert(into, fmt, rows, asked.settings))
        self._store.command(_text(asked), asked.settings)
        return Answer()

    def _respond(self, answer: Answer, query_id: str, started: int) -> web.Response:
        summary = {
            "written_rows": str(answer.written),
            "elapsed_ns": str(time.perf_counter_ns() - started),
        }
        headers = _HEADERS | {
            "Content-Type": content_type(answer.format),
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": self._store.timezone,
            "X-ClickHouse-Summary": orjson.dumps(summary).decode(),
        }
        if answer.format:
            headers["X-ClickHouse-Format"] = answer.format
        if answer.encoding:
            headers["Content-Encoding"] = answer.encoding
        return web.Response(body=answer.body, headers=headers)


def clickhouse_app(
    store: Store, *, writable: bool = False, authorise: Authorise | None = None
) -> web.Application:
    """
    Return an app that answers ClickHouse's HTTP interface.

    Args:
        store: where statements go.
        writable: pass all statements on, unguarded; for tests only.
        authorise: says whether a user and a password (or '' and a bearer token) may
            ask. Without it only this machine may, and anyone on it.

    """
    house = ClickHouse(store, writable=writable, authorise=authorise)
    app = web.Application(client_max_size=_WRITING_BODY if writable else _READING_BODY)
    app.cleanup_ctx.append(house.threads)
    app.router.add_routes(
        [
            web.get("/", house.ask),
            web.post("/", house.ask),
            web.options("/", house.options),
            web.get("/ping", house.ping),
            web.get("/replicas_status", house.ping),
        ]
    )
    return app


def _texts(form: Mapping[str, object]) -> dict[str, str]:
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    if len(texts) < len(form):
        message = "external data is not supported"
        raise WireError(48, "NOT_IMPLEMENTED", message)
    return texts


def _failure(
    code: int, name: str, detail: str, query_id: str, *, away: bool = False
) -> web.Response:
    words = f"{detail}. " if detail else ""
    headers = _HEADERS | {
        "X-ClickHouse-Exception-Code": str(code),
        "X-ClickHouse-Query-Id": query_id,
    }
    if away:
        headers["Retry-After"] = "1"
    return web.Response(
        status=503 if away else status_of(code),
        text=f"Code: {code}. DB::Exception: {words}({name})\n",
        headers=headers,
    )


def _text(asked: Asked) -> str:
    try:
        return asked.statement.decode()
    except UnicodeDecodeError:
        raise WireError(62, "SYNTAX_ERROR", "the statement is not UTF-8") from None
