"""Where a visit came from."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.referrer
from pipeline.referrer import Medium, Source, classify

PAGE = "shop.example"


@pytest.mark.parametrize(
    ("referrer", "source", "medium"),
    [
        ("", "", "direct"),
        ("about:blank", "", "direct"),
        ("not a url", "", "direct"),
        ("https://shop.example/cart", "", "internal"),
        ("https://www.shop.example/cart", "", "internal"),
        ("https://help.shop.example/", "", "internal"),
        ("https://notshop.example/", "notshop.example", "referral"),
        ("https://www.google.com/", "Google", "search"),
        ("https://www.google.co.uk/", "Google", "search"),
        ("https://google.de/", "Google", "search"),
        ("https://www.google.com.evil.example/", "google.com.evil.example", "referral"),
        ("https://docs.google.com/document/d/1", "Google", "referral"),
        ("https://store.google.com/", "store.google.com", "referral"),
        ("https://yandex.com.tr/", "Yandex", "search"),
        ("https://www.bing.com/search?q=secret", "Bing", "search"),
        ("https://html.duckduckgo.com/html/", "DuckDuckGo", "search"),
        ("https://de.search.yahoo.com/", "Yahoo!", "search"),
        ("https://finance.yahoo.com/", "Yahoo!", "referral"),
        ("https://search.brave.com/", "Brave", "search"),
        ("https://l.facebook.com/l.php?u=x", "Facebook", "social"),
        ("https://m.facebook.com/", "Facebook", "social"),
        ("https://t.co/abc", "X", "social"),
        ("https://out.reddit.com/", "Reddit", "social"),
        ("https://go.bsky.app/", "Bluesky", "social"),
        ("https://www.linkedin.com/feed/", "LinkedIn", "social"),
        ("https://chatgpt.com/", "ChatGPT", "ai"),
        ("https://www.perplexity.ai/", "Perplexity", "ai"),
        ("https://gemini.google.com/app", "Gemini", "ai"),
        ("https://copilot.microsoft.com/", "Copilot", "ai"),
        ("https://mail.google.com/mail/u/0/", "Gmail", "email"),
        ("https://webmail.uni.example/", "webmail.uni.example", "email"),
        (
            "https://eur01.safelinks.protection.outlook.com/?url=x",
            "Outlook",
            "email",
        ),
        ("https://paid.outbrain.com/x", "Outbrain", "paid"),
        ("android-app://com.google.android.gm/", "Gmail", "email"),
        ("android-app://com.google.android.googlequicksearchbox/", "Google", "search"),
        ("android-app://org.telegram.messenger", "Telegram", "social"),
        ("android-app://com.unknown.app/https/x", "com.unknown.app", "referral"),
        ("android-app://jane@example.com/", "", "direct"),
        ("https://www.blog.example/post", "blog.example", "referral"),
    ],
)
def test_referrer_is_classified(referrer: str, source: str, medium: str) -> None:
    """A referrer is named and given a medium by its host."""
    found = classify(referrer, PAGE)

    assert (source, medium) == (
        found.traffic_source,
        found.traffic_medium,
    )


@pytest.mark.parametrize(
    ("referrer", "utm_source", "utm_medium", "source", "medium"),
    [
        ("", "newsletter", "email", "newsletter", "email"),
        ("", "Google", "cpc", "Google", "paid"),
        ("", "google", "organic", "Google", "search"),
        ("", "chatgpt.com", "", "ChatGPT", "ai"),
        ("", "fb", "paid-social", "Facebook", "paid"),
        ("", "spring", "banner-top", "spring", "campaign"),
        ("", "linkedin", "sponsored-inmail", "LinkedIn", "campaign"),
        ("", "partner", None, "partner", "campaign"),
        ("https://mail.google.com/", "spring", None, "spring", "email"),
        ("", "jane@example.com", None, "[email]", "campaign"),
        ("", None, "email", "", "email"),
        ("https://www.bing.com/", None, "cpc", "Bing", "paid"),
        ("https://blog.example/", None, "link", "blog.example", "referral"),
        ("https://shop.example/", "newsletter", "email", "newsletter", "email"),
    ],
)
def test_campaign_wins_over_the_referrer(
    referrer: str,
    utm_source: str | None,
    utm_medium: str | None,
    source: str,
    medium: str,
) -> None:
    """What the campaign says of itself is believed before the Referer header."""
    found = classify(referrer, PAGE, utm_source, utm_medium)

    assert (source, medium) == (found.traffic_source, found.traffic_medium)


def test_referrer_is_cleaned() -> None:
    """Host and path remain of the referrer; of a web mailer's only the host."""
    page = classify("https://user:pw@Blog.example:8080/jane@example.com?q=1#x", PAGE)
    mail = classify("https://mail.yahoo.com/d/folders/1/messages/2", PAGE)

    assert (page.referrer_domain, page.referrer_path) == ("blog.example", "/[email]")
    assert (mail.referrer_domain, mail.referrer_path) == ("mail.yahoo.com", "")


def test_no_referrer_is_direct() -> None:
    """Without referrer and campaign a visit is direct."""
    assert classify("", PAGE) == Source("", "", "", "direct")


@given(st.text(max_size=50), st.text(max_size=30), st.text(max_size=30))
def test_medium_is_of_a_closed_set(referrer: str, source: str, medium: str) -> None:
    """Whatever is claimed, the medium is one of a few words."""
    for prefix in ("", "https://", "android-app://"):
        found = classify(prefix + referrer, PAGE, source, medium)
        assert found.traffic_medium in get_args(Medium)
        found.traffic_source.encode()


def test_list_is_well_formed() -> None:
    """The list names its source; each host is in it once and in lower case."""
    path = Path(pipeline.referrer.__file__).parent / "data" / "referrers.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    hosts = [
        host
        for names in data["media"].values()
        for row in names.values()
        for host in row
    ]

    assert data["sources"]
    assert set(data["media"]) <= set(get_args(Medium))
    assert len(hosts) == len(set(hosts))
    assert hosts == [host.lower() for host in hosts]
