"""Server keys: who may say whose request it is, and what becomes of what they say."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collector.call import Call, Sender
from collector.commands_site import site as command
from collector.doors import Asked, Doors, Verdict
from collector.explain import explain
from collector.folder import Folder
from collector.respond import debug_text, refused
from collector.runtime import build
from collector.sites import Sites, editing, ensure_demo_site
from schemas.event import ClientClaim
from schemas.outcome import Invalid
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.server_key import digest_of, is_one_of, new_key
from schemas.settings import Settings
from schemas.site import SiteError, make_site
from tests.builders import DAY_MS, NOON_MS

SITE, OTHER = "example.com", "other.example"
KEY, OTHER_KEY = new_key(), new_key()
ADDRESS, AGENT = "203.0.113.77", "Mozilla/5.0 (canary-agent)"
CLIENT = {
    "address": ADDRESS,
    "user_agent": AGENT,
    "language": "de-AT,de;q=0.8",
    "brands": '"Chromium";v="131"',
    "mobile": "?1",
    "platform": '"Android"',
}
SHOWN = {"Authorization": f"Bearer {KEY}"}
SERVER = "198.51.100.9"


class Watcher:
    """Takes the place of what processes events: it only looks at them."""

    def __init__(self) -> None:
        self.seen: list[RawEvent] = []

    def process(self, raw: RawEvent, _site: Any, _key: str) -> Invalid:
        """Remember an event; answer with what no test here looks at."""
        self.seen.append(raw)
        return Invalid("internal", "not processed")

    def process_all(self, asked: Iterable[tuple[RawEvent, Any, str]]) -> list[Invalid]:
        """Do the same with many."""
        return [self.process(*one) for one in asked]


@pytest.fixture
def watcher() -> Watcher:
    """Sees the events that the doors let in."""
    return Watcher()


@pytest.fixture
def doors(tmp_path: Path, watcher: Any) -> Doors:
    """Doors of two sites with a key each."""
    folder = Folder(tmp_path)
    with editing(folder.sites) as sites:
        for name, key in ((SITE, KEY), (OTHER, OTHER_KEY)):
            sites[name] = make_site(name, {"keys": {"backend": digest_of(key)}})
    settings = Settings(trusted_proxies=("10.0.0.0/8",), country_header="CF-IPCountry")
    sites_seen = Sites(folder.sites, open_sites=False)
    return Doors(settings, load_policy(), sites_seen, watcher, b"l" * 32)


def call(headers: dict[str, str] | list[tuple[str, str]], **parts: Any) -> Call:
    """Return a call of a server."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    known: dict[str, Any] = {"peer": SERVER, "query": "", "received_ms": NOON_MS}
    return Call(headers=pairs, **{**known, **parts})


def body(**fields: Any) -> bytes:
    """Return a page view with these fields."""
    return json.dumps({"event": "page_view", "site": SITE, **fields}).encode()


def code(verdict: Verdict) -> tuple[int, str, str]:
    """Return status, code and field of a refusal."""
    assert verdict.error is not None
    return verdict.status, verdict.error.code, verdict.error.field


def test_a_server_speaks_for_its_visitor(doors: Doors, watcher: Watcher) -> None:
    """With a key address, agent, language and hints are those of the visitor."""
    own = {"User-Agent": "backend/1.0", "Accept-Language": "en", "Sec-CH-UA": "x"}
    doors.events(call({**SHOWN, **own, "Sec-GPC": "1"}), body(client=CLIENT))

    (raw,) = watcher.seen
    assert (ADDRESS, AGENT) == (raw.address, raw.user_agent)
    assert raw.trusted
    assert raw.door == "server"
    assert raw.headers == {
        "accept-language": CLIENT["language"],
        "sec-ch-ua": CLIENT["brands"],
        "sec-ch-ua-mobile": "?1",
        "sec-ch-ua-platform": CLIENT["platform"],
        "sec-gpc": "1",
    }
    assert raw.event.client is None


