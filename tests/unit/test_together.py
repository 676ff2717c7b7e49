"""Requests that are judged together end as if each had come alone."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.call import Call
from collector.doors import Arrival, Asked, Doors, Verdict
from collector.folder import Folder
from collector.runtime import build
from collector.sites import editing
from pipeline.process import Processor
from pipeline.withdrawal.objections import ObjectionsError
from schemas.settings import Settings
from schemas.site import make_site
from tests.builders import EVENT_ID, NOON_MS, raw_event

SITES = ("example.com", "example.org")
PEERS = ("203.0.113.77", "198.51.100.7")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    """Doors of two sites."""
    root = tmp_path_factory.mktemp("data")
    folder = Folder(root)
    with editing(folder.sites) as sites:
        for name in SITES:
            sites[name] = make_site(name, {})
    return build(Settings(data=str(root)), folder).doors


def event(site: str = SITES[0], **fields: Any) -> dict[str, Any]:
    """Return an event as it is sent."""
    name = {"event": "page_view", "site": site, "event_id": EVENT_ID}
    return {**name, "consent": {"statistics": True}, **fields}


def posted(*events: object, peer: str = PEERS[0], body: bytes | None = None) -> Arrival:
    """Return a page's request with these events."""
    content = events[0] if len(events) == 1 else events
    call = Call(
        headers=[
            ("User-Agent", "Mozilla/5.0 Firefox/140.0"),
            ("Origin", "https://example.com"),
        ],
        peer=peer,
        query="",
        received_ms=NOON_MS,
        method="POST",
    )
    return Arrival(call, json.dumps(content).encode() if body is None else body)


def picture(query: str, method: str = "GET") -> Arrival:
    """Return a request for the picture."""
    call = Call(
        headers=[], peer=PEERS[0], query=query, received_ms=NOON_MS, method=method
    )
    return Arrival(call, None)


def told(doors: Doors, arrival: Arrival) -> Any:
    """Return what is answered, and what stays."""
    outcome = arrival.outcome
    assert isinstance(outcome, Verdict)
    kept = [one.row for one in outcome.good]
    counted = doors.complaints(outcome, arrival.call)
    return outcome.status, outcome.error, outcome.bad, kept, counted


def alone(doors: Doors, arrival: Arrival) -> Any:
    """Return the same of a request that came alone."""
    again = Arrival(arrival.call, arrival.body)
    doors.together([again])
    return told(doors, again)


EVENTS = st.builds(
    event,
    st.sampled_from([*SITES, "unknown.example"]),
    visitor=st.sampled_from(["browser_0123456789", "browser_9876543210"]),
    consent=st.sampled_from([{}, {"statistics": True}, {"statistics": False}]),
    url=st.sampled_from(["https://example.com/a", "https://example.com/b"]),
    title=st.sampled_from(["one", "two", 7]),
    synthetic=st.booleans(),
)
POSTS = st.builds(
    lambda events, peer: posted(*events, peer=peer),
    st.lists(EVENTS, min_size=1, max_size=4),
    st.sampled_from(PEERS),
)
PICTURES = st.builds(
    picture,
    st.sampled_from(
        [
            f"site={SITES[0]}&event_id={EVENT_ID}",
            f"site={SITES[0]}&event=page_view&event_id={EVENT_ID}&consent=statistics",
            "site=unknown.example",
            "site=%zz",
            "",
        ]
    ),
    st.sampled_from(["GET", "HEAD"]),
)
BROKEN = st.sampled_from([b"", b"{", b"[]", b"\x1f\x8b\x00", b"[1, 2]"]).map(
    lambda body: posted(body=body)
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.one_of(POSTS, PICTURES, BROKEN), min_size=2, max_size=8))
def test_as_if_each_had_come_alone(doors: Doors, arrivals: list[Arrival]) -> None:
    """Whoever else comes at the same time changes nothing."""
    apart = [Arrival(one.call, one.body) for one in arrivals]
    doors.together(arrivals)

    for arrival, other in zip(arrivals, apart, strict=True):
        assert told(doors, arrival) == alone(doors, other)


def test_a_failure_is_one_request_s(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be judged takes nothing else with it, and shifts nothing."""
    judged = Processor.treat

    def treat(self: Processor, raw: Any, site: Any, **options: Any) -> Any:
        if raw.event.title == "fails":
            raise ObjectionsError("unreadable")
        return judged(self, raw, site, **options)

    monkeypatch.setattr(Processor, "treat", treat)
    arrivals = [
        posted(event(title="first")),
        posted(event(title="a"), event(title="fails"), event(title="b")),
        posted(event(title=7)),
        posted(event(title="last")),
    ]
    failing = arrivals[1].body or b""
    doors.together(arrivals)

    assert isinstance(arrivals[1].outcome, ObjectionsError)
    first, refused, last = (told(doors, arrivals[number]) for number in (0, 2, 3))
    assert [row.page_title for row in (*first[3], *last[3])] == ["first", "last"]
    assert refused[1].code == "wrong_type"
    with pytest.raises(ObjectionsError):
        doors.events(arrivals[1].call, failing)


def test_a_defect_while_reading_is_one_request_s(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a defect of ours at one of the earlier steps."""
    joined = Doors._raw

    def raw(self: Doors, call: Call, *parts: Any) -> Any:
        if call.peer == PEERS[1]:
            raise ZeroDivisionError
        return joined(self, call, *parts)

    monkeypatch.setattr(Doors, "_raw", raw)
    arrivals = [posted(event(), peer=PEERS[1]), posted(event())]
    doors.together(arrivals)

    assert isinstance(arrivals[0].outcome, ZeroDivisionError)
    assert told(doors, arrivals[1])[0] == 202


def test_silent() -> None:
    """What waits to be judged says nothing of itself."""
    arrival = posted(event())
    asked = Asked(make_site(SITES[0], {}), raw_event())

    assert repr(arrival) == "<Arrival>"
    assert repr([asked]) == "[<Asked>]"


def test_what_was_judged_holds_nothing_raw(doors: Doors) -> None:
    """Of a request what it said is gone with its judgement, good or bad."""
    arrivals = [posted(event()), posted(body=b"{"), picture(f"site={SITES[0]}")]
    doors.together(arrivals)

    assert [(one.body, one.decoded, one.asked) for one in arrivals] == [
        (b"", [], []), (b"", [], []), (None, [], [])
    ]  # fmt: skip


def test_the_path_is_walked_step_by_step(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All events are judged before the first of them is made a row."""
    seen = []
    for name in ("_judge", "_enrich", "_minimise"):
        step = getattr(Processor, name)

        def spied(self: Any, work: Any, step: Any = step, name: str = name) -> Any:
            seen.append(name)
            return step(self, work)

        monkeypatch.setattr(Processor, name, spied)
    doors.together([posted(event()), posted(event(), event())])

    assert seen == ["_judge"] * 3 + ["_enrich"] * 3 + ["_minimise"] * 3
