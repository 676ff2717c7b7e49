"""
Take README's pictures from the real thing: `make pictures`.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from tracker_stage import FLAGS, PERSON, chromium_path

from tests.product import CHROME, Product

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Start the product, walk through the demo, save what is seen."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        product = Product(Path(folder) / "data").start()
        browser = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*FLAGS, PERSON, f"--user-agent={CHROME}"],
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        take(page, product)
        browser.close()
        product.stop()


def take(page: Page, product: Product) -> None:
    """Save one picture of each thing worth seeing."""
    page.goto(f"{product.keeper}/demo/")
    page.wait_for_timeout(1500)
    page.screenshot(path=PICTURES / "banner.png")
    page.get_by_role("button", name="Accept all").click()
    page.goto(
        f"{product.keeper}/demo/catalogue.html"
        "?utm_source=newsletter&utm_campaign=harvest&email=ada%40example.org"
    )
    page.locator(".badge.identified >> visible=true").first.wait_for()
    page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / "demo.png")
    page.goto(f"{product.keeper}/demo/compare.html")
    page.wait_for_timeout(2000)
    page.screenshot(path=PICTURES / "compare.png")


if __name__ == "__main__":
    main()
