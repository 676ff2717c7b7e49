"""Who is behind a mail's open or click, and what is remembered to tell."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import mail
from pipeline.agents.networks import Networks, load_networks
from pipeline.agents.sweeps import Sweeps
from pipeline.device import Device
from pipeline.mail import MailClerk
from schemas.raw_event import RawEvent
from tests.builders import NOON_MS, raw_event

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Safari/605.1.15"
)
APPLE_MAIL = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko)"
)
IPHONE_MAIL = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148"
)
GMAIL = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 "
    "(via ggpht.com GoogleImageProxy)"
)
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
OUTLOOK = "Microsoft Office/16.0 (Microsoft Outlook 16.0.18129; Pro)"
OUTLOOK_OLD = (
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; "
    ".NET4.0C; .NET4.0E; ms-office; MSOffice 16)"
)
THUNDERBIRD = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.10.0"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HOME, CLOUD, GOOGLE = "203.0.113.77", "52.95.110.1", "66.249.84.1"
RELAY, RELAY_6 = "172.224.226.1", "2a02:26f7:c9c8:4000::1"
NETWORKS = load_networks([])


def verdict(name: str = "email_open", /, **changes: Any) -> str:
    """Return a new clerk's verdict on one event of an unremarkable reader."""
    values = {"user_agent": CHROME, "address": HOME, "door": "pixel", **changes}
    return MailClerk(NETWORKS).verdict(raw_event(name, **values))


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        # People at their own mail reader.
        (CHROME, "human"),
        (SAFARI, "human"),
        (APPLE_MAIL, "human"),
        (IPHONE_MAIL, "human"),
        (OUTLOOK, "human"),
        (OUTLOOK_OLD, "human"),
        (THUNDERBIRD, "human"),
        (f"{CHROME} DuckDuckGo/7", "human"),
        ("Outlook-iOS/723.4027091.prod.iphone (3.30.0)", "human"),
        ("The Bat! 10.5", "human"),
        ("Lotus-Notes/6.0; Windows-NT", "human"),
        # People behind their provider's proxy.
        (GMAIL, "proxy"),
        (YAHOO, "proxy"),
        ("YMailAtGateway", "proxy"),
        ("Mozilla/5.0 SeznamEmailProxy/2.0.174", "proxy"),
        ("Mozilla/5.0 RamblerMail/6.0 (incompatible; ImageProxy/6.0)", "proxy"),
        ("Mozilla/5.0 (compatible; UkrNet Image Proxy/1.0)", "proxy"),
        ("DuckDuckGo-ImageProxy/1.0", "proxy"),
        ("hey.com/imageproxy", "proxy"),
        ("FastmailUA/1.0", "proxy"),
        # Loaded when the mail arrives, read or not.
        ("Mozilla/5.0", "prefetch"),
        (" Mozilla/5.0 ", "prefetch"),
        ("", "prefetch"),
        (GMAIL_AHEAD, "prefetch"),
        # Machines that look into mails.
        ("Mozilla/5.0 (compatible; Barracuda Sentinel (EE))", "scanner"),
        ("Yahoo Link Preview", "scanner"),
        (
            "Mozilla/5.0 (compatible; Yahoo Link Preview; https://help.yahoo.com)",
            "scanner",
        ),
        ("Microsoft Office Existence Discovery", "scanner"),
        (GOOGLEBOT, "scanner"),
        ("python-requests/2.32.3", "scanner"),
        ("curl/8.5.0", "scanner"),
        (CHROME.replace("Chrome", "HeadlessChrome"), "scanner"),
        # Not quite what prefetches say.
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "human"),
        (GMAIL_AHEAD.replace("12.246", "18.17763"), "human"),
        ("barracuda " * 300, "scanner"),
        ("x" * 2000 + "GoogleImageProxy", "scanner"),
    ],
)
def test_opens_by_agent(agent: str, expected: str) -> None:
    """Mail proxies and readers are known before robots are."""
    assert expected == verdict(user_agent=agent)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [(OUTLOOK, "human"), (THUNDERBIRD, "human"), (GMAIL, "proxy"), (CHROME, "scanner")],
)
def test_before_lists_of_robots(
    monkeypatch: pytest.MonkeyPatch, agent: str, expected: str
) -> None:
    """Whatever lists of robots say of mail readers and proxies, they are people's."""
    monkeypatch.setattr(mail, "device_of", lambda _raw: Device(robot="robot"))

    assert expected == verdict(user_agent=agent)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"user_agent": APPLE_MAIL, "address": RELAY}, "prefetch"),
        ({"user_agent": IPHONE_MAIL, "address": RELAY_6}, "prefetch"),
        # Webmail in Safari over Private Relay: someone reads.
        ({"user_agent": SAFARI, "address": RELAY}, "human"),
        ({"user_agent": CHROME, "address": CLOUD}, "proxy"),
        ({"user_agent": GMAIL, "address": GOOGLE}, "proxy"),
        ({"user_agent": GMAIL_AHEAD, "address": GOOGLE}, "prefetch"),
        ({"user_agent": "Mozilla/5.0", "address": RELAY}, "prefetch"),
        ({"user_agent": GOOGLEBOT, "address": CLOUD}, "scanner"),
        ({"headers": {"sec-ch-ua": '"HeadlessChrome";v="141"'}}, "scanner"),
        ({"address": ""}, "human"),
        ({"method": "GET"}, "human"),
        ({"method": "HEAD"}, "scanner"),
        ({"method": "HEAD", "user_agent": GMAIL}, "scanner"),
        ({"door": "server"}, ""),
        ({"door": "server", "trusted": True}, "human"),
        ({"door": "server", "trusted": True, "user_agent": ""}, ""),
        ({"door": "server", "user_agent": GMAIL}, ""),
    ],
)
def test_opens_by_network(changes: dict[str, Any], expected: str) -> None:
    """The network says what the agent leaves open."""
    assert expected == verdict(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "human"),
        ({"method": "GET"}, "human"),
        ({"method": "HEAD"}, "scanner"),
        ({"address": RELAY}, "human"),
        ({"address": CLOUD}, "scanner"),
        ({"user_agent": GMAIL}, "proxy"),
        ({"user_agent": GMAIL, "address": GOOGLE}, "scanner"),
        ({"user_agent": OUTLOOK}, "human"),
        ({"user_agent": APPLE_MAIL, "address": RELAY}, "human"),
        ({"user_agent": ""}, "scanner"),
        ({"user_agent": "Mozilla/5.0"}, "scanner"),
        ({"user_agent": GOOGLEBOT}, "scanner"),
        ({"user_agent": "Barracuda Sentinel (EE)"}, "scanner"),
        ({"referer": "https://eur01.safelinks.protection.outlook.com/"}, "scanner"),
        (
            {"referer": "https://NAM02.SafeLinks.protection.outlook.com:443/x"},
            "scanner",
        ),
        ({"referer": "https://urldefense.com/v3/__http"}, "scanner"),
        ({"referer": "https://urldefense.proofpoint.com/v2/url?u=x"}, "scanner"),
        ({"referer": "https://protect-eu.mimecast.com/s/abc"}, "scanner"),
        ({"referer": "https://url.uk.m.mimecastprotect.com/s/abc"}, "scanner"),
        ({"referer": "https://linkprotect.cudasvc.com/url?a=x"}, "scanner"),
        ({"referer": "https://mail.example.com/?u=urldefense.com"}, "human"),
        ({"referer": "https://noturldefense.com/"}, "human"),
        ({"referer": "https://outlook.office.com/mail/"}, "human"),
        ({"door": "server"}, ""),
    ],
)
def test_clicks(changes: dict[str, Any], expected: str) -> None:
    """HEAD, sandboxes, machines and data centres follow links as scanners."""
    assert expected == verdict("email_click", **{"door": "redirect", **changes})


