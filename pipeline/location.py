"""
Where an address is, from a database file; or a country, from a time zone.

No answer leaves the machine and none is precise: country, region and the name of
the place. Coordinates, postal codes, radii and districts are not read. Without a
database, or with a broken one, Kastana works on without locations.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from importlib import resources
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal, NamedTuple, Self

import geoip2.database
import geoip2.errors
import geoip2.models
import maxminddb
import msgspec

from pipeline.address import parse
from pipeline.region import region_code

_LOG = logging.getLogger("kastana.location")

_CACHED = 32768
_MAX_LOCALITY = 100

_MODES = {"mmap": maxminddb.MODE_AUTO, "memory": maxminddb.MODE_MEMORY}
_UNREADABLE = (OSError, ValueError, maxminddb.InvalidDatabaseError)


class Location(msgspec.Struct, frozen=True):
    """A place as coarse as it may be kept, and what it was derived from."""

    country_iso_code: str = ""
    region_iso_code: str = ""
    locality_name: str = ""
    source: Literal["address", "header", "time_zone", "none"] = "none"
    continent_code: str = ""


NOWHERE = Location()


class Attribution(NamedTuple):
    """What a database's licence wants said wherever its results are shown."""

    text: str
    url: str


_ATTRIBUTIONS = {
    "dbip": Attribution("IP Geolocation by DB-IP", "https://db-ip.com"),
    "geolite2": Attribution(
        "This product includes GeoLite2 Data created by MaxMind",
        "https://www.maxmind.com",
    ),
}

_Address = IPv4Address | IPv6Address


class _Database(NamedTuple):
    path: Path
    ip_version: int
    find: Callable[[_Address], Location]
    close: Callable[[], None]
    attribution: Attribution | None


class Locator:
    """
    Looks addresses up in one or more MaxMind DB files, the first answer wins.

    Read are MaxMind's and DB-IP's own city and country databases and the flat ones
    of ip-location-db; which of them a file is, its metadata say.
    """

    def __init__(
        self, paths: Sequence[Path] = (), mode: Literal["mmap", "memory"] = "mmap"
    ) -> None:
        """
        Open the databases; what cannot be opened is left out with one warning.

        Args:
            paths: database files; the names of ip-location-db's files are kept, as
                they say whose data it is.
            mode: "mmap" shares the pages between processes; "memory" reads the file
                whole and so survives its being overwritten.

        """
        self._databases: list[_Database] = []
        self._problem = "" if paths else "no city database is configured"
        for path in paths:
            try:
                self._databases.append(_open(path, mode))
            except _UNREADABLE as error:
                self._note(path, error)
        if not paths:
            _LOG.warning("locations are off: %s", self._problem)
        self._cached = functools.lru_cache(maxsize=_CACHED)(self._find)

    @property
    def available(self) -> bool:
        """Whether at least one database answers."""
        return bool(self._databases)

    @property
    def problem(self) -> str:
        """What is wrong with the databases, "" when nothing is."""
        return self._problem

    @property
    def attributions(self) -> tuple[Attribution, ...]:
        """What the licences of the open databases want said, once each."""
        found = (database.attribution for database in self._databases)
        return tuple(dict.fromkeys(line for line in found if line is not None))

    def lookup(self, address: str) -> Location:
        """Return where an address is; NOWHERE when no database says."""
        return self._cached(address)

    def close(self) -> None:
        """Close the databases."""
        for database in self._databases:
            database.close()
        self._databases.clear()

    def __enter__(self) -> Self:
        """Return the locator itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the databases."""
        self.close()

    def _find(self, text: str) -> Location:
        address = parse(text)
        if address is None:
            return NOWHERE
        for database in tuple(self._databases):
            if address.version > database.ip_version:
                continue
            try:
                location = database.find(address)
            except _UNREADABLE as error:
                self._databases.remove(database)
                self._note(database.path, error)
                continue
            if location.source == "address":
                return location
        return NOWHERE

    def _note(self, path: Path, error: Exception) -> None:
        # The error's own text stays out: it can quote the address looked up.
        self._problem = f"{path.name} cannot be read ({type(error).__name__})"
        _LOG.warning("locations are limited: %s", self._problem)


