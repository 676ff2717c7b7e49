"""
Seeing past trusted proxies: whose request it is, and from which country.

A header that a proxy sets is believed only where the proxy is trusted, and only the
one that was named: a visitor can send any other.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, cast, get_args

import msgspec

from pipeline.address import client_bytes, is_port, peer_bytes, spelled, unwrapped
from schemas.settings import ProxyHeader

_ListHeader = Literal["x-forwarded-for", "forwarded"]
_LISTS = get_args(_ListHeader)
# It always holds a port, and IPv6 without brackets.
_WITH_PORT = "cloudfront-viewer-address"
_MAX_HOPS = 32
_MAPPED_BITS = 96
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
# What CDNs say of an address that they cannot place, or place on a continent. (T1,
# for Tor, is not two letters.)
_NO_COUNTRY = frozenset({"XX", "ZZ", "EU", "AP"})


class Headers(Protocol):
    """A request's headers: what a dictionary of the server library's can do."""

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]:
        """Return the values of a header in wire order, its name in any case."""


class TrustedProxies(msgspec.Struct, frozen=True):
    """Networks whose forwarding headers are believed; none by default."""

    networks: tuple[tuple[int, int, int], ...] = ()
    header: ProxyHeader | None = None
    country_header: str = ""

    @classmethod
    def of(
        cls,
        cidrs: Iterable[str],
        header: ProxyHeader | None = None,
        country_header: str = "",
    ) -> "TrustedProxies":
        """
        Trust the proxies in these networks.

        Args:
            cidrs: networks such as "10.0.0.0/8" or single addresses.
            header: the one header the proxies set. Without it X-Forwarded-For is
                read, and Forwarded only where there is no X-Forwarded-For; with
                proxies that set Forwarded alone, name it, or a visitor's own
                X-Forwarded-For would be believed.
            country_header: the header in which they say the visitor's country.

        Raises:
            ValueError: when a text is not a network.

        """
        networks = (ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)
        return cls(
            tuple(_masked(network) for network in networks),
            header,
            country_header.lower(),
        )

    def __contains__(self, packed: bytes) -> bool:
        """Tell whether a packed address lies in one of the networks."""
        number, bits = int.from_bytes(packed), len(packed) * 8
        for size, mask, base in self.networks:
            if bits == size and number & mask == base:
                return True
        return False


def client_address(peer: str, headers: Headers, trusted: TrustedProxies) -> str:
    """
    Return the address of the client behind the trusted proxies.

    Args:
        peer: the address at the other end of the connection.
        headers: the request's, names in any case, values in wire order.
        trusted: whose headers are believed, and which.

    Returns:
        The peer when it is not trusted itself. Of a list the rightmost address that
        is not a trusted proxy's; of a header that holds one address that one. "" when
        a trusted proxy names nobody, hides ("unknown") or garbles its client, or says
        two where one should be: a proxy's own address is not put down as a visitor's.
        "" when the peer is no address.

    """
    packed = peer_bytes(peer)
    if packed is None:
        return ""
    if not trusted.networks or packed not in trusted:
        return spelled(unwrapped(packed))
    header = trusted.header
    if header is not None and header not in _LISTS:
        return _single(headers.getall(header, ()), header)
    hops = _hops_from_right(headers, cast("_ListHeader | None", header))
    if not hops:
        return ""
    for hop in hops:
        sender = peer_bytes(hop)
        if sender is None:
            return ""
        packed = sender
        if packed not in trusted:
            break
    return spelled(unwrapped(packed))


def client_country(peer: str, headers: Headers, trusted: TrustedProxies) -> str:
    """
    Return the country that a trusted proxy says its client is in.

    Args:
        peer: the address at the other end of the connection.
        headers: the request's, names in any case.
        trusted: whose headers are believed, and which.

    Returns:
        Two capital letters, as ISO 3166-1 has them; whether there is such a country
        is not looked up. "" when none is named, two are, or the peer is not trusted.

    """
    name = trusted.country_header
    values = headers.getall(name, ()) if name else ()
    if not values:
        return ""
    packed = peer_bytes(peer)
    if packed is None or packed not in trusted:
        return ""
    named = {value.strip(" \t") for value in values}
    code = named.pop()
    if named or not _COUNTRY.match(code) or code in _NO_COUNTRY:
        return ""
    return code


def _masked(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> tuple[int, int, int]:
    """Return size, mask and base; an IPv4 network in IPv6's spelling as IPv4."""
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= _MAPPED_BITS:
            bits = network.prefixlen - _MAPPED_BITS
            network = ipaddress.IPv4Network((mapped, bits))
    return network.max_prefixlen, int(network.netmask), int(network.network_address)


def _single(values: Sequence[str], header: str) -> str:
    """Return the address that all the values of a header spell."""
    found: set[bytes | None] = {
        client_bytes(_without_port(value) if header == _WITH_PORT else value)
        for value in values
    }
    if len(found) != 1:
        return ""
    packed = found.pop()
    return "" if packed is None else spelled(packed)


def _without_port(value: str) -> str:
    host, _, port = value.strip(" \t").rpartition(":")
    return host if is_port(port) else ""


def _hops_from_right(headers: Headers, header: _ListHeader | None) -> list[str]:
    """Return who each hop says it was called by, the nearest hop first."""
    values = headers.getall(header or "x-forwarded-for", ())
    if header is None:
        header = "x-forwarded-for" if values else "forwarded"
        values = values or headers.getall("forwarded", ())
    if header == "x-forwarded-for" and len(values) == 1 and "," not in values[0]:
        # Nearly always so: one proxy, and nobody else's word.
        return list(values)
    # Splitting at every comma, quoted or not: an unclosed quote in a client's part
    # must not swallow the part a proxy added.
    line = ",".join(values)
    hops = line.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:] if line else []
    hops.reverse()
    return hops if header == "x-forwarded-for" else [_for(hop) for hop in hops]


def _for(element: str) -> str:
    """Return the `for` of one element of a Forwarded header (RFC 7239)."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value
    return ""
