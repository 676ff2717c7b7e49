"""What the bench computes: percentiles, ratios, arrivals, requests, profiles."""

import itertools
import re
from pathlib import Path

import pytest

from schemas.settings import SettingsError, load_settings
from tests.load.figures import Spread, arrivals, growth, percentile, ratios, spread
from tests.load.measure_requests import DURABILITY, durability_settings
from tests.load.open_loop import Latency, answer_size
from tests.load.report import page, table
from tests.load.results import Backlog, Memory, OpenLoop, Results, Throughput
from tests.load.stacks import PARTS, read_profile
from tests.load.traffic import batches, load, pixels, render, save, singles
from tests.load.visitors import SITE

ID = re.compile(rb'"event_id":"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[^"]{16})"')
SEEN = Latency(1000.0, 9, 1.0, 2.0, 3.0, 4.0, 5.0, 0.1, 0, {"202": 9})


# --------------------------------------------------------------------------- arithmetic
@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, 1), (0.01, 1), (0.29, 29), (0.5, 50), (0.501, 51), (0.99, 99), (1, 100)],
)
def test_percentile(share: float, expected: int) -> None:
    """A percentile is a value that was seen, the smallest that suffices."""
    assert expected == percentile(range(1, 101), share)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.01), ([1.0], -0.1)])
