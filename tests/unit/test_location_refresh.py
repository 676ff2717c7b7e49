"""Databases that change, appear and vanish while they are in use."""

import gc
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.geo.files import Spot, databases_in
from pipeline.location import Locator
from tests.mmdb import write_mmdb
from tests.unit.test_location import FLAT, PACK

ADDRESS = "81.2.69.142"


def database(path: Path, city: str, country: str = "DE") -> Path:
    """Write a database in which every address is in one city; as a rename does it."""
    record: dict[str, Any] = FLAT | {
        "city": city,
        "country_code": country,
        "state1": "",
    }
    write_mmdb(path.with_suffix(".part"), "city ipv6", 6, {"81.2.69.0/24": record})
    return path.with_suffix(".part").rename(path)


def city(locator: Locator) -> str:
    """Return the city in which the address is."""
    return locator.locate(ADDRESS, PACK).locality_name


def mapped(path: Path) -> int:
    """Return how often a file, replaced ones too, is mapped into this process."""
    gc.collect()
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return sum(1 for line in lines if str(path) in line)


def test_a_new_file_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A replaced file is in use at the next look, its cached answers too; once."""
    caplog.set_level(logging.INFO, "kastana.location")
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path])
    assert city(locator) == "Munich"

    database(path, "Hamburg")
    assert city(locator) == "Munich"
    locator.refresh()
    assert city(locator) == "Hamburg"
    assert ["x.mmdb is read anew"] == caplog.messages
    locator.refresh()
    assert city(locator) == "Hamburg"
    assert len(caplog.records) == 1


def test_of_several_only_the_new_one_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that stayed as it was is not said to be read anew."""
    caplog.set_level(logging.INFO, "kastana.location")
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path, database(tmp_path / "y.mmdb", "Berlin")])

    database(path, "Hamburg")
    locator.refresh()
    path.write_bytes(b"broken")
    locator.refresh()
    database(path, "Munich")
    locator.refresh()
    new = [text for text in caplog.messages if "read anew" in text]
    assert ["x.mmdb is read anew"] * 2 == new


def test_nothing_is_opened_again_without_need(tmp_path: Path) -> None:
    """A look at files that are as they were changes nothing, caches included."""
    locator = Locator([database(tmp_path / "x.mmdb", "Munich")])
    before = locator._open
    locator.refresh()

    assert before is locator._open


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="no list of mapped files"
)
def test_the_old_file_is_closed(tmp_path: Path) -> None:
    """What nobody uses any more is closed: replaced files give their space back."""
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path])
    for name in ("Hamburg", "Berlin", "Munich"):
        database(path, name)
        locator.refresh()
        assert city(locator) == name

    assert 1 == mapped(path)
    path.unlink()
    locator.refresh()
    assert 0 == mapped(path)


def test_appearing_and_vanishing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was missing is read when it comes; without it nothing is known."""
    path = tmp_path / "x.mmdb"
    locator = Locator([path])
    assert (city(locator), locator.condition) == ("", (0, 1))

    database(path, "Munich")
    locator.refresh()
    assert (city(locator), locator.condition) == ("Munich", (1, 0))
    assert locator.problem == ""

    path.unlink()
    locator.refresh()
    locator.refresh()
    assert (city(locator), locator.condition) == ("", (0, 1))
    assert ["locations are limited: x.mmdb is missing"] * 2 == caplog.messages


def test_files_of_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files that come into the folder are found; in the order of their names."""
    locator = Locator(lambda: databases_in(tmp_path))
    assert locator.problem == "no city database is configured"

    database(tmp_path / "b.mmdb", "Munich")
    locator.refresh()
    assert city(locator) == "Munich"
    database(tmp_path / "a.mmdb", "Hamburg")
    locator.refresh()
    assert city(locator) == "Hamburg"
    (tmp_path / "a.mmdb").unlink()
    locator.refresh()
    assert city(locator) == "Munich"
    assert len(caplog.records) == 1
    (tmp_path / "b.mmdb").unlink()
    locator.refresh()
    assert not locator.available
    assert ["locations are off: no city database is configured"] * 2 == caplog.messages


@pytest.mark.parametrize("share", [0.0, 0.3, 0.98])
def test_half_a_file_keeps_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    """A new file that cannot be read is said once; the old one answers on."""
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path])
    whole = database(tmp_path / "whole", "Hamburg").read_bytes()
    for _ in range(3):
        part = tmp_path / "part"
        part.write_bytes(whole[: int(len(whole) * share)])
        part.rename(path)
        locator.refresh()

    assert (city(locator), locator.condition) == ("Munich", (1, 1))
    assert locator.place("81.2.69.7") == "DE"
    assert len(caplog.records) == 1
    assert "x.mmdb cannot be read" in caplog.text

    (tmp_path / "whole").rename(path)
    locator.refresh()
    assert (city(locator), locator.condition) == ("Hamburg", (1, 0))


def test_overwritten_in_place(tmp_path: Path) -> None:
    """Of a mapped file that was overwritten the old content is gone: it is let go."""
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path])
    with path.open("r+b") as file:
        # The tree is not overwritten yet and would still give an answer.
        file.seek(-20, os.SEEK_END)
        file.write(bytes(20))
    locator.refresh()

    assert (city(locator), locator.condition) == ("", (0, 1))


def test_same_size_and_time(tmp_path: Path) -> None:
    """Another file is another one, though size and time are those of the first."""
    path = database(tmp_path / "x.mmdb", "Munich")
    before = path.stat()
    locator = Locator([path])
    database(path, "Berlin")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    locator.refresh()

    assert city(locator) == "Berlin"


def test_an_answer_under_way_does_not_outlive_its_file(tmp_path: Path) -> None:
    """A look-up that began before a change ends after it, and is not remembered."""
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path])
    under_way, changed = threading.Event(), threading.Event()
    old = locator._open.databases[0]

    def slow(address: str) -> Spot:
        under_way.set()
        assert changed.wait(20)
        return old.find(address)

    locator._open = locator._opened((old._replace(find=slow),))
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(city(locator)))
    asking.start()
    assert under_way.wait(20)
    database(path, "Hamburg")
    locator.refresh()
    changed.set()
    asking.join(20)

    assert ["Munich"] == answers
    assert city(locator) == "Hamburg"


def test_asked_while_files_change(tmp_path: Path) -> None:
    """Any number of looks and changes at once: every answer is one of a whole file."""
    path = database(tmp_path / "x.mmdb", "Munich")
    locator = Locator([path])
    stop, answers, failed = threading.Event(), set[str](), list[BaseException]()

    def ask() -> None:
        try:
            while not stop.is_set():
                answers.add(city(locator))
                locator.refresh()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        database(path, ("Hamburg", "Berlin")[turn % 2])
    stop.set()
    for thread in threads:
        thread.join(20)

    assert [] == failed
    assert {"Hamburg", "Berlin"} & answers
    assert answers <= {"Munich", "Hamburg", "Berlin"}
