"""The ledger in a real engine: each record once, in its place, and nothing unseen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.ledger.heads import Heads, HeadsError
from pipeline.ledger.writer import Ledger
from pipeline.migrate import migrate
from pipeline.segment import header_bytes
from pipeline.store import Store
from pipeline.store_errors import StoreRefused, StoreUnavailable
from schemas.policy import load_policy
from tests import store_fixture
from tests.builders import DAY_MS, headers
from tests.ledger_fixture import DAYS, Keeper, emptied, record_id, rows

shared_store = store_fixture.shared_store
A, B = "a.example", "b.example"


@pytest.fixture(scope="module")
def migrated(shared_store: Store) -> Store:
    """The engine of all tests: to open one takes longer than most of them."""
    migrate(shared_store, load_policy())
    return shared_store


@pytest.fixture
def store(migrated: Store) -> Store:
    """A store with an empty ledger."""
    return emptied(migrated)


@pytest.fixture
def keeper(store: Store, tmp_path: Path) -> Keeper:
    """A keeper with an empty ledger."""
    return Keeper(store, tmp_path / "data")


class Flaky:
    """A store whose answer to an insert gets lost, or that does not get it."""

    def __init__(self, store: Store, *, commits: bool) -> None:
        self._store = store
        self._commits = commits

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Take a segment or not; say in both cases that the store is away."""
        if self._commits:
            self._store.insert_segment(table, body, token)
        raise StoreUnavailable(209, "SOCKET_TIMEOUT")

    def query(
        self,
        sql: str,
        fmt: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        read_only: bool = True,
    ) -> bytes:
        """Answer."""
        return self._store.query(sql, fmt, parameters, settings, read_only=read_only)


# ------------------------------------------------------------------------ in its place
def test_chains(keeper: Keeper) -> None:
    """Each site has a chain of its own, over all segments, in their order."""
    keeper.add("01", [*rows(1, site=A), *rows(2, site=B), *rows(3, site=A)])
    keeper.restarted()
    keeper.add("02", [*rows(4, site=B), *rows(5, site=A)])

    assert [(A, 1, 1), (A, 2, 3), (A, 3, 5), (B, 1, 2), (B, 2, 4)] == keeper.places()
    assert keeper.verify().intact
    assert (5, 2, True) == (
        keeper.verify().records,
        keeper.verify().chains,
        keeper.verify().heads,
    )


def test_two_writers(keeper: Keeper, tmp_path: Path) -> None:
    """Two folders on one store have chains that do not touch each other."""
    other = Keeper(keeper.store, tmp_path / "other", "c2")
    keeper.add("01", rows(1, 2))
    other.add("02", rows(3, 4))
    keeper.add("03", rows(5))

    assert ["c1", "c1", "c1", "c2", "c2"] == [one["chain"] for one in keeper.records()]
    assert [1, 2, 3, 1, 2] == [one["sequence"] for one in keeper.records()]
    assert keeper.verify().intact
    assert other.verify().intact


def test_comes_back_as_it_was(keeper: Keeper) -> None:
    """What the engine gives back is what was hashed, whatever a record holds."""
    keeper.add(
        "01",
        rows(
            1,
            site="it's\n\\ ünï\u2028\0.example",
            principal=2**64 - 1,
            event_time="1900-01-01 00:00:00.000",
            consent_flags=["gpc", "", "\"'", "é"],
            consent_sources=[""],
            notice="\x01\x7f\t\r\n",
            signal_hash="0" * 64,
        )
        + rows(2, event_time="2299-12-31 23:59:59.999"),
    )

    assert keeper.verify().intact
    assert 2 == len(keeper.records())


def test_file_has_all_columns(keeper: Keeper) -> None:
    """A linked segment is the edge's with the keeper's columns, private as before."""
    path = keeper.seal("01", rows(1))
    keeper.ledger.chain(path)
    names = orjson.loads(path.read_bytes().splitlines()[0])

    assert list(load_policy().ledger) == names
    assert path.read_bytes().startswith(keeper.ledger.header)
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list((keeper.root / "sealed").iterdir())
    assert 0o600 == keeper.heads_path.stat().st_mode & 0o777


