"""
The tables and views of a rollup, derived from rollups.toml and the policy.

A materialized view sees the rows of one insert and nothing else: neither that a
client sent the same event in an earlier segment, nor that a row was erased later.
Sums made by one are therefore wrong for good after the first such event, and states
that would not be (sets of event ids) are larger than the rows they stand for. So the
view keeps no totals. It keeps *marks*: how many rows were ever added to an hour.

- `<name>_marks`: for each site and hour the marks, and the last build with the number
  of marks that it has seen. An hour whose two numbers are the same is *settled*.
- `<name>_marking`: the materialized view that marks the hours of each insert.
- `<name>_built`: totals and states of settled hours, made of the source's distinct
  rows (`FINAL`) by pipeline/rollups.py. Rows of other builds than the settled one
  count for nothing: publishing a build is one insert into the marks.
- `<name>_states`: the totals. A settled hour's come from `_built`, any other's from
  the source itself. So they are exact at every moment, whatever was repeated, came
  late, was erased or was interrupted: all that these do is to add marks.
- `<name>_drift`: hours whose totals are not the source's own; always empty.

A mark too many makes an hour be built again. Only a mark too few would do harm: the
insert that adds rows has to add them, which `Store.insert_segment` sees to by asking
for deduplication in the view's target as well, by the segment's id.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from schemas.ddl import DATABASE, EMPTY, settings_clause
from schemas.policy import Policy
from schemas.rollups import Measure, Rollup

_HOUR: Final = "toDateTime(toStartOfHour(occurred_at), 'UTC')"
# As in pipeline/rollups.py: which hours are settled, and by which build.
SETTLED: Final = "sum(marks) = tupleElement(max(built), 'seen')"
BUILD: Final = "tupleElement(max(built), 'build')"


def rollup_tables(rollups: Iterable[str]) -> list[str]:
    """Return the tables of some rollups, by name."""
    return [f"{name}_{what}" for name in rollups for what in ("marks", "built")]


def rollup_ddl(policy: Policy, name: str, rollup: Rollup) -> list[str]:
    """
    Return the statements that make a rollup's tables, and the view that marks.

    The first makes the table of marks, under a comment that says that it is not
    complete: `rollup_backfill` ends with the one that says that it is.
    """
    return [
        _create_marks(policy, name, rollup),
        _create_built(policy, name, rollup),
        _create_marking(policy, name, rollup),
    ]


def rollup_backfill(policy: Policy, name: str, rollup: Rollup) -> list[str]:
    """Return what marks the hours of rows that were there before their marks."""
    return [
        mark(policy, name, rollup, "1"),
        (
            f"ALTER TABLE {DATABASE}.{name}_marks "
            f"MODIFY COMMENT '{rollup_comment(policy, name, rollup)}'"
        ),
    ]


def rollup_drop(name: str) -> list[str]:
    """Return what removes a rollup of another definition; the source has it all."""
    return [
        f"DROP VIEW IF EXISTS {DATABASE}.{name}_marking SYNC",
        f"DROP TABLE IF EXISTS {DATABASE}.{name}_marks SYNC",
        f"DROP TABLE IF EXISTS {DATABASE}.{name}_built SYNC",
    ]


def rollup_views(policy: Policy, name: str, rollup: Rollup) -> list[str]:
    """Return the statements that make the views of totals and of drift anew."""
    return [
        f"CREATE OR REPLACE VIEW {DATABASE}.{name}_states AS\n"
        + _states(policy, name, rollup),
        f"CREATE OR REPLACE VIEW {DATABASE}.{name}_drift AS\n"
        + _drift(policy, name, rollup),
    ]


def condition(policy: Policy, rollup: Rollup) -> str:
    """Return which rows of the source are in a rollup."""
    real = " AND NOT synthetic" if "synthetic" in policy.columns(rollup.source) else ""
    return f"({rollup.where}){real}"


def totals(policy: Policy, rollup: Rollup, where: str) -> str:
    """Return the SELECT of the totals of the source's distinct rows."""
    keys = ", ".join(["site", "hour", *rollup.dimensions])
    measures = ",\n    ".join(
        f"{_state(policy, rollup, measure)} AS {key}"
        for key, measure in rollup.measures.items()
    )
    dimensions = "".join(f", {one}" for one in rollup.dimensions)
    return (
        f"SELECT site, {_HOUR} AS hour{dimensions},\n    {measures}\n"
        f"FROM {DATABASE}.{rollup.source} FINAL\n"
        f"WHERE {condition(policy, rollup)} AND {where}\nGROUP BY {keys}"
    )


