"""
Step 8, what was begun: which segments go into an insert together, decided for good.

The engine knows an insert by its token alone. So who goes with whom, and under which
token, is written down here, in `attempts/` beside the spool's folders, before the first
attempt; every later one, by whichever process, finds it and does the same.

    <segment>.fixed   it is an insert of its own, under its own id
    <token>.joint     these segments are one insert under this token
    <token>.taken     … and the store has taken it: they only move to loaded/
    <segment>.split   it is being replaced by two of its parts

What stands in none of them was never tried, and may be joined. A joint's token follows
from the ids of its members. `.fixed` and `.joint` also hold a digest of the header of
the first attempt: a refusal under the same columns says that no earlier attempt can
have been taken, one under others does not.

Invariants
----------
- Each file is complete, and synced, before what it speaks of is begun, and goes when
  that is over. `settle` ends what a crash left, whichever step it was at.
- A split that was not finished is undone: its parts were never tried.
- Nothing here holds rows; a full disk keeps nobody from loading, only from splitting.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pipeline.durable import replace_file, sync_folder
from pipeline.sealing import PLAIN, Sealing
from pipeline.segment import SUFFIX, replace_segment

_FOLDER = "attempts"
_FIXED, _JOINT, _TAKEN, _SPLIT = ".fixed", ".joint", ".taken", ".split"
# Of what waited before there were plans nobody knows if it was tried.
_UNKNOWN = "?"
_HEADER_LINES = 2


class Joint(msgspec.Struct, frozen=True):
    """
    Segments that are one insert.

    Attributes:
        token: the insert's token.
        members: the segments' file names, in order.
        header: digest of the header of the first attempt.

    """

    token: str
    members: tuple[str, ...]
    header: str


class _Split(msgspec.Struct, frozen=True):
    segment: str
    parts: tuple[str, ...]


def fix(root: Path, segment: str) -> None:
    """Note that a segment that is about to be made is an insert of its own."""
    folder = prepare(root)
    path = folder / (segment + _FIXED)
    if not path.exists():
        _write(path, b"")


def forget(root: Path, segment: str) -> None:
    """Forget what was begun with a segment that is no more."""
    (root / _FOLDER / (segment + _FIXED)).unlink(missing_ok=True)


def prepare(root: Path) -> Path:
    """
    Return the folder of plans, made if missing.

    What waits at that moment was perhaps tried by a version that kept no plans, alone,
    under its own id: all of it stays alone.
    """
    folder = root / _FOLDER
    if not folder.exists():
        draft = root / f".{_FOLDER}"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        for state in ("sealed", "failed"):
            for path in (root / state).glob("*" + SUFFIX):
                _write(draft / (path.name + _FIXED), _UNKNOWN.encode())
        sync_folder(draft)
        draft.rename(folder)
        sync_folder(root)
    return folder


def digest(header: bytes) -> str:
    """Return the digest of a header that plans hold."""
    return hashlib.blake2b(header, digest_size=8).hexdigest()


class Plans:
    """The plans of one spool; its loader has them."""

    def __init__(self, root: Path, sealing: Sealing = PLAIN) -> None:
        """
        Bind a spool, and end what a crash left.

        Raises:
            OSError: when the disk fails.

        """
        self._root = root
        self._sealing = sealing
        self._folder = prepare(root)
        for draft in self._folder.glob(".*"):
            draft.unlink()
        self.settle()
        for path in self._folder.glob("*" + _FIXED):
            name = path.name.removesuffix(_FIXED)
            if not any(
                (root / state / name).exists() for state in ("sealed", "failed")
            ):
                path.unlink()

    def settle(self) -> None:
        """End what was begun and is decided; what is not decided yet stays."""
        for path in self._folder.glob("*" + _TAKEN):
            joint = msgspec.json.decode(path.read_bytes(), type=Joint)
            self._to_loaded(joint.members)
            path.unlink()
        for path in self._folder.glob("*" + _SPLIT):
            split = msgspec.json.decode(path.read_bytes(), type=_Split)
            if self._sealed(split.segment).exists():
                for part in split.parts:
                    self._sealed(part).unlink(missing_ok=True)
                    self._fixed(part).unlink(missing_ok=True)
                sync_folder(self._root / "sealed")
            path.unlink()

    def joints(self) -> list[Joint]:
        """Return the joints whose end is not known, oldest first."""
        return [
            msgspec.json.decode(path.read_bytes(), type=Joint)
            for path in sorted(self._folder.glob("*" + _JOINT))
        ]

    def alone(self) -> frozenset[str]:
        """Return the segments that are an insert of their own."""
        return frozenset(
            name.removesuffix(_FIXED)
            for name in os.listdir(self._folder)  # noqa: PTH208 - names are all that is asked
            if name.endswith(_FIXED)
        )

    def begin(self, segment: str, header: str) -> bool:
        """
        Note that a segment is tried alone.

        Args:
            segment: its file name.
            header: digest of the header it is tried with.

        Returns:
            Whether a refusal would tell that no earlier attempt was taken.

        """
        path = self._fixed(segment)
        before = path.read_text("ascii") if path.exists() else ""
        if not before:
            _write(path, header.encode())
        return before in ("", header)

    def tried(self, segment: str) -> bool:
        """Say if an attempt with a segment alone was begun."""
        path = self._fixed(segment)
        return path.exists() and path.read_bytes() != b""

    def join(self, members: Sequence[str], header: str) -> Joint:
        """Note that segments are tried as one insert."""
        joint = Joint(derived_id(members[0], *members), tuple(members), header)
        _write(self._joint(joint), msgspec.json.encode(joint))
        return joint

    def taken(self, joint: Joint) -> None:
        """Move a joint's members to where loaded segments are."""
        path = self._joint(joint)
        taken = path.with_suffix(_TAKEN)
        path.rename(taken)
        sync_folder(self._folder)
        self._to_loaded(joint.members)
        taken.unlink()

    def dissolve(self, joint: Joint) -> None:
        """Note that a refused joint's members are tried alone from now on."""
        for member in joint.members:
            if not self._fixed(member).exists():
                _write(self._fixed(member), b"")
        self._joint(joint).unlink()
        sync_folder(self._folder)

    def loaded(self, segment: str) -> None:
        """Move a segment to where loaded segments are."""
        self._to_loaded([segment])
        self._fixed(segment).unlink(missing_ok=True)

    def split(self, segment: str, body: bytes) -> tuple[str, str]:
        """
        Replace a segment that was refused by its two halves.

        Args:
            segment: its file name.
            body: its plain bytes, of two rows at least.

        Returns:
            The halves' file names; their ids follow from the segment's.

        """
        table = segment.partition("-")[0]
        lines = body.splitlines(keepends=True)
        head, lines = lines[:_HEADER_LINES], lines[_HEADER_LINES:]
        middle = len(lines) // 2
        halves = lines[:middle], lines[middle:]
        spans = f"0-{middle}", f"{middle}-{len(lines)}"
        first, second = (
            f"{table}-{derived_id(segment, segment, span)}{SUFFIX}" for span in spans
        )
        plan = self._folder / (segment + _SPLIT)
        _write(plan, msgspec.json.encode(_Split(segment, (first, second))))
        for name, half in zip((first, second), halves, strict=True):
            _write(self._fixed(name), b"")
            replace_segment(
                self._sealed(name),
                b"".join([*head, *half]),
                self._sealing,
                draft=self._folder / f".{name}",
            )
        self._sealed(segment).unlink()
        sync_folder(self._root / "sealed")
        self._fixed(segment).unlink(missing_ok=True)
        plan.unlink()
        return first, second

    def _to_loaded(self, names: Iterable[str]) -> None:
        for name in names:
            source = self._sealed(name)
            if source.exists():
                # How long it is kept counts from now, not from its last line.
                os.utime(source)
                source.rename(self._root / "loaded" / name)
        sync_folder(self._root / "loaded")
        sync_folder(self._root / "sealed")

    def _sealed(self, segment: str) -> Path:
        return self._root / "sealed" / segment

    def _fixed(self, segment: str) -> Path:
        return self._folder / (segment + _FIXED)

    def _joint(self, joint: Joint) -> Path:
        return self._folder / (joint.token + _JOINT)


def derived_id(first: str, *parts: str) -> str:
    """Return an id that follows from names: a UUIDv7 of the first one's moment."""
    mixed = bytearray(
        hashlib.blake2b("\n".join(parts).encode(), digest_size=16).digest()
    )
    token = first.removesuffix(SUFFIX).partition("-")[2]
    try:
        mixed[:6] = uuid.UUID(token).bytes[:6]
    except ValueError:
        # A name that a person gave; the hash alone is as good.
        mixed[:6] = bytes(6)
    mixed[6] = mixed[6] & 0x0F | 0x70
    mixed[8] = mixed[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(mixed)))


def _write(path: Path, content: bytes) -> None:
    replace_file(path, content, path.with_name(f".{path.name}"))