def test_clock_that_goes_back(keeper: Keeper) -> None:
    """A record is never recorded before the one before it."""
    keeper.add("01", rows(1))
    keeper.now_ms -= DAY_MS
    keeper.add("02", rows(2))
    first, second = keeper.records()

    assert first["recorded_at"] == second["recorded_at"] == second["prev_recorded_at"]
    assert keeper.verify().intact


# --------------------------------------------------------------------------- only once
def test_same_bytes_again(keeper: Keeper) -> None:
    """A linked segment is left alone, also by a keeper that was started again."""
    path = keeper.seal("01", rows(1, 2))
    keeper.ledger.chain(path)
    body = path.read_bytes()
    keeper.now_ms += DAY_MS
    keeper.ledger.chain(path)
    keeper.restarted().chain(path)

    assert body == path.read_bytes()


def test_deterministic(store: Store, tmp_path: Path) -> None:
    """The same records at the same time in the same place are the same bytes."""
    paths = []
    for name in ("one", "two"):
        keeper = Keeper(store, tmp_path / name)
        path = keeper.seal("01", rows(1, 2))
        keeper.ledger.chain(path)
        paths.append(path)

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_timeout_after_commit(keeper: Keeper) -> None:
    """An insert whose answer got lost is repeated with the same bytes: taken once."""
    path = keeper.seal("01", rows(1, 2))
    keeper.ledger.chain(path)
    with pytest.raises(StoreUnavailable):
        Flaky(keeper.store, commits=True).insert_segment(
            "consents", path.read_bytes(), "01"
        )
    keeper.restarted()
    keeper.load(path)

    assert [1, 2] == [number for _, _, number in keeper.places()]
    assert keeper.verify().intact


@pytest.mark.parametrize("commits", [True, False])
def test_another_comes_before_it(keeper: Keeper, *, commits: bool) -> None:
    """
    A segment with an older name waits for the one whose insert is in doubt.

    Names are given when a segment is opened, so an older one may be sealed later.
    """
    doubtful = keeper.seal("02", rows(1, 2))
    keeper.ledger.chain(doubtful)
    with pytest.raises(StoreUnavailable):
        Flaky(keeper.store, commits=commits).insert_segment(
            "consents", doubtful.read_bytes(), "02"
        )
    keeper.restarted()
    keeper.add("01", rows(3))
    keeper.load(doubtful)

    assert [("example.com", n, n) for n in (1, 2, 3)] == keeper.places()
    assert keeper.verify().intact


def test_another_waits_while_the_store_is_away(keeper: Keeper) -> None:
    """Nothing is linked upon a segment whose insert is in doubt."""
    doubtful = keeper.seal("02", rows(1))
    keeper.ledger.chain(doubtful)
    other = keeper.seal("01", rows(2))
    before = other.read_bytes()
    away = Ledger(Flaky(keeper.store, commits=False), keeper.heads_path, "c1")

    with pytest.raises(StoreUnavailable):
        away.chain(other)

    assert before == other.read_bytes()


def test_original_put_back(keeper: Keeper) -> None:
    """An edge's own bytes are linked, also under the name of a linked segment."""
    path = keeper.seal("01", rows(1))
    original = path.read_bytes()
    keeper.ledger.chain(path)
    keeper.insert(path)
    path.write_bytes(original)
    keeper.load(path)
    keeper.add("02", rows(2))

    assert [("example.com", n, n) for n in (1, 2)] == keeper.places()
    assert keeper.verify().intact


def test_question_refused(keeper: Keeper) -> None:
    """A store too busy to be asked condemns no segment: it is tried again."""

    class Busy(Flaky):
        def query(self, *_: object, **__: object) -> bytes:
            raise StoreRefused(241, "MEMORY_LIMIT_EXCEEDED")

    path = keeper.seal("01", rows(1))
    before = path.read_bytes()
    busy = Ledger(Busy(keeper.store, commits=True), keeper.heads_path, "c1")

    with pytest.raises(StoreUnavailable, match="MEMORY_LIMIT_EXCEEDED"):
        busy.chain(path)

    assert before == path.read_bytes()