@pytest.mark.parametrize("name", ["page_view", "custom", "link_click"])
def test_no_mail(name: str) -> None:
    """What is no mail's has no verdict."""
    more: dict[str, Any] = {"custom": {"name": "x"}, "link_click": {"target_url": "x"}}
    assert "" == verdict(name, user_agent=GMAIL, **more.get(name, {}))


def test_datacenters_kept() -> None:
    """Where readers' own proxies stand in a cloud, the address says nothing."""
    clerk = MailClerk(NETWORKS, datacenters=False)
    told = [
        clerk.verdict(raw_event(name, address=CLOUD, user_agent=CHROME, door="pixel"))
        for name in ("email_open", "email_click")
    ]

    assert ["human", "human"] == told


def click(at_ms: int, link: int, **changes: Any) -> RawEvent:
    """Return a click by a person's browser."""
    values = {
        "mailing": "letter",
        "recipient": "r1",
        "user_agent": CHROME,
        "address": HOME,
        "door": "redirect",
        "target_url": f"https://example.com/{link}",
        "received_ms": NOON_MS + at_ms,
        **changes,
    }
    return raw_event("email_click", **values)


@pytest.mark.parametrize(
    ("clicks", "expected"),
    [
        ([(0, 1), (900, 2), (1999, 3)], "human human scanner"),
        ([(0, 1), (900, 2), (2000, 3)], "human human human"),
        (
            [(0, 1), (1, 2), (2, 3), (3, 4), (9000, 5)],
            "human human scanner scanner human",
        ),
        ([(0, 1), (100, 1), (200, 1), (300, 2)], "human human human human"),
        ([(0, 1), (100, 2), (200, 1), (300, 2)], "human human human human"),
        ([(0, 1), (0, 2), (0, 3)], "human human scanner"),
        # The clock goes back: nothing is known of before.
        ([(0, 1), (0, 2), (-60_000, 3)], "human human human"),
    ],
)
def test_sweep(clicks: list[tuple[int, int]], expected: str) -> None:
    """Three links of one mail in less than two seconds are no person's."""
    clerk = MailClerk(NETWORKS)

    assert expected.split() == [clerk.verdict(click(*one)) for one in clicks]


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        # A gateway's machines take turns.
        ({"address": "203.0.113.78"}, "scanner"),
        ({"user_agent": SAFARI}, "scanner"),
        ({"recipient": "r2"}, "human"),
        ({"mailing": "other"}, "human"),
        ({"site": "example.org"}, "human"),
    ],
)
def test_whose_sweep(changes: dict[str, Any], last: str) -> None:
    """A sweep is one recipient's, from wherever; two readers' clicks are none."""
    clerk = MailClerk(NETWORKS)
    told = [
        clerk.verdict(click(0, 1)),
        clerk.verdict(click(10, 2)),
        clerk.verdict(click(20, 3, **changes)),
    ]

    assert ["human", "human", last] == told


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({}, "scanner"),
        ({"address": "203.0.113.78"}, "human"),
        ({"address": ""}, "human"),
    ],
)
def test_sweep_without_recipient(changes: dict[str, Any], last: str) -> None:
    """Where links name nobody, address and agent do."""
    clerk = MailClerk(NETWORKS)
    for link in (1, 2):
        clerk.verdict(click(link, link, recipient=""))

    assert last == clerk.verdict(click(3, 3, **{"recipient": "", **changes}))


