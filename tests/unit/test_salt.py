"""The day's salt: the same for all, and gone when the day is."""

import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.identify import candidate
from pipeline.salt import DaySalt, SaltError, ratchet
from tests.builders import DAY_MS, NOON_MS, ROOT, raw_event

# What a salt file of the day 20240 looks like.
GOOD = b"kastana-salt-1 0000020240 " + b"ab" * 32 + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the salt's file will be."""
    return tmp_path / "day.salt"


def read_salt(path: Path) -> bytes:
    """Return the salt that the file holds."""
    return bytes.fromhex(path.read_text().split()[-1])


def test_same_file_same_salt(path: Path) -> None:
    """Two readers of one file agree, all day long."""
    one, other = DaySalt(path), DaySalt(path)
    start = NOON_MS - NOON_MS % DAY_MS
    salts = [
        reader.at(start + offset)
        for offset in (0, 1, DAY_MS // 2, DAY_MS - 1)
        for reader in (one, other)
    ]

    assert 1 == len(set(salts))
    assert 32 == len(salts[0])
    assert salts[0] == read_salt(path)


# Prints the salt of each moment it is given; run beside the test's own reader.
READER = """
import sys
from pathlib import Path
from pipeline.salt import DaySalt
reader = DaySalt(Path(sys.argv[1]))
print(*[reader.at(int(moment)).hex() for moment in sys.argv[2:]])
"""


def start_reader(path: Path, moments: list[int]) -> "subprocess.Popen[str]":
    """Start another process that reads the salt of these moments."""
    command = [sys.executable, "-c", READER, str(path), *map(str, moments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_another_process_agrees(path: Path) -> None:
    """Processes that share the file share the salt."""
    salt = DaySalt(path).at(NOON_MS)
    said, _ = start_reader(path, [NOON_MS]).communicate(timeout=30)

    assert salt.hex() == said.strip()


def test_processes_turn_the_day_together(path: Path) -> None:
    """However many readers turn the day at the same moment, there is one salt."""
    moments = [NOON_MS + day * DAY_MS for day in range(50)]
    readers = [start_reader(path, moments) for _ in range(4)]
    said = [reader.communicate(timeout=30)[0].split() for reader in readers]

    # A reader that is behind is given a later day's salt, never one of its own.
    assert {read_salt(path).hex()} == {salts[-1] for salts in said}
    assert [50] * 4 == [len(salts) for salts in said]


def test_one_writes_the_others_wait(path: Path) -> None:
    """Who turns the day holds the file; the next one takes what it finds then."""
    path.touch()
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(DaySalt(path).at(NOON_MS)))
    with path.open("rb+") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        reader.start()
        reader.join(0.2)
        waited = reader.is_alive()
        writer.write(GOOD)
    reader.join(10)

    assert waited
    assert [ratchet(bytes.fromhex("ab" * 32), NOON_MS // DAY_MS - 20240)] == found


def test_only_the_owner_can_read(path: Path) -> None:
    """The file is 0600 from its first byte on."""
    old = os.umask(0)
    try:
        DaySalt(path).at(NOON_MS)
    finally:
        os.umask(old)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_the_day_turns(path: Path) -> None:
    """A new day has another salt; the file forgets the old one, in place."""
    reader = DaySalt(path)
    old = reader.at(NOON_MS)
    inode = path.stat().st_ino
    new = reader.at(NOON_MS + DAY_MS)
    content = path.read_bytes()

    assert old != new
    assert new == read_salt(path)
    assert old not in content
    assert old.hex().encode() not in content
    assert inode == path.stat().st_ino
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_the_old_salt_is_overwritten_and_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write over all of the old record, then a sync, before the salt is used."""
    reader = DaySalt(path)
    reader.at(NOON_MS)
    old = path.read_bytes()
    log: list[object] = []
    write, sync = os.pwrite, os.fsync

    def logged_write(descriptor: int, content: bytes, offset: int) -> int:
        log.append((len(content), offset))
        return write(descriptor, content, offset)

    def logged_sync(descriptor: int) -> None:
        log.append(old != path.read_bytes())
        sync(descriptor)

    monkeypatch.setattr("pipeline.salt.os.pwrite", logged_write)
    monkeypatch.setattr("pipeline.salt.os.fsync", logged_sync)
    reader.at(NOON_MS + DAY_MS)

    assert [(len(old), 0), True] == log


def test_the_night(path: Path) -> None:
    """From half an hour before midnight to four hours after it, under one salt."""
    reader = DaySalt(path)
    midnight = NOON_MS - NOON_MS % DAY_MS + DAY_MS
    minute = 60_000
    told = []
    for moment in (-31, -30, -0.001, 0, 209.99, 210, 239.99, 240):
        now_ms = midnight + round(moment * minute)
        reader.at(now_ms)
        told.append(reader.night(now_ms))

    assert told[0] is told[-1] is None
    assert [False] * 2 + [True] * 4 == [one.passed for one in told[1:-1] if one]
    assert [False] * 4 + [True] * 2 == [one.closing for one in told[1:-1] if one]
    assert {read_salt(path)} == {one.salt for one in told[1:-1] if one}
    assert read_salt(path).hex() not in repr(told)


def test_turns_at_midnight_utc(path: Path) -> None:
    """The salt changes with the first millisecond of the day, not before."""
    reader = DaySalt(path)
    midnight = NOON_MS - NOON_MS % DAY_MS + DAY_MS
    last, first = reader.at(midnight - 1), reader.at(midnight)

    assert ratchet(last, 1) == first


def test_hosts_that_slept_stay_in_step(tmp_path: Path) -> None:
    """Copies of one file lead to the same salt, however many days each slept."""
    awake, asleep = tmp_path / "awake", tmp_path / "asleep"
    one = DaySalt(awake)
    first = one.at(NOON_MS)
    asleep.write_bytes(awake.read_bytes())
    daily = [one.at(NOON_MS + day * DAY_MS) for day in range(1, 8)]

    assert daily[-1] == DaySalt(asleep).at(NOON_MS + 7 * DAY_MS)
    assert [ratchet(first, day) for day in range(1, 8)] == daily
    assert awake.read_bytes() == asleep.read_bytes()


def test_ratchet_is_one_way() -> None:
    """Each step is a keyless hash of the one before: there is no step back."""
    salt = bytes(range(32))
    step = hashlib.blake2b(salt, digest_size=32, person=b"kastana-day").digest()

    assert step == ratchet(salt, 1)
    assert ratchet(step, 2) == ratchet(salt, 3)
    assert salt == ratchet(salt, 0) == ratchet(salt, -5)


def test_clock_steps_back(path: Path) -> None:
    """A clock that steps back changes nothing, for this reader or a new one."""
    reader = DaySalt(path)
    reader.at(NOON_MS)
    salt = reader.at(NOON_MS + DAY_MS)
    content = path.read_bytes()

    for moment in (NOON_MS, NOON_MS - 3 * DAY_MS, NOON_MS + DAY_MS + 1):
        assert salt == reader.at(moment)
        assert salt == DaySalt(path).at(moment)
    assert content == path.read_bytes()


def test_who_only_looks_changes_nothing(path: Path) -> None:
    """The salt of another day is told, and the file stays of today."""
    path.write_bytes(GOOD)
    looking = DaySalt(path, keep=False)
    salts = [looking.at((20240 + days) * DAY_MS) for days in (0, 3, 4)]

    assert [bytes.fromhex("ab" * 32), ratchet(salts[0], 3), ratchet(salts[0], 4)] == (
        salts
    )
    assert path.read_bytes() == GOOD


def test_who_only_looks_makes_nothing(path: Path) -> None:
    """Where there is no salt one is told that nobody keeps."""
    looking = DaySalt(path, keep=False)

    assert looking.at(NOON_MS) == looking.at(NOON_MS + 1)
    assert not path.exists()


def test_read_once_a_day(path: Path) -> None:
    """Within the day the file is not asked again."""
    reader = DaySalt(path)
    salt = reader.at(NOON_MS)
    path.unlink()

    # Nor when the clock steps back.
    assert salt == reader.at(NOON_MS + 1) == reader.at(NOON_MS - 2 * DAY_MS)
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"x",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD.replace(b"salt-1", b"salt-2"),
        GOOD.replace(b"ab" * 32, b"zz" * 32),
        GOOD.replace(b"0000020240", b"00000day40"),
        GOOD.replace(b"0000020240 ab", b"0000020240abc"),
        bytes(len(GOOD)),
        b"\xff" * len(GOOD),
        GOOD * 2,
    ],
)
def test_damaged(path: Path, content: bytes) -> None:
    """A file that is not a salt file is an error, and is left as it is."""
    path.write_bytes(content)

    with pytest.raises(SaltError, match="damaged"):
        DaySalt(path).at(NOON_MS)
    assert content == path.read_bytes()


def test_good_file_is_taken(path: Path) -> None:
    """The file of the day is used as it is."""
    path.write_bytes(GOOD)

    assert bytes.fromhex("ab" * 32) == DaySalt(path).at(20240 * DAY_MS)
    assert GOOD == path.read_bytes()


def test_unreadable(tmp_path: Path) -> None:
    """A salt that cannot be had is an error: there is no id without it."""
    with pytest.raises(OSError, match="No such file"):
        DaySalt(tmp_path / "nowhere" / "day.salt").at(NOON_MS)


def candidates(content: bytes) -> list[Callable[[bytes], bytes]]:
    """Return ways to make a key of what lies on the disk."""
    words = [content, *content.split()]
    keys = [content[at : at + 32] for at in range(len(content) - 31)]
    for word in words:
        try:
            keys.append(bytes.fromhex(word.decode("ascii")))
        except ValueError:
            keys.append(hashlib.sha256(word).digest())
    return [
        lambda text, key=key[:64]: hashlib.blake2b(  # type: ignore[misc]
            text, digest_size=8, key=key
        ).digest()
        for key in keys
    ]


def test_yesterdays_visitor_cannot_be_found_again(path: Path) -> None:
    """With address, agent and the whole disk, yesterday's id cannot be made again."""
    salts = DaySalt(path)
    raw = raw_event(user_agent="Mozilla/5.0", address="203.0.113.77")
    key = b"k" * 32
    today = candidate(raw, key, salts).id
    text = b"example.com\x00203.0.113.77\x00Mozilla/5.0"

    def found(visitor: int) -> bool:
        content = path.read_bytes()
        made = {
            int.from_bytes(way(text), "big")
            for seed in (content, key)
            for way in candidates(seed)
        }
        ratcheted = {
            int.from_bytes(
                hashlib.blake2b(
                    text, digest_size=8, key=ratchet(read_salt(path), days)
                ).digest(),
                "big",
            )
            for days in range(400)
        }
        return visitor in made | ratcheted

    # The search is a real one: while the day lasts it finds the visitor.
    assert found(today)

    salts.at(NOON_MS + DAY_MS)

    assert not found(today)
