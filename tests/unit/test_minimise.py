"""
What remains of an event: no more than policy.toml allows, read here on its own.

The expectations come from the TOML file itself, not through the code under test.
"""

import copy
import itertools
import uuid
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from pipeline.device import Device
from pipeline.enrich import Facts
from pipeline.identify import Visitor
from pipeline.location import Location
from pipeline.minimise import TRANSFORM_NAMES, Minimiser
from pipeline.referrer import Source
from pipeline.salt import DaySalt
from pipeline.url import Campaign, CleanUrl
from schemas.consent import ConsentState
from schemas.outcome import Grant
from schemas.policy import PolicyError, load_policy
from schemas.raw_event import RawEvent
from tests.builders import (
    DAY_MS,
    EVENT_ID,
    NOON_MS,
    parse_changed,
    policy_toml,
    raw_event,
)

TOML = policy_toml()
FIELDS: dict[str, dict[str, Any]] = TOML["fields"]
ASKING = ("preference", "statistics", "marketing", "precise_location")
EVERYTHING = frozenset({"essential", *ASKING})
SUBSETS = [
    frozenset({"essential", *chosen})
    for size in range(5)
    for chosen in itertools.combinations(ASKING, size)
]
NOTHING: dict[str, Any] = {
    "UUID": "00000000-0000-0000-0000-000000000000",
    "String": "",
    "LowCardinality(String)": "",
    "DateTime64(3, 'UTC')": "1970-01-01 00:00:00.000",
    "Array(LowCardinality(String))": [],
    "Map(LowCardinality(String), String)": {},
    "UInt64": 0,
    "UInt32": 0,
    "UInt8": 0,
    "Float64": 0.0,
    "Nullable(Float64)": None,
}

FACTS = Facts(
    client_address="203.0.113.0",
    location=Location("DE", "DE-BE", "Berlin", "address", "EU"),
    device=Device("desktop", "Linux", "6", "Firefox", "139"),
    screen_class="xl",
    viewport_class="lg",
    language="de-AT",
    time_zone="Europe/Vienna",
    url=CleanUrl(
        "example.com", "/path", Campaign("a", "b", "c", "d", "e", "f"), "gclid", "q=it"
    ),
    source=Source("referrer.example", "/from", "referrer.example", "referral"),
    campaign=Campaign("news", "email", "may", "term", "content", "7"),
    target_domain="target.example",
    target_path="/to",
    cell="851f1d4bfffffff",
    mail_verdict="human",
)
CONSENT = ConsentState(
    "given",
    "refused",
    "requested",
    "unknown",
    flags=("gpc",),
    sources=("own", "tcf"),
    problems=("tcf:too_old",),
    given_ms=NOON_MS - 1,
)
VISITOR = Visitor(2**63 + 7, "persistent")

# Together these have something in every field.
EVENTS = [
    ("custom", {"name": "buy", "title": "A title", "properties": {"plan": "pro"}}),
    ("page_ping", {"engaged_ms": 1500, "scroll_depth": 75}),
    ("form_submit", {"form_id": "newsletter"}),
    (
        "app_crash",
        {
            "exception_type": "TypeError",
            "exception_message": "x is null",
            "exception_stacktrace": "at app.js:1",
            "app_version": "1.2.3",
        },
    ),
    (
        "web_vital",
        {
            "web_vital_name": "LCP",
            "web_vital_value": 1234.5,
            "web_vital_rating": "good",
            "navigation_type": "reload",
        },
    ),
    ("email_open", {"mailing": "may", "synthetic": True}),
    ("location", {"latitude": 52.520008123, "longitude": 13.404954987}),
]


@pytest.fixture
def minimiser(tmp_path: Path) -> Minimiser:
    """A minimiser of the shipped policy."""
    return Minimiser(load_policy(), DaySalt(tmp_path / "day.salt"))