def test_crash_after_the_file(keeper: Keeper) -> None:
    """Linked, not noted and so not inserted: it is linked anew."""
    path = keeper.seal("01", rows(1))
    keeper.ledger.chain(path)
    keeper.heads_path.unlink()
    keeper.restarted()
    keeper.add("00", rows(2))
    keeper.load(path)

    assert [("example.com", 1, 2), ("example.com", 2, 1)] == keeper.places()
    assert keeper.verify().intact


def test_crash_before_the_rename(keeper: Keeper) -> None:
    """What was loaded and not moved is left alone, and moves no head."""
    path = keeper.seal("01", rows(1))
    keeper.ledger.chain(path)
    keeper.insert(path)
    keeper.ledger.loaded(path)
    body, heads = path.read_bytes(), keeper.heads()
    keeper.restarted()
    keeper.load(path)

    assert (body, heads) == (
        (keeper.root / "loaded" / path.name).read_bytes(),
        keeper.heads(),
    )
    assert 1 == len(keeper.records())


def test_refused_is_no_part_of_it(keeper: Keeper) -> None:
    """A segment set aside has no place; put back, it gets the next ones."""
    refused = keeper.seal("01", rows(1, 2))
    keeper.ledger.chain(refused)
    aside = keeper.root / "failed" / refused.name
    refused.rename(aside)
    keeper.add("02", rows(3))
    aside.rename(refused)
    keeper.load(refused)

    assert [3, 1, 2] == [number for _, _, number in keeper.places()]
    assert keeper.verify().intact


def test_taken_and_then_set_aside(keeper: Keeper) -> None:
    """A segment that was set aside although the store had taken it, has its place."""
    path = keeper.seal("01", rows(1, 2))
    keeper.ledger.chain(path)
    keeper.insert(path)
    aside = keeper.root / "failed" / path.name
    path.rename(aside)
    keeper.add("02", rows(3))
    aside.rename(path)
    keeper.load(path)

    assert [("example.com", n, n) for n in (1, 2, 3)] == keeper.places()
    assert keeper.verify().intact


def test_repeated_records(keeper: Keeper) -> None:
    """A record that its sender repeats is there once, as it came first."""
    keeper.add("01", [*rows(1, notice="first"), *rows(2), *rows(1, notice="again")])
    keeper.add("02", [*rows(2, notice="again"), *rows(3)])
    upper = rows(0x0ABCDEF)[0]
    keeper.add("03", [upper])
    again = {**_as_dict(upper), "record_id": upper.record_id.upper()}
    keeper.add("04", [type(upper)(**again)])

    assert [1, 2, 3, 0x0ABCDEF] == [number for _, _, number in keeper.places()]
    assert ["first", "", "", ""] == [one["notice"] for one in keeper.records()]
    assert keeper.verify().intact


def test_all_of_it_repeated(keeper: Keeper) -> None:
    """A segment of repeats only keeps its header, which the engine takes too."""
    keeper.add("01", rows(1))
    path = keeper.seal("02", rows(1))
    keeper.ledger.chain(path)

    assert keeper.ledger.header == path.read_bytes()

    keeper.load(path)
    keeper.add("03", rows(2))

    assert [1, 2] == [number for _, _, number in keeper.places()]


def test_many_records(keeper: Keeper) -> None:
    """A segment may hold more records than one statement asks for."""
    numbers = range(1, 2502)
    keeper.add("01", rows(*numbers))
    keeper.add("02", rows(*numbers, 9999))

    assert [*numbers, 9999] == [number for _, _, number in keeper.places()]
    assert keeper.verify().intact


