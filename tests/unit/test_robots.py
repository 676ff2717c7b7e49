"""Each layer that tells robots: what it catches, and who is a person to it."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.agents.networks import Networks, load_networks
from pipeline.agents.rate import Rate
from pipeline.caller import device_of, is_prefetch
from pipeline.robots import Robots, host_of
from schemas.outcome import REASONS
from schemas.raw_event import RawEvent
from tests.builders import NOON_MS, ROOT, raw_event

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HEADLESS = CHROME.replace("Chrome", "HeadlessChrome")
GMAIL = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 "
    "(via ggpht.com GoogleImageProxy)"
)
HOME, HOME_6 = "203.0.113.77", "2001:db8::7"
CLOUD, CLOUD_6 = "52.95.110.1", "2a05:d018::1"
# iCloud Private Relay, Mullvad and a Tor exit: people all of them.
RELAY, RELAY_6, VPN, TOR = (
    "172.224.226.1",
    "2a02:26f7:c9c8:4000::1",
    "23.144.160.67",
    "185.220.101.1",
)
NETWORKS = load_networks([])


def is_spam(host: str) -> bool:
    """Know one spammer."""
    return host == "semalt.com"


def robots(*, most: int = 1000, datacenters: bool = True) -> Robots:
    """Return the layers with lists as they ship."""
    return Robots(Rate(most, 10), is_spam, datacenters=datacenters)


def person(**changes: Any) -> RawEvent:
    """Return what a person's browser sends, but for the changes."""
    values = {"address": HOME, "user_agent": CHROME, **changes}
    return raw_event(values.pop("name", "page_view"), **values)


def told(layers: Robots, raw: RawEvent) -> tuple[str, ...]:
    """Return what the layers say of an event."""
    return layers.flags(raw, device_of(raw), NETWORKS.kind(raw.address))


