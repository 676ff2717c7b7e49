"""A session that midnight falls into: one for all processes, and nothing for long."""

import hashlib
import itertools
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from collector.folder import Folder
from pipeline import bridge as module
from pipeline.bridge import Bridge, Mark
from pipeline.identify import Visitor, candidate, identify, note
from pipeline.salt import DaySalt, ratchet
from schemas.consent import CATEGORIES
from schemas.outcome import Grant
from schemas.raw_event import RawEvent
from tests.builders import DAY_MS, NOON_MS, ROOT, raw_event

MIDNIGHT_MS = NOON_MS - NOON_MS % DAY_MS + DAY_MS
MIDNIGHT_S = MIDNIGHT_MS // 1000
MINUTE_MS = 60_000
KEY = b"k" * 32
AGENT, ADDRESS = "Mozilla/5.0", "203.0.113.77"
GRANT = Grant("identified", ("consent_given",), frozenset(CATEGORIES), frozenset(), "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the salt is; the bridge is beside it."""
    return tmp_path / "day.salt"


def visit(salts: DaySalt, minute: float, **changes: Any) -> Visitor:
    """Return the visitor of an identified event, so many minutes after midnight."""
    now_ms = MIDNIGHT_MS + round(minute * MINUTE_MS)
    fields = {"address": ADDRESS, "user_agent": AGENT, **changes}
    raw = raw_event(received_ms=now_ms, **fields)
    visitor = candidate(raw, KEY, salts)
    visitor = identify(visitor, GRANT, raw, salts, consented=True)
    note(visitor, raw, salts)
    return visitor


# ---------------------------------------------------------------- one session is one
def test_a_session_across_midnight_stays_one(path: Path) -> None:
    """However long it goes on, up to a point, as long as it is never silent long."""
    salts = DaySalt(path)
    evening = visit(salts, -10)
    morning = [visit(salts, minute) for minute in (0, 5, 29, 58, 85, 114)]
    later = visit(salts, 114.1 + 30)

    assert {evening.id} == {one.id for one in morning}
    assert {"day"} == {one.scope for one in [evening, *morning, later]}
    # Tomorrow's is known before midnight, today's after it: the same.
    assert [evening.others] * 6 == [one.others for one in morning]
    assert (evening.others[0], ()) == (later.id, later.others)


@pytest.mark.parametrize(
    ("before", "after", "one"),
    [
        (-29.9, 0, True),
        (-29.9, 0.05, True),
        (-29.9, 0.2, False),
        (-1, 28.9, True),
        (-1, 29.1, False),
        # Whoever was silent for the last half hour of the day is not noted.
        (-30.1, 1, False),
        # A request that came before midnight and was read after it.
        (-2, -0.01, True),
    ],
)
def test_half_an_hour_of_silence_ends_it(
    path: Path, before: float, after: float, *, one: bool
) -> None:
    """Sessions end by the same rule at midnight as at noon."""
    salts = DaySalt(path)
    evening = visit(salts, before)
    salts.at(MIDNIGHT_MS + 1)

    assert one is (evening.id == visit(salts, after).id)


@pytest.mark.parametrize(
    "changes", [{"address": "203.0.113.78"}, {"user_agent": "x"}, {"site": "b.com"}]
)
def test_nobody_continues_anothers(path: Path, changes: dict[str, Any]) -> None:
    """Another network, agent or site is another visitor after midnight as well."""
    salts = DaySalt(path)
    evening = visit(salts, -5)

    assert evening.id != visit(salts, 5, **changes).id


def test_whoever_comes_after_midnight_is_new(path: Path) -> None:
    """Nobody is led anywhere who was not here before, and nothing is noted."""
    salts = DaySalt(path)
    one, again = visit(salts, 1), visit(salts, 2)

    assert one == again
    assert () == one.others
    assert not path.with_suffix(".bridge").exists()


def test_only_a_day_has_a_bridge(path: Path) -> None:
    """Tokens and accounts last anyway, and mail without a token is nobody's."""
    salts = DaySalt(path)
    token = "browser_0123456789"
    visit(salts, -5, visitor=token)
    visit(salts, -5, account="jane")
    raw = raw_event("email_open", received_ms=MIDNIGHT_MS - 1)
    note(candidate(raw, KEY, salts), raw, salts)

    assert not path.with_suffix(".bridge").exists()


def test_by_day_nothing_is_noted(path: Path) -> None:
    """From four hours after midnight to half an hour before it."""
    salts = DaySalt(path)
    for hour in (4, 12, 23.49):
        assert () == visit(salts, hour * 60).others
    assert not path.with_suffix(".bridge").exists()


def test_who_only_looks_notes_nothing(path: Path) -> None:
    """A session that others noted is found; none is noted, nothing overwritten."""
    evening = visit(DaySalt(path), -10)
    DaySalt(path).at(MIDNIGHT_MS)
    noted = path.with_suffix(".bridge").read_bytes()
    looking = DaySalt(path, keep=False)

    assert visit(looking, 5).id == evening.id
    visit(looking, 6, address="203.0.113.78")
    visit(looking, 300)
    assert path.with_suffix(".bridge").read_bytes() == noted


def test_without_consent_nothing_is_noted(path: Path) -> None:
    """Whoever is not identified leaves no word here either."""
    salts = DaySalt(path)
    raw = raw_event(received_ms=MIDNIGHT_MS - MINUTE_MS)
    found = candidate(raw, KEY, salts)
    for grant in ("anonymous", "counted", "dropped"):
        refused = Grant(grant, (), frozenset(CATEGORIES), frozenset(), "")  # type: ignore[arg-type]
        nobody = identify(found, refused, raw, salts, consented=True)
        note(nobody, raw, salts)

    assert found.others
    assert not path.with_suffix(".bridge").exists()


def test_the_longest_session_ends_in_the_morning(path: Path) -> None:
    """A robot that never pauses is led on for four hours, and not longer."""
    salts = DaySalt(path)
    evening = visit(salts, -10)
    same = [
        minute for minute in range(-10, 600, 5) if visit(salts, minute).id == evening.id
    ]

    assert list(range(-10, same[-1] + 5, 5)) == same
    assert 205 <= same[-1] < 240
    # By then there is no entry of it either.
    salts.tend(MIDNIGHT_MS + 240 * MINUTE_MS)
    assert b"" == path.with_suffix(".bridge").read_bytes()


# ------------------------------------------------------------------- all processes
# Prints the pseudonyms of a visitor at each time it is told of, as it is told.
WORKER = """
import sys
from pathlib import Path
from pipeline.identify import candidate, identify, note
from pipeline.salt import DaySalt
from tests.unit.test_bridge import visit
salts = DaySalt(Path(sys.argv[1]))
for line in sys.stdin:
    print(visit(salts, float(line)).id, flush=True)
"""


def worker(path: Path) -> "subprocess.Popen[str]":
    """Start another process on the same folder."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def ask(process: "subprocess.Popen[str]", minute: float) -> int:
    """Return under what pseudonym a process knows the visitor."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{minute}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_all_processes_share_it(path: Path) -> None:
    """Each request may come to another process, and to one that has just started."""
    with worker(path) as one, worker(path) as other:
        evening = ask(one, -5)
        turned = [ask(process, minute) for minute, process in ((1, other), (3, one))]
        with worker(path) as late:
            turned += [ask(late, 20), ask(one, 40), ask(other, 60), ask(late, 80)]
            ended = {ask(process, 120) for process in (one, other, late)}

            assert {evening} == set(turned)
            assert 1 == len(ended)
            assert evening not in ended


# Notes and looks for visitors 0 to 399, whose pseudonym is 10 times their number.
HAMMER = """
import sys
from pathlib import Path
from pipeline import bridge
from pipeline.bridge import Bridge, Mark
bridge._SHELVES = 16
table = Bridge(Path(sys.argv[1]))
seen = set()
for turn in range(6000):
    number = (turn * int(sys.argv[2])) % 400
    mark = Mark.of(str(number).encode(), b"s" * 32)
    # Time goes by, so that places are given to others all the while.
    now = turn // 3
    found = table.find(mark, now)
    if found not in (0, 10 * number + 10):
        sys.exit(f"{number} is led to {found}")
    seen.add(found != 0)
    table.note(mark, 10 * number + 10, now)
print(sorted(seen))
"""


def test_no_process_spoils_anothers_entries(tmp_path: Path) -> None:
    """While all of them write at once nobody is led to somebody else's pseudonym."""
    commands = [
        [sys.executable, "-c", HAMMER, str(tmp_path / "bridge"), str(step)]
        for step in (1, 3, 7, 11)
    ]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for command in commands
    ]
    said = [process.communicate(timeout=60)[0].strip() for process in running]

    assert ["[False, True]"] * 4 == said


