"""What people send, and the row that stays: pairs that change only on purpose."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.doors import Doors
from collector.explain import explain
from tests.golden.golden import golden_doors, read_cases

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
