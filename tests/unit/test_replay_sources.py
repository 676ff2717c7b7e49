"""What can be replayed: each format, what of it is sent, and why something is not."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.replay.request import Request, SourceError, Unsent
from collector.replay.source import Source, open_source
from pipeline.sealing import MAGIC
from tests.builders import headers, row

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
PAGE = "https://www.site.test/a?utm_source=news"
CANARY = "canary-7c1e@example.com"


def read(content: bytes, site: str = "") -> tuple[list[Request], Source]:
    """Return the requests of a source, and the source."""
    source = Source(io.BytesIO(content), site)
    return list(source.requests()), source


def capture(method: str = "POST", target: str = "/e", **parts: Any) -> bytes:
    """Return a captured request as a line."""
    record = {"method": method, "target": target, "headers": [], **parts}
    return json.dumps(record).encode() + b"\n"


def body(**fields: Any) -> str:
    """Return a page view's body."""
    return json.dumps({"event": "page_view", "site": "example.com", **fields})


# ------------------------------------------------------------------------- captures
def test_capture_of_ours() -> None:
    """Events, time, the visitor's headers and the network are taken; nothing else."""
    pairs = [
        ["user-agent", AGENT],
        ["SEC-GPC", "1"],
        ["Origin", "https://example.com"],
        ["Cookie", CANARY],
        ["Authorization", CANARY],
        ["X-Forwarded-For", "203.0.113.77"],
    ]
    line = capture(headers=pairs, body=body(), peer="203.0.113.77", ts=1795379391.5)
    (request,), source = read(line)

    assert "captures" == source.format
    assert request == Request(
        at_ms=1795379391500.0,
        events=[{"event": "page_view", "site": "example.com"}],
        headers={"User-Agent": AGENT, "Sec-GPC": "1"},
        page=True,
        address="203.0.113.0",
    )


def test_batch() -> None:
    """What stands beside the events of a request is said of each of them."""
    content = {"site": "a.example", "events": [{"event": "page_view"}, {"site": "b"}]}
    (request,), _ = read(capture(body=json.dumps(content)))

    assert request.events == [
        {"site": "a.example", "event": "page_view"},
        {"site": "b"},
    ]
    assert not request.page


def test_body_in_base64() -> None:
    """A body may be there as bytes."""
    packed = base64.b64encode(body().encode()).decode()
    (request,), _ = read(capture(body_b64=packed))

    assert "page_view" == request.events[0]["event"]


def test_pixel() -> None:
    """A picture's query is taken as it is."""
    (request,), _ = read(capture("GET", "/p.gif?site=example.com&p.a=1%202"))

    assert request.pixel
    assert request.events == [{"site": "example.com", "p.a": "1 2"}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (capture("OPTIONS"), "preflight"),
        (capture(target="/consent", body="{}"), "choice"),
        (capture("GET", "/r/abc"), "signed_link"),
        (capture(body="[]"), "no_event"),
        (capture("GET", "/p.gif"), "no_event"),
        (capture(body="not json"), "broken_line"),
        (capture(body='{"events": 1}'), "broken_line"),
        (capture(body="[1]"), "broken_line"),
        (capture(body_b64="%%%"), "broken_line"),
        (b"{broken\n", "broken_line"),
        (b'{"method": "POST"}\n', "broken_line"),
        (capture(target="/api/42/envelope/", body="{}"), "foreign_format"),
        (capture(target="/api/event", body='{"n": "engagement"}'), "no_page_view"),
        (capture(target="/api/event", body="[]"), "broken_line"),
    ],
)
def test_what_is_not_sent(line: bytes, reason: str) -> None:
    """What cannot be sent is counted with its reason."""
    requests, source = read(capture(body=body()) + line)

    assert 1 == len(requests)
    assert {reason: 1} == source.unsent
    assert source.broken == ([2] if reason == "broken_line" else [])


