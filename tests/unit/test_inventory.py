"""The inventory says all that the policy says, to people and to programs."""

import itertools
import json
from typing import Any

import pytest

from schemas.inventory import inventory_json, inventory_markdown, privacy_markdown
from schemas.policy import load_policy
from tests.builders import policy_toml

TOML = policy_toml()
MARKDOWN = inventory_markdown(load_policy())
CONTENT: dict[str, Any] = json.loads(inventory_json(load_policy()))


def test_all_fields() -> None:
    """Every field is in each form, in the policy's order."""
    text, _, ledger = privacy_markdown(load_policy()).partition("## Ledger")
    table = text.splitlines()[2:]
    rows = [line for line in ledger.splitlines() if line.startswith("| `")]

    assert list(TOML["fields"]) == [field["name"] for field in CONTENT["fields"]]
    assert [f"| `{name}` |" for name in TOML["fields"]] == [
        line[: line.index("|", 1) + 1] for line in table if line
    ]
    assert [] == [name for name in TOML["fields"] if f"| `{name}` |" not in MARKDOWN]
    assert list(TOML["ledger"]) == [field["name"] for field in CONTENT["ledger"]]
    assert list(TOML["ledger"]) == [line.split("`")[1] for line in rows]
    assert [] == [name for name in TOML["ledger"] if f"| `{name}` |" not in MARKDOWN]


@pytest.mark.parametrize("field", CONTENT["fields"], ids=lambda field: field["name"])
def test_field(field: dict[str, Any]) -> None:
    """A field comes with its section, purposes, consent, shapes and days."""
    rule = TOML["fields"][field["name"]]
    kept = TOML["retention"][rule["retention"]]

    assert TOML["data_categories"][rule["data_category"]]["section"] == field["section"]
    assert rule["purposes"] == [purpose["name"] for purpose in field["purposes"]]
    assert rule["consent_category"] == field["consent_category"]
    assert field["remains"] == {
        shape: rule[shape] for shape in ("identified", "anonymous", "counted")
    }
    assert {"days": kept["days"], "reason": kept["reason"], "section": "6"} == field[
        "retention"
    ]


@pytest.mark.parametrize("field", CONTENT["ledger"], ids=lambda field: field["name"])
def test_ledger_field(field: dict[str, Any]) -> None:
    """A column of the ledger comes with its section, purposes, days and writer."""
    rule = TOML["ledger"][field["name"]]
    kept = TOML["retention"][rule["retention"]]

    assert TOML["data_categories"][rule["data_category"]]["section"] == field["section"]
    assert rule["purposes"] == [purpose["name"] for purpose in field["purposes"]]
    assert rule["filled_by"] == field["filled_by"]
    assert {"days": 1490, "reason": "legal_position", "section": "6"} == field[
        "retention"
    ]
    assert 1490 == kept["days"]


def test_versions() -> None:
    """It is told which version changed what materially."""
    assert [
        {"version": name, "material": one["material"]}
        for name, one in TOML["policy_versions"].items()
    ] == CONTENT["versions"]


def test_no_empty_table() -> None:
    """A kind of data that only one of the tables holds has no empty other one."""
    lines = [line for line in MARKDOWN.splitlines() if line]

    assert not [
        one
        for one, other in itertools.pairwise(lines)
        if one.startswith("|---") and not other.startswith("| ")
    ]


def test_never_collected() -> None:
    """What the policy names and we never take is said, in both forms."""
    never = [
        name for name, it in TOML["data_categories"].items() if not it["collected"]
    ]

    assert never == [kind["name"] for kind in CONTENT["never_collected"]]
    assert len(never) == MARKDOWN.count("**Never collected here.**")


def test_events_and_rights() -> None:
    """Events say which consent they need; rights name their article."""
    assert {
        name: rule["consent_category"] for name, rule in TOML["events"].items()
    } == {event["name"]: event["consent_category"] for event in CONTENT["events"]}
    assert {name: right["article"] for name, right in TOML["rights"].items()} == {
        right["name"]: right["article"] for right in CONTENT["rights"]
    }


def test_version_is_told() -> None:
    """Both forms say which policy they derive from."""
    assert "2025-05-16" == CONTENT["policy"]
    assert MARKDOWN.startswith("# Data inventory, policy of 2025-05-16\n")


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("visitor_id", "statistics | kept | no | no | 395 |"),
        ("occurred_at", "essential | kept | hour | hour | 760 |"),
        ("event_id", "essential | kept | keyed hash | no | 760 |"),
        ("geo_latitude", "precise_location | kept | no | no | 30 |"),
        ("url_path", "essential | kept | kept | kept | 760 |"),
    ],
)
def test_privacy_table(name: str, cells: str) -> None:
    """A row of PRIVACY.md says in words what remains at each outcome."""
    row = next(
        line
        for line in privacy_markdown(load_policy()).splitlines()
        if line.startswith(f"| `{name}` |")
    )

    assert row.endswith(cells)
