"""The encrypted spool: nothing readable on its way, everything stored at its end."""

import secrets
from pathlib import Path

from tests.product import Product, files_in

SITE = "opt-out.example"
CANARY = "canary-of-an-encrypted-path"


def page(number: int) -> dict[str, object]:
    """Return a page view whose path would be known again."""
    url = f"https://{SITE}/{CANARY}-{number}"
    return {"event": "page_view", "site": SITE, "url": url}


def readable(product: Product) -> list[Path]:
    """Return the spool's files in which the path can be read."""
    files = files_in(product.data / "spool")
    return [path for path, content in files if CANARY.encode() in content]


def test_key_in_the_environment(tmp_path: Path) -> None:
    """No file of the spool ever shows a row; all are stored; no log has the key."""
    key = secrets.token_hex(32)
    product = Product(tmp_path / "data", spool_key=key, spool_seal_seconds="1")
    product.add_site(SITE, "--rules", "us_other")
    product.start()
    try:
        statuses = [product.post(page(number)).status for number in range(20)]

        assert [202] * 20 == statuses
        assert [] == readable(product)

        product.wait_loaded()
        rows = product.sql("SELECT url_path AS path FROM kastana.events")

        assert sorted(f"/{CANARY}-{number}" for number in range(20)) == sorted(
            row["path"] for row in rows
        )
        assert list((product.data / "spool" / "loaded").glob("events-*"))
        assert [] == readable(product)
    finally:
        product.stop()
    assert key not in product.log.read_text()
