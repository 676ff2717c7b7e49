"""
Fixtures for the tests that need a real browser.
"""

import itertools
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cmp_pages import collect_libraries
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from tracker_stage import (
    DIST,
    FLAGS,
    PERSON,
    ROOT,
    Recorder,
    Site,
    Tabs,
    chromium_path,
    listening,
    undriven,
)

numbers = itertools.count()


@pytest.fixture(scope="session")
def built() -> Path:
    """
    The folder of the built tracker, fresh from its sources.
    """
    subprocess.run(
        ["npm", "run", "--silent", "build"], cwd=ROOT, check=True, capture_output=True
    )
    return DIST


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The folder of the consent managers that the pages load: the real ones.
    """
    return collect_libraries(tmp_path_factory.mktemp("lib"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_recorder(built: Path) -> AsyncIterator[Recorder]:
    """
    The collector of all tests.
    """
    recorder = Recorder(built)
    async with listening(recorder.app()) as port:
        recorder.origin = f"http://127.0.0.1:{port}"
        yield recorder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_site(one_recorder: Recorder, libraries: Path) -> AsyncIterator[Site]:
    """
    The site of all tests.
    """
    site = Site(one_recorder.origin, libraries)
    async with listening(site.app()) as port:
        site.origin = f"http://127.0.0.1:{port}"
        site.other = f"http://localhost:{port}"
        yield site


@pytest.fixture
def site(one_site: Site, one_recorder: Recorder) -> Site:
    """
    A site with plain pages that has no events yet.
    """
    name = f"shop-{next(numbers)}.example"
    one_site.reset(name)
    one_recorder.reset(name)
    return one_site


@pytest.fixture
def recorder(one_recorder: Recorder, site: Site) -> Recorder:
    """
    A collector that has seen nothing of this site yet.
    """
    assert one_recorder.site == site.name
    return one_recorder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """
    A Chromium that does not tell that it is driven, with its back/forward cache.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*FLAGS, PERSON],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def automated_chromium() -> AsyncIterator[Browser]:
    """
    A Chromium that says it is driven, as they do by default.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=FLAGS
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_person(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """
    The visitor of all tests.
    """
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 800},
        locale="de-CH",
        timezone_id="Europe/Zurich",
    )
    yield context
    await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_page(one_person: BrowserContext) -> Page:
    """
    The tab of most tests, since opening one takes longer than most of them.
    """
    return await one_person.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def person(one_person: BrowserContext) -> BrowserContext:
    """
    A visitor who keeps nothing from earlier visits.
    """
    await one_person.clear_cookies()
    return one_person


@pytest_asyncio.fixture(loop_scope="session")
async def page(person: BrowserContext, one_page: Page) -> AsyncIterator[Page]:
    """
    The visitor's tab, to which nothing may be added that outlives the document.
    """
    assert person == one_page.context
    yield one_page
    # A page of no origin has no storage, and says so.
    await one_page.evaluate(
        "() => { try { sessionStorage.clear(); localStorage.clear() } catch {} }"
    )
    await one_page.goto("about:blank")


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_page(person: BrowserContext) -> AsyncIterator[Page]:
    """
    A tab of this test's own.
    """
    page = await person.new_page()
    yield page
    await page.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tabs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tabs]:
    """
    A Chromium that nobody drives.
    """
    async with undriven(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
