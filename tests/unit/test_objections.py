"""The objections' file: durable, shared, bounded, and never read in part."""

import fcntl
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.withdrawal.objections
from pipeline.identify import Visitor
from pipeline.withdrawal.beat import Beat
from pipeline.withdrawal.objections import (
    NOTHING_CLOSED,
    Objections,
    ObjectionsError,
)
from pipeline.withdrawal.standing import CLEAR, Entry, Kind, Standing
from schemas.consent import Category

SITE = "example.com"
VISITOR = 0x00F1A2B3C4D5E6F7
LINE = b'[1,1000,"example.com","00f1a2b3c4d5e6f7","withdrawn",["statistics"],true]\n'


def entry(
    time_ms: int = 1000,
    kind: Kind = "withdrawn",
    *categories: Category,
    visitor_id: int = VISITOR,
    lasting: bool = True,
) -> Entry:
    """Return an entry; a withdrawal of statistics unless said otherwise."""
    named = categories or (("statistics",) if kind in ("withdrawn", "given") else ())
    return Entry(time_ms, SITE, visitor_id, kind, named, lasting)


def withdrawn(objections: Objections, visitor_id: int = VISITOR) -> bool:
    """Say if statistics are withdrawn for an event of long ago."""
    found = objections.standing(SITE, visitor_id, given_ms=None, received_ms=1)
    return "statistics" in found.withdrawn


