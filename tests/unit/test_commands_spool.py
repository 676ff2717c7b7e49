"""`kastana spool`: what waits, what was refused, and what becomes of it."""

import json
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import pipeline.failed
from collector.cli import cli
from pipeline.failed import holding_failed
from pipeline.load_plans import prepare
from pipeline.sealing import Sealing
from pipeline.segment import make_folders, replace_segment
from tests.builders import headers
from tests.loading import BAD, Store, loader, numbered, seal
from tests.withdrawals import line

FAILED = "0197b2f4-0000-7000-8000-000000000003"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a segment in each state, and one that was refused."""
    root = tmp_path / "spool"
    make_folders(root)
    prepare(root)
    seal(root, f"events-{FAILED}", BAD)
    loader(root, Store()).run_once()
    seal(root, "events-0001", line() * 2, state="open")
    seal(root, "counts-0002", numbered(1), state="sealed")
    seal(root, "events-0004", line() * 4, state="loaded")
    return tmp_path


def run(data: Path, *arguments: str, key: str = "") -> Result:
    """Run a command of the group."""
    environment = {"KASTANA_SPOOL_KEY": key} if key else {}
    return CliRunner().invoke(
        cli, ["spool", *arguments, "--data", str(data)], env=environment
    )


def listed(data: Path, *arguments: str, key: str = "") -> list[dict[str, object]]:
    """Return what `ls --json` says."""
    done = run(data, "ls", "--json", *arguments, key=key)
    assert done.exit_code == 0, done.output
    return [json.loads(one) for one in done.output.splitlines()]


def test_ls(data: Path) -> None:
    """All states, rows without the header, the reason of a refusal."""
    found = listed(data)

    assert [
        ("open", "events", "0001", 2, ""),
        ("sealed", "counts", "0002", 1, ""),
        ("loaded", "events", "0004", 4, ""),
        ("failed", "events", FAILED, 1, "27 CANNOT_PARSE_INPUT"),
    ] == [
        (one["state"], one["table"], one["id"], one["rows"], one["reason"])
        for one in found
    ]
    assert all(0 <= float(str(one["age_seconds"])) < 60 for one in found)
    assert [FAILED] == [one["id"] for one in listed(data, "--state", "failed")]

    table = run(data, "ls").output

    assert FAILED in table
    assert "27 CANNOT_PARSE_INPUT" in table


def test_what_is_just_being_made(data: Path) -> None:
    """A segment without its name yet, as a crash may leave it, is not one."""
    (data / "spool" / "open" / ".events-0005.ndjson").write_bytes(b"")
    found = listed(data, "--state", "open")
    done = run(data, "show", "0005")

    assert ["0001"] == [one["id"] for one in found]
    assert 1 == done.exit_code
    assert "unknown_segment" in done.output


def test_show(data: Path) -> None:
    """Header and count; rows only when they are asked for, by column."""
    about = run(data, "show", "events-0004").output.splitlines()
    shown = json.loads(run(data, "show", "0004", "--json", "--rows", "1").output)

    assert about[-1].startswith("columns ")
    assert "visitor_id" in about[-1]
    assert 4 == shown["rows"]
    assert "LowCardinality(String)" == shown["columns"]["event_name"]
    assert ["page_view"] == [row["event_name"] for row in shown["content"]]


def test_show_what_is_no_row(data: Path) -> None:
    """A line that does not fit the columns is shown as it is."""
    shown = json.loads(run(data, "show", FAILED, "--json", "--rows", "9").output)

    assert ['["a bad line"]'] == shown["content"]


def test_retry(data: Path) -> None:
    """What was refused is loaded under its own id, and its reason is gone."""
    path = data / "spool" / "failed" / f"events-{FAILED}.ndjson"
    path.write_bytes(headers()["events"] + line())
    done = run(data, "retry", f"events-{FAILED}.ndjson")
    store = Store()
    loader(data / "spool", store).run_once()

    assert 0 == done.exit_code
    assert FAILED in store.tokens
    assert [] == list((data / "spool" / "failed").iterdir())


def test_retry_all(data: Path) -> None:
    """--all takes everything that was refused and nothing else."""
    seal(data / "spool", "counts-0009", state="failed")

    assert 0 == run(data, "retry", "--all").exit_code
    assert ["0002", "0009", FAILED] == [
        one["id"] for one in listed(data, "--state", "sealed")
    ]
    assert [] == listed(data, "--state", "failed")
    assert 2 == run(data, "retry").exit_code
    assert 2 == run(data, "retry", FAILED, "--all").exit_code


def test_drop(data: Path) -> None:
    """Only with --yes; what is lost is written down, without a row."""
    refused = run(data, "drop", FAILED)
    left = listed(data, "--state", "failed")
    done = run(data, "drop", FAILED, "--yes")
    note = data / "spool" / "dropped.jsonl"
    (dropped,) = [json.loads(one) for one in note.read_text().splitlines()]

    assert 2 == refused.exit_code
    assert "loses 1 rows of events" in refused.output
    assert 1 == len(left)
    assert 0 == done.exit_code
    assert "1 rows of events" in done.output
    assert [] == list((data / "spool" / "failed").iterdir())
    assert ("events", FAILED, 1, "27 CANNOT_PARSE_INPUT") == tuple(
        dropped[name] for name in ("table", "id", "rows", "reason")
    )
    assert "bad line" not in note.read_text()
    assert 0o600 == note.stat().st_mode & 0o777
    assert [] == list((data / "spool" / "attempts").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "nothing"), "unknown_segment"),
        (("retry", "nothing"), "unknown_segment"),
        (("drop", "nothing", "--yes"), "unknown_segment"),
        (("retry", "0002"), "wrong_state"),
        (("drop", "0001", "--yes"), "wrong_state"),
        (("drop", "0004", "--yes"), "wrong_state"),
    ],
)
def test_what_cannot_be_done(data: Path, arguments: tuple[str, ...], code: str) -> None:
    """An unknown id, a segment that is the keeper's: said by a code, nothing moves."""
    before = listed(data)
    done = run(data, *arguments)

    assert 1 == done.exit_code
    assert f"Error: {code}: " in done.output
    assert [one["id"] for one in before] == [one["id"] for one in listed(data)]


