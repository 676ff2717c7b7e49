"""When requests are due, what is measured of them, and the report that says it."""

import re

import orjson
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.replay.account import Account
from collector.replay.measure import Answer, Measure, Point, distribution, summary
from collector.replay.page import page
from collector.replay.plot import decades, linear, nines
from collector.replay.report import Setup, report_of, shown_url
from collector.replay.request import SourceError
from collector.replay.schedule import AsItWas, AtOnce, AtRate, schedule_of
from tests.builders import NOON_MS

OK = Answer(202, accepted=1)


# ------------------------------------------------------------------------- schedules
def test_rate() -> None:
    """At a rate requests are evenly spaced, whatever the source's times are."""
    schedule = schedule_of("1x", 4.0)

    assert isinstance(schedule, AtRate)
    assert [0.0, 0.25, 0.5] == [schedule.due(n, 7.0 * n * n) for n in range(3)]


def test_as_it_was() -> None:
    """The source's gaps are kept, or made shorter; time never goes back."""
    schedule = schedule_of("10x", None)
    times = [NOON_MS, NOON_MS + 5000, NOON_MS + 4000, NOON_MS + 6000]

    assert isinstance(schedule, AsItWas)
    assert [0.0, 0.5, 0.5, 0.6] == [schedule.due(n, at) for n, at in enumerate(times)]


def test_at_once() -> None:
    """At full speed nothing is due at any time."""
    schedule = schedule_of("max", None)

    assert isinstance(schedule, AtOnce)
    assert schedule.due(3, 1.0) is None


def test_source_without_times() -> None:
    """A source that says no times cannot be played at its own speed."""
    with pytest.raises(SourceError) as caught:
        AsItWas(1.0).due(0, 0.0)

    assert "no_times" == caught.value.code


@pytest.mark.parametrize("speed", ["", "fast", "0x", "-1x", "nanx", "infx"])
def test_speed_that_is_none(speed: str) -> None:
    """A speed is a number above nothing, or max."""
    with pytest.raises(ValueError, match=r"^(?!canary)"):
        schedule_of(speed, None)


@given(
    st.lists(st.integers(1, 10**13), min_size=1, max_size=50),
    st.floats(0.01, 1000),
)
def test_due_never_goes_back(times: list[int], factor: float) -> None:
    """However a source's times jump, requests are due in its order."""
    schedule = AsItWas(factor)
    dues = [schedule.due(number, float(at)) for number, at in enumerate(times)]

    assert dues == sorted(dues)
    assert 0.0 == dues[0]


# --------------------------------------------------------------------- what is measured
def test_latency_counts_from_when_it_was_due() -> None:
    """A request that is sent late because another was slow, is late itself."""
    measure = Measure()
    # One connection, a request each 10 ms; the first answer takes 100 ms.
    measure.add(OK, 1, 0.0, 0.0, 0.1)
    for number in range(1, 10):
        sent = 0.1 + (number - 1) * 0.001
        measure.add(OK, 1, number * 0.01, sent, sent + 0.001)

    assert 10 == measure.latency.get_total_count()
    assert measure.latency.get_value_at_percentile(50) >= 55_000
    assert measure.service.get_value_at_percentile(50) <= 1_010
    assert measure.lateness.get_max_value() >= 89_000


def test_what_came_back_is_counted() -> None:
    """Events, errors by status and code, and what nobody knows."""
    measure = Measure()
    for answer, events in (
        (Answer(202, accepted=3), 3),
        (Answer(202, "bad_time", 1, ("bad_time",)), 2),
        (Answer(429, "rate_limited"), 1),
        (Answer(0, "timeout", unknown=True), 4),
    ):
        measure.add(answer, events, 0.0, 0.0, 0.01)

    assert (10, 4, 4) == (measure.sent, measure.accepted, measure.unknown)
    assert {"bad_time": 1} == measure.invalid
    assert (4, 3) == (measure.requests, measure.errors)
    assert 1 == measure.codes[429, "rate_limited"]


def test_over_time() -> None:
    """Each second is a point; a second without an answer is one, too."""
    measure = Measure()
    for done in (0.1, 0.2, 2.5):
        measure.add(OK, 1, done - 0.05, done - 0.05, done)
    measure.add(Answer(0, "reset"), 1, 2.5, 2.5, 2.6)
    measure.finish()

    assert [
        Point(0.0, 1.0, 2, 0, 50.0, 50.0, 50.0),
        Point(1000.0, 1.0, 0, 0, 0.0, 0.0, 0.0),
        Point(2000.0, 1.0, 2, 1, 50.0, 100.0, 100.0),
    ] == measure.points