def told(objections: Objections, visitor: Visitor) -> tuple[Standing, ...]:
    """Return what an event of now is told."""
    return objections.standings(SITE, visitor, given_ms=None, received_ms=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is, or will be."""
    return tmp_path / "objections"


def test_no_file_is_no_objection(path: Path) -> None:
    """Without a file everyone is clear, and asking makes none."""
    objections = Objections(path)

    assert CLEAR == objections.standing(SITE, VISITOR, given_ms=None, received_ms=1)
    assert (0, 0) == (objections.count, objections.last)
    assert not path.exists()


def test_form(path: Path) -> None:
    """One line an entry, for its owner's eyes, without anything but a pseudonym."""
    Objections(path).append([entry(), entry(2000, "erased")])

    assert (
        LINE + b'[2,2000,"example.com","00f1a2b3c4d5e6f7","erased",[],true]\n'
        == path.read_bytes()
    )
    assert 0o600 == path.stat().st_mode & 0o777


def test_others_see_it_at_their_next_question(path: Path) -> None:
    """What one process appends the next question of another one knows."""
    edge, other, keeper = Objections(path), Objections(path), Objections(path)
    assert not withdrawn(keeper)
    edge.append([entry()])
    other.append([entry(visitor_id=7)])

    assert [True] * 3 == [withdrawn(one) for one in (edge, other, keeper)]
    assert withdrawn(edge, 7)
    assert not withdrawn(edge, 8)
    assert [2] * 3 == [one.last for one in (edge, other, keeper)]


def test_who_listens_hears_of_it(path: Path) -> None:
    """An edge that does not ask the file knows what the next one was told."""
    edge, other = Objections(path), Objections(path)
    edge.listen()
    nobody = Visitor(7, "persistent")
    before = told(edge, nobody)
    other.append([entry(visitor_id=7)])
    after = told(edge, nobody)
    other.append([entry(3000, "given", visitor_id=7)])
    other.compact(0)
    edge.append([entry(visitor_id=8)])

    assert (True, False) == (before is NOTHING_CLOSED, after is NOTHING_CLOSED)
    assert told(other, nobody) == told(edge, nobody)
    assert told(edge, Visitor(8, "persistent")) is not NOTHING_CLOSED
    assert 0o600 == path.with_name("objections.beat").stat().st_mode & 0o777


def test_who_listens_asks_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of the system while nothing is new."""
    edge = Objections(path)
    edge.listen()
    asked: list[None] = []
    monkeypatch.setattr(os, "stat", lambda *_a, **_k: asked.append(None))
    told(edge, Visitor(7, "persistent"))

    assert not asked


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_who_listens_and_looks_sees_damage(path: Path, damage: str) -> None:
    """What was done by hand is seen at the next look, and by each event after it."""
    edge = Objections(path)
    edge.append([entry()])
    edge.listen()
    path.unlink() if damage == "gone" else path.write_bytes(LINE + b"?\n")
    with pytest.raises(ObjectionsError):
        edge.look()
    for _ in range(2):
        with pytest.raises(ObjectionsError):
            told(edge, Visitor(7, "persistent"))


def test_the_number_outlives_its_readers(path: Path) -> None:
    """Nobody cuts the file that others have mapped, nor begins it anew."""
    first = Beat(path)
    first.advance()
    second = Beat(path)
    first.advance()

    assert first.count() == second.count() == (2).to_bytes(8, "little")


def test_known_at_any_site(path: Path) -> None:
    """Who of some pseudonyms is known at all; the others' entries are nobody's."""
    objections = Objections(path)
    objections.append([entry(visitor_id=7), entry(visitor_id=8)])

    assert {7, 8} == objections.known({6, 7, 8, 9})
    assert {8} == objections.known(set(range(8, 1000)))
    assert set() == objections.known({6}) | objections.known(set())


def test_another_site_is_another_visitor(path: Path) -> None:
    """A pseudonym on one site says nothing of the same number on another."""
    objections = Objections(path)
    objections.append([entry()])
    elsewhere = objections.standing(
        "other.example", VISITOR, given_ms=None, received_ms=1
    )

    assert CLEAR == elsewhere


def test_durable_before_it_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced after the write, and at its birth the folder is, too."""
    calls: list[str] = []

    def noted(name: str, real: object) -> object:
        def call(*arguments: object) -> object:
            calls.append(name)
            return real(*arguments)  # type: ignore[operator]

        return call

    monkeypatch.setattr(os, "fdatasync", noted("fdatasync", os.fdatasync))
    for name in ("write_all", "sync_folder"):
        real = getattr(pipeline.withdrawal.objections, name)
        monkeypatch.setattr(pipeline.withdrawal.objections, name, noted(name, real))
    objections = Objections(path)
    objections.append([entry()])
    objections.append([entry()])

    assert [
        *("write_all", "fdatasync", "sync_folder"),
        *("write_all", "fdatasync"),
    ] == calls


@pytest.mark.parametrize("cut", [1, 20, len(LINE) - 1])
def test_torn_line_is_no_entry_and_is_cut(path: Path, cut: int) -> None:
    """What a crash left of a line counts for nothing, and the next append cuts it."""
    path.write_bytes(LINE + LINE.replace(b"[1,", b"[2,")[:cut])
    objections = Objections(path)

    assert withdrawn(objections)
    assert 1 == objections.count

    objections.append([entry(visitor_id=7)])

    assert 2 == len(path.read_bytes().splitlines())
    assert withdrawn(Objections(path), 7)


def test_a_line_counts_once_it_is_whole(path: Path) -> None:
    """A reader that comes in the middle of a write waits for the line's end."""
    objections = Objections(path)
    seen = []
    for end in (10, len(LINE) - 1, len(LINE)):
        path.write_bytes(LINE[:end])
        seen.append(withdrawn(objections))

    assert [False, False, True] == seen


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b"canary\n",
        b"\0" * 10 + b"\n",
        LINE,
        LINE.replace(b"[1,", b"[0,"),
        LINE.replace(b"[1,", b'["2",'),
        LINE.replace(b"[1,", b"[2,").replace(b"1000", b"-1"),
        LINE.replace(b"[1,", b"[2,").replace(b"example.com", b""),
        LINE.replace(b"[1,", b"[2,").replace(b"00f1", b"00F1"),
        LINE.replace(b"[1,", b"[2,").replace(b"00f1", b"0f1"),
        LINE.replace(b"[1,", b"[2,").replace(b"00f1a2b3c4d5e6f7", b"0" * 16),
        LINE.replace(b"[1,", b"[2,").replace(b"withdrawn", b"lost"),
        LINE.replace(b"[1,", b"[2,").replace(b'"statistics"', b""),
        LINE.replace(b"[1,", b"[2,").replace(b"statistics", b"essential"),
        LINE.replace(b"[1,", b"[2,").replace(b"withdrawn", b"erased"),
        LINE.replace(b"[1,", b"[2,").replace(b"true]", b"true,7]"),
        LINE.replace(b"[1,", b"[2,").replace(b"true]", b"7]"),
    ],
)
def test_damage_stops_everything(path: Path, line: bytes) -> None:
    """A whole line that is no entry may be anyone's: nobody is told anything."""
    path.write_bytes(LINE + line + LINE.replace(b"[1,", b"[3,"))
    objections = Objections(path)
    for _ in range(2):
        with pytest.raises(ObjectionsError) as caught:
            objections.standing(SITE, 8, given_ms=None, received_ms=1)

        assert ("damaged", 2) == (caught.value.code, caught.value.line)
        assert "objections damaged in line 2" == str(caught.value)
    before = path.read_bytes()
    with pytest.raises(ObjectionsError):
        objections.append([entry()])
    with pytest.raises(ObjectionsError):
        objections.compact(0)

    assert before == path.read_bytes()

    path.write_bytes(LINE)

    assert withdrawn(objections)


