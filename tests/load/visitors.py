"""
Visitors of a made-up shop: their browsers, addresses, pages and events.

The same number is the same visitor on every run; agents, pages and languages have the
long tails that real ones have.
"""

import random
from collections.abc import Sequence
from functools import cache

import orjson

SITE = "shop.example"
# Where the last twelve digits of an event's id go.
GAP = "@gap@gap@gap"
_SYLLABLES = [one + two for one in "bdfgklmnprst" for two in "aeiou"]
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0"
# Share, agent, the platform that client hints name, mobile, versions.
_AGENTS = (
    (
        38,
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36",
        "Windows",
        0,
    ),
    (
        27,
        f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36",
        "Android",
        1,
    ),
    (
        17,
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{1} like Mac OS X) "
            "AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.{1} Mobile/15E148 Safari/604.1"
        ),
        "",
        1,
    ),
    (
        10,
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME} Safari/537.36",
        "macOS",
        0,
    ),
    (
        5,
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 "
            "Firefox/{0}.0"
        ),
        "",
        0,
    ),
    (
        3,
        (
            "Mozilla/5.0 (Linux; Android {2}; SM-S9{3}B) AppleWebKit/537.36 "
            "(KHTML, like "
            "Gecko) SamsungBrowser/2{1}.0 Chrome/{0}.0.0.0 Mobile Safari/537.36"
        ),
        "Android",
        1,
    ),
)
_LANGUAGES = (
    ("de-DE", "Europe/Berlin"),
    ("en-GB", "Europe/London"),
    ("fr-FR", "Europe/Paris"),
    ("es-ES", "Europe/Madrid"),
    ("pl-PL", "Europe/Warsaw"),
)
_SCREENS = ("1920x1080", "1536x864", "2560x1440", "393x852", "412x915")
_REFERRERS = (
    "",
    "",
    "https://www.google.com/",
    "https://www.bing.com/",
    "https://duckduckgo.com/",
    f"https://{SITE}/",
)
_CONSENT = {
    "preference": "given",
    "statistics": "given",
    "marketing": "refused",
    "method": "explicit",
}


class Visitor:
    """One browser at one address; its own from a number, on every run."""

    def __init__(self, number: int, *, unique: bool = False) -> None:
        """
        Draw a visitor.

        Args:
            number: which one.
            unique: its token, its agent and the pages it sees change with each
                request; all that stays is the address.

        """
        self._dice = dice = random.Random(number)  # noqa: S311 - nothing secret
        _, agent, platform, mobile = dice.choices(
            _AGENTS, [share for share, *_ in _AGENTS]
        )[0]
        # Most are on one of the last versions.
        version = 140 - min(int(dice.expovariate(0.4)), 60)
        self.agent = agent.format(
            version, dice.randrange(8), dice.randrange(11, 17), dice.randrange(10, 40)
        )
        self._gap = GAP if unique else ""
        if unique:
            self.agent += f" App/{GAP}"
        self.language, self.zone = dice.choice(_LANGUAGES)
        self.screen = dice.choice(_SCREENS)
        self.token = f"{dice.getrandbits(120):030x}{self._gap}"
        # All over the address space but where it is reserved; of one network a few.
        network = dice.randrange(4_000_000)
        self.address = (
            f"{11 + network % 89}.{network >> 14 & 255}.{network >> 6 & 255}"
            f".{dice.randrange(1, 255)}"
        )
        self.hints = (
            {
                "sec-ch-ua-platform": f'"{platform}"',
                "sec-ch-ua": f'"Chromium";v="{version}", "Not=A?Brand";v="24", '
                f'"Google Chrome";v="{version}"',
                "sec-ch-ua-mobile": f"?{mobile}",
            }
            if platform
            else {}
        )

    def headers(self) -> dict[str, str]:
        """Return the headers of each request, as a proxy passes them on."""
        return {
            "Host": "collect.example",
            "X-Forwarded-For": self.address,
            "Connection": "keep-alive",
            "User-Agent": self.agent,
            **self.hints,
            "Accept": "*/*",
            "Origin": f"https://{SITE}",
            "Referer": f"https://{SITE}/",
            "Sec-Fetch-Site": "cross-site",
            "Accept-Encoding": "gzip, deflate, br, zstd",
            "Accept-Language": f"{self.language},en;q=0.8",
        }

    def page(self) -> dict[str, str]:
        """Return where it is now: the address, where it came from, the title."""
        dice = self._dice
        place = min(int(20 * (dice.paretovariate(0.9) - 1)), 20_000)
        word = _word(place)
        url = f"https://{SITE}/{_word(place % 17 + 60)}/{word}{self._gap}"
        if dice.random() < 0.2:
            url += "?utm_source=news&utm_medium=mail&utm_campaign=spring"
        return {
            "url": url,
            "referrer": dice.choice(_REFERRERS),
            "title": f"{word.title()} and more: the shop{self._gap}",
        }

    def event(self, time_ms: int) -> dict[str, object]:
        """Return a page view as the tracker tells it."""
        stamp = f"{time_ms:012x}"
        middle = f"{self._dice.getrandbits(12):03x}-8{self._dice.getrandbits(12):03x}"
        return {
            "occurred_at": time_ms,
            "event": "page_view",
            "event_id": f"{stamp[:8]}-{stamp[8:]}-7{middle}-{GAP}",
            **self.page(),
            "consent": _CONSENT,
            "visitor": self.token,
        }

    def envelope(self, events: Sequence[object], time_ms: int) -> bytes:
        """Return the body that the tracker sends."""
        return orjson.dumps(
            {
                "automated": False,
                "dnt": False,
                "viewport": "1280x720",
                "screen": self.screen,
                "site": SITE,
                "language": self.language,
                "time_zone": self.zone,
                "sent_at": time_ms,
                "events": events,
            }
        )


@cache
def _word(number: int) -> str:
    """Return a word of syllables, another for each number."""
    word = ""
    while number:
        number, place = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[place]
    return word or _SYLLABLES[0]
