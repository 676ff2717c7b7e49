"""
The statements that carry objections out: which rows, and what becomes of them.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from pipeline.withdrawal.standing import Limit, Limits
from schemas.consent import ASKED, Category
from schemas.ddl import DATABASE
from schemas.policy import Policy, PolicyError

_TABLE: Final = f"{DATABASE}.events"
_WORD: Final = re.compile(r"[a-z_]+")
_RECEIVED: Final = "toUnixTimestamp64Milli(received_at)"
_GIVEN: Final = "toUnixTimestamp64Milli(consent_given_at)"
# Without statistics a row's pseudonym has no ground: such rows go, others lose fields.
_EMPTIED: Final = tuple(name for name in ASKED if name != "statistics")


class Target(msgspec.Struct, frozen=True):
    """A visitor of a site, and what is closed for its rows."""

    site: str
    visitor_id: int
    limits: Limits


class Statements:
    """Makes statements for the events table of one policy."""

    def __init__(self, policy: Policy) -> None:
        """
        Look up which fields need which consent.

        Raises:
            PolicyError: when such a field is part of the table's key.

        """
        rules = policy.tables["events"]
        key = set(_WORD.findall(" ".join((*rules.order_by, rules.partition_by))))
        columns = policy.columns("events")
        self._fields = {
            category: {
                name: field.type
                for name, field in columns.items()
                if field.consent_category == category
            }
            for category in _EMPTIED
        }
        for fields in self._fields.values():
            for name in sorted(key & fields.keys()):
                where = "tables.events.order_by"
                raise PolicyError(where, f"`{name}` could not be emptied: it is key")
        names = ", ".join(map(quote, policy.events))
        rules_of = ", ".join(
            quote(rule.consent_category) for rule in policy.events.values()
        )
        # Rows of an older policy do not say which consent they needed.
        self._category = (
            "if(consent_category = '', "
            f"transform(event_name, [{names}], [{rules_of}], 'statistics'), "
            "toString(consent_category))"
        )

    def of(self, targets: Sequence[Target]) -> Iterable[tuple[str, str]]:
        """Yield the condition of rows that have to go or change, and the mutation."""
        where = _where(targets, self._going)
        if where:
            yield where, f"ALTER TABLE {_TABLE} DELETE WHERE {where}"
        for category, fields in self._fields.items():
            where = _where(targets, functools.partial(_closed, category))
            if where:
                full = " OR ".join(_full(name, kind) for name, kind in fields.items())
                asked = f"consent_{category} != 'withdrawn'"
                where = f"{where} AND ({asked}{' OR ' if full else ''}{full})"
                emptied = "".join(
                    f", `{name}` = {_empty(kind)}" for name, kind in fields.items()
                )
                changes = f"consent_{category} = 'withdrawn'{emptied}"
                yield where, f"ALTER TABLE {_TABLE} UPDATE {changes} WHERE {where}"

    def _going(self, targets: Sequence[Target]) -> str:
        """Return which rows of some visitors of one site have to go."""
        closed = [_closed("statistics", targets)]
        closed += [
            f"{self._category} = {quote(category)} AND {condition}"
            for category in _EMPTIED
            if (condition := _closed(category, targets))
        ]
        return " OR ".join(f"({one})" for one in closed if one)


def quote(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _where(
    targets: Sequence[Target], condition: Callable[[Sequence[Target]], str]
) -> str:
    """Return which rows of some visitors meet their condition, "" for none."""
    of_site = {
        site: condition([one for one in targets if one.site == site])
        for site in sorted({one.site for one in targets})
    }
    found = {quote(site): part for site, part in of_site.items() if part}
    if not found:
        return ""
    visitors = ", ".join(
        str(one.visitor_id) for one in targets if quote(one.site) in found
    )
    each = " OR ".join(f"(site = {site} AND ({part}))" for site, part in found.items())
    # The lists first: they are what the key and the engine's filters can use.
    return f"site IN ({', '.join(found)}) AND visitor_id IN ({visitors}) AND ({each})"


def _closed(category: Category, targets: Sequence[Target]) -> str:
    """
    Return which rows of some visitors of one site a category's limits close.

    That is `Limit.closes`, with the limits looked up in lists: a term a visitor would
    cost the engine seconds before it reads a row.
    """
    limits = {
        one.visitor_id: limit
        for one in targets
        if (limit := one.limits.categories[category]) != Limit()
    }
    if not limits:
        return ""
    unsaid = _looked_up(limits, [limit.unsaid_ms for limit in limits.values()])
    said = _looked_up(limits, [limit.said_ms for limit in limits.values()])
    return (
        f"if({_GIVEN} = 0, {_RECEIVED} <= {unsaid}, "
        f"least({_GIVEN}, {_RECEIVED}) <= {said})"
    )


def _looked_up(visitors: Iterable[int], times: Iterable[int]) -> str:
    ids = ", ".join(map(str, visitors))
    found = ", ".join(map(str, times))
    return (
        f"transform(visitor_id, CAST([{ids}], 'Array(UInt64)'), "
        f"CAST([{found}], 'Array(Int64)'), toInt64(-1))"
    )


def _full(name: str, kind: str) -> str:
    if kind.startswith("Nullable"):
        return f"isNotNull(`{name}`)"
    return f"`{name}` != {_empty(kind)}"


def _empty(kind: str) -> str:
    return f"defaultValueOfTypeName({quote(kind)})"
