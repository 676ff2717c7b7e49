"""
What is told for the record of consent, by banners of the page's own and otherwise, and
that nothing of it lets a retry widen.
"""

import json

import pytest
from cmp_pages import BANNERS, custom
from playwright.async_api import BrowserContext, Page
from tracker_stage import Recorder, Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

READY = "Object.hasOwn(kastana, 'q')"


async def test_choice_before_the_file_has_loaded(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A choice made early is applied at once, and recorded once.
    """
    site.attributes += ' data-consent="" data-notice="banner-7"'
    await page.goto(f"{site.origin}/cmp_own?early")
    [told] = await recorder.chosen(1)
    view = await recorder.first("page_view")
    await page.wait_for_timeout(100)

    assert "give" == told["action"]
    assert {"statistics": True, "marketing": False, "method": "explicit"} == told[
        "consent"
    ]
    assert view["visitor"] == told["visitor"]
    assert "banner-7" == told["notice"]
    assert "de-CH" == told["language"]
    assert "categories" not in told
    assert told["sent_at"] >= told["occurred_at"]
    assert 1 == len(recorder.choices)
    assert 0 == recorder.preflights


async def test_forgetting_is_a_withdrawal(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    The record of a withdrawal has the pseudonym that the device has no longer.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/cmp_own?early")
    [given] = await recorder.chosen(1)
    await page.evaluate("kastana('forget')")
    _, told = await recorder.chosen(2)

    assert "withdraw" == told["action"]
    assert ["statistics"] == told["categories"]
    assert given["visitor"] == told["visitor"]
    assert [] == await person.cookies()


async def test_choices_work_without_the_bridge(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Without data-consent a choice is consent, and nothing is recorded.
    """
    await page.goto(f"{site.origin}/cmp_own?early")
    view = await recorder.first("page_view")
    await page.evaluate("kastana('choose', {statistics: false})")
    event = await custom(page, recorder, "refused")

    assert "visitor" in view
    assert {"statistics": False, "marketing": False} == event["consent"]
    assert [] == recorder.choices


async def test_record_is_told_again(page: Page, site: Site, recorder: Recorder) -> None:
    """
    What the collector could not take comes again, under the same id.
    """
    site.attributes += " data-consent"
    recorder.consent_answers.append((503, {"Retry-After": "1"}))
    await page.goto(f"{site.origin}/cmp_own?early")
    first, second = await recorder.chosen(2)

    assert first["event_id"] == second["event_id"]
    assert first["occurred_at"] == second["occurred_at"]
    assert first["sent_at"] < second["sent_at"]
    assert recorder.choices[1].at - recorder.choices[0].at >= 0.99


async def test_what_is_invalid_is_not_told_again(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    A choice that the collector refuses is refused for good.
    """
    site.attributes += " data-consent"
    recorder.consent_answers.append((400, {}))
    await page.goto(f"{site.origin}/cmp_own?early")
    await recorder.chosen(1)
    await page.wait_for_timeout(1500)

    assert 1 == len(recorder.choices)


async def test_nobody_asks_without_a_manager(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Where no manager is, nothing is said.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/cmp_own")
    await page.wait_for_function(READY)
    await page.wait_for_timeout(400)
    event = await custom(page, recorder, "unasked")

    assert {} == event["consent"]
    assert [] == recorder.choices


async def test_implied_is_no_consent(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    A yes that came from mere use is told as such, and stores nothing.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/cmp_own?implied")
    await page.wait_for_function(READY)
    event = await custom(page, recorder, "used")

    assert {
        "preference": "unknown",
        "statistics": "unknown",
        "marketing": "unknown",
        "method": "implied",
        "source": "cookiebot",
    } == event["consent"]
    assert [] == await person.cookies()
    assert [] == recorder.choices


async def test_global_privacy_platform(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    The string goes as it is; an opt-out closes marketing and is recorded.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/cmp_own?gpp")
    await page.wait_for_function(READY)
    before = (await custom(page, recorder, "before"))["consent"]
    await page.evaluate("tell(true)")
    [told] = await recorder.chosen(1)
    after = (await custom(page, recorder, "after"))["consent"]

    assert ("DBABLA~CAAqAAAAAABA.QA", [7]) == (before["gpp"], before["gpp_sid"])
    assert "marketing" not in before
    assert ("DBABLA~CVVVkkkkkpFY.YA", False) == (after["gpp"], after["marketing"])
    assert "refuse" == told["action"]


async def test_own_mapping(page: Page, site: Site, recorder: Recorder) -> None:
    """
    What the site maps decides its category alone; forced, no other manager is asked.
    """
    mapping = json.dumps({"chat": "statistics", "adserver": ""})
    site.attributes += (
        f" data-consent=klaro data-consent-map='{mapping}' data-policy-version=v9"
    )
    await page.goto(f"{site.origin}/cmp_klaro")
    await page.wait_for_function(READY)
    for selector in (
        "#again",
        ".klaro label[for=purpose-item-functional]",
        ".klaro .cookie-modal .cm-btn-accept",
    ):
        await page.click(selector)
    [told] = await recorder.chosen(1)

    assert "give" == told["action"]
    assert {
        "preference": True,
        "statistics": True,
        "marketing": False,
        "method": "explicit",
        "source": "klaro",
        "policy_version": "v9",
    } == told["consent"]


async def test_whole_strings(
    page: Page, person: BrowserContext, site: Site, recorder: Recorder
) -> None:
    """
    A string is never cut; where purpose 1 was not asked for nothing may be stored.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/cmp_own?long")
    await page.wait_for_function(READY)
    consent = (await custom(page, recorder, "long"))["consent"]

    assert "C" + "A" * 900 == consent.pop("gdpr_consent")
    assert {
        "gdpr": 1,
        "preference": False,
        "statistics": "unknown",
        "marketing": "unknown",
        "precise_location": False,
        "method": "explicit",
        "source": "tcf",
    } == consent
    assert [] == await person.cookies()
    assert [] == recorder.choices


async def test_strings_stay_out_of_retries(
    page: Page, site: Site, recorder: Recorder
) -> None:
    """
    Neither a newer string nor a newer policy joins an event that was sent before.
    """
    site.attributes += " data-consent"
    await page.goto(f"{site.origin}/bare")
    await page.evaluate("localStorage.clear()")
    await page.goto(f"{site.origin}/{BANNERS['tcf'].page}")
    await page.wait_for_function(READY)
    await custom(page, recorder, "settled")
    recorder.answers.append((503, {"Retry-After": "600"}))
    async with page.expect_response("**/e") as response:
        await page.evaluate("kastana('event', 'undecided')")
    await (await response.value).finished()
    await page.wait_for_timeout(50)
    await page.click("#accept")
    [told] = await recorder.chosen(1)
    await page.evaluate(
        "kastana('consent', {gdpr_consent: 'C'.repeat(400), policy_version: 'v2'})"
    )
    await page.goto(f"{site.origin}/bare")
    await recorder.until(
        lambda: [e for e in recorder.named("custom") if e["name"] == "undecided"]
    )
    [again] = [e for e in recorder.named("custom") if e["name"] == "undecided"]

    assert told["consent"]["gdpr_consent"].startswith("C")
    assert "requested" == again["consent"]["statistics"]
    assert not {"gdpr_consent", "policy_version", "visitor"} & {
        *again["consent"],
        *again,
    }
