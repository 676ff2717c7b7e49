"""
The head of an answer in the format Native.

A server sends names and types even when there are no rows, and clients build their
empty frames of them; the embedded engine then sends nothing at all.
"""

import re
from typing import Final

_LOW_CARDINALITY: Final = re.compile(r"LowCardinality\(([^()]*(?:\([^()]*\))?)\)")


def native_head(row_binary: bytes) -> bytes:
    """
    Return a Native block without rows.

    Args:
        row_binary: an answer in RowBinaryWithNamesAndTypes.

    """
    count, at = _number(row_binary, 0)
    words: list[bytes] = []
    for _ in range(2 * count):
        length, at = _number(row_binary, at)
        words.append(row_binary[at : at + length])
        at += length
    head = _varint(count) + _varint(0)
    for name, kind in zip(words[:count], words[count:], strict=True):
        # Clients that name no protocol version get plain columns.
        plain = _LOW_CARDINALITY.sub(r"\1", kind.decode()).encode()
        head += _varint(len(name)) + name + _varint(len(plain)) + plain
    return head


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
