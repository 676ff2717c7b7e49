"""Whose rows a segment holds: told from its bytes, it is what parsing tells."""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pipeline.withdrawal.whose
from pipeline.segment import count_lines, lines_of, rows_begin
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.rewrite import Principal, Rewriter, _Made
from pipeline.withdrawal.standing import Entry
from pipeline.withdrawal.whose import pseudonyms
from schemas.consent import ASKED
from schemas.policy import load_policy
from tests.load.load_rows import segment
from tests.withdrawals import ANNA, BERT, CARL, HEADERS, ROW_MS, SITE, line

HEADER = HEADERS["events"]
NAMES, TYPES = map(orjson.loads, HEADER.splitlines())
POLICY = load_policy()
LONG = 12_345_678_901_234
IDS = (0, 7, BERT, CARL, LONG, ANNA, 2**64 - 1)
# What could be mistaken for the end of a text, a column, a row, or a pseudonym.
PIECES = st.sampled_from(
    ['"', "\\", ",", "[", "]", "\n", " ", "{", ":", "x", '",', '["0197b2f4', "a,[b]"]
    + [f",{LONG}," for _ in range(3)]
    + [f'",{ANNA},"', f'x",{ANNA},"', '"],["', "][", "7"]
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
LISTS = st.lists(TEXTS, max_size=3)
ROWS = st.fixed_dictionaries(
    {"visitor_id": st.sampled_from(IDS)},
    optional={
        "site": st.sampled_from([SITE, "other.example", 'a",b']),
        "event_name": st.sampled_from(["page_view", "exception", 'x",1,"']),
        "consent_category": st.sampled_from(["", "essential", "marketing"]),
        "consent_sources": LISTS,
        "outcome_reasons": LISTS,
        "consent_problems": LISTS,
        "decision_row": TEXTS,
        "door": TEXTS,
        "visitor_scope": TEXTS,
        "page_title": TEXTS,
        "url_path": TEXTS,
        "properties": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "web_vital_value": st.sampled_from([0.0, 1e22, 12345678901234.0]),
        "consent_given_at": st.sampled_from(
            ["2025-06-01 12:34:56.788", "2025-06-01 12:34:56.791"]
        ),
    },
)
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([SITE, "other.example"]),
        st.sampled_from([one for one in IDS if one]),
        st.sampled_from(ASKED),
    ),
    max_size=3,
)
DAMAGE = (
    b"",
    b"canary",
    b"[",
    b'["own"]',
    line()[:-1] + line()[:-1],
    line()[:-1] + b"," + line()[:-1],
    line(BERT)[:-1] + b"; " + line()[:-1],
    line().replace(b",%d," % ANNA, b',"%d",' % ANNA),
    line(BERT).replace(b",22,", b",022,"),
    line(BERT).replace(b",22,", b",+22,"),
    line(BERT).replace(b",22,", b",22.0,"),
    line(BERT).replace(b",22,", b",22e3,"),
    line(BERT).replace(b",22,", b", 22,"),
    line(BERT).replace(b",22,", b",100000000000000000000,"),
    line()[:200],
)


