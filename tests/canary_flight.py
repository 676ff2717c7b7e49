"""
The flight of the canaries: through every door, consent state and error path.
"""

import base64
import gzip
import http.client
import json
import socket
from urllib.parse import quote, urlsplit

from tests.canaries import (
    ACCOUNT,
    ADDRESS,
    ADDRESS6,
    AGENT,
    CONSENT_ID,
    COOKIE,
    EMAIL,
    GPP_STRING,
    PEER,
    RECIPIENT,
    SERVER_KEY,
    SITE,
    TC_STRING,
    VISITOR,
    find_in,
)
from tests.canary_events import (
    CONSENTS,
    FORWARDED,
    LEGIBLE,
    PACKS,
    SPELLINGS,
    canary_events,
    headers,
)
from tests.product import Product


def send_everything(product: Product) -> None:
    """Drive canaries through every door, consent state and error path."""
    for forwarded in FORWARDED:
        for site in PACKS:
            for consent in CONSENTS:
                batch = canary_events(site, consent)
                answer = request(product, "POST", "/e", json.dumps(batch), forwarded)
                assert answer == 202
    send_from_a_peer(product)
    send_as_server(product)
    for site in ("opt-out", "opt-in"):
        send_pixels(product, f"{site}.{SITE}")
    send_errors(product)
    send_broken_http(product)
    send_as_others(product)


def send_as_others(product: Product) -> None:
    """Send as those who withdrew nothing: of these rows stay, whatever came before."""
    event = {"event": "page_view", "site": f"opt-in.{SITE}"}
    body = json.dumps({**event, "consent": {"statistics": True}})
    # Without cookies, of which some refuse.
    agent = {"User-Agent": f"{AGENT} again", "Cookie": ""}
    for forwarded, peer in ((ADDRESS, "127.0.0.1"), (ADDRESS6, PEER)):
        status = request(product, "POST", "/e", body, forwarded, agent, peer=peer)
        assert status == 202


def send_from_a_peer(product: Product) -> None:
    """Send as a peer that is no proxy of ours: what it forwards is its own word."""
    for site in PACKS:
        for consent in CONSENTS[:3]:
            batch = json.dumps(canary_events(site, consent))
            escaped = batch.replace(ADDRESS, ADDRESS.replace(".", "\\u002e"))
            assert escaped != batch
            for body in (batch, escaped):
                assert request(product, "POST", "/e", body, ADDRESS, peer=PEER) == 202
        query = f"site={site}&event=page_view&consent=statistics"
        path = f"/p.gif?{query}"
        assert request(product, "GET", path, "", ADDRESS6, peer=PEER) == 200
    bad = request(product, "POST", "/e", f"{{{PEER}", ADDRESS, peer=PEER)
    assert bad == 400


def send_as_server(product: Product) -> None:
    """Speak for visitors with a key of the site, and be refused for each defect."""
    key = {"Authorization": f"Bearer {SERVER_KEY}", "Origin": ""}
    whole = {
        "user_agent": AGENT,
        "language": f"de-CH,{EMAIL}",
        "brands": f'"{EMAIL}";v="88"',
        "platform": EMAIL,
    }
    for site in PACKS:
        for address in FORWARDED:
            client = {**whole, "address": address}
            events = canary_events(site, {"statistics": True})
            body = json.dumps([{**event, "client": client} for event in events])
            assert request(product, "POST", "/e", body, ADDRESS, key) == 202
            assert request(product, "POST", "/e", body, ADDRESS, key, peer=PEER) == 202
            # Without the key, and with another.
            other = {**key, "Authorization": f"Bearer {SERVER_KEY[:-1]}y"}
            assert request(product, "POST", "/e", body, ADDRESS) >= 400
            assert request(product, "POST", "/e", body, ADDRESS, other) >= 400
        for client in (
            {"address": f"{ADDRESS}.{EMAIL}"},
            {"address": "x".join(SPELLINGS)[:100]},
            {"address": [ADDRESS]},
            {EMAIL: ADDRESS6},
        ):
            bad = {"event": "page_view", "site": site, "client": client}
            assert request(product, "POST", "/e", json.dumps(bad), ADDRESS, key) == 400


