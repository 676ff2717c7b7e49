"""
The consent door from outside: choices take effect, are proved, and leave nothing raw.

Canaries go through `/consent` and `/w/` in good and bad requests; then every answer,
file, log line, metric and table is searched for them.
"""

import http.client
import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests import canaries
from tests.canary_events import headers as canary_headers
from tests.product import Product, files_in, wait_until
from tests.system.test_canary import engine_blocks, has_parts, views

SITE = "consent.canary.example"
ORIGIN = f"https://{SITE}"
VISITOR = canaries.VISITOR
RECIPIENT = canaries.RECIPIENT
# The example of IAB's own specification: it can be read.
TC_STRING = (
    "CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA"
)
GPP_STRING = "DBACanaryGpp~CanaryGppSection.YA"
ACTIONS = ("give", "refuse", "change", "withdraw")
GIVEN = {"statistics": True, "marketing": False}
EXCHANGED: list[bytes] = []


# What only this door takes.
OWN = {
    "TC string": TC_STRING[:40],
    "GPP string": GPP_STRING,
    "consent id": "canary-consent-id",
    "consent URL": "canary-consent-page",
    "consent cookie": "CanaryCookieValue",
    "short token": "canary-short",
}


def find_in(content: bytes, *, packed: bool = False) -> list[str]:
    """Return the names of the canaries in some bytes, any case."""
    lowered = content.lower()
    own = [name for name, text in OWN.items() if text.lower().encode() in lowered]
    return canaries.find_in(content, packed=packed) + own


class Answer:
    """What came back: status, headers by lower-case name, body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


def exchange(
    product: Product,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Make a request with canary headers; keep its answer for the search."""
    address = urlsplit(product.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body)
    named = {
        **canary_headers(canaries.ADDRESS),
        "Cookie": f"CookieConsent=CanaryCookieValue; mail={quote(canaries.EMAIL)}",
        "Origin": ORIGIN,
        "Content-Type": "text/plain",
        **(headers or {}),
    }
    connection.request(method, path, content, named)
    response = connection.getresponse()
    told = {name.lower(): value for name, value in response.getheaders()}
    answer = Answer(response.status, told, response.read())
    connection.close()
    EXCHANGED.append(repr(told).encode() + answer.body)
    return answer


def choice(action: str, **fields: Any) -> dict[str, Any]:
    """Return a choice with canaries wherever there is room for one."""
    return {
        "event": "consent",
        "site": SITE,
        "action": action,
        "notice": f"shown to {canaries.EMAIL}",
        "language": "de-CH",
        "title": canaries.EMAIL,
        "url": f"{ORIGIN}/{canaries.EMAIL}?token={canaries.SECRET_QUERY}",
        **fields,
    }