def test_heads_make_a_sweep() -> None:
    """What a gateway asks by HEAD counts to its sweep as well."""
    clerk = MailClerk(NETWORKS)
    told = [
        clerk.verdict(click(0, 1, method="HEAD")),
        clerk.verdict(click(1, 2, method="HEAD")),
        clerk.verdict(click(2, 3)),
    ]

    assert ["scanner"] * 3 == told


numbers = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(-500, 3000)),
    max_size=80,
)


@given(numbers, st.integers(2, 4), st.integers(1, 40))
def test_sweeps_of_any_clicks(
    steps: list[tuple[int, int, int]], links: int, entries: int
) -> None:
    """Only what is a sweep is called one, and memory stays bounded."""
    sweeps, now = Sweeps(links, 2000, entries), NOON_MS
    before: list[tuple[int, int, int]] = []
    for reader, link, step in steps:
        now += step
        before.append((reader, link, now))
        others = {
            one for other, one, at in before if other == reader and 0 <= now - at < 2000
        }
        if sweeps.follow(reader, link, now):
            assert len(others) >= links
        assert len(sweeps) <= 2 * entries


def test_every_sweep_is_told() -> None:
    """Among many readers, each one's third link is found."""
    sweeps = Sweeps(entries=1000)
    for link in range(3):
        told = [sweeps.follow(reader, link, NOON_MS + link) for reader in range(500)]
        assert {link == 2} == set(told)


def test_nothing_raw_stays() -> None:
    """What is remembered of clicks is numbers."""
    sweeps = Sweeps()
    clerk = MailClerk(Networks(), sweeps)
    for link in range(5):
        clerk.verdict(click(link, link))
        clerk.verdict(click(link, link, recipient=""))

    assert 2 == len(sweeps)
    for readers in (sweeps._young, sweeps._old):
        for reader, links in readers.items():
            assert type(reader) is int
            assert all(type(one) is int for pair in links for one in pair)
            assert len(links) <= 3