def send_pixels(product: Product, site: str) -> None:
    """Ask for pictures and links whose URLs hold canaries."""
    addresses = "&ip=".join(map(quote, SPELLINGS))
    for query in (
        f"site={site}&mailing={quote(EMAIL)}&recipient={RECIPIENT}&consent=statistics",
        f"site={site}&event=page_view&url={quote(f'https://{site}/{EMAIL}')}",
        f"site={site}&event=page_view&title={quote(' '.join(LEGIBLE)[:500])}",
        f"site={site}&{quote(EMAIL)}=1",
        f"site={site}&ip={addresses}",
        f"site={quote(EMAIL)}&mailing={COOKIE}",
        f"site={site}&mailing=%ff{COOKIE}",
        f"site={site}&title={COOKIE}&title={quote(EMAIL)}",
        f"site={site}&gdpr=1&gdpr_consent={TC_STRING}&gpp={GPP_STRING}&gpp_sid=7",
        f"site={site}&gdpr={CONSENT_ID}&gdpr_consent={CONSENT_ID}",
        f"site={site}&us_privacy={CONSENT_ID}&gcs={CONSENT_ID}&age_band={EMAIL}",
    ):
        request(product, "GET", f"/p.gif?{query}", "", ADDRESS)
    for path in (
        f"/r/{COOKIE}.{quote(EMAIL)}",
        f"/w/{COOKIE}.{quote(EMAIL)}",
        f"/{quote(EMAIL)}?{COOKIE}&{addresses}",
    ):
        assert request(product, "GET", path, "", ADDRESS) in (400, 404)
    signed = product.run(
        "link", "sign", f"https://x.example/?u={quote(EMAIL)}", "--site", site,
        "--recipient", RECIPIENT, "--consent", "statistics",
    )  # fmt: skip
    path = urlsplit(signed.stdout.decode().strip()).path
    assert request(product, "GET", path, "", ADDRESS) == 302
    choice = {"event": "consent", "site": site, "visitor": VISITOR, "action": "give"}
    for more in (
        {"consent": {"statistics": True}, "notice": f"{EMAIL} {ADDRESS}"},
        {"action": "withdraw", "recipient": RECIPIENT},
        {"action": EMAIL},
    ):
        body = json.dumps({**choice, **more})
        request(product, "POST", "/consent", body, ADDRESS)
        request(product, "POST", "/consent", body, ADDRESS6, peer=PEER)
    request(product, "GET", f"/consent?site={site}&visitor={VISITOR}", "", ADDRESS)


