"""`kastana consent verify`, on a real ledger: what it says and how it ends."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import collector.commands_verify
from collector.commands_verify import verify_command
from collector.folder import Folder
from collector.options import Unreachable
from pipeline.clock import now_ms
from pipeline.migrate import migrate
from pipeline.store import Store
from schemas.policy import load_policy
from tests import store_fixture
from tests.ledger_fixture import Keeper, emptied, record_id, rows

shared_store = store_fixture.shared_store


@pytest.fixture(scope="module")
def migrated(shared_store: Store) -> Store:
    """The engine of all tests: to open one takes longer than most of them."""
    migrate(shared_store, load_policy())
    return shared_store


@pytest.fixture
def store(migrated: Store) -> Store:
    """A store with an empty ledger."""
    return emptied(migrated)


@pytest.fixture
def keeper(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """A keeper whose folder the command is given, and that answers without HTTP."""

    def call(_: Folder, path: str, content: dict[str, Any]) -> tuple[bytes, str]:
        assert path == "/sql"
        return store.read(content["sql"], content["format"], content["parameters"], {})

    monkeypatch.setattr(collector.commands_verify, "call_keeper", call)
    made = Keeper(store, tmp_path / "data")
    made.now_ms = now_ms()
    return made


def run(keeper: Keeper, *arguments: str) -> Result:
    """Run the command on the keeper's folder."""
    words = ["--data", str(keeper.root), *arguments]
    return CliRunner().invoke(verify_command, words)


def test_whole(keeper: Keeper) -> None:
    """A whole ledger ends with 0 and says how much was read."""
    keeper.add("01", [*rows(1, 2), *rows(3, site="it's.example")])
    done = run(keeper)

    assert 0 == done.exit_code
    assert "✓ the ledger is whole: 3 records in 2 chains\n" == done.output


def test_broken(keeper: Keeper) -> None:
    """A broken one ends with 1 and names the first break of each chain."""
    keeper.add("01", rows(1, 2, 3))
    keeper.tamper("ALTER TABLE kastana.consents UPDATE notice = 'x' WHERE sequence = 2")
    done = run(keeper)

    assert 1 == done.exit_code
    assert (
        f'✗ site "example.com", chain c1, record 2 {record_id(2)}: the record is not '
        "what it was when it was written (hash)\n"
    ) == done.output


def test_json(keeper: Keeper) -> None:
    """With --json it is one object that says the same."""
    keeper.add("01", rows(1, 2, 3))
    whole = run(keeper, "--json")
    keeper.tamper("ALTER TABLE kastana.consents DELETE WHERE sequence = 3")
    cut = run(keeper, "--json")

    assert (0, True, 3) == (
        whole.exit_code,
        json.loads(whole.output)["intact"],
        json.loads(whole.output)["records"],
    )
    assert 1 == cut.exit_code
    assert {
        "intact": False,
        "records": 2,
        "chains": 1,
        "heads": True,
        "breaks": [
            {
                "site": "example.com",
                "chain": "c1",
                "kind": "tail",
                "sequence": 3,
                "record_id": "",
                "meaning": "from here on records are missing, or others than were "
                "written",
            }
        ],
    } == json.loads(cut.output)


def test_one_site(keeper: Keeper) -> None:
    """Asked for one site it neither reads nor judges the others."""
    keeper.add("01", [*rows(1), *rows(2, 3, site="other.example")])
    keeper.tamper("ALTER TABLE kastana.consents DELETE WHERE site = 'other.example'")

    assert 0 == run(keeper, "--site", "example.com").exit_code
    assert 1 == run(keeper, "--site", "other.example").exit_code
    assert 1 == run(keeper).exit_code


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5, 100])
def test_pages(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """However many are asked for at a time: each is read once, ties together."""
    module = collector.commands_verify
    sql = module._RECORDS.replace(f"LIMIT {module._PAGE} ", f"LIMIT {page} ")
    assert sql != module._RECORDS or page == module._PAGE
    monkeypatch.setattr(module, "_RECORDS", sql)
    monkeypatch.setattr(module, "_PAGE", page)
    keeper.add("01", rows(1, 2, 3, 4))
    whole = run(keeper, "--json")
    keeper.tamper(
        "INSERT INTO kastana.consents SELECT * FROM kastana.consents WHERE sequence = 2"
    )
    forked = run(keeper, "--json")

    assert (0, 4) == (whole.exit_code, json.loads(whole.output)["records"])
    assert 5 == json.loads(forked.output)["records"]
    assert [("fork", 2)] == [
        (one["kind"], one["sequence"]) for one in json.loads(forked.output)["breaks"]
    ]


def test_without_heads(keeper: Keeper) -> None:
    """That the end of the ledger cannot be checked is said."""
    keeper.add("01", rows(1))
    keeper.heads_path.unlink()
    done = run(keeper)

    assert 1 == done.exit_code
    assert done.output.startswith("✗ heads.json is not there")
    assert "whole" not in done.output
    assert json.loads(run(keeper, "--json").output)["heads"] is False


def test_damaged_heads(keeper: Keeper) -> None:
    """A damaged file of heads is no proof of anything."""
    keeper.add("01", rows(1))
    keeper.heads_path.write_bytes(b"{")
    done = run(keeper)

    assert 1 == done.exit_code
    assert "is damaged" in done.output


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("the keeper is away"),
        click.ClickException("store_unavailable: it is"),
    ],
)
def test_cannot_be_read(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, error: click.ClickException
) -> None:
    """A ledger that cannot be read is neither whole nor broken: 69."""

    def away(*_: object) -> tuple[bytes, str]:
        raise error

    monkeypatch.setattr(collector.commands_verify, "call_keeper", away)
    done = run(keeper)

    assert 69 == done.exit_code
    assert error.message in done.output


def test_nobody_there(tmp_path: Path) -> None:
    """Without a keeper the command ends with 69."""
    done = CliRunner().invoke(verify_command, ["--data", str(tmp_path)])

    assert 69 == done.exit_code


def test_terminal_codes_stay_out(keeper: Keeper) -> None:
    """What a site is called cannot paint on the terminal."""
    keeper.add("01", rows(1, site="\x1b[2J.example"))
    keeper.tamper("TRUNCATE TABLE kastana.consents")
    done = run(keeper)

    assert 1 == done.exit_code
    assert "\x1b" not in done.output
