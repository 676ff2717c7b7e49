"""
Step 5, identify: the pseudonym of a visitor, or none.

No consent, no id. Pseudonyms are keyed hashes that include the site, so those of
two sites cannot be joined; none can be turned back into a cookie or an address.
"""

import hashlib
from typing import Literal

import msgspec

from pipeline.salt import DaySalt
from schemas.event import ConsentChoice, EmailClick, EmailOpen
from schemas.outcome import Grant
from schemas.raw_event import RawEvent


class Visitor(msgspec.Struct, frozen=True):
    """A pseudonym, 0 when there is none, and how far it reaches."""

    id: int
    scope: Literal["none", "day", "persistent"]


NOBODY = Visitor(0, "none")


def candidate(raw: RawEvent, key: bytes, salts: DaySalt) -> Visitor:
    """
    Return the pseudonym that this request's visitor would have, NOBODY for none.

    It is known before consent is, to look up whether its owner withdrew; what may be
    kept of it is `identify`'s to say.

    Args:
        raw: the event as it came, with address and agent.
        key: the installation's secret for lasting pseudonyms, 32 bytes.
        salts: the day's salt, for pseudonyms that end with the day.

    """
    event = raw.event
    if event.visitor is not None:
        token = f"browser\0{event.visitor}"
    elif isinstance(event, EmailOpen | EmailClick | ConsentChoice) and event.recipient:
        token = f"recipient\0{event.recipient}"
    elif isinstance(event, EmailOpen | EmailClick) or raw.door == "server":
        # Address and agent are a mail proxy's, or the sending program's: under them
        # all readers, or all visitors of a backend, would be one and the same.
        return NOBODY
    else:
        salt = salts.at(raw.received_ms)
        fingerprint = f"{event.site}\0{raw.address}\0{raw.user_agent}"
        return Visitor(_pseudonym(fingerprint, salt), "day")
    return Visitor(_pseudonym(f"{event.site}\0{token}", key), "persistent")


def identify(visitor: Visitor, grant: Grant) -> Visitor:
    """Return the visitor if the event may be identified, NOBODY if not."""
    if grant.outcome != "identified" or "statistics" not in grant.granted:
        return NOBODY
    return visitor


def _pseudonym(text: str, key: bytes) -> int:
    digest = hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=8, key=key
    ).digest()
    # 0 means nobody; one id in 2^64 is moved to make room for that.
    return int.from_bytes(digest, "big") or 1
