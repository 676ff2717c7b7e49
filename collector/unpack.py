"""
Undoing gzip and deflate, within a bound.

The bytes decide, as everywhere in decoding: the header only says which of the two
to look for where the bytes alone do not tell. Events pack to a tenth, many alike to a
hundredth; what is packed tighter is made to cost memory and is none.
"""

import zlib

_GZIP = b"\x1f\x8b"
_GZIP_BITS, _ZLIB_BITS, _RAW_BITS = 31, 15, -15
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
# No gzip, zlib or raw deflate data of a body that is ours begins with these.
_PLAIN = (b"{", b"[", b"data=")
_MOST_TIMES = 250
# So little costs nothing, however tightly it was packed.
_FREE_BYTES = 32_768


class UnpackError(ValueError):
    """Compressed bytes that are broken, or an encoding that is not known."""


def unpack(body: bytes, max_bytes: int, encoding: str = "") -> bytes:
    """
    Undo a body's compression; gzip that no header announced as well.

    Args:
        body: the bytes as they were on the wire.
        max_bytes: how large the answer may be.
        encoding: value of the Content-Encoding header, empty when absent.

    Raises:
        UnpackError: when the encoding is not known, or data is broken, cut short,
            followed by something or packed tighter than events can be.
        OverflowError: when there is more than `max_bytes` in it.

    """
    if not encoding and body.startswith(_PLAIN):
        return _bounded(body, max_bytes)
    named = [word.strip().lower() for word in encoding.split(",")]
    named = [word for word in named if word not in ("", "identity")]
    if len(named) > 1 or not _KNOWN.issuperset(named):
        message = "only gzip and deflate"
        raise UnpackError(message)
    if body.startswith(_GZIP):
        return _inflate(body, max_bytes, _GZIP_BITS)
    # Some proxies unpack a body and leave the header: such a body is read as it is.
    if not named or not body.strip() or body.lstrip().startswith(_PLAIN):
        return _bounded(body, max_bytes)
    if named != ["deflate"]:
        message = "the gzip data is damaged"
        raise UnpackError(message)
    # RFC 9110 means zlib by "deflate"; some clients send it without zlib's head.
    bits = _ZLIB_BITS if _has_zlib_head(body) else _RAW_BITS
    return _inflate(body, max_bytes, bits)


def _inflate(body: bytes, max_bytes: int, bits: int) -> bytes:
    kind = "gzip" if bits == _GZIP_BITS else "deflate"
    unpacker = zlib.decompressobj(bits)
    credible = max(_FREE_BYTES, _MOST_TIMES * len(body))
    try:
        plain = unpacker.decompress(body, min(credible, max_bytes) + 1)
    except zlib.error:
        message = f"the {kind} data is damaged"
        raise UnpackError(message) from None
    if len(plain) > credible and credible < max_bytes:
        message = f"the {kind} data unpacks to over {_MOST_TIMES} times its size"
        raise UnpackError(message)
    plain = _bounded(plain, max_bytes)
    if not unpacker.eof:
        message = f"the {kind} data is cut short"
        raise UnpackError(message)
    if unpacker.unused_data:
        message = f"something follows the {kind} data"
        raise UnpackError(message)
    return plain


def _bounded(plain: bytes, max_bytes: int) -> bytes:
    if len(plain) > max_bytes:
        raise OverflowError
    return plain


def _has_zlib_head(body: bytes) -> bool:
    return body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0
