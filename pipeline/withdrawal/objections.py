"""
Withdrawals and objections: one append-only file, shared by the edges and the keeper.

Beside policy, geo data and salts it is the only thing an edge reads. A line is an
entry of `pipeline/withdrawal/standing.py` with a number before it:

    [7,1748781296789,"example.com","00f1a2b3c4d5e6f7","withdrawn",["statistics"],true]

Invariants
----------
- `append` returns after `fdatasync`. What a crash left of a line is cut by the next
  append; it was never acknowledged.
- Numbers only grow, and are kept when old entries are dropped: "done up to 7" stays
  true. Every reader sees an entry at its next question: it asks the file itself, one
  `stat` each, or, when it listens, a number in shared memory (`beat.py`).
- A line that cannot be read may be anyone's withdrawal. So nobody's standing is told
  until a person mended the file: `ObjectionsError`, with the number of the line.
- There is room for so many entries; what is beyond is refused aloud.

A missing file is no entries; one that vanishes while it is in use is an error.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.durable import replace_file, sync_folder, write_all
from pipeline.identify import Visitor
from pipeline.withdrawal.beat import Beat
from pipeline.withdrawal.standing import (
    CLEAR,
    FOR_EVER,
    Entry,
    Kind,
    Limits,
    Standing,
    add,
    check_entry,
    limits,
    pack,
)
from schemas.consent import Category

MOST_ENTRIES: Final = 1_000_000
_CHUNK: Final = 1 << 20
_NOBODY: Final[dict[int, tuple[int, ...]]] = {}
# The standings of a visitor of one name, about whom there is no entry.
NOTHING_CLOSED: Final = (CLEAR,)
# Below this many bytes a file is read from there on, not searched any more.
_SEARCH_BYTES: Final = 1 << 14
Problem = Literal["damaged", "full", "missing", "unreadable"]


class ObjectionsError(Exception):
    """The file cannot be used; `code` says why, `line` where, 0 if nowhere."""

    def __init__(self, code: Problem, line: int = 0) -> None:
        where = f" in line {line}" if line else ""
        super().__init__(f"objections {code}{where}")
        self.code: Problem = code
        self.line = line

    @property
    def full(self) -> bool:
        """True when there is no room for another entry."""
        return self.code == "full"


class _Line(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An entry as it stands in the file."""

    number: Annotated[int, Meta(ge=1)]
    time_ms: Annotated[int, Meta(ge=0, le=FOR_EVER)]
    site: Annotated[str, Meta(min_length=1)]
    visitor: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    kind: Kind
    categories: tuple[Category, ...]
    lasting: bool = True

    @property
    def entry(self) -> Entry:
        """The line as an entry."""
        visitor_id = int(self.visitor, 16)
        return Entry(
            self.time_ms,
            self.site,
            visitor_id,
            self.kind,
            tuple(self.categories),
            self.lasting,
        )


_DECODER: Final = msgspec.json.Decoder(_Line)