def link(product: Product, recipient: str = RECIPIENT) -> str:
    """Return the path of a link by which a recipient withdraws."""
    done = product.run("link", "withdraw", "--site", SITE, "--recipient", recipient)
    assert done.returncode == 0, done.stderr
    return urlsplit(done.stdout.decode().strip()).path


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A server that trusts its proxy, after all canaries have flown through it."""
    product = Product(
        tmp_path_factory.mktemp("consent") / "data",
        trusted_proxies="127.0.0.1/32",
        log_level="debug",
    )
    product.add_site(SITE, "--debug")
    product.start()
    send_choices(product)
    send_questions(product)
    send_links(product)
    product.wait_loaded()
    yield product
    product.stop()


def send_choices(product: Product) -> None:
    """Make choices of every kind, and such that are none."""
    strings = {
        "gdpr": 1,
        "gdpr_consent": TC_STRING,
        "gpp": GPP_STRING,
        "us_privacy": "1YNN",
        "deniedConsentIds": ["canary-consent-id"],
        "consentUrl": "https://canary-consent-page.example/",
    }
    for more in ({}, {"visitor": VISITOR}, {"recipient": RECIPIENT}):
        for action in ACTIONS:
            consent = {"statistics": action in ("give", "change")}
            for claim in (consent, {**consent, **strings}, strings, None):
                body = choice(action, consent=claim, receipt="iso27560", **more)
                answer = exchange(product, "POST", "/consent", body)
                # Of what gives nothing a grant is none.
                assert answer.status in (202, 400), answer.body
    good = choice("withdraw", visitor=VISITOR)
    for bad in (
        f"{{not json {canaries.EMAIL}".encode(),
        {**good, canaries.EMAIL: 1},
        {**good, "site": canaries.EMAIL},
        {**good, "action": canaries.EMAIL},
        {**good, "notice": [canaries.EMAIL]},
        {**good, "notice": canaries.EMAIL * 20},
        {**good, "visitor": canaries.EMAIL},
        {**good, "visitor": "canary-short"},
        {**good, "recipient": RECIPIENT * 20},
        {**good, "event_id": VISITOR},
        {**good, "categories": [canaries.EMAIL]},
        {**good, "consent": {canaries.EMAIL: True}},
        {**good, "consent": {"gdpr_consent": [TC_STRING]}},
        {**good, "consent": {"gpp": GPP_STRING * 300}},
        {**good, "consent": {"updated_at": canaries.EMAIL}},
        {**good, "event": canaries.EMAIL},
        [good, {**good, "title": canaries.EMAIL}],
        (canaries.EMAIL * 60_000).encode(),
    ):
        answer = exchange(product, "POST", "/consent", bad)
        assert answer.status in (400, 413), bad
    foreign = exchange(
        product, "POST", "/consent", good, {"Origin": "https://evil.example"}
    )
    assert foreign.status == 400


def send_questions(product: Product) -> None:
    """Ask how one is treated, with canaries in the query and the headers."""
    strings = {"gdpr_consent": TC_STRING, "gpp": GPP_STRING, "us_privacy": "1YNN"}
    queries: list[tuple[dict[str, str], int]] = [
        ({"site": SITE, "consent": "statistics"}, 200),
        ({"site": SITE, **strings}, 200),
        ({"site": SITE, "visitor": VISITOR}, 400),
        ({"site": SITE, "recipient": RECIPIENT}, 400),
        ({"site": canaries.EMAIL}, 400),
        ({"site": SITE, "consent": canaries.EMAIL}, 400),
        ({"site": SITE, canaries.EMAIL: "1"}, 400),
        ({"site": SITE, "gdpr_consent": TC_STRING * 200}, 400),
    ]
    for query, status in queries:
        answer = exchange(product, "GET", f"/consent?{urlencode(query)}")
        assert (query.keys(), status) == (query.keys(), answer.status)
    for token, status in ((VISITOR, 200), (canaries.EMAIL, 400), ("canary-short", 400)):
        named = {"X-Kastana-Visitor": token}
        answer = exchange(product, "GET", f"/consent?site={SITE}", headers=named)
        assert status == answer.status


def send_links(product: Product) -> None:
    """Follow links, press buttons, on good and bad ones."""
    good = link(product)
    signed = product.run(
        "link", "sign", "https://x.example/", "--site", SITE, "--recipient", RECIPIENT
    )
    click = urlsplit(signed.stdout.decode().strip()).path.rpartition("/")[2]
    for path, status in (
        (good, 200),
        (f"{good}A", 400),
        (f"/w/{click}", 400),
        (f"/w/{quote(canaries.EMAIL)}.{RECIPIENT}", 400),
    ):
        for method, body in (
            ("GET", None),
            ("POST", b"List-Unsubscribe=One-Click"),
            ("POST", f"withdraw={canaries.EMAIL}".encode()),
        ):
            answer = exchange(product, method, path, body)
            assert (method, path, status) == (method, path, answer.status)
    other = good.replace("/w/", "/r/")
    assert exchange(product, "GET", other).status == 400


# ------------------------------------------------------------------------ nothing raw
def test_no_answer_holds_a_canary(door: Product) -> None:
    """Whatever was asked, no answer says anything of it back."""
    assert door.process is not None
    assert len(EXCHANGED) > 80
    for content in EXCHANGED:
        assert not find_in(content), content[:300]


def test_no_file_holds_a_canary(door: Product) -> None:
    """Objections, spool, ledger, secrets, metrics: no byte of a canaries."""
    wait_until(lambda: has_parts(door), "no parts", 10)
    columns, searched = b"", 0
    for path, content in files_in(door.data):
        searched += 1
        if path.suffix == ".bin":
            columns += engine_blocks(content)
        for view in views(content):
            packed = path.suffix == ".bin"
            assert not find_in(view, packed=packed), path.relative_to(door.data)

    assert searched > 20
    assert b"ConsentWithdrawn" in columns  # the unpacking works
    assert not find_in(columns, packed=True)


def test_no_log_line_holds_a_canary(door: Product) -> None:
    """The log, at its most talkative, says nothing of anyone."""
    content = door.log.read_bytes()

    assert content
    assert not find_in(content)
    assert b"/w/" not in content


def test_no_metric_holds_a_canary(door: Product) -> None:
    """Metrics count doors and codes from closed lists; no defect on the way."""
    content = door.call("GET", f"{door.keeper}/metrics").body

    assert b'door="consent"' in content
    assert b'door="withdraw"' in content
    assert not find_in(content)
    assert b"kastana_failures_total{" not in content


def test_no_column_holds_a_canary(door: Product) -> None:
    """Every column of every table is read back, and clean."""
    tables = door.sql(
        "SELECT name FROM system.tables WHERE database = 'kastana' AND engine != 'View'"
    )
    assert {"events", "counts", "consents"} <= {table["name"] for table in tables}
    for table in tables:
        statement = f"SELECT * FROM kastana.{table['name']}"  # noqa: S608 - our names
        done = door.run("sql", statement, "--format", "TSVRaw")
        assert done.returncode == 0, done.stderr
        assert not find_in(done.stdout), table["name"]


def test_the_canaries_did_arrive(door: Product) -> None:
    """The search proves something only if the choices were really taken."""
    states = door.sql(
        "SELECT event_state, count() AS n, countIf(principal = 0) AS nobody "
        "FROM kastana.consents GROUP BY event_state"
    )
    found = {row["event_state"]: (int(row["n"]), int(row["nobody"])) for row in states}

    assert {"ConsentGiven", "ConsentRefused", "ConsentWithdrawn"} == set(found)
    assert found["ConsentGiven"][0] > found["ConsentGiven"][1] > 0
    assert found["ConsentWithdrawn"][1] == 0
    notices = door.sql("SELECT DISTINCT notice FROM kastana.consents")
    assert any(row["notice"].startswith("shown to ") for row in notices)
    assert (door.data / "objections").stat().st_size > 0


# ---------------------------------------------------------------------- they take hold
def outcome(product: Product, path: str, body: Any = None) -> str:
    """Return what became of one event, as the debug header tells."""
    answer = exchange(product, "GET" if body is None else "POST", path, body)
    return answer.headers["x-kastana-outcome"]


def opened(product: Product, recipient: str) -> str:
    """Return what becomes of an e-mail that this recipient opens."""
    query = {"site": SITE, "recipient": recipient, "consent": "statistics"}
    return outcome(product, f"/p.gif?{urlencode(query)}")


def test_only_the_button_withdraws(door: Product) -> None:
    """An opened mail is identified until its reader presses the button."""
    path = link(door, "reader-0001")
    before = opened(door, "reader-0001")
    assert exchange(door, "GET", path).status == 200
    followed = opened(door, "reader-0001")
    pressed = exchange(door, "POST", path, b"List-Unsubscribe=One-Click")
    after = opened(door, "reader-0001")

    assert before == followed
    assert "identified" in before
    assert pressed.status == 200
    assert "identified" not in after
    assert "withdrawn" in after
    assert "identified" in opened(door, "reader-0002")


def view(product: Product, token: str, **consent: Any) -> str:
    """Return what becomes of a page view with this token and statistics consent."""
    event = {
        "event": "page_view",
        "site": SITE,
        "url": f"{ORIGIN}/",
        "visitor": token,
        "consent": {"statistics": True, **consent},
    }
    return outcome(product, "/e", event)


def test_withdrawn_and_given_again(door: Product) -> None:
    """A withdrawal holds against old grants; a new one is answered like the first."""
    token = "visitor-token-given-again"
    give = choice("give", visitor=token, consent=GIVEN)
    first = exchange(door, "POST", "/consent", give).json()
    assert "identified" in view(door, token)

    gone = exchange(door, "POST", "/consent", choice("withdraw", visitor=token))
    assert gone.json()["event_state"] == "ConsentWithdrawn"
    assert "withdrawn" in view(door, token)
    named = {"X-Kastana-Visitor": token}
    path = f"/consent?site={SITE}&consent=statistics"
    told = exchange(door, "GET", path, headers=named).json()
    assert "statistics" in told["withdrawn"]
    assert told["categories"]["statistics"]["state"] == "withdrawn"

    time.sleep(0.01)
    again = exchange(door, "POST", "/consent", give).json()
    assert first.keys() == again.keys()
    assert first["event_state"] == again["event_state"]
    now = int(time.time() * 1000)
    assert "identified" in view(door, token, updated_at=now)
    assert "withdrawn" in view(door, token, updated_at=now - 86_400_000)


def test_repeated_choice_is_recorded_once(door: Product) -> None:
    """A beacon that is sent twice is one choice, with one answer."""
    record_id = str(uuid.UUID(int=(int(time.time() * 1000) << 80) | 7 << 76 | 2 << 62))
    body = choice("refuse", event_id=record_id)
    answers = [exchange(door, "POST", "/consent", body) for _ in range(3)]
    door.wait_loaded()
    rows = door.sql(
        f"SELECT count() AS n FROM kastana.consents WHERE record_id = '{record_id}'"  # noqa: S608
    )

    assert {202} == {answer.status for answer in answers}
    assert 1 == len({answer.body for answer in answers})
    assert 1 == int(rows[0]["n"])


def test_opt_out_is_shown(door: Product) -> None:
    """A browser with Global Privacy Control is told that it was honoured."""
    path = f"/consent?site={SITE}&consent=statistics,marketing"
    told = exchange(door, "GET", path, headers={"Sec-GPC": "1"}).json()
    plain = exchange(door, "GET", path).json()

    assert "gpc" in told["signals"]
    assert (True, True) == (told["gpc_honoured"], told["opt_out_processed"])
    assert told["categories"]["marketing"]["outcome"] in ("dropped", "counted")
    assert (False, False) == (plain["gpc_honoured"], plain["opt_out_processed"])
    assert {"state", "outcome", "reasons", "row"} == set(
        told["categories"]["statistics"]
    )
    assert told["regime"]
    assert told["regime_version"]


def test_receipt(door: Product) -> None:
    """The ledger's receipt is the answer's own, with its place in the ledger."""
    body = choice("give", consent=GIVEN, visitor=VISITOR, receipt="kantara")
    told = exchange(door, "POST", "/consent", body).json()
    door.wait_loaded()
    done = door.run("consent", "receipt", told["record_id"], "--format", "kantara")
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)
    place = kept["extensions"].pop("ledger")
    now = told["receipt"]
    assert now["extensions"].pop("ledger") is None
    for one in (now, kept):
        one["extensions"]["withdrawal_method"].pop("url")
        one["services"][0]["purposes"][0].pop("termination")

    assert now == kept
    assert {"chain", "sequence", "hash"} == set(place)
    iso = door.run("consent", "receipt", told["record_id"])
    assert json.loads(iso.stdout)["header"]["record_id"] == told["record_id"]
    assert not find_in(done.stdout + iso.stdout)


@pytest.mark.parametrize(
    ("record_id", "code"), [("00000000-0000-7000-8000-000000000000", 1), ("x", 2)]
)
def test_no_receipt(door: Product, record_id: str, code: int) -> None:
    """The exit code says if there is none, or if it was asked for wrongly."""
    done = door.run("consent", "receipt", record_id)

    assert (code, b"") == (done.returncode, done.stdout)


def test_receipt_without_a_server(tmp_path: Path) -> None:
    """A keeper that is away is exit code 69."""
    product = Product(tmp_path / "data")
    product.data.mkdir()
    done = product.run("consent", "receipt", "00000000-0000-7000-8000-000000000000")

    assert 69 == done.returncode


# ------------------------------------------------------------------------------ caches
def test_consent_is_in_no_public_cache(door: Product) -> None:
    """Of all public answers only what is the same for everyone may be stored."""
    shared = {"/k.js", "/k-consent.js", "/k-vitals.js", "/.well-known/gpc.json"}
    asked = [
        ("GET", "/k.js", None),
        ("GET", "/k-consent.js", None),
        ("GET", "/k-vitals.js", None),
        ("GET", "/.well-known/gpc.json", None),
        ("GET", f"/p.gif?site={SITE}&consent=statistics", None),
        ("GET", "/r/x", None),
        ("GET", link(door), None),
        ("POST", link(door, "reader-0003"), b""),
        ("GET", "/w/x", None),
        ("GET", f"/consent?site={SITE}", None),
        ("HEAD", f"/consent?site={SITE}", None),
        ("GET", "/consent", None),
        ("POST", "/consent", choice("refuse")),
        ("POST", "/consent", b"{nope"),
        ("POST", "/e", b"{nope"),
        ("POST", "/e", {"event": "page_view", "site": SITE}),
        ("PUT", "/consent", b""),
        ("GET", "/nowhere", None),
    ]
    for method, path, body in asked:
        stored = exchange(door, method, path, body).headers.get("cache-control", "")
        if path in shared:
            assert re.fullmatch(r"public, max-age=\d+", stored), path
        else:
            assert "no-store" in stored, (method, path)
            assert "public" not in stored, (method, path)


def test_gpc_resource(door: Product) -> None:
    """The well-known resource says that the signal is honoured, and since when."""
    told = exchange(door, "GET", "/.well-known/gpc.json")

    assert told.headers["content-type"].startswith("application/json")
    assert told.json()["gpc"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told.json()["lastUpdate"])


def test_preflight(door: Product) -> None:
    """A page of the site may send the visitor's token in its header."""
    answer = exchange(
        door,
        "OPTIONS",
        "/consent",
        headers={
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-kastana-visitor",
        },
    )

    assert 204 == answer.status
    assert ORIGIN == answer.headers["access-control-allow-origin"]
    assert "x-kastana-visitor" == answer.headers["access-control-allow-headers"]
