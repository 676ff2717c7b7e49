"""
How many live in a city, by its GeoNames id or by its name.

What is not known for certain is taken for small: of several places of a name the
smallest counts, and a city that is not listed has nobody. The file is written by
`python -m tests.cities`; numbers are rounded down to two digits, and cities below
15,000 inhabitants are not in it.
"""

import functools
import gzip
import itertools
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from pipeline.geo.region import fold

_FILE = Path(__file__).parent.parent / "data" / "cities.json.gz"
_LONGEST = 100
# Stretches of hashes, and how many low bits of a hash lie within one.
_STRETCHES = 1 << 13
_STRETCH = 64 - 13

# People by name, by country or division.
_Names = dict[str, dict[str, int]]


class CitiesError(Exception):
    """The file that comes with the package cannot be read."""


def people_by_id(geoname_id: int) -> int:
    """Return the inhabitants of a city; 0 if it is not a city of the list."""
    cities = _cities()
    return _at(geoname_id, cities.ids, cities.people, 0, len(cities.ids)) or 0


def people_by_name(country: str, region: str, name: str) -> int:
    """
    Return the inhabitants of the smallest city that may be meant.

    Args:
        country: ISO 3166-1 code.
        region: ISO 3166-2 code such as "US-OR", or "" if it is not known.
        name: the city's name in any spelling that GeoNames puts first, or that the
            default database uses.

    Returns:
        0 if the name is not one of the list.

    """
    if len(name) > _LONGEST:
        return 0
    folded, cities = fold(name), _cities()
    people = cities.divisions.people(region, folded)
    if people is None:
        people = cities.names.people(country, folded)
    return people or 0


def load() -> None:
    """
    Read the file now, some tens of milliseconds, and not at the first visitor.

    Raises:
        CitiesError: when it is damaged; so do all functions here.

    """
    _cities()


def source() -> str:
    """Return whose data these are, with the version."""
    return _cities().source


def count() -> int:
    """Return how many cities are known."""
    return len(_cities().ids)


class _File(msgspec.Struct):
    """What stands in the file; ids as the difference to the one before."""

    source: str
    id_steps: list[int]
    people: list[int]
    names: _Names
    divisions: _Names


class _Table:
    """
    People by where and name, as sorted hashes: a tenth of what dictionaries take.

    Two names meet by accident once in 2^64, see `pipeline.memo`.
    """

    def __init__(self, names: _Names) -> None:
        known = sorted(
            (hash((where, name)), people)
            for where, named in names.items()
            for name, people in named.items()
        )
        self._hashes = array("q", (one for one, _ in known))
        self._people = array("L", (people for _, people in known))
        # Where the hashes of each stretch begin: they are spread evenly, so that a
        # dozen are left to look through.
        self._starts = array(
            "L",
            (
                bisect_left(self._hashes, number << _STRETCH)
                for number in range(-_STRETCHES // 2, _STRETCHES // 2 + 1)
            ),
        )

    def people(self, where: str, name: str) -> int | None:
        """Return the people of a name, None if it is not known there."""
        key, starts = hash((where, name)), self._starts
        stretch = (key >> _STRETCH) + _STRETCHES // 2
        first, end = starts[stretch], starts[stretch + 1]
        return _at(key, self._hashes, self._people, first, end)


def _at(
    key: int, keys: Sequence[int], values: Sequence[int], first: int, end: int
) -> int | None:
    place = bisect_left(keys, key, first, end)
    found = place < end and keys[place] == key
    return values[place] if found else None


class _Cities(NamedTuple):
    source: str
    ids: Sequence[int]
    people: Sequence[int]
    names: _Table
    divisions: _Table


@functools.cache
def _cities() -> _Cities:
    file = _read()
    ids = itertools.accumulate(file.id_steps)
    return _Cities(
        file.source,
        array("L", ids),
        array("L", file.people),
        _Table(file.names),
        _Table(file.divisions),
    )


def _read() -> _File:
    try:
        return msgspec.json.decode(gzip.decompress(_FILE.read_bytes()), type=_File)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        message = f"{_FILE.name} cannot be read ({type(error).__name__})"
        raise CitiesError(message) from error
