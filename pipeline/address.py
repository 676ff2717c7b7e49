"""
Addresses: read however they are spelled, and truncated.

Everything works on packed bytes, so that odd spellings of one address cannot
differ in what is left of them. What cannot be read becomes nothing, never a
passed-through text: the garbage in an address header is often an address.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET as _AF_INET
from socket import AF_INET6 as _AF_INET6
from socket import inet_ntop as _inet_ntop
from socket import inet_pton as _inet_pton

# The longest text form is 45 characters; the rest is room for brackets, a port
# and a zone id.
_MAX_TEXT = 100
_V4_BYTES = 4
_OCTET_PREFIX = 24
_V6_BYTES = 16
# RFC 7239 lets a port be hidden behind a word.
_PORT = r"\d{1,5}|_[A-Za-z0-9._-]+"
_ONE_PORT = re.compile(rf"(?:{_PORT})\Z", re.ASCII)
_HIGHEST_PORT = 65_535
_ZONE = r"%[A-Za-z0-9._~-]+"
# In brackets, with a port after them; ending in a dotted IPv4, where a colon can only
# begin a port; IPv6 without a port, which could not be told from it.
_ODD = re.compile(
    r'("?)(?:'
    rf"\[(?P<boxed>[0-9A-Fa-f:.]+)(?:{_ZONE})?\](?::(?P<port>{_PORT}))?|"
    rf"(?P<dotted>[0-9A-Fa-f:]*\d+(?:\.\d+){{3}})(?::(?P<port2>{_PORT}))?|"
    rf"(?P<colons>[0-9A-Fa-f]*:[0-9A-Fa-f:]+)(?:{_ZONE})?"
    r")\1\Z",
    re.ASCII,
)

# ::ffff:0:0/96, RFC 4291: what a socket for both families says of an IPv4 peer.
_V4_MAPPED = bytes(10) + b"\xff\xff"
# The last 4 bytes of these are an IPv4 address: ::/96 (RFC 4291, deprecated),
# ::ffff:0:0:0/96 (RFC 2765) and 64:ff9b::/96 (RFC 6052). In 64:ff9b:1::/48
# (RFC 8215) it has no fixed place, and none within the prefix that stays.
_V4_LAST = (bytes(12), bytes(8) + b"\xff\xff\0\0", b"\x00\x64\xff\x9b" + bytes(8))
_6TO4 = b"\x20\x02"
_TEREDO = b"\x20\x01\x00\x00"
# First bytes of all of these.
_CARRYING = (0x00, 0x20)
_NO_V4 = bytes(4)
_LOOPBACK = bytes(15) + b"\x01"


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """
    Return the address that a text spells, or None.

    Ports, brackets, quotes and zone ids are taken off; IPv4 carried inside IPv6
    (mapped, compatible, translated, NAT64, 6to4, Teredo) comes out as the IPv4
    address.
    """
    packed = client_bytes(text)
    if packed is None:
        return None
    return IPv4Address(packed) if len(packed) == _V4_BYTES else IPv6Address(packed)


def truncate(text: str, v4_prefix: int = 24, v6_prefix: int = 48) -> str:
    """
    Return the base of the network an address is in, without prefix length.

    Args:
        text: an address in any spelling that `parse` reads.
        v4_prefix: leading bits that stay of an IPv4 address, 0 to 32.
        v6_prefix: leading bits that stay of an IPv6 address, 0 to 128.

    Returns:
        "" when the text is no address, and where no bit is to stay.

    Raises:
        ValueError: for a prefix that such an address cannot have.

    """
    try:
        if v4_prefix == _OCTET_PREFIX and ":" not in text:
            _inet_pton(_AF_INET, text)
            # What is read as it stands is spelled as we would.
            return f"{text[: text.rindex('.')]}.0"
        packed = client_bytes(text)
    except (OSError, ValueError):
        packed = client_bytes(text)
    if packed is None:
        return ""
    four = len(packed) == _V4_BYTES
    prefix, size = (v4_prefix, _V4_BYTES) if four else (v6_prefix, _V6_BYTES)
    whole, rest = prefix >> 3, prefix & 7
    if prefix == 0:
        return ""
    if prefix < 0 or prefix > 8 * size:
        message = f"no address of {8 * size} bits has a prefix of {prefix}"
        raise ValueError(message)
    kept = packed[:whole]
    if rest:
        kept += bytes((packed[whole] & 0xFF00 >> rest & 0xFF,))
    return _inet_ntop(_AF_INET if four else _AF_INET6, kept + bytes(size - len(kept)))


def spelled(packed: bytes) -> str:
    """Return the one spelling of a packed address that we use."""
    return _inet_ntop(_AF_INET if len(packed) == _V4_BYTES else _AF_INET6, packed)


def client_bytes(text: str) -> bytes | None:
    """Return the address of whoever a text names, packed: 4 bytes or 16, or None."""
    packed = peer_bytes(text)
    if packed is None or len(packed) == _V4_BYTES:
        return packed
    return unwrapped(packed)


def peer_bytes(text: str) -> bytes | None:
    """
    Return the address at the other end of a connection, packed, or None.

    Tunnels stay as they are: who sends from 2002:a00:1::1 need not be 10.0.0.1.
    """
    try:
        if ":" not in text:
            return _inet_pton(_AF_INET, text)
        packed = _inet_pton(_AF_INET6, text)
    except (OSError, ValueError):
        odd = _odd_bytes(text)
        if odd is None:
            return None
        packed = odd
    return packed[12:] if packed.startswith(_V4_MAPPED) else packed


def unwrapped(packed: bytes) -> bytes:
    """Return the IPv4 address that some IPv6 addresses carry, else the same."""
    if packed[0] not in _CARRYING or len(packed) == _V4_BYTES:
        return packed
    if packed.startswith(_V4_LAST):
        carried, plain = packed[12:], packed[12:]
    elif packed.startswith(_6TO4):
        carried, plain = packed[2:6], packed[2:6]
    elif packed.startswith(_TEREDO):
        carried = packed[12:]
        plain = bytes(byte ^ 0xFF for byte in carried)
    else:
        return packed
    # Zeros are no client's; and a network base must remain one when read again.
    nobody = carried == _NO_V4 or packed == _LOOPBACK
    return packed if nobody else plain


def is_port(text: str) -> bool:
    """Say if a text is a port's number, or the word that hides it (RFC 7239)."""
    if not _ONE_PORT.match(text):
        return False
    return text[0] == "_" or int(text) <= _HIGHEST_PORT


def _odd_bytes(text: str) -> bytes | None:
    """Read an address in quotes, with brackets, a port, a zone id."""
    found = _ODD.match(text.strip(" \t")) if len(text) <= _MAX_TEXT else None
    if found is None or not is_port(found["port"] or found["port2"] or "0"):
        return None
    plain = found["boxed"] or found["dotted"] or found["colons"]
    try:
        return _inet_pton(_AF_INET6 if ":" in plain else _AF_INET, plain)
    except (OSError, ValueError):
        return None
