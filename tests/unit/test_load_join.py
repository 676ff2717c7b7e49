"""Small segments go into one insert, the same one however often it is tried."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pipeline.durable
import pipeline.load
import pipeline.load_plans
from pipeline.load_plans import Plans, prepare
from pipeline.segment import make_folders
from tests import loading
from tests.loading import BAD, HEADERS, Store, away, did, loader, numbered, plans, seal
from tests.spool_disk import segments
from tests.withdrawals import BERT, Stage, line

root, store, at_once = loading.root, loading.store, loading.at_once
pytestmark = pytest.mark.usefixtures("at_once")


class Killed(BaseException):
    """What a process never sees: its own kill -9."""


@contextmanager
def killed_at(step: int, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let the process die right before its n-th change of the disk."""
    steps: list[str] = []
    with patch.context() as patched:
        for name in ("rename", "unlink"):
            patched.setattr(Path, name, _dying(getattr(Path, name), name, step, steps))
        for module in (pipeline.durable, pipeline.load_plans, pipeline.load):
            for name in ("replace_file", "sync_folder", "replace_segment"):
                real = getattr(module, name, None)
                if real is not None:
                    patched.setattr(module, name, _dying(real, name, step, steps))
        yield steps


def _dying(real: object, name: str, step: int, steps: list[str]) -> object:
    def call(*arguments: object, **options: object) -> object:
        steps.append(name)
        if len(steps) >= step:
            raise Killed
        return real(*arguments, **options)  # type: ignore[operator]

    return call


def spool(root: Path) -> None:
    """Fill a spool: small segments, two of them with a row that is refused."""
    seal(root, "counts-0001", numbered(1))
    seal(root, "counts-0002", numbered(2))
    seal(root, "events-0003", numbered(3))
    seal(root, "events-0004", numbered(4, 5) + BAD)
    seal(root, "events-0005", BAD)


EXPECTED = sorted(numbered(*range(1, 6)).splitlines())


def test_one_insert_for_several(root: Path, store: Store) -> None:
    """What waits of a table is one insert: one header, the rows in order."""
    for number in (2, 1, 3):
        seal(root, f"events-000{number}", numbered(number))
    seal(root, "counts-0009", numbered(9))

    assert did(4, 4, inserts=2) == loader(root, store).run_once()
    assert [
        HEADERS["counts"] + numbered(9),
        HEADERS["events"] + numbered(1, 2, 3),
    ] == [body for _, body, _ in store.calls]
    assert 4 == len(segments(root, "loaded"))
    assert [] == plans(root)


def test_token_follows_from_the_members(tmp_path: Path) -> None:
    """The same segments have one token, others another."""
    found = []
    for number, names in enumerate(["12", "12", "123"]):
        folder = tmp_path / str(number)
        make_folders(folder)
        prepare(folder)
        store = Store()
        for name in names:
            seal(folder, f"events-000{name}")
        loader(folder, store).run_once()
        found += store.tokens

    assert found[0] == found[1]
    assert 2 == len(set(found))
    assert not {"0001", "0002", "0003"} & set(found)


def test_what_comes_later_is_another_insert(root: Path, store: Store) -> None:
    """A joint whose end is not known keeps its members, bytes and token."""
    for number in (1, 2):
        seal(root, f"events-000{number}", numbered(number))
    store.after = away
    loader(root, store).run_once()
    for number in (0, 3):
        seal(root, f"events-000{number}", numbered(number))
    loader(root, store).run_once()
    store.heal()

    assert did(4, 4, inserts=3) == loader(root, store).run_once()
    tries = [call for call in store.calls if call[2] == store.calls[0][2]]
    assert [store.calls[0]] * 2 == tries
    assert numbered(1, 2, 0, 3).splitlines() == store.rows


def test_tried_alone_stays_alone(root: Path, store: Store) -> None:
    """A segment that was tried under its own id is never joined to another."""
    seal(root, "events-0002", numbered(2))
    store.after = away
    loader(root, store).run_once()
    for number in (1, 3):
        seal(root, f"events-000{number}", numbered(number))
    store.heal()
    loader(root, store).run_once()

    assert "0002" == store.tokens[0]
    assert sorted(numbered(1, 2, 3).splitlines()) == sorted(store.rows)


def test_waiting_when_plans_began(tmp_path: Path, store: Store) -> None:
    """What an older version left may be in the store already, so it stays alone."""
    make_folders(tmp_path)
    for number in (1, 2):
        seal(tmp_path, f"events-000{number}", numbered(number))
    store.insert_segment("events", HEADERS["events"] + numbered(1), "0001")

    assert did(2, 2) == loader(tmp_path, store).run_once()
    assert ["0001", "0002"] == store.tokens
    assert numbered(1, 2).splitlines() == store.rows


def test_choices_are_never_joined(root: Path, store: Store) -> None:
    """Segments of consent choices are links of a chain, each an insert of its own."""
    for number in (1, 2):
        seal(root, f"consents-000{number}", numbered(number))

    assert did(2, 2) == loader(root, store).run_once()
    assert ["0001", "0002"] == store.tokens


