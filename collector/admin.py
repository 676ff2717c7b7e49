"""
The keeper's admin listener: health, metrics, and SQL for the command line.

SQL needs the bearer token of `secrets/admin.token`; health and metrics say
nothing about anyone. Answers are the engine's bytes in the format asked for.
"""

import asyncio
import hmac
import logging
from datetime import date
from typing import Protocol

import msgspec
import orjson
from aiohttp import web

from collector import metrics
from collector.health import health
from collector.runtime import Runtime
from pipeline.load_breaker import Status
from pipeline.queries import ask, load_views
from pipeline.rollups import Rollups
from pipeline.sql_guard import GuardError
from pipeline.store import Store, StoreError, StoreRefused, StoreUnavailable
from schemas.rollups import load_rollups

_log = logging.getLogger("kastana.admin")


class Holder(Protocol):
    """Where the store stands, and why not."""

    store: Store | None
    rollups: Rollups | None

    @property
    def problem(self) -> str:
        """Why the store cannot be used now."""

    @property
    def loading(self) -> Status | None:
        """How loading goes; None until the store was opened."""


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


class RebuildRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rollup, and of which site and days its hours are to be built again."""

    name: str
    site: str
    start: date
    end: date


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
        body = health(problem, self._holder.loading)
        return web.json_response(body, status=503 if problem else 200)

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

    async def rebuild(self, request: web.Request) -> web.Response:
        """`POST /rollup/rebuild`: put hours of a rollup down to be built again."""
        if not self._authorised(request):
            return _error(401, "unauthorised", "the admin token is missing or wrong")
        try:
            asked = msgspec.json.decode(await request.read(), type=RebuildRequest)
        except msgspec.MsgspecError:
            return _error(400, "bad_request", "expected {name, site, start, end}")
        if asked.name not in load_rollups():
            known = ", ".join(load_rollups())
            return _error(404, "unknown_rollup", f"known are: {known}")
        rollups = self._holder.rollups
        if rollups is None:
            return _error(503, "store_unavailable", self._holder.problem)
        days = (asked.start.isoformat(), asked.end.isoformat())
        try:
            await asyncio.to_thread(rollups.rebuild, asked.name, asked.site, *days)
        except StoreError as error:
            return _error(503, "store_unavailable", str(error))
        return web.json_response({"marked": asked.name})

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
        web.post("/rollup/rebuild", admin.rebuild),
    ]


def _error(status: int, code: str, message: str) -> web.Response:
    body = {"error": {"code": code, "message": message, "field": ""}}
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json"
    )
