"""
Server keys: with one, a server may say whose request it speaks of.

A key is 256 random bits, so a plain SHA-256 of it is all that a site keeps: there is
nothing to guess that a slow hash would slow down.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping

KEY_PREFIX = "ks_"
MOST_KEYS = 16
_KEY_BYTES = 32
_KEY = re.compile(r"ks_[A-Za-z0-9_-]{43}\Z")
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def new_key() -> str:
    """Return a new key: `ks_` and 32 random bytes as base64url."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def digest_of(key: str) -> str:
    """Return what a site keeps of a key, 64 hex; "" if the text is no key."""
    return hashlib.sha256(key.encode()).hexdigest() if _KEY.match(key) else ""


def is_one_of(digest: str, kept: Iterable[str]) -> bool:
    """Say if a digest is among those kept; in a time that does not tell which."""
    same = [hmac.compare_digest(digest, one) for one in kept]
    return digest != "" and any(same)


def keys_problem(keys: Mapping[str, str]) -> str:
    """Return what is wrong with a site's keys, in words; empty if nothing is."""
    if len(keys) > MOST_KEYS:
        return f"keys: at most {MOST_KEYS}"
    for name, digest in keys.items():
        if name.startswith(KEY_PREFIX):
            return "keys: the name of one begins as a key does"
        if not _KEY_NAME.match(name):
            return f"keys: {name!r} is not 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
        if not _DIGEST.match(digest):
            # What stands there may be the key itself: it is not said back.
            return f"keys: {name!r} is not a SHA-256 in 64 hexadecimal digits"
    return ""
