"""
Consent managers as they are: the visitor clicks in their banners, and what leaves the
page follows.
"""

import re
from typing import Any

import pytest
from cmp_pages import BANNERS, CHOSEN, SITUATIONS, Banner, custom
from playwright.async_api import Page
from tracker_stage import Recorder, Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

UUID7 = re.compile(r"0[0-9a-f]{7}-[0-9a-f]{4}-7\d{3}-8\d{3}-\d{12}")
# The categories after each situation; with the TCF there is a fourth.
YES = {"preference": True, "statistics": True, "marketing": True}
NO = {"preference": False, "statistics": False, "marketing": False}
LAST: dict[str, dict[str, Any]] = {
    "nothing": dict.fromkeys(YES, "requested"),
    "accept": YES,
    "refuse": NO,
    "change": {**NO, "statistics": True},
    "withdraw": NO,
}


def states(consent: dict[str, Any]) -> dict[str, Any]:
    """The categories of a consent object that every manager speaks of."""
    return {category: consent.get(category) for category in YES}


async def click_through(page: Page, banner: Banner, situation: str) -> None:
    """The visitor chooses, and chooses again."""
    for clicks in banner.steps(situation):
        for selector in clicks:
            await page.click(selector)
        await page.wait_for_timeout(50)


async def open_page(
    page: Page, site: Site, banner: Banner, attributes: str = ""
) -> None:
    """A page with a banner, on which nobody has chosen anything yet."""
    site.attributes += f" data-consent {attributes}"
    await page.goto(f"{site.origin}/home")
    await page.evaluate("localStorage.clear(), sessionStorage.clear()")
    await page.goto(f"{site.origin}/{banner.page}")
    await page.wait_for_function("Object.hasOwn(kastana, 'q')")


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("manager", BANNERS)
async def test_what_the_visitor_chooses_is_what_is_sent(
    page: Page,
    site: Site,
    recorder: Recorder,
    manager: str,
    situation: str,
) -> None:
    """
    Events carry the last choice, the record every choice, the device an id only while
    statistics are given.
    """
    await open_page(page, site, BANNERS[manager])
    await click_through(page, BANNERS[manager], situation)
    event = await custom(page, recorder, "afterwards")
    choices = await recorder.chosen(len(CHOSEN[situation]))
    await page.wait_for_timeout(50)
    kept = {cookie["name"] for cookie in await page.context.cookies()}

    assert LAST[situation] == states(event["consent"])
    assert manager == event["consent"]["source"]
    assert "explicit" == event["consent"]["method"]
    assert CHOSEN[situation] == tuple(choice["action"] for choice in choices)
    assert len(recorder.choices) == len(choices)
    assert (LAST[situation]["statistics"] is True) == ("_kastana" in kept)
    assert ("_kastana" in kept) == ("visitor" in event)
    for choice in choices:
        assert UUID7.fullmatch(choice["event_id"])
        assert site.name == choice["site"]
        assert manager == choice["consent"]["source"]
    if choices:
        assert LAST[situation] == states(choices[-1]["consent"])
