"""Narrowing: what was withdrawn leaves a waiting segment, once and for good."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import pipeline.segment
import pipeline.withdrawal.narrow
from pipeline.durable import replace_file
from pipeline.withdrawal.narrow import Narrowed, SegmentError
from pipeline.withdrawal.objections import ObjectionsError
from pipeline.withdrawal.standing import Kind
from schemas.consent import ASKED, Category
from schemas.ddl import EMPTY
from tests.withdrawals import (
    ANNA,
    BERT,
    CARL,
    HEADERS,
    ROW_MS,
    Stage,
    line,
    rows_of,
    segment_name,
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A spool without objections."""
    return Stage(tmp_path)


def numbers(stage: Stage) -> list[tuple[str, str, list[str], str, int]]:
    """Return what the counters in sealed/ say, most of it."""
    return [
        (
            found["event_name"],
            found["outcome"],
            found["outcome_reasons"],
            found["decision_row"],
            found["events"],
        )
        for found in stage.counters()
    ]


# ------------------------------------------------------------------ who is not meant
def test_without_objections_nothing_is_touched(stage: Stage) -> None:
    """No objection: the very same file, and no plan."""
    path = stage.put(line(), line(BERT))
    before = path.stat()

    assert Narrowed() == stage.narrower.narrow(path)
    assert (before.st_ino, before.st_mtime_ns) == (
        path.stat().st_ino,
        path.stat().st_mtime_ns,
    )
    assert [] == stage.plans()


@pytest.mark.parametrize(
    "other",
    [
        line(BERT),
        line(0),
        line(site="other.example"),
        line(
            consent_given_at="2025-06-01 12:34:56.791",
            received_at="2025-06-02 00:00:00.000",
        ),
    ],
    ids=["another visitor", "nobody", "another site", "a newer grant"],
)
def test_objections_of_others(stage: Stage, other: bytes) -> None:
    """A segment that no objection is about keeps its bytes and its inode."""
    stage.object()
    path = stage.put(other, other)
    inode, content = path.stat().st_ino, path.read_bytes()

    assert Narrowed() == stage.narrower.narrow(path)
    assert (inode, content) == (path.stat().st_ino, path.read_bytes())
    assert [] == stage.counters()


# ------------------------------------------------------------------- what is left
def test_statistics_withdrawn(stage: Stage) -> None:
    """Rows of every category go, since the pseudonym does; errors are numbers."""
    stage.object()
    others = [line(BERT), line(0)]
    path = stage.put(
        line(),
        others[0],
        line(url_path="/b"),
        line(event_name="custom", consent_category="marketing"),
        line(event_name="location", consent_category="precise_location"),
        line(event_name="exception", consent_category="essential"),
        others[1],
    )

    assert Narrowed(removed=5) == stage.narrower.narrow(path)
    assert HEADERS["events"] + b"".join(others) == path.read_bytes()
    assert [
        ("custom", "dropped", ["consent_withdrawn"], "4", 1),
        ("exception", "counted", ["essential", "consent_withdrawn"], "1", 1),
        ("location", "dropped", ["consent_withdrawn"], "4", 1),
        ("page_view", "dropped", ["consent_withdrawn"], "4", 2),
    ] == numbers(stage)


def test_read_is_what_is_left(stage: Stage) -> None:
    """Who loads a segment is given its bytes, and how many rows, after the change."""
    path = stage.put(line(), line(BERT), line(CARL))

    assert (path.read_bytes(), 3) == stage.narrower.read(path)

    stage.object()

    assert (path.read_bytes(), 3) != stage.narrower.read(path)
    assert (path.read_bytes(), 2) == stage.narrower.read(path)
    assert [BERT, CARL] == [row["visitor_id"] for row in rows_of(path)]