# ------------------------------------------------------------------ what is no segment
@pytest.mark.parametrize(
    "body",
    [
        b"",
        headers()["counts"],
        header_bytes(["site"], ["String"]),
        headers()["consents"] + b"[1]\n",
        headers()["consents"] + b"{}\n",
        headers()["consents"] + b"canary\n",
    ],
)
def test_no_segment(keeper: Keeper, body: bytes) -> None:
    """What is no segment of the ledger is refused and stays as it is."""
    path = keeper.seal("01", [])
    path.write_bytes(body)

    with pytest.raises(StoreRefused) as caught:
        keeper.ledger.chain(path)

    assert body == path.read_bytes()
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None
    assert Heads() == keeper.heads()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("record_id", "canary"),
        ("event_time", "2025-06-01"),
        ("event_time", "2025-06-31 00:00:00.000"),
        ("event_time", "1899-12-31 00:00:00.000"),
        ("event_time", "2300-01-01 00:00:00.000"),
        ("received_at", "2025-06-01 12:34:56.7891"),
        ("received_at", "2025-06-01T12:34:56.789"),
    ],
)
def test_record_not_in_its_form(keeper: Keeper, field: str, value: str) -> None:
    """What the engine would give back in another form is not taken into the ledger."""
    one = rows(1)[0]
    path = keeper.seal("01", [type(one)(**{**_as_dict(one), field: value})])

    with pytest.raises(StoreRefused, match="LEDGER_RECORD"):
        keeper.ledger.chain(path)


def test_damaged_heads(keeper: Keeper) -> None:
    """A damaged file of heads is a person's to look at; nothing is guessed."""
    keeper.heads_path.write_bytes(b'{"heads": [')

    with pytest.raises(HeadsError, match="is damaged"):
        keeper.restarted()


# -------------------------------------------------------------------------- tampering
ALTER = "ALTER TABLE kastana.consents "
COPY = "INSERT INTO kastana.consents SELECT * "
OF_3 = "FROM (SELECT * FROM kastana.consents WHERE {3})"


@pytest.fixture
def filled(keeper: Keeper) -> Keeper:
    """A ledger of two sites, six records each."""
    for n in (1, 2, 3):
        others = rows(100 + 2 * n, 101 + 2 * n, site=B)
        keeper.add(f"0{n}", [*rows(2 * n, 2 * n + 1), *others])
    return keeper


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (ALTER + "UPDATE event_state = 'ConsentRefused' WHERE {3}", [("hash", 3)]),
        (ALTER + "UPDATE consent_flags = ['gpc'] WHERE {6}", [("hash", 6)]),
        (ALTER + "UPDATE principal = 7 WHERE {1}", [("hash", 1)]),
        (ALTER + "UPDATE hash = repeat('0', 64) WHERE {4}", [("hash", 4)]),
        (ALTER + "UPDATE prev_hash = '' WHERE {4}", [("hash", 4)]),
        (ALTER + "DELETE WHERE {3}", [("gap", 4)]),
        (ALTER + "DELETE WHERE {1}", [("start", 2)]),
        (ALTER + "DELETE WHERE {6}", [("tail", 6)]),
        (ALTER + "DELETE WHERE sequence > 2 AND {0}", [("tail", 3)]),
        (ALTER + "DELETE WHERE {0}", [("tail", 1)]),
        ("TRUNCATE TABLE kastana.consents", [("tail", 1), ("tail", 1)]),
        (COPY + "REPLACE (generateUUIDv4() AS record_id) " + OF_3, [("fork", 3)]),
        (COPY + OF_3.replace("{3}", "{6}"), [("fork", 6)]),
        (COPY + "REPLACE (sequence + 4 AS sequence) " + OF_3, [("hash", 7)]),
    ],
)
def test_tampering(filled: Keeper, sql: str, found: list[tuple[str, int]]) -> None:
    """Whatever is done to the ledger in the database is named, where it begins."""
    for place in range(7):
        own = f"site = 'example.com' AND (sequence = {place} OR {place} = 0)"
        sql = sql.replace(f"{{{place}}}", own)
    assert filled.verify().intact

    filled.tamper(sql)

    if found == [("fork", 3)]:
        # Two records of one place: which comes first is their hash's to say.
        assert filled.breaks() in ([("fork", 3)], [("hash", 3)])
        return
    assert found == filled.breaks()


