"""
The canary: events that carry recognisable raw data go through every door and every
error path, then everything the product wrote is searched, unpacked, for any of it.
"""

import base64
import gzip
import http.client
import ipaddress
import json
import lzma
import re
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import lz4.block
import pytest
from backports import zstd

from tests.product import Product, wait_until
from tests.tc_strings import encode_tc

SITE = "canary.example"
# An address of a documentation network in every part of which something shows.
ADDRESS = "198.51.100.213"
ADDRESS6 = "2001:db8:85a3:9d1c:7f3e:8a2e:370:7334"
AGENT = "Mozilla/5.0 (CanaryOS 77.31; Zz9k) CanaryBrowser/88.7654.321"
EMAIL = "carla.canary@birdmail.example"
COOKIE = "canarycookie7f3a9c"
VISITOR = "CanaryVisitorToken00042"
RECIPIENT = "canary-recipient-5521"
LATITUDE, LONGITUDE = 47.3769123, 8.5417456
PHONE = "+41791234599"
CARD = "4111 1111 1111 1111"
SECRET_QUERY = "canaryqueryvalue55"
REFERRER_QUERY = "canaryreferrervalue66"
PASSWORD = "canarypassword9"
# Consent strings mark their browsers: a whole one, a broken one, and what cookies of
# consent managers hold beside the choice.
TC_STRING = encode_tc(
    created_ms=int(time.time() // 86_400 - 3) * 86_400_000,
    cmp_id=2749,
    vendor_list_version=3461,
    publisher_purpose_consents=range(1, 12),
    vendors_disclosed=(1, 77, 777),
)
GPP_STRING = "DBABLA~BVQqAAAAAgA.QA"
CONSENT_ID = "canaryconsentid31337"
CONSENT_COOKIES = "; ".join(
    [
        (
            f"CookieConsent={{stamp:%27{CONSENT_ID}==%27%2Cnecessary:true"
            "%2Cpreferences:true%2Cstatistics:true%2Cmarketing:true"
            "%2Cmethod:%27explicit%27%2Cver:1%2Cutc:1764000000000%2Cregion:%27de%27}"
        ),
        f"euconsent-v2={TC_STRING}",
        f"OTGPPConsent={GPP_STRING}",
        f"usprivacy={CONSENT_ID}",
        f"klaro={CONSENT_ID}",
    ]
)
# One site a pack.
PACKS = {
    f"opt-in.{SITE}": "eu_strict",
    f"opt-out.{SITE}": "us_other",
    f"exempt-anonymous.{SITE}": "eu_fr_exempt",
}


def needles() -> dict[str, bytes]:
    """Return what must not be found, in the spellings it could be written in."""
    four = ipaddress.ip_address(ADDRESS)
    six = ipaddress.ip_address(ADDRESS6)
    texts = {
        "address": ADDRESS,
        "address, integer": str(int(four)),
        "address, hex": four.packed.hex(),
        "address, hex groups": f"{int(four):x}",
        "address, mapped": f"{four.packed[:2].hex()}:{four.packed[2:].hex()}",
        "IPv6": ADDRESS6,
        "IPv6, exploded": six.exploded,
        "IPv6, hex": six.packed.hex(),
        "IPv6, interface part": "7f3e:8a2e:370:7334",
        "agent": AGENT,
        "agent, product": "CanaryBrowser/88.7654",
        "agent, system": "CanaryOS 77.31",
        "e-mail": EMAIL,
        "e-mail, encoded": quote(EMAIL),
        "e-mail, local part": "carla.canary",
        "cookie": COOKIE,
        "visitor token": VISITOR,
        "recipient token": RECIPIENT,
        "latitude": "47.3769",
        "longitude": "8.54174",
        "telephone": PHONE[1:],
        "card": CARD,
        "card, closed up": CARD.replace(" ", ""),
        "query value": SECRET_QUERY,
        "referrer query value": REFERRER_QUERY,
        "password": PASSWORD,
        "TC string": TC_STRING,
        "TC string, core": TC_STRING.partition(".")[0],
        "GPP string": GPP_STRING,
        "consent id": CONSENT_ID,
    }
    found = {name: text.encode() for name, text in texts.items()}
    for name in ("address", "e-mail", "cookie", "visitor token"):
        packed = base64.b64encode(texts[name].encode()).rstrip(b"=")[:-1]
        found[f"{name}, base64"] = packed
    found["IPv6, packed"] = six.packed
    return found


@pytest.fixture(scope="module")
def canaried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A server that trusts its proxy, after all canaries have flown through it."""
    product = Product(
        tmp_path_factory.mktemp("canary") / "data",
        trusted_proxies="127.0.0.1/32",
        log_level="debug",
    ).start()
    for name, pack in PACKS.items():
        options = ["--rules", pack, "--consent-cookies", "cookiebot,klaro,iab"]
        product.run("site", "add", name, *options, "--origin", "*", "--debug")
    time.sleep(1.1)
    send_everything(product)
    product.wait_loaded()
    yield product
    product.stop()


def headers(forwarded: str) -> dict[str, str]:
    """Return headers with a canary wherever there is room for one."""
    return {
        "User-Agent": AGENT,
        "X-Forwarded-For": forwarded,
        "Cookie": f"session={COOKIE}; mail={quote(EMAIL)}; {CONSENT_COOKIES}",
        "Referer": f"https://ref.example/a?q={REFERRER_QUERY}&email={quote(EMAIL)}",
        "Authorization": f"Bearer {COOKIE}",
        "Accept-Language": "de-CH",
        "X-Kastana-Debug": "1",
        "Origin": "https://page.canary.example",
    }


def canary_events(site: str, consent: dict[str, object] | None) -> list[dict]:
    """Return one event of every kind, with canaries in every field."""
    text = (
        f"at {LATITUDE},{LONGITUDE} "
        f"mail {EMAIL} call {PHONE} card {CARD} from {ADDRESS} or {ADDRESS6}"
    )
    url = (
        f"https://user:{COOKIE}@{site}/profile/{EMAIL}/x"
        f"?token={SECRET_QUERY}&email={quote(EMAIL)}&utm_source={quote(EMAIL)}"
    )
    common = {
        "site": site,
        "url": url,
        "referrer": f"https://ref.example/u/{quote(EMAIL)}?q={REFERRER_QUERY}",
        "title": text,
        "visitor": VISITOR,
        "properties": {
            "note": text,
            "ip": ADDRESS,
            EMAIL: "key",
            "card": CARD,
            "password": PASSWORD,
            "lat": LATITUDE,
        },
        "campaign": {"content": EMAIL, "term": text[:150]},
    }
    if consent is not None:
        common["consent"] = consent
    own: list[dict] = [
        {"event": "page_view"},
        {"event": "page_ping", "engaged_ms": 1200, "scroll_depth": 50},
        {"event": "link_click", "target_url": f"mailto:{EMAIL}?subject={COOKIE}"},
        {"event": "link_click", "target_url": f"https://x.example/{EMAIL}?{COOKIE}"},
        {"event": "file_download", "target_url": f"https://{site}/{EMAIL}.pdf"},
        {"event": "form_submit", "form_id": f"form-{EMAIL}"},
        {"event": "custom", "name": EMAIL},
        {
            "event": "exception",
            "exception_type": f"Error {EMAIL}",
            "exception_message": text,
            "exception_stacktrace": f"at f ({url}:1:2)\n {text}",
        },
        {"event": "app_crash", "exception_message": text, "app_version": EMAIL},
        {"event": "web_vital", "web_vital_name": "LCP", "web_vital_value": 1.5},
        {"event": "email_open", "mailing": EMAIL, "recipient": RECIPIENT},
        {"event": "email_click", "mailing": "m", "recipient": RECIPIENT},
        {"event": "location", "latitude": LATITUDE, "longitude": LONGITUDE},
    ]
    return [{**common, **one} for one in own]


def send_everything(product: Product) -> None:
    """Drive canaries through every door, consent state and error path."""
    consents: list[dict[str, object] | None] = [
        None,
        {"statistics": True, "preference": True, "marketing": True},
        {"statistics": True},
        {"statistics": False},
        {"statistics": "withdrawn"},
        {"gdpr": True, "gdpr_consent": TC_STRING, "gpp": GPP_STRING, "gpp_sid": "7"},
        {"gdpr_consent": TC_STRING[:-9] + CONSENT_ID, "gpp": CONSENT_ID},
        {"us_privacy": CONSENT_ID, "gcs": CONSENT_ID, "gcd": CONSENT_ID},
        {"categoryPreferences": {CONSENT_ID: True, EMAIL: False}},
        {"allowedConsentIds": [EMAIL, "analytics"], "deniedConsentIds": [CONSENT_ID]},
        {
            "eventType": "allow_selected",
            "basisForProcessing": "consent",
            "consentScopes": [CONSENT_ID, "analytics"],
            "consentUrl": f"https://x.example/{EMAIL}",
            "consentVersion": CONSENT_ID,
        },
        {"statistics": True, "policy_version": CONSENT_ID, "gpp_sid": CONSENT_ID},
        {"statistics": True, "source": CONSENT_ID},
        {"statistics": True, "marketing": False, "source": CONSENT_ID},
    ]
    for forwarded in (ADDRESS, f"[{ADDRESS6}]:443", f"::ffff:{ADDRESS}"):
        for regime in ("opt-in", "opt-out", "exempt-anonymous"):
            for consent in consents:
                batch = canary_events(f"{regime}.{SITE}", consent)
                answer = request(product, "POST", "/e", json.dumps(batch), forwarded)
                assert answer == 202
    for site in ("opt-out", "opt-in"):
        send_pixels(product, f"{site}.{SITE}")
    send_errors(product)
    send_broken_http(product)


def send_pixels(product: Product, site: str) -> None:
    """Ask for pictures and links whose URLs hold canaries."""
    for query in (
        f"site={site}&mailing={quote(EMAIL)}&recipient={RECIPIENT}&consent=statistics",
        f"site={site}&event=page_view&url={quote(f'https://{site}/{EMAIL}')}",
        f"site={site}&{quote(EMAIL)}=1",
        f"site={quote(EMAIL)}&mailing={COOKIE}",
        f"site={site}&mailing=%ff{COOKIE}",
        f"site={site}&title={COOKIE}&title={quote(EMAIL)}",
        f"site={site}&gdpr=1&gdpr_consent={TC_STRING}&gpp={GPP_STRING}&gpp_sid=7",
        f"site={site}&gdpr={CONSENT_ID}&gdpr_consent={CONSENT_ID}",
        f"site={site}&us_privacy={CONSENT_ID}&gcs={CONSENT_ID}&age_band={EMAIL}",
    ):
        request(product, "GET", f"/p.gif?{query}", "", ADDRESS)
    for path in (f"/r/{COOKIE}.{quote(EMAIL)}", f"/{quote(EMAIL)}?{COOKIE}"):
        request(product, "GET", path, "", ADDRESS)
    signed = product.run(
        "link", "sign", f"https://x.example/?u={quote(EMAIL)}", "--site", site,
        "--recipient", RECIPIENT, "--consent", "statistics",
    )  # fmt: skip
    path = urlsplit(signed.stdout.decode().strip()).path
    assert request(product, "GET", path, "", ADDRESS) == 302


def send_errors(product: Product) -> None:
    """Send bodies that fail in every way, canaries inside."""
    site = f"opt-in.{SITE}"
    event = {"event": "page_view", "site": site}
    bodies: list[bytes] = [
        f"{{not json {EMAIL} {ADDRESS}".encode(),
        json.dumps({**event, EMAIL: 1}).encode(),
        json.dumps({**event, "title": [EMAIL]}).encode(),
        json.dumps({**event, "site": EMAIL}).encode(),
        json.dumps({**event, "event": EMAIL}).encode(),
        json.dumps({**event, "consent": {EMAIL: True}}).encode(),
        json.dumps({**event, "consent": {"gdpr_consent": [TC_STRING]}}).encode(),
        json.dumps({**event, "consent": {"gpp": CONSENT_ID * 500}}).encode(),
        json.dumps({**event, "consent": {"jurisdiction": EMAIL}}).encode(),
        json.dumps({**event, "occurred_at": EMAIL}).encode(),
        json.dumps({**event, "event_id": VISITOR}).encode(),
        json.dumps({**event, "properties": {EMAIL: [COOKIE]}}).encode(),
        json.dumps({**event, "title": EMAIL * 200}).encode(),
        json.dumps([event] * 2000 + [{"x": EMAIL}]).encode(),
        (EMAIL * 60_000).encode(),
        gzip.compress(EMAIL.encode())[:-4],
        b"\x1f\x8b" + EMAIL.encode(),
        b"data=" + base64.b64encode(EMAIL.encode()),
    ]
    for body in bodies:
        assert request(product, "POST", "/e", body, ADDRESS) in (400, 413)
    status = request(
        product, "POST", "/e", EMAIL, ADDRESS, {"Content-Encoding": "gzip"}
    )
    assert status == 400


def send_broken_http(product: Product) -> None:
    """Break the protocol itself: the answer is fixed and the log must not tell."""
    host, port = urlsplit(product.url).hostname, urlsplit(product.url).port
    for raw in (
        f"GET /{COOKIE} HTTP/9.9\r\nX-Forwarded-For: {ADDRESS}\r\n\r\n",
        f"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: {EMAIL}\r\n\r\n",
        f"GET /p.gif?{EMAIL} HTTP/1.1\r\nHost x {COOKIE}\r\n\r\n",
        f"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{EMAIL}",
        f"POST /e HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{EMAIL}\r\n",
        f"{EMAIL} {COOKIE}\r\n\r\n",
        "A" * 20_000 + EMAIL,
        f"GET /r/{'a' * 9000}{EMAIL} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nExpect: {EMAIL}\r\n\r\n",
    ):
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(raw.encode())
            connection.settimeout(0.5)
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                continue
            assert not find_in(answer)


def request(  # noqa: PLR0913 - the parts of a request
    product: Product,
    method: str,
    path: str,
    body: str | bytes,
    forwarded: str,
    more: dict[str, str] | None = None,
) -> int:
    """Make a request with canary headers; return the status."""
    address = urlsplit(product.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    content = body.encode() if isinstance(body, str) else body
    connection.request(method, path, content, {**headers(forwarded), **(more or {})})
    status = connection.getresponse().status
    connection.close()
    return status


def views(content: bytes) -> Iterator[bytes]:
    """Return a file's bytes and what they unpack to."""
    yield content
    for unpack in (gzip.decompress, zlib.decompress, lzma.decompress):
        try:
            yield unpack(content)
        except (OSError, zlib.error, lzma.LZMAError, EOFError):
            continue


def engine_blocks(content: bytes) -> bytes:
    """
    Return what a column file of the engine holds, unpacked.

    A frame is a 16-byte checksum, the method (0x82 LZ4, 0x90 ZSTD, 0x02 none), the
    packed size with its 9-byte head, the unpacked size, and the data; some methods
    (0x91 multiple codecs) hold another frame's data behind a list of codecs.
    """
    plain = []
    at = 0
    while at + 25 <= len(content):
        method = content[at + 16]
        packed, size = struct.unpack_from("<II", content, at + 17)
        data = content[at + 25 : at + 16 + packed]
        if method == 0x91:
            method, data = data[1 : 1 + data[0]][-1], data[1 + data[0] :]
            # Behind the list stands the frame of the codec that was applied last.
            size = struct.unpack_from("<I", data, 5)[0]
            data = data[9:]
        if method == 0x90:
            plain.append(zstd.decompress(data))
        elif method == 0x82:
            plain.append(lz4.block.decompress(data, uncompressed_size=size))
        elif method == 0x02:
            plain.append(data)
        else:
            break
        at += 16 + packed
    return b"".join(plain)


def find_in(content: bytes) -> list[str]:
    """Return the names of the needles in some bytes, any case."""
    lowered = content.lower()
    return [name for name, needle in needles().items() if needle.lower() in lowered]


def test_no_file_under_the_data_folder_holds_a_canary(canaried: Product) -> None:
    """Spool, engine parts, secrets, metrics: no byte of a canary."""
    wait_until(lambda: any(canaried.data.rglob("*.bin")), "no parts", 10)
    searched, columns = 0, b""
    for path in canaried.data.rglob("*"):
        if not path.is_file():
            continue
        searched += 1
        if path.suffix == ".bin":
            columns += engine_blocks(path.read_bytes())
        for content in views(path.read_bytes()):
            assert not find_in(content), path.relative_to(canaried.data)

    assert searched > 20
    assert SITE.encode() in columns  # the unpacking works
    assert not find_in(columns)


def test_no_log_line_holds_a_canary(canaried: Product) -> None:
    """The log, at its most talkative, says nothing of anyone."""
    content = canaried.log.read_bytes()

    assert content
    assert not find_in(content)
    assert b"127.0.0.1:" in content  # the listeners' own addresses alone
    assert not re.search(rb"peer|remote", content)


def test_no_metric_holds_a_canary(canaried: Product) -> None:
    """Metrics count, and their labels come from closed lists."""
    content = canaried.call("GET", f"{canaried.keeper}/metrics").body

    assert b"kastana_events_total" in content
    assert not find_in(content)
    assert b"kastana_failures_total{" not in content  # no defect on the way


def test_no_column_of_clickhouse_holds_a_canary(canaried: Product) -> None:
    """Every column of every table and system log is read back, and clean."""
    tables = canaried.sql(
        "SELECT database, name FROM system.tables WHERE engine != 'View' "
        "AND (database = 'kastana' OR (database = 'system' AND name LIKE '%_log'))"
    )
    assert {"events", "counts"} <= {table["name"] for table in tables}
    for table in tables:
        name = f"{table['database']}.{table['name']}"
        statement = f"SELECT * FROM {name}"  # noqa: S608 - the engine's own names
        done = canaried.run("sql", statement, "--format", "TSVRaw")
        if table["database"] == "kastana":
            assert done.returncode == 0, done.stderr
        assert not find_in(done.stdout), name


def test_the_canaries_did_arrive(canaried: Product) -> None:
    """The search proves something only if the events were really processed."""
    outcomes = canaried.sql(
        "SELECT outcome, count() AS n FROM kastana.events GROUP BY outcome"
    )
    kept = {row["outcome"]: int(row["n"]) for row in outcomes}
    dropped = canaried.sql("SELECT sum(events) AS n FROM kastana.counts")
    networks = canaried.sql(
        "SELECT DISTINCT client_address FROM kastana.events ORDER BY client_address"
    )

    assert kept["identified"] > 100
    assert kept["anonymous"] > 50
    assert int(dropped[0]["n"]) > 100
    assert ["", "198.51.100.0", "2001:db8:85a3::"] == [
        row["client_address"] for row in networks
    ]


def test_memory_of_a_killed_server_leaves_no_canary_behind(
    tmp_path: Path,
) -> None:
    """Killed at work, and again ended with a full buffer: the disk is clean."""
    product = Product(tmp_path / "data", trusted_proxies="127.0.0.1/32").start()
    product.add_site(f"opt-out.{SITE}", "--rules", "us_other", "--origin", "*")
    batch = json.dumps(canary_events(f"opt-out.{SITE}", None))
    for _ in range(3):
        assert request(product, "POST", "/e", batch, ADDRESS) == 202
    product.kill()
    product.start()
    assert request(product, "POST", "/e", batch, ADDRESS6) == 202
    code = product.stop()
    files = [path for path in product.data.rglob("*") if path.is_file()]

    assert code == 0
    for path in [*files, product.log]:
        assert not find_in(path.read_bytes()), path
