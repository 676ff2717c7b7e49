"""UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""

import os
import uuid


def uuid7(now_ms: int) -> str:
    """Return a new UUIDv7 as text for this time, ms since 1970 UTC."""
    value = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
