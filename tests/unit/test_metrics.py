"""Metrics: what is not declared cannot be counted; all processes are added up."""

import os
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from collector import metrics
from pipeline.redact import redact_text
from pipeline.redaction.rules import compile_extra
from schemas.event import EVENT_TYPES
from schemas.redaction import SiteRule
from schemas.row import Row
from tests.builders import ROOT

TEXT = resources.files("schemas").joinpath("metrics.toml").read_text("utf-8")
DECLARED: dict[str, dict[str, Any]] = tomllib.loads(TEXT)


@pytest.mark.parametrize("name", DECLARED)
def test_declared(name: str) -> None:
    """Every metric says what it is and is shown."""
    about = DECLARED[name]

    assert {"kind", "help", "labels"} == set(about)
    assert about["kind"] in ("counter", "gauge")
    assert name.endswith("_total") is (about["kind"] == "counter")
    assert f"# HELP {name}" in metrics.render().decode()


def test_undeclared() -> None:
    """A metric that nobody declared is a defect."""
    with pytest.raises(KeyError):
        metrics.count("kastana_moods_total")
    with pytest.raises(KeyError):
        metrics.show("kastana_mood", 1)


def test_wrong_kind() -> None:
    """A gauge is not counted, a counter is not set."""
    with pytest.raises(TypeError):
        metrics.count("kastana_store_up")
    with pytest.raises(TypeError):
        metrics.show("kastana_loaded_rows_total", 1)


def test_wrong_labels() -> None:
    """A metric has the labels it is declared with."""
    with pytest.raises(ValueError, match="label"):
        metrics.count("kastana_requests_total", "events")


def test_labels_are_words_from_closed_lists() -> None:
    """No label is a field of an event or of a row: those hold what people sent."""
    labels = {label for about in DECLARED.values() for label in about["labels"]}
    sent = {name for kind in EVENT_TYPES.values() for name in kind.__struct_fields__}

    assert {
        "door",
        "status",
        "outcome",
        "reason",
        "rule",
        "state",
        "type",
    } == labels
    assert {"door", "outcome"} == labels & (sent | set(Row.__struct_fields__))


def test_counted_and_shown() -> None:
    """What is counted is shown, by label."""
    metrics.count("kastana_requests_total", "events", "202", by=3)
    metrics.show("kastana_store_up", 1)
    text = metrics.render().decode()

    assert 'kastana_requests_total{door="events",status="202"} 3.0' in text
    assert "kastana_store_up 1.0" in text


def test_noted_then_settled() -> None:
    """What is noted counts once it is settled, and once only."""
    line = 'kastana_requests_total{door="pixel",status="200"} '
    metrics.settle()
    before = _value(metrics.render().decode(), line)
    metrics.tally("kastana_requests_total", "pixel", "200")
    metrics.tally("kastana_requests_total", "pixel", "200", by=2)
    noted = _value(metrics.render().decode(), line)
    metrics.settle()
    metrics.settle()

    assert (before, before + 3) == (noted, _value(metrics.render().decode(), line))


def test_redactions() -> None:
    """What was replaced is added by rule, once; a site's rules have one name."""
    own = compile_extra({"customer": SiteRule("KD-[0-9]{6}")})
    metrics.count_redactions()
    before = metrics.render().decode()
    for _ in range(2):
        redact_text("jane@example.com KD-123456", 99, own)
    metrics.count_redactions()
    metrics.count_redactions()
    text = metrics.render().decode()

    for rule in ("email", "site"):
        line = f'kastana_redactions_total{{rule="{rule}"}} '
        assert 2 == _value(text, line) - _value(before, line)
    assert "customer" not in text


def _value(text: str, line: str) -> float:
    return float(text.partition(line)[2].partition("\n")[0] or 0)


def test_processes_are_added_up(tmp_path: Path) -> None:
    """The keeper shows the sum of what all processes counted, dead ones too."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"from collector.metrics import *\n{code}"],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        return done.stdout

    run("count('kastana_events_total', 'counted', by=2); show('kastana_store_up', 1)")
    run("count('kastana_events_total', 'counted', by=5); show('kastana_store_up', 0)")
    text = run("print(render().decode())")

    assert 'kastana_events_total{outcome="counted"} 7.0' in text
    assert "kastana_store_up 0.0" in text


def test_threads_that_are_first_at_once() -> None:
    """Every metric is registered once, whichever thread comes first."""
    text = """
import sys, threading
from collector import metrics

sys.setswitchinterval(1e-6)
failed = []
threading.excepthook = failed.append
start = threading.Barrier(8)

def show():
    start.wait()
    metrics.show("kastana_store_up", 1)

threads = [threading.Thread(target=show) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(failed))
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "0\n"