def grant(
    outcome: str,
    granted: frozenset[str] = EVERYTHING,
    reasons: tuple[str, ...] = ("consent_given",),
) -> Grant:
    """Return a grant as the gate makes it."""
    return Grant(
        outcome,  # type: ignore[arg-type]
        reasons,
        granted,
        frozenset(),
        "eu_strict",
        "2026-11-23",
        "3",
        switches=("count_undecided",),
    )


def kept(minimiser: Minimiser, raw: RawEvent, given: Grant) -> dict[str, Any]:
    """Return the row as a dictionary, by field."""
    row = minimiser.row(raw, "statistics", given, CONSENT, FACTS, VISITOR)
    values: dict[str, Any] = orjson.loads(orjson.dumps(msgspec.structs.asdict(row)))
    return values


def allowed(name: str, outcome: str, granted: frozenset[str]) -> str:
    """Return what policy.toml lets remain of a field."""
    full = outcome == "identified" and FIELDS[name]["consent_category"] in granted
    remains: str = FIELDS[name]["identified" if full else "anonymous"]
    return remains


def test_events_fill_every_field(minimiser: Minimiser) -> None:
    """The events of these tests leave no field of a whole row empty."""
    filled = {
        field
        for name, own in EVENTS
        for field, value in kept(
            minimiser, raw_event(name, **own), grant("identified")
        ).items()
        if value != NOTHING[FIELDS[field]["type"]]
    }

    assert set(FIELDS) == filled


@pytest.mark.parametrize("granted", SUBSETS, ids=lambda given: "+".join(sorted(given)))
@pytest.mark.parametrize("outcome", ["identified", "anonymous"])
def test_only_what_the_policy_allows(
    minimiser: Minimiser, outcome: str, granted: frozenset[str]
) -> None:
    """Whatever was granted: each field holds what policy.toml lets remain of it."""
    for name, own in EVENTS:
        raw = raw_event(name, **own)
        whole = kept(minimiser, raw, grant("identified"))
        whole["outcome"] = outcome
        row = kept(minimiser, raw, grant(outcome, granted))
        for field, value in row.items():
            what = allowed(field, outcome, granted)
            expected = {
                "keep": whole[field],
                "absent": NOTHING[FIELDS[field]["type"]],
                "hour": "2025-06-01 12:00:00.000",
                "base_language": "de",
                "keyed_hash": row["event_id"],
            }[what]

            assert (field, expected) == (field, value)


def test_anonymous(minimiser: Minimiser) -> None:
    """Without a pseudonym: no id, address, place, version or exact time."""
    rows = [
        kept(minimiser, raw_event(name, **own), grant("anonymous"))
        for name, own in EVENTS
    ]
    gone = [
        "visitor_id",
        "visitor_scope",
        "client_address",
        "geo_locality_name",
        "geo_latitude",
        "geo_longitude",
        "os_version",
        "user_agent_version",
        "screen_class",
        "time_zone",
        "referrer_path",
        "target_url_path",
        "utm_source",
        "utm_campaign",
        "utm_term",
        "ad_click",
        "properties",
    ]

    for row in rows:
        assert {field: NOTHING[FIELDS[field]["type"]] for field in gone} == {
            field: row[field] for field in gone
        }
        assert {"2025-06-01 12:00:00.000"} == {row["occurred_at"], row["received_at"]}
        assert ("de", "DE", "DE-BE") == (
            row["browser_language"],
            row["geo_country_iso_code"],
            row["geo_region_iso_code"],
        )
        assert EVENT_ID != row["event_id"]


