"""Addresses: every odd spelling, and what is left after truncation."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.address import parse, truncate

# Leading bits that a rule pack may let stay (schemas.precision).
V4_PREFIXES = st.integers(0, 24)
V6_PREFIXES = st.integers(0, 48)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.0"),
        ("203.0.113.7:51320", "203.0.113.0"),
        ("203.0.113.7:_hidden", "203.0.113.0"),
        (" 203.0.113.7 ", "203.0.113.0"),
        ("\t203.0.113.7", "203.0.113.0"),
        ('"203.0.113.7"', "203.0.113.0"),
        ('"203.0.113.7:80"', "203.0.113.0"),
        ("[203.0.113.7]:80", "203.0.113.0"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("2001:0db8:0001:0002:0003:0004:0005:0006", "2001:db8:1::"),
        ("2001:DB8:1::7", "2001:db8:1::"),
        ("[2001:db8:1::7]", "2001:db8:1::"),
        ("[2001:db8:1::7]:443", "2001:db8:1::"),
        ('"[2001:db8:1::7]:443"', "2001:db8:1::"),
        ('"[2001:db8:1::7]:_x.y-z"', "2001:db8:1::"),
        ('"2001:db8:1::7"', "2001:db8:1::"),
        # A zone, as text and as a URL has it.
        ("fe80::1%eth0", "fe80::"),
        ("fe80::1%25eth0", "fe80::"),
        ("[fe80::1%25eth0]:80", "fe80::"),
        # Mapped, in every hand.
        ("::ffff:203.0.113.7", "203.0.113.0"),
        ("::FFFF:203.0.113.7", "203.0.113.0"),
        ("::ffff:cb00:7107", "203.0.113.0"),
        ("::ffff:0102:0304", "1.2.3.0"),
        ("0:0:0:0:0:ffff:cb00:7107", "203.0.113.0"),
        ("0000:0000:0000:0000:0000:FFFF:203.0.113.7", "203.0.113.0"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.0"),
        # Without brackets too the dots say where the address ends.
        ("::ffff:203.0.113.7:443", "203.0.113.0"),
        # Compatible and translated.
        ("::203.0.113.7", "203.0.113.0"),
        ("::cb00:7107", "203.0.113.0"),
        ("::ffff:0:203.0.113.7", "203.0.113.0"),
        # NAT64, and 6to4 with any host.
        ("64:ff9b::203.0.113.7", "203.0.113.0"),
        ("64:ff9b::cb00:7107", "203.0.113.0"),
        ("2002:cb00:7107::", "203.0.113.0"),
        ("2002:cb00:7107::1", "203.0.113.0"),
        ("2002:cb00:7107:ffff:a:b:c:d", "203.0.113.0"),
        # Teredo: the client's address, not its server's.
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.0"),
        # Where IPv4 has no fixed place none of it is in the network.
        ("64:ff9b:1::203.0.113.7", "64:ff9b:1::"),
        ("64:ff9b:1:cb00:71:700::", "64:ff9b:1::"),
        ("2001:db8:1:2::5efe:203.0.113.7", "2001:db8:1::"),
        ("fe80::200:5efe:203.0.113.7", "fe80::"),
        # Nobody's: they carry no address of a client.
        ("::", "::"),
        ("::1", "::"),
        ("2002::", "2002::"),
        ("64:ff9b::", "64:ff9b::"),
        ("2001::", "2001::"),
        # No tunnel at all, though it begins as one.
        ("2001:1::7", "2001:1::"),
        ("2003:cb00:7107::", "2003:cb00:7107::"),
        ("64:ff9c::203.0.113.7", "64:ff9c::"),
    ],
)
def test_truncate_spellings(text: str, network: str) -> None:
    """Every spelling of an address leaves the same network base."""
    assert network == truncate(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", '"', '""', "[]", "[", "]", ":", "%", ".", "-", "[]:80", "%eth0"),
        *("unknown", "_hidden", "_SEVKISEK", "null", "hello;goodbye", "localhost"),
        # Numbers, octal, short forms: some libraries read them, and not alike.
        *("777.2", "3405803783", "0xCB007107", "0xcb.0.0x71.7", "127.1", "1.2.3"),
        *("010.1.2.3", "010.0.0.1", "203.0.113.07", "0313.0.0161.7", "1", "256.1.1.1"),
        *("::ffff:010.0.0.1", "::ffff:1.2.3", "::ffff:256.0.0.1", "1.2.3.4.5"),
        *("203.0.113.7.", ".203.0.113.7", "203..113.7", "203.0.113.-7", "+1.2.3.4"),
        *("203.0.113.7/24", "2001:db8::/32", "203.0.113.x", "203.0.113.7a"),
        *("203.0.113.7:port", "203.0.113.7:", "203.0.113.7:65536", "203.0.113.7:1:2"),
        *("203.0.113.7:123456", "203.0.113.7:-1", "203.0.113.7:\u0668\u0660"),
        *("203.0.113.7\x00", "\x00203.0.113.7", "203.0.113.7\n", "203.0.113.7\r\n1"),
        *("203.0.113.7, 10.0.0.1", "203.0.113.7 10.0.0.1", "203.0.113.7;", "1.2.3.4,"),
        *('"203.0.113.7', '203.0.113.7"', "'203.0.113.7'", '" 203.0.113.7"'),
        *("203.0.113.7%eth0", "203 .0.113.7", "\u00a0203.0.113.7", "\ufeff1.2.3.4"),
        # Digits of other scripts, full-width and circled.
        *("\u0661.1.1.1", "\uff11.1.1.1", "\u24601.1.1.1", "1\u30022\u30023\u30024"),
        *("\udc80", "1.2.3.\udc80", "2001:db8::\ud800"),
        *("[::1]x", "[::1", "::1]", "[[::1]]", "[::1]:", "[::1]:x", "[::1]]:80"),
        *("2001:db8::g", "2001:db8:::1", "1::2::3", "02001:db8::1", "2001:db8::00001"),
        *("1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:443", "2001:db8:1"),
        *("fe80::1%", "fe80::1%eth 0", "fe80::1%25%", "fe80::1%<x>"),
        *("http://203.0.113.7", "for=203.0.113.7", "ipv6:2001:db8::1", "1.2.3.4@x"),
        *("1" * 10_000, "1.2.3.4" + " " * 10_000, ":" * 10_000, "[" * 10_000),
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
        ((16, 32), "2001:db8:1:2::7", "2001:db8::"),
        ((32, 128), "2001:db8:1:2::7", "2001:db8:1:2::7"),
        ((16, 44), "2001:db8:ffff::7", "2001:db8:fff0::"),
        ((0, 48), "203.0.113.7", ""),
        ((0, 48), "::ffff:203.0.113.7", ""),
        ((0, 48), "2001:db8::1", "2001:db8::"),
        ((24, 0), "2001:db8::1", ""),
        ((24, 0), "203.0.113.7", "203.0.113.0"),
        # Levels 1 to 4 of Matomo's own test, where it keeps 0 bits as "::".
        ((24, 64), "2001:db8:0:8d3:0:8a2e:70:7344", "2001:db8:0:8d3::"),
        ((16, 48), "2001:db8:0:8d3:0:8a2e:70:7344", "2001:db8::"),
        ((8, 24), "2001:db8:0:8d3:0:8a2e:70:7344", "2001:d00::"),
        ((0, 0), "2001:db8:0:8d3:0:8a2e:70:7344", ""),
        ((24, 64), "::ffff:1.1.1.1", "1.1.1.0"),
        ((16, 48), "::ffff:1.1.1.1", "1.1.0.0"),
        ((8, 24), "::ffff:1.1.1.1", "1.0.0.0"),
        ((0, 0), "::ffff:1.1.1.1", ""),
        # Snowplow passes these on as they are, and of this one masks the text.
        ((16, 32), "777.2", ""),
        ((16, 32), "hello;goodbye", ""),
        ((16, 32), "::FFFF:152.16.24.123", "152.16.0.0"),
    ],
)
def test_truncate_prefixes(prefixes: tuple[int, int], text: str, network: str) -> None:
    """The prefix lengths say how many leading bits remain; of none nothing does."""
    assert network == truncate(text, *prefixes)


@pytest.mark.parametrize("prefixes", [(-1, 48), (33, 48), (24, -8), (24, 129)])
def test_prefix_that_cannot_be(prefixes: tuple[int, int]) -> None:
    """A prefix that an address cannot have is an error, not all of the address."""
    text = "2001:db8::7" if prefixes[0] == 24 else "203.0.113.7"
    with pytest.raises(ValueError, match="has a prefix of"):
        truncate(text, *prefixes)


@st.composite
def spellings_v4(draw: st.DrawFn, address: IPv4Address) -> str:
    """Draw a way to write an IPv4 address."""
    number = int(address)
    host = draw(st.integers(0, 2**80 - 1))
    server = draw(st.integers(0, 2**32 - 1))
    dotted = str(address)
    packed = f"{number >> 16:x}:{number & 0xFFFF:x}"
    forms = [
        dotted,
        f"[{dotted}]",
        f"::ffff:{dotted}",
        f"::FFFF:{packed}",
        f"0:0:0:0:0:ffff:{packed.upper()}",
        f"::ffff:{dotted}:8080",
    ]
    # 0.0.0.0 is carried by a mapped address alone, 0.x and Teredo's zeros by fewer.
    carried = []
    if number:
        carried.append(0x0064FF9B << 96 | number)
        carried.append(0xFFFF << 48 | number)
        carried.append(0x2002 << 112 | number << 80 | host)
    if number > 1:
        carried.append(number)
    if number != 2**32 - 1:
        teredo = 0x20010000 << 96 | server << 64 | host & 0xFFFFFFFF << 32
        carried.append(teredo | number ^ 0xFFFFFFFF)
    forms += [str(IPv6Address(one)) for one in carried]
    forms += [f"[{IPv6Address(one).exploded}]" for one in carried]
    return dressed(draw, draw(st.sampled_from(forms)))


@st.composite
def spellings_v6(draw: st.DrawFn, address: IPv6Address) -> str:
    """Draw a way to write an IPv6 address."""
    plain = draw(
        st.sampled_from([str(address), address.exploded, address.exploded.upper()])
    )
    zone = draw(st.sampled_from(["", "%eth0", "%25en1"]))
    return dressed(draw, draw(st.sampled_from([plain + zone, f"[{plain}{zone}]"])))


def dressed(draw: st.DrawFn, text: str) -> str:
    """Add what stands around an address in headers."""
    if text.startswith("[") or ":" not in text:
        text += draw(st.sampled_from(["", ":80", ":65535", ":_x"]))
    if draw(st.booleans()):
        text = f'"{text}"'
    return draw(st.sampled_from(["", " ", "\t"])) + text + draw(st.sampled_from("  "))


@given(st.data(), st.ip_addresses(v=4), st.integers(0, 2**32 - 1), V4_PREFIXES)
def test_one_v4_network_looks_the_same(
    data: st.DataObject, one: IPv4Address, host: int, prefix: int
) -> None:
    """Two addresses of one network, however spelled, cannot be told apart."""
    mask = (1 << (32 - prefix)) - 1
    other = IPv4Address(int(one) & ~mask | host & mask)
    kept = {
        truncate(data.draw(spellings_v4(address)), prefix)
        for address in (one, one, other)
    }

    base = str(IPv4Address(int(one) & ~mask)) if prefix else ""
    assert kept == {base}
    assert truncate(base, prefix) == base


@given(st.data(), st.ip_addresses(v=6), st.integers(0, 2**128 - 1), V6_PREFIXES)
@example(None, IPv6Address("2001:db8::1"), 0, 16)
@example(None, IPv6Address("64:ff9b:1::1"), 2, 40)
@example(None, IPv6Address("2002::1"), 2, 48)
@example(None, IPv6Address("2002:0:1::"), 2, 48)
def test_one_v6_network_looks_the_same(
    data: st.DataObject | None, one: IPv6Address, host: int, prefix: int
) -> None:
    """Two addresses of one network cannot be told apart, unless they carry an IPv4."""
    mask = (1 << (128 - prefix)) - 1
    other = IPv6Address(int(one) & ~mask | host & mask)
    base = str(IPv6Address(int(one) & ~mask)) if prefix else ""
    for address in (one, other):
        if isinstance(parse(str(address)), IPv6Address):
            text = data.draw(spellings_v6(address)) if data else str(address)
            assert truncate(text, 24, prefix) == base
            assert truncate(base, 24, prefix) == base


@given(st.ip_addresses() | st.text(max_size=60), V4_PREFIXES, V6_PREFIXES)
def test_truncated_is_a_network_base(text: object, v4: int, v6: int) -> None:
    """What remains is empty or a bare network base, and remains so when cut again."""
    kept = truncate(str(text), v4, v6)

    if kept:
        prefix = v6 if ":" in kept else v4
        assert kept == str(ipaddress.ip_network(f"{kept}/{prefix}").network_address)
        assert kept == truncate(kept, v4, v6)


def test_parse_returns_address_objects() -> None:
    """A mapped address is an IPv4 address; others keep their family."""
    assert IPv4Address("203.0.113.7") == parse("::ffff:203.0.113.7")
    assert IPv6Address("2001:db8::7") == parse("[2001:db8::7]:443")
