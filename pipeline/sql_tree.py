"""
The tree of a statement, and what in it a reader may use.

The rules are data (`data/sql_rules.toml`). A node type, a part of a node, a function,
a table, a format or a setting that is not in them is refused.
"""

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final

import msgspec

from schemas.ddl import DATABASE

_METADATA: Final = frozenset({"information_schema", "INFORMATION_SCHEMA"})
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Values of these parts are text and numbers, not further nodes.
_NO_NODES: Final = frozenset({"value", "changes", "name_parts", "list_of_modes"})


class GuardError(Exception):
    """
    A statement is refused; the message names the part of it and why.

    `code` and `name` are of the error that a server would give.
    """

    def __init__(
        self, message: str, code: int = 497, name: str = "ACCESS_DENIED"
    ) -> None:
        super().__init__(message)
        self.code = code
        self.name = name


class Rules(msgspec.Struct, frozen=True):
    """The allow-lists. Functions and formats are in lower case, as they have none."""

    nodes: dict[str, frozenset[str]]
    explain_kinds: frozenset[str]
    explain_options: frozenset[str]
    formats: frozenset[str]
    settings: frozenset[str]
    system_tables: frozenset[str]
    table_functions: frozenset[str]
    functions: frozenset[str]
    aggregates: frozenset[str]
    combinators: tuple[str, ...]
    refused: dict[str, str]