def mark(policy: Policy, name: str, rollup: Rollup, where: str) -> str:
    """Return the statement that marks the hours of some rows of the source."""
    return (
        f"INSERT INTO {DATABASE}.{name}_marks (site, hour, marks)\n"
        f"SELECT site, {_HOUR} AS hour, count() AS marks\n"
        f"FROM {DATABASE}.{rollup.source}\n"
        f"WHERE {condition(policy, rollup)} AND ({where})\nGROUP BY site, hour"
    )


def rollup_comment(policy: Policy, name: str, rollup: Rollup) -> str:
    """Return the comment of a complete rollup: what it is, and its definition."""
    # Rows are told apart by the source's key: of another one, all is built again.
    key = ", ".join(policy.tables[rollup.source].order_by)
    whole = "\n".join([*rollup_ddl(policy, name, rollup), key])
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return f"{rollup.description}. Policy {policy.version}, definition {digest}."


def _create_marks(policy: Policy, name: str, rollup: Rollup) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.{name}_marks\n(\n"
        "    `site` LowCardinality(String) COMMENT 'Site' CODEC(ZSTD(1)),\n"
        "    `hour` DateTime('UTC') COMMENT 'Hour' CODEC(Delta, ZSTD(1)),\n"
        "    `marks` SimpleAggregateFunction(sum, UInt64) "
        "COMMENT 'How many rows were added to it, or went' CODEC(ZSTD(1)),\n"
        "    `built` SimpleAggregateFunction(max, Tuple(build UInt64, seen UInt64)) "
        "COMMENT 'Its last build, and the marks that this has seen' CODEC(ZSTD(1))\n)\n"
        + _engine("site, hour", rollup.days(policy))
        + "\nCOMMENT 'Not complete'"
    )


def _create_marking(policy: Policy, name: str, rollup: Rollup) -> str:
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {DATABASE}.{name}_marking "
        f"TO {DATABASE}.{name}_marks AS\n"
        f"SELECT site, {_HOUR} AS hour, count() AS marks\n"
        f"FROM {DATABASE}.{rollup.source}\nWHERE {condition(policy, rollup)}\n"
        "GROUP BY site, hour"
    )


