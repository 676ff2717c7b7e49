"""
The same payload under every consent state: nothing is stored but what the policy
allows. Read from outside: the policy as the product prints it, the rows as the store
has them.
"""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.product import KASTANA, Product

CATEGORIES = ["preference", "statistics", "marketing", "precise_location"]
STATES = ["unknown", "requested", "given", "refused", "withdrawn", "expired"]
# An event for each category of consent that one may need.
EVENTS: dict[str, dict[str, Any]] = {
    "essential": {
        "event": "app_crash",
        "exception_type": "TypeError",
        "exception_message": "x is null",
        "exception_stacktrace": "at app.js:1",
        "app_version": "1.2.3",
    },
    "preference": {"event": "custom", "name": "theme", "category": "preference"},
    "statistics": {"event": "page_view"},
    "marketing": {"event": "custom", "name": "subscribe", "category": "marketing"},
    "precise_location": {
        "event": "location",
        "latitude": 52.538642,
        "longitude": 13.410517,
    },
}
PAYLOAD = {
    "site": "opt-in.example",
    "url": "https://opt-in.example/a/b?utm_source=news&utm_medium=email"
    "&utm_campaign=may&utm_term=t&utm_content=c&utm_id=7&gclid=x",
    "referrer": "https://search.example.org/results",
    "title": "A title",
    "language": "de-DE",
    "time_zone": "Europe/Berlin",
    "viewport": "1280x800",
    "screen": "1920x1080",
    "visitor": "browser_0123456789",
    "properties": {"plan": "pro"},
}
_EMPTY: tuple[Any, ...] = ("", 0, 0.0, None, "0", [], {}, "1970-01-01 00:00:00.000")


def states_of(*, alone: bool, category: str, state: str) -> dict[str, str]:
    """Return a consent object: all given but one category, or that one alone."""
    others = {} if alone else dict.fromkeys(CATEGORIES, "given")
    return {**others, category: state}


@pytest.fixture(scope="module")
def fields() -> dict[str, dict[str, Any]]:
    """The fields of the policy, as `kastana policy show` prints them."""
    shown = subprocess.run(
        [KASTANA, "policy", "show"], capture_output=True, check=True
    ).stdout
    found: dict[str, dict[str, Any]] = json.loads(shown)["fields"]
    return found


@pytest.fixture(scope="module")
def rows(product: Product) -> dict[str, dict[str, Any]]:
    """
    Every stored row, by the name of its combination.

    Nothing that is sent is on every row, but each row has its hour: so each
    combination happens in an hour of its own.
    """
    sent: dict[str, dict[str, Any]] = {}
    hours: dict[str, str] = {}
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for needs, event in EVENTS.items():
        for category in CATEGORIES:
            for state in STATES:
                for alone in (False, True):
                    name = f"{needs}-{category}-{state}-{'alone' if alone else 'all'}"
                    happened = now - timedelta(hours=len(sent), minutes=-7)
                    hours[happened.strftime("%Y-%m-%d %H")] = name
                    sent[name] = {
                        **PAYLOAD,
                        **event,
                        "consent": states_of(
                            alone=alone, category=category, state=state
                        ),
                        "occurred_at": happened.isoformat(),
                    }
    answer = product.post(
        list(sent.values()),
        Origin="https://opt-in.example",
        Referer="https://opt-in.example/",
    )
    assert answer.status == 202, answer.body
    assert answer.json() == {"accepted": len(sent)}
    product.wait_loaded()
    stored = product.sql(
        "SELECT * EXCEPT event_key FROM kastana.events FINAL "
        "WHERE site = 'opt-in.example'"
    )
    found = {hours[row["occurred_at"][:13]]: row for row in stored}
    assert len(found) == len(stored)
    return found


def expected(needs: str, states: dict[str, str]) -> str:
    """The decision table's rows 3 to 5, written down once more."""
    given = {name for name in CATEGORIES if states.get(name) == "given"}
    if needs == "essential":
        return "identified" if "statistics" in given else "anonymous"
    if needs in given:
        return "identified" if "statistics" in given else "anonymous"
    if is_coarse(needs, states):
        return "identified"
    return "dropped"


def is_coarse(needs: str, states: dict[str, str]) -> bool:
    """Say if coordinates become an area: not asked for, and statistics are kept."""
    undecided = states.get(needs, "unknown") in ("unknown", "requested", "expired")
    asked = states.get("statistics") == "given"
    return needs == "precise_location" and undecided and asked


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("needs", EVENTS)
def test_nothing_but_what_the_policy_allows(
    rows: dict[str, dict[str, Any]],
    fields: dict[str, dict[str, Any]],
    needs: str,
    category: str,
    state: str,
) -> None:
    """Nothing but what the policy allows."""
    for alone in (False, True):
        name = f"{needs}-{category}-{state}-{'alone' if alone else 'all'}"
        states = states_of(alone=alone, category=category, state=state)
        outcome = expected(needs, states)
        row = rows.get(name)
        if outcome == "dropped":
            assert row is None, name
            continue
        assert row is not None, name
        assert row["outcome"] == outcome, name
        assert row["regime"] == "eu_strict"
        coarse = is_coarse(needs, states)
        assert row["consent_category"] == ("statistics" if coarse else needs)
        assert bool(row["geo_cell"]) is (
            needs == "precise_location" and states.get("statistics") == "given"
        )
        given = {one for one in CATEGORIES if states.get(one) == "given"}
        for column, value in row.items():
            if value in _EMPTY:
                continue
            rule = fields[column]
            asked = rule["consent_category"]
            full = outcome == "identified" and (asked == "essential" or asked in given)
            shape = rule["identified" if full else "anonymous"]
            assert shape != "absent", f"{name}: {column} is {value!r}"
            # What was not granted leaves no field of its own, on any row.
            assert asked == "essential" or asked in given, f"{name}: {column}"
            if shape == "hour":
                assert value.endswith(":00:00.000"), f"{name}: {column}"


def test_the_fullest_row_is_full(rows: dict[str, dict[str, Any]]) -> None:
    """So that the test above compares something."""
    row = rows["precise_location-marketing-given-all"]
    for column in (
        "visitor_id",
        "client_address",
        "utm_source",
        "utm_id",
        "ad_click",
        "geo_latitude",
        "url_path",
        "page_title",
        "referrer_domain",
        "screen_class",
        "device_type",
        "browser_language",
        "time_zone",
        "properties",
    ):
        assert row[column] not in _EMPTY, column
    assert row["outcome_reasons"] == ["consent_given"]
    assert row["decision_row"] == "3"
    without = rows["essential-statistics-refused-all"]
    assert without["visitor_id"] in _EMPTY
    assert without["client_address"] in _EMPTY
    assert without["exception_type"] == "TypeError"