def test_records_that_were_mixed_are_nobodys(tmp_path: Path) -> None:
    """Of two records that were written into each other none is believed."""
    path = tmp_path / "bridge"
    first, second = Mark(1, 0), Mark(1 + (1 << 40), 0)
    contents = []
    for mark, visitor_id in ((first, 77), (second, 88)):
        Bridge(path).note(mark, visitor_id, 1000)
        contents.append(path.read_bytes())
        assert visitor_id == Bridge(path).find(mark, 1000)
        path.unlink()
    start = 256
    parts = [
        [content[start + 8 * word : start + 8 * word + 8] for word in range(4)]
        for content in contents
    ]
    for taken in range(1, 15):
        words = [parts[taken >> word & 1][word] for word in range(4)]
        whole = len({taken >> word & 1 for word in (0, 1, 3)}) == 1
        path.write_bytes(bytes(start) + b"".join(words))
        found = {Bridge(path).find(mark, 1000) for mark in (first, second)} - {0}

        assert whole is bool(found)


# ------------------------------------------------------------ what is left, and when
def test_the_file_holds_no_pseudonym(path: Path) -> None:
    """Neither today's nor tomorrow's, in any order of bytes, and no salt."""
    salts = DaySalt(path)
    evening = visit(salts, -5)
    content = path.with_suffix(".bridge").read_bytes()

    assert content.strip(b"\0")
    for one in (evening.id, *evening.others):
        for order in ("big", "little"):
            assert one.to_bytes(8, order) not in content  # type: ignore[arg-type]
    for salt in (salts.at(MIDNIGHT_MS - 1), ratchet(salts.at(MIDNIGHT_MS - 1), 1)):
        assert salt not in content
    mode = path.with_suffix(".bridge").stat().st_mode
    assert 0o600 == stat.S_IMODE(mode)