@pytest.fixture(params=[1, 1_000_000], ids=["guessing", "not guessing"])
def _guessed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to a pseudonym, however few the rows are."""
    monkeypatch.setattr(pipeline.withdrawal.whose, "_MANY", request.param)


pytestmark = pytest.mark.usefixtures("_guessed")
anything = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def told(body: bytes) -> list[bytes]:
    """Return what is told of a segment of events."""
    start = rows_begin(body)
    return pseudonyms(NAMES, TYPES, body, start, count_lines(body, start))


def plainly(
    rewriter: Rewriter, body: bytes, only: AbstractSet[Principal] | None
) -> tuple[bytes, bytes, list[Principal]] | None:
    """Judge every row, each parsed: what `change` did before it looked at bytes."""
    made = _Made(Counter(), set())
    lines = [
        rewriter._judged(
            dict(zip(NAMES, orjson.loads(one), strict=True)), one, TYPES, only, made
        )
        for one in body[len(HEADER) :].split(b"\n")[:-1]
        for one in [one + b"\n"]
    ]
    if not made.principals:
        return None
    counters = rewriter._segment(made.counters)
    return HEADER + b"".join(lines), counters, sorted(made.principals)


# ------------------------------------------------------------------- what it says
def test_ordinary_rows_are_told() -> None:
    """Of rows as edges write them none must be parsed: what is in them or not."""
    rows = [
        line(),
        line(0),
        line(BERT, site="a-long-name.shop.example.org", event_name="file_download"),
        line(consent_sources=["own", "tcf"], outcome_reasons=["a", "b", "c"]),
        line(page_title='Say "yes" [solved] [b], [c]\\', url_query="a[]=1&b=[2]"),
        line(properties={"a": "[1, 2]", "b": f",{LONG},"}),
    ]
    body = HEADER + b"".join(rows * 3)

    assert [b"%d" % one for one in (ANNA, 0, BERT, ANNA, ANNA, ANNA)] * 3 == told(body)


def test_busy_site() -> None:
    """Thousands of rows: each pseudonym, in order."""
    body = segment(2_000)
    place = NAMES.index("visitor_id")

    assert [b"%d" % orjson.loads(one)[place] for one in body.splitlines()[2:]] == told(
        body
    )


@anything
@given(st.lists(ROWS, max_size=6))
def test_it_is_what_parsing_tells(changes: list[dict[str, Any]]) -> None:
    """Whatever texts hold: nothing is said, or the truth."""
    rows = [line(**one) for one in changes]
    answers = told(HEADER + b"".join(rows))

    assert len(rows) == len(answers)
    for one, answer in zip(changes, answers, strict=True):
        assert answer in (b"", b"%d" % one["visitor_id"])


@pytest.mark.parametrize("bad", DAMAGE)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nothing_is_said_of_damage(bad: bytes, place: int) -> None:
    """A line that is none of ours must be parsed; the others keep their places."""
    rows = [line(), line(CARL)]
    rows.insert(place, bad.removesuffix(b"\n") + b"\n")
    expected = [b"%d" % ANNA, b"%d" % CARL]
    expected.insert(place, b"")

    assert expected == told(HEADER + b"".join(rows))


def test_what_follows_is_left_to_the_engine() -> None:
    """Whose a row is, is told of one that ends too early, if late enough."""
    assert [b"%d" % ANNA, b"22"] == told(HEADER + line()[:-40] + b"\n" + line(BERT))


def test_damage_that_makes_up_for_itself() -> None:
    """Two rows in a line and a line without one are not two lines with one each."""
    double = line(BERT)[:-1] + line()

    assert [b"", b"%d" % CARL, b""] == told(HEADER + double + line(CARL) + b"x\n")


def test_torn_end() -> None:
    """Of a last line without its end nothing is said."""
    assert [b"%d" % CARL, b""] == told(HEADER + line(CARL) + line()[:-1])
    assert [b"%d" % CARL, b""] == told(HEADER + line(CARL) + line()[:-99])
    assert [] == told(HEADER)


@pytest.mark.parametrize("kind", ["Map(LowCardinality(String), String)", "Int8"])
def test_unknown_columns(kind: str) -> None:
    """A column before the pseudonym that it does not know: all must be parsed."""
    types = list(TYPES)
    types[NAMES.index("door")] = kind
    body = HEADER + line() + line()

    assert [b"", b""] == pseudonyms(NAMES, types, body, len(HEADER), 2)


@pytest.mark.parametrize(
    ("kinds", "trap"),
    [
        (["String", "String"], [f",{LONG},", ""]),
        (["String", "String"], [f'",{LONG},"', ""]),
        (["String", "String"], [f'x",{LONG},"x', ""]),
        (["Map(LowCardinality(String), String)", "String"], [{"": f",{LONG},"}, ""]),
        (["Map(LowCardinality(String), String)", "String"], [{f",{LONG},": ""}, ""]),
        (["Array(LowCardinality(String))", "String"], [[f",{LONG},"], ""]),
        (["String", "UInt32"], ["", 4_294_967_295]),
        (["String", "UInt64"], ["", LONG]),
        (["String", "Float64"], ["", float(LONG)]),
    ],
)
def test_no_pseudonym_where_others_have_one(kinds: list[str], trap: list[Any]) -> None:
    """What stands where the rows before had it is mistaken for no pseudonym."""
    names = ["event_id", "site", "visitor_id", "a", "b", "c"]
    types = ["UUID", "String", "UInt64", *kinds, "String"]
    start = ["0197b2f4-0000-7000-8000-000000000000"]
    rows = [[*start, "x" * 80, LONG, *trap, ""], [*start, "x" * 30, 0, *trap, ""]]
    body = b"\n" + b"".join(orjson.dumps(one) + b"\n" for one in rows)

    assert [b"%d" % LONG, b"0"] == pseudonyms(names, types, body, 1, 2)


# ------------------------------------------------------------------- what it is for
@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    """Give names of objections' files that were not used before."""
    return (tmp_path / f"objections-{number}" for number in range(1_000_000))


@anything
@given(
    rows=st.lists(ROWS, max_size=6),
    entries=ENTRIES,
    only=st.none()
    | st.sets(
        st.tuples(st.sampled_from([SITE, "other.example"]), st.sampled_from(IDS))
    ),
)
def test_as_if_every_row_were_judged(
    files: Iterator[Path],
    rows: list[dict[str, Any]],
    entries: list[tuple[str, int, Any]],
    only: set[Principal] | None,
) -> None:
    """Whoever withdrew whatever: the segment is what judging each row makes of it."""
    objections = Objections(next(files))
    objections.append(
        [
            Entry(ROW_MS + 1, site, visitor_id, "withdrawn", (category,))
            for site, visitor_id, category in entries
        ]
    )
    rewriter = Rewriter(objections, POLICY)
    body = HEADER + b"".join(line(**one) for one in rows)
    change = rewriter.change(body, only)
    expected = plainly(rewriter, body, only)

    assert expected == (
        None
        if change is None
        else (change.body, change.counters, list(change.principals))
    )
    if change is not None:
        assert change.rows == change.body.count(b"\n") - 2


# ------------------------------------------------------------------- lines
@pytest.mark.parametrize(
    ("body", "begin", "count", "lines"),
    [
        (b"", 0, 0, []),
        (b"a", 0, 0, [b"a"]),
        (b"a\n", 0, 1, [b"a\n"]),
        (b"a\nb\n", 4, 0, []),
        (b"a\nb\nc", 4, 0, [b"c"]),
        (b"a\nb\nc\r\n\x0b\n", 4, 2, [b"c\r\n", b"\x0b\n"]),
        (b"a\nb\n\n\n", 4, 2, [b"\n", b"\n"]),
    ],
)
def test_lines(body: bytes, begin: int, count: int, lines: list[bytes]) -> None:
    """Lines end at newlines alone; one without is not whole."""
    assert begin == rows_begin(body)
    assert count == count_lines(body, begin)
    assert lines == lines_of(body, begin)