def test_percentile_of_nothing(values: list[float], share: float) -> None:
    """There is no percentile of no values, nor beyond all of them."""
    with pytest.raises(ValueError, match=r"no values|between"):
        percentile(values, share)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], Spread(2.0, 1.0, 3.0)),
        ([4.0, 1.0, 2.0, 9.0], Spread(3.0, 1.0, 9.0)),
        ([5.0], Spread(5.0, 5.0, 5.0)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    """Repeats become their median, lowest and highest, in whatever order they came."""
    assert expected == spread(values)


def test_ratios_go_round_by_round() -> None:
    """A round in which all were slow says the same of the ratio."""
    assert Spread(0.5, 0.5, 0.5) == ratios([10.0, 2.0, 6.0], [20.0, 4.0, 12.0])


def test_ratios_of_unequal_rounds() -> None:
    """A round that one of the two lacks is an error."""
    with pytest.raises(ValueError, match="argument"):
        ratios([1.0, 2.0], [1.0])


def test_arrivals() -> None:
    """Arrivals are those of the seed, in order, within the time, at the rate."""
    times = list(arrivals(1000.0, 20.0, 7))

    assert times == list(arrivals(1000.0, 20.0, 7))
    assert times != list(arrivals(1000.0, 20.0, 8))
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 20
    assert 19_400 < len(times) < 20_600


def test_arrivals_do_not_come_in_step() -> None:
    """As many come sooner than ln 2 of the mean as people's do: half of them."""
    times = list(arrivals(100.0, 100.0, 3))
    gaps = [later - one for one, later in itertools.pairwise(times)]
    soon = sum(gap < 0.00693 for gap in gaps) / len(gaps)

    assert 0.47 < soon < 0.53


def test_growth() -> None:
    """Growth is of the last third over the middle one; what fills caches is not."""
    assert pytest.approx(0.1) == growth([10, 50, 100, 100, 110, 110])
    assert pytest.approx(0.0) == growth([1, 2, 3, 100, 100, 100, 100, 900, 100])


def test_growth_of_too_few() -> None:
    """Of a handful of samples nothing is said."""
    with pytest.raises(ValueError, match="six"):
        growth([1, 2, 3, 4, 5])


# ----------------------------------------------------------------------------- requests
def test_requests_repeat_no_id(tmp_path: Path) -> None:
    """However often requests are sent, no event id comes twice, and lengths hold."""
    requests = load(save(itertools.chain(singles(3), batches(2, 5)), tmp_path / "t"))
    ids = itertools.count(1)
    found = []
    for pieces in requests * 2:
        head, _, body = render(pieces, ids).partition(b"\r\n\r\n")
        found += ID.findall(body)
        assert f"Content-Length: {len(body)}".encode() in head

    assert 2 * (3 + 10) == len(found) == len(set(found))


def test_unique_visitors(tmp_path: Path) -> None:
    """The agent, page and token of a unique visitor change with every request."""
    [pieces] = load(save(singles(1, unique=True), tmp_path / "t"))
    ids = itertools.count(1)
    first, second = (render(pieces, ids) for _ in range(2))
    for name in (rb"User-Agent: (.*)\r", rb'"url":"(.*?)"', rb'"visitor":"(.*?)"'):
        one, other = re.search(name, first), re.search(name, second)
        assert one is not None
        assert other is not None
        assert one[1] != other[1]


def test_requests_are_of_many() -> None:
    """Visitors differ in address, agent and page, with a long tail of each."""
    sent = [render(one, itertools.count()) for one in singles(2000)]
    for name, least in (
        (rb"X-Forwarded-For: (.*)\r", 700),
        (rb"User-Agent: (.*)\r", 60),
        (rb'"url":"(.*?)[?"]', 300),
    ):
        assert least < len({re.findall(name, one)[0] for one in sent})


def test_pixel_is_a_picture() -> None:
    """A picture is asked for with what the site sees, without an origin or body."""
    [pieces] = pixels(1)
    text = render(pieces, itertools.count())

    assert text.startswith(f"GET /p.gif?event=page_view&site={SITE}&".encode())
    assert text.endswith(b"\r\n\r\n")
    assert b"Origin:" not in text


# ------------------------------------------------------------------------------ answers
@pytest.mark.parametrize(
    ("received", "size"),
    [
        (b"HTTP/1.1 204 No Content\r\nServer: x\r\n", None),
        (b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 38),
        (b"HTTP/1.1 202 Accepted\r\ncontent-LENGTH: 14\r\nA: b\r\n\r\n{", 65),
    ],
)
def test_answer_size(received: bytes, size: int | None) -> None:
    """An answer ends after as many bytes as its head says, in whatever case."""
    assert size == answer_size(received)


# ------------------------------------------------------------------------------ profile
_MAIN, _SPOOL = "thread (7): MainThread", "thread (8): spool"


def test_profile() -> None:
    """A sample is the innermost known part's, but for what is spooled or answered."""
    receive = f"{_MAIN};main (collector/cli.py:1);events (collector/receive.py:60)"
    profile = read_profile(
        [
            f"{receive};events (collector/doors.py:9);_url (pipeline/url.py:7);f (x) 4",
            f"{receive};events (collector/doors.py:8) 1",
            f"{receive};read (aiohttp/web_request.py:3) 2",
            f"{_MAIN};start (aiohttp/web.py:1);finish_response (aiohttp/web.py:3) 1",
            f"{_SPOOL};_commit (pipeline/spool_writer.py:2) 1",
            f"{_SPOOL};_worker (concurrent/futures/thread.py:3) 1",
        ],
        {7: 0.8, 8: 0.2},
    )
    expected = dict.fromkeys(PARTS, 0.1) | {"pipeline": 0.4, "HTTP": 0.2, "desk": 0.0}

    assert expected == pytest.approx(profile.parts)
    assert profile.inside["events (collector/doors.py)"] == pytest.approx(0.5)
    assert profile.own["events (collector/doors.py)"] == pytest.approx(0.1)


def test_empty_profile() -> None:
    """No samples are no profile."""
    with pytest.raises(ValueError, match="no samples"):
        read_profile([], {7: 1.0})


def test_idle_threads_weigh_nothing() -> None:
    """A thread that waits is seen as often as one that works, and takes no time."""
    samples = [
        f"{_MAIN};events (collector/doors.py:9) 3",
        f"{_MAIN};put (pipeline/spool.py:3) 1",
        f"{_SPOOL};_next_group (pipeline/spool.py:2) 96",
        "thread (9): pool;_worker (concurrent/futures/thread.py:81) 900",
    ]

    found = read_profile(samples, {7: 4.0, 8: 1.0, 9: 0.0}).own

    assert found == {
        "events (collector/doors.py)": pytest.approx(0.6),
        "put (pipeline/spool.py)": pytest.approx(0.2),
        "_next_group (pipeline/spool.py)": pytest.approx(0.2),
    }
    with pytest.raises(ValueError, match="no samples"):
        read_profile(samples, {9: 0.0})
    with pytest.raises(ValueError, match="no thread"):
        read_profile(["events (collector/doors.py:9) 3"], {7: 4.0})


# ------------------------------------------------------------------------------- report
def test_report_shows_what_was_left_out() -> None:
    """The table names each measurement, its ratio, and what could not be run."""
    one = Spread(2000.0, 1900.0, 2100.0)
    half = Spread(0.5, 0.4, 0.6)
    line = Throughput(
        "edge <x>", "fsync", "batch", 100, one, half, None, half, half, half, 90.0
    )
    found = Results(
        machine="m",
        started="s",
        commit="c",
        quick=True,
        throughput=[line],
        latency=[OpenLoop("edge at 40%", 0.4, [SEEN])],
        memory=Memory(1.0, [80.0, 90.0], None, 5),
        backlog=Backlog(9, 3.0, 3.0, 100.0, 300.0, SEEN, SEEN, 1.0, 41.5, 9),
        notes=["nginx is missing"],
    )
    text = table(found)

    row = r"edge <x> +2,000 +1,900-2,100 +200,000 +0\.500 +0\.400-0\.600"
    assert re.search(row, text)
    assert "x 1.00 (100% of the run had a backlog)" in text
    assert "41.5 bytes an event" in text
    assert "left out: nginx is missing" in text
    assert "edge &lt;x&gt;" in page(found)
    assert "<x>" not in page(found)


@pytest.mark.parametrize("kind", DURABILITY)
def test_durability_settings(kind: str) -> None:
    """Each way of keeping events is one that every door's setting takes."""
    settings = load_settings(None, {}, durability_settings(kind))

    assert kind == settings.durability_events == settings.durability_pixel


def test_no_durability_of_another_name() -> None:
    """A way that is none is refused before anything is measured with it."""
    with pytest.raises(SettingsError, match="durability_"):
        load_settings(None, {}, durability_settings("perhaps"))
