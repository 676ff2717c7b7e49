"""The public doors from outside: what they take, what they refuse, and how."""

import functools
import gzip
import json
import socket
import struct
import time
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.product import Product

# The same bytes at every import: they are in the tests' names.
packed = functools.partial(gzip.compress, mtime=0)
SITE = "opt-in.example"
GIVEN = {"statistics": True}


def page_view(**fields: Any) -> dict[str, Any]:
    """Return a page view with statistics consent."""
    return {
        "event": "page_view",
        "site": SITE,
        "url": f"https://{SITE}/",
        "consent": GIVEN,
        **fields,
    }


def nested(depth: int) -> bytes:
    """Return arrays in arrays."""
    return b"[" * depth + b"]" * depth


@functools.cache
def lying_bomb() -> bytes:
    """Return a small gzip file that unpacks to 300 MB."""
    packer, block = zlib.compressobj(9, wbits=-15), b" " * 1_000_000
    # After a full flush the same bytes are packed as the same bytes: to pack them three
    # hundred times took seconds of each import.
    packed_block = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(300):
        check = zlib.crc32(block, check)
    head = b"\x1f\x8b\x08" + bytes(7)
    tail = struct.pack("<II", check, 300 * len(block))
    return head + packed_block * 300 + packer.flush() + tail


BAD_BODIES: list[tuple[str, bytes, dict[str, str], int, str, str]] = [
    ("empty", b"", {}, 400, "empty_body", ""),
    ("spaces", b"  \n ", {}, 400, "empty_body", ""),
    ("not JSON", b"{nope", {}, 400, "not_json", ""),
    ("a number", b"17", {}, 400, "not_an_event", ""),
    ("a text", b'"hello"', {}, 400, "not_an_event", ""),
    ("NaN", b'{"event": NaN}', {}, 400, "not_json", ""),
    ("400 digits", b'{"event": ' + b"9" * 400 + b"}", {}, 400, "not_json", ""),
    ("deep", nested(50_000), {}, 400, "not_json", ""),
    ("lone surrogate", b'{"event": "\\ud800"}', {}, 400, "not_json", ""),
    ("not UTF-8", b'{"event": "\xff"}', {}, 400, "not_json", ""),
    (
        "an image",
        b"\x89PNG....",
        {"Content_Type": "image/png"},
        415,
        "unsupported_type",
        "",
    ),
    ("bad gzip", b"\x1f\x8b" + b"x" * 50, {}, 400, "bad_encoding", ""),
    (
        "bad announced gzip",
        b"not gzip at all",
        {"Content_Encoding": "gzip"},
        400,
        "bad_encoding",
        "",
    ),
    (
        "cut gzip",
        packed(b'{"event": "page_view"}')[:-9],
        {},
        400,
        "bad_encoding",
        "",
    ),
    *(
        (
            f"{name}, announced as {encoding}",
            body,
            {"Content_Encoding": encoding},
            400,
            "bad_encoding",
            "",
        )
        for name, encoding, body in (
            ("cut", "gzip", packed(b'{"event": "page_view"}')[:-5]),
            ("followed", "gzip", packed(b'{"event": "page_view"}') + b"x"),
            ("garbage", "deflate", b"not deflate at all"),
            ("cut", "deflate", zlib.compress(b'{"event": "page_view"}')[:-5]),
            ("garbage", "br", b"not brotli at all"),
            ("JSON", "zstd", b'{"event": "page_view"}'),
        )
    ),
    ("large", b"[" + b" " * 1_000_000 + b"]", {}, 413, "too_large", ""),
    ("bomb", lying_bomb(), {}, 413, "too_large", ""),
    (
        "announced bomb",
        lying_bomb(),
        {"Content_Encoding": "gzip"},
        413,
        "too_large",
        "",
    ),
    (
        "10,000 events",
        json.dumps([{"event": "page_view", "site": SITE}] * 10_000).encode(),
        {},
        400,
        "too_many_events",
        "",
    ),
]


