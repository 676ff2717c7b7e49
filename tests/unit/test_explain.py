"""Why: the steps of a decision, for every door and for what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collector.commands_explain import explain as command
from collector.doors import Doors
from collector.explain import ExplainError, explain
from collector.folder import Folder
from collector.sites import ensure_demo_site
from pipeline.clock import now_ms
from pipeline.salt import DaySalt
from tests.golden.golden import golden_doors

SITE = "opt-in.example"
ORIGIN = ("Origin", f"https://{SITE}")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    """Doors with sites of several rule packs."""
    return golden_doors(tmp_path_factory.mktemp("explain"))


def ask(doors: Doors, method: str, target: str, body: Any = None) -> dict[str, Any]:
    """Explain one request, with every step."""
    record = {
        "method": method,
        "target": target,
        "headers": [ORIGIN, ("Sec-GPC", "1")],
        "body": None if body is None else json.dumps(body),
    }
    return explain(record, doors, why=True)


def test_steps_of_an_event(doors: Doors) -> None:
    """Signals, merge, rules, decision, and what is kept."""
    event = {"event": "page_view", "site": SITE, "consent": {"statistics": True}}
    (told,) = ask(doors, "POST", "/e", event)["events"]
    steps = {one["step"]: one for one in told["why"]}

    assert list(steps) == ["signals", "merged", "rules", "decision", "kept"]
    assert {one["source"] for one in steps["signals"]["read"]} == {"own", "gpc"}
    assert steps["merged"]["flags"] == ["gpc"]
    assert steps["rules"]["regime"] == "eu_strict"
    assert any(one["row"] == "6" for one in steps["decision"]["matched"])
    assert "visitor_id" not in steps["kept"]["fields"]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", f"/consent?site={SITE}", None, 200),
        (
            "POST",
            "/consent",
            {"site": SITE, "action": "refuse", "consent": {"statistics": False}},
            202,
        ),
    ],
)
def test_steps_at_the_consent_door(
    doors: Doors, method: str, target: str, body: Any, status: int
) -> None:
    """A question and a choice are read as an event is; nothing is kept of them."""
    told = ask(doors, method, target, body)

    assert told["status"] == status
    names = [one["step"] for one in told["why"]]
    assert names == ["signals", "merged", "rules", "decision"]


def test_what_is_refused_says_so(doors: Doors) -> None:
    """An event that is not understood has one step: its code."""
    (bad,) = ask(doors, "POST", "/e", {"event": "page_view", "site": "x"})["events"]
    assert bad["why"] == [{"step": "refused", "code": "unknown_site"}]
    assert ask(doors, "GET", "/consent?site=x")["error"]["code"] == "unknown_site"


def test_leaves_nothing_behind(tmp_path: Path) -> None:
    """Explaining is reading: a marker would tell the keeper of a loss."""
    golden_doors(tmp_path)

    assert not list(tmp_path.rglob(".objections*"))


@pytest.mark.parametrize("ts", [-1, 253_402_300_800, 1_795_413_000_000])
def test_times_without_a_date(doors: Doors, ts: float) -> None:
    """Milliseconds where seconds belong are words for the operator, not a traceback."""
    record = {"method": "POST", "target": "/e", "body": "{}", "ts": ts}

    with pytest.raises(ExplainError, match=r"\$\.ts"):
        explain(record, doors)


def test_no_day_is_turned(tmp_path: Path) -> None:
    """A record of next week is explained, and the server's salt stays of today."""
    folder = Folder(tmp_path)
    ensure_demo_site(folder.sites, ())
    DaySalt(folder.salt).at(now_ms())
    before = folder.salt.read_bytes()
    event = {
        "event": "page_view",
        "site": "demo.kastana.localhost",
        "consent": {"statistics": True},
    }
    record = {
        "method": "POST",
        "target": "/e",
        "headers": [["Origin", "http://demo.kastana.localhost"]],
        "body": json.dumps(event),
        "peer": "203.0.113.7",
        "ts": now_ms() / 1000 + 7 * 86_400,
    }

    options = ["--data", str(tmp_path), "-"]
    done = CliRunner().invoke(command, options, input=json.dumps(record))

    assert json.loads(done.stdout)["events"][0]["row"]["visitor_scope"] == "day"
    assert folder.salt.read_bytes() == before
