"""
How events travel: together, once, through refusals and losses, and past the page's end.
"""

import pytest
from playwright.async_api import Page
from tracker_stage import Recorder, Site, refused

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_one_request_for_what_happens_together(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Events of the same moment share a request.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.evaluate("for (const n of 'abc') kastana('event', n)")
    await recorder.some("custom", 3)

    assert len(recorder.posts) == 2


@pytest.mark.parametrize("refusal", [503, 429])
async def test_retry(page: Page, site: Site, recorder: Recorder, refusal: int) -> None:
    """
    An event that the collector could not take comes again with the same id, and once.
    """
    recorder.answers.append((refusal, {}))
    await page.goto(f"{site.origin}/home")
    view = await recorder.first("page_view")
    await page.evaluate("kastana('event', 'later')")
    await recorder.first("custom")

    first, second, _ = recorder.posts
    assert first.body["events"] == second.body["events"]
    assert second.body["sent_at"] > first.body["sent_at"]
    assert [e["event_id"] for e in recorder.named("page_view")] == [view["event_id"]]


async def test_lost_connection(page: Page, site: Site, recorder: Recorder) -> None:
    """
    An event that did not reach the collector comes again.
    """
    await page.route("**/e", lambda route: route.abort(), times=1)
    async with page.expect_event("requestfailed"):
        await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")


async def test_retry_after(page: Page, site: Site, recorder: Recorder) -> None:
    """
    The collector says when to come back, and nothing is sent before.
    """
    await refused(page, recorder, f"{site.origin}/home", {"Retry-After": "2"})
    await page.evaluate("kastana('event', 'meanwhile'); kastana('consent', {})")
    await recorder.first("custom")

    first, second = recorder.posts
    assert second.at - first.at >= 1.95
    assert [e["event"] for e in recorder.events] == ["page_view", "custom"]


async def test_backoff_grows(fresh_page: Page, site: Site, recorder: Recorder) -> None:
    """
    Each refusal in a row makes the pause longer, and an acceptance short again.
    """
    await fresh_page.add_init_script(
        """window.pauses = []
        const real = setTimeout
        window.setTimeout = (call, ms) => {
            if (ms > 500) pauses.push(Math.floor(ms / 1000))
            return real(call, Math.min(ms, 50))
        }"""
    )
    recorder.answers.extend([(503, {})] * 4)
    await fresh_page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    recorder.answers.append((503, {}))
    await fresh_page.evaluate("kastana('event', 'later')")
    await recorder.first("custom")

    assert await fresh_page.evaluate("pauses") == [1, 4, 9, 16, 1]


@pytest.mark.parametrize("refusal", [400, 413])
async def test_no_retry(
    page: Page, site: Site, recorder: Recorder, refusal: int
) -> None:
    """
    What the collector will never take is not sent again.
    """
    recorder.answers.append((refusal, {}))
    await page.goto(f"{site.origin}/home")
    await recorder.until(lambda: recorder.posts)
    await page.wait_for_timeout(300)
    await page.evaluate("kastana('event', 'later')")
    await recorder.first("custom")
    await page.goto(f"{site.origin}/bare")
    await recorder.first("page_ping")

    assert recorder.named("page_view") == []


async def test_leaving_ends_the_backoff(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Events that wait for a retry are sent when the page is left.
    """
    await refused(page, recorder, f"{site.origin}/home", {"Retry-After": "600"})
    await page.goto(f"{site.origin}/bare")

    assert await recorder.first("page_view")


async def test_bounded_queue(page: Page, site: Site, recorder: Recorder) -> None:
    """
    While the collector is away a page keeps 50 events, the oldest ones.
    """
    await refused(page, recorder, f"{site.origin}/home", {})
    await page.evaluate("for (let i = 0; i < 200; i++) kastana('event', 'n' + i)")
    events = await recorder.some("custom", 49)

    assert [e["name"] for e in events] == [f"n{i}" for i in range(49)]
    assert len(recorder.named("page_view")) == 1


async def test_large_bodies_get_through(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A body that is too large for keepalive is sent without it, and others with it.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.evaluate(
        """window.kept = []
        const real = fetch
        window.fetch = (url, init) => {
            kept.push(init.keepalive)
            return real(url, init)
        }
        kastana('event', 'small')"""
    )
    await recorder.first("custom")
    await page.evaluate(
        """for (let i = 0; i < 40; i++) kastana('event', 'large', Object.fromEntries(
            [0, 1, 2, 3, 4, 5].map((key) => ['p' + key, 'x'.repeat(500)])))"""
    )
    await recorder.some("custom", 41)

    assert await page.evaluate("kept") == [True, False]
    assert max(len(post.text) for post in recorder.posts) > 1 << 16


async def test_leaving(page: Page, site: Site, recorder: Recorder) -> None:
    """
    What happens in a page's last moment goes with sendBeacon.
    """
    await page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await page.wait_for_timeout(150)
    await page.evaluate("kastana('event', 'last'); location.href = '/bare'")
    await recorder.first("page_ping")
    await recorder.first("custom")

    # On a slow machine the page lasts until the event has gone its usual way.
    last = [post for post in recorder.posts if "page_ping" in post.text]
    assert [post.by_beacon for post in last] == [True]
    assert not recorder.posts[0].by_beacon
    assert last[0].headers["Content-Type"] == "text/plain;charset=UTF-8"


@pytest.mark.parametrize(
    "broken",
    ["delete Navigator.prototype.sendBeacon", "navigator.sendBeacon = () => false"],
)
async def test_without_beacon(
    fresh_page: Page, site: Site, recorder: Recorder, broken: str
) -> None:
    """
    Where sendBeacon is missing or refuses, fetch outlives the fresh_page.
    """
    await fresh_page.add_init_script(broken)
    await fresh_page.goto(f"{site.origin}/home")
    await recorder.first("page_view")
    await fresh_page.wait_for_timeout(150)
    await fresh_page.goto(f"{site.origin}/bare")
    await recorder.first("page_ping")

    assert [post.by_beacon for post in recorder.posts] == [False, False]
    assert recorder.preflights == 0


async def test_values_fit_the_wire(page: Page, site: Site, recorder: Recorder) -> None:
    """
    Long values are cut, and never through a character.
    """
    site.attributes += ' data-wait="60000"'
    await page.goto(f"{site.origin}/home?{'q' * 5000}")
    await page.evaluate(
        """document.title = 'x' + '😀'.repeat(400)
        kastana('event', 'n'.repeat(99), {
            url: 'p'.repeat(900), short: 'short', number: 1.5, flag: false, none: null,
            broken: '\\ud800',
        }, {category: 'marketing'})
        kastana('consent', {})"""
    )
    view = await recorder.first("page_view")
    event = await recorder.first("custom")

    assert len(view["url"]) == 4096
    assert view["title"] == "x" + "😀" * 249 + "�"
    assert event["name"] == "n" * 64
    assert event["category"] == "marketing"
    assert event["properties"] == {
        "url": "p" * 500,
        "short": "short",
        "number": 1.5,
        "flag": False,
        "none": None,
        "broken": "�",
    }
