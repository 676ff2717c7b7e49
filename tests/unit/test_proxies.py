"""Trusted proxies: whose headers are believed, and what they may say."""

from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from pipeline.address import parse
from pipeline.proxies import TrustedProxies, client_country
from pipeline.proxies import client_address as behind
from schemas.settings import ProxyHeader

PROXIES = TrustedProxies.of(["10.0.0.0/8", "fd00::/8"])
SINGLE = [
    name
    for name in get_args(ProxyHeader)
    if name not in ("x-forwarded-for", "forwarded")
]
Pairs = Sequence[tuple[str, str]]


def fields(headers: Pairs) -> CIMultiDict[str]:
    """Return headers as a call keeps them."""
    return CIMultiDict(headers)


def client_address(peer: str, headers: Pairs, trusted: TrustedProxies) -> str:
    """Return the client's address for headers in wire order."""
    return behind(peer, fields(headers), trusted)


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        # Nobody is trusted who is not listed.
        ("198.51.100.1", [("X-Forwarded-For", "203.0.113.7")], "198.51.100.1"),
        ("10.0.0.1", [], ""),
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
        # A hop that hides or garbles its sender: then nobody knows who it was.
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.7, unknown")], ""),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.7, 10.0.0.300")], ""),
        ("10.0.0.1", [("X-Forwarded-For", "1.1.1.1, , 10.0.0.2")], ""),
        ("10.0.0.1", [("X-Forwarded-For", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ("10.0.0.1", [("Forwarded", "for=203.0.113.7;proto=https")], "203.0.113.7"),
        ("10.0.0.1", [("Forwarded", 'For="[2001:db8::7]:80"')], "2001:db8::7"),
        ("10.0.0.1", [("Forwarded", 'for="x, for=203.0.113.7')], "203.0.113.7"),
        ("10.0.0.1", [("Forwarded", "for=1.1.1.1, for=_hidden")], ""),
        ("10.0.0.1", [("Forwarded", "for=1.1.1.1, proto=https")], ""),
        # The header that most proxies set wins over the one a client can add.
        (
            "10.0.0.1",
            [("Forwarded", "for=1.1.1.1"), ("X-Forwarded-For", "203.0.113.7")],
            "203.0.113.7",
        ),
        ("10.0.0.1", [("X-Real-IP", "1.1.1.1"), ("Via", "x")], ""),
        ("", [("X-Forwarded-For", "203.0.113.7")], ""),
        # A tunnel's address is its client's, but no proxy's: 2002:a00:1:: carries
        # 10.0.0.1, and anyone can send from it.
        ("2002:a00:1::1", [("X-Forwarded-For", "203.0.113.7")], "10.0.0.1"),
        ("64:ff9b::10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "10.0.0.1"),
        ("::10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "10.0.0.1"),
        ("10.0.0.1", [("X-Forwarded-For", "1.1.1.1, 2002:a00:1::1")], "10.0.0.1"),
        ("10.0.0.1", [("X-Forwarded-For", "2002:cb00:7107::1")], "203.0.113.7"),
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
    assert client_address("10.0.0.1", headers[:1], proxies) == ""


@pytest.mark.parametrize("header", SINGLE)
def test_header_of_one_address(header: str) -> None:
    """Read where it is named and the peer trusted; of anything else nothing is read."""
    proxies = TrustedProxies.of(["10.0.0.0/8"], header)  # type: ignore[arg-type]
    port = ":443" if header == "cloudfront-viewer-address" else ""
    mine = (header.title(), f"203.0.113.7{port}")
    other = (header, f"198.51.100.1{port}")
    list_header = ("X-Forwarded-For", "1.1.1.1")

    def read(*headers: tuple[str, str]) -> str:
        return client_address("10.0.0.1", headers, proxies)

    assert read(mine) == read(list_header, mine) == read(mine, mine) == "203.0.113.7"
    # Even a trusted proxy's address is a client's here: there is but one hop.
    assert read((header, f"10.9.9.9{port}")) == "10.9.9.9"
    # Two that differ: one is the visitor's own invention, and which is not known.
    assert read(mine, other) == read(other, mine) == ""
    assert read(mine, (header, "unknown")) == ""
    for garbage in ("", "unknown", "203.0.113.7, 10.0.0.1", "3405803783", "\x00"):
        assert read((header, garbage)) == ""
    # Left out: it did not come through what sets the header.
    assert read() == read(list_header) == ""
    # And nothing of it from whoever is not trusted.
    assert client_address("198.51.100.9", [mine], proxies) == "198.51.100.9"
    assert client_address("10.0.0.1", [mine], TrustedProxies()) == "10.0.0.1"
    assert client_address("10.0.0.1", [mine], PROXIES) == ""


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("198.51.100.10:46532", "198.51.100.10"),
        ("2001:db8::7:46532", "2001:db8::7"),
        ("2001:db8:1:2:3:4:5:6:46532", "2001:db8:1:2:3:4:5:6"),
        ("[2001:db8::7]:46532", "2001:db8::7"),
        ("198.51.100.10", ""),
        ("198.51.100.10:", ""),
        ("198.51.100.10:70000", ""),
        ("2001:db8::7:abcd", ""),
    ],
)
def test_address_with_a_port_always(value: str, client: str) -> None:
    """CloudFront adds the port to IPv6 without brackets: the last part is it."""
    proxies = TrustedProxies.of(["10.0.0.1"], "cloudfront-viewer-address")

    headers = [("CloudFront-Viewer-Address", value)]
    assert client == client_address("10.0.0.1", headers, proxies)


@pytest.mark.parametrize(
    ("values", "country"),
    [
        (["DE"], "DE"),
        ([" US "], "US"),
        (["DE", "DE"], "DE"),
        (["DE", "FR"], ""),
        (["DE", ""], ""),
        ([], ""),
        # Unknown, Tor, and what is no country.
        *[([code], "") for code in ("XX", "ZZ", "T1", "EU", "AP", "A1")],
        *[([code], "") for code in ("de", "DEU", "D", "", "D\u00c9", "DE,FR", "DE\n")],
    ],
)
def test_country(values: list[str], country: str) -> None:
    """Two capital letters that a trusted proxy says, under the name it was given."""
    proxies = TrustedProxies.of(["10.0.0.1"], None, "CF-IPCountry")
    said = fields([("Cf-IpCountry", value) for value in values])

    assert country == client_country("10.0.0.1", said, proxies)
    for peer, trusted in (
        ("198.51.100.1", proxies),
        ("2002:a00:1::1", proxies),
        ("", proxies),
        ("10.0.0.1", TrustedProxies()),
        ("10.0.0.1", TrustedProxies.of(["10.0.0.1"])),
        ("10.0.0.1", TrustedProxies.of(["10.0.0.1"], None, "X-Country-Code")),
        ("10.0.0.1", TrustedProxies.of([], None, "CF-IPCountry")),
    ):
        assert client_country(peer, said, trusted) == ""


def test_network_in_mapped_spelling() -> None:
    """An IPv4 network is trusted as well where it was written as IPv6."""
    proxies = TrustedProxies.of(["::ffff:10.0.0.0/104"])
    headers = [("X-Forwarded-For", "203.0.113.7")]

    assert client_address("10.9.9.9", headers, proxies) == "203.0.113.7"
    assert client_address("::ffff:10.9.9.9", headers, proxies) == "203.0.113.7"
    assert client_address("11.9.9.9", headers, proxies) == "11.9.9.9"


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


@given(
    st.sampled_from(
        [
            "203.0.113.7",
            "10.0.0.1",
            "unknown",
            "",
            " 198.51.100.1 ",
            "203.0.113.7:80",
            "[2001:db8::1]:80",
            "::ffff:203.0.113.7",
            "64:ff9b::203.0.113.7",
            '"203.0.113.7"',
            '"x',
        ]
    ),
    st.sampled_from([None, "x-forwarded-for"]),
)
def test_one_hop_is_read_as_the_end_of_a_list(
    hop: str, header: ProxyHeader | None
) -> None:
    """One value takes a shorter way to what a list with one more proxy leads to."""
    name = "X-Forwarded-For"
    trusted = TrustedProxies.of(["10.0.0.0/8"], header)
    one = client_address("10.0.0.2", [(name, hop)], trusted)
    several = client_address("10.0.0.2", [(name, hop), (name, "10.0.0.3")], trusted)

    assert one == several


def test_forwarded_is_read_where_it_is_named() -> None:
    """A visitor's own X-Forwarded-For is not believed of proxies that set the other."""
    headers = [("X-Forwarded-For", "192.0.2.9"), ("Forwarded", "for=203.0.113.7")]
    trusted = TrustedProxies.of(["10.0.0.0/8"], "forwarded")

    assert client_address("10.0.0.2", headers, trusted) == "203.0.113.7"
