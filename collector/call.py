"""
A request as it stood on the wire, and what its headers say of who sent it.

Names are looked up in one table that is made once; both reprs say nothing.
"""

from collections.abc import Hashable, Iterable
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from pipeline.signals.cmp_formats import cmp_of
from pipeline.signals.cmp_ids import IAB_COOKIES
from schemas.raw_event import READ_HEADERS
from schemas.server_key import KEY_PREFIX, digest_of

_MOST_COOKIES = 32


class Call:
    """A request as it stood on the wire; its repr says nothing."""

    __slots__ = (
        "address",
        "headers",
        "method",
        "peer",
        "query",
        "received_ms",
    )

    def __init__(
        self,
        *,
        headers: CIMultiDictProxy[str] | Iterable[tuple[str, str]],
        peer: str,
        query: str,
        received_ms: int,
        method: str = "",
    ) -> None:
        """
        Keep the parts of a request.

        Args:
            headers: names and values in wire order.
            peer: address of the other end of the connection.
            query: the raw query string, still percent-encoded.
            received_ms: when it arrived, ms since 1970 UTC.
            method: in capitals; only whether it is HEAD matters.

        """
        if not isinstance(headers, CIMultiDictProxy):
            headers = CIMultiDictProxy(CIMultiDict(headers))
        # Of names in any case; of one name in wire order.
        self.headers = headers
        # The client's, once it was looked for.
        self.address: str | None = None
        self.peer = peer
        self.query = query
        self.received_ms = received_ms
        self.method = method

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Call>"

    def header(self, name: str) -> str | None:
        """Return the first value of a header, None when it is absent."""
        return self.headers.get(name)

    def read_headers(self) -> dict[str, str]:
        """Return the headers that a later step reads."""
        headers, found = self.headers, {}
        for name in READ_HEADERS:
            value = headers.get(name)
            if value is not None:
                # Several Sec-GPC headers with one "1" among them mean "1".
                several = value != "1" and "1" in headers.getall(name)
                found[name] = "1" if several else value
        return found

    def consent_cookies(self) -> tuple[tuple[str, str], ...]:
        """Return the cookies of consent managers; of the others not even the names."""
        found = []
        for value in self.headers.getall("cookie", ()):
            for part in value.split(";"):
                key, sign, text = part.strip().partition("=")
                if sign and (cmp_of(key) is not None or key in IAB_COOKIES):
                    found.append((key, text))
        return tuple(found[:_MOST_COOKIES])

    def key_digest(self) -> str | None:
        """
        Return the digest of the server key that is shown, None if none is.

        "" for what begins as a key does and is none, and for more than one.
        """
        shown = []
        for value in self.headers.getall("authorization", ()):
            scheme, _, token = value.strip().partition(" ")
            # Another token is for somebody else: for a gateway on the way here.
            if scheme.lower() == "bearer" and token.lstrip().startswith(KEY_PREFIX):
                shown.append(digest_of(token.lstrip()))
        if not shown:
            return None
        return shown[0] if len(shown) == 1 else ""


class Sender:
    """Who a call's events are from; the same for all of them."""

    __slots__ = (
        "address",
        "country",
        "fellows",
        "headers",
        "key",
        "referer",
        "user_agent",
    )

    def __init__(self, call: Call, address: str, country: str) -> None:
        """Read what a call's headers say, beside the address of its client."""
        self.address = address
        self.country = country
        self.user_agent = call.header("user-agent") or ""
        self.referer = call.header("referer") or ""
        self.headers = call.read_headers()
        self.key = call.key_digest()
        # What its events share, where there are several.
        self.fellows: dict[Hashable, Any] | None = None

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Sender>"