def test_damage_that_comes_later(path: Path) -> None:
    """A line that goes bad is noticed by who had read the file before."""
    objections = Objections(path)
    objections.append([entry()])
    with path.open("ab") as file:
        file.write(b"canary\n")

    with pytest.raises(ObjectionsError, match="damaged in line 2"):
        objections.look()


def test_vanished(path: Path) -> None:
    """Withdrawals do not end because their file is gone, and none is made anew."""
    objections = Objections(path)
    objections.append([entry()])
    content = path.read_bytes()
    path.unlink()
    for act in (objections.look, lambda: objections.append([entry()])):
        with pytest.raises(ObjectionsError, match="objections missing"):
            act()

    assert not path.exists()

    path.write_bytes(content)

    assert withdrawn(objections)


def test_unreadable(path: Path) -> None:
    """A file that is none is an error, not an absence."""
    path.mkdir()

    with pytest.raises(ObjectionsError, match="objections unreadable"):
        Objections(path).look()


def test_full(path: Path) -> None:
    """Beyond the bound an append is refused aloud, whole, and reading goes on."""
    objections = Objections(path, most=3)
    objections.append([entry(), entry(visitor_id=7)])
    with pytest.raises(ObjectionsError) as caught:
        objections.append([entry(visitor_id=8), entry(visitor_id=9)])

    assert caught.value.full
    assert "full" == caught.value.code
    assert 2 == len(path.read_bytes().splitlines())
    objections.append([entry(visitor_id=8)])
    assert withdrawn(objections, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        entry(visitor_id=0),
        entry(visitor_id=1 << 64),
        entry(-1),
        Entry(1, SITE, 1, "withdrawn"),
        Entry(1, SITE, 1, "given"),
        Entry(1, SITE, 1, "child", ("statistics",)),
        Entry(1, SITE, 1, "withdrawn", ("essential",)),
    ],
)
def test_what_is_no_entry_is_not_written(path: Path, wrong: Entry) -> None:
    """An append checks before it writes: one bad line would stop everything."""
    with pytest.raises(ValueError, match="entry") as caught:
        Objections(path).append([entry(), wrong])

    assert "example" not in str(caught.value)
    assert not path.exists()


