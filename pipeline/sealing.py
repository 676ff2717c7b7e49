"""
Encryption at rest: the spool's files, under a key of the operator's.

Without a key files are plain. With one everything new is encrypted
(`pipeline.frames` has the form); what is plain already stays readable. Of several keys
the first encrypts, the others are there for what was written under them: that is how
keys are changed. cryptography is needed, and loaded, only where there is a key.
"""

import struct
from collections.abc import Sequence
from typing import Final, Literal, Protocol

MAGIC: Final = b"KASTANA\0"
VERSION: Final = 1
# What an encrypted file begins with: magic, version, key id, salt.
HEAD: Final = struct.Struct(">8sB8s16s")
KEY_BYTES: Final = 32


class SegmentWaitsError(Exception):
    """A file that cannot be read yet: its key is missing, or its form is newer."""

    def __init__(self, code: Literal["key_missing", "format_unknown"]) -> None:
        super().__init__(code)
        self.code = code


class SegmentDamagedError(Exception):
    """A file that is not what was written; nothing of it is guessed."""

    code = "segment_damaged"

    def __init__(self) -> None:
        super().__init__(self.code)


class Sealer(Protocol):
    """Makes the bytes of one file, in order."""

    @property
    def head(self) -> bytes:
        """What the file begins with."""

    def frame(self, content: bytes) -> bytes:
        """Return what is written for these bytes."""


class Sealing:
    """The keys; how files are written, and read whatever they were written under."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        """Take keys of 32 bytes; the first encrypts, none means plain."""
        self._keys: dict[bytes, bytes] = {}
        self._first = keys[0] if keys else None
        if keys:
            from pipeline.frames import key_id  # noqa: PLC0415 - only with a key

            self._keys = {key_id(key): key for key in keys}

    def __repr__(self) -> str:
        """Say nothing: it holds keys."""
        return "<Sealing>"

    @property
    def encrypts(self) -> bool:
        """True when what is written is encrypted."""
        return self._first is not None

    def begin(self, name: str) -> Sealer:
        """Return what writes the file of this name; once a file."""
        if self._first is None:
            return _PLAIN_SEALER
        from pipeline.frames import FrameWriter  # noqa: PLC0415 - only with a key

        return FrameWriter(self._first, name)

    def close(self, name: str, content: bytes) -> bytes:
        """Return the bytes of a file of this name that is written at once."""
        sealer = self.begin(name)
        return sealer.head + sealer.frame(content)

    def open(self, name: str, content: bytes) -> bytes:
        """
        Return what a whole file holds.

        Args:
            name: under which it was written.
            content: its bytes, encrypted or plain.

        Raises:
            SegmentWaitsError: when it cannot be read here and now.
            SegmentDamagedError: when a part of it is not what was written.

        """
        if not content.startswith(MAGIC):
            return content
        key = self._key(content)
        if key is None:
            raise SegmentDamagedError
        from pipeline.frames import read_frames  # noqa: PLC0415 - only with a key

        parts = []
        for _, part in read_frames(key, name, content):
            if part is None:
                raise SegmentDamagedError
            parts.append(part)
        return b"".join(parts)

    def whole(self, name: str, content: bytes) -> tuple[int, bytes] | None:
        """
        Return how much of a torn file is whole, and what that holds.

        What follows the last frame that opens is torn. A frame that does not open
        and has one behind it that does was not torn, but changed.

        Returns:
            None when the file is plain.

        Raises:
            SegmentWaitsError, SegmentDamagedError: as `open`.

        """
        if not content.startswith(MAGIC):
            return None
        key = self._key(content)
        if key is None:
            return 0, b""
        from pipeline.frames import read_frames  # noqa: PLC0415 - only with a key

        end, parts, torn = 0, [], False
        for after, part in read_frames(key, name, content):
            if part is None:
                torn = True
            elif torn:
                raise SegmentDamagedError
            else:
                end = after
                parts.append(part)
        return end, b"".join(parts)

    def _key(self, content: bytes) -> bytes | None:
        """Return the key of an encrypted file, None when its head is cut short."""
        if content[8:9] not in (b"", VERSION.to_bytes()):
            raise SegmentWaitsError("format_unknown")
        if len(content) < HEAD.size:
            return None
        key = HEAD.unpack_from(content)[2]
        if key not in self._keys:
            raise SegmentWaitsError("key_missing")
        return self._keys[key]


class _PlainSealer:
    """Writes what it is given."""

    head = b""

    def frame(self, content: bytes) -> bytes:
        """Return the bytes as they are."""
        return content


_PLAIN_SEALER = _PlainSealer()
PLAIN = Sealing()