@pytest.mark.parametrize(
    ("name", "body", "headers", "status", "code", "field"),
    BAD_BODIES,
    ids=[row[0] for row in BAD_BODIES],
)
def test_bad_body_is_refused_with_its_code(  # noqa: PLR0913 - a table's columns
    product: Product,
    name: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
    field: str,
) -> None:
    """A body nothing can be made of gets its own code, never a 500."""
    answer = product.post(body, **headers)

    assert status == answer.status, name
    assert code == answer.json()["error"]["code"]
    assert field == answer.json()["error"]["field"]


BAD_EVENTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown event", page_view(event="page_viewed"), "unknown_event", "event"),
    ("no event", {"site": SITE}, "missing_field", "event"),
    ("no site", {"event": "page_view"}, "missing_field", "site"),
    ("unknown site", page_view(site="nobody.example"), "unknown_site", "site"),
    ("unknown field", page_view(titel="x"), "unknown_field", "titel"),
    ("wrong type", page_view(title=17), "wrong_type", "title"),
    ("long url", page_view(url="https://x/" + "a" * 5000), "too_long", "url"),
    (
        "bad consent",
        page_view(consent={"statistics": 3}),
        "wrong_type",
        "consent.statistics",
    ),
    (
        "bad state",
        page_view(consent={"statistics": "yes"}),
        "bad_format",
        "consent.statistics",
    ),
    ("bad id", page_view(event_id="17"), "bad_format", "event_id"),
    ("bad viewport", page_view(viewport="wide"), "bad_format", "viewport"),
    ("1970", page_view(occurred_at=1000), "bad_time", "occurred_at"),
    ("9999", page_view(occurred_at="9999-12-31T00:00:00Z"), "bad_time", "occurred_at"),
    ("no time", page_view(occurred_at="yesterday"), "bad_time", "occurred_at"),
    (
        "nested properties",
        page_view(properties={"a": {"b": 1}}),
        "wrong_type",
        "properties[...]",
    ),
    (
        "many properties",
        page_view(properties={str(i): i for i in range(31)}),
        "too_long",
        "properties",
    ),
    (
        "negative time",
        {"event": "page_ping", "site": SITE, "engaged_ms": -1},
        "out_of_range",
        "engaged_ms",
    ),
    (
        "far north",
        {"event": "location", "site": SITE, "latitude": 91, "longitude": 0},
        "out_of_range",
        "latitude",
    ),
    ("no name", {"event": "custom", "site": SITE}, "missing_field", "name"),
]


@pytest.mark.parametrize(
    ("name", "event", "code", "field"), BAD_EVENTS, ids=[row[0] for row in BAD_EVENTS]
)
def test_bad_event_is_refused_with_code_and_field(
    product: Product, name: str, event: dict[str, Any], code: str, field: str
) -> None:
    """A bad event is answered with its code and the field at fault."""
    answer = product.post(event)

    assert 400 == answer.status, name
    assert (code, field) == (
        answer.json()["error"]["code"],
        answer.json()["error"]["field"],
    )


def test_good_events_of_a_batch_are_kept_and_bad_ones_reported(
    product: Product,
) -> None:
    """In a batch the good are kept, the bad are named by their index."""
    batch = [page_view(title=f"batch {i}") for i in range(4)]
    batch[1] = page_view(event="nope")
    batch[2] = {"site": 3}

    answer = product.post({"events": batch, "sent_at": int(time.time() * 1000)})

    assert 202 == answer.status
    assert 2 == answer.json()["accepted"]
    assert [1, 2] == [error["index"] for error in answer.json()["errors"]]
    product.wait_loaded()
    rows = product.sql(
        "SELECT page_title FROM kastana.events "
        "WHERE page_title LIKE 'batch %' ORDER BY page_title"
    )
    assert ["batch 0", "batch 3"] == [row["page_title"] for row in rows]


