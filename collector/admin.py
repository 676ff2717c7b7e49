"""
The keeper's admin listener: health, metrics, and SQL for the command line.

SQL needs the bearer token of `secrets/admin.token`; health and metrics say
nothing about anyone. Answers are the engine's bytes in the format asked for.
"""

import asyncio
import hmac
import logging
from typing import Protocol

import msgspec
import orjson
from aiohttp import web

from collector import metrics
from collector.runtime import Runtime
from pipeline.queries import ask, load_views
from pipeline.sql_guard import GuardError
from pipeline.store import Store, StoreRefused, StoreUnavailable

_log = logging.getLogger("kastana.admin")


class Holder(Protocol):
    """Where the store stands, and why not."""

    store: Store | None

    @property
    def problem(self) -> str:
        """Why the store cannot be used now."""


class SqlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement, the format of its answer, and its parameters."""

    sql: str
    format: str = "JSONEachRow"
    parameters: dict[str, str] = {}


class QueryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named view, and what to ask of it."""

    name: str
    site: str
    start: str
    end: str
    format: str = "JSONEachRow"


class Admin:
    """The handlers of the admin listener."""

    def __init__(self, runtime: Runtime, holder: Holder) -> None:
        """Bind the handlers to the store's holder and the admin token."""
        self._holder = holder
        self._seconds = str(runtime.settings.query_seconds)
        self._token = runtime.folder.secret("admin.token").hex()

    async def live(self, _request: web.Request) -> web.Response:
        """`GET /health/live`."""
        return web.json_response({"status": "live"})

    async def ready(self, _request: web.Request) -> web.Response:
        """`GET /health/ready`: 503 while the store is away."""
        problem = self._holder.problem
        if problem:
            body = {"status": "store_unavailable", "message": problem}
            return web.json_response(body, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(self, _request: web.Request) -> web.Response:
        """`GET /metrics`, Prometheus text format."""
        body = await asyncio.to_thread(metrics.render)
        return web.Response(
            body=body,
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def sql(self, request: web.Request) -> web.Response:
        """`POST /sql`: any reading statement."""
        if not self._authorised(request):
            return _error(401, "unauthorised", "the admin token is missing or wrong")
        try:
            asked = msgspec.json.decode(await request.read(), type=SqlRequest)
        except msgspec.MsgspecError:
            return _error(400, "bad_request", "expected {sql, format, parameters}")
        return await self._answer(asked.sql, asked.format, asked.parameters)

    async def query(self, request: web.Request) -> web.Response:
        """`POST /query`: a named view."""
        if not self._authorised(request):
            return _error(401, "unauthorised", "the admin token is missing or wrong")
        try:
            asked = msgspec.json.decode(await request.read(), type=QueryRequest)
        except msgspec.MsgspecError:
            return _error(400, "bad_request", "expected {name, site, start, end}")
        view = load_views().get(asked.name)
        if view is None:
            known = ", ".join(load_views())
            return _error(404, "unknown_query", f"known are: {known}")
        parameters = {"site": asked.site, "from": asked.start, "to": asked.end}
        return await self._answer(ask(view), asked.format, parameters)

    async def _answer(
        self, sql: str, fmt: str, parameters: dict[str, str]
    ) -> web.Response:
        store = self._holder.store
        if store is None:
            return _error(503, "store_unavailable", self._holder.problem)
        try:
            body, used = await asyncio.to_thread(
                store.read, sql, fmt, parameters, {"max_execution_time": self._seconds}
            )
        except GuardError as error:
            return _error(403, "not_allowed", str(error))
        except StoreRefused as error:
            return _error(
                400, "refused", f"{error.name} ({error.code}): {error.detail}"
            )
        except StoreUnavailable as error:
            return _error(503, "store_unavailable", str(error))
        return web.Response(
            body=body,
            content_type="application/octet-stream",
            # A FORMAT clause in the statement overrides what was asked for.
            headers={"X-ClickHouse-Format": used},
        )

    def _authorised(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(
            given.encode("utf-8", "replace"), f"Bearer {self._token}".encode()
        )


def admin_routes(runtime: Runtime, holder: Holder) -> list[web.RouteDef]:
    """Return the routes of the admin listener."""
    admin = Admin(runtime, holder)
    return [
        web.get("/health/live", admin.live),
        web.get("/health/ready", admin.ready),
        web.get("/metrics", admin.metrics),
        web.post("/sql", admin.sql),
        web.post("/query", admin.query),
    ]


def _error(status: int, code: str, message: str) -> web.Response:
    body = {"error": {"code": code, "message": message, "field": ""}}
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json"
    )
