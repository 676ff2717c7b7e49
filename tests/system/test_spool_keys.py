"""The encrypted spool: nothing readable on its way, everything stored at its end."""

import secrets
from contextlib import suppress
from pathlib import Path

from tests.product import Product

SITE = "opt-out.example"
CANARY = "canary-of-an-encrypted-path"


def page(number: int) -> dict[str, object]:
    """Return a page view whose path would be known again."""
    url = f"https://{SITE}/{CANARY}-{number}"
    return {"event": "page_view", "site": SITE, "url": url}


def readable(product: Product) -> list[Path]:
    """Return the spool's files in which the path can be read."""
    found = []
    for path in (product.data / "spool").rglob("*"):
        # Moved on since it was listed, to where it is listed next.
        with suppress(FileNotFoundError):
            if path.is_file() and CANARY.encode() in path.read_bytes():
                found.append(path)
    return found


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
