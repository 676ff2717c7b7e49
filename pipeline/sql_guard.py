"""
Whether a statement only reads, and only what a reader may read.

The embedded engine has no users: whoever may query it could read any file of the
process (`file()`, a table named like a path), call out (`url()`, `remote()`), run
programs and read Python's variables, and `readonly` stops none of that. So each
statement of a reader passes here first.

Invariants:
1. The engine's own parser decides what a statement says. The text reaches it as a
   parameter of `formatQuerySingleLine` and `parseQueryToJSON`, which parse, execute
   nothing, and refuse a second statement behind a `;`.
2. What was checked is what runs: the tree is made from the canonical text, and that
   text is executed, not the one that was sent. Comments are gone by then.
3. Everything is an allow-list, down to the parts of a node. What an engine update
   adds is refused until someone has looked at it.

Tables of databases other than Kastana's own, and most of `system`, are out of reach;
what analysts must not read belongs into another database.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import orjson

from pipeline.sql_tree import (
    Engine,
    GuardError,
    Walk,
    check_database,
    check_format,
    check_table,
    load_rules,
    setting_refused,
)
from pipeline.store_errors import StoreRefused

__all__ = ["GuardError", "SqlGuard", "Statement"]

_LONGEST: Final = 262_144
_PARSE: Final = (
    "SELECT formatQuerySingleLine({q:String}) AS text, parseQueryToJSON(text) AS tree, "
    "(SELECT groupArray(name) FROM system.databases) AS databases"
)
_FUNCTIONS: Final = "SELECT groupArray(lower(name)) AS names FROM system.functions"
_PARSE_TEXT: Final = "SELECT formatQuerySingleLine({q:String}) AS text"
# The engine's answer for a statement it can parse but not give as a tree.
_HAS_NO_TREE: Final = 36
_FORMAT: Final = r"(?: FORMAT (?P<format>\w+))?"
# Those of them that are allowed, in their canonical form.
_DESCRIBE_QUERY: Final = re.compile(
    rf"DESCRIBE TABLE \((?P<query>.+)\){_FORMAT}", re.DOTALL
)
_ABOUT_TABLE: Final = re.compile(
    r"(?:DESCRIBE TABLE|SHOW CREATE TABLE|SHOW CREATE VIEW|EXISTS TABLE|EXISTS VIEW)"
    rf" (?:(?P<database>\w+)\.)?(?P<table>\w+){_FORMAT}"
)
_ABOUT_ENGINE: Final = re.compile(
    r"(?:SHOW FUNCTIONS(?: I?LIKE '(?:[^'\\]|\\.)*')?|SHOW ENGINES"
    rf"|(?:SHOW CREATE|EXISTS) DATABASE (?P<database>\w+)){_FORMAT}"
)


class Statement(msgspec.Struct, frozen=True):
    """What may run: canonical text, its FORMAT if any, its parameters' names."""

    text: str
    format: str | None
    parameters: frozenset[str] = frozenset()


class SqlGuard:
    """Checks the statements of readers with the engine's parser."""

    def __init__(
        self,
        parse: Callable[[str, Mapping[str, str]], bytes],
        limits: Mapping[str, int],
    ) -> None:
        """
        Bind the guard to an engine.

        Args:
            parse: runs a trusted query with parameters, gives a JSONEachRow answer.
            limits: settings a reader may lower but not raise or turn off.

        """
        self._parse = parse
        self._limits = limits
        self._functions = frozenset(_decode(parse(_FUNCTIONS, {}))["names"])

    def check(self, sql: str, fmt: str | None = None) -> Statement:
        """
        Return what may run in place of a statement.

        Args:
            sql: the statement as it was sent.
            fmt: the format of its answer, should it name none.

        Raises:
            GuardError: when it is not a harmless reading statement.
            StoreRefused: when the engine cannot parse it.

        """
        if len(sql) > _LONGEST:
            raise GuardError("the statement is too long", 62, "SYNTAX_ERROR")
        if fmt is not None:
            check_format(fmt)
        try:
            row = self._ask(_PARSE, sql)
        except StoreRefused as error:
            if error.code != _HAS_NO_TREE:
                # Our own query around the statement would only confuse its author.
                error.detail = error.detail.partition(": In scope SELECT format")[0]
                raise
            return self._check_text(self._ask(_PARSE_TEXT, sql)["text"])
        engine = Engine(frozenset(row["databases"]), self._functions)
        walk = Walk(engine, self._limits)
        walk.check(_decode(row["tree"]))
        return Statement(row["text"], walk.format, frozenset(walk.parameters))

    def settings(self, asked: Mapping[str, str]) -> dict[str, str]:
        """
        Return the settings a reader gets; those with a limit are held to it.

        Raises:
            GuardError: for a setting that readers may not set.

        """
        allowed = load_rules().settings
        given: dict[str, str] = {}
        for name, value in asked.items():
            if (limit := self._limits.get(name)) is not None:
                lower = value.isdecimal() and 0 < int(value) < limit
                given[name] = value if lower else str(limit)
            elif name in allowed:
                given[name] = value
            else:
                raise setting_refused(name)
        return given

    def _ask(self, query: str, sql: str) -> dict[str, Any]:
        return _decode(self._parse(query, {"q": sql}))

    def _check_text(self, text: str) -> Statement:
        if match := _DESCRIBE_QUERY.fullmatch(text):
            inner = self.check(match["query"])
            if inner.format is not None:
                raise GuardError("a described query has no FORMAT")
            # Put together from checked parts, so the brackets cannot be foreign.
            text = f"DESCRIBE TABLE ({inner.text})"
            if match["format"] is not None:
                text += f" FORMAT {check_format(match['format'])}"
            return Statement(text, match["format"], inner.parameters)
        if match := _ABOUT_TABLE.fullmatch(text):
            check_table([part for part in match.group("database", "table") if part])
        elif match := _ABOUT_ENGINE.fullmatch(text):
            if match["database"] is not None:
                check_database(match["database"])
        else:
            raise GuardError("only reading statements are allowed", 164, "READONLY")
        if match["format"] is not None:
            check_format(match["format"])
        return Statement(text, match["format"])


def _decode(answer: bytes | str) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise GuardError("the statement is nested too deeply or not UTF-8") from None
    return decoded
