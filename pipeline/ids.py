"""UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""

import os
import threading

_RANDOM_BYTES = 10
# Asking the system for each id costs more than the id.
_POOL_BYTES = 4096 - 4096 % _RANDOM_BYTES
_pool = threading.local()
# Two bits of this digit are the variant's, two are random.
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def uuid7(now_ms: int) -> str:
    """Return a new UUIDv7 as text for this time, ms since 1970 UTC."""
    time, rest = f"{now_ms & (1 << 48) - 1:012x}", _random()
    variant = _VARIANTS[rest[4]]
    return f"{time[:8]}-{time[8:]}-7{rest[1:4]}-{variant}{rest[5:8]}-{rest[8:]}"


def _random() -> str:
    """Return random bytes that nobody else was given, in hexadecimal."""
    left: list[str] = _pool.__dict__.setdefault("left", [])
    if not left:
        fresh = os.urandom(_POOL_BYTES).hex()
        length = 2 * _RANDOM_BYTES
        left += [
            fresh[start : start + length] for start in range(0, len(fresh), length)
        ]
    return left.pop()


def _forget() -> None:
    """Leave a fork nothing of what its parent may give as well."""
    _pool.__dict__.clear()


os.register_at_fork(after_in_child=_forget)