def test_nothing_of_the_evening_outlasts_its_session(path: Path) -> None:
    """From 00:30 on no file leads back to a pseudonym of somebody who has left."""
    salts = DaySalt(path)
    gone, staying = visit(salts, -5), visit(salts, -5, address="203.0.113.78")
    visit(salts, 20, address="203.0.113.78")
    found = visit(salts, 24, address="203.0.113.78")
    table = path.with_suffix(".bridge")
    filled = table.read_bytes()
    salts.tend(MIDNIGHT_MS + 30 * MINUTE_MS)
    kept = table.read_bytes()

    # The one who goes on is still known; the other's entry is zeros.
    assert staying.id == found.id
    assert 1 == sum(any(kept[at : at + 32]) for at in range(0, len(kept), 32))
    assert 2 == sum(any(filled[at : at + 32]) for at in range(0, len(filled), 32))
    assert gone.id != visit(salts, 30).id

    salts.tend(MIDNIGHT_MS + 56 * MINUTE_MS)

    assert b"" == table.read_bytes()
    assert staying.id != visit(salts, 56, address="203.0.113.78").id


def ways_back(folder: Path, raw: RawEvent) -> set[int]:
    """Return every pseudonym of a visitor that can be made of what is in a folder."""
    text = f"{raw.event.site}\0{raw.address}\0{raw.user_agent}".encode()
    keys = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        # Places that were never written are no keys.
        content = re.sub(rb"\0{64,}", bytes(32), content)
        words = [
            bytes.fromhex(w.decode()) for w in re.findall(rb"[0-9a-f]{64}", content)
        ]
        keys += [content[at : at + 32] for at in range(max(1, len(content) - 31))]
        # A salt leads to all days after it, and to none before.
        for word in words:
            keys += itertools.accumulate(
                range(400), lambda key, _: ratchet(key, 1), initial=word
            )
    made = {
        int.from_bytes(hashlib.blake2b(text, digest_size=8, key=key).digest(), "big")
        for key in keys
    }
    # And what we would make of it ourselves, with a copy of the folder.
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        found = candidate(raw, KEY, DaySalt(Path(copy, "day.salt")))
    return made | {found.id, *found.others}


