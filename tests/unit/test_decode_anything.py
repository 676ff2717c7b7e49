"""Whatever is sent: no error but its own, and no complaint that quotes it."""

import gzip
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.decode import (
    Decoded,
    DecodeError,
    decode_body,
    decode_query,
)
from schemas.event import EVENT_TYPES, Event
from schemas.outcome import Invalid
from tests.builders import NOON_MS
from tests.strategies import json_objects, json_values, texts

MARKER = "Zq7-Marker@9"
FIELDS = sorted(
    {name for kind in EVENT_TYPES.values() for name in kind.__struct_fields__}
)
CLAIM = ("statistics", "marketing", "policy_version", "updated_at")
PLAIN = re.compile(r"[a-z][a-z_.]*(\[\.\.\.\])?")


def complaints(body: bytes) -> list[Invalid]:
    """Decode a body, whatever it is; return what is said against it."""
    try:
        answers = decode_body(
            body, received_ms=NOON_MS, max_bytes=100_000, max_events=20
        )
    except DecodeError as error:
        return [error.invalid]
    except OverflowError:
        return []
    assert all(isinstance(one.event, Event) for one in answers if type(one) is Decoded)
    return [one for one in answers if isinstance(one, Invalid)]


@given(st.binary(max_size=400))
@example(b"\x1f\x8b\x08\x00")
@example(b"data=" + b"\xff" * 9)
@settings(max_examples=250)
def test_any_bytes(body: bytes) -> None:
    """Any bytes are events or a complaint, as they are or packed."""
    assert isinstance(complaints(body), list)
    assert isinstance(complaints(gzip.compress(body)), list)
    assert isinstance(complaints(b"data=" + body), list)


@given(json_values)
@settings(max_examples=150)
def test_any_json(content: Any) -> None:
    """Any JSON is events or a complaint."""
    assert isinstance(complaints(json.dumps(content).encode()), list)


events = st.builds(
    lambda name, fields: {"event": name, "site": "example.com", **fields},
    st.sampled_from(sorted(EVENT_TYPES)),
    json_objects(*FIELDS),
)


@given(events)
@settings(max_examples=150)
def test_any_fields(content: dict[str, Any]) -> None:
    """Any values in an event's fields make it an event or a complaint."""
    found = complaints(json.dumps(content).encode())

    assert all(one.field == "" or PLAIN.fullmatch(one.field) for one in found)


@given(st.one_of(st.text(max_size=80), st.text("site=&p.%af09+ \udc80", max_size=60)))
@settings(max_examples=250)
def test_any_query(text: str) -> None:
    """Any query is an event or a complaint."""
    answer = decode_query(text, received_ms=NOON_MS)

    assert isinstance(answer, (Decoded, Invalid))
    if isinstance(answer, Decoded):
        # What is decoded can be written: a lone surrogate could not.
        str(answer.event.title).encode()


def marked(content: Any, places: Iterator[int], where: int, *, as_key: bool) -> Any:
    """Return JSON with the marker as its n-th value, or key, counted from the front."""
    if isinstance(content, list):
        return [marked(inner, places, where, as_key=as_key) for inner in content]
    if not isinstance(content, dict):
        return content
    made = {}
    for key, inner in content.items():
        hit = next(places) == where
        value = marked(inner, places, where, as_key=as_key)
        made[MARKER if hit and as_key else key] = (
            MARKER if hit and not as_key else value
        )
    return made


WHOLE = {
    "events": [
        {
            "event": "custom",
            "site": "example.com",
            "name": "buy",
            "event_id": "x",
            "url": "u",
            "referrer": "u",
            "title": "t",
            "occurred_at": 1,
            "sent_at": 1,
            "language": "de",
            "time_zone": "UTC",
            "viewport": "1x1",
            "screen": "1x1",
            "campaign": {"source": "s"},
            "consent": {"statistics": True, "updated_at": 1, "policy_version": "1"},
            "visitor": "v",
            "category": "marketing",
            "gpc": True,
            "properties": {"plan": "pro"},
        },
        {
            "event": "web_vital",
            "site": "e",
            "web_vital_name": "x",
            "navigation_type": 1,
        },
        {"event": "location", "site": "e", "latitude": 1, "longitude": "x"},
    ],
    "site": "example.com",
    "sent_at": 1,
}


PLACES = json.dumps(WHOLE).count('":')


@pytest.mark.parametrize("as_key", [False, True])
@pytest.mark.parametrize("where", range(PLACES))
def test_marker_anywhere(where: int, *, as_key: bool) -> None:
    """What was sent, as value or key, is in no message and no field name."""
    content = marked(WHOLE, itertools.count(), where, as_key=as_key)
    assert MARKER in json.dumps(content)
    for one in [content, *content.get("events", [])]:
        found = complaints(json.dumps(one).encode())

        assert not [it for it in found if MARKER in it.message + it.field]


@given(
    field=st.sampled_from(FIELDS),
    name=st.sampled_from(sorted(EVENT_TYPES)),
    value=json_values,
    around=texts,
    as_key=st.booleans(),
)
@settings(max_examples=150)
def test_marker_in_any_field(
    field: str, name: str, value: Any, around: str, *, as_key: bool
) -> None:
    """Around whatever other text, a complaint does not repeat what it is about."""
    mark = around + MARKER + around
    content = {"event": name, "site": "e", field: {mark: value} if as_key else mark}
    found = complaints(json.dumps(content).encode())
    found += complaints(json.dumps({**content, mark: value}).encode())

    assert not [it for it in found if MARKER in it.message + it.field]


@given(st.sampled_from([*FIELDS, "consent", "p.plan", "utm_source"]), texts)
def test_marker_in_a_query(field: str, around: str) -> None:
    """A pixel's complaint does not repeat its query either."""
    mark = (around + MARKER).replace("%", "").replace("&", "")
    for text in (
        f"site=e&{field}={mark}",
        f"site=e&{mark}={field}",
        f"site=e&{mark}=1&{mark}=2",
        f"site=e&{field}=%zz{mark}",
    ):
        answer = decode_query(text, received_ms=NOON_MS)
        if isinstance(answer, Invalid):
            assert MARKER not in answer.message + answer.field


def test_errors_do_not_quote() -> None:
    """The exception's own text says code and words, not the body."""
    with pytest.raises(DecodeError) as caught:
        decode_body(MARKER.encode(), received_ms=NOON_MS, max_bytes=1000, max_events=1)

    assert MARKER not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