def test_counters_say_no_more_than_counters_do(stage: Stage) -> None:
    """A dropped event leaves hour and reason; a counted one path, country, device."""
    stage.object()
    error = {"event_name": "exception", "consent_category": "essential"}
    path = stage.put(line(synthetic=1), line(**error, synthetic=1))
    stage.narrower.narrow(path)
    counted, dropped = stage.counters()
    common = {
        "site": "example.com",
        "occurred_at": "2025-06-01 12:00:00.000",
        "regime": "eu_strict",
        "regime_version": "1",
        "decision_row": "1",
        "policy_version": "2025-05-16",
        "synthetic": 1,
        "events": 1,
    }

    assert {
        **common,
        "event_name": "exception",
        "outcome": "counted",
        "outcome_reasons": ["essential", "consent_withdrawn"],
        "geo_country_iso_code": "DE",
        "device_type": "mobile",
        "url_path": "/a",
    } == counted
    assert {
        **common,
        "decision_row": "4",
        "event_name": "page_view",
        "outcome": "dropped",
        "outcome_reasons": ["consent_withdrawn"],
        "geo_country_iso_code": "",
        "device_type": "",
        "url_path": "",
    } == dropped
    (counters,) = (stage.root / "sealed").glob("counts-*")
    assert counters.read_bytes().startswith(HEADERS["counts"])
    assert 0o600 == counters.stat().st_mode & 0o777 == path.stat().st_mode & 0o777


@pytest.mark.parametrize(("kind", "row"), [("erased", "1"), ("child", "2")])
def test_erased_and_child(stage: Stage, kind: Kind, row: str) -> None:
    """Both close everything, and their reason is their own."""
    stage.object(kind=kind)
    path = stage.put(line(), line(event_name="app_crash", consent_category="essential"))
    stage.narrower.narrow(path)

    assert [] == rows_of(path)
    assert [
        ("app_crash", "counted", ["essential", kind], row, 1),
        ("page_view", "dropped", [kind], row, 1),
    ] == numbers(stage)


def test_marketing_withdrawn(stage: Stage) -> None:
    """Rows that needed it go; the others lose its fields and say why."""
    stage.object("marketing")
    full = {"ad_click": "gclid", "consent_marketing": "given", "utm_source": "mail"}
    path = stage.put(
        line(**full),
        line(event_name="custom", consent_category="marketing", **full),
        line(BERT, **full),
    )
    before = rows_of(path)

    assert Narrowed(removed=1, emptied=1) == stage.narrower.narrow(path)
    assert [
        {**before[0], "ad_click": "", "consent_marketing": "withdrawn"},
        before[2],
    ] == rows_of(path)
    assert [("custom", "dropped", ["consent_withdrawn"], "4", 1)] == numbers(stage)


def test_precise_location_withdrawn(stage: Stage) -> None:
    """Coordinates go from every row, each field to its own type's emptiness."""
    stage.object("precise_location", "preference")
    path = stage.put(
        line(geo_latitude=52.5, geo_longitude=13.4, consent_preference="given")
    )
    before = rows_of(path)
    stage.narrower.narrow(path)

    assert [
        {
            **before[0],
            "geo_latitude": None,
            "geo_longitude": None,
            "consent_precise_location": "withdrawn",
            "consent_preference": "withdrawn",
        }
    ] == rows_of(path)
    assert [] == stage.counters()


@pytest.mark.parametrize("category", [name for name in ASKED if name != "statistics"])
def test_no_field_of_a_withdrawn_category_is_left(
    stage: Stage, category: Category
) -> None:
    """By the policy's own list: whatever needs the category is empty afterwards."""
    full = {
        "String": "x",
        "LowCardinality(String)": "x",
        "Nullable(Float64)": 1.5,
        "Array(LowCardinality(String))": ["x"],
        "Map(LowCardinality(String), String)": {"x": "y"},
        "UInt32": 7,
        "UInt8": 7,
        "Float64": 1.5,
    }
    fields = stage.policy.columns("events")
    changes: dict[str, Any] = {
        name: full[field.type]
        for name, field in fields.items()
        if field.type in full and field.consent_category != "essential"
    }
    stage.object(category)
    path = stage.put(line(**changes))
    before = rows_of(path)[0]
    stage.narrower.narrow(path)
    (after,) = rows_of(path)

    for name, field in fields.items():
        if field.consent_category == category:
            assert EMPTY[field.type] == after[name], name
        elif name != f"consent_{category}":
            assert before[name] == after[name], name