def test_after_half_past_nobody_can_go_back(path: Path) -> None:
    """With address, agent and all files, yesterday's id cannot be made again."""
    folder = Folder(path.parent)
    for name in ("visitor.key", "link.key", "signal.key", "admin.token"):
        folder.secret(name)
    salts = DaySalt(path)
    evening = visit(salts, -1)

    def found(minute: float) -> bool:
        now_ms = MIDNIGHT_MS + round(minute * MINUTE_MS)
        salts.tend(now_ms)
        raw = raw_event(address=ADDRESS, user_agent=AGENT, received_ms=now_ms)
        return evening.id in ways_back(path.parent, raw)

    # The search is a real one. From midnight on the visitor's own entry is the only
    # way back, and when the visitor has left there is none.
    assert found(-0.5)
    assert found(10)
    assert not found(30)
    assert not found(12 * 60)


def test_at_midnight_the_entry_is_the_only_way_back(path: Path) -> None:
    """Of whoever was not here in the last half hour nothing is left at 00:00."""
    salts = DaySalt(path)
    gone = visit(salts, -31)
    visit(salts, -1, address="203.0.113.78")
    salts.tend(MIDNIGHT_MS)
    raw = raw_event(address=ADDRESS, user_agent=AGENT, received_ms=MIDNIGHT_MS)

    assert gone.id not in ways_back(path.parent, raw)


