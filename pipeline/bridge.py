"""
The bridge: how a session without a cookie stays one when midnight falls into it.

Pseudonyms of a day end at midnight UTC, since their salt does. In the half hour before,
every process leaves word of whom it identifies, in one small file that all of them
share: under what the visitor's mark will be tomorrow, what the pseudonym is today.
Tomorrow's salt follows from today's, so nothing of yesterday has to be kept for this.

Invariants
----------
- The file holds neither salts nor pseudonyms. A mark is a keyed hash of site, address
  and agent under the new day's salt; the pseudonym is masked by another part of the
  same hash. Who has the file and that salt can find the sessions that are under way,
  one suspected address and agent at a time; who has the file alone finds nothing.
- What was silent for 30 minutes is overwritten within a minute of the next look, and
  synced; with the last entry the file is emptied. `pipeline/salt.py` says until when
  an entry may be refreshed, so nothing is here outside the night.
- A file that is missing, damaged, full or on a broken disk costs the sessions that need
  it their continuity, and nobody anything else.
- No locks: a record is written at once, and one that two processes wrote into each
  other does not agree with its check.

Read and written, not mapped: a mapped file that shrinks, or has no room on the disk,
ends the process that touches it.
"""

import hashlib
import logging
import os
import struct
import sys
import threading
from pathlib import Path
from typing import Final, NamedTuple

_log = logging.getLogger("kastana.bridge")
GAP_S: Final = 1800
# Entries lie in shelves of eight: one read finds all places where a mark can be.
_SHELVES: Final = 8192
# Mark, masked pseudonym, when it was last seen (s since 1970 UTC), check.
_ENTRY: Final = struct.Struct("=4Q")
_SHELF: Final = struct.Struct("=32Q")
_PLACES: Final = range(0, 32, 4)
_WORD_BYTES: Final = 8
_SHELF_BYTES: Final = _SHELF.size
_BYTES: Final = _SHELVES * _SHELF_BYTES
_CHUNK: Final = 1 << 16
_NOTHING: Final = bytes(_CHUNK)
_WORD: Final = (1 << 64) - 1
_ODD: Final = 0x9E37_79B9_7F4A_7C15


class Mark(NamedTuple):
    """What a visitor is found by after midnight, and what masks the pseudonym."""

    key: int
    mask: int

    @classmethod
    def of(cls, fingerprint: bytes, salt: bytes) -> "Mark":
        """Return the mark of site, address and agent under the new day's salt."""
        digest = hashlib.blake2b(
            fingerprint, digest_size=16, key=salt, person=b"kastana-bridge"
        ).digest()
        # 0 is a place that nobody has.
        return cls(
            int.from_bytes(digest[:8], "big") or 1, int.from_bytes(digest[8:], "big")
        )

    def __repr__(self) -> str:
        """Say nothing: a mark is somebody's."""
        return "<Mark>"