def test_what_is_not_told_is_not_known(doors: Doors, watcher: Watcher) -> None:
    """Nothing of the server's own stands in for what it does not say."""
    own = {
        "User-Agent": "backend/1.0",
        "Accept-Language": "en",
        "Referer": "https://x/",
    }
    doors.events(call({**SHOWN, **own}), body(client={}))

    (raw,) = watcher.seen
    assert ("", "", "", {}) == (raw.address, raw.user_agent, raw.referer, raw.headers)
    assert raw.trusted


@pytest.mark.parametrize("headers", [{}, SHOWN])
def test_without_client_nothing_changes(
    doors: Doors, watcher: Watcher, headers: dict[str, str]
) -> None:
    """A key alone says who the server is, which is nobody's business but its own."""
    doors.events(call({**headers, "User-Agent": "backend/1.0"}), body())

    (raw,) = watcher.seen
    assert (SERVER, "backend/1.0") == (raw.address, raw.user_agent)
    assert not raw.trusted


@pytest.mark.parametrize(
    "spelling", [f"::ffff:{ADDRESS}", f"[::ffff:{ADDRESS}]:80", f" {ADDRESS}:51320"]
)
def test_one_spelling(doors: Doors, watcher: Watcher, spelling: str) -> None:
    """A visitor has one day's pseudonym however a server spells the address."""
    doors.events(call(SHOWN), body(client={"address": spelling}))

    assert [ADDRESS] == [raw.address for raw in watcher.seen]


WRONG = new_key()
Case = tuple[str, dict[str, str], dict[str, Any], tuple[int, str, str]]
REFUSED: list[Case] = [
    ("no key", {}, {"client": CLIENT}, (401, "key_required", "client")),
    ("empty client", {}, {"client": {}}, (401, "key_required", "client")),
    (
        "foreign token",
        {"Authorization": "Bearer eyJhbGciOi"},
        {"client": CLIENT},
        (401, "key_required", "client"),
    ),
    (
        "another scheme",
        {"Authorization": f"Basic {KEY}"},
        {"client": CLIENT},
        (401, "key_required", "client"),
    ),
    (
        "unknown key",
        {"Authorization": f"Bearer {WRONG}"},
        {"client": CLIENT},
        (403, "bad_key", ""),
    ),
    (
        "unknown, no client",
        {"Authorization": f"Bearer {WRONG}"},
        {},
        (403, "bad_key", ""),
    ),
    (
        "of another site",
        {"Authorization": f"Bearer {OTHER_KEY}"},
        {"client": CLIENT},
        (403, "bad_key", ""),
    ),
    ("cut", {"Authorization": f"Bearer {KEY[:-1]}"}, {}, (403, "bad_key", "")),
    ("longer", {"Authorization": f"Bearer {KEY}A"}, {}, (403, "bad_key", "")),
    ("prefix", {"Authorization": "Bearer ks_"}, {}, (403, "bad_key", "")),
    (
        "digest",
        {"Authorization": f"Bearer ks_{digest_of(KEY)}"},
        {},
        (403, "bad_key", ""),
    ),
    (
        "in a page",
        {**SHOWN, "Origin": f"https://{SITE}"},
        {"client": CLIENT},
        (403, "key_in_page", ""),
    ),
    (
        "page, no client",
        {**SHOWN, "Origin": f"https://{SITE}"},
        {},
        (403, "key_in_page", ""),
    ),
    (
        "page without key",
        {"Origin": f"https://{SITE}"},
        {"client": CLIENT},
        (401, "key_required", "client"),
    ),
    (
        "other page",
        {**SHOWN, "Origin": "https://evil.example"},
        {},
        (400, "origin_not_allowed", "site"),
    ),
    (
        "garbled",
        SHOWN,
        {"client": {"address": "203.0.113.777"}},
        (400, "bad_format", "client.address"),
    ),
    (
        "empty address",
        SHOWN,
        {"client": {"address": ""}},
        (400, "bad_format", "client.address"),
    ),
    ("no object", SHOWN, {"client": ADDRESS}, (400, "wrong_type", "client")),
    ("more", SHOWN, {"client": {"ip": ADDRESS}}, (400, "unknown_field", "client.ip")),
    (
        "long",
        SHOWN,
        {"client": {"address": ADDRESS + " " * 100}},
        (400, "too_long", "client.address"),
    ),
    ("in the body", {}, {"key": KEY}, (400, "unknown_field", "key")),
    ("as header", {}, {"authorization": KEY}, (400, "unknown_field", "authorization")),
    (
        "in client",
        SHOWN,
        {"client": {"key": KEY}},
        (400, "unknown_field", "client.key"),
    ),
    # Peers let anyone say these beside the event.
    ("ip", {}, {"ip": ADDRESS}, (400, "unknown_field", "ip")),
    ("agent", {}, {"user_agent": AGENT}, (400, "unknown_field", "user_agent")),
    ("their agent", {}, {"userAgent": AGENT}, (400, "unknown_field", "")),
    ("timestamp", {}, {"timestamp": 1}, (400, "unknown_field", "timestamp")),
]


