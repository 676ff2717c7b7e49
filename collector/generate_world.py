"""
The world that made-up visitors live in: pages, where people come from, what they use.

All of it follows from a seed. Nothing here is anyone's: hosts are reserved ones or the
large ones that everybody comes from, addresses are those of documentation (RFC 3849).
"""

import random
from bisect import bisect
from collections.abc import Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from collector.replay.agents import AGENTS, ROBOTS, Agent

T = TypeVar("T")

# Of a thousand visits, or visitors; the tests hold the generator to them.
ROBOT_VISITS: Final = 50
MAIL_VISITS: Final = 30
CAMPAIGN_VISITS: Final = 80
RETURNING: Final = 300
GPC: Final = 60
DNT: Final = 30
# What visitors answered: all of it, statistics alone, nothing, not asked yet.
CONSENT: Final = (
    (350, {"preference": True, "statistics": True, "marketing": True}),
    (170, {"preference": True, "statistics": True, "marketing": False}),
    (250, {"preference": False, "statistics": False, "marketing": False}),
    (230, None),
)
# Visits by hour of the day and by day of the week, Monday first.
HOURS: Final = (
    *(18, 12, 9, 8, 9, 14, 26, 42, 58, 66, 68, 66),
    *(64, 63, 62, 61, 60, 62, 66, 70, 72, 64, 46, 30),
)
WEEKDAYS: Final = (105, 108, 107, 105, 98, 82, 85)

_PLACES: Final = (
    (180, "de-DE", "Europe/Berlin"),
    (140, "en-US", "America/New_York"),
    (80, "en-US", "America/Chicago"),
    (80, "en-US", "America/Los_Angeles"),
    (90, "en-GB", "Europe/London"),
    (70, "fr-FR", "Europe/Paris"),
    (50, "es-ES", "Europe/Madrid"),
    (40, "it-IT", "Europe/Rome"),
    (40, "nl-NL", "Europe/Amsterdam"),
    (40, "pl-PL", "Europe/Warsaw"),
    (60, "pt-BR", "America/Sao_Paulo"),
    (50, "ja-JP", "Asia/Tokyo"),
    (40, "en-IN", "Asia/Kolkata"),
    (20, "en-AU", "Australia/Sydney"),
    (20, "sv-SE", "Europe/Stockholm"),
)
_REFERRERS: Final = (
    (380, ""),
    (290, "https://www.google.com/"),
    (30, "https://www.bing.com/"),
    (20, "https://duckduckgo.com/"),
    (30, "https://l.facebook.com/"),
    (20, "https://t.co/"),
    (25, "https://www.reddit.com/"),
    (20, "https://www.linkedin.com/"),
    (25, "https://chatgpt.com/"),
)
_LONG_TAIL: Final = 160
_BLOGS: Final = 400
_CAMPAIGNS: Final = (
    (400, "utm_source=newsletter&utm_medium=email&utm_campaign=weekly"),
    (300, "utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=synthetic"),
    (150, "utm_source=facebook&utm_medium=paid_social&utm_campaign=launch"),
    (100, "utm_source=partner&utm_medium=referral&utm_campaign=spring"),
    (50, "utm_source=podcast&utm_medium=audio&utm_campaign=launch"),
)
_SECTIONS: Final = ("blog", "docs", "products", "help", "news")
_WORDS: Final = (
    *("anchor", "basket", "candle", "garden", "harbour", "island", "kettle"),
    *("ladder", "meadow", "orchard", "pencil", "quarry", "ribbon", "saddle"),
    *("timber", "valley", "walnut", "yarrow"),
)
_PAGES: Final = 2000


class Dice:
    """Random numbers; of Python's generator only what it promises for every version."""

    def __init__(self, seed: int) -> None:
        """Begin at a seed."""
        self.roll = random.Random(seed).random  # noqa: S311 - made to be repeated

    def below(self, most: int) -> int:
        """Return a whole number from 0 to below `most`."""
        return int(self.roll() * most)

    def of_thousand(self, share: int) -> bool:
        """Say yes in so many of a thousand cases."""
        return self.roll() * 1000 < share


class Choice(Generic[T]):
    """Picks of some things, each as often as its weight says."""

    def __init__(self, weighted: Sequence[tuple[float, T]]) -> None:
        """Take (weight, thing) pairs."""
        self._things = [thing for _, thing in weighted]
        self._ends: list[float] = []
        total = 0.0
        for weight, _ in weighted:
            total += weight
            self._ends.append(total)

    def pick(self, dice: Dice) -> T:
        """Return one of them."""
        ends = self._ends
        place = bisect(ends, dice.roll() * ends[-1])
        return self._things[min(place, len(self._things) - 1)]


class Page(NamedTuple):
    """A page of the site: its whole address, and its title."""

    url: str
    title: str


class World:
    """What visits are made of."""

    def __init__(self, dice: Dice, site: str) -> None:
        """Make the pages of a site, and the long tails."""
        paths = ["/", "/pricing", "/about", "/contact"]
        while len(paths) < _PAGES:
            section = _SECTIONS[dice.below(len(_SECTIONS))]
            first, second = (_WORDS[dice.below(len(_WORDS))] for _ in range(2))
            paths.append(f"/{section}/{first}-{second}-{len(paths)}")
        # Zipf: the second page has half of the first one's views, and so on.
        self.pages = Choice(
            [
                (1 / rank, Page(f"https://{site}{path}", _title(path)))
                for rank, path in enumerate(paths, 1)
            ]
        )
        blogs = [
            (_LONG_TAIL / rank / 6.6, f"https://blog-{rank}.example/post")
            for rank in range(1, _BLOGS + 1)
        ]
        self.referrers = Choice([*_REFERRERS, *blogs])
        self.campaigns = Choice(_CAMPAIGNS)
        self.places = Choice([(share, (tag, zone)) for share, tag, zone in _PLACES])
        self.agents = Choice([(agent.share, agent) for agent in AGENTS])
        self.robots = Choice([(1.0, text) for text in ROBOTS])
        self.consents: Choice[dict[str, Any] | None] = Choice(CONSENT)


def headers_of(agent: Agent, language: str) -> list[list[str]]:
    """Return the headers that a browser sends with its events."""
    base = language.partition("-")[0]
    found = [
        ["User-Agent", agent.text],
        ["Accept-Language", f"{language},{base};q=0.9"],
    ]
    if agent.brands:
        found += [
            ["Sec-CH-UA", agent.brands],
            ["Sec-CH-UA-Mobile", "?1" if agent.mobile else "?0"],
            ["Sec-CH-UA-Platform", f'"{agent.platform}"'],
        ]
    return found


def _title(path: str) -> str:
    words = path.rpartition("/")[2].rpartition("-")[0] or path.strip("/") or "home"
    return words.replace("-", " ").title()