class Bridge:
    """One process's view of the file; any thread may use it."""

    def __init__(self, path: Path, *, keep: bool = True) -> None:
        """
        Bind a file in the data folder, which is made (0600) when it is needed.

        Args:
            path: the file.
            keep: False for who only looks: nothing is noted, nothing overwritten.

        """
        self._path = path
        self._keep = keep
        self._file = -1
        self._tended = -1
        self._problem = ""
        self._mutex = threading.Lock()

    def __del__(self) -> None:
        """Give the file back."""
        self._close()

    def holds_any(self, now_s: int) -> bool:
        """Say if anyone could be found; mostly nobody soon after midnight."""
        with self._mutex:
            self._tend(now_s)
            return self._file >= 0

    def find(self, mark: Mark, now_s: int) -> int:
        """
        Return the pseudonym that a session began with, 0 when none goes on.

        Args:
            mark: the visitor's, under the new day's salt.
            now_s: s since 1970 UTC; who was silent for longer than GAP_S is not found.

        """
        with self._mutex:
            self._tend(now_s)
            if self._file < 0:
                return 0
            try:
                shelf = self._shelf(mark)
                for place in _PLACES:
                    if shelf[place] == mark.key and _is_live(shelf, place, now_s):
                        return shelf[place + 1] ^ mark.mask
            except OSError as error:
                self._failed(error)
            return 0

    def note(self, mark: Mark, visitor_id: int, now_s: int) -> None:
        """
        Leave word that a session is under way; the arguments are those of `find`.

        Where there is no room nothing is noted.
        """
        if not self._keep:
            return
        with self._mutex:
            self._tend(now_s)
            try:
                if self._file < 0:
                    self._open(os.O_CREAT)
                self._write(mark, visitor_id, now_s)
            except OSError as error:
                self._failed(error)

    def tend(self, now_s: int) -> None:
        """
        Overwrite what has expired, once a minute; empty the file with the last of it.

        Args:
            now_s: s since 1970 UTC.

        """
        with self._mutex:
            self._tend(now_s)

    def _write(self, mark: Mark, visitor_id: int, now_s: int) -> None:
        """Refresh the mark's entry, or make it where there is room."""
        shelf, offset = self._shelf(mark), _offset(mark)
        for place in _PLACES:
            if shelf[place] == mark.key and _is_live(shelf, place, now_s):
                if shelf[place + 2] < now_s:
                    text = now_s.to_bytes(_WORD_BYTES, sys.byteorder)
                    os.pwrite(self._file, text, offset + (place + 2) * _WORD_BYTES)
                return
        for place in _PLACES:
            if not _is_live(shelf, place, now_s):
                word = visitor_id ^ mark.mask
                entry = (mark.key, word, now_s, _check(mark.key, word))
                text = _ENTRY.pack(*entry)
                os.pwrite(self._file, text, offset + place * _WORD_BYTES)
                return

    def _tend(self, now_s: int) -> None:
        minute = now_s // 60
        if minute == self._tended:
            return
        self._tended = minute
        # Anew each time: someone may have removed the file.
        self._close()
        try:
            self._open(0)
            if self._keep and not self._sweep(now_s):
                self._empty()
            self._problem = ""
        except FileNotFoundError:
            # Nobody has noted anything.
            self._problem = ""
        except OSError as error:
            self._failed(error)

    def _sweep(self, now_s: int) -> int:
        """Overwrite the dead, return how many live."""
        size = os.fstat(self._file).st_size
        if size > _BYTES:
            os.ftruncate(self._file, _BYTES)
        live = 0
        changed = size > _BYTES
        for start in range(0, min(size, _BYTES), _CHUNK):
            chunk = os.pread(self._file, _CHUNK, start)
            if chunk == _NOTHING[: len(chunk)]:
                continue
            found, dead = _look_over(chunk, now_s)
            live += found
            for first, last in dead:
                os.pwrite(self._file, _NOTHING[first:last], start + first)
                changed = True
        if changed:
            os.fsync(self._file)
        return live

    def _empty(self) -> None:
        if os.fstat(self._file).st_size:
            os.ftruncate(self._file, 0)
            os.fsync(self._file)
        self._close()

    def _shelf(self, mark: Mark) -> tuple[int, ...]:
        shelf = os.pread(self._file, _SHELF_BYTES, _offset(mark))
        # What was never written is shorter, or zeros.
        shelf += bytes(_SHELF_BYTES - len(shelf))
        return _SHELF.unpack(shelf)

    def _open(self, flags: int) -> None:
        flags |= os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _failed(self, error: OSError) -> None:
        problem = error.strerror or "failed"
        if problem != self._problem:
            _log.warning("sessions do not outlast midnight: %s", problem)
        self._problem = problem
        self._close()


def _offset(mark: Mark) -> int:
    return mark.key % _SHELVES * _SHELF_BYTES


def _look_over(chunk: bytes, now_s: int) -> tuple[int, list[tuple[int, int]]]:
    """Return how many entries live, and from where to where the dead lie."""
    # Half an entry at the end is none of ours, and goes when the file is emptied.
    whole = len(chunk) - len(chunk) % _ENTRY.size
    times = memoryview(chunk[:whole]).cast("Q")[2::4].tolist()
    expired = [
        place
        for place, seen_s in enumerate(times)
        if seen_s and not -GAP_S <= now_s - seen_s <= GAP_S
    ]
    dead: list[tuple[int, int]] = []
    for place in expired:
        first = place * _ENTRY.size
        # Neighbours in one write; what is between them others may be writing.
        if dead and dead[-1][1] == first:
            first = dead.pop()[0]
        dead.append((first, (place + 1) * _ENTRY.size))
    return len(times) - times.count(0) - len(expired), dead


def _check(key: int, word: int) -> int:
    # Of two records that were mixed no three words fit.
    return (key + word * _ODD) & _WORD


def _is_live(shelf: tuple[int, ...], place: int, now_s: int) -> bool:
    key, word, seen_s, check = shelf[place : place + 4]
    # Two processes may hear a visitor in the other order, and clocks step back.
    near = -GAP_S <= now_s - seen_s <= GAP_S
    return near and key != 0 and check == _check(key, word)
