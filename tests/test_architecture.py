"""The invariants of the design that can be read off the code itself."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from collector.call import Call
from schemas.ddl import column_types
from schemas.event import EVENT_TYPES
from schemas.outcome import INVALID, REASONS
from schemas.policy import load_policy
from schemas.row import Row
from schemas.settings import Settings
from tests.builders import NOON_MS, ROOT, policy_toml
from tests.derived import stale_files

LAYERS = ("schemas", "pipeline", "collector")
# What each layer may use beside Python itself and the layers below it.
PACKAGES = {
    "schemas": {"msgspec", "orjson", "re2"},
    "pipeline": {
        "clickhouse_connect",
        "cryptography",
        "geoip2",
        "h3",
        "idna",
        "is_bot",
        "maxminddb",
        "msgspec",
        "orjson",
        "re2",
        "ua_parser",
        "user_agents",
    },
}


def sources(*folders: str) -> list[Path]:
    """Return the Python files below some folders."""
    return [path for name in folders for path in sorted((ROOT / name).rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the whole name"
            found.add(str(node.module))
    return found


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    """Yield the calls of functions by their plain or last name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else ""
            name = called.attr if isinstance(called, ast.Attribute) else name
            if name in names:
                yield node


def text_of(node: ast.expr | None) -> str | None:
    """Return the text that an expression is, if it is one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def name_of(path: Path) -> str:
    """Return a path as the tests' ids show it."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources(*LAYERS), ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    """Schemas <- pipeline <- collector, and nothing imports the tests."""
    layer = path.relative_to(ROOT).parts[0]
    above = {*LAYERS[LAYERS.index(layer) + 1 :], "tests"}

    assert set() == {name.partition(".")[0] for name in imports(path)} & above


@pytest.mark.parametrize("layer", PACKAGES)
def test_packages(layer: str) -> None:
    """Below the collector there is no web server, no command line, no metrics."""
    used = {name.partition(".")[0] for path in sources(layer) for name in imports(path)}

    assert set() == used - set(sys.stdlib_module_names) - set(LAYERS) - PACKAGES[layer]


def test_one_place_talks_to_clickhouse() -> None:
    """Only the store's own files know the engine's client."""
    talking = {
        path.relative_to(ROOT).as_posix()
        for path in sources(*LAYERS)
        if {"clickhouse_connect", "chdb"}
        & {name.partition(".")[0] for name in imports(path)}
    }

    assert talking
    assert all(name.startswith("pipeline/store") for name in talking)


def test_decoding_knows_no_server() -> None:
    """What a request means is decided without the web framework."""
    names = "call decode doors explain folder limit links server_keys sites"
    for name in names.split():
        used = imports(ROOT / "collector" / f"{name}.py")

        assert set() == {one.partition(".")[0] for one in used} & {"aiohttp", "click"}


def test_system_tests_import_none_of_ours() -> None:
    """The black-box tests know the product from outside, their helpers too."""
    helpers = ROOT / "tests"
    todo, seen = sources("tests/system", "tests/browser"), set()
    while todo:
        path = todo.pop()
        seen.add(path)
        used = imports(path)
        assert (path, set()) == (
            path,
            {name.partition(".")[0] for name in used} & set(LAYERS),
        )
        for name in used:
            helper = helpers.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if name.startswith("tests.") and helper.exists() and helper not in seen:
                todo.append(helper)


def test_row_is_the_policy_is_the_table() -> None:
    """Row fields == fields of policy.toml == columns of kastana.events."""
    fields = list(policy_toml()["fields"])

    assert fields == list(Row.__struct_fields__)
    assert fields == list(column_types(load_policy(), "events"))


def test_events_of_the_policy() -> None:
    """An event that may be sent has a rule, and the other way round."""
    assert set(EVENT_TYPES) == set(policy_toml()["events"])


def test_call_is_silent() -> None:
    """A request's repr says nothing of it."""
    call = Call(
        headers=[("User-Agent", "canary")],
        peer="canary",
        query="canary",
        received_ms=NOON_MS,
    )

    assert "canary" not in f"{call!r} {call} {[call]}"
    assert not hasattr(call, "__dict__")


# -------------------------------------------------------------- declared before used
def test_metrics_are_declared_and_used() -> None:
    """What is counted is declared, with as many labels; what is declared is counted."""
    declared = tomllib.loads((ROOT / "schemas" / "metrics.toml").read_text("utf-8"))
    used = set()
    for path in sources("collector"):
        for call in calls(path, "count", "tally", "show"):
            name = text_of(call.args[0]) if call.args else None
            if name is None or not name.startswith("kastana_"):
                continue
            used.add(name)
            labels = len(call.args) - 1
            gauge = isinstance(call.func, ast.Name) and call.func.id == "show"

            assert name in declared, f"{path}: {name}"
            assert gauge is (declared[name]["kind"] == "gauge")
            assert gauge or len(declared[name]["labels"]) == labels, f"{path}: {name}"

    assert set(declared) == used


def codes_in(path: Path) -> set[str]:
    """Return the codes that a file gives to `Invalid` and `DecodeError`."""
    given = {
        text_of(call.args[0])
        for call in calls(path, "Invalid", "DecodeError")
        if call.args
    }
    return {code for code in given if code is not None}


def test_codes_are_declared() -> None:
    """A code that is written anywhere is one of the documented ones."""
    used = {code for path in sources(*LAYERS) for code in codes_in(path)}

    assert used
    assert set() == used - set(INVALID)


def test_codes_are_used() -> None:
    """A documented code, or reason, is one that the code can give."""
    written = {
        node.value
        for path in sources("pipeline", "collector")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
    }
    # Put together from a state or a signal.
    composed = {
        *(f"consent_{state}" for state in ("refused", "withdrawn")),
        *(f"signal_{signal}" for signal in ("gpc", "dnt")),
    }

    assert set() == (set(INVALID) | set(REASONS)) - written - composed


def test_loggers_are_ours() -> None:
    """Every logger that says something is one that may be heard."""
    for path in sources(*LAYERS):
        for node in tree(path).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                for call in calls(path, "getLogger"):
                    if call is node.value:
                        assert str(text_of(call.args[0])).startswith("kastana.")


def test_settings_example() -> None:
    """The example file names every setting."""
    text = (ROOT / "deploy" / "settings.example.toml").read_text(encoding="utf-8")
    lines = text.splitlines()

    assert [] == [
        name
        for name in Settings.__struct_fields__
        if not any(line.startswith(f"# {name} = ") for line in lines)
    ]


def test_derived_files_are_fresh() -> None:
    """What derives from the policy and the settings was derived again."""
    assert [] == [name_of(path) for path in stale_files()]
