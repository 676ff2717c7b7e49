"""
The demo shop in a real Chromium, against the real product: each choice in its
banner leaves exactly the expected rows, read back through `kastana sql`.
"""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tracker_stage import FLAGS, PERSON, chromium_path

from tests.product import CHROME, Product, wait_until

SITE = "demo.kastana.localhost"
# What a browser decides by itself when, and so cannot be counted on.
UNCOUNTED = ("web_vital", "page_ping")
# Who withdraws without a pseudonym is known for the day by address and agent, and all
# visitors here have one address.
ANOTHER = CHROME.replace("Windows NT 10.0; Win64; x64", "X11; Linux x86_64")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product as `make run` starts it."""
    running = Product(tmp_path_factory.mktemp("demo") / "data").start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that looks like a person's, in its beacons too."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*FLAGS, PERSON, f"--user-agent={CHROME}"],
        )
        yield opened
        opened.close()


@contextmanager
def visitor(browser: Browser, **options: object) -> Iterator[BrowserContext]:
    """Give a visitor who has been nowhere yet."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="de-CH",
        timezone_id="Europe/Zurich",
        **options,  # type: ignore[arg-type]
    )
    context.set_default_timeout(15_000)
    yield context
    context.close()


def choose(page: Page, choice: str) -> None:
    """Answer the banner, if at all."""
    if choice == "Statistics alone":
        # The switch itself is drawn; its input lies under the drawing.
        page.get_by_role("switch", name="Statistics").or_(
            page.get_by_role("checkbox", name="Statistics")
        ).first.check(force=True)
        page.get_by_role("button", name="Save choice").click()
    elif choice != "nothing":
        page.get_by_role("button", name=choice).click()


def walk(page: Page, product: Product, choice: str) -> None:
    """Do one of everything; events go past the banner that may lie over it all."""
    # The first view goes before the choice.
    with page.expect_response("**/e"):
        page.goto(f"{product.keeper}/demo/")
    choose(page, choice)
    for selector in (
        '[data-event="vote"] >> nth=0',
        '[data-event="subscribe"]',
        '[data-look="dark"]',
        '[data-fault="throw"]',
        '[data-fault="reject"]',
    ):
        page.locator(selector).dispatch_event("click")
    # A rejection is told only after the script that caused it has ended.
    page.wait_for_timeout(300)
    page.goto(f"{product.keeper}/demo/visit.html")
    page.locator('a[href^="https://mill.example.org"]').dispatch_event("click")
    with page.expect_download():
        page.locator('a[href="files/prices.csv"]').dispatch_event("click")
    page.locator("#contact").evaluate("form => form.requestSubmit()")
    page.goto(f"{product.keeper}/demo/orchard/index.html")
    page.locator('a[href$="summer.html"]').first.dispatch_event("click")
    page.wait_for_url("**/summer.html")
    page.wait_for_timeout(800)
    page.goto("about:blank")


def tally(product: Product) -> dict[tuple[str, str], int]:
    """Return how many events of each name have which outcome."""
    product.wait_loaded()
    rows = product.sql(
        "SELECT event_name, outcome, sum(events) AS n FROM kastana.outcomes "
        "WHERE site = 'demo.kastana.localhost' GROUP BY ALL"
    )
    return {
        (row["event_name"], row["outcome"]): int(row["n"])
        for row in rows
        if row["event_name"] not in UNCOUNTED
    }


def change(
    before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]
) -> dict[tuple[str, str], int]:
    """Return what was added."""
    return {
        key: number - before.get(key, 0)
        for key, number in after.items()
        if number != before.get(key, 0)
    }


