"""
The rules of the SQL guard name everything the engine has.

When an update of the engine fails one of these, look at what is new in it and put it
on a side in `pipeline/data/sql_rules.toml`: allowed, or refused with the reason.
"""

import tomllib
from importlib import resources

import pytest

from pipeline.sql_tree import load_rules
from pipeline.store import READ_LIMITS, Store
from tests import store_fixture

shared_store = store_fixture.shared_store
RAW = tomllib.loads(
    resources.files("pipeline.data").joinpath("sql_rules.toml").read_text("utf-8")
)


def _engine(store: Store, sql: str) -> set[str]:
    return set(store.query(sql, "TSVRaw", read_only=False).decode().split())


def _words(*parts: str) -> set[str]:
    return {word for part in parts for word in part.split()}


def test_every_function_is_classified(shared_store: Store) -> None:
    """Allowed or refused, never both, and nothing the engine does not have."""
    functions = RAW["functions"]
    allowed = _words(functions["allowed"], functions["aggregates"])
    refused = _words(*functions["refused"].values())

    assert _engine(shared_store, "SELECT name FROM system.functions") == (
        allowed | refused
    )
    assert not allowed & refused


def test_no_spelling_makes_a_refused_function_allowed() -> None:
    """Names are compared without case, so none may differ from another by it."""
    functions = RAW["functions"]
    allowed = {word.lower() for word in _words(functions["allowed"])}
    allowed |= {word.lower() for word in _words(functions["aggregates"])}

    assert not allowed & set(load_rules().refused)


def test_aggregates_are_aggregates(shared_store: Store) -> None:
    """Only they may carry combinators."""
    sql = "SELECT name FROM system.functions WHERE is_aggregate"

    assert _words(RAW["functions"]["aggregates"]) <= _engine(shared_store, sql)
    assert _words(RAW["functions"]["combinators"]) == _engine(
        shared_store, "SELECT name FROM system.aggregate_function_combinators"
    )


def test_every_table_function_is_classified(shared_store: Store) -> None:
    """Allowed or refused, never both."""
    rules = RAW["table_functions"]
    allowed, refused = _words(rules["allowed"]), _words(rules["refused"])

    assert _engine(shared_store, "SELECT name FROM system.table_functions") == (
        allowed | refused
    )
    assert not allowed & refused


def test_every_format_is_classified(shared_store: Store) -> None:
    """Allowed or refused, never both."""
    allowed, refused = (
        _words(RAW["formats"]["allowed"]),
        _words(RAW["formats"]["refused"]),
    )

    assert _engine(shared_store, "SELECT name FROM system.formats WHERE is_output") == (
        allowed | refused
    )
    assert not allowed & refused


def test_every_system_table_is_classified(shared_store: Store) -> None:
    """Allowed or refused, never both."""
    rules = RAW["system_tables"]
    allowed, refused = _words(rules["allowed"]), _words(rules["refused"])

    assert _engine(
        shared_store, "SELECT name FROM system.tables WHERE database = 'system'"
    ) == (allowed | refused)
    assert not allowed & refused


def test_settings_exist(shared_store: Store) -> None:
    """A setting that the engine renamed would be refused without need."""
    known = _engine(shared_store, "SELECT name FROM system.settings")

    assert _words(RAW["settings"]["allowed"]) <= known
    assert set(READ_LIMITS) <= known
    assert not _words(RAW["settings"]["allowed"]) & set(READ_LIMITS)


@pytest.mark.parametrize("part", ["file", "path", "url", "schema", "template", "host"])
def test_no_allowed_setting_names_a_place(part: str) -> None:
    """Settings that name files or hosts are the way around functions."""
    assert not [name for name in _words(RAW["settings"]["allowed"]) if part in name]
