"""Rows that the engine refuses are found and set aside; the others are stored."""

import logging
import math
from pathlib import Path

import pytest

import pipeline.load
from pipeline.load import MOST_BAD
from pipeline.store_errors import StoreRefused
from tests import loading
from tests.loading import (
    BAD,
    HEADERS,
    Store,
    away,
    did,
    failed_rows,
    loader,
    numbered,
    plans,
    seal,
)
from tests.spool_disk import segments

root, store, at_once = loading.root, loading.store, loading.at_once
pytestmark = pytest.mark.usefixtures("at_once")


def reasons(root: Path) -> set[str]:
    """Return what is said of what was set aside."""
    return {path.read_text() for path in (root / "failed").glob("*.reason")}


@pytest.mark.parametrize("place", [0, 1, 500, 998, 999])
def test_one_bad_row(root: Path, store: Store, place: int) -> None:
    """Wherever it is, it alone is set aside, by some 2 * log2(n) inserts."""
    good = [numbered(number) for number in range(1000)]
    good[place] = BAD
    seal(root, "events-0001", b"".join(good))
    loader(root, store).run_once()

    assert sorted(line.strip() for line in good if line != BAD) == sorted(store.rows)
    assert [BAD.strip()] == failed_rows(root)
    assert {"27 CANNOT_PARSE_INPUT\n"} == reasons(root)
    assert len(store.calls) <= 2 * math.ceil(math.log2(1000)) + 1
    assert [] == segments(root, "sealed")


def test_set_aside_with_header(
    root: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a segment of its own: same table, same header; no row is in the log."""
    seal(root, "events-0001", numbered(1, 2) + BAD)
    with caplog.at_level(logging.INFO, "kastana.load"):
        loader(root, store).run_once()
    (path,) = (root / "failed").glob("*.ndjson")

    assert HEADERS["events"] + BAD == path.read_bytes()
    assert path.name.startswith("events-")
    assert "bad line" not in caplog.text
    assert "canary" not in caplog.text


def test_bad_among_joined(root: Path, store: Store) -> None:
    """Of segments that were refused together only the one at fault is halved."""
    for number in (1, 2, 3):
        seal(root, f"events-000{number}", numbered(number, number + 10))
    seal(root, "events-0004", numbered(4) + BAD)

    assert did(4, 7, failed=1) == loader(root, store).run_once()
    assert sorted(numbered(1, 11, 2, 12, 3, 13, 4).splitlines()) == sorted(store.rows)
    assert ["0001", "0002", "0003"] == store.tokens[:3]
    assert [BAD.strip()] == failed_rows(root)


@pytest.mark.parametrize("seconds", [60.0, 0.0])
def test_many_bad_rows(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """When a segment has given so many, what is refused next is set aside whole."""
    monkeypatch.setattr(pipeline.load, "_PASS_S", seconds)
    rows = 512
    lines = [numbered(number) if number % 2 else BAD for number in range(rows)]
    seal(root, "counts-0001", b"".join(lines))
    one = loader(root, store)
    while one.run_once().more:
        continue
    good = {line.strip() for line in lines if line != BAD}

    assert good == set(store.rows) | set(failed_rows(root)) - {BAD.strip()}
    assert rows == len(store.rows) + len(failed_rows(root))
    assert MOST_BAD < len(list((root / "failed").glob("*.ndjson"))) < MOST_BAD + 15
    assert len(store.calls) < 100
    assert [] == segments(root, "sealed")


def test_choices_are_not_halved(root: Path, store: Store) -> None:
    """A refused segment of consent choices is set aside whole: it is one chain."""
    path = seal(root, "consents-0001", numbered(1) + BAD)
    content = path.read_bytes()

    assert did(failed=1) == loader(root, store).run_once()
    assert content == (root / "failed" / path.name).read_bytes()


def test_refused_for_what_no_row_is(root: Path, store: Store) -> None:
    """What is no fault of a row, with no number of the engine's, is not searched."""

    def refuse(_token: str) -> None:
        raise StoreRefused(0, "SEGMENT_HEADER")

    store.before = refuse
    seal(root, "events-0001", numbered(*range(100)))

    assert did(failed=1) == loader(root, store).run_once()
    assert 1 == len(store.calls)


def test_away_while_it_is_searched(root: Path, store: Store) -> None:
    """A store that goes away in between, with answers lost, changes no number."""
    lines = [numbered(number) for number in range(64)]
    lines[40] = lines[41] = BAD
    seal(root, "counts-0001", b"".join(lines))
    one = loader(root, store)
    for lost in (True, False) * 20:
        if lost:
            store.after = away
        one.run_once()
        store.heal()
        if not segments(root, "sealed"):
            break
        one = loader(root, store)

    assert sorted(line.strip() for line in lines if line != BAD) == sorted(store.rows)
    assert [BAD.strip()] * 2 == failed_rows(root)
    assert [] == segments(root, "sealed")


def test_perhaps_stored_is_not_halved(root: Path, store: Store) -> None:
    """What may be stored, from an attempt with other columns, is set aside whole."""
    path = seal(root, "events-0001", numbered(1))
    store.after = away
    loader(root, store).run_once()
    store.heal()
    (fixed,) = (root / "attempts").iterdir()
    fixed.write_text("of another header")
    path.write_bytes(HEADERS["events"] + numbered(1, 2) + BAD)

    assert did(failed=1) == loader(root, store).run_once()
    assert {"27 CANNOT_PARSE_INPUT maybe_stored\n"} == reasons(root)


def test_put_back_has_its_token(root: Path, store: Store) -> None:
    """What was refused and is put back is tried alone, under the id it had."""

    def refuse(_token: str) -> None:
        raise StoreRefused(0, "SEGMENT_HEADER")

    store.before = refuse
    seal(root, "events-0001", numbered(1))
    loader(root, store).run_once()
    store.heal()
    (root / "failed" / "events-0001.ndjson").rename(
        root / "sealed" / "events-0001.ndjson"
    )
    seal(root, "events-0002", numbered(2))
    loader(root, store).run_once()

    assert ["0001", "0002"] == store.tokens
    assert [] == plans(root)


def test_disk_is_full_while_it_is_halved(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for the halves the segment waits whole, and is halved later."""

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    seal(root, "events-0001", numbered(1, 2) + BAD)
    one = loader(root, store)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.load_plans, "replace_segment", full)
        one.run_once()

    assert "No space left on device" == one.problem
    assert ["events-0001.ndjson"] == [path.name for path in segments(root, "sealed")]

    one.run_once()

    assert numbered(1, 2).splitlines() == store.rows
    assert [BAD.strip()] == failed_rows(root)
