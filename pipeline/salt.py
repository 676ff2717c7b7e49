"""
The day's salt: what makes a cookieless visitor id mean nothing tomorrow.

Invariants:

- One salt a day (UTC), the same for all edges that share the file.
- Tomorrow's salt is a one-way function of today's (a ratchet), so edges on other
  hosts that were once given the same file stay in step without any service.
- Yesterday's salt cannot be had back: the record is overwritten in place and
  synced, and the function does not run backwards.
- The clock may step back; the salt never does.
- Sessions go on over midnight by a table beside this file (`pipeline/bridge.py`) that
  is keyed with the new day's salt. For that no old salt is kept, not for a second.

What cannot be promised from here: a journal, a snapshot or a copy-on-write disk
may keep the old block. THREAT_MODEL.md says so.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from pipeline.bridge import GAP_S, Bridge

_DAY_MS = 86_400_000
_GAP_MS = 1000 * GAP_S
# How long after midnight a session may still be one of the day before.
_LONGEST_MS = 4 * 3_600_000
_MAGIC = b"kastana-salt-1 "
_SALT_BYTES = 32
# "kastana-salt-1 " + 10 digits of day number + " " + 64 hex digits + newline.
_RECORD_BYTES = len(_MAGIC) + 10 + 1 + 2 * _SALT_BYTES + 1


class SaltError(ValueError):
    """The salt file is not one; it is never replaced silently."""


class Night(NamedTuple):
    """
    The time about midnight, when sessions have to be led over it.

    Attributes:
        salt: of the day that begins, or has just begun.
        closing: true when no session is led any further.
        passed: true once midnight has passed.

    """

    salt: bytes
    passed: bool
    closing: bool

    def __repr__(self) -> str:
        """Say nothing of the salt."""
        return "<Night>"


class DaySalt:
    """The salt of the current day, read from and ratcheted in one small file."""

    def __init__(self, path: Path, *, keep: bool = True) -> None:
        """
        Bind the file, which is made (mode 0600) with a random salt where there is none.

        Args:
            path: the file.
            keep: False for who only looks, and perhaps at another day than today:
                then neither the file nor the bridge beside it is written.

        """
        self._path = path
        self._keep = keep
        self._day = -1
        self._salt = b""
        # When the day, the part of it that is no night, and the next night begin.
        self._start_ms = self._morning_ms = self._evening_ms = self._end_ms = 0
        self.bridge = Bridge(path.with_suffix(".bridge"), keep=keep)

    def at(self, now_ms: int) -> bytes:
        """
        Return the salt of the day that `now_ms` lies in.

        Raises:
            SaltError: when the file is not a salt file.
            OSError: when it cannot be read or written.

        """
        if now_ms >= self._end_ms:
            self._turn(now_ms // _DAY_MS)
        return self._salt

    def night(self, now_ms: int) -> Night | None:
        """
        Return the night that `now_ms` lies in, None by day; to be asked after `at`.

        It begins half an hour before midnight UTC and ends four hours after it. When
        the clock stepped back by more than half an hour since it is day.
        """
        if self._morning_ms <= now_ms < self._evening_ms:
            return None
        if self._evening_ms <= now_ms < self._end_ms:
            return Night(ratchet(self._salt, 1), passed=False, closing=False)
        if self._start_ms - _GAP_MS <= now_ms < self._morning_ms:
            closing = now_ms >= self._morning_ms - _GAP_MS
            return Night(self._salt, passed=True, closing=closing)
        return None

    def tend(self, now_ms: int) -> None:
        """
        Let the day turn, and what the night left expire, also when nobody comes.

        For a timer, every few seconds. Makes no salt where there is none yet.

        Args:
            now_ms: ms since 1970 UTC.

        Raises:
            SaltError, OSError: as `at`.

        """
        if self._day >= 0 or self._path.exists():
            self.at(now_ms)
        self.bridge.tend(now_ms // 1000)

    @property
    def day(self) -> int:
        """The day the salt is of, days since 1970; ahead if a clock once was."""
        return self._day

    def _turn(self, today: int) -> None:
        if self._keep:
            fresh, day = self._turned(today)
        else:
            fresh, day = self._looked(today)
        # First: another thread that sees the new day has to find its salt.
        self._salt = fresh
        self._day = day
        self._start_ms = day * _DAY_MS
        self._morning_ms = self._start_ms + _LONGEST_MS
        self._end_ms = self._start_ms + _DAY_MS
        self._evening_ms = self._end_ms - _GAP_MS

    def _looked(self, today: int) -> tuple[bytes, int]:
        """Return the salt of today or later, and its day, and leave the file alone."""
        try:
            record = self._path.read_bytes()
        except FileNotFoundError:
            return os.urandom(_SALT_BYTES), today
        if not record:
            return os.urandom(_SALT_BYTES), today
        day, salt = _parse(record)
        return ratchet(salt, today - day), max(today, day)

    def _turned(self, today: int) -> tuple[bytes, int]:
        """Return the same, and overwrite what is of a day before."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Edges turn the day at the same moment: one writes, the rest read.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            record = os.pread(descriptor, _RECORD_BYTES + 1, 0)
            if record:
                day, salt = _parse(record)
            else:
                day, salt = today, os.urandom(_SALT_BYTES)
            fresh = ratchet(salt, today - day)
            if not record or today > day:
                day = max(today, day)
                os.pwrite(descriptor, _format(day, fresh), 0)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return fresh, day


def ratchet(salt: bytes, days: int) -> bytes:
    """Return the salt that follows after this many days; zero or less: itself."""
    for _ in range(days):
        salt = hashlib.blake2b(
            salt, digest_size=_SALT_BYTES, person=b"kastana-day"
        ).digest()
    return salt


def _format(day: int, salt: bytes) -> bytes:
    return _MAGIC + f"{day:010d} {salt.hex()}\n".encode()


def _parse(record: bytes) -> tuple[int, bytes]:
    try:
        if len(record) != _RECORD_BYTES or not record.startswith(_MAGIC):
            raise ValueError  # noqa: TRY301 - one message for every way to be wrong
        day, salt = record[len(_MAGIC) :].split()
        return int(day), bytes.fromhex(salt.decode("ascii"))
    except ValueError:
        message = "the salt file is damaged; delete it to start a new day's pseudonyms"
        raise SaltError(message) from None