def _open(path: Path, mode: Literal["mmap", "memory"]) -> _Database:
    flat = maxminddb.open_database(path, _MODES[mode])
    metadata = flat.metadata()
    kind = metadata.database_type
    credit = _attribution(f"{kind} {path.name}")
    if kind.startswith(("city ", "country ")):
        return _Database(
            path,
            metadata.ip_version,
            lambda address: _from_flat(flat.get(address)),
            flat.close,
            credit,
        )
    flat.close()
    if "City" not in kind and "Country" not in kind:
        raise ValueError("not a city or country database")
    reader = geoip2.database.Reader(path, locales=["en"], mode=_MODES[mode])
    return _Database(
        path,
        metadata.ip_version,
        functools.partial(
            _from_model, reader.city if "City" in kind else reader.country
        ),
        reader.close,
        credit,
    )


def _attribution(names: str) -> Attribution | None:
    words = names.lower()
    return next((line for name, line in _ATTRIBUTIONS.items() if name in words), None)


def _from_flat(record: object) -> Location:
    if not isinstance(record, dict):
        return NOWHERE
    return _place(
        record.get("country_code"), "", record.get("state1"), record.get("city")
    )


def _from_model(
    find: Callable[[_Address], geoip2.models.Country], address: _Address
) -> Location:
    try:
        model = find(address)
    except geoip2.errors.AddressNotFoundError:
        return NOWHERE
    country = model.country.iso_code
    if not isinstance(model, geoip2.models.City):
        return _place(country, "", "", "")
    # The largest subdivision: England, not the county in it.
    first = model.subdivisions[0] if model.subdivisions else None
    return _place(
        country,
        first.iso_code if first else "",
        first.name if first else "",
        model.city.name,
    )


def _place(country: object, code: object, region: object, city: object) -> Location:
    """Make a location of a record: the one place that decides how fine it is."""
    if not isinstance(country, str) or len(country) != len("XX"):
        return NOWHERE
    if isinstance(code, str) and code:
        region_iso_code = f"{country}-{code}"
    else:
        region_iso_code = (
            region_code(country, region) if isinstance(region, str) else ""
        )
    # "Caracas (Altamira)": a district may be a few streets.
    name = city.partition("(")[0].strip() if isinstance(city, str) else ""
    return Location(country, region_iso_code, name[:_MAX_LOCALITY], "address")


# Old names of zones that were merged into a zone of several countries, so that the
# target does not tell their country. tzdata's "backward" file says it in comments.
_MERGED_ZONES = {
    "Africa/Asmera": "ER",
    "Africa/Timbuktu": "ML",
    "America/Coral_Harbour": "CA",
    "America/Montreal": "CA",
    "America/Nipigon": "CA",
    "America/Thunder_Bay": "CA",
    "America/Virgin": "VI",
    "Antarctica/South_Pole": "AQ",
    "Asia/Rangoon": "MM",
    "Atlantic/Jan_Mayen": "SJ",
    "Canada/Eastern": "CA",
    "Europe/Belfast": "GB",
    "GB": "GB",
    "GB-Eire": "GB",
    "Iceland": "IS",
    "Japan": "JP",
    "NZ": "NZ",
    "Pacific/Ponape": "FM",
    "Pacific/Samoa": "AS",
    "Pacific/Truk": "FM",
    "Pacific/Yap": "FM",
    "Singapore": "SG",
    "US/Arizona": "US",
    "US/Samoa": "AS",
}
# Offsets by the name of a zone; since 2024 they are links to one, but say no place.
_OFFSETS = frozenset(("CET", "EET", "EST", "HST", "MET", "MST", "WET"))


def country_of_time_zone(name: str) -> str:
    """Return the ISO 3166-1 code of an IANA time zone's country; "" if it has none."""
    return _countries().get(name, "")


@functools.cache
def _countries() -> dict[str, str]:
    """Read zone.tab, which gives each zone one country, and the links to its zones."""
    folder = resources.files("tzdata") / "zoneinfo"
    countries = {
        zone: code for code, _, zone in _rows(folder.joinpath("zone.tab").read_text())
    }
    shared = {
        zone
        for codes, _, zone in _rows(folder.joinpath("zone1970.tab").read_text())
        if "," in codes
    }
    for line in folder.joinpath("tzdata.zi").read_text().splitlines():
        if line.startswith("L "):
            _, target, name = line.split(" ")
            if target in countries and target not in shared and name not in _OFFSETS:
                countries.setdefault(name, countries[target])
    return countries | _MERGED_ZONES


def _rows(table: str) -> list[tuple[str, str, str]]:
    lines = (line.split("\t") for line in table.splitlines() if line[:1] != "#")
    return [(line[0], line[1], line[2]) for line in lines]
