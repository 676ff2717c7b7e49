"""
The demo site's two questions to the keeper, and its pages.

`POST /demo/explain` tells what the doors make of a request just sent, by the
doors' own code; `GET /demo/row/<event id>` gives the row that was kept, for the
demo site only.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path

import msgspec
import orjson
from aiohttp import web

from collector.admin import Holder
from collector.call import Call
from collector.explain import explain_call
from collector.links import Link, sign_link
from collector.runtime import Runtime
from collector.sites import DEMO_SITE
from pipeline.clock import now_ms
from schemas.short_id import short_id

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_EVENT_ID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
_ROW_SQL = (
    "SELECT {id:UUID} AS event_id, * EXCEPT event_key FROM kastana.events FINAL "  # noqa: S608 - constants
    "WHERE site = {site:String} AND event_key = " + short_id("{id:UUID}") + " LIMIT 1"
)


class ExplainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request a page just made: path with query, and body."""

    method: str
    target: str
    body: str = ""


class Demo:
    """The handlers of the demo site."""

    def __init__(self, runtime: Runtime, holder: Holder) -> None:
        """Bind the demo to the doors and the store."""
        self._doors = runtime.doors
        self._holder = holder
        self._collector = runtime.settings.base_url

    async def explain(self, request: web.Request) -> web.Response:
        """Tell what becomes of a request with this browser's own headers."""
        try:
            asked = msgspec.json.decode(await request.read(), type=ExplainRequest)
        except msgspec.MsgspecError:
            return web.json_response(
                {"error": "expected {method, target, body}"}, status=400
            )
        path, _, query = asked.target.partition("?")
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        call = Call(
            headers=list(request.headers.items()),
            peer=str(peer[0]) if isinstance(peer, tuple) else "",
            query=query,
            received_ms=now_ms(),
            method=asked.method.upper(),
        )
        body = asked.body.encode("utf-8", "replace")
        told = explain_call(asked.method, path, call, body, self._doors, why=True)
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    async def row(self, request: web.Request) -> web.Response:
        """Give a row of the demo site that the store has kept."""
        event_id = request.match_info["event_id"]
        store = self._holder.store
        if store is None or not _EVENT_ID.match(event_id):
            return web.json_response({"error": "no such row"}, status=404)
        body = await asyncio.to_thread(
            store.query,
            _ROW_SQL,
            "JSONEachRow",
            parameters={"site": DEMO_SITE, "id": event_id},
        )
        if not body.strip():
            # Not an error: the segment is still on its way to the store.
            return web.json_response({"status": "pending"}, status=202)
        return web.Response(body=body.strip(), content_type="application/json")

    async def config(self, _request: web.Request) -> web.Response:
        """Give the pages the collector's address and the demo site's name."""
        return web.json_response({"collector": self._collector, "site": DEMO_SITE})


def demo_routes(runtime: Runtime, holder: Holder) -> list[web.RouteDef]:
    """Return the routes of the demo site."""
    demo = Demo(runtime, holder)
    folder = Path(str(resources.files("collector") / "pages" / "demo"))
    words = _words(runtime)
    routes = [
        web.post("/demo/explain", demo.explain),
        web.get("/demo/row/{event_id}", demo.row),
        web.get("/demo/config", demo.config),
        web.get("/demo", _to_index),
        web.get("/", _to_index),
    ]
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            handler = _page(path, words)
            routes.append(web.get(f"/demo/{name}", handler))
            if name.endswith("index.html"):
                short = name.removesuffix("index.html")
                routes.append(web.get(f"/demo/{short}", handler))
    return routes


async def _to_index(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/demo/"})


def _words(runtime: Runtime) -> dict[str, str]:
    """Return what the pages cannot know by themselves, by placeholder."""
    settings = runtime.settings
    article = f"http://{settings.keeper_listen}/demo/article.html"
    link = Link(site=DEMO_SITE, target=article, mailing="demo", consent=("statistics",))
    signed = sign_link(link, runtime.folder.secret("link.key"))
    return {
        "{{collector}}": settings.base_url,
        "{{site}}": DEMO_SITE,
        "{{policy_version}}": runtime.policy.version,
        "{{mail_link}}": f"{settings.base_url}/r/{signed}",
    }


def _page(path: Path, words: dict[str, str]) -> Handler:
    kinds = {".html": "text/html", ".js": "text/javascript"}
    if path.suffix not in kinds:

        async def send(_request: web.Request) -> web.StreamResponse:
            return web.FileResponse(path, headers=_PAGE_HEADERS)

        return send
    text = path.read_text(encoding="utf-8")
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            text=text, content_type=kinds[path.suffix], headers=_PAGE_HEADERS
        )

    return handle
