"""
What visitors do on a page, how long and how far they look, and what fails.
"""

import asyncio
import time

import pytest
from playwright.async_api import BrowserContext, Page
from tracker_stage import Recorder, Site, Tabs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def open_home(page: Page, site: Site, recorder: Recorder) -> None:
    """Opens the page, on which no click leads away."""
    await page.goto(f"{site.origin}/home")
    await page.evaluate("addEventListener('click', (e) => e.preventDefault())")
    await recorder.first("page_view")


async def actions(page: Page, recorder: Recorder) -> list[tuple[str, str | None]]:
    """Names and targets of everything after the page view, up to now."""
    await page.evaluate("kastana('event', 'end')")
    await recorder.first("custom")
    return [(e["event"], e.get("target_url")) for e in recorder.events[1:-1]]


async def test_outbound_links(page: Page, site: Site, recorder: Recorder) -> None:
    """
    Links to other hosts count; of a mail address or a number only the scheme is sent.
    """
    await open_home(page, site, recorder)
    for link in ("next", "fragment", "script", "outbound", "mail", "phone"):
        await page.click(f"#{link}")

    assert await actions(page, recorder) == [
        ("link_click", f"{site.other}/bare?from=home#top"),
        ("link_click", "mailto:"),
        ("link_click", "tel:"),
    ]
    assert "ada@" not in "".join(post.text for post in recorder.posts)
    assert "+41" not in "".join(post.text for post in recorder.posts)