def test_keeper_is_at_work(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the keeper narrows what was refused nobody moves it; then one may."""
    monkeypatch.setattr(pipeline.failed, "_PATIENCE_S", 0.05)
    with holding_failed(data / "spool"):
        done = run(data, "retry", FAILED)
        dropped = run(data, "drop", FAILED, "--yes")

    assert (1, 1) == (done.exit_code, dropped.exit_code)
    assert "Error: busy: " in done.output
    assert not (data / "spool" / "dropped.jsonl").exists()
    assert 0 == run(data, "retry", FAILED).exit_code


def test_waits_for_the_keeper(data: Path) -> None:
    """A command that finds the keeper at work waits a while for its end."""
    held = threading.Event()

    def keep() -> None:
        with holding_failed(data / "spool"):
            held.set()
            time.sleep(0.2)

    thread = threading.Thread(target=keep)
    thread.start()
    assert held.wait(10)
    done = run(data, "retry", FAILED)
    thread.join()

    assert 0 == done.exit_code


def test_encrypted(data: Path) -> None:
    """With the key its rows are counted and shown, without it that is said."""
    path = data / "spool" / "failed" / f"events-{FAILED}.ndjson"
    key = "ab" * 32
    replace_segment(path, headers()["events"] + line(), Sealing([bytes.fromhex(key)]))

    assert [1] == [one["rows"] for one in listed(data, "--state", "failed", key=key)]
    assert [(None, "key_missing")] == [
        (one["rows"], one["problem"]) for one in listed(data, "--state", "failed")
    ]
    assert "key_missing" in run(data, "show", FAILED).output
    assert "page_view" in run(data, "show", FAILED, "--rows", "1", key=key).output
