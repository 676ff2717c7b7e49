"""
From the text of a rule pack to a pack that holds together.

Beside names and forms two promises are checked here, for each set of switches: less
consent never allows more, and no switch allows what the decision table does not name.
"""

import itertools
import re
import tomllib
from datetime import date
from typing import Any, TypeVar

import msgspec

from schemas.consent import CATEGORIES, FLAGS, Category
from schemas.packs.pack import (
    RANK,
    STANDINGS,
    Absent,
    Decide,
    Header,
    Pack,
    PackError,
    Restriction,
    Switch,
)
from schemas.precision import Precision

T = TypeVar("T")

_ROWS = frozenset(str(number) for number in range(1, 23))
_ID = re.compile(r"[a-z]+(?:_[a-z]+)*")
_PLACE = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?")
# What msgspec says about a key: its own words, or a path such as $.decide.given.
_NAMED_FIELD = re.compile(r"field `([^`]*)`")
_FIELD_PATH = re.compile(r" - at `\$\.?([^`]*)`")
_SECTIONS = frozenset(
    {"pack", "places", "decide", "restrict", "switches", "absent", "precision"}
)
# The cells that the decision table lets a site change: row, category, level.
_SWITCHABLE = frozenset(
    {
        ("4", "statistics", "counted"),
        ("5", "statistics", "counted"),
        ("10", "statistics", "identified"),
    }
)
# What may be counted without consent: visits, and that there was an error.
_COUNTABLE = ("essential", "statistics")


