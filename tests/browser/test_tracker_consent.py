"""
What the tracker stores, sends and forgets under each state of consent.
"""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route
from tracker_stage import Recorder, Site, refused

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{16,64}")

STORED = """async () => ({
    cookie: document.cookie,
    local: {...localStorage},
    session: {...sessionStorage},
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    files: (await Array.fromAsync(await navigator.storage.getDirectory())).length,
})"""
NOTHING = {
    "cookie": "",
    "local": {},
    "session": {},
    "databases": 0,
    "caches": 0,
    "workers": 0,
    "files": 0,
}


async def consent(page: Page, choice: dict[str, Any]) -> None:
    """The page's consent manager speaks."""
    await page.evaluate("(choice) => kastana('consent', choice)", choice)


async def custom(page: Page, recorder: Recorder, name: str) -> dict[str, Any]:
    """Sends a custom event and returns it as it arrived."""
    await page.evaluate("(name) => kastana('event', name)", name)
    sent: list[dict[str, Any]] = []

    def arrived() -> bool:
        sent[:] = [e for e in recorder.named("custom") if e["name"] == name]
        return bool(sent)

    await recorder.until(arrived)
    return sent[0]


async def cookies(person: BrowserContext) -> list[dict[str, Any]]:
    """The cookies of this browser."""
    return [dict(cookie) for cookie in await person.cookies()]


@pytest.mark.parametrize(
    "choice",
    [
        None,
        {"statistics": False, "marketing": True},
        {"statistics": "requested", "preference": "given"},
    ],
    ids=["unknown", "refused", "requested"],
)
async def test_nothing_is_stored(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder, choice: Any
) -> None:
    """
    Whatever happens on a page, nothing stays on the device without statistics consent.
    """
    site.attributes += " data-vitals"
    await page.goto(f"{site.origin}/home")
    if choice:
        await consent(page, choice)
    await page.evaluate("history.pushState(0, '', '/away')")
    await page.click("#mail")
    event = await custom(page, recorder, "bought")
    await recorder.first("web_vital")

    assert "visitor" not in event
    assert event["consent"] == (choice or {})
    assert await page.evaluate(STORED) == NOTHING
    assert await cookies(person) == []


