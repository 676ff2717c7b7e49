"""Where a visit came from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.places import Medium, Places
from pipeline.redaction.rules import compile_extra
from pipeline.referrer import (
    Source,
    classify,
    is_spam,
    lists,
    refresh_lists,
    use_lists,
)
from pipeline.referrer_lists import BUILT_IN, OWN, PLACES, SPAM, ListError, read_lists
from schemas.redaction import SiteRule

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
        ("https://r.search.yahoo.com/_ylt=x", "Yahoo!", "search"),
        ("https://searchlock.com/", "SearchLock", "search"),
        ("https://www.lycos.co.uk/", "Lycos", "search"),
        ("https://maps.google.com/", "Google", "referral"),
        ("https://login.live.com/", "login.live.com", "referral"),
        ("https://www.cnn.com/", "cnn.com", "referral"),
        ("https://dribbble.com/shots/1", "Dribbble", "social"),
        ("https://m.last.fm/user", "Last.fm", "social"),
        ("https://www.chatglm.cn/", "ChatGLM", "ai"),
        ("https://chat.openai.com/", "ChatGPT", "ai"),
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
        ("android-app://192.168.13.77/", "[ip]", "referral"),
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
        ("", "linkedin", "Paid Social", "LinkedIn", "paid"),
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


def test_the_sites_own_rules_apply_to_referrer_and_campaign() -> None:
    """What a site redacts itself is gone from path, and from the campaign's source."""
    extra = compile_extra({"customer": SiteRule(pattern="(?i)KD-[0-9]{4}")})
    referrer = "https://blog.example/KD-1234/x"

    found = classify(referrer, PAGE, "kd KD-5678", None, extra)

    assert "1234" not in found.referrer_path
    assert "5678" not in found.traffic_source
    assert classify(referrer, PAGE).referrer_path == "/KD-1234/x"


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


def test_lists_are_well_formed() -> None:
    """Each list names its source; each host is in it once and in lower case."""
    for name in (OWN, PLACES):
        data = json.loads((BUILT_IN / name).read_text(encoding="utf-8"))
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


def test_lists_say_where_they_come_from() -> None:
    """Source and licence of each list; those by others have a date."""
    about = {one.file: one for one in read_lists(None).about}

    assert {OWN, PLACES, SPAM} == set(about)
    assert all(one.source and one.licence and one.built_in for one in about.values())
    assert about[PLACES].licence == "CC0-1.0"
    assert about[PLACES].date[:2] == about[SPAM].date[:2] == "20"
    assert about[SPAM].entries > 500


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("semalt.com", True),
        ("www.semalt.com", True),
        ("a.b.semalt.com", True),
        ("notsemalt.com", False),
        ("semalt.com.example", False),
        ("com", False),
        ("", False),
        ("seoriseome.netlify.app", True),
        ("netlify.app", False),
        ("www.google.com", False),
    ],
)
def test_spammers_are_known_by_their_domain(host: str, *, expected: bool) -> None:
    """A spammer's host is one, and what lies under it."""
    assert expected is is_spam(host)
    assert expected is is_spam(host)


def test_later_layers_decide_on_hosts_and_earlier_on_names() -> None:
    """Of two that name one host the last holds; of one name the first."""
    places = Places(
        {"search": {"One": ["one.example", "any.*"]}},
        {"social": {"One": ["two.example"], "Two": ["one.example"]}},
    )

    assert places.find("www.one.example") == ("social", "Two")
    assert places.find("m.two.example") == ("social", "One")
    assert places.named("one") == ("search", "One")
    assert places.find("any.co.uk") == ("search", "One")
    assert places.find("shop.any.de") == ("referral", "shop.any.de")
    assert places.find("any.evil.example") is None
    assert len(places) == 3


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder's lists, in use."""
    use_lists(tmp_path)
    yield tmp_path
    use_lists(None)


def test_copies_of_the_data_folder_hold_and_are_read_again(folder: Path) -> None:
    """What the operator refreshed counts from then on, whatever was remembered."""
    spam = "https://spam.example/"
    assert classify(spam, PAGE).traffic_medium == "referral"
    assert not is_spam("spam.example")

    (folder / SPAM).write_text("# source: here\nspam.example\n", encoding="utf-8")
    (folder / PLACES).write_text(
        json.dumps({"sources": {}, "media": {"search": {"S": ["spam.example"]}}}),
        encoding="utf-8",
    )
    refresh_lists()

    assert is_spam("www.spam.example")
    assert not is_spam("semalt.com")
    assert classify(spam, PAGE) == Source("spam.example", "/", "S", "search")
    assert lists().about[2].source == "here"
    assert not lists().about[2].built_in


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (PLACES, "{"),
        (PLACES, "[]"),
        (PLACES, '{"media": {"nowhere": {}}}'),
        (PLACES, '{"media": {"search": {"S": "s.example"}}}'),
        (PLACES, '{"media": {"search": []}}'),
        (SPAM, ""),
        (SPAM, "# nothing\n"),
        (SPAM, "\udcff"),
    ],
)
def test_a_broken_copy_leaves_what_was_in_force(
    folder: Path, name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be read is logged; collection goes on with the last one."""
    (folder / SPAM).write_text("spam.example\n", encoding="utf-8")
    assert is_spam("spam.example")

    (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    refresh_lists()

    assert "the last ones stay" in caplog.text
    assert is_spam("spam.example")
    with pytest.raises(ListError):
        read_lists(folder)

    use_lists(folder)

    assert not is_spam("spam.example")
    assert is_spam("semalt.com")
    assert "the built-in ones hold" in caplog.text


def test_nothing_is_read_again_without_a_change(folder: Path) -> None:
    """A look at unchanged files costs no reading."""
    before = lists()
    refresh_lists()

    assert lists() is before
    assert not list(folder.iterdir())


def test_whose_profile_it_was_is_not_told() -> None:
    """Of a social network's page the host stays: its path names a person."""
    found = classify("https://mastodon.social/@jane/1", "example.com")

    assert (found.referrer_domain, found.referrer_path) == ("mastodon.social", "")
    assert found.traffic_medium == "social"
