"""One made-up visit after the other: who comes, what they look at, what is sent."""

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import orjson

from collector.generate_world import (
    CAMPAIGN_VISITS,
    DNT,
    GPC,
    MAIL_VISITS,
    RETURNING,
    ROBOT_VISITS,
    Dice,
    Page,
    World,
    headers_of,
)
from collector.replay.agents import Agent

# Visitors who may come again; more are forgotten.
_KNOWN: Final = 4000
_MOST_PAGES: Final = 25
# Shares of a thousand pages that bring such an event, and how likely one more page is.
_PING: Final = 850
_VITALS: Final = 300
_CLICK: Final = 60
_DOWNLOAD: Final = 10
_CUSTOM: Final = 40
_FORM: Final = 10
_ERROR: Final = 15
_ONE_MORE: Final = 580
_OPENED_CLICKS: Final = 200
_VITAL_SCALES: Final = (
    ("TTFB", 300.0, 800.0, 1800.0),
    ("FCP", 1100.0, 1800.0, 3000.0),
    ("LCP", 1700.0, 2500.0, 4000.0),
    ("INP", 110.0, 200.0, 500.0),
    ("CLS", 0.05, 0.1, 0.25),
)
_ERRORS: Final = (
    ("TypeError", "x is undefined"),
    ("ReferenceError", "y is not defined"),
    ("NetworkError", "the network request failed"),
)
_SYNTHETIC: Final = {"synthetic": True}


class Visitor(NamedTuple):
    """Who visits: what is the same in all requests."""

    headers: list[list[str]]
    peer: str
    shared: dict[str, Any]


class Sent(NamedTuple):
    """A request: when, how many events, and its line."""

    at_ms: int
    events: int
    line: bytes


