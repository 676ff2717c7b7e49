"""
Real consent managers against the real product: what the visitor clicks decides which
rows there are, and what the ledger of consent says.
"""

import http.server
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cmp_pages import BANNERS, CHOSEN, SITUATIONS, Banner, collect_libraries
from playwright.sync_api import Browser, Page, sync_playwright
from tracker_stage import FLAGS, PAGES, PERSON, chromium_path

from tests.product import CHROME, Product

# The first test makes all the visits.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# Under opt-in: what becomes of an event after the last choice.
OUTCOME = {
    "nothing": "counted",
    "accept": "identified",
    "refuse": "dropped",
    "change": "identified",
    "withdraw": "dropped",
}
STATE = {
    "give": ("ConsentGiven", "given"),
    "change": ("ConsentGiven", "given"),
    "refuse": ("ConsentRefused", "refused"),
    "withdraw": ("ConsentWithdrawn", "withdrawn"),
}
Rows = dict[str, list[dict[str, Any]]]


def site_of(situation: str) -> str:
    """Each situation has a site of its own, since a dropped event keeps no path."""
    return f"{situation}.example"


@contextmanager
def served(product: Product, folder: Path) -> Iterator[str]:
    """Serve a page for each manager and situation, on one origin."""
    (folder / "lib").mkdir()
    collect_libraries(folder / "lib")
    for banner in BANNERS.values():
        template = string.Template((PAGES / f"{banner.page}.html").read_text())
        for situation in SITUATIONS:
            attributes = f'data-site="{site_of(situation)}" data-consent'
            page = template.substitute(collector=product.url, attributes=attributes)
            (folder / f"{banner.page}-{situation}.html").write_text(page)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(page: Page, url: str, banner: Banner, situation: str) -> None:
    """Open a page, choose, and do something."""
    with page.expect_response("**/e"):
        page.goto(f"{url}/{banner.page}-{situation}.html")
    page.wait_for_function("Object.hasOwn(kastana, 'q')")
    for clicks in banner.steps(situation):
        with page.expect_response("**/consent") as answer:
            for selector in clicks:
                page.click(selector)
        assert 202 == answer.value.status
    with page.expect_response("**/e") as answer:
        page.evaluate("kastana('event', 'afterwards')")
    assert 202 == answer.value.status
    page.goto("about:blank")


def walk(browser: Browser, product: Product, url: str) -> None:
    """Be fifteen visitors."""
    for situation in SITUATIONS:
        for banner in BANNERS.values():
            context = browser.new_context(locale="de-CH", timezone_id="Europe/Zurich")
            context.set_default_timeout(15_000)
            visit(context.new_page(), url, banner, situation)
            context.close()
    product.wait_loaded()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product as it is installed, not running yet."""
    running = Product(tmp_path_factory.mktemp("product") / "data")
    try:
        yield running
    finally:
        stopped = running.stop()
    assert 0 == stopped


@pytest.fixture(scope="module")
def rows(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What is stored after all visits."""
    folder = tmp_path_factory.mktemp("pages")
    with served(product, folder) as url, sync_playwright() as playwright:
        for situation in SITUATIONS:
            product.add_site(
                site_of(situation), "--rules", "eu_strict", "--origin", url
            )
        product.start()
        browser = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*FLAGS, PERSON, f"--user-agent={CHROME}"],
        )
        walk(browser, product, url)
        browser.close()
    return {
        "outcomes": product.sql(
            "SELECT site, event_name, outcome, toUInt32(sum(events)) AS n "
            "FROM kastana.outcomes WHERE event_name IN ('page_view', 'custom') "
            "GROUP BY ALL ORDER BY ALL"
        ),
        "events": product.sql(
            "SELECT site, url_path, visitor_id, consent_statistics, consent_marketing "
            "FROM kastana.events WHERE event_name = 'custom' ORDER BY ALL"
        ),
        "consents": product.sql(
            "SELECT site, consent_sources, event_state, consent_statistics, "
            "consent_marketing, consent_method, principal, received_at "
            "FROM kastana.consents ORDER BY received_at"
        ),
    }


def of(rows: Rows, table: str, situation: str) -> list[dict[str, Any]]:
    """The rows of a situation."""
    return [row for row in rows[table] if row["site"] == site_of(situation)]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_outcomes(rows: Rows, situation: str) -> None:
    """
    Who has not chosen is counted; then the choice decides, for each manager alike.
    """
    found = {
        (row["event_name"], row["outcome"]): int(row["n"])
        for row in of(rows, "outcomes", situation)
    }

    assert {
        ("page_view", "counted"): len(BANNERS),
        ("custom", OUTCOME[situation]): len(BANNERS),
    } == found


@pytest.mark.parametrize("situation", SITUATIONS)
def test_rows(rows: Rows, situation: str) -> None:
    """
    Only a given consent leaves a row, with a pseudonym and the states of the choice.
    """
    found = of(rows, "events", situation)
    identified = OUTCOME[situation] == "identified"
    # The record of a choice closes what it refuses as well, as soon as it is known.
    marketing = {"given"} if situation == "accept" else {"refused", "withdrawn"}

    assert (len(BANNERS) if identified else 0) == len(found)
    assert all(int(row["visitor_id"]) for row in found)
    assert len({row["visitor_id"] for row in found}) == len(found)
    assert {"given"} >= {row["consent_statistics"] for row in found}
    assert marketing >= {row["consent_marketing"] for row in found}


@pytest.mark.parametrize("manager", BANNERS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_ledger(rows: Rows, situation: str, manager: str) -> None:
    """
    Each choice has one record, in order, and names the manager it came from.
    """
    found = [
        row
        for row in of(rows, "consents", situation)
        if manager in row["consent_sources"]
    ]

    assert [STATE[action] for action in CHOSEN[situation]] == [
        (row["event_state"], row["consent_statistics"]) for row in found
    ]
    assert {"explicit"} >= {row["consent_method"] for row in found}
    # A withdrawal names who withdraws; a refusal by who never had an id names nobody.
    assert [action != "refuse" for action in CHOSEN[situation]] == [
        bool(int(row["principal"])) for row in found
    ]
