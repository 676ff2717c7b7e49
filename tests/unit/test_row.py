"""The rows that are kept: the policy's fields, and nothing else."""

from typing import Any

import msgspec
import pytest

from schemas.ddl import EMPTY, column_types, create_table
from schemas.policy import load_policy
from schemas.row import CountRow, Row
from tests.builders import policy_toml

FIELDS: dict[str, dict[str, Any]] = policy_toml()["fields"]
# What Python type holds a value of each column type.
HELD = {
    "UUID": str,
    "String": str,
    "LowCardinality(String)": str,
    "DateTime64(3, 'UTC')": str,
    "Array(LowCardinality(String))": list[str],
    "Map(LowCardinality(String), String)": dict[str, str],
    "UInt64": int,
    "UInt32": int,
    "UInt8": int,
    "Float64": float,
    "Nullable(Float64)": float | None,
}


def test_row_is_the_policy_is_the_table() -> None:
    """A row's fields, the policy's and the table's columns: the same, in order."""
    policy = load_policy()

    assert list(FIELDS) == list(Row.__struct_fields__)
    assert list(FIELDS) == list(column_types(policy, "events"))
    shared = dict.fromkeys(policy.tables["events"].dictionary, "LowCardinality(String)")
    types = {name: field["type"] for name, field in FIELDS.items()}

    assert {**types, **shared} == column_types(policy, "events")


def test_counts_are_the_policy_are_the_table() -> None:
    """A counter has the fields of which something is counted, and the number."""
    policy = load_policy()
    counted = [name for name, it in FIELDS.items() if it["counted"] != "absent"]

    assert [*counted, "events"] == list(column_types(policy, "counts"))
    assert set(column_types(policy, "counts")) == set(CountRow.__struct_fields__)


def test_count_row_in_column_order() -> None:
    """A counter's line has its values in the order of the table's columns."""
    assert list(column_types(load_policy(), "counts")) == list(
        CountRow.__struct_fields__
    )


@pytest.mark.parametrize("kind", [Row, CountRow])
def test_types(kind: type[msgspec.Struct]) -> None:
    """Each field's type can hold what its column holds, and no more."""
    for field in msgspec.structs.fields(kind):
        stored = FIELDS.get(field.name, {"type": "UInt64"})["type"]

        assert (field.name, HELD[stored]) == (field.name, field.type)


def test_every_type_has_an_empty_value() -> None:
    """For every type of the policy it is known what nothing looks like."""
    assert {field["type"] for field in FIELDS.values()} <= set(EMPTY)
    assert set(EMPTY) == set(HELD)


def test_no_room_for_raw_data() -> None:
    """No column's name promises what must not be kept."""
    names = " ".join([*Row.__struct_fields__, create_table(load_policy(), "events")])

    assert not [
        word
        for word in ("cookie", "user_agent_original", "ip_address", "email_address")
        if word in names
    ]