# Events of the walk: four page views (home, visit, the
# orchard and its summer view); the first is sent before the banner is answered.
CHOICES: dict[str, dict[tuple[str, str], int]] = {
    "Accept all": {
        ("page_view", "counted"): 1,
        ("page_view", "identified"): 3,
        ("custom", "identified"): 3,
        ("exception", "identified"): 2,
        ("link_click", "identified"): 1,
        ("file_download", "identified"): 1,
        ("form_submit", "identified"): 1,
    },
    "Statistics alone": {
        ("page_view", "counted"): 1,
        ("page_view", "identified"): 3,
        ("custom", "identified"): 1,
        ("custom", "dropped"): 2,
        ("exception", "identified"): 2,
        ("link_click", "identified"): 1,
        ("file_download", "identified"): 1,
        ("form_submit", "identified"): 1,
    },
    "Only essential": {
        ("page_view", "counted"): 1,
        ("page_view", "dropped"): 3,
        ("custom", "dropped"): 3,
        ("exception", "anonymous"): 2,
        ("link_click", "dropped"): 1,
        ("file_download", "dropped"): 1,
        ("form_submit", "dropped"): 1,
    },
    "nothing": {
        ("page_view", "counted"): 4,
        ("custom", "counted"): 1,
        ("custom", "dropped"): 2,
        ("exception", "anonymous"): 2,
        ("link_click", "counted"): 1,
        ("file_download", "counted"): 1,
        ("form_submit", "counted"): 1,
    },
}


@pytest.mark.browser
@pytest.mark.parametrize(("choice", "expected"), CHOICES.items(), ids=CHOICES)
def test_choice_leaves_exactly_the_expected_rows(
    product: Product,
    browser: Browser,
    choice: str,
    expected: dict[tuple[str, str], int],
) -> None:
    """The same walk under each choice: outcomes of every event, to the number."""
    before = tally(product)
    with visitor(browser) as context:
        walk(context.new_page(), product, choice)
    wait_until(
        lambda: sum(change(before, tally(product)).values()) >= sum(expected.values()),
        f"only {change(before, tally(product))} arrived",
        15,
    )

    assert expected == change(before, tally(product))


@pytest.mark.browser
def test_signal_of_the_browser_makes_rows_anonymous(
    product: Product, browser: Browser
) -> None:
    """With Global Privacy Control, everything accepted still leaves no pseudonym."""
    before = tally(product)
    with visitor(browser, extra_http_headers={"Sec-GPC": "1"}) as context:
        page = context.new_page()
        page.goto(f"{product.keeper}/demo/")
        choose(page, "Accept all")
        page.goto(f"{product.keeper}/demo/article.html")
        page.wait_for_timeout(800)
    wait_until(
        lambda: ("page_view", "anonymous") in change(before, tally(product)),
        "no anonymous row",
        15,
    )
    kept = product.sql(
        "SELECT uniqExact(visitor_id) AS ids, max(visitor_id) AS id, "
        "groupUniqArray(client_address) AS networks, "
        "groupUniqArray(toMinute(occurred_at)) AS minutes FROM kastana.events "
        "WHERE outcome = 'anonymous' AND event_name = 'page_view'"
    )[0]

    assert 0 == int(kept["id"])
    assert [""] == kept["networks"]
    assert [0] == kept["minutes"]


@pytest.mark.browser
def test_panel_shows_the_row_that_was_kept(product: Product, browser: Browser) -> None:
    """The live panel names the outcome and reads the stored row back."""
    with visitor(browser) as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{product.keeper}/demo/")
        choose(page, "Accept all")
        page.goto(f"{product.keeper}/demo/catalogue.html")
        page.locator(".badge.identified >> visible=true").first.wait_for()
        stored = page.get_by_text("visitor_id").first
        stored.wait_for(state="attached")
        shown = stored.count()

    assert 1 == shown
    assert [] == problems


@pytest.mark.browser
def test_nothing_is_stored_in_the_browser_before_a_choice(
    product: Product, browser: Browser
) -> None:
    """Before the banner is answered: no cookie, no storage."""
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(f"{product.keeper}/demo/")
        page.wait_for_timeout(1000)
        storage = page.evaluate("[localStorage.length, sessionStorage.length]")
        cookies = context.cookies()
        choose(page, "Accept all")
        page.wait_for_timeout(300)
        after = {cookie["name"] for cookie in context.cookies()}

    assert ([0, 0], []) == (storage, cookies)
    assert "_kastana" in after