def parse_pack(text: str) -> Pack:
    """
    Build a pack from TOML text.

    Raises:
        PackError: at the first thing that does not hold, naming its key.

    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError("file", f"is not TOML: {error}") from error
    for name in sorted(raw.keys() - _SECTIONS):
        raise PackError(name, "unknown section")
    if "pack" not in raw:
        raise PackError("pack", "missing section")
    header = _convert(raw["pack"], Header, "pack")
    pack = Pack(
        **{name: getattr(header, name) for name in header.__struct_fields__},
        places=_each(raw.get("places", {}), str, "places"),
        decide=_convert(raw["decide"], Decide, "decide") if "decide" in raw else None,
        restrict=_convert(raw.get("restrict", []), tuple[Restriction, ...], "restrict"),
        switches=_each(raw.get("switches", {}), Switch, "switches"),
        absent=_convert(raw.get("absent", {}), Absent, "absent"),
        precision=(
            _convert(raw["precision"], Precision, "precision")
            if "precision" in raw
            else None
        ),
    )
    _check_header(pack)
    _check_cells(pack)
    for number, rule in enumerate(pack.restrict):
        _check_restriction(pack, f"restrict[{number}]", rule)
    for name, switch in pack.switches.items():
        _check_switch(pack, name, switch)
    _check_monotony(pack)
    return pack


def _convert(value: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        path, named = _FIELD_PATH.search(text), _NAMED_FIELD.search(text)
        parts = [where, path[1] if path else "", named[1] if named else ""]
        key = ".".join(part for part in parts if part).replace(".[", "[")
        raise PackError(key, text) from error


def _each(value: object, kind: type[T], where: str) -> dict[str, T]:
    table = _convert(value, dict[str, Any], where)
    return {
        name: _convert(entry, kind, f"{where}.{name}") for name, entry in table.items()
    }


def _check_header(pack: Pack) -> None:
    if not _ID.fullmatch(pack.id):
        raise PackError("pack.id", f"{pack.id!r} is not small letters and _")
    _check_date("pack.version", pack.version)
    _check_date("pack.effective", pack.effective)
    if not pack.title.strip():
        raise PackError("pack.title", "is empty")
    if not pack.sources or not all(source.strip() for source in pack.sources):
        raise PackError("pack.sources", "names no source")
    if (pack.family == "any") is not (pack.decide is None):
        raise PackError("decide", 'a pack has rows unless its family is "any"')
    if (pack.precision is None) is not (pack.decide is None):
        raise PackError("precision", "a pack with rows has it, another has not")
    if bool(pack.places) is not (pack.decide is not None):
        raise PackError("places", "a pack with rows has places, another has none")
    for place, since in pack.places.items():
        if not _PLACE.fullmatch(place):
            raise PackError(f"places.{place}", "is not ISO 3166-1 or 3166-2")
        _check_date(f"places.{place}", since)


def _check_date(where: str, text: str) -> None:
    # Days are compared as text, which only whole ISO dates bear.
    try:
        same = date.fromisoformat(text).isoformat() == text
    except ValueError:
        same = False
    if not same:
        raise PackError(where, "must be a date, YYYY-MM-DD")


def _check_row(where: str, row: str) -> None:
    if row not in _ROWS:
        raise PackError(where, f"{row!r} is no row of the decision table")


def _check_level(where: str, category: Category, level: str | None) -> None:
    if level == "counted" and category not in _COUNTABLE:
        raise PackError(where, "only statistics and errors are counted")


def _check_cells(pack: Pack) -> None:
    if pack.decide is None:
        return
    for standing in STANDINGS:
        cells = pack.decide.of(standing)
        where = f"decide.{standing}"
        _check_row(f"{where}.row", cells.row)
        for category in CATEGORIES:
            _check_level(f"{where}.{category}", category, cells.of(category))
        if standing != "given" and cells.precise_location != "dropped":
            raise PackError(f"{where}.precise_location", "is opt-in everywhere")


def _check_switch(pack: Pack, name: str, switch: Switch) -> None:
    where = f"switches.{name}"
    if not switch.description.strip():
        raise PackError(f"{where}.description", "is empty")
    if switch.needs and (switch.needs == name or switch.needs not in pack.switches):
        raise PackError(f"{where}.needs", f"{switch.needs!r} is no other switch")
    cell = (switch.row, switch.state, switch.category, switch.becomes)
    if not any(cell):
        named = {rule.only_with for rule in pack.restrict}
        named |= {rule.unless for rule in pack.restrict}
        if name not in named:
            raise PackError(where, "changes nothing: no cell and no restriction")
        return
    for key, value in zip(("row", "state", "category", "becomes"), cell, strict=True):
        if not value:
            raise PackError(f"{where}.{key}", "a cell is row, state, category, becomes")
    if (switch.row, switch.category, switch.becomes) not in _SWITCHABLE:
        raise PackError(where, "is no switch that the decision table names")
    if pack.decide is None or switch.state is None:
        raise PackError(where, "the pack has no rows")
    if pack.decide.of(switch.state).row != switch.row:
        raise PackError(f"{where}.row", f"is not the row of {switch.state!r} here")


def _check_restriction(pack: Pack, where: str, rule: Restriction) -> None:
    _check_row(f"{where}.row", rule.row)
    if not rule.when:
        raise PackError(f"{where}.when", "names no flag")
    for flag in rule.when:
        if flag not in FLAGS:
            raise PackError(f"{where}.when", f"there is no flag {flag!r}")
    for key in ("only_with", "unless"):
        switch = getattr(rule, key)
        if switch and switch not in pack.switches:
            raise PackError(f"{where}.{key}", f"there is no switch {switch!r}")
    _check_caps(where, rule)


def _check_caps(where: str, rule: Restriction) -> None:
    capped = [name for name in CATEGORIES if rule.of(name) is not None]
    if not capped:
        raise PackError(where, "restricts nothing")
    for name in capped:
        _check_level(f"{where}.{name}", name, rule.of(name))
        if rule.of(name) == "identified":
            raise PackError(f"{where}.{name}", "is the most there is")
    for name in rule.allow_given:
        if name not in capped:
            raise PackError(f"{where}.allow_given", f"{name!r} is not restricted")


def _check_monotony(pack: Pack) -> None:
    if pack.decide is None:
        return
    for size in range(len(pack.switches) + 1):
        for names in itertools.combinations(sorted(pack.switches), size):
            _check_order(pack, frozenset(names))


def _check_order(pack: Pack, switches: frozenset[str]) -> None:
    for category in CATEGORIES:
        levels: list[Any] = [
            RANK[pack.cell(standing, category, switches)[0]] for standing in STANDINGS
        ]
        if levels != sorted(levels, reverse=True):
            with_ = f" with {', '.join(sorted(switches))}" if switches else ""
            raise PackError(
                f"decide.{category}", f"less consent allows more{with_}: not monotone"
            )
