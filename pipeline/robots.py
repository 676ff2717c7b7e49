"""
What tells an event from a visitor's: layers, each with its own reason.

A robot says so, or has no screen, or is driven by a program, or calls from a data
centre, or comes by a spammer's link, or is faster than a person. All of them are
counted apart by their reason and none is thrown away unseen. Private Relay, VPNs and
Tor are people.
"""

import re
from collections.abc import Callable

from pipeline.agents.networks import Kind
from pipeline.agents.rate import Rate
from pipeline.device import Device
from pipeline.enrich import MAIL
from pipeline.memo import remember
from pipeline.referrer import is_spam
from schemas.raw_event import RawEvent

# As browsers read it: a backslash ends a host, too, and the last at-sign a user.
_HOST = re.compile(r".*?://(?:[^/?#\\]*@)?(?:\[([^]/?#\\]*)|([^:/?#\\]*))", re.DOTALL)


class Robots:
    """The layers with their lists and counters; one for each process."""

    def __init__(
        self,
        rate: Rate,
        is_spam: Callable[[str], bool],
        *,
        datacenters: bool = True,
    ) -> None:
        """
        Bind the layers to what they look things up in.

        Args:
            rate: the limit for one address with one agent.
            is_spam: says if a host, in lower case and without a port, is a known
                referrer spammer's.
            datacenters: whether an address in a data centre is a reason.

        """
        self._rate = rate
        self._datacenters = datacenters
        self._is_spams = remember(4096)(lambda url: is_spam(host_of(url)))

    def flags(
        self, raw: RawEvent, device: Device, network: Kind = ""
    ) -> tuple[str, ...]:
        """
        Return the reasons why an event is no visitor's; none for a visitor's.

        Args:
            raw: the event as it came.
            device: what its agent says.
            network: what kind of network its address is in.

        """
        event = raw.event
        found: tuple[str, ...] = ()
        if event.automated:
            found = ("automated",)
        if event.referrer and self._is_spams(event.referrer):
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
        if network == "datacenter" and self._datacenters:
            found += ("datacenter",)
        # The interpreter's own keyed hash, as in pipeline.memo.
        key = hash((event.site, address, raw.user_agent))
        if self._rate.exceeded(key, raw.received_ms):
            found += ("rate",)
        return found


def agents_and_referrers() -> Robots:
    """Return the layers that need no list of networks and count nothing."""
    return Robots(Rate(0, 1.0), is_spam)


def host_of(url: str) -> str:
    """Return the host of a URL in lower case, without port and user; "" for none."""
    match = _HOST.match(url)
    return (match[1] or match[2] or "").lower().rstrip(".") if match else ""
