"""Sites: which pages may send for them, and what a slip of the pen does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.consent import CATEGORIES
from schemas.redaction import NO_EXTRA, SiteRule
from schemas.site import CMPS, Site, SiteError, dump_sites, make_site, parse_sites

EXAMPLE = Site("example.com")
RULE = {"pattern": "KD-[0-9]{6}", "finds": ["KD-123456"], "keeps": ["KD-12"]}


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
        ({"rules": []}, "rules: at least one"),
        ({"rules": "eu_strict"}, "rules"),
        ({"rules": ["eu_lenient"]}, "no rule pack 'eu_lenient', only br, .*, auto"),
        # What holds everywhere is no choice.
        ({"rules": ["every"]}, "no rule pack 'every'"),
        ({"rules": ["child"]}, "no rule pack 'child'"),
        ({"rules": ["unknown_geo"]}, "no rule pack 'unknown_geo'"),
        ({"rules": ["auto", "us_ca"]}, "'auto' stands alone"),
        ({"rules": ["br", "br"]}, "rules: names one twice"),
        ({"switches": ["count_all"]}, "no switch 'count_all', only count_opens"),
        ({"switches": ["statistical_id"]}, "none of .* knows 'statistical_id'"),
        ({"switches": ["count_refusals"]}, "nothing without 'count_undecided'"),
        ({"switches": ["ignore_dnt", "ignore_dnt"]}, "switches: names one twice"),
        ({"consent_cookies": ["cookiejar"]}, "'cookiejar' is not read, only borlabs"),
        ({"consent_cookies": ["iab", "iab"]}, "consent_cookies: names one twice"),
        ({"consent_map": {"C0002": "statistic"}}, "'statistic' is no category"),
        ({"consent_map": {"": "statistics"}}, "is not 1 to 128 characters"),
        ({"consent_map": {"C" * 129: "statistics"}}, "is not 1 to 128 characters"),
        ({"consent_map": {"C\n": "statistics"}}, "is not 1 to 128 characters"),
        ({"consent_map": ["C0002"]}, "consent_map"),
        ({"consent_revision": "1" * 65}, "consent_revision"),
        ({"consent_revision": "1\n"}, "consent_revision: cannot be printed"),
        ({"tcf_vendor": -1}, "tcf_vendor"),
        ({"tcf_vendor": 65_536}, "tcf_vendor"),
        ({"tcf_vendor": True}, "tcf_vendor"),
        ({"child_directed": 1}, "child_directed"),
        ({"regime": "opt_maybe"}, "regime"),
        ({"regime": None}, "regime"),
        ({"undecided": "keep"}, "undecided"),
        ({"refused": "keep"}, "refused"),
        ({"regime": "opt_in", "rules": ["br"]}, "rules replaces regime"),
        ({"undecided": "drop", "switches": []}, "switches replaces regime"),
        ({"debug": "yes"}, "debug"),
        ({"origins": "https://example.com"}, "origins"),
        ({"origins": ["example.com"]}, "origin"),
        ({"origins": ["https://example.com/"]}, "origin"),
        ({"origins": ["https://example.com\n"]}, "origin"),
        ({"origins": ['https://example.com"']}, "origin"),
        ({"origins": ["ftp://example.com"]}, "origin"),
        ({"origin": ["https://example.com"]}, "unknown field `origin`"),
        ({"parameters": "q"}, "parameters"),
        ({"parameters": ["Page"]}, "parameters: 'Page' is not a name in lower case"),
        ({"parameters": ["a b"]}, "parameters: 'a b' is not a name"),
        ({"parameters": ["a" * 41]}, "is not a name in lower case"),
        ({"parameters": ["q", "q"]}, "parameters: names one twice"),
        ({"parameters": [f"p{n}" for n in range(31)]}, "parameters: more than 30"),
        ({"parameters": ["q", "email"]}, "'email' names a person or a secret"),
        ({"parameters": ["user_id"]}, "'user_id' names a person or a secret"),
        ({"parameters": ["access_token"]}, "'access_token' names a person"),
        ({"parameters": ["mc_eid"]}, "'mc_eid' names a person or a secret"),
        ({"parameters": ["lat"]}, "'lat' names a person or a secret"),
        ({"parameters": ["gclid"]}, "'gclid' names one person's click"),
        ({"parameters": ["utm_source"]}, "'utm_source' is read as the campaign"),
        ({"parameters": ["ref"]}, "'ref' is read as the campaign"),
        ({"redact": {"a": "KD"}}, "redact"),
        ({"redact": {"a": {"regex": "KD"}}}, "unknown field `regex`"),
        ({"redact": {"a": {"pattern": ""}}}, "redact.*pattern"),
        ({"redact": {"a": {"pattern": "K" * 201}}}, "redact.*pattern"),
        ({"redact": {"a": {"pattern": "KD"}}}, "redact.a: finds: give an example"),
        ({"redact": {"A": RULE}}, "redact.A: its name is not 1 to 32 of a to z"),
        ({"redact": {"a" * 33: RULE}}, "its name is not 1 to 32"),
        ({"redact": {"email": RULE}}, "redact.email: a rule of that name exists"),
        ({"redact": {"site": RULE}}, "redact.site: a rule of that name exists"),
        ({"redact": {"a": {**RULE, "pattern": "("}}}, r"redact.a: pattern: .*\("),
        ({"redact": {"a": {**RULE, "pattern": r"(K)\1"}}}, "redact.a: pattern: "),
        ({"redact": {"a": {**RULE, "pattern": "(?=K)"}}}, "redact.a: pattern: "),
        ({"redact": {"a": {**RULE, "pattern": "((K{99}){99}){99}"}}}, "a: pattern: "),
        ({"redact": {"a": {**RULE, "pattern": "K*"}}}, "finds something in the empty"),
        ({"redact": {"a": {**RULE, "pattern": "."}}}, "finds something in any text"),
        ({"redact": {"a": {**RULE, "pattern": r"\w{5}"}}}, "finds something in any"),
        ({"redact": {"a": {**RULE, "pattern": r"[^a-z]"}}}, "finds something in any"),
        ({"redact": {"a": {**RULE, "finds": ["KD-1"]}}}, "nothing is found in 'KD-1'"),
        (
            {"redact": {"a": {**RULE, "keeps": ["KD-999999"]}}},
            "redact.a: keeps: something is found in 'KD-999999'",
        ),
        ({"redact": {f"a{'_' * n}": RULE for n in range(21)}}, "more than 20 rules"),
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


def test_redact_in_toml() -> None:
    """Rules and parameters are written as the documentation says, and kept."""
    sites = parse_sites(
        """
        [sites."example.com"]
        parameters = ["page", "q"]
        redact.customer = {pattern = 'KD-\\d{6}', finds = ["KD-123456"]}
        redact.order = {pattern = "(?i)bestellung [0-9]+", finds = ["Bestellung 7"]}
        """
    )
    site = sites["example.com"]

    assert ("page", "q") == site.parameters
    assert frozenset(("page", "q")) == site.allowed
    assert ["customer", "order"] == list(site.redact)
    assert site.extra is site.extra
    assert ["customer", "order"] == [name for name, _ in site.extra.patterns]
    assert sites == parse_sites(dump_sites(sites))
    assert NO_EXTRA is EXAMPLE.extra


def test_least() -> None:
    """A site without options is the careful one."""
    sites = parse_sites("[sites.'example.com']")

    assert {"example.com": EXAMPLE} == sites
    assert (("eu_strict",), ("count_undecided",), False, (), {}, 0, False) == (
        EXAMPLE.rules,
        EXAMPLE.switches,
        EXAMPLE.debug,
        EXAMPLE.consent_cookies,
        EXAMPLE.consent_map,
        EXAMPLE.tcf_vendor,
        EXAMPLE.child_directed,
    )


@pytest.mark.parametrize(
    ("rules", "switches"),
    [
        (["eu_strict"], ("count_undecided",)),
        (["auto"], ("count_undecided",)),
        (["us_ca", "eu_strict"], ("count_undecided",)),
        (["us_ca"], ()),
        (["eu_fr_exempt", "gb_statistical"], ()),
    ],
)
def test_default_switches(rules: list[str], switches: tuple[str, ...]) -> None:
    """The default is on where one of the site's packs knows it."""
    assert switches == make_site("example.com", {"rules": rules}).switches


