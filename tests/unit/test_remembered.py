"""What is remembered of requests and pages is what would be made anew."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.agents.networks import load_networks
from pipeline.caller import Callers
from pipeline.location import Locator
from pipeline.memo import forget_all
from pipeline.page import page_of
from pipeline.process import Processor
from pipeline.redact import COUNTS
from pipeline.salt import DaySalt
from pipeline.withdrawal.objections import Objections
from schemas.policy import load_policy
from schemas.site import Site, make_site
from tests.builders import NOON_MS, raw_event
from tests.mmdb import write_mmdb

DAY_MS = 86_400_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SITES = [
    make_site("example.com", {}),
    make_site("example.com", {"rules": ["auto"]}),
    make_site("example.com", {"child_directed": True}),
    make_site("example.com", {"parameters": ["page"]}),
    make_site(
        "example.com",
        {"redact": {"order": {"pattern": "view", "finds": ["view"]}}},
    ),
]
# Every dimension that one of the caches depends on has two values at least.
REQUESTS = st.fixed_dictionaries(
    {
        "address": st.sampled_from(["203.0.113.77", "81.2.69.142", "52.95.110.1", ""]),
        "user_agent": st.sampled_from([FIREFOX, ROBOT, ""]),
        "country": st.sampled_from(["", "FR"]),
        "door": st.sampled_from(["script", "pixel", "server"]),
        "trusted": st.booleans(),
        "received_ms": st.sampled_from([NOON_MS, NOON_MS + 400 * DAY_MS]),
        "referer": st.sampled_from(["", "https://example.com/from"]),
        "headers": st.fixed_dictionaries(
            {},
            optional={
                "accept-language": st.sampled_from(["de-DE", "fr"]),
                "sec-gpc": st.sampled_from(["1", "0"]),
                "dnt": st.just("1"),
                "save-data": st.just("on"),
                "sec-purpose": st.just("prefetch"),
                "purpose": st.just("prefetch"),
                "sec-ch-ua": st.just('"Brave";v="141"'),
                "sec-ch-ua-platform": st.sampled_from(['"Windows"', '"macOS"']),
            },
        ),
    }
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "url": st.sampled_from(
            [
                "https://example.com/view?page=2&utm_source=news&utm_medium=email",
                "https://example.com/view/jane@example.org",
            ]
        ),
        "referrer": st.sampled_from(
            ["https://www.google.com/", "https://semalt.com/x", "https://a.test/b@c.de"]
        ),
        "campaign": st.just({"source": "flyer"}),
        "screen": st.just("1920x1080"),
        "viewport": st.just("400x800"),
        "language": st.sampled_from(["en", ""]),
        "time_zone": st.sampled_from(["Europe/Paris", "America/New_York"]),
        "gpc": st.booleans(),
        "dnt": st.booleans(),
        "automated": st.booleans(),
        "sent_at": st.just(NOON_MS + 5000),
        "consent": st.fixed_dictionaries(
            {},
            optional={
                "statistics": st.sampled_from([True, False, "requested"]),
                "marketing": st.booleans(),
                "updated_at": st.sampled_from([NOON_MS - DAY_MS, NOON_MS + 4000]),
                "policy_version": st.sampled_from(["2025-05-16", "1999-01-01"]),
                "method": st.just("implied"),
                "jurisdiction": st.sampled_from(["DE", "US-CA"]),
                "gdpr": st.sampled_from([0, 1]),
                "us_privacy": st.sampled_from(["1YYN", "1YNN"]),
                "gpp_sid": st.just([8]),
                "objection": st.booleans(),
                "child": st.booleans(),
            },
        ),
    },
)
NAMES = st.sampled_from(["page_view", "email_open"])


def write_city(path: Path) -> None:
    """Write a database that knows London and Paris."""
    write_mmdb(
        path,
        "city ipv4",
        4,
        {
            "81.2.69.0/24": {
                "country_code": "GB",
                "state1": "England",
                "city": "London",
            },
            "203.0.113.0/24": {"country_code": "FR", "city": "Paris"},
        },
    )


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Processor:
    """The path with a database and lists of networks, and with nobody too fast."""
    root = tmp_path_factory.mktemp("data")
    database = root / "dbip-city-ipv4.mmdb"
    write_city(database)
    return Processor(
        load_policy(),
        Locator([database]),
        b"k" * 32,
        DaySalt(root / "day.salt"),
        Objections(root / "objections"),
        load_networks([]),
    )


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(
    st.lists(
        st.tuples(NAMES, REQUESTS, FIELDS, st.sampled_from(SITES)),
        min_size=2,
        max_size=6,
    )
)
def test_as_if_nothing_was_remembered(
    processor: Processor, asked: list[tuple[str, dict[str, Any], dict[str, Any], Site]]
) -> None:
    """After whatever came before, an event ends as it would have as the first."""
    raws = [
        raw_event(name, **{**request, "occurred_ms": request["received_ms"]}, **fields)
        for name, request, fields, _ in asked
    ]
    sites = [site for *_, site in asked]
    forget_all()
    warm = [
        processor.process(raw, site)
        for raw, site in zip(raws * 2, sites * 2, strict=True)
    ]
    for raw, site, first, second in zip(
        raws, sites, warm, warm[len(raws) :], strict=False
    ):
        forget_all()
        fresh = processor.process(raw, site)
        assert fresh.row == first.row == second.row
        assert fresh.reasons == first.reasons == second.reasons
        assert fresh.treatment.readings == second.treatment.readings


HOUR_MS = 3_600_000
# Consent ends after 395 days, in the middle of a day.
LASTING = {"statistics": True, "updated_at": NOON_MS - 395 * DAY_MS + HOUR_MS // 2}
DECLARED = {"statistics": True, "jurisdiction": "US-CA"}
NOWHERE: dict[str, Any] = {"site_number": 1, "address": ""}
BASE: dict[str, Any] = {
    "address": "203.0.113.77",
    "user_agent": FIREFOX,
    "country": "",
    "received_ms": NOON_MS,
    "headers": {"accept-language": "de-DE"},
    "url": "https://example.com/view?page=2&utm_source=news",
    "referrer": "https://www.google.com/",
    "title": "view",
    "consent": {"statistics": True, "marketing": True},
}
# One change each, of everything that one of the caches' keys must hold.
CHANGES: dict[str, dict[str, Any]] = {
    "address": {"address": "81.2.69.142"},
    "no address": {"address": ""},
    "agent": {"user_agent": ROBOT},
    "country": {"address": "", "country": "FR"},
    "another country": {"address": "", "country": "US"},
    "mail": {"name": "email_open"},
    "server": {"door": "server"},
    "trusted server": {"door": "server", "trusted": True},
    "day": {"received_ms": NOON_MS + 400 * DAY_MS},
    "language": {"headers": {"accept-language": "fr"}},
    "gpc": {"headers": {"accept-language": "de-DE", "sec-gpc": "1"}},
    "dnt": {"headers": {"accept-language": "de-DE", "dnt": "1"}},
    "save-data": {"headers": {"save-data": "on"}},
    "other header of that value": {"headers": {"dnt": "on"}},
    "hint": {"headers": {"sec-ch-ua-platform": '"macOS"'}},
    "script's gpc": {"gpc": True},
    "script's dnt": {"dnt": True},
    "consent": {"consent": {"statistics": False}},
    "old consent": {
        "consent": {"statistics": True, "updated_at": NOON_MS - 500 * DAY_MS}
    },
    "consent of a time": {
        "consent": {"statistics": True, "updated_at": NOON_MS - 1000}
    },
    "the same, sent by a clock that is ahead": {
        "consent": {"statistics": True, "updated_at": NOON_MS - 1000},
        "sent_at": NOON_MS + 5000,
    },
    "consent's last hour": {"consent": LASTING},
    "the hour after": {"consent": LASTING, "received_ms": NOON_MS + HOUR_MS},
    "declared, by place": {**NOWHERE, "consent": DECLARED},
    "declared, by a server": {**NOWHERE, "consent": DECLARED, "door": "server"},
    "child": {"consent": {"statistics": True, "child": True}},
    "place": {"consent": {"statistics": True, "jurisdiction": "US-CA"}},
    "url": {"url": "https://example.com/other"},
    "referrer": {"referrer": "https://a.test/x"},
    "screen": {"screen": "1920x1080"},
    "viewport": {"viewport": "400x800"},
    "script's language": {"language": "en"},
    "time zone": {"address": "", "time_zone": "Europe/Paris"},
    **{f"site {number}": {"site_number": number} for number in range(1, len(SITES))},
    "site by place": {"site_number": 1, "address": "81.2.69.142"},
    "site by place and server": {"site_number": 1, "door": "server", "address": ""},
    "site by place, no address": {"site_number": 1, "address": ""},
}


def made(processor: Processor, change: dict[str, Any]) -> Any:
    """Process one event and return what stays of it, and why."""
    parts = {**BASE, **change}
    parts["occurred_ms"] = parts["received_ms"]
    site = SITES[parts.pop("site_number", 0)]
    result = processor.process(raw_event(parts.pop("name", "page_view"), **parts), site)
    return result.row, result.reasons, result.treatment.readings


def test_every_single_change_counts(processor: Processor) -> None:
    """An event that differs in one thing alone is not taken for the other."""
    expected = {}
    for name, change in CHANGES.items():
        forget_all()
        expected[name] = made(processor, change)
    forget_all()
    orders = [list(CHANGES.items()), list(reversed(CHANGES.items()))]
    for order in orders:
        made(processor, {})
        for name, change in order:
            assert made(processor, change) == expected[name], name
        forget_all()
    assert len({str(one) for one in expected.values()}) > len(CHANGES) * 0.7


# What the events of one request may differ in, one at a time.
CLAIM = {"statistics": True, "updated_at": NOON_MS - 1000}
FELLOWS: dict[str, dict[str, Any]] = {
    "another": {},
    "kind": {"name": "page_ping"},
    "mail": {"name": "email_open", "recipient": "r-1"},
    "another's mail": {"name": "email_open", "recipient": "r-2"},
    "browser": {"visitor": "browser_0123456789"},
    "another browser": {"visitor": "browser_9876543210"},
    "account": {"account": "jane"},
    "another account": {"account": "joe"},
    "refused": {"consent": {"statistics": False}},
    "child": {"consent": {"statistics": True, "child": True}},
    "string": {"consent": {"statistics": True, "us_privacy": "1YYN"}},
    "time": {"consent": CLAIM},
    "sent": {"consent": CLAIM, "sent_at": NOON_MS + 5000},
    "script's gpc": {"gpc": True},
    "script's dnt": {"dnt": True},
    "driven": {"automated": True},
    "spam": {"referrer": "https://semalt.com/x"},
    "site": {"site_number": 2},
}


def test_the_events_of_a_request_are_told_apart(processor: Processor) -> None:
    """What one event of a request says is not put down to another."""
    alone = {}
    for name, change in FELLOWS.items():
        forget_all()
        alone[name] = made(processor, change)
    for order in (list(FELLOWS), list(reversed(FELLOWS))):
        fellows: dict[Any, Any] = {}
        for name in [*order, *order]:
            change = {**FELLOWS[name], "fellows": fellows}
            assert made(processor, change) == alone[name], name
        # And it is not read anew for each.
        assert 0 < len(fellows) < len(FELLOWS)
    assert len({str(one) for one in alone.values()}) > len(FELLOWS) * 0.7


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(
    REQUESTS,
    st.lists(st.tuples(NAMES, FIELDS, st.sampled_from(SITES)), min_size=2, max_size=6),
)
def test_as_if_each_came_alone(
    processor: Processor,
    request_: dict[str, Any],
    events: list[tuple[str, dict[str, Any], Site]],
) -> None:
    """An event of many in a request ends as it would have in one of its own."""
    parts = {**request_, "occurred_ms": request_["received_ms"]}
    fellows: dict[Any, Any] = {}
    for name, fields, site in [*events, *events]:
        together = processor.process(
            raw_event(name, **parts, fellows=fellows, **fields), site
        )
        forget_all()
        alone = processor.process(raw_event(name, **parts, **fields), site)
        assert together.row == alone.row
        assert together.reasons == alone.reasons
        assert together.treatment.readings == alone.treatment.readings


def test_a_request_is_read_once() -> None:
    """The second event of a visit finds what the first one's request said."""
    callers = Callers(Locator(), load_networks([]))
    first = callers.of(raw_event(user_agent=FIREFOX))

    assert (
        callers.of(raw_event(user_agent=FIREFOX, url="https://example.com/b")) is first
    )
    assert callers.of(raw_event(user_agent=ROBOT)) is not first


def test_a_new_database_is_asked_anew(tmp_path: Path) -> None:
    """Where a caller is is not remembered beyond the file that said it."""
    database = tmp_path / "dbip-city-ipv4.mmdb"
    locator = Locator(lambda: [database] if database.exists() else [])
    callers = Callers(locator, load_networks([]))
    raw = raw_event(address="81.2.69.142")
    before = callers.of(raw).spot
    write_city(database)
    locator.refresh()

    assert (before.country, callers.of(raw).spot.country) == ("", "GB")


def test_silent() -> None:
    """What is too fine to be kept is in no repr."""
    caller = Callers(Locator(), load_networks([])).of(raw_event())

    assert repr(caller) == "<Caller>"
    assert caller.__rich_repr__() == []


def test_replacements_are_counted_each_time() -> None:
    """A page that is remembered is counted like one that is read."""
    counted = []
    for _ in range(2):
        COUNTS.clear()
        page_of(
            "https://example.com/jane@example.org",
            "https://a.test/joe@example.org",
            SITES[0],
            campaign=True,
        )
        counted.append(COUNTS["email"])

    assert counted == [2, 2]
