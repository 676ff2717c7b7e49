"""A lost list of withdrawals comes back from the ledger, as it stood."""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.choices import Choices, Taken
from collector.doors import Asked
from pipeline.clock import time_text
from pipeline.merge import merge
from pipeline.migrate import migrate
from pipeline.signals.reading import Reading
from pipeline.store import Store
from pipeline.store_errors import StoreUnavailable
from pipeline.withdrawal import restore as module
from pipeline.withdrawal.objections import Objections, ObjectionsError
from pipeline.withdrawal.restore import note_absence, restore
from pipeline.withdrawal.standing import Entry
from schemas.consent import ASKED, ConsentClaim, state_of
from schemas.event import ConsentChoice
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.row import ConsentRow
from schemas.site import Site
from tests import store_fixture
from tests.builders import DAY_MS, NOON_MS, consent_row
from tests.consent_stage import AGENT, SIGNAL_KEY, SITE, TOKEN, Stage, Treatment
from tests.ledger_fixture import Keeper, emptied, record_id

shared_store = store_fixture.shared_store
OTHER = "other.example"
ADDRESS = "203.0.113.77"
ANNA, BERT = 7, 2**64 - 1
ALL = {"preference": True, "statistics": True, "marketing": True}
TIMES = [NOON_MS + offset for offset in range(-6, 16)]


@pytest.fixture(scope="module")
def migrated(shared_store: Store) -> Store:
    """The engine of all tests: to open one takes longer than most of them."""
    migrate(shared_store, load_policy())
    return shared_store


@pytest.fixture
def keeper(migrated: Store, tmp_path: Path) -> Keeper:
    """A keeper with an empty ledger."""
    return Keeper(emptied(migrated), tmp_path / "data")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the list is to be."""
    folder = tmp_path / "restored"
    folder.mkdir()
    return folder / "objections"


def again(path: Path, store: Any, now_ms: int = NOON_MS) -> int:
    """Restore, as a keeper that just started does."""
    return restore(path, Objections(path), store, clock=lambda: now_ms)


def site_of(entry: Entry) -> str:
    """Return where it was chosen."""
    return entry.site


def entries(path: Path) -> list[Entry]:
    """Return what is on the list."""
    return [entry for _, entry in Objections(path).after(0, 1000)]


def chosen(number: int, principal: int = ANNA, **changes: Any) -> ConsentRow:
    """Return a record of someone's choice at noon; of a withdrawal if nothing else."""
    values = {
        "record_id": record_id(number),
        "principal": principal,
        "principal_scope": "persistent",
        "event_state": "ConsentWithdrawn",
        "event_time": time_text(NOON_MS),
        "received_at": time_text(NOON_MS),
        "consent_statistics": "withdrawn",
        **changes,
    }
    return consent_row(**values)


def withdrawn(principal: int = ANNA, *, lasting: bool = True) -> Entry:
    """Return what `chosen` is on the list."""
    return Entry(
        NOON_MS, "example.com", principal, "withdrawn", ("statistics",), lasting
    )


