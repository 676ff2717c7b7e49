"""
The published privacy policy as data, loaded and checked.

`policy.toml` is the source; this module gives it types and refuses it with a
precise message when a key is missing, a name refers to nothing, or a field does
not say what remains of it. Nothing here has a default: a default would leak.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

Shape = Literal["identified", "anonymous", "counted"]
SHAPES: tuple[Shape, ...] = ("identified", "anonymous", "counted")


class PolicyError(ValueError):
    """The policy does not hold together; `where` is the dotted key at fault."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"policy.toml: {where}: {problem}")
        self.where = where
        self.problem = problem


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the policy: every key required, unknown keys refused."""


class Header(_Entry, frozen=True):
    """Which policy this is, and how long a grant given under it is good."""

    version: str
    title: str
    controller: str
    contact_section: str
    children_under: int
    children_section: str
    consent_valid_days: int
    grants_valid_since: str


class DataCategory(_Entry, frozen=True):
    """A kind of data that the policy names; `collected` says if we take it."""

    section: str
    title: str
    dpv: str
    collected: bool
    description: str


class Purpose(_Entry, frozen=True):
    """A legal purpose; `used` says if any field here serves it."""

    section: str
    title: str
    dpv: str
    used: bool


class ConsentCategory(_Entry, frozen=True):
    """A category of the consent banner; `asks` is false for essential."""

    section: str
    title: str
    dpv: str
    asks: bool


class RetentionReason(_Entry, frozen=True):
    """One of the policy's criteria for how long data is kept."""

    section: str
    title: str
    dpv: str


class Retention(_Entry, frozen=True):
    """A number of days and the reason it follows from."""

    days: int
    reason: str


class Right(_Entry, frozen=True):
    """A right of the data subject."""

    section: str
    article: str
    title: str
    dpv: str


class EventRule(_Entry, frozen=True):
    """What an event of one name is, and which consent it needs."""

    description: str
    data_category: str
    purposes: tuple[str, ...]
    consent_category: str
    sender_may_choose: bool


class Field(_Entry, frozen=True):
    """A stored column: why it exists, what remains of it, for how long."""

    type: str
    description: str
    data_category: str
    purposes: tuple[str, ...]
    consent_category: str
    identified: str
    anonymous: str
    counted: str
    retention: str

    def remains(self, shape: Shape) -> str:
        """Return the name of the transform that this shape applies."""
        return {
            "identified": self.identified,
            "anonymous": self.anonymous,
            "counted": self.counted,
        }[shape]


class Table(_Entry, frozen=True, omit_defaults=True):
    """A ClickHouse table; its columns are the fields kept at its outcomes."""

    description: str
    outcomes: tuple[Shape, ...]
    engine: str
    partition_by: str
    order_by: tuple[str, ...]
    time: str
    retention: str
    sum: str


class Policy(msgspec.Struct, frozen=True):
    """The whole policy; dictionaries keep the file's order."""

    header: Header
    data_categories: dict[str, DataCategory]
    purposes: dict[str, Purpose]
    consent_categories: dict[str, ConsentCategory]
    retention_reasons: dict[str, RetentionReason]
    retention: dict[str, Retention]
    rights: dict[str, Right]
    transforms: dict[str, str]
    events: dict[str, EventRule]
    fields: dict[str, Field]
    tables: dict[str, Table]

    @property
    def version(self) -> str:
        """The policy's version: the date it was published, ISO 8601."""
        return self.header.version

    def columns(self, table: str) -> dict[str, Field]:
        """
        Return the fields that a table stores, in the order of its columns.

        A row has every field, so that one of which nothing remains any more is an
        empty column and no other table; a counter has those that are counted.
        """
        if "counted" not in self.tables[table].outcomes:
            return dict(self.fields)
        return {
            name: field
            for name, field in self.fields.items()
            if field.counted != "absent"
        }

    def column_days(self, table: str, column: str) -> int | None:
        """
        Return after how many days a column is emptied, None if with its row.

        A table of counters holds nothing about a person: its own retention is
        the only one there.
        """
        rules = self.tables[table]
        days = self.retention[self.fields[column].retention].days
        if "counted" in rules.outcomes or days >= self.retention[rules.retention].days:
            return None
        return days


T = TypeVar("T")
_NAMED_FIELD = re.compile(r"field `([^`]*)`")
_FIELD_PATH = re.compile(r" - at `\$\.([^`\[]*)")
_SECTIONS: dict[str, type[_Entry]] = {
    "data_categories": DataCategory,
    "purposes": Purpose,
    "consent_categories": ConsentCategory,
    "retention_reasons": RetentionReason,
    "retention": Retention,
    "rights": Right,
    "events": EventRule,
    "fields": Field,
    "tables": Table,
}


