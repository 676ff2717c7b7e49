"""Agents that browsers of our day send, with how common they are."""

from typing import Final, NamedTuple


class Agent(NamedTuple):
    """
    A browser: how many of a thousand visits it makes, and what it sends.

    `brands`, `mobile` and `platform` are the low-entropy client hints, empty where a
    browser has none; `screens` are typical ones.
    """

    share: int
    os_name: str
    name: str
    text: str
    brands: str
    mobile: bool
    platform: str
    screens: tuple[str, ...]


_WEBKIT: Final = "AppleWebKit/537.36 (KHTML, like Gecko)"
_CHROME: Final = f"{_WEBKIT} Chrome/142.0.0.0 Safari/537.36"
_PHONE: Final = f"{_WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36"
_WINDOWS: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC: Final = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_IPHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X)"
_SAFARI: Final = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1"
_BRANDS: Final = '"Chromium";v="142", "{}";v="142", "Not_A Brand";v="99"'
_GOOGLE: Final = _BRANDS.format("Google Chrome")
_DESKTOPS: Final = ("1920x1080", "1536x864", "1366x768", "2560x1440")
_MACS: Final = ("1440x900", "1512x982", "1728x1117", "2560x1440")
_PHONES: Final = ("360x800", "393x852", "412x915", "384x832")
_IPHONES: Final = ("390x844", "393x852", "430x932", "375x812")

AGENTS: Final = (
    Agent(
        280,
        "Android",
        "Chrome Mobile",
        f"Mozilla/5.0 (Linux; Android 10; K) {_PHONE}",
        _GOOGLE,
        mobile=True,
        platform="Android",
        screens=_PHONES,
    ),
    Agent(
        240,
        "Windows",
        "Chrome",
        f"{_WINDOWS} {_CHROME}",
        _GOOGLE,
        mobile=False,
        platform="Windows",
        screens=_DESKTOPS,
    ),
    Agent(
        200,
        "iOS",
        "Mobile Safari",
        f"{_IPHONE} {_SAFARI} Mobile/15E148 Safari/604.1",
        "",
        mobile=True,
        platform="",
        screens=_IPHONES,
    ),
    Agent(
        80,
        "Mac OS X",
        "Safari",
        f"{_MAC} {_SAFARI} Safari/605.1.15",
        "",
        mobile=False,
        platform="",
        screens=_MACS,
    ),
    Agent(
        70,
        "Windows",
        "Edge",
        f"{_WINDOWS} {_CHROME} Edg/142.0.0.0",
        _BRANDS.format("Microsoft Edge"),
        mobile=False,
        platform="Windows",
        screens=_DESKTOPS,
    ),
    Agent(
        60,
        "Mac OS X",
        "Chrome",
        f"{_MAC} {_CHROME}",
        _GOOGLE,
        mobile=False,
        platform="macOS",
        screens=_MACS,
    ),
    Agent(
        30,
        "Windows",
        "Firefox",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) "
        "Gecko/20100101 Firefox/145.0",
        "",
        mobile=False,
        platform="",
        screens=_DESKTOPS,
    ),
    Agent(
        20,
        "Android",
        "Samsung Internet",
        f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} SamsungBrowser/28.0 "
        "Chrome/130.0.0.0 Mobile Safari/537.36",
        '"Chromium";v="130", "Samsung Internet";v="28.0", "Not?A_Brand";v="99"',
        mobile=True,
        platform="Android",
        screens=_PHONES,
    ),
    Agent(
        20,
        "Linux",
        "Firefox",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "",
        mobile=False,
        platform="",
        screens=_DESKTOPS,
    ),
)

# What crawls: by name robots, each of them.
ROBOTS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
        "+https://openai.com/gptbot)"
    ),
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)


def typical_agent(os_name: str, browser: str) -> str:
    """Return the agent of a browser by its family's names; the commonest if unknown."""
    for wanted in ((os_name, browser), (None, browser), (os_name, None)):
        for agent in AGENTS:
            known = (agent.os_name, agent.name)
            if all(
                ours in (None, theirs)
                for ours, theirs in zip(wanted, known, strict=True)
            ):
                return agent.text
    return AGENTS[0].text
