"""
Who calls: what the address and the headers of a request say, once for all its events.

A visit's events differ in their pages and hardly in where they come from. So all that
follows from address, agent and headers alone is derived once and remembered together,
under one key; what is raw is in neither key nor result. How much of it may be kept is
for the steps that follow to say.
"""

import msgspec

from pipeline.agents.networks import Kind, Networks
from pipeline.device import ClientHints, Device, parse_device, primary_language
from pipeline.geo.files import Spot
from pipeline.location import Location, Locator
from pipeline.memo import Memory
from schemas.precision import Precision
from schemas.raw_event import RawEvent

_CACHED = 4096
# Where browsers say that they fetch ahead, and what they say: "prefetch;prerender",
# "prefetch;anonymous-client-ip", and Safari's "preview".
_PREFETCH_HEADERS = frozenset(("sec-purpose", "purpose", "x-purpose", "x-moz"))
_PREFETCH_WORDS = ("prefetch", "preview", "prerender")


class Caller(msgspec.Struct, eq=False):
    """
    What a request says beside its events; coarse, but for the spot.

    Attributes:
        spot: what the databases say of its address.
        network: what kind of network the address is in.
        device: what its agent and client hints say.
        language: the first of Accept-Language.
        flags: what its headers restrict, of `header_flags`.
        located: what `enrich` last made of the spot, and how finely.

    """

    spot: Spot
    network: Kind
    device: Device
    language: str
    flags: tuple[str, ...]
    located: tuple[Precision, Location] | None = None

    def __repr__(self) -> str:
        """Say nothing: a spot is finer than what may be kept."""
        return "<Caller>"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


class Callers:
    """Reads requests; one for each process."""

    def __init__(self, locator: Locator, networks: Networks) -> None:
        """Bind it to what addresses are looked up in."""
        self._locator = locator
        self._networks = networks
        self._known: Memory[Caller] = Memory(_CACHED)

    def of(self, raw: RawEvent) -> Caller:
        """Return what an event's request says."""
        key = self.key(raw)
        return self.known(key) or self.read(raw, key, self.spot(raw))

    def key(self, raw: RawEvent) -> int:
        """Return what a request is known by, in memory alone."""
        headers = raw.headers
        return hash(
            (
                raw.address,
                raw.user_agent,
                raw.country,
                self._locator.edition,
                *headers,
                *headers.values(),
            )
        )

    def known(self, key: int) -> Caller | None:
        """Return what the request of a key says, None if it was not read yet."""
        return self._known.get(key)

    def spot(self, raw: RawEvent) -> Spot:
        """Return what the databases say of a request's address."""
        return self._locator.spot(raw.address)

    def read(self, raw: RawEvent, key: int, spot: Spot) -> Caller:
        """
        Read a request and remember what it says.

        Args:
            raw: an event of it.
            key: what it is known by.
            spot: what the databases say of its address.

        """
        caller = Caller(
            spot,
            self._networks.kind(raw.address),
            device_of(raw),
            primary_language(raw.headers.get("accept-language", "")),
            header_flags(raw.headers),
        )
        return self._known.put(key, caller)


def device_of(raw: RawEvent) -> Device:
    """Return what the request's agent says of the device behind it."""
    headers = raw.headers
    return parse_device(
        raw.user_agent,
        ClientHints(
            headers.get("sec-ch-ua", ""),
            headers.get("sec-ch-ua-mobile", ""),
            headers.get("sec-ch-ua-platform", ""),
        ),
    )


def header_flags(headers: dict[str, str]) -> tuple[str, ...]:
    """Return what headers restrict beside consent; names in lower case."""
    found = ("prefetch",) if is_prefetch(headers) else ()
    if headers.get("save-data", "").strip().lower() == "on":
        return (*found, "save_data")
    return found


def is_prefetch(headers: dict[str, str]) -> bool:
    """Say if a request fetches ahead what may never be seen; names in lower case."""
    if _PREFETCH_HEADERS.isdisjoint(headers):
        return False
    values = [headers[name].lower() for name in _PREFETCH_HEADERS & headers.keys()]
    return any(word in value for value in values for word in _PREFETCH_WORDS)