@pytest.mark.browser
def test_picture_in_an_html_mail_counts_an_open(
    product: Product, browser: Browser, tmp_path: Path
) -> None:
    """An HTML mail, opened from a file as a mail reader would, is an open."""
    source = f"{product.url}/p.gif?site={SITE}&mailing=letter"
    mail = f"""<!doctype html><p>Dear reader</p>
        <img src="{source}&recipient=tok-1&consent=statistics" alt="">
        <img src="{source}&recipient=tok-2" alt="">
        <img src="{source}&recipient=tok-3&consent=none" alt="">"""
    (tmp_path / "mail.html").write_text(mail)
    before = tally(product)
    with serving(tmp_path) as url, visitor(browser, java_script_enabled=False) as inbox:
        page = inbox.new_page()
        page.goto(f"{url}/mail.html", wait_until="networkidle")
        loaded = page.locator("img").count()
    wait_until(lambda: sum(change(before, tally(product)).values()) >= 3, "no open", 15)
    rows = product.run("query", "mailings", "--format", "TSV", "--site", SITE)

    assert 3 == loaded
    assert {
        ("email_open", "identified"): 1,
        ("email_open", "dropped"): 2,
    } == change(before, tally(product))
    assert "letter\t1\t0\t1" in rows.stdout.decode()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on another origin, as a web mailer would."""

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


@pytest.mark.browser
def test_choice_goes_on_record_and_its_receipt_can_be_downloaded(
    product: Product, browser: Browser
) -> None:
    """A choice and its withdrawal are two records; each has its receipt."""
    with visitor(browser, user_agent=ANOTHER) as context:
        page = context.new_page()
        page.goto(f"{product.keeper}/demo/")
        link = page.get_by_role("link", name="Download receipt")
        early = link.count()
        choose(page, "Statistics alone")
        given, given_name = receipt_of(page)
        shown = page.locator(".record").inner_text()
        page.goto(f"{product.keeper}/demo/catalogue.html")
        # It outlives the page that it came to.
        again, _ = receipt_of(page)
        page.get_by_role("button", name="Withdraw consent").click()
        page.locator(f'.record a:not([download="{given_name}"])').wait_for()
        withdrawn, _ = receipt_of(page)
        cookies = {cookie["name"] for cookie in context.cookies()}
    ids = [one["header"]["record_id"] for one in (given, withdrawn)]
    wait_until(lambda: 2 == len(records(product, ids)), "no record", 15)
    first, second = records(product, ids)

    assert 0 == early
    assert given == again
    assert f"kastana-receipt-{ids[0]}.json" == given_name
    assert f"Recorded as {ids[0][:8]}… · Download receipt" == shown
    assert "dpv:ConsentWithdrawn" == withdrawn["event"][0]["event_state"]
    assert "_kastana" not in cookies
    assert ids == [first["id"], second["id"]]
    assert "castanea banner" == first["notice"]
    assert ("ConsentGiven", ["refused", "given", "refused", "refused"]) == (
        first["event_state"],
        first["states"],
    )
    assert ("ConsentWithdrawn", ["refused", "withdrawn", "refused", "refused"]) == (
        second["event_state"],
        second["states"],
    )
    # The withdrawal names who the browser knows no longer.
    assert int(first["principal"]) == int(second["principal"]) > 0


@pytest.mark.browser
def test_choice_that_was_not_recorded_says_so(
    product: Product, browser: Browser
) -> None:
    """Without an answer of the collector: words, and another try."""
    with visitor(browser, user_agent=ANOTHER) as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.route("**/consent", lambda route: route.abort())
        page.goto(f"{product.keeper}/demo/")
        choose(page, "Only essential")
        page.get_by_text("the collector could not be reached").wait_for()
        page.unroute("**/consent")
        page.get_by_role("button", name="Try again").click()
        told, _ = receipt_of(page)

    assert "dpv:ConsentRefused" == told["event"][0]["event_state"]
    assert [] == problems


def receipt_of(page: Page) -> tuple[dict[str, Any], str]:
    """Download the receipt at the foot of the page; return it and its file's name."""
    with page.expect_download() as started:
        page.get_by_role("link", name="Download receipt").click()
    text = started.value.path().read_text(encoding="utf-8")
    return json.loads(text), started.value.suggested_filename


def records(product: Product, ids: list[str]) -> list[dict[str, Any]]:
    """Return these records of the ledger, in the order in which they came."""
    rows = product.sql(
        "SELECT toString(record_id) AS id, event_state, [consent_preference, "
        "consent_statistics, consent_marketing, consent_precise_location] AS states, "
        "notice, toString(principal) AS principal FROM kastana.consents "
        "WHERE site = 'demo.kastana.localhost' ORDER BY received_at"
    )
    return [row for row in rows if row["id"] in ids]