def test_points_are_bounded() -> None:
    """However long a run is, no more is remembered than can be drawn."""
    measure = Measure()
    for second in range(5000):
        measure.add(OK, 1, second, second, second + 0.5)
    measure.finish()

    assert len(measure.points) <= 600
    assert 5000 == sum(point.requests for point in measure.points)
    assert 4999.5 <= measure.points[-1].start_ms / 1000 + measure.points[-1].seconds


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0.000_01, 50), min_size=1, max_size=200))
def test_percentiles_are_right_to_three_digits(seconds: list[float]) -> None:
    """What the report says is what sorting says, to a tenth of a percent or so."""
    measure = Measure()
    for one in seconds:
        measure.add(OK, 1, 0.0, 0.0, one)
    told = summary(measure.latency)["percentiles"]
    exact = sorted(seconds)

    for name in ("50", "99"):
        place = max(-(-len(exact) * int(name) // 100), 1) - 1
        assert told[name] == pytest.approx(exact[place] * 1000, rel=0.002, abs=0.002)


def test_histogram_can_be_read_elsewhere() -> None:
    """The report has the whole histogram in the format of HDR histograms."""
    measure = Measure()
    for number in range(1, 101):
        measure.add(OK, 1, 0.0, 0.0, number / 1000)
    again = HdrHistogram.decode(summary(measure.latency)["hdr"])

    assert 100 == again.get_total_count()
    assert again.get_value_at_percentile(90) == pytest.approx(90_000, rel=0.001)


def test_nothing_was_measured() -> None:
    """Without an answer there is a report all the same."""
    measure = Measure()
    told = summary(measure.latency)

    assert (0, 0.0, []) == (told["count"], told["max"], distribution(measure.latency))


# -------------------------------------------------------------------------- the report
SETUP = Setup(
    "http://c.example:80", "made.ndjson", "captures", "1x", None, 4, NOON_MS, 2.0
)
ACCOUNT = Account(
    accepted=5,
    unknown=0,
    stored={("identified", "consent_given"): 3, ("dropped", "<b>"): 1},
    refused=1,
    refused_stored=1,
    seconds=0.4,
)


def measured() -> Measure:
    """Return what a short run measured."""
    measure = Measure()
    for number in range(100):
        due = number / 50
        answer = OK if number % 10 else Answer(503, "spool_full", unknown=True)
        measure.add(answer, 1, due, due, due + 0.001 * (number + 1))
    measure.finish()
    return measure


def test_report() -> None:
    """All that was asked for and found is in one object that is JSON."""
    report = report_of(SETUP, measured(), {"preflight": 2}, ACCOUNT)
    again = orjson.loads(orjson.dumps(report))

    assert again == report
    assert (100, 10, 50.0) == tuple(
        report["requests"][name] for name in ("sent", "errors", "per_second")
    )
    assert {"preflight": 2} == report["events"]["not_sent"]
    assert (False, 4, 1) == tuple(
        report["check"][name] for name in ("right", "total", "missing")
    )
    assert report["schedule"]["open_loop"]
    assert {"status": 503, "code": "spool_full", "requests": 10} in report["requests"][
        "codes"
    ]


def test_page_needs_no_network() -> None:
    """The page stands alone: no script, nothing to fetch, and no text is markup."""
    measure = measured()
    shown = page(report_of(SETUP, measure, {}, ACCOUNT), measure)

    assert 3 == shown.count("<svg")
    assert "default-src 'none'" in shown
    assert not re.search(r"<script|<img|<link|\bsrc=|\bhref=|url\(|@import", shown)
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown
    assert '<span class="bad">wrong</span>' in shown
    assert not re.search(r"\b(nan|inf)\b", shown)


def test_page_of_nothing() -> None:
    """A run without an answer has a page, too."""
    measure = Measure()
    shown = page(report_of(SETUP, measure, {}, None), measure)

    assert "The store was not asked" in shown
    assert "<svg" not in shown


def test_axes() -> None:
    """Axes begin and end at round numbers, and hold what they show."""
    up, log, share = linear("", 7.3), decades("", 0.4, 80.0), nines("")

    assert "8" == up.marks[-1][1]
    assert [0.1, 1.0, 10.0, 100.0] == [value for value, _ in log.marks]
    assert 0.5 == pytest.approx(share.place(99.0))
    assert all(0 <= log.place(value) <= 1 for value in (0.0, 0.4, 80.0, 1e9))


def test_secrets_of_a_url_are_not_shown() -> None:
    """Of a URL only scheme, host and port are told."""
    url = "https://user:secret@c.example:8443/path?token=secret"

    assert "https://c.example:8443" == shown_url(url)