def test_bounds(root: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows and bytes go together than there is room for."""
    monkeypatch.setattr(pipeline.load, "JOIN_ROWS", 4)
    for number in range(1, 7):
        seal(root, f"events-000{number}", numbered(*range(number)))
    loader(root, store).run_once()

    assert [3, 3, 4, 5, 6] == [len(body.splitlines()) - 2 for _, body, _ in store.calls]

    monkeypatch.setattr(pipeline.load, "JOIN_BYTES", len(HEADERS["events"]) * 2)
    for number in (7, 8):
        seal(root, f"events-000{number}", numbered(*range(3)))
    store.calls.clear()
    loader(root, store).run_once()

    assert ["0007", "0008"] == [token for _, _, token in store.calls]


def test_member_that_is_gone(root: Path, store: Store) -> None:
    """Of a joint that lost a member by somebody's hand the rest is loaded."""
    for number in (1, 2, 3):
        seal(root, f"events-000{number}", numbered(number))
    store.before = away
    loader(root, store).run_once()
    (root / "sealed" / "events-0002.ndjson").unlink()
    store.heal()

    assert did(2, 2, inserts=1) == loader(root, store).run_once()
    assert numbered(1, 3).splitlines() == store.rows


def test_killed_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before any change of the disk, answers lost, each row counts once."""
    # A killed process loses nothing that it wrote; syncing would take a minute here.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    step = 0
    while True:
        step += 1
        folder = tmp_path / str(step)
        make_folders(folder)
        prepare(folder)
        spool(folder)
        store = Store()
        finished = True
        # Twice: what a crash left may be what the second one meets.
        for _ in range(2):
            with killed_at(step, monkeypatch) as steps:
                try:
                    loader(folder, store).run_once()
                except Killed:
                    finished = False
            store.after = away
            loader(folder, store).run_once()
            store.heal()
        loader(folder, store).run_once()

        assert EXPECTED == sorted(store.rows), step
        assert [BAD.strip()] * 2 == loading.failed_rows(folder), step
        assert [] == segments(folder, "sealed", "open"), step
        if finished:
            break

    assert step > 60
    assert step > len(steps)


def test_refused_together_stay_apart(root: Path, store: Store) -> None:
    """Members of a refused joint are not joined again, whatever becomes of them."""
    for number in (1, 2, 3):
        seal(root, f"events-000{number}", BAD if number == 3 else numbered(number))

    def away_alone(token: str) -> None:
        if token == "0001":
            away(token)

    store.before = away_alone
    for _ in range(2):
        loader(root, store).run_once()

    assert 1 == sum(BAD in body for _, body, _ in store.calls)
    assert ["0001", "0001"] == [token for _, _, token in store.calls[1:]]


def test_counters_of_the_withdrawn_stay_alone(tmp_path: Path) -> None:
    """A segment that narrowing may write twice goes in under its own id."""
    stage = Stage(tmp_path)
    prepare(stage.root)
    stage.object()
    seal(stage.root, "counts-0001", numbered(1))
    path = stage.put(line(), line(BERT))
    stage.narrower.narrow(path)
    (counters,) = stage.root.glob("sealed/counts-*-7*")
    store = Store()
    loader(stage.root, store).run_once()

    assert counters.stem.partition("-")[2] in store.tokens
    assert "0001" in store.tokens


def test_split_that_was_not_finished_is_undone(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts go, so that the segment may change before it is tried again."""
    path = seal(root, "counts-0001", numbered(1, 2, 3) + BAD)
    real, written = pipeline.load_plans.replace_segment, []

    def second_dies(*arguments: Any, **options: Any) -> None:
        written.append(arguments[0])
        if len(written) > 1:
            raise Killed
        real(*arguments, **options)

    one = loader(root, store)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.load_plans, "replace_segment", second_dies)
        with pytest.raises(Killed):
            one.run_once()
    # The first part was written, the second not.
    assert 2 == len(segments(root, "sealed"))

    path.write_bytes(HEADERS["counts"] + numbered(1, 2, 3))
    loader(root, store).run_once()

    assert numbered(1, 2, 3).splitlines() == store.rows
    assert [] == segments(root, "sealed", "failed")
    assert [] == plans(root)


def test_plans_are_private_and_hold_no_rows(root: Path, store: Store) -> None:
    """The plans' files are their owner's alone, and no row is in them."""
    for number in (1, 2):
        seal(root, f"events-000{number}", numbered(number))
    store.after = away
    loader(root, store).run_once()
    (joint,) = (root / "attempts").iterdir()

    assert 0o600 == joint.stat().st_mode & 0o777
    assert 0o700 == (root / "attempts").stat().st_mode & 0o777
    assert b"line" not in joint.read_bytes()
    assert ("events-0001.ndjson", "events-0002.ndjson") == Plans(root).joints()[
        0
    ].members