class Visits:
    """Makes visits; the same seed makes the same."""

    def __init__(self, seed: int, site: str) -> None:
        """Make the world that they happen in."""
        self.dice = Dice(seed)
        self._site = site
        self._world = World(self.dice, site)
        self._known: list[Visitor] = []

    def visit(self, start_ms: int, most: int) -> Iterator[Sent]:
        """
        Yield the requests of one visit, in order, with `most` events at most.

        Args:
            start_ms: when it begins, ms since 1970.
            most: after so many events it is cut off.

        """
        dice = self.dice
        if dice.of_thousand(MAIL_VISITS):
            requests = self._mail(start_ms)
        elif dice.of_thousand(ROBOT_VISITS):
            requests = self._crawl(start_ms)
        else:
            requests = self._browse(start_ms)
        for at_ms, visitor, target, events in requests:
            if most <= 0:
                return
            taken = events[:most]
            most -= len(taken)
            yield Sent(at_ms, len(taken), _line(at_ms, visitor, target, taken))

    def _browse(self, start_ms: int) -> Iterator["_Request"]:
        dice, world = self.dice, self._world
        visitor = self._visitor()
        page, at_ms = world.pages.pick(dice), start_ms
        referrer, query = world.referrers.pick(dice), ""
        if dice.of_thousand(CAMPAIGN_VISITS):
            query = f"?{world.campaigns.pick(dice)}"
        for _ in range(_MOST_PAGES):
            url = page.url + query
            yield _Request(at_ms, visitor, "", [_view(at_ms, page, url, referrer)])
            stay_ms = 1500 + int(-math.log(1 - dice.roll()) * 38_000)
            left_ms = at_ms + stay_ms
            events = self._on_page(page, url, at_ms, stay_ms)
            if events:
                yield _Request(left_ms, visitor, "", events)
            if not dice.of_thousand(_ONE_MORE):
                return
            referrer, query, at_ms = url, "", left_ms + 200
            page = world.pages.pick(dice)

    def _crawl(self, start_ms: int) -> Iterator["_Request"]:
        dice = self.dice
        visitor = Visitor(
            [["User-Agent", self._world.robots.pick(dice)]],
            f"2001:db8:{dice.below(65_535):x}:ffff::1",
            {"site": self._site, **_SYNTHETIC},
        )
        for number in range(1 + dice.below(12)):
            at_ms = start_ms + number * 1000
            page = self._world.pages.pick(dice)
            yield _Request(at_ms, visitor, "", [_view(at_ms, page, page.url, "")])

    def _mail(self, start_ms: int) -> Iterator["_Request"]:
        """Yield the opening of a mail, and perhaps a click in it: both are pictures."""
        dice = self.dice
        visitor = self._visitor()
        consent = (visitor.shared.get("consent") or {}).get("statistics")
        said = {None: {}, True: {"consent": "statistics"}, False: {"consent": "none"}}
        pairs = {
            "site": self._site,
            "mailing": f"weekly-{dice.below(52)}",
            "recipient": f"r{dice.below(1_000_000):06}",
            **said[consent],
            "synthetic": "true",
        }
        yield _Request(start_ms, visitor, f"/p.gif?{urlencode(pairs)}", [{}])
        if dice.of_thousand(_OPENED_CLICKS):
            clicked = {
                **pairs,
                "event": "email_click",
                "target_url": self._world.pages.pick(dice).url,
            }
            at_ms = start_ms + 4000
            yield _Request(at_ms, visitor, f"/p.gif?{urlencode(clicked)}", [{}])

    def _visitor(self) -> Visitor:
        dice, known = self.dice, self._known
        if known and dice.of_thousand(RETURNING):
            return known[dice.below(len(known))]
        agent: Agent = self._world.agents.pick(dice)
        language, zone = self._world.places.pick(dice)
        consent = self._world.consents.pick(dice)
        screen = agent.screens[dice.below(len(agent.screens))]
        shared = {
            "site": self._site,
            **_SYNTHETIC,
            "language": language,
            "time_zone": zone,
            "screen": screen,
            "viewport": screen,
        }
        if consent is not None:
            shared["consent"] = consent
            if consent["statistics"]:
                shared["visitor"] = f"{int(dice.roll() * 10**15):039}"
        headers = headers_of(agent, language)
        if dice.of_thousand(GPC):
            headers.append(["Sec-GPC", "1"])
        if dice.of_thousand(DNT):
            headers.append(["DNT", "1"])
        headers.append(["Origin", f"https://{self._site}"])
        network, host = dice.below(65_535), dice.below(65_536)
        visitor = Visitor(headers, f"2001:db8:{network:x}:{host:x}::1", shared)
        if len(known) < _KNOWN:
            known.append(visitor)
        else:
            known[dice.below(_KNOWN)] = visitor
        return visitor

    def _on_page(
        self, page: Page, url: str, at_ms: int, stay_ms: int
    ) -> list[dict[str, Any]]:
        """Return what is sent when a page is left."""
        dice = self.dice
        said = {"url": url, "title": page.title}
        left_ms = at_ms + stay_ms
        found: list[dict[str, Any]] = []
        if dice.of_thousand(_VITALS):
            found += [self._vital(said, at_ms, *scale) for scale in _VITAL_SCALES]
        chosen = dice.roll() * 1000
        own: dict[str, Any] = {}
        for share, made in (
            (_CLICK, {"event": "link_click", "target_url": "https://example.org/a"}),
            (_DOWNLOAD, {"event": "file_download", "target_url": f"{url}/guide.pdf"}),
            (_CUSTOM, {"event": "custom", "name": f"button_{dice.below(20)}"}),
            (_FORM, {"event": "form_submit", "form_id": "newsletter"}),
            (_ERROR, self._error()),
        ):
            if 0 <= chosen < share:
                own = made
            chosen -= share
        if own:
            found.append({**own, **said, "occurred_at": at_ms + stay_ms // 2})
        if dice.of_thousand(_PING):
            ping = {
                "event": "page_ping",
                "engaged_ms": min(stay_ms, 1_800_000),
                "scroll_depth": 10 + dice.below(91),
            }
            found.append({**ping, **said, "occurred_at": left_ms})
        return found

    def _vital(  # noqa: PLR0913 - a scale has its bounds
        self,
        said: dict[str, str],
        at_ms: int,
        name: str,
        middle: float,
        good: float,
        poor: float,
    ) -> dict[str, Any]:
        # Around the middle by a factor that is rarely above four.
        spread = self.dice.roll() + self.dice.roll() + self.dice.roll() - 1.5
        value = round(middle * math.exp(spread * 1.2), 3)
        rating = "good" if value <= good else "needs-improvement"
        return {
            "event": "web_vital",
            "web_vital_name": name,
            "web_vital_value": value,
            "web_vital_rating": "poor" if value > poor else rating,
            **said,
            "occurred_at": at_ms + 1000,
        }

    def _error(self) -> dict[str, Any]:
        kind, words = _ERRORS[self.dice.below(len(_ERRORS))]
        return {
            "event": "exception",
            "exception_type": kind,
            "exception_message": words,
            "exception_stacktrace": "at main (app.js:1:1)",
        }


class _Request(NamedTuple):
    at_ms: int
    visitor: Visitor
    target: str
    events: list[dict[str, Any]]


def _view(at_ms: int, page: Page, url: str, referrer: str) -> dict[str, Any]:
    event = {"event": "page_view", "url": url, "title": page.title}
    if referrer:
        event["referrer"] = referrer
    return {**event, "occurred_at": at_ms}


def _line(
    at_ms: int, visitor: Visitor, target: str, events: list[dict[str, Any]]
) -> bytes:
    record: dict[str, Any] = {
        "ts": at_ms / 1000,
        "method": "GET" if target else "POST",
        "target": target or "/e",
        "peer": visitor.peer,
        "headers": visitor.headers,
    }
    if not target:
        body = {**visitor.shared, "sent_at": at_ms, "events": events}
        record["body"] = orjson.dumps(body).decode()
    return orjson.dumps(record) + b"\n"
