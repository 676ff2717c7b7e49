"""
Step 5, identify: the pseudonym of a visitor, or none.

No consent, no id. Pseudonyms are keyed hashes that include the site, so those of
two sites cannot be joined; none can be turned back into a cookie, an account or an
address. How far one reaches is its scope:

- none: nobody is recognised.
- day: address and agent under the day's salt; gone at midnight UTC, but that a session
  which is under way then goes on under the pseudonym it began with.
- persistent: a token that the visitor's browser keeps, or a reader's of e-mails.
- account: who is signed in, as the site told us.
"""

import hashlib
from collections.abc import Iterator
from typing import Literal

import msgspec

from pipeline.bridge import Bridge, Mark
from pipeline.salt import DaySalt, Night
from schemas.event import ConsentChoice, EmailClick, EmailOpen
from schemas.outcome import Grant
from schemas.raw_event import RawEvent

# Not unions, which are made anew each time that something is held against them.
_MAIL = (EmailOpen, EmailClick)
_TO_RECIPIENTS = (EmailOpen, EmailClick, ConsentChoice)


class Visitor(msgspec.Struct, frozen=True):
    """
    A pseudonym, 0 when there is none, and how far it reaches.

    Attributes:
        id: the one that a row would carry.
        scope: how far it reaches.
        others: what else the same visitor is known by: a withdrawal under any of them
            counts, and one that is made now is made under all.
        passing: those of the others that end with a day.

    """

    id: int
    scope: Literal["none", "day", "persistent", "account"]
    others: tuple[int, ...] = ()
    passing: tuple[int, ...] = ()

    def pseudonyms(self) -> Iterator[tuple[int, bool]]:
        """Yield each pseudonym, and if it outlasts its day; none for nobody."""
        if self.id:
            yield self.id, self.scope != "day"
        for one in self.others:
            yield one, one not in self.passing


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
    account = raw.event.account
    if account is None:
        return _device(raw, key, salts)
    device = _device(raw, key, salts)
    others = (device.id, *device.others) if device.id else ()
    passing = others if device.scope == "day" else ()
    lasting = _pseudonym(f"{raw.event.site}\0account\0{account}", key)
    return Visitor(lasting, "account", others, passing)


def identify(
    visitor: Visitor, grant: Grant, raw: RawEvent, salts: DaySalt, *, consented: bool
) -> Visitor:
    """
    Return the visitor that a row may name.

    Args:
        visitor: the request's, of `candidate`.
        grant: what the gate allows.
        raw: the event as it came.
        salts: the day's salt.
        consented: if consent to statistics was given. Rules that allow a row until
            someone objects allow a pseudonym of the day alone: one that lasts, or that
            follows an account, needs a yes.

    Returns:
        NOBODY if the event may not be identified.

    """
    if grant.outcome != "identified" or "statistics" not in grant.granted:
        return NOBODY
    if consented or visitor.scope == "day":
        return visitor
    return by_day(raw, salts)


def by_day(raw: RawEvent, salts: DaySalt) -> Visitor:
    """Return who sends this by address and agent alone, NOBODY for a mail's reader."""
    if not raw.address or isinstance(raw.event, _MAIL) or _is_a_servers(raw):
        # Address and agent are a mail proxy's, or the sending program's: under them
        # all readers, or all visitors of a backend, would be one and the same. So
        # would be all with one agent behind a proxy that hides them.
        return NOBODY
    today = _pseudonym(_fingerprint(raw), salts.at(raw.received_ms))
    night = salts.night(raw.received_ms)
    if night is None:
        return Visitor(today, "day")
    return _by_night(raw, today, night, salts.bridge)


def with_day(visitor: Visitor, raw: RawEvent, salts: DaySalt) -> Visitor:
    """Return a visitor with the pseudonyms of the day among the others."""
    day = by_day(raw, salts)
    known = {visitor.id, *visitor.others}
    more = tuple(one for one in (day.id, *day.others) if one and one not in known)
    return Visitor(
        visitor.id,
        visitor.scope,
        (*visitor.others, *more),
        (*visitor.passing, *more),
    )


def note(visitor: Visitor, raw: RawEvent, salts: DaySalt) -> None:
    """
    Leave word for the other processes that an identified visitor is here, by night.

    So that a session that midnight falls into stays one. Nothing is noted of whoever
    was not identified, and nothing by day.
    """
    # Only by night has one of a day others: tomorrow's before midnight, and after it
    # today's if the session began before.
    if visitor.scope != "day" or not visitor.others:
        return
    night = salts.night(raw.received_ms)
    if night is not None and not night.closing:
        mark = _mark(raw, night.salt)
        salts.bridge.note(mark, visitor.id, raw.received_ms // 1000)


def _device(raw: RawEvent, key: bytes, salts: DaySalt) -> Visitor:
    """Return the visitor by what a device sends, not by who is signed in on it."""
    event = raw.event
    if event.visitor is not None:
        token = f"browser\0{event.visitor}"
    elif isinstance(event, _TO_RECIPIENTS) and event.recipient:
        token = f"recipient\0{event.recipient}"
    else:
        return by_day(raw, salts)
    return Visitor(_pseudonym(f"{event.site}\0{token}", key), "persistent")


def _is_a_servers(raw: RawEvent) -> bool:
    """Say if address or agent are a server's own, or not told of its visitor."""
    if raw.door != "server":
        return False
    return not (raw.trusted and raw.address and raw.user_agent)


def _by_night(raw: RawEvent, today: int, night: Night, bridge: Bridge) -> Visitor:
    """Return a visitor of the day's about midnight, with the pseudonym beyond it."""
    if not night.passed:
        # What is withdrawn now is withdrawn after midnight as well.
        tomorrow = _pseudonym(_fingerprint(raw), night.salt)
        return Visitor(today, "day", (tomorrow,), (tomorrow,))
    now_s = raw.received_ms // 1000
    before = 0
    if bridge.holds_any(now_s):
        before = bridge.find(_mark(raw, night.salt), now_s)
    if not before:
        return Visitor(today, "day")
    return Visitor(before, "day", (today,), (today,))


def _fingerprint(raw: RawEvent) -> str:
    return f"{raw.event.site}\0{raw.address}\0{raw.user_agent}"


def _mark(raw: RawEvent, salt: bytes) -> Mark:
    return Mark.of(_fingerprint(raw).encode("utf-8", "surrogatepass"), salt)


def _pseudonym(text: str, key: bytes) -> int:
    digest = hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=8, key=key
    ).digest()
    # 0 means nobody; one id in 2^64 is moved to make room for that.
    return int.from_bytes(digest, "big") or 1
