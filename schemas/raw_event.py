"""
An event before it is minimised: the only thing that may hold raw data.

It lives in memory for the few microseconds between the door and `minimise`. It
is a plain class on purpose: orjson and msgspec refuse to encode it, pickle is
refused below, and its repr says nothing.
"""

from collections.abc import Hashable
from typing import Any, NoReturn

from schemas.event import Event

# The request headers that a later step reads. Everything else is left behind at the
# door; of the Cookie header only the cookies of consent managers are taken along,
# and only for a site that says it has them.
READ_HEADERS: tuple[str, ...] = (
    "sec-gpc",
    "dnt",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-purpose",
    "purpose",
    "x-purpose",
    "x-moz",
    "save-data",
    "accept-language",
)


class RawEvent:
    """One decoded event and what its request said; nothing of it is coarse."""

    __slots__ = (
        "address",
        "cookies",
        "country",
        "door",
        "event",
        "event_id",
        "fellows",
        "headers",
        "method",
        "occurred_ms",
        "received_ms",
        "referer",
        "trusted",
        "user_agent",
    )

    def __init__(  # noqa: PLR0913 - one argument a fact, all of them named
        self,
        *,
        event: Event,
        event_id: str,
        door: str,
        address: str,
        user_agent: str,
        referer: str,
        headers: dict[str, str],
        occurred_ms: int,
        received_ms: int,
        cookies: tuple[tuple[str, str], ...] = (),
        country: str = "",
        method: str = "",
        trusted: bool = False,
        fellows: dict[Hashable, Any] | None = None,
    ) -> None:
        """
        Keep what the door knows.

        Args:
            event: what was sent, validated.
            event_id: UUID text, the client's or made at the door.
            door: script, pixel, redirect or server.
            address: the client's full address as text.
            user_agent: the User-Agent header, unparsed.
            referer: the Referer header.
            headers: those of READ_HEADERS that were sent, names lower-case.
            occurred_ms: when it happened, ms since 1970 UTC, clock corrected.
            received_ms: when it arrived, ms since 1970 UTC.
            cookies: those of consent managers, names and values in wire order.
            country: ISO 3166-1 code that a trusted proxy's header says, or "".
            method: the request's method, "" where it does not matter.
            trusted: if the sender showed a key of the site, so that address, agent
                and time are those of the visitor it speaks of.
            fellows: what was found out about the events that came with this one, which
                their steps may use again; None if it came alone.

        """
        self.event = event
        self.event_id = event_id
        self.door = door
        self.address = address
        self.user_agent = user_agent
        self.referer = referer
        self.headers = headers
        self.occurred_ms = occurred_ms
        self.received_ms = received_ms
        self.cookies = cookies
        self.country = country
        self.method = method
        self.trusted = trusted
        self.fellows = fellows

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<RawEvent>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied to another process."""
        message = "a RawEvent stays in memory"
        raise TypeError(message)
