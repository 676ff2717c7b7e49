"""
A rule pack as types: what each table of its file has, and what it says of a cell.

No cell has a default: a default would leak. `schemas.packs.checks` reads a file into
these types and says whether it holds together.
"""

from typing import Literal

import msgspec

from schemas.consent import DENIED, Category, State
from schemas.precision import Precision

Level = Literal["dropped", "counted", "anonymous", "identified"]
# From the least open to the most.
LEVELS: tuple[Level, ...] = ("dropped", "counted", "anonymous", "identified")
RANK: dict[Level, int] = {level: rank for rank, level in enumerate(LEVELS)}
# A category's state, as far as a pack tells states apart.
Standing = Literal["given", "unknown", "refused"]
STANDINGS: tuple[Standing, ...] = ("given", "unknown", "refused")
Family = Literal["any", "eu", "gb", "us", "br", "ca"]


class PackError(ValueError):
    """A rule pack does not hold together; `where` is the key at fault."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"rule pack: {where}: {problem}")
        self.where = where
        self.problem = problem


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a pack: unknown keys refused."""


class Header(Entry, frozen=True):
    """Which pack this is, and from which day it decides."""

    id: str
    version: str
    effective: str
    title: str
    family: Family
    sources: tuple[str, ...]
    reads_tcf: bool


class Cells(Entry, frozen=True):
    """A row of the decision table: its number and a level for each category."""

    row: str
    essential: Level
    preference: Level
    statistics: Level
    marketing: Level
    precise_location: Level

    def of(self, category: Category) -> Level:
        """Return the level of a category."""
        level: Level = getattr(self, category)
        return level


class Decide(Entry, frozen=True):
    """The rows for a category that is given, not decided, or refused."""

    given: Cells
    unknown: Cells
    refused: Cells

    def of(self, standing: Standing) -> Cells:
        """Return the row of a standing."""
        cells: Cells = getattr(self, standing)
        return cells


class Restriction(Entry, frozen=True):
    """
    What a flag takes away; it never opens anything.

    Attributes:
        row: the row of the decision table.
        when: flags, any of which is enough.
        only_with: the switch without which it does not apply.
        unless: the switch with which it does not apply.
        allow_given: categories it leaves alone when they were granted for themselves.

    """

    row: str
    when: tuple[str, ...]
    only_with: str = ""
    unless: str = ""
    allow_given: tuple[Category, ...] = ()
    essential: Level | None = None
    preference: Level | None = None
    statistics: Level | None = None
    marketing: Level | None = None
    precise_location: Level | None = None

    def of(self, category: Category) -> Level | None:
        """Return what a category is capped to, None if it is left alone."""
        level: Level | None = getattr(self, category)
        return level

    def applies(self, switches: frozenset[str]) -> bool:
        """Say if it applies where these switches are on."""
        if self.only_with and self.only_with not in switches:
            return False
        return self.unless not in switches if self.unless else True


class Switch(Entry, frozen=True):
    """
    What a site may turn on: one other cell, or a restriction that names the switch.

    `needs` is another switch, without which this one does nothing.
    """

    description: str
    row: str = ""
    state: Literal["unknown", "refused"] | None = None
    category: Category | None = None
    becomes: Level | None = None
    needs: str = ""


class Absent(Entry, frozen=True):
    """Fields that stay away from rows, by the standing of statistics."""

    given: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class Pack(msgspec.Struct, frozen=True, eq=False):
    """
    One version of one pack; two are the same only if they are the same object.

    Attributes:
        id: its name, such as "eu_strict".
        version: the day of this text, ISO 8601.
        effective: the day from which it decides, ISO 8601.
        title: what it is, in a few words.
        family: whose law it is; "any" for what is no place's.
        sources: the law and its readings; [S] secondary, [M] from memory.
        reads_tcf: if a TCF string speaks where this pack decides.
        places: ISO 3166-1 or 3166-2 code to the day since which it is for the place.
        decide: the rows; None for a pack that only restricts.
        restrict: what flags take away, in the order of evaluation.
        switches: what a site may turn on, by name.
        absent: fields that stay away.
        precision: how finely places are kept; None for a pack that only restricts.

    """

    id: str
    version: str
    effective: str
    title: str
    family: Family
    sources: tuple[str, ...]
    reads_tcf: bool
    places: dict[str, str]
    decide: Decide | None
    restrict: tuple[Restriction, ...]
    switches: dict[str, Switch]
    absent: Absent
    precision: Precision | None

    def cell(
        self, standing: Standing, category: Category, switches: frozenset[str]
    ) -> tuple[Level, str]:
        """
        Return a cell's level, with these switches on, and its row.

        Raises:
            LookupError: when the pack has no rows.

        """
        if self.decide is None:
            message = f"pack {self.id!r} has no rows"
            raise LookupError(message)
        for name, switch in self.switches.items():
            if (
                name in switches
                and switch.becomes is not None
                and (switch.state, switch.category) == (standing, category)
                and (not switch.needs or switch.needs in switches)
            ):
                return switch.becomes, switch.row
        cells = self.decide.of(standing)
        return cells.of(category), cells.row

    def fields_absent(self, standing: Standing) -> frozenset[str]:
        """Return the fields that stay away; less consent never shows more."""
        hidden = set(self.absent.given)
        if standing != "given":
            hidden |= set(self.absent.unknown)
        if standing == "refused":
            hidden |= set(self.absent.refused)
        return frozenset(hidden)

    def is_for(self, place: str, day: str) -> bool:
        """Say if the pack is for exactly this place on this day, ISO 8601."""
        since = self.places.get(place)
        return since is not None and since <= day


def standing_of(state: State) -> Standing:
    """Return as what a state counts: asked, expired and unknown are the same."""
    if state == "given":
        return "given"
    return "refused" if state in DENIED else "unknown"
