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
from pathlib import Path
from typing import NamedTuple

import msgspec

from pipeline.geo.region import fold
from pipeline.memo import remember

_FILE = Path(__file__).parent.parent / "data" / "cities.json.gz"
_REMEMBERED = 4096
_LONGEST = 100

# People by name, by country or division.
_Names = dict[str, dict[str, int]]
_NOBODY: dict[str, int] = {}


class CitiesError(Exception):
    """The file that comes with the package cannot be read."""


def people_by_id(geoname_id: int) -> int:
    """Return the inhabitants of a city; 0 if it is not a city of the list."""
    return _cities().by_id.get(geoname_id, 0)


@remember(_REMEMBERED)
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
    people = cities.divisions.get(region, _NOBODY).get(folded)
    if people is None:
        people = cities.names.get(country, _NOBODY).get(folded, 0)
    return people


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
    return len(_cities().by_id)


class _File(msgspec.Struct):
    """What stands in the file; ids as the difference to the one before."""

    source: str
    id_steps: list[int]
    people: list[int]
    names: _Names
    divisions: _Names


class _Cities(NamedTuple):
    source: str
    by_id: dict[int, int]
    names: _Names
    divisions: _Names


@functools.cache
def _cities() -> _Cities:
    try:
        file = msgspec.json.decode(gzip.decompress(_FILE.read_bytes()), type=_File)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        message = f"{_FILE.name} cannot be read ({type(error).__name__})"
        raise CitiesError(message) from error
    ids = itertools.accumulate(file.id_steps)
    return _Cities(
        file.source,
        dict(zip(ids, file.people, strict=True)),
        file.names,
        file.divisions,
    )
