"""
From a request of a source to what is sent: marked, with new ids, and nobody's.

Tokens of visitors, accounts and recipients are replaced by hashes under a key of the
run: visitors stay apart, and none of them is one whom the collector knows.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

import msgspec
import orjson

from collector.replay.request import Request, Unsent
from pipeline.address import truncate
from pipeline.clock import TimeError, parse_time
from pipeline.ids import uuid7

Times = Literal["now", "source"]

_TOKENS: Final = ("visitor", "account", "recipient")
# Fields of `client`, and the visitor's headers that say the same.
_CLIENT: Final = {
    "user_agent": "User-Agent",
    "language": "Accept-Language",
    "brands": "Sec-CH-UA",
    "mobile": "Sec-CH-UA-Mobile",
    "platform": "Sec-CH-UA-Platform",
}
_MONTH_MS: Final = 29 * 86_400_000


class Outgoing(msgspec.Struct, frozen=True):
    """
    A request as it is sent.

    Attributes:
        method: GET of a pixel, else POST.
        target: path and query.
        headers: all of its own.
        body: empty of a pixel.
        events: how many it brings.
        sites: whose they are.

    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    events: int
    sites: frozenset[str]

    def __repr__(self) -> str:
        """Say nothing: reprs end up in logs and tracebacks."""
        return "<Outgoing>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class Preparer:
    """Makes requests ready to be sent; one for each run."""

    def __init__(  # noqa: PLR0913 - one argument an option
        self,
        secret: bytes,
        *,
        site: str = "",
        key: str = "",
        headers: Mapping[str, str] | None = None,
        consent: Iterable[str] | None = None,
        times: Times = "now",
    ) -> None:
        """
        Bind it to what was asked for.

        Args:
            secret: key of the run for hashes of tokens, up to 64 bytes.
            site: the site that all events are to be of; "": each keeps its own.
            key: a server key of that site; with it the visitors' networks are sent.
            headers: to be sent with every request.
            consent: categories that are given by events that say nothing of consent;
                None leaves these as they are.
            times: `now`: events happen as they are sent; `source`: when they did.

        """
        self._secret = secret
        self._site = site
        self._key = key
        self._headers = dict(headers or {})
        self._consent = None if consent is None else dict.fromkeys(consent, True)
        self._times = times

    def prepare(self, request: Request, now_ms: int) -> Outgoing | Unsent:
        """Return what is sent now, ms since 1970; or why nothing is."""
        if request.pixel:
            return self._pixel(request, now_ms)
        headers = {"Content-Type": "application/json", **request.headers}
        events = [self._event(one, request, headers, now_ms) for one in request.events]
        sites = {one.get("site") for one in events}
        if not all(isinstance(site, str) and site for site in sites):
            return Unsent("no_site", len(events))
        if self._key:
            headers = {
                name: value
                for name, value in headers.items()
                if name not in _CLIENT.values()
            }
            headers["Authorization"] = f"Bearer {self._key}"
        elif request.page:
            # What is sent with a key must not come from a page.
            headers["Origin"] = f"https://{events[0]['site']}"
        content = events[0] if len(events) == 1 else events
        return Outgoing(
            "POST",
            "/e",
            headers | self._headers,
            orjson.dumps(content),
            len(events),
            frozenset(map(str, sites)),
        )

    def _pixel(self, request: Request, now_ms: int) -> Outgoing | Unsent:
        pairs = {**request.events[0], "synthetic": "true", "event_id": uuid7(now_ms)}
        pairs["site"] = self._site or pairs.get("site", "")
        if not pairs["site"]:
            return Unsent("no_site")
        for name in ("occurred_at", "sent_at"):
            pairs.pop(name, None)
        self._hide(pairs)
        if self._consent is not None and "consent" not in pairs:
            pairs["consent"] = ",".join(self._consent)
        return Outgoing(
            "GET",
            f"/p.gif?{urlencode(pairs)}",
            request.headers | self._headers,
            b"",
            1,
            frozenset((str(pairs["site"]),)),
        )

    def _event(
        self,
        event: dict[str, Any],
        request: Request,
        headers: dict[str, str],
        now_ms: int,
    ) -> dict[str, Any]:
        made = {**event, "synthetic": True, "event_id": uuid7(now_ms)}
        made["site"] = self._site or made.get("site") or _host(made.get("url"))
        happened = self._time(made, request.at_ms, now_ms)
        made.pop("sent_at", None)
        made.pop("occurred_at", None)
        if happened is not None:
            made["occurred_at"] = happened
        if self._consent is not None and not made.get("consent"):
            made["consent"] = self._consent
        self._hide(made)
        client = made.pop("client", None)
        client = client if isinstance(client, dict) else {}
        if self._key:
            made["client"] = _client(client, request)
        else:
            for field, name in _CLIENT.items():
                if isinstance(client.get(field), str):
                    headers[name] = client[field]
        return made

    def _time(
        self, event: dict[str, Any], request_ms: float, now_ms: int
    ) -> int | None:
        """Return when an event shall have happened, None for its arrival."""
        try:
            occurred = _parsed(event.get("occurred_at"))
            sent = _parsed(event.get("sent_at"))
        except TimeError:
            return None
        if self._times == "source":
            return occurred or round(request_ms) or None
        if occurred is None:
            return None
        # As long before its request as it was then.
        before = (sent or round(request_ms) or occurred) - occurred
        return now_ms - min(max(before, 0), _MONTH_MS)

    def _hide(self, event: dict[str, Any]) -> None:
        for name in _TOKENS:
            value = event.get(name)
            if isinstance(value, str) and value:
                text = f"{name}\0{value}".encode("utf-8", "surrogatepass")
                digest = hashlib.blake2b(text, key=self._secret, digest_size=16)
                event[name] = digest.hexdigest()


def _parsed(value: object) -> int | None:
    return parse_time(value) if isinstance(value, int | str) else None


def _client(said: dict[str, Any], request: Request) -> dict[str, str]:
    """Return whose request it is, of the address no more than the network."""
    found = {
        field: said.get(field) or request.headers.get(name)
        for field, name in _CLIENT.items()
    }
    address = said.get("address")
    found["address"] = (
        truncate(address) if isinstance(address, str) else request.address
    )
    return {field: value for field, value in found.items() if value}


def _host(url: object) -> str:
    try:
        return urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return ""
