"""URLs: what of them may be kept."""

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redact import COUNTS
from pipeline.redaction.rules import NO_EXTRA, compile_extra
from pipeline.url import (
    MAX_CAMPAIGN,
    MAX_PATH,
    Campaign,
    CleanUrl,
    clean_campaign,
    clean_host,
    clean_target,
    clean_url,
)
from pipeline.url_query import MAX_QUERY, MAX_VALUE
from schemas.redaction import SiteRule


@pytest.mark.parametrize(
    ("url", "domain", "path"),
    [
        ("https://example.com", "example.com", "/"),
        ("https://user:pw@WWW.Example.com:8443/a/b?c=d#e", "www.example.com", "/a/b"),
        ("HTTPS://example.com./x", "example.com", "/x"),
        ("https:\\\\example.com\\x", "example.com", "/x"),
        (" https://example.com/x\n", "example.com", "/x"),
        ("https://example.com/a b", "example.com", "/a%20b"),
        ("https://example.com#x?y", "example.com", "/"),
        ("https://example.com?x#y", "example.com", "/"),
        ("https://b\u00fccher.example/\u00fc", "xn--bcher-kva.example", "/\u00fc"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("https://example.com/a;jsessionid=1/b;x", "example.com", "/a/b"),
        ("https://example.com/u/jane@example.com", "example.com", "/u/[email]"),
        ("https://example.com/u/jane%40example.com", "example.com", "/u/[email]"),
        ("https://example.com/%ff%fe%zz%", "example.com", "/%ff%fe%zz%"),
        ("https://localhost:3000/x", "localhost", "/x"),
        ("http://127.0.0.1:8000/x", "127.0.0.1", "/x"),
        ("http://[::1]:8000/x", "[::1]", "/x"),
        ("http://203.0.113.7/x", "[ip]", "/x"),
        ("http://[2001:db8::7]:80/x", "[ip]", "/x"),
        ("http://0xcb.0.113.7/x", "[ip]", "/x"),
        ("http://3405803783/x", "[ip]", "/x"),
        ("http://203.0.113.7.nip.example/x", "[ip].nip.example", "/x"),
        ("http://203-0-113-77.dyn.example.net/x", "[ip].dyn.example.net", "/x"),
        ("http://ip-10-0-0-1.ec2.internal/x", "[ip].ec2.internal", "/x"),
        ("http://a.203-0.113-77.b.example/", "a.[ip].b.example", "/"),
        ("http://1-999-203-0-113-77.example/", "[ip].example", "/"),
        ("http://p5de2f3a1.dip0.t-ipconnect.de/", "[ip].dip0.t-ipconnect.de", "/"),
        ("http://203000113077.dyn.example/", "[ip].dyn.example", "/"),
        ("http://2001-db8-0-0-0-0-0-7.v6.example/", "[ip].v6.example", "/"),
        ("http://2001-db8--7.sslip.example/", "[ip].sslip.example", "/"),
        ("http://cafe2025.example/", "cafe2025.example", "/"),
        ("http://2026-11-22.shop-24.example/", "2026-11-22.shop-24.example", "/"),
        ("http://1-2-3.example/", "1-2-3.example", "/"),
        ("http://300-1-2-3.example/", "300-1-2-3.example", "/"),
        ("http://pool-party-2025.example/", "pool-party-2025.example", "/"),
        (
            "http://example.com/@52.5200066,13.404954,17z",
            "example.com",
            "/@[location],17z",
        ),
        ("android-app://com.google.android.gm/", "", ""),
        ("mailto:jane@example.com", "", ""),
        ("file:///home/jane/x.html", "", ""),
        ("data:text/html,x", "", ""),
        ("javascript:alert(1)", "", ""),
        ("/relative", "", ""),
        ("example.com/x", "", ""),
        ("https://", "", ""),
        ("https://[::1", "", ""),
        ("https://ex%61mple.com/", "", ""),
        ("https://a..b/", "", ""),
        ("https://-a/", "", ""),
        ("https://a b.example/", "", ""),
        ("https://\u2028/", "", ""),
        (f"https://{'a.' * 200}com/", "", ""),
        ("", "", ""),
    ],
)
def test_clean_url(url: str, domain: str, path: str) -> None:
    """Host and path remain of a web page's URL, nothing of any other."""
    assert clean_url(url) == CleanUrl(domain, path)


def test_campaign_is_read() -> None:
    """The utm parameters are read, decoded, redacted and cut."""
    found = clean_url(
        "https://example.com/?utm_source=News%20letter&utm_medium=e+mail&UTM_Campaign=x"
        f"&utm_term=jane%40example.com&utm_content={'y' * 999}&utm_id=7&q=secret"
    )

    assert found.campaign == Campaign(
        "News letter", "e mail", "x", "[email]", "y" * MAX_CAMPAIGN, "7"
    )


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("ref=a", "a"),
        ("source=b", "b"),
        ("ref=a&source=b&utm_source=c", "c"),
        ("utm_source=first&utm_source=second", "first"),
        ("utm_source=&utm_source=second", "second"),
        ("utm_source", ""),
        ("prefutm_source=x", ""),
        ("utm_source=%ff", "\ufffd"),
        ("utm_source=%", "%"),
        ("&&=&utm_source=a", "a"),
    ],
)
def test_campaign_source(query: str, source: str) -> None:
    """Of repeated parameters the first with a value wins, utm_source before others."""
    assert source == clean_url(f"https://example.com/?{query}").campaign.source


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("gclid=Cj0KCQ", "gclid"),
        ("x=1&fbclid=IwAR", "fbclid"),
        ("MSCLKID=1&gclid=2", "msclkid"),
        ("gclid=", ""),
        ("gclid", ""),
        ("notgclid=1", ""),
        ("q=gclid", ""),
    ],
)
def test_ad_click_is_a_name(query: str, name: str) -> None:
    """Of a click id only its name is kept, of several the first."""
    assert name == clean_url(f"https://example.com/?{query}").ad_click