async def test_an_old_pseudonym_is_not_sent(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    A pseudonym from an earlier visit waits for this visit's consent.
    """
    await page.goto(f"{site.origin}/queued")
    await recorder.first("page_view")
    await page.goto(f"{site.origin}/home")
    events = [await custom(page, recorder, "before the choice")]
    for state in (None, "unknown", "requested"):
        await consent(page, {"statistics": state})
        events.append(await custom(page, recorder, f"while {state}"))

    assert [event for event in events if "visitor" in event] == []
    assert len(await cookies(person)) == 1


@pytest.mark.parametrize("given", [True, "given"])
async def test_pseudonym(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder, given: Any
) -> None:
    """
    Statistics consent makes one first-party cookie, for at most 13 months.
    """
    await page.goto(f"{site.origin}/home")
    await consent(page, {"statistics": given})
    event = await custom(page, recorder, "bought")
    [cookie] = await cookies(person)
    lasts = cookie.pop("expires") - time.time()

    assert PSEUDONYM.fullmatch(event["visitor"])
    assert 390 < lasts / 86400 < 393
    assert cookie == {
        "name": "_kastana",
        "value": event["visitor"],
        "domain": "127.0.0.1",
        "path": "/",
        "httpOnly": False,
        "secure": False,
        "sameSite": "Lax",
    }


async def test_pseudonyms_differ(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    No two visitors get the same pseudonym.
    """
    for count in (1, 2, 3):
        await page.goto(f"{site.origin}/queued")
        views = await recorder.some("page_view", count)
        await person.clear_cookies()

    assert len({view["visitor"] for view in views}) == 3


async def test_pseudonym_is_not_extended(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    A later visit sends the same pseudonym and leaves its end where it was.
    """
    await page.goto(f"{site.origin}/queued")
    first = await recorder.first("page_view")
    [cookie] = await person.cookies()
    aged = {**cookie, "expires": time.time() + 1000}
    await person.clear_cookies()
    await person.add_cookies([aged])  # type: ignore[list-item]
    await page.goto(f"{site.origin}/queued")
    _, second = await recorder.some("page_view", 2)
    [kept] = await person.cookies()

    assert second["visitor"] == first["visitor"]
    assert kept["expires"] == pytest.approx(aged["expires"], abs=1)


async def test_cookie_is_secure_on_https(fresh_page: Page, built: Path) -> None:
    """
    On an encrypted page the cookie stays on encrypted pages.
    """
    script = (built / "k.js").read_text()

    async def answer(route: Route) -> None:
        if route.request.url.endswith("k.js"):
            await route.fulfill(body=script, content_type="text/javascript")
        elif route.request.url.endswith("/e"):
            await route.fulfill(status=202)
        else:
            await route.fulfill(
                body="<script src=/k.js data-site=shop.example></script>",
                content_type="text/html",
            )

    await fresh_page.route("https://shop.example/**", answer)
    await fresh_page.add_init_script(
        """window.written = []
        const {get, set} = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie')
        Object.defineProperty(document, 'cookie', {
            get() { return get.call(document) },
            set(text) { written.push(text); set.call(document, text) },
        })"""
    )
    await fresh_page.goto("https://shop.example/")
    await consent(fresh_page, {"statistics": True})
    [written] = await fresh_page.evaluate("written")
    name, *attributes = written.split("; ")

    assert name.startswith("_kastana=")
    assert attributes == ["Max-Age=33900000", "Path=/", "SameSite=Lax", "Secure"]


async def test_withdrawal(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    When consent ends the cookie goes, and the pseudonym is not sent any more.
    """
    await page.goto(f"{site.origin}/home")
    for state in (False, "refused", "withdrawn", "expired"):
        await consent(page, {"statistics": True})
        assert "visitor" in await custom(page, recorder, f"before {state}")
        await consent(page, {"statistics": state})
        event = await custom(page, recorder, f"after {state}")

        assert await cookies(person) == []
        assert event["consent"] == {"statistics": state}
        assert "visitor" not in event


async def test_forgetting(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    kastana('forget') withdraws the consent to statistics, and no other.
    """
    await page.goto(f"{site.origin}/home")
    await consent(page, {"statistics": True, "preference": True})
    assert "visitor" in await custom(page, recorder, "known")
    await page.evaluate("kastana('forget')")
    event = await custom(page, recorder, "forgotten")

    assert await cookies(person) == []
    assert event["consent"] == {"statistics": "withdrawn", "preference": True}
    assert "visitor" not in event


async def test_a_new_consent_makes_a_new_pseudonym(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Who was forgotten and consents again is someone else.
    """
    await page.goto(f"{site.origin}/queued")
    before = await recorder.first("page_view")
    await page.evaluate("kastana('forget')")
    await consent(page, {"statistics": True})
    after = await custom(page, recorder, "again")

    assert after["visitor"] != before["visitor"]


async def test_withdrawal_in_another_tab(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    When another tab removed the cookie this one sends no pseudonym either.
    """
    await page.goto(f"{site.origin}/queued")
    await recorder.first("page_view")
    other = await person.new_page()
    await other.goto(f"{site.origin}/home")
    await consent(other, {"statistics": False})
    event = await custom(page, recorder, "afterwards")

    assert "visitor" not in event


async def test_partial_choices_add_up(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A consent call changes what it names, and passes on the rest.
    """
    await page.goto(f"{site.origin}/home")
    await consent(page, {"marketing": False, "policy_version": "3"})
    await consent(page, {"statistics": True, "updated_at": 1700000000000})
    event = await custom(page, recorder, "bought")

    assert event["consent"] == {
        "marketing": False,
        "policy_version": "3",
        "statistics": True,
        "updated_at": 1700000000000,
    }


async def test_first_events_wait_for_the_choice(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    With data-wait the first page view has the consent that comes a little later.
    """
    site.attributes += ' data-wait="60000"'
    await page.goto(f"{site.origin}/home")
    await page.wait_for_timeout(300)
    assert recorder.posts == []
    await consent(page, {"statistics": True})
    view = await recorder.first("page_view")

    assert view["consent"] == {"statistics": True}
    assert "visitor" in view
    assert view["sent_at"] - view["occurred_at"] >= 300


async def test_waiting_ends(page: Page, site: Site, recorder: Recorder) -> None:
    """
    When no choice comes in time the first page view goes as unknown.
    """
    site.attributes += ' data-wait="700"'
    await page.goto(f"{site.origin}/home")
    view = await recorder.first("page_view")

    assert view["consent"] == {}
    assert view["sent_at"] - view["occurred_at"] >= 690


async def test_leaving_ends_the_waiting(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Who leaves before the choice is counted all the same.
    """
    site.attributes += ' data-wait="60000"'
    await page.goto(f"{site.origin}/home")
    await page.goto(f"{site.origin}/bare")

    assert (await recorder.first("page_view"))["consent"] == {}


async def test_later_consent_does_not_reach_back(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    An event that was sent as unknown stays unknown in a retry after the consent.
    """
    await refused(page, recorder, f"{site.origin}/home", {"Retry-After": "600"})
    await consent(page, {"statistics": True})
    await page.goto(f"{site.origin}/bare")
    view = await recorder.first("page_view")

    assert view["consent"] == {}
    assert "visitor" not in view


async def test_withdrawal_reaches_waiting_events(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    An event that was sent with a pseudonym loses it in a retry after the withdrawal.
    """
    await refused(page, recorder, f"{site.origin}/queued", {"Retry-After": "600"})
    await consent(page, {"statistics": False})
    await page.goto(f"{site.origin}/bare")
    view = await recorder.first("page_view")

    assert "visitor" in recorder.posts[0].body["events"][0]
    assert view["consent"] == {"statistics": False}
    assert "visitor" not in view


async def test_global_privacy_control(
    fresh_page: Page, site: Site, recorder: Recorder
) -> None:
    """
    GPC and DNT are told to the collector, and add no consent.
    """
    await fresh_page.set_extra_http_headers({"Sec-GPC": "1"})
    await fresh_page.add_init_script(
        "const tell = (name, value) =>"
        " Object.defineProperty(Navigator.prototype, name, {get: () => value});"
        "tell('globalPrivacyControl', true); tell('doNotTrack', '1')"
    )
    await fresh_page.goto(f"{site.origin}/home")
    await consent(fresh_page, {"statistics": True})
    # Not the page view: that may have gone before the choice was made.
    event = await custom(fresh_page, recorder, "bought")

    assert event["gpc"] is True
    assert event["dnt"] is True
    assert event["consent"] == {"statistics": True}