def test_other_chains_stay_whole(filled: Keeper) -> None:
    """The break is named by its site; what is not touched is not accused."""
    filled.tamper(ALTER + f"DELETE WHERE site = '{B}' AND sequence = 3")
    (found,) = filled.verify().breaks

    assert (B, "c1", "gap", 4) == (found.site, found.chain, found.kind, found.sequence)
    assert record_id(105) == found.record_id


def test_forged_with_a_right_hash(filled: Keeper, tmp_path: Path) -> None:
    """A record that somebody appends correctly is found, before and after the next."""
    forger = Keeper(filled.store, tmp_path / "forger")
    forger.add("ff", rows(666))

    assert [("ahead", 7)] == filled.breaks()

    filled.add("04", rows(8))

    assert [("fork", 7)] == filled.breaks()


def test_end_rewritten_with_right_hashes(filled: Keeper, tmp_path: Path) -> None:
    """An end that was rewritten so that it hangs together is not what was written."""
    filled.tamper(ALTER + "DELETE WHERE sequence > 4 AND site = 'example.com'")
    forger = Keeper(filled.store, tmp_path / "forger")
    forger.add("ff", rows(666, 667))

    assert [("tail", 6)] == filled.breaks()


def test_tail_stays_seen(filled: Keeper) -> None:
    """The chain goes on where the writer was, so that a cut end is a gap for ever."""
    filled.tamper(ALTER + "DELETE WHERE sequence > 4 AND site = 'example.com'")
    filled.restarted()
    filled.add("04", rows(8))

    assert [("gap", 7)] == filled.breaks()


def test_lost_heads(filled: Keeper) -> None:
    """Without its file the writer goes on from the store; verify says what it lacks."""
    filled.heads_path.unlink()

    assert (True, False) == (filled.verify().intact, filled.verify().heads)

    filled.restarted()
    filled.add("04", rows(8))

    assert ("example.com", 7, 8) in filled.places()
    assert filled.verify().intact


# --------------------------------------------------------------------------- expiry
def test_expired_start(filled: Keeper) -> None:
    """Records that the engine expired are not missed, and the chain goes on."""
    filled.now_ms += (DAYS + 2) * DAY_MS
    filled.add("04", rows(8))
    # The engine's own clock may not have come there yet.
    filled.tamper(ALTER + "DELETE WHERE sequence <= 6")

    assert [] == filled.breaks()
    assert [("example.com", 7, 8)] == filled.places()


def test_expired_whole(filled: Keeper) -> None:
    """A chain that expired as a whole is not missed; the next record follows it."""
    filled.now_ms += (DAYS + 2) * DAY_MS
    filled.tamper("TRUNCATE TABLE kastana.consents")

    assert [] == filled.breaks()

    filled.restarted()
    filled.add("04", rows(8))

    assert [("example.com", 7, 8)] == filled.places()
    assert [] == filled.breaks()


def test_expired_in_the_middle(filled: Keeper) -> None:
    """The engine expires part by part: a gap among the expired is none."""
    filled.now_ms += (DAYS + 2) * DAY_MS
    filled.tamper(ALTER + "DELETE WHERE sequence IN (2, 3)")

    assert [] == filled.breaks()


def test_not_yet_expired(filled: Keeper) -> None:
    """A day before their time records are missed."""
    filled.now_ms += (DAYS - 2) * DAY_MS
    filled.tamper(ALTER + "DELETE WHERE sequence = 1 AND site = 'example.com'")

    assert [("start", 2)] == filled.breaks()


def test_engine_expires(keeper: Keeper) -> None:
    """The engine deletes a record when its time has come, whole, and no other."""
    keeper.now_ms -= DAYS * DAY_MS
    keeper.add("01", rows(1))
    keeper.now_ms = 4_070_908_800_000
    keeper.add("02", rows(2))
    keeper.store.command("OPTIMIZE TABLE kastana.consents FINAL")

    assert [("example.com", 2, 2)] == keeper.places()
    assert [] == keeper.breaks()


def _as_dict(row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).__struct_fields__}  # type: ignore[attr-defined]