SHAPES: list[tuple[str, bytes, dict[str, str]]] = [
    (
        "application/json",
        json.dumps(page_view()).encode(),
        {"Content_Type": "application/json"},
    ),
    (
        "text/plain",
        json.dumps(page_view()).encode(),
        {"Content_Type": "text/plain;charset=UTF-8"},
    ),
    (
        "form label",
        json.dumps(page_view()).encode(),
        {"Content_Type": "application/x-www-form-urlencoded"},
    ),
    ("wrong label", json.dumps(page_view()).encode(), {"Content_Type": "image/png"}),
    ("array", json.dumps([page_view()]).encode(), {}),
    (
        "gzip",
        packed(json.dumps(page_view()).encode()),
        {"Content_Encoding": "gzip"},
    ),
    (
        "silent gzip",
        packed(json.dumps(page_view()).encode()),
        {"Content_Type": "text/plain"},
    ),
    (
        "deflate",
        zlib.compress(json.dumps(page_view()).encode()),
        {"Content_Encoding": "deflate"},
    ),
    (
        "raw deflate",
        zlib.compress(json.dumps(page_view()).encode(), wbits=-15),
        {"Content_Encoding": "deflate"},
    ),
    (
        "unpacked by a proxy",
        json.dumps(page_view()).encode(),
        {"Content_Encoding": "gzip"},
    ),
    ("data=", b"data=" + json.dumps(page_view()).encode(), {}),
]


@pytest.mark.parametrize(
    ("name", "body", "headers"), SHAPES, ids=[s[0] for s in SHAPES]
)
def test_events_are_taken_as_clients_send_them(
    product: Product, name: str, body: bytes, headers: dict[str, str]
) -> None:
    """The label is not believed: what the bytes are decides."""
    answer = product.post(body, **headers)

    assert (202, {"accepted": 1}) == (answer.status, answer.json()), name


def test_body_does_not_tell_what_consent_said(product: Product) -> None:
    """Identified, counted and dropped events get the same answer."""
    answers = [
        product.post(page_view(consent=consent)).body
        for consent in ({"statistics": True}, {}, {"statistics": False})
    ]

    assert 1 == len(set(answers))


def test_debug_header_explains_where_the_site_allows_it(product: Product) -> None:
    """X-Kastana-Debug adds outcome and reasons, for sites that allow it."""
    told = product.post(page_view(), X_Kastana_Debug="1")
    denied = product.post(
        page_view(site="quiet.example", consent={}), X_Kastana_Debug="1"
    )

    assert "0 identified consent_given" == told.headers["x-kastana-outcome"]
    assert "x-kastana-outcome" not in denied.headers


def test_origin_of_another_site_is_refused(product: Product) -> None:
    """A page of another site cannot send events for this one."""
    own = product.post(page_view(), Origin=f"https://www.{SITE}")
    other = product.post(page_view(), Origin="https://evil.example")

    assert 202 == own.status
    assert f"https://www.{SITE}" == own.headers["access-control-allow-origin"]
    assert "origin_not_allowed" == other.json()["error"]["code"]
    assert "access-control-allow-origin" not in other.headers


def test_preflight_echoes_the_headers_asked_for(product: Product) -> None:
    """OPTIONS allows what a tracker asks, retries included; bounded."""
    asked = "content-type, x-retry-count"
    good = product.call(
        "OPTIONS",
        "/e",
        Origin=f"https://{SITE}",
        Access_Control_Request_Headers=asked,
    )
    hostile = product.call(
        "OPTIONS",
        "/e",
        Origin=f"https://{SITE}",
        Access_Control_Request_Headers="a" * 3000,
    )

    assert (204, asked) == (good.status, good.headers["access-control-allow-headers"])
    assert "access-control-allow-headers" not in hostile.headers


