"""Addresses: odd spellings, truncation, trusted proxies."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.address import TrustedProxies, client_address, parse, truncate

PROXIES = TrustedProxies.of(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.0"),
        ("203.0.113.7:51320", "203.0.113.0"),
        (" 203.0.113.7 ", "203.0.113.0"),
        ('"203.0.113.7"', "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("2001:DB8:1::7", "2001:db8:1::"),
        ("[2001:db8:1::7]", "2001:db8:1::"),
        ("[2001:db8:1::7]:443", "2001:db8:1::"),
        ('"[2001:db8:1::7]:443"', "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("[fe80::1%25eth0]:80", "fe80::"),
        ("::ffff:203.0.113.7", "203.0.113.0"),
        ("::ffff:cb00:7107", "203.0.113.0"),
        ("64:ff9b::203.0.113.7", "203.0.113.0"),
        ("2002:cb00:7107::1", "203.0.113.0"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.0"),
        ("::1", "::"),
    ],
)
def test_truncate_spellings(text: str, network: str) -> None:
    """Every spelling of an address leaves the same network base."""
    assert network == truncate(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "777.2",
        "hello;goodbye",
        "unknown",
        "256.1.1.1",
        "010.1.2.3",
        "1.2.3",
        "1.2.3.4.5",
        "203.0.113.7:port",
        "203.0.113.7:",
        "203.0.113.7\x00",
        "203.0.113.7, 10.0.0.1",
        "\u0661.1.1.1",
        "\udc80",
        "[::1]x",
        "2001:db8::g",
        "2001:db8:::1",
        "3405803783",
        "1" * 10_000,
    ],
)
def test_truncate_garbage(text: str) -> None:
    """What is no address leaves nothing, not itself."""
    assert truncate(text) == ""
    assert parse(text) is None


@pytest.mark.parametrize(
    ("prefixes", "text", "network"),
    [
        ((16, 32), "203.0.113.7", "203.0.0.0"),
        ((20, 32), "203.0.113.7", "203.0.112.0"),
        ((32, 128), "203.0.113.7", "203.0.113.7"),
        ((0, 0), "203.0.113.7", "0.0.0.0"),
        ((16, 32), "2001:db8:1:2::7", "2001:db8::"),
        ((16, 64), "2001:db8:0:8d3:0:8a2e:70:7344", "2001:db8:0:8d3::"),
        ((16, 24), "2001:db8:0:8d3:0:8a2e:70:7344", "2001:d00::"),
        ((0, 0), "2001:db8::1", "::"),
    ],
)
def test_truncate_prefixes(prefixes: tuple[int, int], text: str, network: str) -> None:
    """The prefix lengths say how many leading bits remain."""
    assert network == truncate(text, *prefixes)


@given(st.ip_addresses(v=4), st.integers(0, 255))
def test_one_v4_network_looks_the_same(
    address: ipaddress.IPv4Address, octet: int
) -> None:
    """Two addresses of one /24 cannot be told apart afterwards."""
    neighbour = f"{str(address).rpartition('.')[0]}.{octet}"

    assert truncate(str(address)) == truncate(neighbour)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1), st.integers(0, 2**80 - 1))
@example(0x2002CB007107, 1, 2)
@example(0, 0xFFFF << 32 | 1, 0xFFFF << 32 | 2)
def test_one_v6_network_looks_the_same(network: int, one: int, other: int) -> None:
    """Two addresses of one /48 cannot be told apart, unless they carry an IPv4."""
    first, second = (
        parse(str(ipaddress.IPv6Address(network << 80 | host))) for host in (one, other)
    )
    if isinstance(first, ipaddress.IPv6Address) and isinstance(
        second, ipaddress.IPv6Address
    ):
        assert truncate(str(first)) == truncate(str(second))


@given(st.ip_addresses() | st.text(max_size=60))
def test_truncated_is_a_network_base(address: object) -> None:
    """What remains is empty or a bare network base, whatever came in."""
    kept = truncate(str(address))

    if kept:
        prefix = 48 if ":" in kept else 24
        assert kept == str(ipaddress.ip_network(f"{kept}/{prefix}").network_address)
        assert kept == truncate(kept)


def test_parse_returns_address_objects() -> None:
    """A mapped address is an IPv4 address; others keep their family."""
    assert ipaddress.IPv4Address("203.0.113.7") == parse("::ffff:203.0.113.7")
    assert ipaddress.IPv6Address("2001:db8::7") == parse("[2001:db8::7]:443")


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        # Nobody is trusted who is not listed.
        ("198.51.100.1", [("X-Forwarded-For", "203.0.113.7")], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
        ("::ffff:10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
        ("fd00::1", [("x-forwarded-for", "[2001:db8::7]:1234")], "2001:db8::7"),
        # What the client wrote itself stands left of what the proxy saw.
        ("10.0.0.1", [("X-Forwarded-For", "1.1.1.1, 203.0.113.7")], "203.0.113.7"),
        ("10.0.0.1", [("X-Forwarded-For", "x, 203.0.113.7, 10.9.9.9")], "203.0.113.7"),
        (
            "10.0.0.1",
            [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.7")],
            "203.0.113.7",
        ),
        # A hop that garbles its sender ends the search at that hop.
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.7, unknown")], "10.0.0.1"),
        ("10.0.0.1", [("X-Forwarded-For", "1.1.1.1, , 10.0.0.2")], "10.0.0.2"),
        ("10.0.0.1", [("X-Forwarded-For", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ("10.0.0.1", [("Forwarded", "for=203.0.113.7;proto=https")], "203.0.113.7"),
        ("10.0.0.1", [("Forwarded", 'For="[2001:db8::7]:80"')], "2001:db8::7"),
        ("10.0.0.1", [("Forwarded", 'for="x, for=203.0.113.7')], "203.0.113.7"),
        ("10.0.0.1", [("Forwarded", "for=1.1.1.1, for=_hidden")], "10.0.0.1"),
        ("10.0.0.1", [("Forwarded", "for=1.1.1.1, proto=https")], "10.0.0.1"),
        # The header that most proxies set wins over the one a client can add.
        (
            "10.0.0.1",
            [("Forwarded", "for=1.1.1.1"), ("X-Forwarded-For", "203.0.113.7")],
            "203.0.113.7",
        ),
        ("10.0.0.1", [("X-Real-IP", "1.1.1.1"), ("Via", "x")], "10.0.0.1"),
        ("", [("X-Forwarded-For", "203.0.113.7")], ""),
    ],
)
def test_client_address(peer: str, headers: list[tuple[str, str]], client: str) -> None:
    """The rightmost address that is no trusted proxy's is the client's."""
    assert client == client_address(peer, headers, PROXIES)


def test_nobody_is_trusted_by_default() -> None:
    """Without configured proxies the peer is the client, whatever headers say."""
    headers = [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.7")]

    assert client_address("127.0.0.1", headers, TrustedProxies()) == "127.0.0.1"


def test_named_header_is_the_only_one_read() -> None:
    """With proxies that set Forwarded, a visitor's X-Forwarded-For is not believed."""
    proxies = TrustedProxies.of(["10.0.0.1"], header="forwarded")
    headers = [("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=203.0.113.7")]

    assert client_address("10.0.0.1", headers, proxies) == "203.0.113.7"
    assert client_address("10.0.0.1", headers[:1], proxies) == "10.0.0.1"


def test_hops_are_bounded() -> None:
    """A long list of hops costs no more than its last few dozen."""
    line = ",".join(["10.0.0.9"] * 100_000)

    assert client_address("10.0.0.1", [("X-Forwarded-For", line)], PROXIES) == (
        "10.0.0.9"
    )


@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=3))
def test_client_address_is_an_address(peer: str, values: list[str]) -> None:
    """Only addresses come out, whatever a proxy passes on."""
    headers = [("X-Forwarded-For", value) for value in values]

    for text in (peer, "10.0.0.1"):
        client = client_address(text, headers, PROXIES)
        assert client == "" or parse(client) is not None


def test_networks_are_checked_when_made() -> None:
    """A mistyped network is an error and not an empty list."""
    with pytest.raises(ValueError, match="does not appear"):
        TrustedProxies.of(["10.0.0.0/33"])