@functools.cache
def load_rules() -> Rules:
    """Return the rules."""
    source = resources.files("pipeline.data").joinpath("sql_rules.toml")
    raw = tomllib.loads(source.read_text("utf-8"))
    functions = raw["functions"]
    everywhere = _names(raw["nodes"].pop("*"))
    return Rules(
        nodes={kind: everywhere | _names(v) for kind, v in raw["nodes"].items()},
        explain_kinds=frozenset(raw["explain"]["kinds"]),
        explain_options=_names(raw["explain"]["options"]),
        formats=_names(raw["formats"]["allowed"].lower()),
        settings=_names(raw["settings"]["allowed"]),
        system_tables=_names(raw["system_tables"]["allowed"]),
        table_functions=_names(raw["table_functions"]["allowed"].lower()),
        functions=_names(f"{functions['allowed']} {functions['syntax']}".lower()),
        aggregates=_names(functions["aggregates"].lower()),
        # The longest first: `OrNull` ends in `Null`.
        combinators=tuple(
            sorted(functions["combinators"].lower().split(), key=len, reverse=True)
        ),
        refused={
            name: why
            for why, names in functions["refused"].items()
            for name in names.lower().split()
        },
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Engine(msgspec.Struct, frozen=True):
    """What names mean to the engine; functions are in lower case."""

    databases: frozenset[str]
    functions: frozenset[str]


class Walk:
    """One pass over a statement's tree; every node and part is looked at."""

    def __init__(self, engine: Engine, limits: Mapping[str, int]) -> None:
        """
        Begin a pass.

        Args:
            engine: the names the engine knows.
            limits: settings that a statement may only lower.

        """
        self._rules = load_rules()
        self._engine = engine
        self._limits = limits
        self.format: str | None = None
        self.parameters: set[str] = set()

    def check(self, tree: dict[str, Any]) -> None:
        """
        Look at a node and all below it.

        Raises:
            GuardError: for the first part that is not allowed.

        """
        # A list of what waits, for a tree can be deeper than Python's stack.
        waiting: list[tuple[str, Any]] = [("", tree)]
        while waiting:
            role, node = waiting.pop()
            if isinstance(node, list):
                waiting.extend((role, item) for item in node)
            elif isinstance(node, dict):
                self._check_shape(node)
                self._check_meaning(role, node)
                waiting.extend(_below(node))

    def _check_shape(self, node: dict[str, Any]) -> None:
        kind = str(node.get("type", ""))
        parts = self._rules.nodes.get(kind)
        if parts is None:
            raise _not_reading(kind or "a part without a name")
        for part in node:
            if part not in parts:
                raise _not_reading(f"{kind}.{part}")

    def _check_meaning(self, role: str, node: dict[str, Any]) -> None:
        match node["type"]:
            case "Function" if role == "table_function":
                check_table_function(node["name"])
            case "Function":
                check_function(node["name"])
            case "ColumnsApplyTransformer" if "func_name" in node:
                check_function(node["func_name"])
            case "Identifier" if role == "format_ast":
                self.format = check_format(node["name"])
            case "Identifier":
                self._check_identifier(node)
            case "TableIdentifier":
                check_table(node.get("name_parts") or [node["name"]])
            case "QueryParameter":
                self._check_parameter(node)
            case "SetQuery":
                self._check_settings(node["changes"])
            case _:
                self._check_statement(node)

    def _check_statement(self, node: dict[str, Any]) -> None:
        match node["type"]:
            case "ExplainQuery":
                self._check_explain(node)
            case "ShowTablesQuery" if "from" in node:
                check_database(node["from"]["name"])
            case "ShowColumnsQuery" | "ShowIndexesQuery":
                check_database(node.get("database") or DATABASE)

    def _check_identifier(self, node: dict[str, Any]) -> None:
        parts = node.get("name_parts") or [node["name"]]
        if len(parts) > 1:
            # `x IN database.table` names a table where a column could stand.
            if parts[0] in self._engine.databases:
                check_table(parts[:2])
        elif parts[0].lower() in self._engine.functions:
            # `arrayMap(file, …)` names a function where a column could stand.
            check_function(parts[0])

    def _check_parameter(self, node: dict[str, Any]) -> None:
        # Its value is bound after this check and could name any table.
        if node["param_type"].strip().lower() == "identifier":
            raise GuardError("parameters of the type Identifier are not allowed")
        self.parameters.add(node["name"])

    def _check_settings(self, changes: list[dict[str, Any]]) -> None:
        for change in changes:
            name, value = change["name"], change["value"].get("value")
            limit = self._limits.get(name)
            if limit is not None:
                if not (isinstance(value, int) and 0 < value <= limit):
                    message = f"the setting {name} may not exceed {limit}"
                    raise GuardError(message, 452, "SETTING_CONSTRAINT_VIOLATION")
            elif name not in self._rules.settings:
                raise setting_refused(name)

    def _check_explain(self, node: dict[str, Any]) -> None:
        if node["kind"] not in self._rules.explain_kinds:
            raise _not_reading(node["kind"])
        for change in node.get("settings", {}).get("changes", ()):
            if change["name"] not in self._rules.explain_options:
                raise setting_refused(change["name"])


def _below(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for part, item in node.items():
        explains = part == "settings" and node["type"] == "ExplainQuery"
        if part not in _NO_NODES and not explains:
            yield part, item


def _not_reading(what: str) -> GuardError:
    return GuardError(f"not allowed in a reading statement: {what}", 164, "READONLY")


def setting_refused(name: str) -> GuardError:
    """Return the error for a setting that a reader may not set."""
    return GuardError(f"the setting {name} may not be changed", 164, "READONLY")


def check_function(name: str) -> None:
    """Refuse a function that reaches further than its arguments."""
    rules, plain = load_rules(), name.lower()
    if (why := rules.refused.get(plain)) is not None:
        message = f"the function {name} is not allowed: it {why}"
        raise GuardError(message)
    if plain not in rules.functions and not _is_aggregate(plain, rules):
        message = f"the function {name} is not one of those allowed"
        raise GuardError(message)


def _is_aggregate(name: str, rules: Rules) -> bool:
    while name not in rules.aggregates:
        suffix = next((c for c in rules.combinators if name.endswith(c)), None)
        if suffix is None:
            return False
        name = name.removesuffix(suffix)
    return True


def check_table_function(name: str) -> None:
    """Refuse a table function that is not a pure generator."""
    if name.lower() not in load_rules().table_functions:
        message = f"the table function {name} is not allowed"
        raise GuardError(message)


def check_format(name: str) -> str:
    """Refuse a format that reads files or speaks to hosts."""
    if name.lower() not in load_rules().formats:
        message = f"the format {name} is not allowed"
        raise GuardError(message, 73, "UNKNOWN_FORMAT")
    return name


def check_database(name: str) -> None:
    """Refuse a database other than Kastana's and the engine's own description."""
    if name not in {DATABASE, "system", *_METADATA}:
        message = f"the database {name} may not be read"
        raise GuardError(message)


def check_table(parts: list[str]) -> None:
    """Refuse a table out of reach; a bare name is one of Kastana's own."""
    database = parts[0] if len(parts) > 1 else DATABASE
    table = parts[-1]
    check_database(database)
    if len(parts) > 2 or not _WORD.fullmatch(table):  # noqa: PLR2004 - database.table
        raise GuardError("a table's name is letters, digits and _")
    if database == "system" and table not in load_rules().system_tables:
        message = f"the table system.{table} may not be read"
        raise GuardError(message)