def parse_policy(text: str) -> Policy:
    """
    Build the policy from TOML text.

    Raises:
        PolicyError: at the first thing that does not hold, naming its key.

    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError("file", f"is not TOML: {error}") from error
    expected = {"policy", "transforms", *_SECTIONS}
    for name in raw.keys() - expected:
        raise PolicyError(name, "unknown section")
    for name in sorted(expected - raw.keys()):
        raise PolicyError(name, "missing section")
    parts: dict[str, Any] = {
        name: {
            key: _convert(value, kind, f"{name}.{key}")
            for key, value in _table(raw[name], name).items()
        }
        for name, kind in _SECTIONS.items()
    }
    policy = Policy(
        header=_convert(raw["policy"], Header, "policy"),
        transforms=_convert(raw["transforms"], dict[str, str], "transforms"),
        **parts,
    )
    _check(policy)
    return policy


def load_policy(path: Path | None = None) -> Policy:
    """Load the policy from a file, or the one that ships with the package."""
    if path is None:
        return _shipped()
    return parse_policy(path.read_text(encoding="utf-8"))


@functools.cache
def _shipped() -> Policy:
    resource = resources.files("schemas").joinpath("policy.toml")
    return parse_policy(resource.read_text(encoding="utf-8"))


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise PolicyError(where, "must be a table with at least one entry")
    return value


def _convert(value: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _NAMED_FIELD.search(str(error)) or _FIELD_PATH.search(str(error))
        key = f"{where}.{found[1]}" if found else where
        raise PolicyError(key, str(error)) from error


def _refer(where: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise PolicyError(where, f"refers to {name!r}, which does not exist")


def _check(policy: Policy) -> None:
    for name in ("version", "grants_valid_since"):
        _check_date(f"policy.{name}", getattr(policy.header, name))
    for name, kept in policy.retention.items():
        _refer(f"retention.{name}.reason", [kept.reason], policy.retention_reasons)
        if kept.days < 1:
            raise PolicyError(f"retention.{name}.days", "must be at least 1")
    for name, rule in policy.events.items():
        _check_use(policy, f"events.{name}", rule)
    for name, field in policy.fields.items():
        _check_use(policy, f"fields.{name}", field)
        _check_field(policy, name, field)
    for name, table in policy.tables.items():
        _check_table(policy, name, table)
    _check_used(policy)


def _check_date(where: str, text: str) -> None:
    # Versions are compared as text, which only whole ISO dates bear.
    try:
        same = date.fromisoformat(text).isoformat() == text
    except ValueError:
        same = False
    if not same:
        raise PolicyError(where, "must be a date, YYYY-MM-DD")


def _check_use(policy: Policy, where: str, use: EventRule | Field) -> None:
    _refer(f"{where}.data_category", [use.data_category], policy.data_categories)
    if not policy.data_categories[use.data_category].collected:
        raise PolicyError(
            f"{where}.data_category",
            f"{use.data_category!r} is declared never collected here",
        )
    _refer(f"{where}.purposes", use.purposes, policy.purposes)
    if not use.purposes:
        raise PolicyError(f"{where}.purposes", "names no purpose")
    for purpose in use.purposes:
        if not policy.purposes[purpose].used:
            raise PolicyError(
                f"{where}.purposes", f"{purpose!r} is declared not used here"
            )
    _refer(
        f"{where}.consent_category", [use.consent_category], policy.consent_categories
    )


def _check_field(policy: Policy, name: str, field: Field) -> None:
    where = f"fields.{name}"
    _refer(f"{where}.retention", [field.retention], policy.retention)
    for shape in SHAPES:
        _refer(f"{where}.{shape}", [field.remains(shape)], policy.transforms)
    # What is cut or gone with a pseudonym must not come back without one.
    if _weight(field.anonymous) > _weight(field.identified):
        raise PolicyError(f"{where}.anonymous", "keeps more than identified does")
    if _weight(field.counted) > _weight(field.anonymous):
        raise PolicyError(f"{where}.counted", "keeps more than anonymous does")


def _weight(transform: str) -> int:
    return {"absent": 0, "keep": 2}.get(transform, 1)


def _check_table(policy: Policy, name: str, table: Table) -> None:
    where = f"tables.{name}"
    _refer(f"{where}.retention", [table.retention], policy.retention)
    columns = policy.columns(name)
    _refer(f"{where}.time", [table.time], columns)
    if table.sum in columns:
        raise PolicyError(f"{where}.sum", f"{table.sum!r} is also a field")
    for column in columns:
        if policy.column_days(name, column) is None:
            continue
        if any(column in key for key in table.order_by):
            # ClickHouse cannot expire a column of the sorting key by itself.
            raise PolicyError(
                f"{where}.order_by", f"{column!r} expires before its row does"
            )


def _check_used(policy: Policy) -> None:
    uses: list[EventRule | Field] = [*policy.events.values(), *policy.fields.values()]
    purposes = {purpose for use in uses for purpose in use.purposes}
    for name, purpose in policy.purposes.items():
        if purpose.used and name not in purposes:
            raise PolicyError(f"purposes.{name}.used", "no event or field serves it")
    categories = {use.data_category for use in uses}
    for name, category in policy.data_categories.items():
        if category.collected and name not in categories:
            raise PolicyError(
                f"data_categories.{name}.collected", "no event or field holds it"
            )
