"""
What tells an event from a visitor's: layers, each with its own reason.

A robot says so, or has no screen, or is driven by a program, or calls from a data
centre, or comes by a spammer's link, or is faster than a person. All of them are
counted apart by their reason and none is thrown away unseen. Private Relay, VPNs and
Tor are people.
"""

from collections.abc import Callable

from pipeline.agents.networks import Networks
from pipeline.agents.rate import Rate
from pipeline.device import Device
from pipeline.enrich import MAIL
from pipeline.memo import remember
from schemas.raw_event import RawEvent

# Where browsers say that they fetch ahead, and what they say: "prefetch;prerender",
# "prefetch;anonymous-client-ip", and Safari's "preview".
_PREFETCH_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS = ("prefetch", "preview", "prerender")


class Robots:
    """The layers with their lists and counters; one for each process."""

    def __init__(
        self,
        networks: Networks,
        rate: Rate,
        is_spam: Callable[[str], bool],
        *,
        datacenters: bool = True,
    ) -> None:
        """
        Bind the layers to what they look things up in.

        Args:
            networks: what kind of network an address is in.
            rate: the limit for one address with one agent.
            is_spam: says if a host, in lower case and without a port, is a known
                referrer spammer's.
            datacenters: whether an address in a data centre is a reason.

        """
        self._networks = networks
        self._rate = rate
        self._datacenters = datacenters
        self._is_spam = is_spam

    def flags(self, raw: RawEvent, device: Device) -> tuple[str, ...]:
        """
        Return the reasons why an event is no visitor's; none for a visitor's.

        Args:
            raw: the event as it came.
            device: what its agent says.

        """
        event = raw.event
        found: tuple[str, ...] = ()
        if event.automated:
            found = ("automated",)
        if event.referrer and self._is_spam(host_of(event.referrer)):
            found += ("referrer_spam",)
        if (raw.door == "server" and not raw.trusted) or type(event) in MAIL:
            # Network and agent are a server's that speaks for its visitors, or a mail
            # proxy's, which calls itself a robot and still means that a person reads.
            return found
        if device.robot:
            found += (device.robot,)
        address = raw.address
        if not address:
            return found
        if self._datacenters and self._networks.kind(address) == "datacenter":
            found += ("datacenter",)
        # The interpreter's own keyed hash, as in pipeline.memo.
        key = hash((event.site, address, raw.user_agent))
        if self._rate.exceeded(key, raw.received_ms):
            found += ("rate",)
        return found


def is_prefetch(headers: dict[str, str]) -> bool:
    """Say if a request fetches ahead what may never be seen; names in lower case."""
    for name in _PREFETCH_HEADERS:
        if name in headers:
            value = headers[name].lower()
            if any(word in value for word in _PREFETCH_WORDS):
                return True
    return False


@remember(8192)
def host_of(url: str) -> str:
    """Return the host of a URL in lower case, without port and user; "" for none."""
    _, sign, rest = url.partition("://")
    if not sign:
        return ""
    for end in "/?#\\":
        rest = rest.partition(end)[0]
    host = rest.rpartition("@")[2].lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")