class Choosing:
    """Visitors who choose; what is recorded of it, and what is put on the list."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder)
        self.numbers = itertools.count(1)
        self.choices = Choices(
            treat=self.treat,
            candidate=self.stage.candidate,
            withdrawals=self.stage.objections,
            records=self.stage.disk,
            signal_key=SIGNAL_KEY,
            policy=self.stage.policy,
        )

    def treat(self, asked: Asked) -> Treatment:
        """Read the consent object of a choice."""
        claim = asked.raw.event.consent or ConsentClaim()
        said = {name: getattr(claim, name) for name in ASKED}
        states: dict[str, Any] = {
            name: state_of(value) for name, value in said.items() if value is not None
        }
        flags = frozenset({"child"} if claim.child else ())
        readings = [Reading("own", states, flags)]
        return Treatment(readings, merge(readings))

    def choose(
        self,
        action: str,
        at: int,
        /,
        *,
        site: str = SITE,
        late: int = 0,
        **changes: Any,
    ) -> ConsentRow:
        """Make a choice that arrives so many ms after noon, perhaps late."""
        door = "server" if "visitor" in changes else "script"
        event: ConsentChoice = msgspec.convert(
            {"event": "consent", "site": site, "action": action, **changes},
            ConsentChoice,
        )
        raw = RawEvent(
            event=event,
            event_id=record_id(next(self.numbers)),
            door=door,
            address=ADDRESS,
            user_agent=AGENT,
            referer="",
            headers={},
            occurred_ms=NOON_MS + at - late,
            received_ms=NOON_MS + at,
        )
        taken = asyncio.run(self.choices.take(Asked(Site(site), raw)))
        assert isinstance(taken, Taken)
        return taken.row


def standings(objections: Objections, people: set[tuple[str, int]]) -> dict[Any, Any]:
    """Return what is closed for events of some people at all times that matter."""
    return {
        (site, who, given_ms, received_ms): objections.standing(
            site, who, given_ms=given_ms, received_ms=received_ms
        )
        for site, who in people
        for given_ms in (None, *TIMES)
        for received_ms in TIMES
    }


# -------------------------------------------------------------------- as it stood
def test_standing_is_what_it_was(keeper: Keeper, path: Path, tmp_path: Path) -> None:
    """Visitors of two sites give, refuse, change, withdraw, are children."""
    at = Choosing(tmp_path)
    one, two, three, four, five = (f"{TOKEN}-{number}" for number in range(5))
    at.choose("give", 0, visitor=one, consent=ALL)
    at.choose("refuse", 1, visitor=two)
    at.choose("give", 1, visitor=one, site=OTHER, consent=ALL)
    at.choose("withdraw", 2, visitor=one)
    at.choose("refuse", 3, visitor=three, consent={"child": True})
    at.choose("withdraw", 4, visitor=one, site=OTHER, categories=["marketing"])
    at.choose("give", 5, visitor=two, consent={**ALL, "marketing": False})
    at.choose("withdraw", 6, visitor=four, categories=["marketing"], consent=ALL)
    at.choose("give", 7, visitor=one, consent=ALL, late=6)
    at.choose("give", 8, visitor=three, consent=ALL)
    at.choose("withdraw", 9)
    at.choose("give", 10, visitor=five, consent={**ALL, "child": True})
    keeper.add("1", at.stage.disk.rows[:6])
    keeper.add("2", at.stage.disk.rows[6:])
    people = {(row.site, row.principal) for row in at.stage.disk.rows}
    before = standings(at.stage.objections, people)

    number = again(path, keeper.store)

    assert 7 == len(people)
    assert 3 < len({repr(one) for one in before.values()})
    assert before == standings(Objections(path), people)
    # Chains of two sites are put in one order by when they were recorded.
    assert sorted(at.stage.entries(), key=site_of) == sorted(entries(path), key=site_of)
    assert len(entries(path)) == number


def test_entries_of_a_record(keeper: Keeper, path: Path) -> None:
    """Refused and withdrawn are withdrawn at arrival, given when it was given."""
    row = chosen(
        1,
        event_state="ConsentGiven",
        event_time=time_text(NOON_MS - 5),
        consent_preference="given",
        consent_statistics="refused",
        consent_marketing="withdrawn",
        consent_precise_location="expired",
    )
    keeper.add("1", [row])

    assert 2 == again(path, keeper.store)
    assert [
        Entry(NOON_MS, SITE, ANNA, "withdrawn", ("statistics", "marketing")),
        Entry(NOON_MS - 5, SITE, ANNA, "given", ("preference",)),
    ] == entries(path)


def test_child_gives_nothing(keeper: Keeper, path: Path) -> None:
    """Whatever is given beside it: a child's record closes."""
    row = chosen(
        1,
        event_state="ConsentGiven",
        consent_statistics="given",
        consent_flags=["child", "gpc"],
    )
    keeper.add("1", [row])

    assert 1 == again(path, keeper.store)
    assert [Entry(NOON_MS, SITE, ANNA, "child")] == entries(path)


def test_day_pseudonyms_of_two_days(keeper: Keeper, path: Path) -> None:
    """Nobody has an older one any more; a token's never lapses."""
    old, older = time_text(NOON_MS - 2 * DAY_MS), time_text(NOON_MS - 2 * DAY_MS - 1)
    keeper.add(
        "1",
        [
            chosen(1, 1, received_at=older),
            chosen(2, 2, received_at=older, principal_scope="day"),
            chosen(
                3, 3, received_at=old, principal_scope="day", consent_flags=["child"]
            ),
        ],
    )

    assert 3 == again(path, keeper.store)
    assert [(1, True), (3, False), (3, False)] == [
        (one.visitor_id, one.lasting) for one in entries(path)
    ]


def test_nobody_is_not_restored(keeper: Keeper, path: Path) -> None:
    """A record without a pseudonym is not about anyone."""
    keeper.add("1", [chosen(1, 0), chosen(2, BERT)])

    assert 1 == again(path, keeper.store)
    assert [withdrawn(BERT)] == entries(path)


