"""
The tracker in a real browser: its size, page views, and the attributes of its tag.
"""

import gzip
import json
import re
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page
from tracker_stage import ROOT, Recorder, Site, Tabs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

UUID7 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)


async def test_size(built: Path) -> None:
    """
    The core weighs at most 2 KB on the wire.
    """
    packed = gzip.compress((built / "k.js").read_bytes(), 9)

    assert len(packed) <= 2048


async def test_licence_of_web_vitals(built: Path) -> None:
    """
    The second file names whose work it contains, in the version it was built with.
    """
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    text = (built / "k-vitals.js").read_text()

    assert f"web-vitals {pinned['web-vitals']}, Copyright 2020 Google LLC" in text
    assert "Apache-2.0" in text


async def test_page_view(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A page view is one simple request that says where, when and on what screen.
    """
    before = time.time() * 1000
    await page.goto(f"{site.origin}/home")
    event = await recorder.first("page_view")

    assert UUID7.fullmatch(event.pop("event_id"))
    assert before - 1 <= event.pop("occurred_at") <= event.pop("sent_at")
    assert event == {
        "event": "page_view",
        "site": site.name,
        "url": f"{site.origin}/home",
        "referrer": "",
        "title": "Home",
        "language": "de-CH",
        "time_zone": "Europe/Zurich",
        "viewport": "1280x800",
        "screen": "1280x800",
        "consent": {},
        "dnt": False,
        "automated": False,
    }
    [post] = recorder.posts
    assert post.headers["Content-Type"] == "text/plain;charset=UTF-8"
    assert recorder.preflights == 0


async def test_event_id_time(page: Page, site: Site, recorder: Recorder) -> None:
    """
    The first 48 bits of an event id are its time.
    """
    await page.goto(f"{site.origin}/home")
    event = await recorder.first("page_view")

    millis = int(event["event_id"].replace("-", "")[:12], 16)
    assert abs(millis - event["occurred_at"]) < 1000


async def test_no_credentials(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    The collector's own cookies stay home.
    """
    await person.add_cookies(
        [{"name": "session", "value": "secret", "url": recorder.origin}]
    )
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")

    assert "Cookie" not in recorder.posts[0].headers


async def test_classic_navigation(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A page reached by a link says where the visitor came from.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.click("#next")
    _, event = await recorder.some("page_view", 2)

    assert event["url"] == f"{site.origin}/next"
    assert event["referrer"] == f"{site.origin}/home"


async def test_routes_of_an_application(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    pushState, replaceState and back to another path are page views, with the previous
    address as referrer and the title that the application sets afterwards.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.evaluate("history.pushState(0, '', '/a'); document.title = 'A'")
    await recorder.some("page_view", 2)
    await page.evaluate("history.replaceState(0, '', '/b'); document.title = 'B'")
    await recorder.some("page_view", 3)
    await page.evaluate("history.back()")
    views = await recorder.some("page_view", 4)

    paths = ["/home", "/a", "/b", "/home"]
    assert [view["url"] for view in views] == [site.origin + path for path in paths]
    assert [view["referrer"] for view in views] == [
        "",
        *(site.origin + path for path in paths[:-1]),
    ]
    assert [view["title"] for view in views[:3]] == ["Home", "A", "B"]


async def test_same_path_is_the_same_page(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A new query or fragment is no page view.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.evaluate("history.pushState(0, '', '?sort=price')")
    await page.click("#fragment")
    await page.evaluate("kastana('event', 'done')")
    await recorder.first("custom")

    assert len(recorder.named("page_view")) == 1


async def test_hash_routes(page: Page, site: Site, recorder: Recorder) -> None:
    """
    With data-hash a new fragment is a page view.
    """
    site.attributes += " data-hash"
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.click("#fragment")
    _, view = await recorder.some("page_view", 2)

    assert view["url"] == f"{site.origin}/home#part"


async def test_page_command(page: Page, site: Site, recorder: Recorder) -> None:
    """
    kastana('page') counts a view that no change of path shows.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.evaluate("history.pushState(0, '', '?step=2'); kastana('page')")
    _, view = await recorder.some("page_view", 2)

    assert view["url"] == f"{site.origin}/home?step=2"
    assert view["referrer"] == f"{site.origin}/home"


async def test_back_forward_cache(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A page that comes back from the back/forward cache is viewed again, and was not
    looked at in between.
    """
    await page.goto(f"{site.origin}/home")
    await page.evaluate("window.kept = true")
    await recorder.first("page_view")
    await page.click("#next")
    await recorder.some("page_view", 2)
    await page.wait_for_timeout(300)
    await page.evaluate("void history.back()")
    views = await recorder.some("page_view", 3)
    await recorder.some("page_ping", 2)

    pings = [ping["url"].rsplit("/")[-1] for ping in recorder.named("page_ping")]
    assert pings == ["home", "next"]
    assert await page.evaluate("window.kept")
    assert [view["url"].rsplit("/")[-1] for view in views] == ["home", "next", "home"]
    assert len({view["event_id"] for view in views}) == 3


async def test_prerendering(tabs: Tabs, site: Site, recorder: Recorder) -> None:
    """
    A prerendered page is viewed when it is shown, and not before.
    """
    opened = time.time()
    tab = await tabs.open(f"{site.origin}/prerendering")
    await recorder.until(lambda: recorder.named("page_view"), 15)
    view = await recorder.first("page_view")
    loaded = await recorder.first("custom")
    await tabs.close(tab)

    assert view["url"] == f"{site.origin}/prerendered"
    assert view["occurred_at"] / 1000 - opened > 4
    assert loaded["properties"] == {"prerendering": True}


async def test_queue(page: Page, site: Site, recorder: Recorder) -> None:
    """
    Calls from before the tracker was there are carried out, the consent first of all.
    """
    await page.goto(f"{site.origin}/queued")
    view = await recorder.first("page_view")
    early = await recorder.first("custom")

    assert view["consent"] == {"statistics": True}
    assert early["name"] == "early"
    assert early["properties"] == {"step": 1}
    assert early["visitor"] == view["visitor"]


async def test_strict_content_security_policy(
    fresh_page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A page that allows nothing but the collector is tracked without a violation.
    """
    site.attributes += " data-vitals"
    site.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {recorder.origin}; "
        f"connect-src {recorder.origin}; form-action 'none'"
    )
    messages: list[str] = []
    fresh_page.on("console", lambda message: messages.append(message.text))
    await fresh_page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await fresh_page.evaluate("kastana('consent', {statistics: true})")
    await fresh_page.evaluate("kastana('event', 'allowed')")
    await recorder.first("custom")
    await recorder.first("web_vital")

    assert messages == []


async def test_nonce_is_enough(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A page that allows scripts by nonce allows the second file with the first one's.
    """
    site.attributes += ' data-vitals nonce="n0nce"'
    site.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-n0nce'; connect-src {recorder.origin}"
    )
    await page.goto(f"{site.origin}/home")

    assert await recorder.first("web_vital")


async def test_automated_browser(
    automated_chromium: Browser, site: Site, recorder: Recorder
) -> None:
    """
    An automated browser sends nothing, and the page may still call kastana().
    """
    page = await automated_chromium.new_page()
    await page.goto(f"{site.origin}/home")
    await page.evaluate("kastana('event', 'no one')")
    await page.wait_for_timeout(300)
    await page.close()

    assert recorder.posts == []


async def test_automated_on_request(
    automated_chromium: Browser, site: Site, recorder: Recorder
) -> None:
    """
    With data-automated it sends, and says what it is.
    """
    site.attributes += " data-automated"
    page = await automated_chromium.new_page()
    await page.goto(f"{site.origin}/home")
    event = await recorder.first("page_view")
    await page.close()

    assert event["automated"] is True


async def test_missing_site(page: Page, site: Site, recorder: Recorder) -> None:
    """
    Without data-site nothing is sent, and the console tells why.
    """
    site.attributes = ""
    async with page.expect_console_message() as message:
        await page.goto(f"{site.origin}/home")
    await page.wait_for_timeout(200)

    assert (await message.value).text == "kastana: no data-site"
    assert (await message.value).type == "warning"
    assert recorder.posts == []


async def test_second_tag(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A page with the tag twice is counted once.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.evaluate(
        """() => new Promise((onload) => {
            const {src, dataset} = document.querySelector('script')
            const script = document.createElement('script')
            Object.assign(script.dataset, dataset)
            Object.assign(script, {src, onload})
            document.head.append(script)
        })"""
    )
    await page.wait_for_timeout(200)

    assert len(recorder.named("page_view")) == 1


async def test_endpoint(page: Page, site: Site, recorder: Recorder) -> None:
    """
    data-endpoint says where to send.
    """
    site.attributes += f' data-endpoint="{recorder.origin}/elsewhere"'
    async with page.expect_request("**/elsewhere"):
        await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")


@pytest.mark.parametrize("debug", [True, False])
async def test_debug_event(
    fresh_page: Page, site: Site, recorder: Recorder, *, debug: bool
) -> None:
    """
    With data-debug, and only then, the page hears of each event that is sent.
    """
    site.attributes += " data-debug" if debug else ""
    await fresh_page.add_init_script(
        "window.heard = [];"
        "addEventListener('kastana:sent', (e) => heard.push(e.detail.event_id))"
    )
    await fresh_page.goto(f"{site.origin}/home")
    event = await recorder.first("page_view")

    expected = [event["event_id"]] if debug else []
    assert await fresh_page.evaluate("heard") == expected