POSTHOG = {
    "$current_url": PAGE,
    "$screen_width": 1280,
    "$screen_height": 800,
    "$referrer": "$direct",
    "distinct_id": CANARY,
}
SEGMENT = {
    "type": "page",
    "userId": CANARY,
    "properties": {"url": PAGE, "title": "A"},
    "context": {"locale": "de-DE", "timezone": "Europe/Berlin", "userAgent": AGENT},
}
VENDORS: list[tuple[str, str, dict[str, str]]] = [
    (
        f"/matomo.php?action_name=A&url={PAGE}&urlref=https://r/&res=1x2&uid={CANARY}",
        "",
        {"title": "A", "referrer": "https://r/", "screen": "1x2"},
    ),
    (
        "/matomo.php",
        json.dumps({"requests": [f"?action_name=A&url={PAGE}"]}),
        {"title": "A"},
    ),
    (
        "/api/event",
        json.dumps({"n": "pageview", "u": PAGE, "r": "https://r/", "p": {"x": CANARY}}),
        {"referrer": "https://r/"},
    ),
    (
        "/api/send",
        json.dumps(
            {
                "type": "event",
                "payload": {
                    "url": "/a?utm_source=news",
                    "hostname": "www.site.test",
                    "screen": "1280x800",
                    "language": "de-DE",
                    "website": CANARY,
                },
            }
        ),
        {"screen": "1280x800", "language": "de-DE"},
    ),
    (
        "/i/v0/e/?ip=0",
        json.dumps({"batch": [{"event": "$pageview", "properties": POSTHOG}]}),
        {"screen": "1280x800"},
    ),
    (
        "/e/",
        "data="
        + base64.b64encode(
            json.dumps({"event": "$pageview", "properties": POSTHOG}).encode()
        ).decode(),
        {"screen": "1280x800"},
    ),
    (
        "/v1/p",
        json.dumps(SEGMENT),
        {"title": "A", "language": "de-DE", "time_zone": "Europe/Berlin"},
    ),
    (
        "/v1/batch",
        json.dumps({"batch": [SEGMENT, {"type": "identify", "userId": CANARY}]}),
        {"title": "A", "language": "de-DE", "time_zone": "Europe/Berlin"},
    ),
    (
        "/com.snowplowanalytics.snowplow/tp2",
        json.dumps({"data": [{"e": "pv", "url": PAGE, "duid": CANARY, "tz": "UTC"}]}),
        {"time_zone": "UTC"},
    ),
    (f"/i?e=pv&url={PAGE}&res=1280x800", "", {"screen": "1280x800"}),
    (
        f"/g/collect?v=2&dl={PAGE}&en=page_view&dt=A&ul=de-de&cid={CANARY}",
        "",
        {"title": "A", "language": "de-de"},
    ),
    (
        "/mp/collect?api_secret=x",
        json.dumps(
            {
                "client_id": CANARY,
                "events": [{"name": "page_view", "params": {"page_location": PAGE}}],
            }
        ),
        {},
    ),
]


@pytest.mark.parametrize(
    ("target", "content", "fields"), VENDORS, ids=[one[0][:8] for one in VENDORS]
)
def test_page_views_of_others(
    target: str, content: str, fields: dict[str, str]
) -> None:
    """Of other collectors' requests the page views are taken, and nobody's ids."""
    target = target.replace("?utm_source", "%3Futm_source")
    (request,), source = read(capture(target=target, body=content))

    assert {"event": "page_view", "url": PAGE, **fields} == request.events[0]
    assert not source.unsent
    assert CANARY not in str((request.events, request.headers))


def test_agent_of_a_server() -> None:
    """The agent that a server names is taken where the request has none itself."""
    (request,), _ = read(capture(target="/v1/batch", body=json.dumps(SEGMENT)))
    named = capture(
        target="/v1/batch", body=json.dumps(SEGMENT), headers=[["User-Agent", "x"]]
    )
    (other,), _ = read(named)

    assert {"User-Agent": AGENT} == request.headers
    assert {"User-Agent": "x"} == other.headers


