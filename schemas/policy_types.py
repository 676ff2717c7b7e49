"""
The published privacy policy as types: what each table of policy.toml has.

No type here has a default: a default would leak. `schemas.policy` loads the file
into them, `schemas.policy_check` says whether it holds together.
"""

from typing import Literal

import msgspec

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
    grants_valid_since: str


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


class Field(Entry, frozen=True):
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


class Table(Entry, frozen=True, omit_defaults=True):
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