@pytest.mark.parametrize("case", REFUSED, ids=[one[0] for one in REFUSED])
@pytest.mark.parametrize("door", ["/e", "/consent"])
async def test_refused(
    doors: Doors,
    watcher: Watcher,
    caplog: pytest.LogCaptureFixture,
    case: Case,
    door: str,
) -> None:
    """Every way to have no key is an error of its own, which says back nothing."""
    _, headers, fields, answer = case
    with caplog.at_level(logging.DEBUG):
        if door == "/e":
            verdict = doors.events(call(headers), body(**fields))
        else:
            choice = body(event="consent", action="refuse", **fields)
            asked = doors.choice(call(headers), choice)
            assert isinstance(asked, Verdict)
            verdict = asked
        assert code(verdict) == answer
        response = refused(verdict, {})

    assert watcher.seen == []
    assert ("WWW-Authenticate" in response.headers) is (answer[0] == 401)
    told = f"{verdict!r} {debug_text(verdict)} {response.text} {caplog.text}"
    shown = headers.get("Authorization", "").rpartition(" ")[2]
    for secret in (shown[3:13], KEY[3:13], ADDRESS, AGENT, "203.0.113.777"):
        assert not secret or secret not in told


def test_several_keys_are_none(doors: Doors) -> None:
    """Of two keys in one request it is not known which was meant."""
    twice = [*SHOWN.items(), *SHOWN.items()]

    assert code(doors.events(call(twice), body())) == (403, "bad_key", "")


@pytest.mark.parametrize(
    "text",
    [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY}", f" Bearer {KEY} "],
    ids=["plain", "lower", "upper", "blanks"],
)
def test_spellings_of_the_header(doors: Doors, watcher: Watcher, text: str) -> None:
    """The scheme is in any case, as RFC 9110 has it."""
    doors.events(call({"authorization": text}), body(client=CLIENT))

    assert [ADDRESS] == [raw.address for raw in watcher.seen]


def test_batch_of_two_sites(doors: Doors, watcher: Watcher) -> None:
    """In a batch a key is good for its own site's events, and for no other's."""
    events = [{"event": "page_view", "site": name} for name in (SITE, OTHER)]
    content = {"client": CLIENT, "events": events}
    verdict = doors.events(call(SHOWN), json.dumps(content).encode())

    assert [SITE] == [raw.event.site for raw in watcher.seen]
    assert [("internal", 0), ("bad_key", 1)] == [
        (one.code, one.index) for one in verdict.bad
    ]


@pytest.mark.parametrize(
    ("headers", "days", "kept"),
    [
        ({}, 30, True),
        ({}, 31, False),
        ({"Authorization": "Bearer something.else"}, 31, False),
        (SHOWN, 31, True),
        (SHOWN, 395, True),
        (SHOWN, 396, False),
        ({"Authorization": f"Bearer {WRONG}"}, 31, False),
        ({**SHOWN, "Origin": f"https://{SITE}"}, 31, False),
    ],
)
def test_far_in_the_past(
    doors: Doors, watcher: Watcher, headers: dict[str, str], days: int, *, kept: bool
) -> None:
    """An old event needs a key; without one a browser may have been offline a month."""
    moment = NOON_MS - days * DAY_MS
    doors.events(call(headers), body(occurred_at=moment))

    assert ([moment] if kept else []) == [raw.occurred_ms for raw in watcher.seen]


