"""Events as they may be sent: which there are, and where each field ends."""

from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

from schemas.event import EVENT_TYPES, AnyEvent, Event
from schemas.policy import load_policy
from tests.builders import event

REQUIRED: dict[str, dict[str, Any]] = {
    "page_view": {},
    "page_ping": {},
    "link_click": {"target_url": "https://example.org/"},
    "file_download": {"target_url": "https://example.org/a.pdf"},
    "form_submit": {},
    "custom": {"name": "sign_up"},
    "exception": {},
    "app_crash": {},
    "web_vital": {"web_vital_name": "LCP", "web_vital_value": 1.5},
    "email_open": {},
    "email_click": {},
    "location": {"latitude": 1.0, "longitude": 2.0},
}


def test_names() -> None:
    """The events are those of the wire format and those of the policy."""
    assert list(REQUIRED) == list(EVENT_TYPES)
    assert set(load_policy().events) == set(EVENT_TYPES)


@pytest.mark.parametrize(("name", "fields"), REQUIRED.items())
def test_least(name: str, fields: dict[str, Any]) -> None:
    """Name, site and an event's own required fields are enough; none can go."""
    assert EVENT_TYPES[name] is type(event(name, **fields))
    for field in fields:
        rest = {key: value for key, value in fields.items() if key != field}
        with pytest.raises(msgspec.ValidationError, match=field):
            event(name, **rest)


@pytest.mark.parametrize(
    ("name", "field", "good", "bad"),
    [
        ("page_view", "site", "a" * 253, "a" * 254),
        ("page_view", "site", "a", ""),
        ("page_view", "url", "u" * 4096, "u" * 4097),
        ("page_view", "referrer", "u" * 4096, "u" * 4097),
        ("page_view", "title", "t" * 512, "t" * 513),
        ("page_view", "language", "l" * 35, "l" * 36),
        ("page_view", "time_zone", "z" * 64, "z" * 65),
        ("page_view", "viewport", "99999x99999", "100000x1"),
        ("page_view", "viewport", "0x0", "1x1\n"),
        ("page_view", "screen", "1920x1080", "1920*1080"),
        ("page_view", "screen", "1x1", "x1"),
        ("page_view", "visitor", "a" * 16, "a" * 15),
        ("page_view", "visitor", "Z_-" + "9" * 61, "a" * 65),
        ("page_view", "visitor", "a" * 20, "a" * 19 + "\n"),
        ("page_view", "visitor", "a" * 20, "a" * 19 + "@"),
        ("page_view", "account", "j", ""),
        ("email_open", "account", "Jane Doe <jane@example.com>", "jane\n"),
        ("custom", "account", "42", "jane\0"),
        ("exception", "account", "x/y#z", "jane\x85"),
        ("page_view", "category", "marketing", "essential"),
        ("page_view", "gpc", True, 1),
        ("page_view", "dnt", False, "0"),
        ("page_view", "automated", True, None),
        ("page_view", "occurred_at", 0, -1),
        ("page_view", "occurred_at", 253_402_300_799_999, 253_402_300_800_000),
        ("page_view", "occurred_at", "2025-06-01T00:00:00Z", 1.5),
        ("page_view", "sent_at", "x" * 40, "x" * 41),
        ("page_view", "properties", {"k" * 64: "v" * 500}, {"k" * 65: "v"}),
        ("page_view", "properties", {"k": None}, {"": "v"}),
        ("page_view", "properties", {"k": 1.5}, {"k": "v" * 501}),
        ("page_view", "properties", {"k": True}, {"k": []}),
        (
            "page_view",
            "properties",
            dict.fromkeys(map(str, range(30)), 1),
            dict.fromkeys(map(str, range(31)), 1),
        ),
        ("page_view", "campaign", {"source": "s" * 200}, {"source": "s" * 201}),
        ("page_view", "campaign", {"id": "s"}, {"gclid": "s"}),
        ("page_view", "consent", {"essential": True}, {"all": True}),
        (
            "page_view",
            "event_id",
            "0197b2f4-0000-7000-8000-000000000001",
            "0197b2f4-0000-4000-8000-000000000001",
        ),
        (
            "page_view",
            "event_id",
            "0197b2f4-0000-7000-bfff-000000000001",
            "0197b2f4-0000-7000-c000-000000000001",
        ),
        ("page_ping", "engaged_ms", 86_400_000, 86_400_001),
        ("page_ping", "engaged_ms", 0, -1),
        ("page_ping", "scroll_depth", 100, 101),
        ("link_click", "target_url", "u" * 4096, "u" * 4097),
        ("form_submit", "form_id", "f" * 128, "f" * 129),
        ("custom", "name", "n" * 64, "n" * 65),
        ("custom", "name", "n", ""),
        ("exception", "exception_type", "e" * 128, "e" * 129),
        ("exception", "exception_message", "e" * 1000, "e" * 1001),
        ("exception", "exception_stacktrace", "e" * 8192, "e" * 8193),
        ("app_crash", "app_version", "v" * 64, "v" * 65),
        ("web_vital", "web_vital_name", "TTFB", "FID"),
        ("web_vital", "web_vital_value", 0, -0.1),
        ("web_vital", "web_vital_value", 1, float("nan")),
        ("web_vital", "web_vital_rating", "needs-improvement", "bad"),
        ("web_vital", "navigation_type", "back-forward-cache", "jump"),
        ("email_open", "mailing", "m" * 128, "m" * 129),
        ("email_open", "recipient", "r" * 128, "r" * 129),
        ("email_click", "target_url", "", "u" * 4097),
        ("location", "latitude", 90, 90.1),
        ("location", "longitude", -180, -180.1),
        ("location", "latitude", 0, float("nan")),
        ("location", "accuracy", 0, -1),
    ],
)
def test_limits(name: str, field: str, good: object, bad: object) -> None:
    """Each field ends where the wire format says."""
    kept = event(name, **{**REQUIRED[name], field: good})

    with pytest.raises(msgspec.ValidationError):
        event(name, **{**REQUIRED[name], field: bad})
    assert isinstance(kept, Event)


@pytest.mark.parametrize("name", REQUIRED)
def test_unknown_field(name: str) -> None:
    """A field of no event, or of another one, is refused."""
    for field in ("urll", "address", "cookie", "user_agent"):
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            event(name, **REQUIRED[name], **{field: "x"})


def test_unknown_event() -> None:
    """An event of another name is refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"event": "page_hit", "site": "example.com"}, AnyEvent)


@pytest.mark.parametrize("name", REQUIRED)
def test_reprs_are_silent(name: str) -> None:
    """What is in an event is in no repr, str, format or rich output of it."""
    made = event(
        name, **REQUIRED[name], url="https://canary/", properties={"canary": "canary"}
    )
    shown = [repr(made), str(made), f"{made}", pretty_repr(made), repr([made])]

    assert not any("canary" in text for text in shown)
    assert EVENT_TYPES[name].__name__ in shown[0]
