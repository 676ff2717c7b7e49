"""
Where an address is, from database files; or a country, from its code.

No answer leaves the machine and none is precise: of what a database says the ladder
continent, country, region, city is climbed as far as enough people live on a rung.
Coordinates, postal codes, radii and districts are not kept. Without a database, or with
a broken one, Kastana works on without locations.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Literal, NamedTuple

import msgspec

from pipeline.address import client_bytes, truncate
from pipeline.geo.countries import continent_of, people_a_region, people_of
from pipeline.geo.files import (
    GEONAMES,
    UNKNOWN,
    Attribution,
    Database,
    DatabaseError,
    Spot,
    open_database,
)
from pipeline.memo import remember
from schemas.precision import Precision

_LOG = logging.getLogger("kastana.location")

# Callers are remembered with their places: this is for addresses that several agents
# share, and for what truncation leaves of many.
_CACHED = 1024
_V4_BYTES = 4
# The smallest region of a country is far below the mean of its regions.
_SPREAD = 5


class Location(msgspec.Struct, frozen=True):
    """A place as coarse as it may be kept, and what it was derived from."""

    country_iso_code: str = ""
    region_iso_code: str = ""
    locality_name: str = ""
    source: Literal["address", "header", "time_zone", "none"] = "none"
    continent_code: str = ""


NOWHERE = Location()


class Condition(NamedTuple):
    """How many files answer, and how many cannot be read as they are now."""

    ok: int
    broken: int


class _File(NamedTuple):
    """A file as it was found at the last look; `mark` is None if it was not there."""

    mark: tuple[int, ...] | None
    database: Database | None
    problem: str


class _Open(NamedTuple):
    """The databases of one look with the cache of their answers: changed as one."""

    databases: tuple[Database, ...]
    spot: Callable[[str], Spot]


class Locator:
    """Looks addresses up in one or more database files, the first answer wins."""

    def __init__(
        self,
        paths: Sequence[Path] | Callable[[], Sequence[Path]] = (),
        copies: Path | None = None,
    ) -> None:
        """
        Open the databases; what cannot be opened is left out with one warning.

        Args:
            paths: database files, or what returns those that there are at the moment.
            copies: folder for the copies that are mapped, see `open_database`.

        """
        self._paths = paths if callable(paths) else lambda: paths
        self._copies = copies
        self._changing = threading.Lock()
        self._files: dict[Path, _File] | None = None
        # How often the files changed: what was derived under another number is old.
        self.edition = 0
        self._open = self._opened(())
        self.refresh()

    @property
    def available(self) -> bool:
        """Whether at least one database answers."""
        return bool(self._open.databases)

    @property
    def databases(self) -> tuple[Database, ...]:
        """The databases that answer, in the order in which they are asked."""
        return self._open.databases

    @property
    def condition(self) -> Condition:
        """How the files are, in numbers."""
        files = (self._files or {}).values()
        broken = sum(1 for file in files if file.problem)
        return Condition(len(self._open.databases), broken)

    @property
    def problem(self) -> str:
        """What is wrong with the databases, "" when nothing is."""
        if not self._files:
            return "no city database is configured"
        return "; ".join(file.problem for file in self._files.values() if file.problem)

    @property
    def attributions(self) -> tuple[Attribution, ...]:
        """What the licences of the data in use want said, once each."""
        if not self.available:
            return ()
        found = (database.attribution for database in self._open.databases)
        lines = (line for line in found if line is not None)
        return tuple(dict.fromkeys((*lines, GEONAMES)))

    def place(self, address: str) -> str:
        """
        Return where rules apply to an address: "US-CA", "DE", or "" if not known.

        As fine as the database says it, and for choosing rules alone.
        """
        return place_of(self.spot(address))

    def spot(self, address: str) -> Spot:
        """Return what the databases say of an address: too fine to be kept."""
        return self._open.spot(address)

    def locate(
        self, address: str, precision: Precision, spot: Spot | None = None
    ) -> Location:
        """
        Return where an address is, as finely as it may be kept.

        Args:
            address: any spelling; what is none is nowhere.
            precision: if the address itself is looked up or what is left of it after
                truncation, and which cities may be named.
            spot: what `spot` said of the address, if it was asked.

        """
        if precision.lookup == "truncated":
            address = truncate(address, precision.address_v4, precision.address_v6)
            spot = None
        return _climb(self._open.spot(address) if spot is None else spot, precision)

    def refresh(self) -> None:
        """
        Open what changed, appeared or vanished since the last look.

        A stat for each file when nothing did. What was read before stays in use where
        the new file cannot be read, and for look-ups that are under way.
        """
        with self._changing:
            before = self._files
            known = before or {}
            files = {path: self._look(path, known.get(path)) for path in self._paths()}
            if files != before:
                self._change(files)

    def _look(self, path: Path, before: _File | None) -> _File:
        mark = _mark(path)
        if before is not None and before.mark == mark:
            return before
        if mark is None:
            return _File(None, None, f"{path.name} is missing")
        try:
            return _File(mark, open_database(path, self._copies), "")
        except DatabaseError as error:
            problem = f"{path.name} {error}"
        kept = before.database if before is not None else None
        # Overwritten in place: what is mapped is the new content.
        if before is not None and before.mark is not None and self._copies is None:
            kept = kept if before.mark[:2] != mark[:2] else None
        return _File(mark, kept, problem)

    def _change(self, files: dict[Path, _File]) -> None:
        known, self._files = self._files or {}, files
        found = (file.database for file in files.values())
        self._open = self._opened(tuple(one for one in found if one is not None))
        # After the change: what is looked up in between is soon looked up again.
        self.edition += 1
        if not files:
            _LOG.warning("locations are off: %s", self.problem)
        for path, file in files.items():
            before = known.get(path)
            if file.problem and (before is None or before.problem != file.problem):
                _LOG.warning("locations are limited: %s", file.problem)
            elif before is not None and file.database is not before.database:
                _LOG.info("%s is read anew", path.name)

    def _opened(self, databases: tuple[Database, ...]) -> _Open:
        # A cache of its own for each look: an answer of the files before, that is
        # under way now, cannot end up among those of the files after.
        def find(address: str) -> Spot:
            return self._find(address, databases)

        return _Open(databases, remember(_CACHED)(find))

    def _find(self, address: str, databases: tuple[Database, ...]) -> Spot:
        packed = client_bytes(address)
        if packed is None:
            return UNKNOWN
        # One spelling, that the reader understands.
        version, family = (4, AF_INET) if len(packed) == _V4_BYTES else (6, AF_INET6)
        text = inet_ntop(family, packed)
        for database in databases:
            if version > database.ip_version:
                continue
            try:
                spot = database.find(text)
            except DatabaseError as error:
                self._drop(database, error)
                continue
            if spot is not UNKNOWN:
                return spot
        return UNKNOWN

    def _drop(self, database: Database, error: DatabaseError) -> None:
        """Do without a database until its file changes."""
        with self._changing:
            files = dict(self._files or {})
            for path, file in files.items():
                if file.database is database:
                    files[path] = _File(file.mark, None, f"{path.name} {error}")
                    self._change(files)
                    return


def place_of(spot: Spot) -> str:
    """Return where rules apply: "US-CA", "DE", or "" if not known."""
    return spot.region or spot.country


def of_country(
    code: str, source: Literal["header", "time_zone"], least: int = 0
) -> Location:
    """
    Return the location that is a country alone.

    Args:
        code: ISO 3166-1; NOWHERE if it is none.
        source: what said it.
        least: inhabitants below which only the continent is told.

    """
    people = people_of(code)
    if people is None:
        return NOWHERE
    country = code if people >= least else ""
    return Location(country, "", "", source, continent_of(code))


def _climb(spot: Spot, precision: Precision) -> Location:
    """Make a location of a spot: the one place that decides how fine it is."""
    if spot is UNKNOWN:
        return NOWHERE
    least, country = precision.city_population, spot.country
    people = people_of(country)
    if not country or (people is not None and people < least):
        return Location("", "", "", "address", spot.continent)
    if spot.people >= least and spot.radius_km <= precision.city_radius_km:
        return Location(country, spot.region, spot.city, "address", spot.continent)
    told = people_a_region(country) >= _SPREAD * least
    return Location(country, spot.region if told else "", "", "address", spot.continent)


def _mark(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from another; None if there is none."""
    try:
        now = path.stat()
    except OSError:
        # Also what may not be looked at; for the reader it is not there.
        return None
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