def send_errors(product: Product) -> None:
    """Send what fails in every way, canaries inside."""
    site = f"opt-in.{SITE}"
    event = {"event": "page_view", "site": site}
    spelled = " ".join(SPELLINGS)
    bodies: list[bytes] = [
        f"{{not json {EMAIL} {spelled}".encode(),
        json.dumps({**event, EMAIL: 1}).encode(),
        json.dumps({**event, "title": [EMAIL]}).encode(),
        json.dumps({**event, "title": SPELLINGS}).encode(),
        json.dumps({**event, ADDRESS: SPELLINGS}).encode(),
        json.dumps({**event, "site": EMAIL}).encode(),
        json.dumps({**event, "site": ADDRESS}).encode(),
        json.dumps({**event, "site": f"[{ADDRESS6}]"}).encode(),
        json.dumps({**event, "event": EMAIL}).encode(),
        json.dumps({**event, "event": ADDRESS}).encode(),
        json.dumps({**event, "consent": {EMAIL: True}}).encode(),
        json.dumps({**event, "consent": {"gdpr_consent": [TC_STRING]}}).encode(),
        json.dumps({**event, "consent": {"gpp": CONSENT_ID * 500}}).encode(),
        json.dumps({**event, "consent": {"jurisdiction": EMAIL}}).encode(),
        json.dumps({**event, "occurred_at": EMAIL}).encode(),
        json.dumps({**event, "occurred_at": ADDRESS}).encode(),
        json.dumps({**event, "event_id": VISITOR}).encode(),
        json.dumps({**event, "visitor": EMAIL}).encode(),
        json.dumps({**event, "account": [ACCOUNT]}).encode(),
        json.dumps({**event, "properties": {EMAIL: [COOKIE]}}).encode(),
        json.dumps({**event, "title": EMAIL * 200}).encode(),
        json.dumps([event] * 2000 + [{"x": EMAIL}]).encode(),
        (EMAIL * 60_000).encode(),
        gzip.compress(EMAIL.encode())[:-4],
        b"\x1f\x8b" + EMAIL.encode(),
        b"data=" + base64.b64encode(EMAIL.encode()),
        socket.inet_aton(ADDRESS) + socket.inet_pton(socket.AF_INET6, ADDRESS6),
    ]
    for body in bodies:
        assert request(product, "POST", "/e", body, ADDRESS) in (400, 413)
        request(product, "POST", "/consent", body, ADDRESS)
    status = request(
        product, "POST", "/e", EMAIL, ADDRESS, {"Content-Encoding": "gzip"}
    )
    assert status == 400
    for method in ("PUT", "DELETE", "PATCH", "PROPFIND", "CONNECT", "TRACE", "HEAD"):
        for path in ("/e", "/p.gif", f"/r/{quote(EMAIL)}", f"/{ADDRESS}"):
            body = "" if method == "HEAD" else f"{EMAIL} {spelled}"
            status = request(product, method, path, body, ADDRESS6)
            assert status < 500, (method, path)
    for kind in (f"text/{EMAIL}", f"application/json; charset={COOKIE}", spelled[:500]):
        more = {"Content-Type": kind}
        status = request(product, "POST", "/e", json.dumps(event), ADDRESS, more)
        assert status in (202, 400, 415)


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
        f"{ADDRESS} {' '.join(SPELLINGS)}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {ADDRESS}\r\n{ADDRESS6}: \0{ADDRESS}\r\n\r\n",
        "A" * 20_000 + EMAIL,
        f"GET /r/{'a' * 9000}{EMAIL} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nExpect: {EMAIL}\r\n\r\n",
    ):
        with socket.create_connection(
            (host, port), timeout=5, source_address=(PEER, 0)
        ) as connection:
            connection.sendall(raw.encode())
            connection.settimeout(0.3)
            try:
                answer = connection.recv(4096)
            except (TimeoutError, ConnectionResetError):
                continue
            assert not find_in(answer)


def request(  # noqa: PLR0913 - the parts of a request
    product: Product,
    method: str,
    path: str,
    body: str | bytes,
    forwarded: str,
    more: dict[str, str] | None = None,
    *,
    peer: str = "127.0.0.1",
) -> int:
    """Make a request with canary headers; return the status, the answer being clean."""
    address = urlsplit(product.url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=20, source_address=(peer, 0)
    )
    content = body.encode() if isinstance(body, str) else body
    sent = {**headers(forwarded), "X-Api-Key": SERVER_KEY, **(more or {})}
    # An empty one is not sent.
    sent = {name: value for name, value in sent.items() if value}
    connection.request(method, path, content, sent)
    answer = connection.getresponse()
    told = [(name, value) for name, value in answer.getheaders()]
    said = answer.read()
    connection.close()
    if answer.status != 302:  # a signed link leads where its sender said
        # Pages may read their own origin back; a choice's answer names its receipt.
        assert not find_in(repr(told).encode()), (method, path, answer.status)
        assert not find_in(said), (method, path, answer.status)
    return answer.status