def test_grant_and_arrival_are_the_rows_own(stage: Stage) -> None:
    """A row goes by the time of its grant; without one by that of its arrival."""
    stage.object()
    stage.object(kind="given", time_ms=ROW_MS + 5)
    path = stage.put(
        line(consent_given_at="2025-05-01 00:00:00.000", url_path="/old"),
        line(
            consent_given_at="2025-06-01 12:34:56.792",
            received_at="2025-06-01 12:34:57.000",
            url_path="/new",
        ),
        line(url_path="/before"),
        line(received_at="2025-06-01 12:34:57.000", url_path="/after"),
    )
    stage.narrower.narrow(path)

    assert ["/new", "/after"] == [found["url_path"] for found in rows_of(path)]


def test_segment_of_an_older_policy(stage: Stage) -> None:
    """Without the newer columns the event's name says what it needed."""
    stage.object("precise_location")
    names = ["event_name", "site", "received_at", "visitor_id", "geo_latitude"]
    names += ["occurred_at", "policy_version", "geo_country_iso_code"]
    names += ["device_type", "url_path"]
    kinds = [stage.policy.fields[name].type for name in names]
    at = "2025-06-01 12:34:56.789"
    rest = [at, "2025-01-01", "", "", ""]
    lines = [
        ["location", "example.com", at, ANNA, 1.5, *rest],
        ["page_view", "example.com", at, ANNA, 1.5, *rest],
        ["forgotten", "example.com", at, ANNA, None, *rest],
    ]
    path = stage.put()
    path.write_bytes(
        b"".join(orjson.dumps(one) + b"\n" for one in (names, kinds, *lines))
    )

    assert Narrowed(removed=1, emptied=1) == stage.narrower.narrow(path)
    assert [("page_view", None), ("forgotten", None)] == [
        (found["event_name"], found["geo_latitude"]) for found in rows_of(path)
    ]
    assert [("location", "dropped", ["consent_withdrawn"], "4", 1)] == numbers(stage)


# ------------------------------------------------------------------ what stops it
@pytest.mark.parametrize(
    "bad",
    [
        b"canary\n",
        b"[]\n",
        b"{}\n",
        b"7\n",
        line().replace(b"12:34:56.789", b"canary"),
        line().replace(str(ANNA).encode(), b'"canary"'),
        line(occurred_at=7),
        line(site=["canary"]),
        line(consent_given_at=7),
    ],
)
def test_line_that_cannot_be_judged(stage: Stage, bad: bytes) -> None:
    """It is not loaded past the objections; the error says where, not what."""
    stage.object()
    path = stage.put(line(BERT), bad)
    content = path.read_bytes()
    with pytest.raises(SegmentError) as caught:
        stage.narrower.narrow(path)

    assert "line 4 of a segment cannot be read" == str(caught.value)
    assert content == path.read_bytes()
    assert [] == stage.plans()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n[]\n", b"canary\n", HEADERS["events"][:40]]
)
def test_no_segment_of_ours(stage: Stage, content: bytes) -> None:
    """What has not our columns is left to the store, which refuses it."""
    stage.object()
    path = stage.put()
    path.write_bytes(content)

    assert Narrowed() == stage.narrower.narrow(path)
    assert content == path.read_bytes()


def test_damaged_objections(stage: Stage, tmp_path: Path) -> None:
    """Who withdrew is not known, so no segment gets through."""
    path = stage.put(line(BERT))
    (tmp_path / "objections").write_bytes(b"canary\n")

    with pytest.raises(ObjectionsError):
        stage.narrower.narrow(path)


