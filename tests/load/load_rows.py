"""
Rows as a busy site gives them: few values often, many seldom; always the same ones.
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import orjson

from pipeline.segment import header_bytes
from schemas.ddl import segment_header
from schemas.policy import load_policy
from tests.builders import row

_START = datetime(2026, 3, 2, tzinfo=UTC)
# Names of several lengths, so that nothing stands where it did in the row before.
_SITES = ("example.com", "shop.example.com", "a.example", "long-name.news.example.org")
_AGENTS = (
    ("Chrome", "131", "Windows", "10", "desktop"),
    ("Mobile Safari", "18", "iOS", "18", "mobile"),
    ("Chrome Mobile", "131", "Android", "", "mobile"),
    ("Firefox", "133", "Linux", "", "desktop"),
    ("Edge", "131", "Windows", "10", "desktop"),
    ("Safari", "18", "Mac OS X", "", "desktop"),
)
_PLACES = (
    ("EU", "DE", "DE-BE", "Berlin", "Europe/Berlin", "de"),
    ("EU", "FR", "FR-IDF", "Paris", "Europe/Paris", "fr"),
    ("NA", "US", "US-CA", "Los Angeles", "America/Los_Angeles", "en-US"),
    ("EU", "GB", "GB-ENG", "London", "Europe/London", "en-GB"),
    ("SA", "BR", "BR-SP", "Sao Paulo", "America/Sao_Paulo", "pt-BR"),
    ("AS", "JP", "", "", "Asia/Tokyo", "ja"),
)
_SOURCES = (
    ("", "direct", "none"),
    ("www.google.com", "google", "search"),
    ("news.ycombinator.com", "Hacker News", "social"),
    ("duckduckgo.com", "DuckDuckGo", "search"),
)


def rows(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield lines of a segment of events, four a visit, 30 days of them."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(0, count, 4):
        visitor = dice.getrandbits(64)
        site, agent, place, source = (
            dice.choices(of, weights=range(len(of), 0, -1))[0]
            for of in (_SITES, _AGENTS, _PLACES, _SOURCES)
        )
        at = _START + timedelta(milliseconds=dice.randrange(30 * 86_400_000))
        network = f"{dice.randrange(1, 224)}.{dice.randrange(256)}"
        for step in range(min(4, count)):
            at += timedelta(milliseconds=dice.randrange(500, 60_000))
            page = int(dice.paretovariate(0.8)) % 5000
            text = at.isoformat(sep=" ", timespec="milliseconds")[:23]
            ping = step % 2 == 1
            made = row(
                event_id=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                event_name="page_ping" if ping else "page_view",
                site=site,
                occurred_at=text,
                received_at=text,
                regime="eu_strict",
                regime_version="2025-05-16",
                decision_row="3",
                policy_version="2025-05-16",
                consent_category="statistics",
                consent_preference="given",
                consent_statistics="given",
                consent_marketing="refused",
                consent_signals=["own"],
                consent_sources=["own"],
                door="script",
                visitor_id=visitor,
                visitor_scope="persistent",
                client_address=f"{network}.{dice.randrange(256)}.0",
                geo_continent_code=place[0],
                geo_country_iso_code=place[1],
                geo_region_iso_code=place[2],
                geo_locality_name=place[3],
                geo_source="database",
                device_type=agent[4],
                os_name=agent[2],
                os_version=agent[3],
                user_agent_name=agent[0],
                user_agent_version=agent[1],
                screen_class="large" if agent[4] == "desktop" else "small",
                viewport_class="large" if agent[4] == "desktop" else "small",
                browser_language=place[5],
                time_zone=place[4],
                url_domain="www.example.com",
                url_path=f"/articles/{page}/a-title-of-some-length",
                page_title=f"Article {page}: a title of some length",
                referrer_domain=source[0],
                traffic_source=source[1],
                traffic_medium=source[2],
                engaged_ms=dice.randrange(60_000) if ping else 0,
                scroll_depth=dice.randrange(101) if ping else 0,
            )
            yield orjson.dumps(msgspec.structs.astuple(made)) + b"\n"


def segment(count: int, seed: int = 1) -> bytes:
    """Return a segment's bytes."""
    header = header_bytes(*segment_header(load_policy(), "events"))
    return header + b"".join(rows(count, seed))
