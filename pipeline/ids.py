"""UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""

import os
import threading

_RANDOM_BYTES = 10
# Asking the system for each id costs more than the id.
_POOL_BYTES = 4096 - 4096 % _RANDOM_BYTES
_pool = threading.local()


def uuid7(now_ms: int) -> str:
    """Return a new UUIDv7 as text for this time, ms since 1970 UTC."""
    value = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(_random(), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _random() -> bytes:
    """Return random bytes that nobody else was given."""
    left: list[bytes] = _pool.__dict__.setdefault("left", [])
    if not left:
        fresh = os.urandom(_POOL_BYTES)
        left += [
            fresh[start : start + _RANDOM_BYTES]
            for start in range(0, _POOL_BYTES, _RANDOM_BYTES)
        ]
    return left.pop()


def _forget() -> None:
    """Leave a fork nothing of what its parent may give as well."""
    _pool.__dict__.clear()


os.register_at_fork(after_in_child=_forget)