def test_captures_of_real_trackers() -> None:
    """Every recorded tracker that shows pages gives some; everything is accounted."""
    if not CAPTURES.is_dir():
        pytest.skip("the captures are not here")
    giving = set()
    for path in sorted(CAPTURES.glob("*.ndjson")):
        content = path.read_bytes()
        requests, source = read(content)
        lines = {record.events[0]["url"] for record in requests}
        if lines:
            giving.add(path.stem.split("-")[-1])
        assert len(requests) + source.unsent.total() >= content.count(b"\n")

    assert {
        *("matomo", "matomo_post", "plausible_npm", "umami", "posthog", "segment"),
        *("rudder", "snowplow_get", "snowplow_post", "snowplow", "minga4", "ga4mp"),
    } <= giving


# ------------------------------------------------------------------------- segments
def segment(**changes: Any) -> bytes:
    """Return a segment of one row."""
    values = {
        "event_id": "0197b2f4-0000-7000-8000-000000000001",
        "url_domain": "www.site.test",
        "url_path": "/a",
        "url_query": "q=it",
        "door": "script",
        "visitor_id": 7,
        "client_address": "203.0.113.0",
        "os_name": "iOS",
        "user_agent_name": "Mobile Safari",
        "screen_class": "xs",
        "consent_statistics": "given",
        "consent_marketing": "refused",
        "consent_signals": ["gpc"],
        "utm_source": "news",
        "browser_language": "de-AT",
    }
    made = row(**{**values, **changes})
    line = orjson.dumps([getattr(made, name) for name in made.__struct_fields__])
    return headers()["events"] + line + b"\n"


def test_segment() -> None:
    """A row becomes an event that it may have come from."""
    (request,), source = read(segment())
    visitor = request.events[0].pop("visitor")

    assert "segment" == source.format
    assert request.events == [
        {
            "event": "page_view",
            "site": "example.com",
            "url": "https://www.site.test/a?q=it",
            "language": "de-AT",
            "screen": "390x243",
            "campaign": {"source": "news"},
            "consent": {"statistics": "given", "marketing": "refused"},
            "gpc": True,
            "dnt": False,
        }
    ]
    assert "iPhone" in request.headers["User-Agent"]
    assert (1_748_781_296_789, "203.0.113.0") == (request.at_ms, request.address)
    assert 32 == len(visitor)


def test_pseudonyms_are_not_sent() -> None:
    """A visitor stays one within a run, and is nobody's token in the next."""
    content = segment()
    twice = content + content.splitlines(keepends=True)[-1]
    (one, same), _ = read(twice)
    (other,), _ = read(content)

    assert one.events[0]["visitor"] == same.events[0]["visitor"]
    assert one.events[0]["visitor"] != other.events[0]["visitor"]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"event_name": "custom", "custom_name": "buy"}, {"name": "buy"}),
        ({"event_name": "page_ping", "engaged_ms": 5}, {"engaged_ms": 5}),
        (
            {
                "event_name": "link_click",
                "target_url_domain": "b.example",
                "target_url_path": "/x",
            },
            {"target_url": "https://b.example/x"},
        ),
        (
            {
                "event_name": "web_vital",
                "web_vital_name": "LCP",
                "web_vital_value": 12.5,
            },
            {"web_vital_name": "LCP", "web_vital_value": 12.5},
        ),
    ],
)
def test_segment_of_other_events(
    changes: dict[str, Any], fields: dict[str, Any]
) -> None:
    """The fields of their own that events have are there again."""
    (request,), _ = read(segment(**changes))

    assert fields.items() <= request.events[0].items()


def test_coordinates_are_nobody_elses() -> None:
    """Where somebody was is not sent again."""
    requests, source = read(segment(event_name="location", geo_latitude=52.5))

    assert ([], {"no_event": 1}) == (requests, source.unsent)