def test_hashed_id(minimiser: Minimiser, tmp_path: Path) -> None:
    """A retry on the same day has the same id; tomorrow nobody can tell."""

    def hashed(made: Minimiser, **changes: Any) -> str:
        row = kept(made, raw_event(**changes), grant("anonymous"))
        return str(row["event_id"])

    first = hashed(minimiser)
    again = hashed(minimiser, received_ms=NOON_MS + 3_600_000, occurred_ms=NOON_MS)
    of_another_site = hashed(minimiser, site="other.example")
    of_another_event = hashed(minimiser, event_id=EVENT_ID[:-1] + "2")
    elsewhere = hashed(Minimiser(load_policy(), DaySalt(tmp_path / "other.salt")))
    tomorrow = hashed(minimiser, received_ms=NOON_MS + DAY_MS)
    ids = [first, of_another_site, of_another_event, elsewhere, tomorrow]

    assert first == again
    assert len(ids) == len(set(ids))
    # The time a UUIDv7 starts with is gone with the rest of it.
    assert {4} == {uuid.UUID(one).version for one in ids}


@pytest.mark.parametrize("granted", SUBSETS, ids=lambda given: "+".join(sorted(given)))
@pytest.mark.parametrize("outcome", ["identified", "anonymous"])
def test_coordinates_have_their_own_consent(
    minimiser: Minimiser, outcome: str, granted: frozenset[str]
) -> None:
    """Coordinates stay when they were granted themselves, and with a pseudonym."""
    raw = raw_event("location", latitude=52.520008123, longitude=13.404954987)
    row = kept(minimiser, raw, grant(outcome, granted))
    allowed_here = outcome == "identified" and "precise_location" in granted

    assert ((52.52001, 13.40495) if allowed_here else (None, None)) == (
        row["geo_latitude"],
        row["geo_longitude"],
    )


def test_only_a_location_has_coordinates(minimiser: Minimiser) -> None:
    """No other event has any."""
    for name, own in EVENTS[:-1]:
        row = kept(minimiser, raw_event(name, **own), grant("identified"))

        assert (None, None) == (row["geo_latitude"], row["geo_longitude"])


@pytest.mark.parametrize(
    ("name", "fields", "column", "value"),
    [
        ("page_view", {"title": "Hi jane@example.com"}, "page_title", "Hi [email]"),
        ("custom", {"name": "jane@example.com"}, "custom_name", "[email]"),
        ("form_submit", {"form_id": "jane@example.com"}, "form_id", "[email]"),
        ("email_open", {"mailing": "jane@example.com"}, "mailing", "[email]"),
        (
            "exception",
            {"exception_message": "no jane@example.com"},
            "exception_message",
            "no [email]",
        ),
        (
            "exception",
            {"exception_stacktrace": "at jane@example.com"},
            "exception_stacktrace",
            "at [email]",
        ),
        ("exception", {"exception_type": "a@b.example"}, "exception_type", "[email]"),
        ("app_crash", {"app_version": "a@b.example"}, "app_version", ""),
        ("app_crash", {"app_version": "1.2.0.4"}, "app_version", "1.2.0.4"),
        (
            "page_view",
            {"properties": {"who": "jane@example.com"}},
            "properties",
            {"who": "[email]"},
        ),
        (
            "page_view",
            {"properties": {"password": "hunter2", "phone": "0170 1234567"}},
            "properties",
            {"password": "[secret]", "phone": "[phone]"},
        ),
        (
            "page_view",
            {"properties": {"lat": 52.5200066, "pin": 1234, "mobile": True}},
            "properties",
            {"lat": "[location]", "pin": "[secret]", "mobile": "true"},
        ),
        (
            "page_view",
            {"properties": {"jane@example.com": 1}},
            "properties",
            {"[email]": "1"},
        ),
    ],
)
def test_redacted(
    minimiser: Minimiser, name: str, fields: dict[str, Any], column: str, value: object
) -> None:
    """Every free text that is kept was redacted, keys of properties too."""
    row = kept(minimiser, raw_event(name, **fields), grant("identified"))

    assert value == row[column]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("pro", "pro"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (2**64 - 1, None),
        (-(2**63), None),
    ],
)
def test_properties_are_texts(
    minimiser: Minimiser, value: object, text: str | None
) -> None:
    """Numbers, yes, no and nothing are written as JSON has them."""
    raw = raw_event(properties={"value": value})
    row = kept(minimiser, raw, grant("identified"))

    assert {"value"} == set(row["properties"])
    assert text in (None, row["properties"]["value"])