PIXELS: list[tuple[str, str, str]] = [
    ("given", f"site={SITE}&consent=statistics", ""),
    ("refused", f"site={SITE}&consent=none", ""),
    ("unknown consent", f"site={SITE}", ""),
    ("unknown site", "site=nobody.example", "unknown_site"),
    ("no query", "", "empty_body"),
    ("bad UTF-8", f"site={SITE}&mailing=%ff%fe", "bad_query"),
    ("bad percent", f"site={SITE}&mailing=%zz", "bad_query"),
    ("twice", f"site={SITE}&site={SITE}", "repeated_key"),
    ("unknown key", f"site={SITE}&nope=1", "unknown_field"),
    ("bad word", f"site={SITE}&consent=everything", "bad_format"),
    ("bad number", f"site={SITE}&event=page_ping&engaged_ms=x", "wrong_type"),
    ("surrogate", f"site={SITE}&mailing=%ed%a0%80", "bad_query"),
]


@pytest.mark.parametrize(("name", "query", "code"), PIXELS, ids=[p[0] for p in PIXELS])
def test_pixel_is_always_the_same_picture(
    product: Product, name: str, query: str, code: str
) -> None:
    """Whatever the query and the consent, 200 and the same 43 bytes."""
    answer = product.call("GET", f"/p.gif?{query}")

    assert (200, 43, "image/gif") == (
        answer.status,
        len(answer.body),
        answer.headers["content-type"],
    ), name
    assert (1, 1) == struct.unpack("<HH", answer.body[6:10])
    assert "no-store" in answer.headers["cache-control"]
    assert code == answer.headers.get("x-kastana-error", "")
    assert "set-cookie" not in answer.headers


def test_link_leads_only_where_it_was_signed_for(product: Product) -> None:
    """A signed link redirects and is counted; a changed one does neither."""
    target = "https://shop.example/offer?id=7"
    done = product.run(
        "link", "sign", target, "--site", SITE, "--mailing", "spring",
        "--recipient", "tok-81f3", "--consent", "statistics",
        "--public-url", product.url,
    )  # fmt: skip
    link = done.stdout.decode().strip()
    path = link.removeprefix(product.url)
    good = product.call("GET", path)
    head = product.call("HEAD", path)
    payload, _, signature = path.removeprefix("/r/").partition(".")
    forged = [
        product.call("GET", f"/r/{payload}.{signature[:-2]}AA"),
        product.call("GET", f"/r/{payload[:-4]}AAAA.{signature}"),
        product.call("GET", "/r/https:%2F%2Fevil.example"),
        product.call("GET", "/r/%F0%9F%8C%B0.x"),
    ]

    assert [(302, target)] * 2 == [
        (one.status, one.headers["location"]) for one in (good, head)
    ]
    assert [(400, "bad_signature")] * 4 == [
        (one.status, one.json()["error"]["code"]) for one in forged
    ]
    product.wait_loaded()
    rows = product.sql(
        "SELECT event_name, mailing, target_url_domain, target_url_path, "
        "visitor_scope, mail_verdict, count() AS clicks "
        "FROM kastana.events WHERE event_name = 'email_click' GROUP BY ALL "
        "ORDER BY mail_verdict"
    )
    assert [
        {
            "event_name": "email_click",
            "mailing": "spring",
            "target_url_domain": "shop.example",
            "target_url_path": "/offer",
            "visitor_scope": "persistent",
            "mail_verdict": verdict,
            "clicks": 1,
        }
        # Who asks with HEAD looks where a link leads, and does not read.
        for verdict in ("human", "scanner")
    ] == [{**row, "clicks": int(row["clicks"])} for row in rows]


def test_link_refuses_to_sign_what_is_not_a_web_page(product: Product) -> None:
    """`kastana link sign` signs http and https alone, and no addresses."""
    script = product.run("link", "sign", "javascript:alert(1)", "--site", SITE)
    mail = product.run(
        "link", "sign", "https://x.example", "--site", SITE, "--recipient", "a@b.c"
    )

    assert (2, 2) == (script.returncode, mail.returncode)