def test_failing_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line on a full disk: an error, and afterwards a whole file."""
    objections = Objections(path)
    objections.append([entry()])

    def half(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.withdrawal.objections, "write_all", half)
        with pytest.raises(OSError, match="No space"):
            objections.append([entry(visitor_id=7)])

    assert not withdrawn(objections, 7)
    objections.append([entry(visitor_id=8)])
    assert [False, True] == [withdrawn(Objections(path), one) for one in (7, 8)]


def test_many_writers(path: Path) -> None:
    """Appends of many threads and objects neither tear nor lose a line."""

    def write(first: int) -> None:
        objections = Objections(path)
        for number in range(first, first + 25):
            objections.append([entry(visitor_id=number)])

    threads = [
        threading.Thread(target=write, args=(first,)) for first in (1, 101, 201, 301)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    objections = Objections(path)
    objections.look()

    assert 100 == objections.count == objections.last
    assert all(
        withdrawn(objections, first + number)
        for first in (1, 101, 201, 301)
        for number in range(25)
    )


def test_made_by_a_neighbour_while_a_thread_looked(path: Path) -> None:
    """Who found no file, and was overtaken by its maker, is told of no loss."""

    class Overtaken(Objections):
        """Its first look at the file is old by the time it is compared."""

        slow = True

        def _stat(self) -> tuple[int, int, int] | None:
            found = super()._stat()
            if self.slow:
                self.slow = False
                self.append([entry()])
            return found

    objections = Overtaken(path)

    assert withdrawn(objections)


def test_compacted(path: Path) -> None:
    """Old entries go, numbers stay, the newest stays for its number."""
    objections, other = Objections(path), Objections(path)
    objections.append(
        [entry(time, visitor_id=time, lasting=False) for time in (10, 20, 30, 5)]
    )
    other.look()

    assert 2 == objections.compact(25)
    assert [3, 4] == [int(line[1:2]) for line in path.read_bytes().splitlines()]
    assert [False, False, True, True] == [
        withdrawn(other, one) for one in (10, 20, 30, 5)
    ]
    assert 0o600 == path.stat().st_mode & 0o777

    other.append([entry(visitor_id=40)])

    assert withdrawn(objections, 40)
    assert 5 == objections.last
    assert 0 == objections.compact(0)


def test_a_withdrawal_does_not_lapse(path: Path) -> None:
    """Under a token, which may come again at any time, it is kept for ever."""
    objections = Objections(path)
    objections.append([entry(10, visitor_id=1), entry(20, visitor_id=2)])

    assert 0 == objections.compact(10**12)
    assert withdrawn(objections, 1)


def test_compacted_while_another_waits_for_the_lock(path: Path) -> None:
    """An append that waited on the old file goes to the new one."""
    objections = Objections(path)
    objections.append([entry(10, visitor_id=1), entry(20, visitor_id=2)])
    with path.open("rb") as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        late = threading.Thread(
            target=Objections(path).append, args=([entry(30, visitor_id=3)],)
        )
        late.start()
        late.join(0.3)
        waited = late.is_alive()
        fresh = path.with_name("fresh")
        fresh.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
        fresh.rename(path)
    late.join(10)

    assert waited
    assert [False, True, True] == [withdrawn(objections, one) for one in (1, 2, 3)]


def test_entries_after_a_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever number was done last, what follows is found, bounded, in order."""
    monkeypatch.setattr(pipeline.withdrawal.objections, "_SEARCH_BYTES", 100)
    objections = Objections(path)
    objections.append([entry(n, visitor_id=n, lasting=False) for n in range(1, 201)])
    objections.compact(50)

    assert 151 == objections.count
    for done in (0, 1, 49, 50, 51, 120, 198, 199, 200, 500):
        numbers = [number for number, _ in objections.after(done, 1000)]

        assert list(range(max(done + 1, 50), 201)) == numbers
    assert [60, 61] == [found.visitor_id for _, found in objections.after(59, 2)]


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    gaps=st.lists(st.integers(1, 5), min_size=40, max_size=40),
    asked=st.integers(0, 250),
)
def test_search(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    gaps: list[int],
    asked: int,
) -> None:
    """The search agrees with reading everything, for lines of any length."""
    path = tmp_path_factory.mktemp("search") / "objections"
    number, numbers = 0, []
    with path.open("wb") as file:
        for size, gap in zip(sizes, gaps, strict=False):
            number += gap
            numbers.append(number)
            line = LINE.replace(b"[1,", b"[%d," % number)
            file.write(line.replace(b"example.com", b"e" * size))
    real = pipeline.withdrawal.objections._SEARCH_BYTES
    pipeline.withdrawal.objections._SEARCH_BYTES = 1
    try:
        found = [one for one, _ in Objections(path).after(asked, 1000)]
    finally:
        pipeline.withdrawal.objections._SEARCH_BYTES = real

    assert [one for one in numbers if one > asked] == found


def test_silent(path: Path) -> None:
    """No repr says of whom an entry is."""
    objections = Objections(path)
    one = entry()
    objections.append([one])

    assert "<Objections>" == repr(objections)
    assert "<Entry>" == repr(one) == str(one)
    assert [] == one.__rich_repr__()


@pytest.fixture
def descriptors() -> int:
    """How many files are open, before the test."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_nothing_stays_open(path: Path, descriptors: int) -> None:
    """Neither use nor failure leaves a descriptor behind."""
    objections = Objections(path, most=2)
    objections.append([entry()])
    for _ in range(5):
        with pytest.raises(ObjectionsError):
            objections.append([entry(), entry()])
        objections.after(0, 10)
        objections.compact(0)

    assert descriptors == sum(1 for _ in Path("/proc/self/fd").iterdir())