def test_choice_of_a_visitor(doors: Doors) -> None:
    """A server may hand in a choice in its visitor's name, too."""
    choice = body(event="consent", action="refuse", client=CLIENT)
    asked = doors.choice(call(SHOWN), choice)

    assert isinstance(asked, Asked)
    assert (ADDRESS, True) == (asked.raw.address, asked.raw.trusted)


def test_not_in_a_query(doors: Doors, watcher: Watcher) -> None:
    """Pictures and questions have no client, whoever asks."""
    query = f"site={SITE}&client.address={ADDRESS}"

    bad = doors.pixel(call(SHOWN, query=query)).bad
    assert [("unknown_field", "")] == [(one.code, one.field) for one in bad]
    bad = doors.pixel(call(SHOWN, query=f"site={SITE}&client=x")).bad
    assert ["wrong_type"] == [one.code for one in bad]
    asked = doors.asking(call(SHOWN, query=f"site={SITE}"))
    assert isinstance(asked, Verdict)
    assert code(asked) == (403, "key_in_page", "")
    assert watcher.seen == []


def test_country_and_method(doors: Doors, watcher: Watcher) -> None:
    """What a trusted proxy says of a page's visitor; the method where it matters."""
    said = {"CF-IPCountry": "AT", "X-Forwarded-For": ADDRESS}
    page = {**said, "Origin": f"https://{SITE}"}
    open_query = f"site={SITE}&consent=statistics"

    doors.events(call(page, peer="10.0.0.1", method="POST"), body())
    doors.events(call(said, peer="10.0.0.1"), body())
    doors.events(call(page), body())
    doors.pixel(call(said, peer="10.0.0.1", query=open_query, method="GET"))
    doors.pixel(call({}, query=open_query, method="HEAD"))

    assert [("AT", ""), ("", ""), ("", ""), ("AT", "GET"), ("", "HEAD")] == [
        (raw.country, raw.method) for raw in watcher.seen
    ]


def test_head_of_a_pages_picture(doors: Doors, watcher: Watcher) -> None:
    """A page that was not drawn is no view; a mail's scanner is worth knowing of."""
    query = f"site={SITE}&event=page_view"
    verdict = doors.pixel(call({}, query=query, method="HEAD"))

    assert [("method_not_allowed", SITE)] == [
        (one.code, one.site) for one in verdict.bad
    ]
    assert watcher.seen == []


def test_nothing_of_the_client_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Address and agent of `client` are in no row, no log and no answer."""
    folder = Folder(tmp_path)
    with editing(folder.sites) as sites:
        sites[SITE] = make_site(SITE, {"keys": {"backend": digest_of(KEY)}})
    with caplog.at_level(logging.DEBUG):
        real = build(Settings(data=str(tmp_path)), folder).doors
        for consent in ({"statistics": True}, {"statistics": False}, {}):
            record = {
                "method": "POST",
                "target": "/e",
                "headers": list(SHOWN.items()),
                "body": body(client=CLIENT, consent=consent).decode(),
                "peer": SERVER,
            }
            told = json.dumps(explain(record, real))
            assert '"row"' in told
            for secret in (ADDRESS, "canary-agent", KEY, digest_of(KEY), SERVER):
                assert secret not in told
    for secret in (ADDRESS, "canary-agent", KEY):
        assert secret not in caplog.text


def test_reprs_are_silent() -> None:
    """What holds a visitor's data or a key says nothing of it."""
    made = call(SHOWN)
    shown = f"{made!r} {Sender(made, ADDRESS, 'AT')!r} {ClientClaim(ADDRESS, AGENT)!r}"

    assert shown == "<Call> <Sender> <ClientClaim>"


