"""
What a source of traffic is read into: requests of our own wire form.

A request holds what a visitor's browser said, so it lives in memory alone and its
repr is silent. What a source holds and cannot be sent is told as a reason of `UNSENT`,
never with its content.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

# Why something of a source is not sent; the text is the documentation.
UNSENT: Final[dict[str, str]] = {
    "broken_line": "the line is not what its format asks for",
    "foreign_format": "another collector's request of a kind that is not known here",
    "no_page_view": "another collector's request that tells of no page",
    "preflight": "a browser's question before its request",
    "choice": "a consent choice: the ledger takes none of a load test",
    "signed_link": "a click of a signed link, which cannot carry the mark",
    "no_event": "a request that brings no event, or coordinates of a person",
    "no_site": "an event that names no site, and none was named for it",
    "method": "a logged request that is no GET",
    "status": "a logged request that showed no page",
    "not_a_page": "a logged request for a part of a page",
}

# The visitor's own headers; nothing else of a request is sent on.
VISITOR_HEADERS: Final = (
    "User-Agent",
    "Accept-Language",
    "Sec-CH-UA",
    "Sec-CH-UA-Mobile",
    "Sec-CH-UA-Platform",
    "Sec-GPC",
    "DNT",
    "Save-Data",
    "Sec-Purpose",
)
_BY_LOWER: Final = {name.lower(): name for name in VISITOR_HEADERS}


class SourceError(ValueError):
    """A source that cannot be read: a code and words, never what is in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Request(msgspec.Struct, frozen=True):
    """
    One request of a source.

    Attributes:
        at_ms: when it was made, ms since 1970; 0.0 if the source does not say.
        events: the events it brings, in our wire form; of a pixel, its query.
        headers: of the visitor's headers those that it had.
        page: whether a page sent it, and no server.
        address: the network it came from, truncated; "" if that is not known.
        pixel: whether it is a `GET /p.gif`.

    """

    at_ms: float
    events: list[dict[str, Any]]
    headers: dict[str, str]
    page: bool = True
    address: str = ""
    pixel: bool = False

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Request>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class Unsent(msgspec.Struct, frozen=True):
    """Something of a source that is not sent: why, and how many events of it."""

    reason: str
    number: int = 1

    def __post_init__(self) -> None:
        """Refuse a reason that is not declared."""
        if self.reason not in UNSENT:
            message = f"undeclared reason {self.reason!r}"
            raise LookupError(message)


# What a format makes of a line: everything that it holds, sent or not.
Reader = Callable[[bytes], Iterator[Request | Unsent]]


def visitor_headers(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return the visitor's own headers of a request, properly spelled."""
    found = {}
    for name, value in pairs:
        known = _BY_LOWER.get(name.lower())
        if known is not None and value.isprintable():
            found[known] = value
    return found
