"""
Client addresses: reading, truncating, and seeing past trusted proxies.

Everything works on packed bytes, so that odd spellings of one address cannot
differ in what is left of them. What cannot be read becomes nothing, never a
passed-through text: the garbage in an address header is often an address.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET as _AF_INET
from socket import AF_INET6 as _AF_INET6
from socket import inet_ntop as _inet_ntop
from socket import inet_pton as _inet_pton
from typing import Literal

import msgspec

ProxyHeader = Literal["x-forwarded-for", "forwarded"]

# The longest text form is 45 characters; the rest is room for brackets, a port
# and a zone id.
_MAX_TEXT = 100
_MAX_HOPS = 32
_V4_BYTES = 4
_OCTET_PREFIX = 24

_V4_MAPPED = bytes(10) + b"\xff\xff"
_NAT64 = b"\x00\x64\xff\x9b" + bytes(8)
_6TO4 = b"\x20\x02"
_TEREDO = b"\x20\x01\x00\x00"


class TrustedProxies(msgspec.Struct, frozen=True):
    """Networks whose forwarding headers are believed; none by default."""

    networks: tuple[tuple[int, int, int], ...] = ()
    header: ProxyHeader | None = None

    @classmethod
    def of(
        cls, cidrs: Iterable[str], header: ProxyHeader | None = None
    ) -> "TrustedProxies":
        """
        Trust the proxies in these networks.

        Args:
            cidrs: networks such as "10.0.0.0/8" or single addresses.
            header: the one header the proxies set. Without it X-Forwarded-For is
                read, and Forwarded only where there is no X-Forwarded-For; with
                proxies that set Forwarded alone, name it, or a visitor's own
                X-Forwarded-For would be believed.

        Raises:
            ValueError: when a text is not a network.

        """
        networks = (ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)
        return cls(
            tuple(
                (net.max_prefixlen, int(net.netmask), int(net.network_address))
                for net in networks
            ),
            header,
        )

    def __contains__(self, packed: bytes) -> bool:
        """Tell whether a packed address lies in one of the networks."""
        number, bits = int.from_bytes(packed), len(packed) * 8
        for size, mask, base in self.networks:
            if bits == size and number & mask == base:
                return True
        return False


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """
    Return the address that a text spells, or None.

    Ports, brackets, quotes and zone ids are taken off; IPv4 carried inside IPv6
    (mapped, NAT64, 6to4, Teredo) comes out as the IPv4 address.
    """
    packed = _pack(text)
    if packed is None:
        return None
    return IPv4Address(packed) if len(packed) == _V4_BYTES else IPv6Address(packed)


def truncate(text: str, v4_prefix: int = 24, v6_prefix: int = 48) -> str:
    """
    Return the base of the network an address is in, without prefix length.

    "" when the text is no address.
    """
    packed = _pack(text)
    if packed is None:
        return ""
    if v4_prefix == _OCTET_PREFIX and len(packed) == _V4_BYTES:
        return f"{packed[0]}.{packed[1]}.{packed[2]}.0"
    prefix = v4_prefix if len(packed) == _V4_BYTES else v6_prefix
    mask = -1 << (len(packed) * 8 - prefix)
    return _spell((int.from_bytes(packed) & mask).to_bytes(len(packed)))


def client_address(
    peer: str, forwarded: Sequence[tuple[str, str]], trusted: TrustedProxies
) -> str:
    """
    Return the address of the client behind the trusted proxies.

    Args:
        peer: the address at the other end of the connection.
        forwarded: the request's headers; others than X-Forwarded-For and
            Forwarded are passed over.
        trusted: whose headers are believed.

    Returns:
        The rightmost address that is not a trusted proxy's; the peer when it is
        not trusted itself. A hop that hides ("unknown") or garbles its sender
        ends the search at that hop. "" when the peer is no address.

    """
    packed = _pack(peer)
    if packed is None:
        return ""
    if trusted.networks and packed in trusted:
        for hop in _hops_from_right(forwarded, trusted.header):
            sender = _pack(hop)
            if sender is None:
                break
            packed = sender
            if sender not in trusted:
                break
    return _spell(packed)


def _spell(packed: bytes) -> str:
    return _inet_ntop(_AF_INET if len(packed) == _V4_BYTES else _AF_INET6, packed)


def _pack(text: str) -> bytes | None:
    family = _AF_INET6 if ":" in text else _AF_INET
    try:
        packed = _inet_pton(family, text)
    except (OSError, ValueError):
        return _pack_odd(text)
    return packed if family is _AF_INET else _unwrap(packed)


def _pack_odd(text: str) -> bytes | None:
    if len(text) > _MAX_TEXT:
        return None
    text = _bare(text.strip(' \t"'))
    family = _AF_INET6 if ":" in text else _AF_INET
    try:
        packed = _inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return packed if family is _AF_INET else _unwrap(packed)


def _bare(text: str) -> str:
    """Take brackets, port and zone id off an address."""
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        if rest and not _is_port(rest):
            return ""
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return ""
    return text.partition("%")[0]


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isdecimal()


def _unwrap(packed: bytes) -> bytes:
    """Return the IPv4 address that some IPv6 addresses carry, else the same."""
    if packed.startswith((_V4_MAPPED, _NAT64)):
        return packed[12:]
    if packed.startswith(_6TO4):
        return packed[2:6]
    if packed.startswith(_TEREDO):
        return bytes(byte ^ 0xFF for byte in packed[12:])
    return packed


def _hops_from_right(
    headers: Sequence[tuple[str, str]], header: ProxyHeader | None
) -> list[str]:
    """Return who each hop says it was called by, the nearest hop first."""
    if header is None:
        names = {name.lower() for name, _ in headers}
        header = "x-forwarded-for" if "x-forwarded-for" in names else "forwarded"
    # Splitting at every comma, quoted or not: an unclosed quote in a client's part
    # must not swallow the part a proxy added.
    line = ",".join(value for name, value in headers if name.lower() == header)
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
