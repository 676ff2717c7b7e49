"""
The published privacy policy as types: what each table of policy.toml has.

No type here has a default: a default would leak. `schemas.policy` loads the file
into them, `schemas.policy_check` says whether it holds together.
"""

from collections.abc import Mapping
from typing import Literal, overload

import msgspec

from schemas.consent import Category

Shape = Literal["identified", "anonymous", "counted"]
SHAPES: tuple[Shape, ...] = ("identified", "anonymous", "counted")


class PolicyError(ValueError):
    """The policy does not hold together; `where` is the dotted key at fault."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"policy.toml: {where}: {problem}")
        self.where = where
        self.problem = problem


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the policy: every key required, unknown keys refused."""


class Header(Entry, frozen=True):
    """Which policy this is, and how long a grant given under it is good."""

    version: str
    title: str
    controller: str
    contact_section: str
    children_under: int
    children_section: str
    consent_valid_days: int


class PolicyVersion(Entry, frozen=True):
    """A version of the policy: the categories for which it is a material change."""

    material: tuple[Category, ...]


class DataCategory(Entry, frozen=True):
    """A kind of data that the policy names; `collected` says if we take it."""

    section: str
    title: str
    dpv: str
    collected: bool
    description: str


class Purpose(Entry, frozen=True):
    """A legal purpose; `used` says if any field here serves it."""

    section: str
    title: str
    dpv: str
    used: bool


class ConsentCategory(Entry, frozen=True):
    """A category of the consent banner; `asks` is false for essential."""

    section: str
    title: str
    dpv: str
    asks: bool


class RetentionReason(Entry, frozen=True):
    """One of the policy's criteria for how long data is kept."""

    section: str
    title: str
    dpv: str


class Retention(Entry, frozen=True):
    """A number of days and the reason it follows from."""

    days: int
    reason: str


class Right(Entry, frozen=True):
    """A right of the data subject."""

    section: str
    article: str
    title: str
    dpv: str


class EventRule(Entry, frozen=True):
    """What an event of one name is, and which consent it needs."""

    description: str
    data_category: str
    purposes: tuple[str, ...]
    consent_category: str
    sender_may_choose: bool


class Column(Entry, frozen=True):
    """A stored column: what it is, why it exists, for how long."""

    type: str
    description: str
    data_category: str
    purposes: tuple[str, ...]
    retention: str


class Field(Column, frozen=True):
    """A column of events: which consent it needs, and what remains of it."""

    consent_category: str
    identified: str
    anonymous: str
    counted: str

    def remains(self, shape: Shape) -> str:
        """Return the name of the transform that this shape applies."""
        return {
            "identified": self.identified,
            "anonymous": self.anonymous,
            "counted": self.counted,
        }[shape]


class LedgerField(Column, frozen=True):
    """A column of the ledger of consent choices, and which process fills it."""

    filled_by: Literal["edge", "keeper"]


class Table(Entry, frozen=True, omit_defaults=True):
    """
    A ClickHouse table.

    Its columns are those of the ledger, or the fields kept at its outcomes. Each text
    of `dictionary` is stored once a part, and by number in its rows. `short_ids` names
    the columns that are stored in place of a UUID (schemas/short_id.py).
    """

    description: str
    columns: Literal["fields", "ledger"]
    outcomes: tuple[Shape, ...]
    engine: str
    partition_by: str
    order_by: tuple[str, ...]
    dictionary: tuple[str, ...]
    short_ids: dict[str, str]
    time: str
    retention: str
    sum: str


class Policy(msgspec.Struct, frozen=True):
    """The whole policy; dictionaries keep the file's order."""

    header: Header
    policy_versions: dict[str, PolicyVersion]
    data_categories: dict[str, DataCategory]
    purposes: dict[str, Purpose]
    consent_categories: dict[str, ConsentCategory]
    retention_reasons: dict[str, RetentionReason]
    retention: dict[str, Retention]
    rights: dict[str, Right]
    transforms: dict[str, str]
    events: dict[str, EventRule]
    fields: dict[str, Field]
    ledger: dict[str, LedgerField]
    tables: dict[str, Table]

    @property
    def version(self) -> str:
        """The policy's version: the date it was published, ISO 8601."""
        return self.header.version

    def expires(self, version: str, category: Category) -> bool:
        """
        Say if consent given for a category under a version has expired since.

        It has when a later version is a material change for that category, and
        when the version is none of this policy's, however it sorts.
        """
        versions = list(self.policy_versions)
        if version not in versions:
            return True
        later = versions[versions.index(version) + 1 :]
        return any(category in self.policy_versions[name].material for name in later)

    @overload
    def columns(self, table: Literal["events", "counts"]) -> dict[str, Field]: ...
    @overload
    def columns(self, table: str) -> Mapping[str, Column]: ...
    def columns(self, table: str) -> Mapping[str, Column]:
        """
        Return what a table stores, in the order of its columns.

        A row has every field, so that one of which nothing remains any more is an
        empty column and no other table; a counter has those that are counted.
        """
        if self.tables[table].columns == "ledger":
            return dict(self.ledger)
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
        days = self.retention[self.columns(table)[column].retention].days
        if "counted" in rules.outcomes or days >= self.retention[rules.retention].days:
            return None
        return days