def test_numbers_are_redacted_like_texts(minimiser: Minimiser) -> None:
    """A card number that is sent as a number is one all the same."""
    raw = raw_event(properties={"n": 4111111111111111})

    assert "4111111111111111" not in str(kept(minimiser, raw, grant("identified")))


# ------------------------------------------------------------------------- counters
def test_counted(minimiser: Minimiser) -> None:
    """Of a counted event hour, page, country and kind of device remain."""
    count = minimiser.count(
        raw_event(), grant("counted", reasons=("no_consent",)), FACTS
    )
    values = msgspec.structs.asdict(count)
    remains = {name for name, field in FIELDS.items() if field["counted"] != "absent"}

    assert remains | {"events"} == set(values)
    assert {
        "event_name": "page_view",
        "site": "example.com",
        "occurred_at": "2025-06-01 12:00:00.000",
        "outcome": "counted",
        "outcome_reasons": ["no_consent"],
        "regime": "eu_strict",
        "regime_version": "2026-11-23",
        "decision_row": "3",
        "policy_version": "2025-05-16",
        "geo_country_iso_code": "DE",
        "device_type": "desktop",
        "url_path": "/path",
        "synthetic": 0,
        "events": 1,
    } == values


@pytest.mark.parametrize("facts", [FACTS, None])
def test_dropped(minimiser: Minimiser, facts: Facts | None) -> None:
    """Of a dropped event only that it happened remains, and why."""
    count = minimiser.count(
        raw_event(), grant("dropped", reasons=("consent_refused",)), facts
    )

    assert ("", "", "", ["consent_refused"], 1) == (
        count.url_path,
        count.geo_country_iso_code,
        count.device_type,
        count.outcome_reasons,
        count.events,
    )


# -------------------------------------------------------------- policy and code agree
def test_transforms() -> None:
    """The policy names the transforms that there are."""
    assert TRANSFORM_NAMES == set(TOML["transforms"])


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        ("transforms.shout", {"transforms": {"shout": "in capitals"}}),
        (
            "fields.door.identified",
            {"fields": {"door": {"identified": "counter", "anonymous": "absent"}}},
        ),
        ("fields.door.anonymous", {"fields": {"door": {"anonymous": "counter"}}}),
        ("fields.mood", {"fields": {"mood": FIELDS["door"]}}),
    ],
)
def test_what_cannot_be_done(
    tmp_path: Path, where: str, changes: dict[str, Any]
) -> None:
    """A policy that asks for what the code cannot do stops the start."""
    content = copy.deepcopy(TOML)
    content["transforms"].update(changes.get("transforms", {}))
    for name, field in changes.get("fields", {}).items():
        content["fields"].setdefault(name, {}).update(field)
    policy = parse_changed(content)

    with pytest.raises(PolicyError) as caught:
        Minimiser(policy, DaySalt(tmp_path / "day.salt"))

    assert where == caught.value.where


def test_fields_in_another_order(tmp_path: Path) -> None:
    """Fields that changed places would be each other's columns: that does not start."""
    content = copy.deepcopy(TOML)
    content["fields"]["door"] = content["fields"].pop("door")

    with pytest.raises(PolicyError, match="differ in events"):
        Minimiser(parse_changed(content), DaySalt(tmp_path / "day.salt"))


def test_a_changed_policy_keeps_less(tmp_path: Path) -> None:
    """One line of policy.toml is all it takes to keep nothing of a field."""
    content = copy.deepcopy(TOML)
    content["fields"]["page_title"].update(identified="absent", anonymous="absent")
    minimiser = Minimiser(parse_changed(content), DaySalt(tmp_path / "day.salt"))
    row = kept(minimiser, raw_event(title="A title"), grant("identified"))

    assert "" == row["page_title"]
