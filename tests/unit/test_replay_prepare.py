"""What is sent of a request: marked, with new ids, and nobody's tokens or address."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from collector.decode import Decoded, decode_body, decode_query
from collector.replay.prepare import Outgoing, Preparer
from collector.replay.request import Request, Unsent
from tests.builders import DAY_MS, EVENT_ID, NOON_MS

SECRET = b"s" * 32
TOKEN = "canary-token-0123456789"
THEN_MS = NOON_MS - 400 * DAY_MS


def request(*events: dict[str, Any], **changes: Any) -> Request:
    """Return a request of a page that was recorded long ago."""
    return Request(
        **{
            "at_ms": float(THEN_MS),
            "events": list(events) or [{"event": "page_view", "site": "a.example"}],
            "headers": {"User-Agent": "agent", "Sec-GPC": "1"},
            "address": "203.0.113.0",
            **changes,
        }
    )


def sent(made: Request, **options: Any) -> Outgoing:
    """Return what is sent of it at noon."""
    outgoing = Preparer(SECRET, **options).prepare(made, NOON_MS)
    assert isinstance(outgoing, Outgoing)
    return outgoing


def event(made: Request, **options: Any) -> dict[str, Any]:
    """Return the one event that is sent of it."""
    found: dict[str, Any] = json.loads(sent(made, **options).body)
    return found


def test_every_event_is_marked_and_new() -> None:
    """Mark and id are ours, whatever the source says; the doors understand it."""
    old = {"event": "page_view", "site": "a.example", "event_id": EVENT_ID}
    outgoing = sent(request({**old, "synthetic": False}, old))
    decoded = decode_body(
        outgoing.body, received_ms=NOON_MS, max_bytes=100_000, max_events=10
    )
    events = [one.event for one in decoded if isinstance(one, Decoded)]

    assert 2 == len(events) == len({one.event_id for one in events}) == outgoing.events
    assert all(one.synthetic for one in events)
    assert EVENT_ID not in outgoing.body.decode()
    assert frozenset({"a.example"}) == outgoing.sites


def test_pixel_is_marked_and_new() -> None:
    """So is a picture's query."""
    query = {"site": "a.example", "event_id": EVENT_ID, "recipient": TOKEN, "p.a": "1"}
    outgoing = sent(request(query, pixel=True), consent=["statistics"])
    decoded = decode_query(urlsplit(outgoing.target).query, received_ms=NOON_MS)

    assert isinstance(decoded, Decoded)
    assert decoded.event.synthetic
    assert decoded.event.event_id not in (None, EVENT_ID)
    assert {"a": "1"} == decoded.event.properties
    assert decoded.event.consent is not None
    assert TOKEN not in outgoing.target


def test_tokens_are_replaced() -> None:
    """Visitors stay apart and are nobody's; with a seed they are the same again."""
    old = {"event": "page_view", "site": "a", "visitor": TOKEN, "account": TOKEN}
    mail = {"event": "email_open", "site": "a", "recipient": TOKEN}
    first, other = event(request(old)), event(request({**old, "visitor": TOKEN + "1"}))
    again = Preparer(b"t" * 32).prepare(request(old), NOON_MS)

    assert TOKEN not in str((first, event(request(mail))))
    assert first["visitor"] == event(request(old))["visitor"]
    assert 3 == len({first["visitor"], first["account"], other["visitor"]})
    assert isinstance(again, Outgoing)
    assert json.loads(again.body)["visitor"] != first["visitor"]


def test_origin_without_a_key() -> None:
    """A page's event comes from a page of its site, a server's from none."""
    page, server = sent(request()), sent(request(page=False))

    assert "https://a.example" == page.headers["Origin"]
    assert "Origin" not in server.headers
    assert "agent" == page.headers["User-Agent"]
    assert "client" not in json.loads(page.body)
    assert "203.0.113" not in str((page.headers, page.body))


def test_key() -> None:
    """With a key the visitor's network and agent are told, and no origin."""
    outgoing = sent(request(), key="ks_1")
    told = json.loads(outgoing.body)

    assert {"address": "203.0.113.0", "user_agent": "agent"} == told["client"]
    assert "Bearer ks_1" == outgoing.headers["Authorization"]
    assert not {"Origin", "User-Agent"} & set(outgoing.headers)
    assert "1" == outgoing.headers["Sec-GPC"]


@pytest.mark.parametrize("key", ["", "ks_1"])
def test_client_of_a_source_is_cut(key: str) -> None:
    """Whoever a source speaks of: of the address no more than the network is sent."""
    client = {"address": "198.51.100.77", "user_agent": "theirs"}
    outgoing = sent(
        request({"event": "page_view", "site": "a", "client": client}), key=key
    )
    told = json.loads(outgoing.body).get("client")

    assert b"198.51.100.77" not in outgoing.body
    if key:
        assert {"address": "198.51.100.0", "user_agent": "theirs"} == told
    else:
        assert told is None
        assert "theirs" == outgoing.headers["User-Agent"]


def test_site() -> None:
    """A site that is named is all events'; else it is theirs, or their page's."""
    nameless = {"event": "page_view", "url": "https://b.example/x"}

    assert "c.example" == event(request(), site="c.example")["site"]
    assert "b.example" == event(request(nameless))["site"]
    assert Unsent("no_site") == Preparer(SECRET).prepare(
        request({"event": "page_view"}), NOON_MS
    )


@pytest.mark.parametrize(
    ("fields", "times", "happened"),
    [
        ({}, "now", None),
        ({"occurred_at": THEN_MS - 500}, "now", NOON_MS - 500),
        ({"occurred_at": THEN_MS - 500, "sent_at": THEN_MS}, "now", NOON_MS - 500),
        ({"occurred_at": THEN_MS + 500}, "now", NOON_MS),
        ({"occurred_at": THEN_MS - 90 * DAY_MS}, "now", NOON_MS - 29 * DAY_MS),
        ({"occurred_at": "nonsense"}, "now", None),
        ({}, "source", THEN_MS),
        ({"occurred_at": THEN_MS - 500}, "source", THEN_MS - 500),
    ],
)
def test_times(fields: dict[str, Any], times: Any, happened: int | None) -> None:
    """Events happen as they are sent, as long before it as then; or when they did."""
    made = request({"event": "page_view", "site": "a", **fields})
    told = event(made, times=times)

    assert happened == told.get("occurred_at")
    assert "sent_at" not in told


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, {"statistics": True}),
        ({"consent": {"statistics": False}}, {"statistics": False}),
    ],
)
def test_consent(own: dict[str, Any], told: dict[str, bool]) -> None:
    """What is given for those who say nothing does not change what others say."""
    made = request({"event": "page_view", "site": "a", **own})

    assert told == event(made, consent=["statistics"])["consent"]


def test_headers_are_added() -> None:
    """A header that was asked for goes with every request."""
    pixel = request({"site": "a"}, pixel=True)

    for made in (request(), pixel):
        assert (
            "1"
            == sent(made, headers={"X-Kastana-Debug": "1"}).headers["X-Kastana-Debug"]
        )


def test_query_is_encoded() -> None:
    """What stands in a pixel's query arrives as it was."""
    outgoing = sent(request({"site": "a", "p.a": "ü&=% "}, pixel=True))

    assert ("p.a", "ü&=% ") in parse_qsl(urlsplit(outgoing.target).query)