def test_tracker_is_cacheable_and_the_same_for_everyone(product: Product) -> None:
    """/k.js has an ETag and an immutable twin, and varies with no visitor."""
    plain = product.call("GET", "/k.js")
    again = product.call("GET", "/k.js", If_None_Match=plain.headers["etag"])
    digest = plain.headers["etag"].strip('"')
    twin = product.call("GET", f"/k.{digest}.js", Cookie="x=1", Sec_GPC="1", DNT="1")

    assert (200, 304) == (plain.status, again.status)
    assert plain.body == twin.body
    assert "immutable" in twin.headers["cache-control"]
    assert "set-cookie" not in plain.headers


def test_unknown_paths_and_methods_have_codes(product: Product) -> None:
    """What no door answers says so in the error object."""
    missing = product.call("GET", "/wp-login.php")
    wrong = product.call("DELETE", "/e")

    assert (404, "not_found") == (missing.status, missing.json()["error"]["code"])
    assert (405, "method_not_allowed") == (
        wrong.status,
        wrong.json()["error"]["code"],
    )


MARKER = "dora.marker@birdmail.example"
NOT_HTTP: list[tuple[str, bytes, int]] = [
    ("long path", b"GET /r/%s HTTP/1.1\r\n\r\n", 400),
    ("no HTTP", b"GARBAGE %s\r\n\r\n", 400),
    ("one word", b"%s\r\n\r\n", 400),
    ("not UTF-8", b"GET /\xff\xfe%s HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("bad version", b"GET /%s HTTP/9.9\r\n\r\n", 400),
    ("bad header", b"GET / HTTP/1.1\r\nHost x %s\r\n\r\n", 400),
    ("long header", b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", 400),
    ("bad length", b"POST /e HTTP/1.1\r\nContent-Length: %s\r\n\r\n", 400),
    (
        "bad chunk",
        b"POST /e HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
        400,
    ),
    ("bad host", b"GET http://[%s/ HTTP/1.1\r\n\r\n", 400),
    (
        "expectation",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: %s\r\n\r\n",
        417,
    ),
]


def raw_answer(product: Product, raw: bytes) -> bytes:
    """Return all that is answered to bytes that need not be HTTP."""
    address = urlsplit(product.url)
    with socket.create_connection((address.hostname, address.port), 5) as connection:
        connection.sendall(raw)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("name", "raw", "status"), NOT_HTTP, ids=[row[0] for row in NOT_HTTP]
)
def test_what_is_not_http_is_answered_without_a_quote(
    product: Product, name: str, raw: bytes, status: int
) -> None:
    """One fixed error object, nothing of the request in it, no line in the log."""
    padding = b"a" * 9000 if name.startswith("long") else b""
    before = product.log.stat().st_size
    answer = raw_answer(product, raw % (padding + MARKER.encode()))
    head, _, body = answer.partition(b"\r\n\r\n")

    assert f"HTTP/1.1 {status} ".encode() in head.replace(b"HTTP/1.0", b"HTTP/1.1")
    assert b"Content-Type: application/json" in head
    assert "bad_request" == json.loads(body)["error"]["code"]
    assert b"marker" not in answer
    assert before == product.log.stat().st_size


def test_bad_bodies_cannot_fill_the_log(product: Product) -> None:
    """Damaged bodies, and clients that leave halfway, are worth no line."""
    before = product.log.stat().st_size
    for encoding in ("gzip", "deflate", "br"):
        answer = product.post(
            MARKER.encode(), Content_Encoding=encoding, Origin=f"https://{SITE}"
        )
        assert f"https://{SITE}" == answer.headers["access-control-allow-origin"]
        assert b"marker" not in answer.body
    address = urlsplit(product.url)
    for linger in (struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)):
        with socket.create_connection((address.hostname, address.port), 5) as half:
            half.sendall(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
            time.sleep(0.2)
            half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    time.sleep(0.2)
    assert 200 == product.call("GET", "/health/live").status
    told = product.log.read_bytes()[before:]

    assert b"" == told


def test_health_of_both_listeners(product: Product) -> None:
    """Live and ready answer 200 on collector and keeper."""
    states = [
        product.call("GET", f"{base}/health/{kind}").status
        for base in (product.url, product.keeper)
        for kind in ("live", "ready")
    ]

    assert [200] * 4 == states
