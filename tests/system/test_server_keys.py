"""A server that speaks for its visitors, from outside."""

import time
from typing import Any

from tests.product import CHROME, Product

SITE, OTHER = "opt-in.example", "opt-out.example"
ADDRESS = "203.0.113.77"
CLIENT = {
    "address": f"[::ffff:{ADDRESS}]:51320",
    "user_agent": CHROME,
    "language": "de",
}


def page_view(**fields: Any) -> dict[str, Any]:
    """Return a page view that a server tells of, with statistics consent."""
    known = {"event": "page_view", "site": SITE, "consent": {"statistics": True}}
    return {**known, **fields}


def test_a_server_speaks_for_its_visitor(product: Product) -> None:
    """With a key the row is the visitor's; without, nothing of the kind is taken."""
    done = product.run("site", "key", "add", SITE, "--name", "backend")
    key = done.stdout.decode().strip()
    time.sleep(1.1)
    shown = {"Authorization": f"Bearer {key}", "User_Agent": "backend/1.0"}
    old = int(time.time() * 1000) - 40 * 86_400_000

    told = product.post(page_view(client=CLIENT, title="theirs"), **shown)
    past = product.post(page_view(title="past", occurred_at=old), **shown)
    own = product.post(page_view(title="own"), **shown)
    refused = [
        product.post(page_view(client=CLIENT)),
        product.post(page_view(occurred_at=old)),
        product.post(page_view(client=CLIENT, site=OTHER), **shown),
        product.post(page_view(client=CLIENT), **shown, Origin=f"https://{SITE}"),
    ]

    assert [202, 202, 202] == [one.status for one in (told, past, own)]
    assert [
        (401, "key_required"),
        (400, "bad_time"),
        (403, "bad_key"),
        (403, "key_in_page"),
    ] == [(one.status, one.json()["error"]["code"]) for one in refused]
    assert "Bearer" == refused[0].headers["www-authenticate"]
    product.wait_loaded()
    rows = product.sql(
        "SELECT page_title, client_address, visitor_scope, user_agent_name, "
        "browser_language, toDate(occurred_at) < today() AS past "
        "FROM kastana.events WHERE page_title != '' ORDER BY page_title"
    )
    assert [
        ("own", "", "none", "", "", False),
        ("past", "", "none", "", "", True),
        ("theirs", "203.0.113.0", "day", "Chrome", "de", False),
    ] == [(*list(row.values())[:-1], bool(row["past"])) for row in rows]
    assert (
        key not in product.log.read_text() + (product.data / "sites.toml").read_text()
    )


def test_removed_key(product: Product) -> None:
    """A key that was taken back is none, within about a second."""
    key = product.run("site", "key", "add", OTHER).stdout.decode().strip()
    time.sleep(1.1)
    shown = {"Authorization": f"Bearer {key}"}
    before = product.post(page_view(site=OTHER, client=CLIENT), **shown)
    assert product.run("site", "key", "remove", OTHER, "key-1").returncode == 0
    time.sleep(1.1)
    after = product.post(page_view(site=OTHER, client=CLIENT), **shown)

    assert (202, 403) == (before.status, after.status)


def test_pages_cannot_show_a_key(product: Product) -> None:
    """A browser is not allowed to send the header in which keys are shown."""
    answer = product.call(
        "OPTIONS",
        "/e",
        Origin=f"https://{SITE}",
        Access_Control_Request_Headers="authorization, content-type",
    )

    assert "content-type" == answer.headers["access-control-allow-headers"]


def test_head_of_a_picture(product: Product) -> None:
    """A mail's picture answers HEAD as GET; a page's that was not drawn is no view."""
    mail = product.call("HEAD", f"/p.gif?site={SITE}&consent=statistics&mailing=head")
    page = product.call("HEAD", f"/p.gif?site={SITE}&event=page_view")

    assert [(200, b"", "image/gif")] * 2 == [
        (one.status, one.body, one.headers["content-type"]) for one in (mail, page)
    ]
    assert "x-kastana-error" not in mail.headers
    assert "method_not_allowed" == page.headers["x-kastana-error"]
    product.wait_loaded()
    rows = product.sql("SELECT mail_verdict FROM kastana.events WHERE mailing = 'head'")
    assert [{"mail_verdict": "scanner"}] == rows