def test_keys() -> None:
    """A key is 256 random bits; what is no key has no digest, and is never known."""
    assert len({new_key() for _ in range(50)}) == 50
    assert all(len(digest_of(new_key())) == 64 for _ in range(50))
    assert is_one_of(digest_of(KEY), [digest_of(OTHER_KEY), digest_of(KEY)])
    assert not is_one_of(digest_of(KEY), [digest_of(OTHER_KEY)])
    assert not is_one_of("", ["", digest_of(KEY)])
    for text in ("", KEY[3:], KEY + "=", KEY + "\n", "ks_" + "é" * 43, "\udc80"):
        assert digest_of(text) == ""


@pytest.mark.parametrize(
    "keys", [{"a b": "0" * 64}, {"": "0" * 64}, {"a": KEY}, {"a": "F" * 64}, {KEY: "0"}]
)
def test_keys_of_a_site_are_checked(keys: dict[str, str]) -> None:
    """A list by hand is checked, and a key that stands in it is not said back."""
    with pytest.raises(SiteError, match="keys: ") as caught:
        make_site(SITE, {"keys": keys})

    assert KEY[3:] not in str(caught.value)


def run(data: Path, *words: str, code: int = 0) -> str:
    """Run `kastana site` and return what it prints."""
    done = CliRunner().invoke(command, [*words, "--data", str(data)])

    assert (code, done.output) == (done.exit_code, done.output)
    return done.output.strip()


def test_commands(tmp_path: Path) -> None:
    """A key is printed once; it works until it is removed, and for its site alone."""
    run(tmp_path, "add", SITE)
    first = run(tmp_path, "key", "add", SITE)
    second = run(tmp_path, "key", "add", SITE.upper(), "--name", "backend")

    assert run(tmp_path, "key", "list", SITE).split() == ["backend", "key-1"]
    text = (tmp_path / "sites.toml").read_text("utf-8")
    listed = run(tmp_path, "list")
    for key in (first, second):
        assert digest_of(key) in text
        assert key[3:] not in text + listed
        assert digest_of(key) not in listed
    assert json.loads(listed)["keys"] == ["backend", "key-1"]
    # Other changes of a site leave its keys alone.
    run(tmp_path, "add", SITE, "--debug")
    run(tmp_path, "key", "remove", SITE, "key-1")
    sites = Sites(tmp_path / "sites.toml", open_sites=False)
    assert getattr(sites.get(SITE), "keys", None) == {"backend": digest_of(second)}


def test_commands_refuse(tmp_path: Path) -> None:
    """No key without a site, none twice, none more than there is room for."""
    assert "no site" in run(tmp_path, "key", "add", SITE, code=1)
    assert "no site" in run(tmp_path, "key", "list", SITE, code=1)
    run(tmp_path, "add", SITE)
    run(tmp_path, "key", "add", SITE, "--name", "a")
    assert "already" in run(tmp_path, "key", "add", SITE, "--name", "a", code=1)
    assert "no key" in run(tmp_path, "key", "remove", SITE, "b", code=1)
    assert "keys: 'a b'" in run(tmp_path, "key", "add", SITE, "--name", "a b", code=1)
    for _ in range(15):
        run(tmp_path, "key", "add", SITE)
    assert "at most 16" in run(tmp_path, "key", "add", SITE, code=1)


def test_demo_site_keeps_its_keys(tmp_path: Path) -> None:
    """The demo site is written anew at each start, but for its keys."""
    path = tmp_path / "sites.toml"
    ensure_demo_site(path, ("http://a.example",))
    with editing(path) as sites:
        (name,) = sites
        sites[name] = make_site(name, {"keys": {"a": digest_of(KEY)}})
    ensure_demo_site(path, ("http://b.example",))

    made = Sites(path, open_sites=False).get(name)
    assert made is not None
    assert (("http://b.example",), {"a": digest_of(KEY)}) == (made.origins, made.keys)