async def test_buttons_of_the_mouse(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    The middle button follows a link into another tab; the right one does not.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.click("#outbound", button="right")
    async with person.expect_page() as opened:
        await page.click("#outbound", button="middle")
    await (await opened.value).close()

    target = f"{site.other}/bare?from=home#top"
    assert await actions(page, recorder) == [("link_click", target)]


async def test_links_that_pages_handle(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A link inside a shadow tree counts, also when the page stops the event.
    """
    await open_home(page, site, recorder)
    await page.evaluate(
        """(href) => {
            const root = document.querySelector('#host').attachShadow({mode: 'open'})
            root.innerHTML = `<a href="${href}"><b id="inner">in the shadow</b></a>`
            root.addEventListener('click', (e) => {
                e.preventDefault(); e.stopImmediatePropagation()
            })
        }""",
        f"{site.other}/shadow",
    )
    await page.click("#inner")

    assert await actions(page, recorder) == [("link_click", f"{site.other}/shadow")]


async def test_downloads(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A file is known by its extension or by the attribute of the link.
    """
    await open_home(page, site, recorder)
    await page.click("#pdf")
    await page.click("#saved")

    assert await actions(page, recorder) == [
        ("file_download", f"{site.origin}/prices.PDF?v=2"),
        ("file_download", f"{site.origin}/next"),
    ]


async def test_a_click_that_leaves(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A link that leads away at once is counted before the page is gone.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.click("#outbound")

    assert await recorder.first("link_click")


async def test_forms(page: Page, site: Site, recorder: Recorder) -> None:
    """
    A form that is sent is named by its id, else its name; what it holds stays there.
    """
    await open_home(page, site, recorder)
    await page.evaluate("addEventListener('submit', (e) => e.preventDefault())")
    await page.evaluate(
        "for (const b of document.querySelectorAll('button'))"
        " b.addEventListener('click', (e) => e.stopPropagation())"
    )
    await page.fill("#email", "ada@example.org")
    for button in await page.query_selector_all("button"):
        await button.click()
    sent = await recorder.some("form_submit", 3)

    assert [event.get("form_id") for event in sent] == ["order", "search", None]
    wire = "".join(post.text for post in recorder.posts)
    assert "ada@" not in wire
    assert "clobbered" not in wire


async def test_exceptions(page: Page, site: Site, recorder: Recorder) -> None:
    """
    Uncaught errors and rejections are told with type, message and stack, each once.
    """
    await open_home(page, site, recorder)
    await page.add_script_tag(
        content="""
        function fails() { null.field }
        setTimeout(fails); setTimeout(fails)
        setTimeout(() => { throw 'a bare string' })
        Promise.reject(new RangeError('too far'))
        const image = new Image()
        image.src = '/missing.png'
        document.body.append(image)
        """
    )
    errors = await recorder.some("exception", 3)
    await page.wait_for_timeout(200)

    assert {(e["exception_type"], e["exception_message"]) for e in errors} == {
        ("TypeError", "Cannot read properties of null (reading 'field')"),
        ("Error", "Uncaught a bare string"),
        ("RangeError", "too far"),
    }
    stacks = [e.get("exception_stacktrace", "") for e in errors]
    assert sum("at fails" in stack for stack in stacks) == 1
    assert len(recorder.named("exception")) == 3


async def test_exceptions_are_limited(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A page that fails over and over tells of five errors, and its next route of more.
    """
    await open_home(page, site, recorder)
    fail = "for (let i = 0; i < 9; i++) setTimeout(() => { throw Error('n' + i) })"
    await page.evaluate(f"{{{fail}}}")
    await recorder.some("exception", 5)
    await page.evaluate(f"history.pushState(0, '', '/again'); {fail}")
    errors = await recorder.some("exception", 10)
    await page.wait_for_timeout(200)

    assert [e["exception_message"] for e in errors] == [f"n{i}" for i in range(5)] * 2
    assert len(recorder.named("exception")) == 10


async def test_long_errors_are_cut(page: Page, site: Site, recorder: Recorder) -> None:
    """
    Message and stack fit the collector's limits.
    """
    await open_home(page, site, recorder)
    await page.evaluate(
        """() => {
            const error = Error('m'.repeat(9000))
            error.stack = 's'.repeat(9000)
            setTimeout(() => { throw error })
        }"""
    )
    event = await recorder.first("exception")

    assert len(event["exception_message"]) == 500
    assert len(event["exception_stacktrace"]) == 4096


async def test_scroll_depth(page: Page, site: Site, recorder: Recorder) -> None:
    """
    The depth is what was seen of the document, in per cent, however far the visitor
    has scrolled back: the share that other trackers report of this visit.
    """
    await open_home(page, site, recorder)
    await page.evaluate(
        """() => {
            const canvas = document.querySelector('#tall')
            canvas.height += 4694 - document.documentElement.scrollHeight
        }"""
    )
    await page.mouse.move(600, 400)
    await page.mouse.wheel(0, 2400)
    await page.wait_for_function("scrollY === 2400")
    await page.mouse.wheel(0, -1000)
    await page.wait_for_function("scrollY === 1400")
    await page.evaluate("history.pushState(0, '', '/away')")
    ping = await recorder.first("page_ping")

    assert ping["scroll_depth"] == 68
    assert ping["url"] == f"{site.origin}/home"
    assert ping["title"] == "Home"


async def test_depth_starts_anew_on_each_route(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A route that was not scrolled does not inherit the depth of the one before.
    """
    await open_home(page, site, recorder)
    await page.evaluate("scrollTo(0, 4000)")
    await page.wait_for_timeout(150)
    await page.evaluate("history.pushState(0, '', '/away'); scrollTo(0, 0)")
    await page.wait_for_timeout(150)
    await page.evaluate("history.pushState(0, '', '/further')")
    first, second = await recorder.some("page_ping", 2)

    assert first["scroll_depth"] == 100
    assert second["scroll_depth"] < 30
    assert second["url"] == f"{site.origin}/away"


async def test_nothing_new_is_not_told(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A page that was left at once sends no ping.
    """
    await open_home(page, site, recorder)
    await page.wait_for_timeout(150)
    await page.evaluate("for (const p of 'abc') history.pushState(0, '', '/' + p)")
    await recorder.some("page_view", 4)

    assert len(recorder.named("page_ping")) == 1


async def test_engaged_time_in_tabs(tabs: Tabs, site: Site, recorder: Recorder) -> None:
    """
    Time counts while the tab is in front. Each ping has what no ping had before: one
    when the tab is hidden, one when it is closed.
    """
    tab = await tabs.open(f"{site.origin}/home")
    view = await recorder.first("page_view")
    await asyncio.sleep(2)
    other = await tabs.open(f"{site.origin}/bare")
    first = await recorder.first("page_ping")
    seen = first["occurred_at"] - view["occurred_at"]

    assert seen * 0.5 <= first["engaged_ms"] <= seen + 50

    await asyncio.sleep(0.6)
    shown = time.time() * 1000
    await tabs.show(tab)
    await asyncio.sleep(1.5)
    await tabs.close(tab)
    _, second = await recorder.some("page_ping", 2)
    await tabs.close(other)

    assert 250 <= second["engaged_ms"] <= second["occurred_at"] - shown + 50
    assert second["scroll_depth"] == first["scroll_depth"]


async def test_unseen_tab(tabs: Tabs, site: Site, recorder: Recorder) -> None:
    """
    A tab that was only opened in the background has a view and no ping.
    """
    front = await tabs.open(f"{site.origin}/bare")
    tab = await tabs.open(f"{site.origin}/home", background=True)
    await recorder.first("page_view")
    await asyncio.sleep(0.3)
    await tabs.close(tab)
    await asyncio.sleep(0.3)
    await tabs.close(front)

    assert [event["event"] for event in recorder.events] == ["page_view"]


async def test_engaged_time_needs_the_focus(
    fresh_page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    Time does not count while another window has the focus, though the page is in sight.
    """
    await open_home(fresh_page, site, recorder)
    session = await person.new_cdp_session(fresh_page)
    await session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    await fresh_page.wait_for_timeout(200)
    other = await person.new_page()
    await other.bring_to_front()
    await fresh_page.wait_for_function("!document.hasFocus()")
    blurred = time.time()
    assert await fresh_page.evaluate("document.visibilityState") == "visible"
    await fresh_page.wait_for_timeout(600)
    away = (time.time() - blurred) * 1000
    await fresh_page.evaluate("history.pushState(0, '', '/away')")
    ping = await recorder.first("page_ping")
    view = await recorder.first("page_view")

    assert 150 <= ping["engaged_ms"]
    assert ping["engaged_ms"] <= ping["occurred_at"] - view["occurred_at"] - away + 50


async def test_web_vitals(page: Page, site: Site, recorder: Recorder) -> None:
    """
    With data-vitals the five metrics arrive, for the page that was loaded.
    """
    site.attributes += " data-vitals"
    await open_home(page, site, recorder)
    await recorder.some("web_vital", 2)
    await page.click("h1")
    await page.wait_for_function("performance.getEntriesByType('first-input').length")
    await page.evaluate("history.pushState(0, '', '/away'); document.title = 'Away'")
    await page.goto(f"{site.origin}/bare")
    await recorder.until(lambda: len({*vitals(recorder)}) == 5)

    for vital in recorder.named("web_vital"):
        assert vital["url"] == f"{site.origin}/home"
        assert vital["title"] == "Home"
        assert vital["web_vital_value"] >= 0
        assert vital["web_vital_rating"] in {"good", "needs-improvement", "poor"}
        assert vital["navigation_type"] == "navigate"
    assert {*vitals(recorder)} == {"LCP", "CLS", "INP", "FCP", "TTFB"}


def vitals(recorder: Recorder) -> list[str]:
    """The names of the metrics that came."""
    return [vital["web_vital_name"] for vital in recorder.named("web_vital")]


async def test_a_grown_vital_replaces_the_first(
    tabs: Tabs, site: Site, recorder: Recorder
) -> None:
    """
    A metric that grows after it was told is told again under the same id.
    """
    site.attributes += " data-vitals"
    tab = await tabs.open(f"{site.origin}/shifting")
    await recorder.until(lambda: "FCP" in vitals(recorder))
    other = await tabs.open(f"{site.origin}/bare")
    await recorder.until(lambda: "CLS" in vitals(recorder))
    await tabs.show(tab)
    await asyncio.sleep(1.5)
    await tabs.close(tab)
    await recorder.until(lambda: vitals(recorder).count("CLS") == 2)
    await tabs.close(other)
    shifts = [v for v in recorder.named("web_vital") if v["web_vital_name"] == "CLS"]

    assert shifts[0]["web_vital_value"] < shifts[1]["web_vital_value"]
    assert shifts[0]["event_id"] == shifts[1]["event_id"]
    assert shifts[0]["occurred_at"] == shifts[1]["occurred_at"]


async def test_no_vitals_unless_asked(
    fresh_page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Without data-vitals the second file is not even loaded.
    """
    loaded: list[str] = []
    fresh_page.on("request", lambda request: loaded.append(request.url))
    await open_home(fresh_page, site, recorder)
    await fresh_page.goto(f"{site.origin}/bare")
    await recorder.first("page_ping")

    assert not [url for url in loaded if "vitals" in url]
    assert recorder.named("web_vital") == []