def flags(raw: RawEvent, **options: Any) -> tuple[str, ...]:
    """Return the flags of one event of its own."""
    return told(robots(**options), raw)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"user_agent": GOOGLEBOT}, ("robot",)),
        ({"user_agent": HEADLESS}, ("headless",)),
        ({"headers": {"sec-ch-ua": '"HeadlessChrome";v="141"'}}, ("headless",)),
        ({"automated": True}, ("automated",)),
        ({"address": CLOUD}, ("datacenter",)),
        ({"address": CLOUD_6}, ("datacenter",)),
        ({"address": HOME_6}, ()),
        ({"address": ""}, ()),
        ({"address": RELAY}, ()),
        ({"address": RELAY_6}, ()),
        ({"address": VPN}, ()),
        ({"address": TOR}, ()),
        ({"referrer": "https://semalt.com/crawler?u=1"}, ("referrer_spam",)),
        ({"referrer": "https://SEMALT.com:443"}, ("referrer_spam",)),
        ({"referrer": "https://example.org/semalt.com"}, ()),
        ({"referrer": ""}, ()),
        (
            {
                "automated": True,
                "referrer": "http://semalt.com/",
                "user_agent": GOOGLEBOT,
                "address": CLOUD,
            },
            ("automated", "referrer_spam", "robot", "datacenter"),
        ),
    ],
)
def test_layers(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Every layer says its own reason, and people are none."""
    assert expected == flags(person(**changes))


def test_relay_addresses_are_what_they_say() -> None:
    """The people's networks above are in the lists, or the table proves nothing."""
    assert ["relay", "relay", "vpn", "tor"] == [
        NETWORKS.kind(one) for one in (RELAY, RELAY_6, VPN, TOR)
    ]


@pytest.mark.parametrize("name", ["email_open", "email_click"])
@pytest.mark.parametrize("agent", [GMAIL, GOOGLEBOT, HEADLESS])
def test_mail_is_not_judged_here(name: str, agent: str) -> None:
    """No mail is dropped as a robot's: a proxy's open is a person's."""
    raw = person(name=name, user_agent=agent, address=CLOUD)
    layers = robots(most=1)

    assert {()} == {told(layers, raw) for _ in range(20)}


@pytest.mark.parametrize(
    ("trusted", "expected"), [(False, ()), (True, ("robot", "datacenter", "rate"))]
)
def test_server(expected: tuple[str, ...], *, trusted: bool) -> None:
    """A server's own network and agent say nothing, unless it showed its key."""
    raw = person(door="server", user_agent=GOOGLEBOT, address=CLOUD, trusted=trusted)
    layers = robots(most=1)
    told(layers, raw)

    assert expected == told(layers, raw)


def test_server_tells_of_its_visitors_browser() -> None:
    """What a server passes on of the browser counts, whoever sends it."""
    raw = person(door="server", automated=True, referrer="https://semalt.com/")

    assert ("automated", "referrer_spam") == flags(raw)


def test_datacenters_kept() -> None:
    """Where visitors' own proxies stand in a cloud, the address is no reason."""
    assert () == flags(person(address=CLOUD), datacenters=False)
    assert ("robot",) == flags(
        person(address=CLOUD, user_agent=GOOGLEBOT), datacenters=False
    )


def test_without_lists() -> None:
    """Without a list no address is a reason."""
    raw = person(address=CLOUD)
    network = Networks().kind(CLOUD)

    assert () == robots().flags(raw, device_of(raw), network)


def test_rate() -> None:
    """Too many events of one address with one agent; the next address is its own."""
    layers = robots(most=3)
    found = [told(layers, raw) for raw in [person()] * 5]
    others = [
        person(address=HOME_6),
        person(user_agent=CHROME.replace("141", "142")),
        person(site="example.org"),
    ]

    assert [()] * 3 + [("rate",)] * 2 == found
    assert {()} == {told(layers, raw) for raw in others}


def test_without_address_there_is_no_rate() -> None:
    """Visitors without an address are many, not one."""
    layers = robots(most=3)
    raw = person(address="")

    assert {()} == {told(layers, raw) for _ in range(20)}


def test_every_flag_restricts() -> None:
    """Row 21 counts every one of these apart, and has a word for each."""
    [every] = ROOT.glob("schemas/packs/every-*.toml")
    rules = tomllib.loads(every.read_text())["restrict"]
    row = next(rule for rule in rules if rule["row"] == "21")
    named = {"robot", "headless", "automated", "datacenter", "referrer_spam", "rate"}

    assert named == set(row["when"])
    assert named <= set(REASONS)


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=30))
def test_nothing_raw_stays(pairs: list[tuple[str, str]]) -> None:
    """What is remembered of a stream is numbers: no address, agent or referrer."""
    layers = robots(most=2)
    for address, agent in pairs:
        raw = person(address=address, user_agent=agent, referrer=f"https://{agent}/")
        told(layers, raw)

    rate = layers._rate
    kept = [rate._young, rate._old]
    assert all(
        type(one) is int for part in kept for pair in part.items() for one in pair
    )


def test_flood() -> None:
    """A stream of ever new addresses keeps memory flat."""
    rate = Rate(5, 10, entries=50)
    layers = Robots(rate, is_spam)
    for number in range(2000):
        raw = person(address=f"2001:db8::{number:x}", received_ms=NOON_MS + number)
        told(layers, raw)

    assert len(rate) <= 100


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [
        ({}, False),
        ({"sec-purpose": "prefetch"}, True),
        ({"sec-purpose": "prefetch;prerender"}, True),
        ({"sec-purpose": "prefetch;anonymous-client-ip"}, True),
        ({"sec-purpose": "Prefetch; prerender"}, True),
        ({"purpose": "prefetch"}, True),
        ({"purpose": "preview"}, True),
        ({"x-purpose": "preview"}, True),
        ({"x-moz": "prefetch"}, True),
        ({"sec-purpose": ""}, False),
        ({"purpose": "navigation"}, False),
        ({"dnt": "prefetch"}, False),
    ],
)
def test_prefetch(headers: dict[str, str], *, ahead: bool) -> None:
    """Every browser's way to say that nobody may ever see it."""
    assert ahead == is_prefetch(headers)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://semalt.com", "semalt.com"),
        ("http://user:pass@Semalt.com:8080/a@b?c#d", "semalt.com"),
        ("https://semalt.com?x=://y", "semalt.com"),
        ("https://semalt.com.\\@example.org/", "semalt.com"),
        ("android-app://org.example.app/", "org.example.app"),
        ("https://[2001:db8::1]:8080/", "2001:db8::1"),
        ("semalt.com", ""),
        ("", ""),
        ("https://", ""),
    ],
)
def test_host(url: str, host: str) -> None:
    """The host as browsers read it."""
    assert host == host_of(url)
