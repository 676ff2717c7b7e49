"""
Step 5, identify: the pseudonym of a visitor, or none.

No consent, no id. Pseudonyms are keyed hashes that include the site, so those of
two sites cannot be joined; none can be turned back into a cookie or an address.
"""

import hashlib
from typing import Literal

import msgspec

from pipeline.salt import DaySalt
from schemas.event import EmailClick, EmailOpen
from schemas.outcome import Grant
from schemas.raw_event import RawEvent


class Visitor(msgspec.Struct, frozen=True):
    """A pseudonym, 0 when there is none, and how far it reaches."""

    id: int
    scope: Literal["none", "day", "persistent"]


NOBODY = Visitor(0, "none")


def identify(raw: RawEvent, grant: Grant, key: bytes, salts: DaySalt) -> Visitor:
    """
    Return the visitor of an identified event, NOBODY for any other.

    Args:
        raw: the event as it came, with address and agent.
        grant: what the gate allows.
        key: the installation's secret for lasting pseudonyms, 32 bytes.
        salts: the day's salt, for pseudonyms that end with the day.

    """
    if grant.outcome != "identified" or "statistics" not in grant.granted:
        return NOBODY
    event = raw.event
    if event.visitor is not None:
        token = f"browser\0{event.visitor}"
    elif isinstance(event, EmailOpen | EmailClick):
        # A mail proxy's address says nothing of the reader: without a token
        # from the sender nobody is recognised, not even for a day.
        if not event.recipient:
            return NOBODY
        token = f"recipient\0{event.recipient}"
    elif raw.door == "server":
        # Address and agent are the sending program's: under them every visitor
        # of a backend would be one and the same.
        return NOBODY
    else:
        salt = salts.at(raw.received_ms)
        fingerprint = f"{event.site}\0{raw.address}\0{raw.user_agent}"
        return Visitor(_pseudonym(fingerprint, salt), "day")
    return Visitor(_pseudonym(f"{event.site}\0{token}", key), "persistent")


def _pseudonym(text: str, key: bytes) -> int:
    digest = hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=8, key=key
    ).digest()
    # 0 means nobody; one id in 2^64 is moved to make room for that.
    return int.from_bytes(digest, "big") or 1