def _create_built(policy: Policy, name: str, rollup: Rollup) -> str:
    columns = policy.columns(rollup.source)
    lines = [
        "`site` LowCardinality(String) COMMENT 'Site' CODEC(ZSTD(1))",
        "`hour` DateTime('UTC') COMMENT 'Hour' CODEC(Delta, ZSTD(1))",
        "`build` UInt64 COMMENT 'Which build it is of' CODEC(ZSTD(1))",
        *(
            f"`{one}` {columns[one].type} "
            f"COMMENT '{_escaped(columns[one].description)}' CODEC(ZSTD(1))"
            for one in rollup.dimensions
        ),
    ]
    for key, measure in rollup.measures.items():
        days = rollup.measure_days(policy, key)
        ends = days < rollup.days(policy)
        lines.append(
            f"`{key}` {_type(policy, rollup, measure)} "
            f"COMMENT '{measure.description}' CODEC(ZSTD(1))"
            + (f" TTL hour + INTERVAL {days} DAY" if ends else "")
        )
    keys = ", ".join(["site", "hour", "build", *rollup.dimensions])
    return (
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.{name}_built\n(\n    "
        + ",\n    ".join(lines)
        + "\n)\n"
        + _engine(keys, rollup.days(policy))
        + f"\nCOMMENT '{rollup.description}'"
    )


def _engine(keys: str, days: int) -> str:
    return (
        f"ENGINE = AggregatingMergeTree\nPARTITION BY toYYYYMM(hour)\n"
        f"ORDER BY ({keys})\nTTL hour + INTERVAL {days} DAY DELETE\n"
        f"SETTINGS {settings_clause()}"
    )


def _states(policy: Policy, name: str, rollup: Rollup) -> str:
    columns = ", ".join(["site", "hour", *rollup.dimensions, *rollup.measures])
    marks = f"FROM {DATABASE}.{name}_marks GROUP BY site, hour HAVING"
    # The day and the month are what the source's key and partitions are made of.
    unsettled = totals(
        policy,
        rollup,
        " AND ".join(
            f"{of} IN (SELECT {told} FROM (SELECT site, hour {marks} NOT ({SETTLED})))"
            for of, told in (
                ("toYYYYMM(occurred_at)", "toYYYYMM(hour)"),
                ("toDate(occurred_at)", "toDate(hour)"),
                (f"(site, {_HOUR})", "site, hour"),
            )
        ),
    )
    return (
        f"SELECT {columns}\nFROM {DATABASE}.{name}_built\nINNER JOIN\n(\n"
        f"    SELECT site, hour, {BUILD} AS build\n    {marks} {SETTLED}\n"
        f") AS settled USING (site, hour, build)\n"
        f"UNION ALL\n{unsettled}"
    )


def _drift(policy: Policy, name: str, rollup: Rollup) -> str:
    keys = ", ".join(["site", "hour", *rollup.dimensions])
    measures = rollup.measures.items()
    found = ", ".join(_final(key, measure) for key, measure in measures)
    sides = ", ".join(
        f"sumIf(`{key}_`, NOT own) AS {key}, sumIf(`{key}_`, own) AS source_{key}"
        for key in rollup.measures
    )
    unequal = " OR ".join(f"{key} != source_{key}" for key in rollup.measures)
    # What is about to expire goes from either table when that is merged.
    least = min(rollup.measure_days(policy, key) for key in rollup.measures)
    young = f"> now() - INTERVAL {least - 1} DAY"
    own = totals(policy, rollup, f"occurred_at {young}")
    return (
        f"SELECT {keys}, toDate(hour) AS day, {sides}\nFROM\n(\n"
        f"SELECT {keys}, 0 AS own, {found}\nFROM {DATABASE}.{name}_states\n"
        f"WHERE hour {young} GROUP BY {keys}\nUNION ALL\n"
        f"SELECT {keys}, 1 AS own, {found}\nFROM (\n{own}\n) "
        f"WHERE hour {young} GROUP BY {keys}\n)\n"
        f"GROUP BY {keys}, day\nHAVING {unequal}"
    )


def _type(policy: Policy, rollup: Rollup, measure: Measure) -> str:
    if measure.aggregate == "distinct":
        kind = policy.columns(rollup.source)[measure.field].type
        return f"AggregateFunction(uniqExact, {kind})"
    return "SimpleAggregateFunction(sum, UInt64)"


def _state(policy: Policy, rollup: Rollup, measure: Measure) -> str:
    field, which = measure.field, measure.condition
    if measure.aggregate == "count":
        return f"countIf({which})"
    if measure.aggregate == "sum":
        return f"sumIf(toUInt64({field}), {which})"
    empty = EMPTY[policy.columns(rollup.source)[field].type]
    return f"uniqExactStateIf({field}, ({which}) AND {field} != {empty})"


def _final(key: str, measure: Measure) -> str:
    merge = "uniqExactMerge" if measure.aggregate == "distinct" else "sum"
    return f"{merge}({key}) AS `{key}_`"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
