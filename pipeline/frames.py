"""
The encrypted form of a file: a head, then a frame for each commit.

    head   "KASTANA", 0, version 1, key id (8 bytes), salt (16 bytes)
    frame  length of the rest (4 bytes, big-endian), AES-256-GCM ciphertext with tag

- The key of a file is derived (HKDF-SHA256) from the operator's key and the file's
  salt; every file that is written, and every time it is written anew, has a salt of
  its own.
- A frame's nonce is its number. No number is used twice under one key: after a failed
  write nothing more is written to that file.
- Associated data are head and name, so that a frame opens in its own place alone:
  table, id and version are bound.

What this does not tell: whole frames that somebody took from a file's end. Who can do
that can remove the file.
"""

import os
import struct
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.sealing import HEAD, MAGIC, VERSION

_LENGTH: Final = struct.Struct(">I")
_TAG_BYTES: Final = 16


def key_id(key: bytes) -> bytes:
    """Return the 8 bytes by which a file says whose it is; they tell nothing of it."""
    return _derived(key, b"kastana spool key id", 8)


class FrameWriter:
    """Writes one file; `head` comes first."""

    def __init__(self, key: bytes, name: str) -> None:
        """Take a new salt for the file of this name."""
        salt = os.urandom(16)
        self.head = HEAD.pack(MAGIC, VERSION, key_id(key), salt)
        self._cipher = _cipher(key, salt)
        self._bound = self.head + name.encode()
        self._number = 0

    def frame(self, content: bytes) -> bytes:
        """Return the next frame."""
        nonce = self._number.to_bytes(12)
        self._number += 1
        sealed = self._cipher.encrypt(nonce, content, self._bound)
        return _LENGTH.pack(len(sealed)) + sealed


def read_frames(
    key: bytes, name: str, content: bytes
) -> Iterator[tuple[int, bytes | None]]:
    """
    Yield the frames of a file with a whole head: (where it ends, what it holds).

    What does not open is None; after a frame that is not whole there is no other.
    """
    head = content[: HEAD.size]
    cipher = _cipher(key, HEAD.unpack(head)[3])
    bound = head + name.encode()
    start, number = HEAD.size, 0
    while start < len(content):
        begin = start + _LENGTH.size
        length = int.from_bytes(content[start:begin])
        start = begin + length
        if length < _TAG_BYTES or start > len(content):
            yield len(content), None
            return
        sealed = content[begin:start]
        try:
            yield start, cipher.decrypt(number.to_bytes(12), sealed, bound)
        except InvalidTag:
            yield start, None
        number += 1


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(_derived(key, b"kastana spool file", 32, salt))


def _derived(key: bytes, use: bytes, length: int, salt: bytes | None = None) -> bytes:
    return HKDF(SHA256(), length, salt, use).derive(key)
