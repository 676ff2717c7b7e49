"""
What a tracker needs around it: a collector that writes everything down, a site with
pages, and a browser that nobody drives.
"""

import asyncio
import json
import shutil
import string
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Page

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "collector/tracker/dist"
PAGES = Path(__file__).with_name("site")

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PERSON = "--disable-blink-features=AutomationControlled"

Event = dict[str, Any]


def chromium_path() -> str:
    """
    Where Chromium is. Without one these tests fail: who has none can deselect them.
    """
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("no chromium on the PATH; deselect with -m 'not browser'")
    return path


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[int]:
    """
    The loopback port on which `app` answers.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Post:
    """
    One request as it came, and the status it got.
    """

    headers: dict[str, str]
    text: str
    status: int
    at: float

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body."""
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def by_beacon(self) -> bool:
        """Whether sendBeacon sent it: unlike fetch it asks for no CORS answer."""
        return self.headers["Sec-Fetch-Mode"] == "no-cors"


@dataclass
class Recorder:
    """
    A collector that only remembers, and only one site's events: what the last pages of
    an earlier test still send is not this test's. `answers` are what it says next.
    """

    built: Path
    origin: str = ""
    site: str = ""
    posts: list[Post] = field(default_factory=list)
    choices: list[Post] = field(default_factory=list)
    preflights: int = 0
    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    consent_answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)

    def reset(self, site: str) -> None:
        """Forgets what came, and listens to another site."""
        self.site = site
        self.posts.clear()
        self.choices.clear()
        self.answers.clear()
        self.consent_answers.clear()
        self.preflights = 0

    @property
    def events(self) -> list[Event]:
        """Every accepted event, with the common fields filled in."""
        return [
            {**{k: v for k, v in post.body.items() if k != "events"}, **event}
            for post in self.posts
            if post.status == 202
            for event in post.body["events"]
        ]

    def named(self, name: str) -> list[Event]:
        """The accepted events of one name."""
        return [event for event in self.events if event["event"] == name]

    async def until(self, done: Callable[[], Any], seconds: float = 5) -> None:
        """Returns when `done` holds, and fails when it does not come to that."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                pytest.fail(f"still waiting; came: {self.events}")
            await asyncio.sleep(0.01)

    async def first(self, name: str) -> Event:
        """The first accepted event of that name."""
        return (await self.some(name, 1))[0]

    async def some(self, name: str, count: int) -> list[Event]:
        """The first `count` accepted events of that name."""
        await self.until(lambda: len(self.named(name)) >= count)
        return self.named(name)

    async def chosen(self, count: int) -> list[dict[str, Any]]:
        """The first `count` choices that were told for the record."""
        await self.until(lambda: len(self.choices) >= count)
        return [post.body for post in self.choices]

    async def post(self, request: web.Request) -> web.Response:
        """POST /e."""
        return await self._keep(request, self.posts, self.answers)

    async def consent(self, request: web.Request) -> web.Response:
        """POST /consent."""
        return await self._keep(request, self.choices, self.consent_answers)

    async def _keep(
        self,
        request: web.Request,
        posts: list[Post],
        answers: deque[tuple[int, dict[str, str]]],
    ) -> web.Response:
        text = await request.text()
        if json.loads(text)["site"] != self.site:
            return web.Response(status=202)
        status, extra = answers.popleft() if answers else (202, {})
        posts.append(Post(dict(request.headers), text, status, time.time()))
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "Retry-After",
            **extra,
        }
        return web.json_response({"accepted": 1}, status=status, headers=headers)

    async def preflight(self, _request: web.Request) -> web.Response:
        """A preflight, which the tracker must never need."""
        self.preflights += 1
        return web.Response(status=204)

    async def script(self, request: web.Request) -> web.Response:
        """The built files, open to every origin as `import()` asks."""
        return web.Response(
            text=(self.built / request.match_info["file"]).read_text(),
            content_type="text/javascript",
            headers={"Access-Control-Allow-Origin": "*"},
        )

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.router.add_post("/e", self.post)
        app.router.add_post("/elsewhere", self.post)
        app.router.add_post("/consent", self.consent)
        app.router.add_route("OPTIONS", "/{path:e|consent}", self.preflight)
        app.router.add_get("/{file:k(-vitals|-consent)?.js}", self.script)
        return app


async def refused(
    page: Page, recorder: Recorder, url: str, headers: dict[str, str]
) -> None:
    """
    Opens a page whose view the collector refuses, with these headers.
    """
    recorder.answers.append((503, headers))
    async with page.expect_response("**/e") as response:
        await page.goto(url)
    await (await response.value).finished()
    await page.wait_for_timeout(50)


@dataclass
class Site:
    """
    The pages in site/, for which a test sets the tag's attributes and the headers.
    """

    collector: str
    libraries: Path
    origin: str = ""
    other: str = ""
    name: str = ""
    attributes: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def reset(self, name: str) -> None:
        """Plain pages again, under a new name."""
        self.name = name
        self.attributes = f'data-site="{name}"'
        self.headers = {}

    def html(self, name: str) -> str:
        """A page with its blanks filled in."""
        page = string.Template((PAGES / f"{name}.html").read_text())
        return page.substitute(
            collector=self.collector, attributes=self.attributes, other=self.other
        )

    async def page(self, request: web.Request) -> web.Response:
        """GET /<page>."""
        path = PAGES / f"{request.match_info['name']}.html"
        if not path.exists():
            return web.Response(status=404)
        return web.Response(
            text=self.html(path.stem), content_type="text/html", headers=self.headers
        )

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.router.add_static("/lib", self.libraries)
        app.router.add_get("/{name}", self.page)
        return app


@dataclass
class Tabs:
    """
    A Chromium with no debugger attached to its pages, so that they really hide, lose
    the focus, close and prerender. It is told only to open, show and close tabs.
    """

    socket: aiohttp.ClientWebSocketResponse
    calls: int = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command to the browser itself."""
        self.calls += 1
        await self.socket.send_json(
            {"id": self.calls, "method": f"Target.{method}", "params": params}
        )
        answer: dict[str, Any] = {}
        while answer.get("id") != self.calls:
            answer = await self.socket.receive_json()
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str, *, background: bool = False) -> str:
        """Opens a tab and returns its id."""
        tab = await self.call("createTarget", url=url, background=background)
        return str(tab["targetId"])

    async def show(self, tab: str) -> None:
        """Brings a tab to the front."""
        await self.call("activateTarget", targetId=tab)

    async def close(self, tab: str) -> None:
        """Closes a tab."""
        await self.call("closeTarget", targetId=tab)


@asynccontextmanager
async def undriven(profile: Path) -> AsyncIterator[Tabs]:
    """
    Starts that Chromium with an empty profile.
    """
    process = await asyncio.create_subprocess_exec(
        chromium_path(),
        *FLAGS,
        PERSON,
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = profile / "DevToolsActivePort"
        for _ in range(1000):
            if port.exists() and port.read_text():
                break
            await asyncio.sleep(0.01)
        number, path = port.read_text().split()
        url = f"ws://127.0.0.1:{number}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as socket,
        ):
            yield Tabs(socket)
    finally:
        process.terminate()
        await process.wait()
