"""
The rollups, loaded from rollups.toml and checked against the policy.

A rollup may hold no more than its source may, and for no longer: what it names are
fields of the policy, and the first of them that expires ends what was made of it.
"""

import functools
import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Final, Literal

import msgspec

from schemas.policy import Policy, PolicyError, load_policy

_WORD: Final = re.compile(r"[a-z_][a-z0-9_]*")
_QUOTED: Final = re.compile(r"'[^']*'")
# Said in comments of tables, between quotes.
_WORDS: Final = re.compile(r"[\w ,.:;()/-]+")
# Every rollup has these columns beside its dimensions and measures.
_OWN: Final = frozenset({"site", "hour", "day", "build"})


class Measure(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"condition": "if"}
):
    """
    What is counted, added up, or told apart.

    Attributes:
        description: what the number says.
        aggregate: how values become one.
        field: of which field; "" for a count.
        condition: of which rows, `if` in the file.

    """

    description: str
    aggregate: Literal["count", "sum", "distinct"]
    field: str
    condition: str


class Rollup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Totals of a table by site, hour and dimensions; no key has a default."""

    description: str
    purpose: str
    source: str
    where: str
    dimensions: tuple[str, ...]
    retention: str
    measures: dict[str, Measure]

    def days(self, policy: Policy) -> int:
        """Return for how many days a row is kept."""
        return policy.retention[self.retention].days

    def measure_days(self, policy: Policy, name: str) -> int:
        """Return for how many days a measure is kept: no longer than its fields."""
        measure = self.measures[name]
        named = {measure.field, *_words(measure.condition)}
        return min([self.days(policy), *_days(policy, self.source, named)])


@functools.cache
def load_rollups() -> dict[str, Rollup]:
    """
    Return the rollups that ship, by name.

    Raises:
        PolicyError: at the first thing that does not hold, naming its key.

    """
    text = resources.files("schemas").joinpath("rollups.toml").read_text("utf-8")
    return parse_rollups(text, load_policy())


def parse_rollups(text: str, policy: Policy) -> dict[str, Rollup]:
    """
    Read rollups from TOML and check them against a policy.

    Raises:
        PolicyError: at the first thing that does not hold, naming its key.

    """
    try:
        rollups = msgspec.convert(tomllib.loads(text), dict[str, Rollup])
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        where = "rollups"
        raise PolicyError(where, str(error)) from None
    for name, rollup in rollups.items():
        check_rollup(policy, name, rollup)
    return rollups


def check_rollup(policy: Policy, name: str, rollup: Rollup) -> None:
    """
    Check that a rollup can be made of its source, and may be kept.

    Raises:
        PolicyError: naming the key at fault.

    """
    where = f"rollups.{name}"
    if not _WORD.fullmatch(name) or name in policy.tables:
        raise PolicyError(where, "is no name for a view")
    if rollup.purpose not in policy.purposes:
        raise PolicyError(where, f"the policy has no purpose {rollup.purpose!r}")
    if rollup.retention not in policy.retention:
        raise PolicyError(where, f"the policy has no retention {rollup.retention!r}")
    table = policy.tables.get(rollup.source)
    # The hour is that of `occurred_at`, and rows of one event are told by its id.
    if table is None or table.engine != "ReplacingMergeTree":
        raise PolicyError(f"{where}.source", f"{rollup.source!r} is no table of events")
    columns = policy.columns(rollup.source)
    for dimension in rollup.dimensions:
        if dimension not in columns or dimension in _OWN:
            raise PolicyError(f"{where}.dimensions", f"{dimension!r} cannot be one")
    grounds = {"site", "occurred_at", *rollup.dimensions, *_words(rollup.where)}
    if min(_days(policy, rollup.source, grounds)) < rollup.days(policy):
        # It could not be emptied: rows are found by it.
        raise PolicyError(f"{where}.retention", "is longer than that of what it names")
    for key, measure in rollup.measures.items():
        _check_measure(policy, rollup, f"{where}.measures.{key}", key)
        _check_words(f"{where}.measures.{key}.description", measure.description)
    _check_words(f"{where}.description", rollup.description)


def _check_measure(policy: Policy, rollup: Rollup, where: str, name: str) -> None:
    measure = rollup.measures[name]
    columns = policy.columns(rollup.source)
    if not _WORD.fullmatch(name) or name in {*_OWN, *rollup.dimensions}:
        raise PolicyError(where, "is no name for a measure")
    if (measure.aggregate == "count") is not (measure.field == ""):
        raise PolicyError(f"{where}.field", "goes with sum and distinct, and with both")
    if measure.field and measure.field not in columns:
        raise PolicyError(f"{where}.field", f"{measure.field!r} does not exist")
    if measure.field and not columns[measure.field].type.startswith("UInt"):
        raise PolicyError(f"{where}.field", f"{measure.field!r} is no whole number")


def _check_words(where: str, text: str) -> None:
    if not _WORDS.fullmatch(text):
        raise PolicyError(where, "has other characters than a sentence")


def _words(condition: str) -> set[str]:
    return set(_WORD.findall(_QUOTED.sub("", condition)))


def _days(policy: Policy, table: str, names: Iterable[str]) -> list[int]:
    columns = policy.columns(table)
    return [
        policy.retention[columns[name].retention].days
        for name in sorted(names)
        if name in columns
    ]