def test_entries_are_overwritten_and_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place first, then to the disk, and only then the file is cut."""
    salts = DaySalt(path)
    visit(salts, -5)
    log: list[str] = []

    def logged(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            zeros = name == "pwrite" and not any(arguments[1])
            log.append(f"{name} of zeros" if zeros else name)
            return real(*arguments)

        monkeypatch.setattr(module.os, name, call)

    for name in ("pwrite", "fsync", "ftruncate"):
        logged(name)
    salts.bridge.tend(MIDNIGHT_S + 1800)

    assert ["pwrite of zeros", "fsync", "ftruncate", "fsync"] == log


def test_a_timer_is_enough(path: Path) -> None:
    """Without a single visitor the salt turns, and the table is emptied."""
    salts = DaySalt(path)
    salts.tend(MIDNIGHT_MS - DAY_MS)
    assert not path.exists()
    visit(salts, -5)
    old = path.read_bytes()
    other = DaySalt(path)
    other.tend(MIDNIGHT_MS)

    assert old != path.read_bytes()
    assert path.with_suffix(".bridge").read_bytes()

    other.tend(MIDNIGHT_MS + 26 * MINUTE_MS)

    assert b"" == path.with_suffix(".bridge").read_bytes()


def test_what_a_crash_left_goes(path: Path) -> None:
    """Days later the first look empties what nobody could."""
    visit(DaySalt(path), -5)
    DaySalt(path).tend(MIDNIGHT_MS + 3 * DAY_MS)

    assert b"" == path.with_suffix(".bridge").read_bytes()


@pytest.mark.parametrize("minutes", [-3 * 1440, -1440, -60])
def test_a_clock_that_steps_back_brings_nothing_back(path: Path, minutes: int) -> None:
    """Neither the old salt nor, for an old time, a pseudonym of the day before."""
    salts = DaySalt(path)
    evening = visit(salts, -5)
    morning = visit(salts, 5)
    content = path.read_bytes()
    stepped = visit(salts, minutes)

    assert evening.id == morning.id
    assert (evening.others[0], ()) == (stepped.id, stepped.others)
    assert content == path.read_bytes()


def test_small_steps_of_the_clock(path: Path) -> None:
    """Processes hear a visitor in another order; seconds do not end a session."""
    salts = DaySalt(path)
    evening = visit(salts, -1)
    minutes = (2, 1.9, 0.1, -0.1, 3)

    assert [evening.id] * 5 == [visit(salts, minute).id for minute in minutes]


@pytest.mark.parametrize("use", ["find", "note"])
def test_a_timer_may_run_on_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    """While one thread uses the file none closes it, and its number goes to nobody."""
    table = Bridge(tmp_path / "bridge")
    mark = Mark(5, 6)
    table.note(mark, 7, MIDNIGHT_S)
    timer = threading.Thread(target=table.tend, args=(MIDNIGHT_S + 60,))
    waited: list[bool] = []
    read = os.pread

    def slow_read(descriptor: int, size: int, offset: int) -> bytes:
        if not waited:
            waited.append(False)
            timer.start()
            timer.join(0.3)
            waited[0] = timer.is_alive()
        return read(descriptor, size, offset)

    monkeypatch.setattr(module.os, "pread", slow_read)
    if use == "find":
        assert 7 == table.find(mark, MIDNIGHT_S)
    else:
        table.note(mark, 7, MIDNIGHT_S)
    timer.join(10)

    assert [True] == waited
    assert 7 == table.find(mark, MIDNIGHT_S + 60)


# ------------------------------------------------------------------ when it fails
def test_a_lost_file_costs_continuity_alone(path: Path) -> None:
    """The visitor is a new one then, and the next evening all is well again."""
    salts = DaySalt(path)
    evening = visit(salts, -5)
    path.with_suffix(".bridge").unlink()
    morning = visit(salts, 5)

    assert evening.others == (morning.id,)
    assert visit(salts, 1440 - 1).id == visit(salts, 1440 + 1).id


@pytest.mark.parametrize("content", [b"x", b"\xff" * 4096, bytes(5_000_000) + b"x"])
def test_a_damaged_file_costs_continuity_alone(path: Path, content: bytes) -> None:
    """Nobody is found in it, and it is of its right size again at once."""
    salts = DaySalt(path)
    path.with_suffix(".bridge").write_bytes(content)
    evening = visit(salts, -5)
    size = path.with_suffix(".bridge").stat().st_size

    assert size <= 2 << 20
    assert evening.id == visit(salts, 5).id
    salts.tend(MIDNIGHT_MS + 60 * MINUTE_MS)
    assert b"" == path.with_suffix(".bridge").read_bytes()


@pytest.mark.parametrize("kind", ["folder", "link", "loop"])
def test_a_table_that_cannot_be_opened_is_said_once(
    path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Events go on, under the day's own pseudonyms; the log names nobody."""
    table = path.with_suffix(".bridge")
    if kind == "folder":
        table.mkdir()
    else:
        table.symlink_to(table if kind == "loop" else path)
    salts = DaySalt(path)
    with caplog.at_level(logging.WARNING):
        evening = visit(salts, -5)
        visit(salts, -4)
        morning = visit(salts, 5)

    assert evening.others == (morning.id,)
    assert 1 == len(caplog.records)
    assert "sessions do not outlast midnight" in caplog.text
    assert ADDRESS not in caplog.text


@pytest.mark.parametrize("name", ["pread", "pwrite"])
def test_a_disk_that_fails_costs_continuity_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever the disk says, the event is taken."""
    salts = DaySalt(path)
    salts.at(MIDNIGHT_MS - 1)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, name, fail)
        evening = visit(salts, -5)

    assert evening.id
    assert visit(salts, -3).id == visit(salts, 5).id


def test_a_flood_of_visitors_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made-up agents fill the table; it grows no further, and leads nobody astray."""
    monkeypatch.setattr(module, "_SHELVES", 512)
    table = Bridge(tmp_path / "bridge")
    marks = [Mark.of(str(number).encode(), b"s" * 32) for number in range(6_000)]
    for number, mark in enumerate(marks, 1):
        table.note(mark, number, MIDNIGHT_S)
    found = [table.find(mark, MIDNIGHT_S) for mark in marks]

    assert (tmp_path / "bridge").stat().st_size <= 512 * 256
    assert {True} == {one in (0, number) for number, one in enumerate(found, 1)}
    assert 3_000 < sum(map(bool, found)) <= 4_096
