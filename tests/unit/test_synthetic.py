"""The mark of a load test: whatever becomes of an event, the mark stays with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.call import Call
from collector.doors import Asked, Doors
from collector.folder import Folder
from collector.runtime import build
from collector.sites import editing
from pipeline.ledger.record import Said, read_choice
from schemas.event import ConsentChoice
from schemas.outcome import Invalid
from schemas.settings import Settings
from schemas.site import make_site
from tests.builders import NOON_MS
from tests.withdrawals import Stage, line

SITE = "example.com"


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    """Doors of one site, which takes no pages of others."""
    folder = Folder(tmp_path)
    with editing(folder.sites) as sites:
        sites[SITE] = make_site(SITE, {})
    return build(Settings(data=str(tmp_path)), folder).doors


def call(origin: str = f"https://{SITE}", query: str = "") -> Call:
    """Return a call of a page."""
    pairs = [("Origin", origin), ("User-Agent", "Mozilla/5.0 Firefox/140.0")]
    return Call(headers=pairs, peer="127.0.0.1", query=query, received_ms=NOON_MS)


def marks(doors: Doors, call: Call, content: object) -> list[tuple[str, int]]:
    """Return outcome and mark of every row and counter that a body leaves."""
    verdict = doors.events(call, json.dumps(content).encode())
    rows = [*(one.row for one in verdict.good), *doors.complaints(verdict, call)]
    return [(one.outcome, one.synthetic) for one in rows]


OUTCOMES: list[tuple[dict[str, Any], str]] = [
    ({"consent": {"statistics": True}}, "identified"),
    ({"consent": {"statistics": True}, "gpc": True}, "anonymous"),
    ({}, "counted"),
    ({"consent": {"statistics": False}}, "dropped"),
    # What is wrong with the event is told before what is wrong with the request.
    ({"title": 7}, "invalid"),
    ({"occurred_at": "yesterday"}, "invalid"),
]


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize(
    ("fields", "outcome"), OUTCOMES, ids=[str(number) for number in range(6)]
)
def test_mark_stays(
    doors: Doors, fields: dict[str, Any], outcome: str, *, synthetic: bool
) -> None:
    """Kept, counted, dropped or invalid: the row says whether a load test sent it."""
    event = {"event": "page_view", "site": SITE, **fields, "synthetic": synthetic}

    assert [(outcome, int(synthetic))] == marks(doors, call(), event)


@pytest.mark.parametrize("synthetic", [True, False])
def test_refused_request_keeps_the_mark(doors: Doors, *, synthetic: bool) -> None:
    """An event that its origin may not send is counted with its mark."""
    event = {"event": "page_view", "site": SITE, "synthetic": synthetic}

    told = marks(doors, call("https://other.example"), event)

    assert [("invalid", int(synthetic))] == told


def test_envelope_marks_all(doors: Doors) -> None:
    """A request marks all of its events at once, unless one says otherwise."""
    events = [{"event": "page_view"}, {"event": "page_view", "synthetic": False}]
    content = {"site": SITE, "synthetic": True, "events": events}

    assert [("counted", 1), ("counted", 0)] == marks(doors, call(), content)


def test_pixel_is_marked(doors: Doors) -> None:
    """The mark can be part of a picture's address."""
    query = f"event=page_view&site={SITE}&consent=statistics&synthetic=true"
    (result,) = doors.pixel(call(query=query)).good

    assert ("identified", 1) == (result.outcome, result.row.synthetic)


@pytest.mark.parametrize("action", ["give", "refuse", "change"])
def test_load_test_makes_no_choice(doors: Doors, action: str) -> None:
    """The ledger proves what people chose: a load test's choice is refused."""
    content = {"event": "consent", "site": SITE, "action": action, "synthetic": True}
    asked = doors.choice(call(), json.dumps(content).encode())
    assert isinstance(asked, Asked)
    choice = asked.raw.event
    assert isinstance(choice, ConsentChoice)
    said = read_choice(choice, doors.treat(asked).readings)

    assert isinstance(said, Invalid)
    assert ("bad_choice", "synthetic") == (said.code, said.field)


def test_withdrawal_is_one_whoever_sends_it(doors: Doors) -> None:
    """A withdrawal is honoured even when it is marked."""
    content = {"event": "consent", "site": SITE, "action": "withdraw"}
    body = json.dumps({**content, "synthetic": True}).encode()
    asked = doors.choice(call(), body)
    assert isinstance(asked, Asked)
    choice = asked.raw.event
    assert isinstance(choice, ConsentChoice)

    assert isinstance(read_choice(choice, doors.treat(asked).readings), Said)


def test_segment_without_the_mark(tmp_path: Path) -> None:
    """A segment of an older version, which has no mark, leaves counters that load."""
    stage = Stage(tmp_path)
    stage.object()
    path = stage.put(line())
    older = [json.loads(text)[:-1] for text in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(values)}\n" for values in older))

    stage.narrower.narrow(path)

    assert [0] == [counter["synthetic"] for counter in stage.counters()]