ALLOWED = frozenset(("page", "q", "sort[by]"))


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("page=2&q=shoes", "page=2&q=shoes"),
        ("q=shoes&x=1&page=2", "q=shoes&page=2"),
        ("Q=Shoes", "q=Shoes"),
        ("q=a&q=b", "q=a&q=b"),
        ("q=&page", ""),
        ("query=shoes", ""),
        ("q=red%20shoes+and%26socks%3D1", "q=red+shoes+and%26socks%3D1"),
        ("q=jane%2540example.com&page=1", "q=[email]&page=1"),
        ("q=mailto:jane.doe+news@example.org", "q=mailto:[email]"),
        ("q=jane+joe@example.org+4111+1111+1111+1111", "q=[email]+[card]"),
        ("q=+49+151+23456789", "q=[phone]"),
        ("q=%2B4915123456789", "q=[phone]"),
        ("q=4111111111111111", "q=[card]"),
        ("sort[by]=price", "sort[by]=price"),
        ("utm_source=a&q=b&gclid=c", "q=b"),
        ("q=%ff%00%", "q=%EF%BF%BD%25"),
        (f"q={'y' * 999}&page=1", f"q={'y' * MAX_VALUE}&page=1"),
    ],
)
def test_allowed_parameters(query: str, kept: str) -> None:
    """What a site keeps by name is kept in its order, cleaned; nothing else is."""
    url = f"https://example.com/?{query}"

    assert kept == clean_url(url, NO_EXTRA, ALLOWED).query
    assert clean_url(url).query == ""


def test_allowed_parameters_are_cut_whole() -> None:
    """Of too long a query as many whole pairs are kept as fit."""
    query = "&".join(f"q={number:03d}{'z' * 90}" for number in range(20))
    kept = clean_url(f"https://example.com/?{query}", NO_EXTRA, ALLOWED).query

    assert len(kept) <= MAX_QUERY
    assert [f"q={number:03d}{'z' * 90}" for number in range(5)] == kept.split("&")