@pytest.mark.parametrize(
    ("old", "rules", "switches"),
    [
        ({"regime": "opt_in"}, "eu_strict", "count_undecided"),
        ({"undecided": "count"}, "eu_strict", "count_undecided"),
        ({"undecided": "drop"}, "eu_strict", ""),
        ({"refused": "count"}, "eu_strict", "count_undecided count_refusals"),
        ({"refused": "drop"}, "eu_strict", "count_undecided"),
        # A refusal never left more behind than silence did.
        ({"undecided": "drop", "refused": "count"}, "eu_strict", ""),
        ({"regime": "opt_out"}, "us_other", ""),
        ({"regime": "opt_out", "refused": "count"}, "us_other", ""),
        ({"regime": "exempt_anonymous"}, "eu_fr_exempt", ""),
    ],
)
def test_old_options(old: dict[str, object], rules: str, switches: str) -> None:
    """What older versions wrote is read, and written as it is now."""
    site = make_site("example.com", {**old, "debug": True})
    written = dump_sites({"example.com": site})

    assert ((rules,), tuple(switches.split()), True) == (
        site.rules,
        site.switches,
        site.debug,
    )
    assert {"example.com": site} == parse_sites(written)
    assert not any(word in written for word in ("regime", "undecided =", "refused ="))


def test_no_sites() -> None:
    """An empty file lists no site."""
    assert {} == parse_sites("")


@given(
    st.lists(
        st.builds(
            Site,
            name=st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,5})?", fullmatch=True),
            rules=st.sampled_from([("auto",), ("us_ca", "eu_strict"), ("eu_strict",)]),
            switches=st.sampled_from([(), ("ignore_dnt",), ("count_undecided",)]),
            origins=st.lists(
                st.sampled_from(["*", "null", "https://a.example", "http://[::1]:80"]),
                unique=True,
            ).map(tuple),
            consent_cookies=st.lists(st.sampled_from(CMPS), unique=True).map(tuple),
            consent_map=st.dictionaries(
                st.text(min_size=1, max_size=9).filter(str.isprintable),
                st.sampled_from(CATEGORIES),
                max_size=3,
            ),
            consent_revision=st.text(max_size=9).filter(str.isprintable),
            tcf_vendor=st.integers(0, 65_535),
            child_directed=st.booleans(),
            parameters=st.sampled_from([(), ("q",), ("page", "sort[by]")]),
            redact=st.dictionaries(
                st.from_regex(r"x[a-z_]{0,9}", fullmatch=True),
                st.sampled_from(
                    [
                        SiteRule("KD-[0-9]{6}", ("KD-123456",), ("KD-12",)),
                        SiteRule('(?i)"é\\\\.[0-9]"', ('"é\\.7"',)),
                    ]
                ),
                max_size=3,
            ),
            debug=st.booleans(),
        ),
        max_size=4,
    )
)
def test_round_trip(listed: list[Site]) -> None:
    """What is written is read back."""
    sites = {site.name: site for site in listed}

    assert sites == parse_sites(dump_sites(sites))
