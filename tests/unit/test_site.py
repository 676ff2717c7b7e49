"""Sites: which pages may send for them, and what a slip of the pen does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.site import Site, SiteError, dump_sites, make_site, parse_sites

EXAMPLE = Site("example.com")


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), None, True),
        ((), "https://example.com", True),
        ((), "http://example.com:8080", True),
        ((), "https://www.example.com", True),
        ((), "https://a.b.example.com", True),
        ((), "https://EXAMPLE.com", True),
        ((), "https://badexample.com", False),
        ((), "https://example.com.evil.org", False),
        ((), "https://example.org", False),
        ((), "https://example.com@evil.org", False),
        ((), "null", False),
        ((), "", False),
        ((), "https://[", False),
        ((), "*", False),
        (("*",), "https://anywhere.org", True),
        (("null",), "null", True),
        (("null",), "https://example.com", False),
        (("https://shop.example",), "https://shop.example", True),
        (("https://shop.example",), "http://shop.example", False),
        (("https://shop.example",), "https://shop.example:444", False),
        (("https://shop.example",), "https://example.com", False),
        (("https://shop.example",), None, True),
    ],
)
def test_origins(
    origins: tuple[str, ...], origin: str | None, *, allowed: bool
) -> None:
    """A page may send for its own site, or for one that names its origin."""
    site = make_site("example.com", {"origins": list(origins)})

    assert allowed is site.allows(origin)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Example.com",
        "example.com.",
        ".example.com",
        "-example.com",
        "exa mple.com",
        "exämple.com",
        "example.com\n",
        "a" * 64 + ".com",
        ("a" * 60 + ".") * 5 + "com",
        "example.com/path",
        "<script>",
    ],
)
def test_bad_names(name: str) -> None:
    """What is not a lower-case host name is no site."""
    with pytest.raises(SiteError, match="is not a host name in lower case"):
        make_site(name, {})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"regime": "opt_maybe"}, "regime"),
        ({"regime": None}, "regime"),
        ({"undecided": "keep"}, "undecided"),
        ({"refused": "keep"}, "refused"),
        ({"debug": "yes"}, "debug"),
        ({"origins": "https://example.com"}, "origins"),
        ({"origins": ["example.com"]}, "origin"),
        ({"origins": ["https://example.com/"]}, "origin"),
        ({"origins": ["https://example.com\n"]}, "origin"),
        ({"origins": ['https://example.com"']}, "origin"),
        ({"origins": ["ftp://example.com"]}, "origin"),
        ({"origin": ["https://example.com"]}, "unknown field `origin`"),
    ],
)
def test_bad_options(values: dict[str, object], problem: str) -> None:
    """An option that is not one is refused, with the site's name and its own."""
    with pytest.raises(SiteError, match=problem) as caught:
        make_site("example.com", values)

    assert "example.com" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[sites",
        "sites = 1",
        "[sites]\n'example.com' = 'opt_in'",
        "[sites.'example.com']\nname = 'example.org'",
        "[site.'example.com']\nregime = 'opt_in'",
        "[sites.'example.com']\nregime = 'opt_in'\n[settings]\nworkers = 2",
        "[sites.'Example.com']\nregime = 'opt_in'",
    ],
)
def test_bad_files(text: str) -> None:
    """A file that is not a list of sites is refused as a whole."""
    with pytest.raises(SiteError):
        parse_sites(text)


def test_least() -> None:
    """A site without options is the careful one."""
    sites = parse_sites("[sites.'example.com']")

    assert {"example.com": EXAMPLE} == sites
    assert ("opt_in", "count", "drop", False) == (
        EXAMPLE.regime,
        EXAMPLE.undecided,
        EXAMPLE.refused,
        EXAMPLE.debug,
    )


def test_no_sites() -> None:
    """An empty file lists no site."""
    assert {} == parse_sites("")


@given(
    st.lists(
        st.builds(
            Site,
            name=st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,5})?", fullmatch=True),
            regime=st.sampled_from(["opt_in", "opt_out", "exempt_anonymous"]),
            origins=st.lists(
                st.sampled_from(["*", "null", "https://a.example", "http://[::1]:80"])
            ).map(tuple),
            undecided=st.sampled_from(["count", "drop"]),
            refused=st.sampled_from(["count", "drop"]),
            debug=st.booleans(),
        ),
        max_size=4,
    )
)
def test_round_trip(listed: list[Site]) -> None:
    """What is written is read back."""
    sites = {site.name: site for site in listed}

    assert sites == parse_sites(dump_sites(sites))