def test_broken_row() -> None:
    """A row that does not fit its header is counted by its line."""
    requests, source = read(segment() + b'["a"]\n')

    assert (1, {"broken_line": 1}, [4]) == (
        len(requests),
        source.unsent,
        source.broken,
    )


# ----------------------------------------------------------------------- access logs
LINE = (
    '203.0.113.77 - {user} [23/Nov/2026:10:00:01 +0100] "{request}" {status} 512 '
    '"{referrer}" "{agent}"\n'
)


def log(**changes: Any) -> bytes:
    """Return a line of an access log."""
    values = {
        "user": "-",
        "request": "GET /a?utm_source=news HTTP/1.1",
        "status": 200,
        "referrer": "https://www.google.com/",
        "agent": AGENT,
    }
    return LINE.format(**{**values, **changes}).encode()


def test_access_log() -> None:
    """Time, page, referrer, agent and network of a logged page are taken."""
    (request,), source = read(log(user=CANARY), "site.test")

    assert "access_log" == source.format
    assert request == Request(
        at_ms=1795424401000.0,
        events=[
            {
                "event": "page_view",
                "site": "site.test",
                "url": "https://site.test/a?utm_source=news",
                "referrer": "https://www.google.com/",
            }
        ],
        headers={"User-Agent": AGENT},
        page=True,
        address="203.0.113.0",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request": "POST /a HTTP/1.1"}, "method"),
        ({"status": 404}, "status"),
        ({"request": "GET /logo.png HTTP/1.1"}, "not_a_page"),
        ({"request": "GET http://other.example/ HTTP/1.1"}, "not_a_page"),
        ({"request": "\\x16\\x03\\x01"}, "method"),
    ],
)
def test_what_is_no_page(changes: dict[str, Any], reason: str) -> None:
    """What shows nobody a page is counted with its reason."""
    requests, source = read(log() + log(**changes), "site.test")

    assert (1, {reason: 1}) == (len(requests), source.unsent)


def test_access_log_with_quotes_and_hosts() -> None:
    """Escapes are undone; a virtual host before the address is no address."""
    line = b"www.site.test:443 " + log(agent='a \\"b\\" \\x41', referrer="-")
    (request,), _ = read(line, "site.test")

    assert {"User-Agent": 'a "b" A'} == request.headers
    assert "referrer" not in request.events[0]


# -------------------------------------------------------------- what cannot be read
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (MAGIC + b"\x01\x02", "encrypted"),
        (b"hello, " + CANARY.encode(), "unknown_format"),
        (b"{" + CANARY.encode(), "unknown_format"),
        (b'["' + CANARY.encode(), "unknown_format"),
        (headers()["counts"], "no_events"),
        (headers()["consents"], "no_events"),
        (log(), "no_site"),
    ],
)
def test_source_that_cannot_be_read(content: bytes, code: str) -> None:
    """The words have a code and name the line, never what is in it."""
    with pytest.raises(SourceError) as caught:
        read(content)

    assert code == caught.value.code
    assert CANARY not in str(caught.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be opened is told without its name."""
    with pytest.raises(SourceError, match="No such file") as caught:
        open_source(str(tmp_path / "canary"), io.BytesIO())

    assert "canary" not in str(caught.value)


def test_sources_stream() -> None:
    """A request is there before the next line is read."""
    file = io.BytesIO(capture(body=body()) * 1000)
    requests = Source(file, "").requests()
    next(requests)

    assert file.tell() == len(capture(body=body()))


def test_nothing_is_told_by_a_repr() -> None:
    """What a visitor sent is in no repr, and a reason is a declared one."""
    request = Request(0.0, [{"url": CANARY}], {"User-Agent": CANARY})

    assert CANARY not in f"{request!r} {request} {[request]}"
    with pytest.raises(LookupError):
        Unsent("because")