class Objections:
    """One process's view of the file; any thread may ask and append."""

    def __init__(self, path: Path, most: int = MOST_ENTRIES) -> None:
        """
        Bind a file, which need not exist; nothing is read before the first question.

        Args:
            path: the file, in the data folder.
            most: how many entries it may hold.

        """
        self._path = path
        self._most = most
        self._mutex = threading.Lock()
        self._beat: Beat | None = None
        self._heard = b""
        self._forget()

    def __repr__(self) -> str:
        """Say nothing of whom it holds."""
        return "<Objections>"

    @property
    def last(self) -> int:
        """The number of the newest entry that was read, 0 when there is none."""
        return self._last

    @property
    def count(self) -> int:
        """How many entries were read."""
        return self._count

    def standing(
        self, site: str, visitor_id: int, *, given_ms: int | None, received_ms: int
    ) -> Standing:
        """
        Return what is closed for an event of a visitor.

        Args:
            site: the site's name.
            visitor_id: the pseudonym; 0 is nobody, for whom nothing is closed.
            given_ms: when the event's grant was given, ms since 1970 UTC, None when
                that was not said.
            received_ms: when the event arrived, ms since 1970 UTC.

        Raises:
            ObjectionsError: when the file cannot be read in full.

        """
        found = self.limits(site, visitor_id)
        return found.standing(given_ms, received_ms) if found else CLEAR

    def standings(
        self, site: str, visitor: Visitor, *, given_ms: int | None, received_ms: int
    ) -> tuple[Standing, ...]:
        """
        Return what is closed for an event under each pseudonym of its visitor.

        `pipeline.withdrawal.standing.united` joins them: whoever withdrew under one of
        them has withdrawn. Arguments and errors are those of `standing`.
        """
        if not visitor.others:
            # As good as always, and mostly there is nothing: not even a look further.
            beat = self._beat
            if beat is None or beat.count() != self._heard or self._problem is not None:
                self.look()
            if visitor.id not in self._entries.get(site, _NOBODY):
                return NOTHING_CLOSED
        return tuple(
            self.standing(site, one, given_ms=given_ms, received_ms=received_ms)
            for one in (visitor.id, *visitor.others)
        )

    def among(
        self, visitors: AbstractSet[tuple[str, int]]
    ) -> frozenset[tuple[str, int]]:
        """Return those, by site and pseudonym, about whom an entry was read."""
        entries = self._entries
        return frozenset(
            one for one in visitors if one[1] in entries.get(one[0], _NOBODY)
        )

    def known(self, visitor_ids: AbstractSet[int]) -> set[int]:
        """Return those pseudonyms about which an entry of any site was read."""
        found: set[int] = set()
        # A copy: another thread may read the first entry of a site meanwhile.
        for entries in list(self._entries.values()):
            found |= entries.keys() & visitor_ids
        return found

    def limits(self, site: str, visitor_id: int) -> Limits | None:
        """
        Return what a visitor's entries close, None when there are none.

        Raises:
            ObjectionsError: when the file cannot be read in full.

        """
        self.look()
        entries = self._entries.get(site, {}).get(visitor_id)
        return limits(entries) if entries else None

    def look(self) -> None:
        """
        Read what was added since the last look; free when nothing was.

        Raises:
            ObjectionsError: when the file cannot be read in full.

        """
        # Before the look: what is added meanwhile is looked at the next time.
        heard = b"" if self._beat is None else self._beat.count()
        # Until this look is through nobody may go by the number.
        self._heard = b""
        if self._stat() != self._stamp:
            with self._mutex:
                # Again: another thread may have made the file, and read it, since.
                stamp = self._stat()
                if stamp != self._stamp:
                    self._read(stamp)
        self._heard = heard
        if self._problem is not None:
            code, line = self._problem
            raise ObjectionsError(code, line)

    def listen(self) -> None:
        """
        Ask the file no more for each event, but when somebody added to it.

        For a process that asks for every event, and that looks for itself (`look`)
        every second: for what others than this class did to the file.

        Raises:
            OSError: when the number beside the file cannot be shared.

        """
        self._beat = Beat(self._beat_path)
        self.look()

    def append(self, entries: Sequence[Entry]) -> None:
        """
        Return when the entries are on disk.

        After an error some of them may be there all the same: repeat all.

        Raises:
            ObjectionsError: when there is no room, or the file cannot be used.
            ValueError: for what is no entry.
            OSError: when the disk fails.

        """
        for entry in entries:
            check_entry(entry)
        with self._locked() as file:
            if self._count + len(entries) > self._most:
                raise ObjectionsError("full")
            # What follows the last whole line was never acknowledged.
            os.ftruncate(file, self._offset)
            lines = [
                _encode(self._last + number, entry)
                for number, entry in enumerate(entries, 1)
            ]
            write_all(file, b"".join(lines))
            os.fdatasync(file)
            if self._offset == 0:
                sync_folder(self._path.parent)
            self._tell()
        self.look()

    def after(self, number: int, most: int) -> list[tuple[int, Entry]]:
        """
        Return the entries that follow a number, oldest first, at most so many.

        Raises:
            ObjectionsError: when the file cannot be read in full.

        """
        self.look()
        found: list[tuple[int, Entry]] = []
        if number >= self._last:
            return found
        with self._path.open("rb") as file:
            low, high = 0, self._offset
            # Numbers grow, so the place can be halved; all before `low` are older.
            while number and high - low > _SEARCH_BYTES:
                middle = (low + high) // 2
                file.seek(middle)
                start = middle + len(file.readline())
                text = file.readline()
                if start < high and _decode(text).number <= number:
                    low = start + len(text)
                else:
                    high = middle
            file.seek(low)
            for text in file:
                if len(found) == most or not text.endswith(b"\n"):
                    break
                line = _decode(text)
                if line.number > number:
                    found.append((line.number, line.entry))
        return found

    def compact(self, before_ms: int) -> int:
        """
        Drop entries of day's pseudonyms older than a time; return how many.

        For the keeper alone. A pseudonym of a day that no row holds any more needs no
        tombstone; one of a token does for ever, since a token may come again and a
        withdrawal does not lapse. The newest entry stays, for its number.

        Args:
            before_ms: ms since 1970 UTC.

        Raises:
            ObjectionsError: when the file cannot be read in full.
            OSError: when the disk fails; the file is as it was.

        """
        with self._locked() as file:
            with os.fdopen(os.dup(file), "rb") as reader:
                reader.seek(0)
                lines = reader.read(self._offset).splitlines(keepends=True)
            kept = [
                text
                for place, text in enumerate(lines, 1)
                if place == len(lines) or _is_needed(_decode(text), before_ms)
            ]
            if len(kept) < len(lines):
                draft = self._path.with_name(f".{self._path.name}.draft")
                replace_file(self._path, b"".join(kept), draft)
                self._tell()
        self.look()
        return len(lines) - len(kept)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Give the file, locked and read to its end."""
        self.look()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        while True:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self.look()
                # Replaced while we waited: the lock is on a file that is no more.
                if self._inode == os.fstat(descriptor).st_ino:
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    @property
    def _beat_path(self) -> Path:
        return self._path.with_name(f"{self._path.name}.beat")

    def _tell(self) -> None:
        """Let those who listen know; the file is locked."""
        beat = self._beat or Beat(self._beat_path)
        beat.advance()
        if beat is not self._beat:
            beat.close()

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a path's own costs twice as much
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ObjectionsError("unreadable") from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _forget(self) -> None:
        self._stamp: tuple[int, int, int] | None = None
        self._problem: tuple[Problem, int] | None = None
        self._inode = self._offset = self._count = self._last = 0
        self._entries: dict[str, dict[int, tuple[int, ...]]] = {}

    def _read(self, stamp: tuple[int, int, int] | None) -> None:
        if stamp is None:
            # Withdrawals do not end because a file is gone.
            self._problem = ("missing", 0)
            self._stamp = None
            return
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise ObjectionsError("unreadable") from error
        try:
            found = os.fstat(file)
            replaced = found.st_ino != self._inode or found.st_size < self._offset
            if replaced or self._problem is not None:
                # Aside first: who asks meanwhile is told by the old entries.
                fresh = Objections(self._path, self._most)
                fresh._inode = found.st_ino
                fresh._take(file)
                fresh._stamp = stamp
                mine = self._mutex, self._beat, self._heard
                self.__dict__.update(fresh.__dict__)
                self._mutex, self._beat, self._heard = mine
                return
            self._take(file)
            self._stamp = stamp
        except OSError as error:
            raise ObjectionsError("unreadable") from error
        finally:
            os.close(file)

    def _take(self, file: int) -> None:
        """Take in the whole lines from the offset on."""
        rest = b""
        while chunk := os.pread(file, _CHUNK, self._offset + len(rest)):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            for text in (whole + newline).splitlines(keepends=True):
                if not self._take_line(text):
                    self._problem = ("damaged", self._count + 1)
                    return

    def _take_line(self, text: bytes) -> bool:
        try:
            line = _decode(text)
            entry = line.entry
            check_entry(entry)
        except ValueError:
            return False
        if line.number <= self._last:
            return False
        visitors = self._entries.setdefault(entry.site, {})
        known = visitors.get(entry.visitor_id, ())
        visitors[entry.visitor_id] = add(known, pack(entry))
        self._last = line.number
        self._count += 1
        self._offset += len(text)
        return True


def entries_of(
    visitor: Visitor,
    *,
    time_ms: int,
    site: str,
    kind: Kind,
    categories: tuple[Category, ...] = (),
) -> list[Entry]:
    """
    Return an entry for each pseudonym of a visitor, none for nobody.

    So that what was withdrawn does not come back when a session has passed midnight,
    or when the visitor signs out. Arguments as those of `Entry`.
    """
    return [
        Entry(time_ms, site, one, kind, categories, lasting)
        for one, lasting in visitor.pseudonyms()
    ]


def _encode(number: int, entry: Entry) -> bytes:
    visitor = f"{entry.visitor_id:016x}"
    line = _Line(
        number,
        entry.time_ms,
        entry.site,
        visitor,
        entry.kind,
        entry.categories,
        entry.lasting,
    )
    return msgspec.json.encode(line) + b"\n"


def _is_needed(line: _Line, before_ms: int) -> bool:
    return line.lasting or line.time_ms >= before_ms


def _decode(text: bytes) -> _Line:
    return _DECODER.decode(text)