def test_own_rules() -> None:
    """A site's own rules hold in all parts of a URL that are kept."""
    extra = compile_extra({"customer": SiteRule("(?i)kd-[0-9]{6}")})
    url = "https://kd-123456.example.com/KD-123456?q=KD-123456&utm_source=KD-123456"
    found = clean_url(url, extra, ALLOWED)

    assert ("[customer].example.com", "/[customer]", "q=[customer]", "[customer]") == (
        found.domain,
        found.path,
        found.query,
        found.campaign.source,
    )
    assert clean_target(url, extra) == ("[customer].example.com", "/[customer]")
    assert clean_campaign("KD-123456", extra) == "[customer]"


def test_counted() -> None:
    """What is replaced is counted each time, also when the URL was known already."""
    url = "https://203.0.113.7/jane@example.com?utm_term=078-05-1120&q=joe@example.com"
    COUNTS.clear()
    for _ in range(3):
        clean_url(url, NO_EXTRA, ALLOWED)

    assert {"ip": 3, "email": 6, "ssn": 3} == COUNTS
    COUNTS.clear()
    for _ in range(2):
        clean_target(url)
        clean_host("203.0.113.7")

    assert {"ip": 4, "email": 2} == COUNTS


def test_path_is_cut() -> None:
    """A path has at most 1024 characters."""
    assert len(clean_url(f"https://example.com/{'a' * 5000}").path) == MAX_PATH


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com/x?y#z", ("example.com", "/x")),
        ("//cdn.example.com/x?y", ("cdn.example.com", "/x")),
        ("/files/report.pdf?sig=1", ("", "/files/report.pdf")),
        ("#top", ("", "/")),
        ("mailto:jane@example.com?subject=x", ("mailto:", "")),
        ("https://203-0-113-77.dyn.example/", ("[ip].dyn.example", "/")),
        ("TEL:+49301234567", ("tel:", "")),
        ("sms:+49301234567", ("sms:", "")),
        ("javascript:go('jane')", ("javascript:", "")),
        ("data:text/plain,jane", ("data:", "")),
        ("file:///home/jane/x", ("file:", "")),
        ("android-app://com.example.jane/", ("android-app:", "")),
        ("jane.doe:secret", ("other:", "")),
        ("https://[", ("", "")),
    ],
)
def test_clean_target(url: str, target: tuple[str, str]) -> None:
    """Of a link that is no web address only its known scheme remains."""
    assert target == clean_target(url)


def test_clean_campaign() -> None:
    """A campaign value that is given outright is cleaned like one in a URL."""
    assert clean_campaign(" jane@example.com ") == "[email]"
    assert clean_campaign(None) == ""
    assert len(clean_campaign("x" * 999)) == MAX_CAMPAIGN


@given(st.text(max_size=100) | st.text(string.printable, max_size=100).map("//".join))
def test_nothing_raises(text: str) -> None:
    """Any text is a URL or not; the result can always be stored."""
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        found = clean_url(url)
        "".join((found.domain, found.path, *clean_target(url))).encode()
        kept = clean_url(url, NO_EXTRA, ALLOWED).query
        assert kept.isascii()
        assert len(kept) <= MAX_QUERY
        assert bool(found.domain) == bool(found.path)
        assert not set(found.path) & set("?# ")


HOSTS = st.text(string.ascii_lowercase + string.digits + "-.", min_size=1, max_size=40)


@given(HOSTS)
def test_clean_host_is_stable(host: str) -> None:
    """A clean host stays as it is, whatever it was made from."""
    kept = clean_host(host)

    assert kept in ("", "[ip]") or clean_host(kept) == kept or "[" in kept


@given(
    st.text(string.ascii_letters, max_size=20),
    st.sampled_from(["q", "email", "token", "id", "utm_sourcex", "#", "user"]),
)
def test_other_parameters_leave_nothing(before: str, name: str) -> None:
    """The value of a parameter that is not on the list leaves no trace."""
    url = (
        f"https://example.com/p?{before}=1&{name}=qzxj@vkwy.example&{quote(name)}=qzxj"
    )

    assert "qzxj" not in str(clean_url(url))


@pytest.mark.parametrize("url", ["https://wa.me/491712345678", "//wa.me/message/ABC"])
def test_whom_a_link_calls_is_not_told(url: str) -> None:
    """The path of a messenger's link is somebody's telephone number."""
    assert clean_target(url) == ("wa.me", "/")