@pytest.mark.parametrize("records", [1, 2, 3])
def test_pages(
    keeper: Keeper, path: Path, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    """Wherever a page ends: records of one moment, site by site, of two folders."""
    text = module._PAGE
    limit = f"LIMIT {module._RECORDS}"
    monkeypatch.setattr(module, "_PAGE", text.replace(limit, f"LIMIT {records}"))
    monkeypatch.setattr(module, "_RECORDS", records)
    keeper.add("1", [chosen(1, 1), chosen(2, 2), chosen(3, 3, site=OTHER)])
    second = Keeper(keeper.store, path.parent / "second", "c2")
    second.add("2", [chosen(4, 4), chosen(5, 5)])
    keeper.now_ms -= 1
    third = Keeper(keeper.store, path.parent / "third", "c3")
    third.now_ms = NOON_MS - 1
    third.add("3", [chosen(6, 6)])
    # The same place twice, as somebody who meddles could bring about.
    keeper.store.command(
        "INSERT INTO kastana.consents SELECT * REPLACE (7 AS principal, 'z' AS hash) "
        "FROM kastana.consents WHERE chain = 'c1' AND sequence = 1 "
        "AND site = 'example.com'"
    )

    assert text.endswith(limit)
    assert 7 == again(path, keeper.store)
    assert [6, 1, 7, 4, 3, 2, 5] == [one.visitor_id for one in entries(path)]


def test_numbers_as_text(path: Path) -> None:
    """Some servers write numbers of 64 bits as text."""
    line = (
        b'{"recorded_ms":"1","sequence":"1","site":"example.com","chain":"c","hash":"h"'
        b',"received_ms":"%d","event_ms":"1","event_state":"ConsentWithdrawn",'
        b'"principal":"%d","principal_scope":"persistent","consent_preference":"",'
        b'"consent_statistics":"withdrawn","consent_marketing":"",'
        b'"consent_precise_location":"","consent_flags":[]}\n' % (NOON_MS, BERT)
    )

    class Server:
        def query(self, *_args: Any, **_given: Any) -> bytes:
            return line

    assert 1 == again(path, Server())
    assert [withdrawn(BERT)] == entries(path)


# ---------------------------------------------------------------- only what is lost
def test_second_call_does_nothing(keeper: Keeper, path: Path) -> None:
    """The file is there now, and nothing else is left beside it."""
    keeper.add("1", [chosen(1)])
    first = again(path, keeper.store)
    content = path.read_bytes()

    assert (1, 0) == (first, again(path, keeper.store))
    assert content == path.read_bytes()
    assert {path.name, "objections.beat"} == {one.name for one in path.parent.iterdir()}


@pytest.mark.parametrize("filled", [False, True])
def test_existing_file_is_untouched(
    keeper: Keeper, path: Path, *, filled: bool
) -> None:
    """What stands in it was meant."""
    keeper.add("1", [chosen(1)])
    path.touch()
    if filled:
        Objections(path).append([withdrawn(BERT)])
    before, beside = path.stat(), sorted(path.parent.iterdir())

    assert 0 == again(path, keeper.store)
    assert before == path.stat()
    assert beside == sorted(path.parent.iterdir())


@pytest.mark.parametrize(
    "rows", [[], [chosen(1, 0)], [chosen(1, consent_statistics="")]]
)
def test_nothing_to_restore_makes_no_file(
    keeper: Keeper, path: Path, caplog: pytest.LogCaptureFixture, rows: list[ConsentRow]
) -> None:
    """A ledger that is empty, or says nothing about anyone."""
    if rows:
        keeper.add("1", rows)

    assert 0 == again(path, keeper.store)
    assert [] == list(path.parent.iterdir())
    assert [] == [one for one in caplog.records if one.name == "kastana.restore"]


def test_log_has_the_number_only(
    keeper: Keeper, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning, since somebody lost a file; nothing about anyone."""
    keeper.add("1", [chosen(1), chosen(2, BERT)])
    again(path, keeper.store)

    assert [
        ("kastana.restore", logging.WARNING, "withdrawals restored from the ledger: 2")
    ] == [one for one in caplog.record_tuples if one[0] == "kastana.restore"]


# --------------------------------------------------------------------------- errors
class Failing:
    """A store that goes away after some answers."""

    def __init__(self, store: Store, answers: int) -> None:
        self._store = store
        self._left = answers

    def query(
        self,
        sql: str,
        fmt: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        read_only: bool = True,
    ) -> bytes:
        """Answer, or be away."""
        if self._left == 0:
            raise StoreUnavailable(209, "SOCKET_TIMEOUT")
        self._left -= 1
        return self._store.query(sql, fmt, parameters, read_only=read_only)


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_cut_short_is_done_again(
    keeper: Keeper, path: Path, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    """Half a list is none, though it is a file."""
    page = module._PAGE.replace(f"LIMIT {module._RECORDS}", "LIMIT 1")
    monkeypatch.setattr(module, "_PAGE", page)
    monkeypatch.setattr(module, "_RECORDS", 1)
    keeper.add("1", [chosen(number, number) for number in (1, 2, 3)])
    with pytest.raises(StoreUnavailable):
        again(path, Failing(keeper.store, answers))
    half = path.exists()

    assert (answers > 0) is half
    assert 3 == again(path, keeper.store)
    assert {1, 2, 3} == {one.visitor_id for one in entries(path)}
    assert 0 == again(path, keeper.store)


def test_no_room_is_said(keeper: Keeper, path: Path) -> None:
    """A list that is too short is not taken for whole; with room it is."""
    keeper.add("1", [chosen(1), chosen(2, BERT)])
    with pytest.raises(ObjectionsError) as caught:
        restore(path, Objections(path, most=1), keeper.store, lambda: NOON_MS)

    assert caught.value.full
    assert 2 == again(path, keeper.store)


def test_absence_is_noted_before_anyone_makes_a_file(
    keeper: Keeper, path: Path
) -> None:
    """A choice that is taken before the store is found does not hide the loss."""
    keeper.add("1", [chosen(1)])
    note_absence(path)
    Objections(path).append([withdrawn(BERT)])

    assert 1 == again(path, keeper.store)
    assert {ANNA, BERT} == {entry.visitor_id for entry in entries(path)}
    note_absence(path)
    assert again(path, keeper.store) == 0
