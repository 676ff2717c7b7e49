"""
City and country databases in MaxMind's format: opening, checking and reading them.

Read are MaxMind's and DB-IP's own databases and the flat ones of ip-location-db; which
of them a file is, its metadata say. A file is by others and may be anything: whatever
is wrong with it comes out as a `DatabaseError` whose words hold nothing of what was
asked.
"""

import datetime as dt
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import geoip2.models
import maxminddb
import msgspec

from pipeline.geo.cities import load, people_by_id, people_by_name
from pipeline.geo.copies import stable_copy
from pipeline.geo.countries import CONTINENTS, continent_of
from pipeline.geo.region import region_code
from pipeline.memo import remember

# What the reader raises for a file that is not what it says, or is no more.
_BROKEN = (OSError, ValueError, MemoryError, maxminddb.InvalidDatabaseError)
# What a model raises for a record that is not of its shape.
_OTHER_SHAPE = (AttributeError, LookupError, TypeError, ValueError)
_MAX_LOCALITY = 100
_REMEMBERED = 4096


class DatabaseError(Exception):
    """A file that cannot be used, in words that follow its name."""


class Spot(msgspec.Struct, frozen=True):
    """
    What a database says of an address: too fine to be kept as it is.

    Attributes:
        country: ISO 3166-1 code, or "".
        region: ISO 3166-2 code, or "".
        city: name without its district, or "".
        people: inhabitants of the city; 0 if not known.
        radius_km: how far off the place may be, kilometres; 0 if not told.
        continent: AF, AN, AS, EU, NA, OC, SA, or "".

    """

    country: str = ""
    region: str = ""
    city: str = ""
    people: int = 0
    radius_km: int = 0
    continent: str = ""


UNKNOWN = Spot()


class Attribution(NamedTuple):
    """What a licence wants said wherever results are shown."""

    text: str
    url: str


# The inhabitants of cities and countries, whichever database is read.
GEONAMES = Attribution("Inhabitants by GeoNames", "https://www.geonames.org")
_ATTRIBUTIONS = {
    "dbip": Attribution("IP Geolocation by DB-IP", "https://db-ip.com"),
    "geolite2": Attribution(
        "This product includes GeoLite2 Data created by MaxMind",
        "https://www.maxmind.com",
    ),
}


class Database(NamedTuple):
    """
    An open file.

    Attributes:
        name: the file's name.
        kind: what its metadata call it.
        built: the day it was made, ISO 8601, or "".
        ip_version: 4 or 6; 6 has the addresses of 4 as well.
        find: returns the spot of an address in its canonical spelling, or raises
            `DatabaseError`. The file is closed when nothing refers to it any more.
        attribution: what its licence wants said.

    """

    name: str
    kind: str
    built: str
    ip_version: int
    find: Callable[[str], Spot]
    attribution: Attribution | None


def databases_in(folder: Path) -> list[Path]:
    """Return the database files that lie in a folder now, by name."""
    return sorted(folder.glob("*.mmdb"))


def open_database(path: Path, copies: Path | None = None) -> Database:
    """
    Open a file and see if a record of it is what its type promises.

    Args:
        path: a database; the names of ip-location-db's files are kept, as they say
            whose data it is.
        copies: folder for the copies that are mapped. Without one it is the file
            itself, which must then be replaced by a rename and not overwritten.

    Raises:
        DatabaseError: when it cannot be used.

    """
    try:
        # A pipe would be waited for.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DatabaseError("is not a file")
        source = path if copies is None else stable_copy(path, copies)
        reader = maxminddb.open_database(source)
        metadata = reader.metadata()
        kind = metadata.database_type
        read = _reading(kind)
        first = next((record for _, record in reader), None)
    except _BROKEN as error:
        raise _unreadable(error) from error
    _check(kind, first)
    # Now, and not at the first visitor.
    load()

    def find(address: str) -> Spot:
        try:
            record = reader.get(address)
        except _BROKEN as error:
            # Its text can quote the address.
            raise _unreadable(error) from None
        return read(record) if isinstance(record, dict) else UNKNOWN

    return Database(
        path.name,
        kind,
        _day(metadata.build_epoch),
        metadata.ip_version,
        find,
        _attribution(f"{kind} {path.name}"),
    )


def _unreadable(error: Exception) -> DatabaseError:
    return DatabaseError(f"cannot be read ({type(error).__name__})")


def _reading(kind: str) -> Callable[[dict[str, object]], Spot]:
    if kind.startswith(("city ", "country ")):
        return _from_flat
    if _model(kind) is None:
        raise DatabaseError("is no city or country database")
    return _from_record


def _model(kind: str) -> type[geoip2.models.Country] | None:
    # Enterprise databases and DB-IP's "Location (compat=City)" have cities as well.
    if "City" in kind or "Enterprise" in kind:
        return geoip2.models.City
    return geoip2.models.Country if "Country" in kind else None


def _check(kind: str, record: object) -> None:
    """Let geoip2's model of such a database take one record."""
    if record is None:
        return
    if not isinstance(record, dict):
        raise DatabaseError("has records of another shape")
    model = _model(kind)
    if model is not None:
        try:
            model(["en"], **record)
        except _OTHER_SHAPE as error:
            raise DatabaseError("has records of another shape") from error


def _day(epoch_s: int) -> str:
    try:
        return dt.datetime.fromtimestamp(epoch_s, dt.UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        # The file says a time that no calendar has.
        return ""


def _attribution(names: str) -> Attribution | None:
    words = names.lower()
    return next((line for name, line in _ATTRIBUTIONS.items() if name in words), None)


def _from_flat(record: dict[str, object]) -> Spot:
    return _spot(
        _text(record.get("country_code")),
        "",
        _text(record.get("state1")),
        _text(record.get("city")),
        0,
        0,
        "",
    )


def _from_record(record: dict[str, object]) -> Spot:
    city = _map(record.get("city"))
    # The largest subdivision: England, not the county in it.
    divisions = record.get("subdivisions")
    first = _map(divisions[0]) if isinstance(divisions, list) and divisions else {}
    return _spot(
        _text(_map(record.get("country")).get("iso_code")),
        _text(first.get("iso_code")),
        _text(_map(first.get("names")).get("en")),
        _text(_map(city.get("names")).get("en")),
        _number(city.get("geoname_id")),
        _number(_map(record.get("location")).get("accuracy_radius")),
        _text(_map(record.get("continent")).get("code")),
    )


# Millions of addresses share a few ten thousand places.
@remember(_REMEMBERED)
def _spot(  # noqa: PLR0913 - what a record may say
    country: str,
    code: str,
    region: str,
    city: str,
    geoname_id: int,
    radius_km: int,
    continent: str,
) -> Spot:
    continent = continent_of(country) or continent
    if continent not in CONTINENTS:
        continent = ""
    if len(country) != len("XX"):
        return Spot(continent=continent) if continent else UNKNOWN
    region_iso_code = f"{country}-{code}" if code else region_code(country, region)
    # "Caracas (Altamira)": a district may be a few streets.
    name = city.partition("(")[0].strip()[:_MAX_LOCALITY]
    people = (
        people_by_id(geoname_id)
        if geoname_id
        else people_by_name(country, region_iso_code, name)
    )
    return Spot(
        country,
        region_iso_code,
        name,
        people,
        radius_km,
        continent,
    )


def _map(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
