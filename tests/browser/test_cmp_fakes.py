"""
Consent managers whose scripts need an account: objects in the documented shape of their
interfaces stand in for them.
"""

from typing import Any

import pytest
from cmp_pages import custom
from playwright.async_api import Page
from tracker_stage import Recorder, Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FAKES = (
    "cookiebot",
    "onetrust",
    "didomi",
    "usercentrics2",
    "usercentrics3",
    "cookieyes",
    "complianz",
    "osano",
    "iubenda",
    "tarteaucitron",
    "borlabs",
    "cookie_information",
)
ALL = {"p": True, "s": True, "m": True}
SOME = {"p": False, "s": True, "m": False}
NONE = {"p": False, "s": False, "m": False}


def choice(consent: dict[str, Any]) -> dict[str, Any]:
    """The categories, by their first letters; a support chat is in none of them."""
    return {
        letter: consent[category]
        for letter, category in zip(
            "psm", ("preference", "statistics", "marketing"), strict=True
        )
        if category in consent
    }


@pytest.mark.parametrize("name", FAKES)
async def test_choices_of_a_visitor(
    page: Page, site: Site, recorder: Recorder, name: str
) -> None:
    """
    Nothing chosen, everything, only statistics, nothing of it: as the manager says it,
    and what is told for the record agrees.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/home")
    await page.evaluate("sessionStorage.clear()")
    await page.goto(f"{site.origin}/cmp_fake?{name}")
    await page.wait_for_function("Object.hasOwn(kastana, 'q')")
    await page.wait_for_timeout(80)
    before = (await custom(page, recorder, "before"))["consent"]
    seen = []
    for step, made in enumerate((ALL, SOME, NONE)):
        await page.evaluate("(made) => choose(made)", made)
        await recorder.chosen(step + 1)
        seen.append(choice((await custom(page, recorder, f"step {step}"))["consent"]))
    told = await recorder.chosen(3)
    # As the visitor comes back nothing is chosen anew.
    await page.reload()
    await page.wait_for_function("Object.hasOwn(kastana, 'q')")
    await page.wait_for_timeout(300)
    again = (await custom(page, recorder, "again"))["consent"]

    assert {"requested", "unknown"} >= set(choice(before).values())
    kinds = "sm" if name == "tarteaucitron" else "psm"
    assert [{kind: made[kind] for kind in kinds} for made in (ALL, SOME, NONE)] == seen
    assert dict.fromkeys(kinds, False) == choice(again)
    assert ["give", "withdraw", "withdraw"] == [one["action"] for one in told]
    assert [None, [k for k in ("preference", "marketing") if k[0] in kinds]] == [
        one.get("categories") for one in told[:2]
    ]
    assert ["statistics"] == told[2]["categories"]
    assert told[0]["visitor"] == told[1]["visitor"] == told[2]["visitor"]
    assert name.rstrip("23") == again["source"]
    assert 3 == len(recorder.choices)