# ------------------------------------------------------------------------- crashes
class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """Let the process die before, or in the middle of, or after the n-th write."""

    def crash(number: int, moment: str) -> None:
        left = [number]

        def write(path: Path, content: bytes, draft: Path, **options: Any) -> None:
            left[0] -= 1
            if left[0] == 0 and moment == "before":
                raise Crash
            if left[0] == 0 and moment == "middle":
                draft.write_bytes(content[: len(content) // 2])
                raise Crash
            replace_file(path, content, draft, **options)
            if left[0] == 0:
                raise Crash

        # Segments are replaced by the one, plans by the other.
        for module in (pipeline.segment, pipeline.withdrawal.narrow):
            monkeypatch.setattr(module, "replace_file", write)

    yield crash
    monkeypatch.undo()


# Plan, counters, segment, the plan again without rows.
@pytest.mark.parametrize("moment", ["before", "middle", "after"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
@pytest.mark.parametrize("more", [False, True], ids=["", "another objection"])
def test_killed_at_any_step(  # noqa: PLR0913 - fixtures and the steps
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: Callable[[int, str], None],
    write: int,
    moment: str,
    *,
    more: bool,
) -> None:
    """Whatever step is the last, every row is in the end there or counted, once."""
    stage.object()
    path = stage.put(line(), line(), line(BERT), line(CARL))
    crash_at(write, moment)
    with pytest.raises(Crash):
        stage.narrower.narrow(path)
    monkeypatch.undo()
    # The keeper is back and loads counters first; their token makes them count once.
    loaded: dict[str, list[dict[str, Any]]] = {}

    def load_counters() -> None:
        for counters in (stage.root / "sealed").glob("counts-*"):
            loaded.setdefault(counters.name, rows_of(counters))
            counters.rename(stage.root / "loaded" / counters.name)

    load_counters()
    if more:
        stage.object(visitor_id=BERT)
    again = stage.fresh()
    for _ in range(2):
        again.narrow(path)
    load_counters()

    gone = 3 if more else 2
    left = [CARL] if more else [BERT, CARL]
    assert left == [found["visitor_id"] for found in rows_of(path)]
    assert gone == sum(found["events"] for rows in loaded.values() for found in rows)
    assert not list(stage.root.rglob("*.draft"))
    principals = {
        visitor for plan in again._read_plans() for _, visitor in plan.principals
    }
    assert {ANNA, *([BERT] if more else [])} == principals


def test_counters_have_one_name(stage: Stage) -> None:
    """The name follows from the segment's id and content: a UUIDv7 of its moment."""
    stage.object()
    names = set()
    for number in (1, 1, 2):
        path = stage.put(line(), line(BERT), number=number)
        stage.narrower.narrow(path)
        names |= {one.name for one in (stage.root / "sealed").glob("counts-*")}

    assert 2 == len(names)
    assert all(name.startswith("counts-0197b2f4-0000-7") for name in names)


def test_a_second_objection_has_counters_of_its_own(stage: Stage) -> None:
    """Narrowed twice, counted twice under two names: no token swallows the second."""
    stage.object()
    path = stage.put(line(), line(BERT), line(CARL))
    stage.narrower.narrow(path)
    stage.object(visitor_id=BERT)
    stage.narrower.narrow(path)

    assert 2 == len(list((stage.root / "sealed").glob("counts-*")))
    assert [1, 1] == [found["events"] for found in stage.counters()]
    assert [CARL] == [found["visitor_id"] for found in rows_of(path)]
    assert 2 == len(stage.plans())


def test_narrowing_again_changes_nothing(stage: Stage) -> None:
    """At the next attempt the narrowed segment is as it should be."""
    stage.object("marketing")
    path = stage.put(line(ad_click="gclid"), line())

    assert Narrowed(emptied=2) == stage.narrower.narrow(path)
    content = path.read_bytes()
    assert Narrowed() == stage.narrower.narrow(path)
    assert content == path.read_bytes()


def test_put_back(stage: Stage) -> None:
    """A person puts the whole segment back: it is narrowed again, to the same end."""
    stage.object()
    path = stage.put(line(), line(BERT))
    stage.narrower.narrow(path)
    narrowed, plans = path.read_bytes(), stage.plans()
    path = stage.put(line(), line(BERT))
    stage.narrower.narrow(path)

    assert (narrowed, plans) == (path.read_bytes(), stage.plans())
    assert [1] == [found["events"] for found in stage.counters()]


def test_full_disk(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is one of the caller's; the next call goes on."""
    stage.object()
    path = stage.put(line(), line(BERT))

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.segment, "replace_file", full)
        patch.setattr(pipeline.withdrawal.narrow, "replace_file", full)
        with pytest.raises(OSError, match="No space"):
            stage.narrower.narrow(path)

    assert Narrowed(removed=1) == stage.narrower.narrow(path)


# --------------------------------------------------------------------------- plans
def test_plan_waits_for_the_load(stage: Stage) -> None:
    """A plan is handed out when its segment was loaded, and holds no row any more."""
    stage.object()
    path = stage.put(line(), line(BERT, page_title="canary"))
    stage.narrower.narrow(path)

    assert [] == stage.narrower.loaded_plans()
    assert b"canary" not in (stage.root / "narrowed" / stage.plans()[0]).read_bytes()

    path.rename(stage.root / "loaded" / path.name)
    (plan,) = stage.narrower.loaded_plans()

    assert (("example.com", ANNA),) == plan.principals
    assert (1, segment_name()) == (plan.rows, plan.name)
    assert "<Plan>" == repr(plan) == str(plan)
    assert [] == plan.__rich_repr__()

    stage.narrower.finish(plan)

    assert [] == stage.plans()


def test_plans_of_others_are_not_carried_out(stage: Stage) -> None:
    """A name that begins like another one's is another segment."""
    stage.object()
    for name in ("events-1.ndjson", "events-12.ndjson"):
        path = stage.root / "sealed" / name
        path.write_bytes(HEADERS["events"] + line() + line(BERT))
        stage.narrower.narrow(path)

    assert [1] * 2 == [plan.rows for plan in stage.narrower._read_plans()]
    assert ["events-1.ndjson"] == [
        plan.name for plan in stage.narrower._read_plans("events-1.ndjson")
    ]
    # A name that is no UUID still gives counters a name.
    assert 2 == len(list((stage.root / "sealed").glob("counts-00000000-0000-7*")))


# --------------------------------------------------------------------------- sweep
def test_sweep_of_what_was_loaded(stage: Stage) -> None:
    """Kept copies lose the rows too; nothing is counted, their age stays."""
    stage.object()
    path = stage.put(line(), line(BERT), state="loaded")
    other = stage.put(line(BERT), number=2, state="loaded")
    inode, before = other.stat().st_ino, path.stat().st_mtime_ns

    assert 1 == stage.narrower.sweep({("example.com", ANNA)})
    assert [BERT] == [found["visitor_id"] for found in rows_of(path)]
    assert (inode, before) == (other.stat().st_ino, path.stat().st_mtime_ns)
    assert [] == stage.counters()
    assert [] == stage.plans()
    assert 0 == stage.narrower.sweep({("example.com", ANNA)})


def test_sweep_looks_at_the_named_alone(stage: Stage) -> None:
    """Whose objection was not asked for keeps the rows until it is."""
    stage.object()
    stage.object(visitor_id=BERT)
    path = stage.put(line(), line(BERT), state="loaded")
    stage.narrower.sweep({("example.com", BERT)})

    assert [ANNA] == [found["visitor_id"] for found in rows_of(path)]


def test_sweep_of_what_was_refused(stage: Stage) -> None:
    """What the store refused was never counted: narrowed like a waiting one."""
    stage.object()
    path = stage.put(line(), line(BERT), state="failed")
    broken = stage.put(line(), b"canary\n", number=2, state="failed")

    assert 1 == stage.narrower.sweep({("example.com", ANNA)})
    assert [BERT] == [found["visitor_id"] for found in rows_of(path)]
    assert 1 == sum(found["events"] for found in stage.counters())
    assert broken.exists()


def test_sweep_removes_what_it_cannot_read(stage: Stage) -> None:
    """A loaded copy that cannot be judged is of no use to anyone."""
    stage.object()
    path = stage.put(line(), b"canary\n", state="loaded")

    assert 1 == stage.narrower.sweep({("example.com", ANNA)})
    assert not path.exists()


def test_drafts_of_a_crash_are_removed(stage: Stage) -> None:
    """What a crash left half written goes at the next start."""
    draft = stage.root / "narrowed" / "x.draft"
    draft.write_bytes(b"half")
    stage.fresh()

    assert not draft.exists()
    assert 0o700 == draft.parent.stat().st_mode & 0o777


def test_others_rows_are_not_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none of those who withdrew has a row, no row is taken apart."""
    stage.object(visitor_id=ANNA)
    path = stage.put(*(line(BERT), line(CARL), line(0)) * 3)
    before = path.stat().st_ino
    read = []
    real = pipeline.withdrawal.rewrite.orjson.loads
    loads = lambda text: read.append(text) or real(text)  # noqa: E731
    monkeypatch.setattr(pipeline.withdrawal.rewrite.orjson, "loads", loads)
    stage.narrower.narrow(path)

    assert [] == read
    assert before == path.stat().st_ino

    stage.object(visitor_id=BERT)
    stage.narrower.narrow(path)

    assert [line(BERT)] * 3 == read
