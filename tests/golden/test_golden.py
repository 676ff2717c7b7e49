"""What people send, and the row that stays: pairs that change only on purpose."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collector.doors import Doors
from collector.explain import explain
from tests.golden.golden import golden_doors, read_cases

GEO = Path(os.environ.get("TEST_GEO_FOLDER", "data/geo")).absolute()
ANONYMOUS = "exempt-anonymous.example"
CAPTURES = Path(__file__).parents[3] / "shared" / "captures"


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    """Doors with fixed secrets."""
    return golden_doors(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize(("name", "case"), read_cases().items(), ids=read_cases())
def test_request_leaves_exactly_the_expected_row(
    doors: Doors, name: str, case: dict[str, Any]
) -> None:
    """Status, outcome, reasons and every column are as written down."""
    told = explain(case["request"], doors)

    assert case["expected"] == told, name


def test_captured_browsers_give_sensible_devices_and_sources(doors: Doors) -> None:
    """Headers of real browsers, sent with our events, are understood."""
    if not CAPTURES.is_dir():
        pytest.skip("the captures are not here; the golden cases are their twin")
    seen = set()
    for path in sorted(CAPTURES.glob("browser-*.ndjson")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            # The browser's own reports say HeadlessChrome: a robot, rightly.
            if record["method"] != "POST" or "Headless" in line:
                continue
            seen.add(_devices(record, doors))

    assert {("desktop", "Linux", "Chrome", "156", "www.site.test")} == seen


PLACES = [
    ("81.2.69.142", "GB", "London"),
    ("93.192.3.4", "DE", "Cottbus"),
    # Illertissen: too few live there to name it.
    ("79.244.172.1", "DE", ""),
    ("2a02:8108::1", "DE", "Berlin"),
    ("203.0.113.77", "", ""),
]


def test_addresses_become_places_as_fine_as_consent_allows(tmp_path: Path) -> None:
    """A real city database: country and city by grant, the country alone without."""
    databases = sorted(GEO.glob("*.mmdb"))
    if not databases:
        pytest.skip("no city database (make geo); test_location.py has a small one")
    (tmp_path / "geo").mkdir()
    for path in databases:
        (tmp_path / "geo" / path.name).symlink_to(path)
    doors = golden_doors(tmp_path)
    found = []
    for address, _, _ in PLACES:
        event = {"event": "page_view", "consent": {"statistics": True}}
        plain = [_row(doors, address, {**event, "site": "opt-in.example"})]
        plain += [_row(doors, address, {"event": "page_view", "site": ANONYMOUS})]
        found.append((plain[0]["geo_country_iso_code"], plain[0]["geo_locality_name"]))
        assert plain[0]["geo_country_iso_code"] == plain[1]["geo_country_iso_code"]
        assert not plain[1]["geo_locality_name"]

    assert [(country, city) for _, country, city in PLACES] == found


def _row(doors: Doors, peer: str, event: dict[str, Any]) -> dict[str, Any]:
    record = {
        "method": "POST",
        "target": "/e",
        "headers": [["Origin", f"https://{event['site']}"]],
        "body": json.dumps(event),
        "peer": peer,
    }
    row: dict[str, Any] = explain(record, doors)["events"][0]["row"]
    return row


def _devices(record: dict[str, Any], doors: Doors) -> tuple[str, ...]:
    referers = [v for k, v in record["headers"] if k.lower() == "referer"]
    event = {
        "event": "page_view",
        "site": "opt-in.example",
        "url": "https://opt-in.example/",
        "referrer": referers[0] if referers else "https://www.site.test/",
        "consent": {"statistics": True},
    }
    headers = [
        [name, value]
        for name, value in record["headers"]
        if name.lower() not in ("origin", "content-encoding")
    ]
    told = explain(
        {
            "method": "POST",
            "target": "/e",
            "headers": headers,
            "body": json.dumps(event),
            "ts": record["ts"],
        },
        doors,
    )
    row = told["events"][0]["row"]
    return (
        row["device_type"],
        row["os_name"],
        row["user_agent_name"],
        row["user_agent_version"],
        row["referrer_domain"],
    )
