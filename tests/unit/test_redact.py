"""Personal data in free text: what goes, what stays, and at what cost."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.redact import COUNTS, Kind, Redacted, redact, redact_path, redact_text
from pipeline.redaction.decode import Decoded
from pipeline.redaction.rules import NO_EXTRA, compile_extra
from pipeline.redaction.signs import Signs
from schemas.redaction import SiteRule

LIMIT = 500
HOSTILE = 100_000
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N-XgL0n3I9PlFUP0"


def test_path_stays_encoded() -> None:
    """A path is redacted without being decoded, unless it hid something."""
    assert redact_path("/m%C3%BCsli/home/menu", LIMIT) == "/m%C3%BCsli/home/menu"
    assert redact_path("/u/jane%2540example.com/", LIMIT) == "/u/[email]/"
    hidden = "".join(f"%{ord(char):02x}" for char in "jane@example.com")
    assert redact_path(f"/m%C3%BCsli/{hidden}", LIMIT) == "/m%C3%BCsli/[email]"


def test_unstorable_characters_are_left_out() -> None:
    """NUL, other control characters and lone surrogates go; line breaks stay."""
    assert redact_text("a\x00b\x07c\ud800d\r\n\te", LIMIT) == "abcd\r\n\te"
    assert redact_text("jane\x00@exam\x00ple.com", LIMIT) == "[email]"


def test_credentials_with_an_address() -> None:
    """What two rules find goes as one, whichever at-sign is the host's."""
    assert redact_text("//x@-jane.doe%40example.com", LIMIT) == "//[auth]"


def test_rules_are_reported() -> None:
    """Which rules found something is known, what they found is not."""
    found = redact("jane@example.com, joe@example.com, 203.0.113.7", LIMIT)

    assert found.text == "[email], [email], [ip]"
    assert found.rules == ("email", "email", "ip")


def test_cut_does_not_halve_an_address() -> None:
    """Where the limit falls into an address, no part of it remains."""
    for limit in range(60):
        kept = redact_text("I am qzxj.vkwy@example.com, 4111 1111 1111 1111", limit)
        assert len(kept) <= limit
        assert "qzxj" not in kept
        assert "4111" not in kept


LOCAL_PARTS = st.sampled_from(["qzxj", "qzxj.vkwy", "qzxj+vkwy", "qzxj_v-k%w"])
ADDRESSES = st.builds(
    "{}@{}".format,
    LOCAL_PARTS,
    st.sampled_from(["example.com", "mail.example.co.uk", "xn--bcher-kva.example"]),
)


@given(
    st.text(max_size=60),
    ADDRESSES,
    st.text(max_size=60),
    st.integers(0, 2),
    st.sampled_from(["text", "path"]),
)
def test_no_address_survives_anywhere(
    before: str, address: str, after: str, encodings: int, kind: str
) -> None:
    """An e-mail address planted anywhere, however encoded, leaves nothing."""
    for _ in range(encodings):
        address = quote(address, safe="")
    text = f"{before}{address}{after}"

    kept = (redact_text if kind == "text" else redact_path)(text, LIMIT)

    assert "qzxj" not in kept


@given(
    st.text(max_size=40),
    st.sampled_from(
        [
            "4111 1111 1111 1111",
            "378282246310005",
            "DE89370400440532013000",
            "GB82 WEST 1234 5698 7654 32",
            "+49 151 23456789",
            "203.0.113.7",
            "2001:db8:1:2::7",
            "078-05-1120",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            JWT,
        ]
    ),
    st.text(max_size=40),
)
def test_no_number_survives_between_spaces(
    before: str, secret: str, after: str
) -> None:
    """A number or token planted as a word of its own leaves nothing."""
    assert secret not in redact_text(f"{before} {secret} {after}", LIMIT)


@given(
    st.text(
        st.characters(categories=None) | st.sampled_from("@%.:/?#=&0123456789abc-_ "),
        max_size=200,
    ),
    st.integers(0, 100),
)
def test_output_can_be_stored(text: str, limit: int) -> None:
    """Whatever comes in, the result is short, encodable UTF-8 without NUL."""
    for kept in (redact_text(text, limit), redact_path(text, limit)):
        assert len(kept) <= limit
        assert b"\x00" not in kept.encode()


@pytest.mark.parametrize(
    "part",
    [
        "1 ", "a@", "a%40", "@a.", "@a-", ":a", "::1", "?a=", "aB3", "a-", "//", "//a",
        "://", "http://a?", "%25", "DE89", "1.", "password=", "password", "tel ", "+1 ",
        "eyJaaaaa", "/home/a", "C:\\Users\\", "(555) ", "00:11:", "aaaaaaaa-aaaa-",
        "bearer ", " ", "aB3dE5gH7jK9mN1p-", "4 ", "41-", "%2", "é@", "-----BEGIN ",
        "1.2345,", "1.2345", "lat:1.234", "1.234 ", "1\u00b01'", "+1.2345",
        "\uff14", "&#52;", "\\u0031", "\u0664", "/user/1", "sk-", "SG.", "AB12",
        "P<UTOA<", "[at]", "&#64;", "code=1", "ip 1", "aa:", "0x1.", "steuerid 1 ",
        "/users/", "A<", "1-", "1234567-", "44051401359 ", "http://a@", 'a="',
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_time_is_linear(part: str) -> None:
    """No repetition of any rule's beginning hangs: a square of it would."""
    text = (part * HOSTILE)[:HOSTILE]

    redact(text, HOSTILE)
    redact(text, HOSTILE, "path")


@pytest.mark.timeout(20)
@given(st.lists(st.sampled_from("a1 -.:/@%=&#+xA\u0664"), min_size=2, max_size=8))
@settings(max_examples=30, deadline=None)
def test_time_is_linear_in_anything(parts: list[str]) -> None:
    """Nor does any other repetition."""
    text = ("".join(parts) * HOSTILE)[: HOSTILE // 8]

    redact(text, HOSTILE)


def test_counted_by_rule() -> None:
    """What is replaced is counted by rule, out of the cache as well."""
    COUNTS.clear()
    for _ in range(2):
        redact_text("jane@example.com, joe@example.com", LIMIT)
        redact_path("/u/jane@example.com", LIMIT)

    assert {"email": 6} == COUNTS


def test_own_rules() -> None:
    """A site's own rules replace what they find by their name, encoded too."""
    extra = compile_extra({"customer": SiteRule("KD-[0-9]{6}")})
    COUNTS.clear()

    assert redact_text("For KD-123456.", LIMIT, extra) == "For [customer]."
    assert redact_path("/a/%4BD-123456/b", LIMIT, extra) == "/a/[customer]/b"
    assert redact_text("For KD-123456.", LIMIT) == "For KD-123456."
    assert {"site": 2} == COUNTS


def test_own_rules_share_what_is_cached() -> None:
    """Equal rules are one key of the caches, other rules another."""
    rules = {"customer": SiteRule("KD-[0-9]{6}")}

    assert compile_extra(rules) == compile_extra(dict(rules))
    assert hash(compile_extra(rules)) == hash(compile_extra(dict(rules)))
    assert compile_extra(rules) != compile_extra({"client": rules["customer"]})
    assert NO_EXTRA is compile_extra({})


@pytest.mark.timeout(20)
def test_own_rules_cannot_hang() -> None:
    """A pattern that looks at the whole rest for each of its matches is stopped."""
    extra = compile_extra({"slow": SiteRule("a[^b]*b|a"), "nested": SiteRule("(a+)+c")})

    kept = redact("a " * HOSTILE, HOSTILE, "text", extra).text

    # After fifty the rest of the text is one.
    assert " ".join(["[slow]"] * 51) == kept


def test_own_rules_find_something_everywhere() -> None:
    """A match of nothing is none, whatever the pattern."""
    extra = compile_extra({"empty": SiteRule("(?:x*)")})

    assert redact("abc xx", LIMIT, "text", extra).text == "abc [empty]"


@given(
    st.text(
        st.sampled_from("ab1@.%&#;\\x40u0-\u200c\uff41\uff20\u0664\u00e9 "), max_size=60
    )
)
def test_decoded_parts_come_from_where_they_say(text: str) -> None:
    """Each part of a decoded text has a source, in order, and together all of it."""
    decoded = Decoded(text)
    sources = [decoded.source(at, at + 1) for at in range(len(decoded.text))]

    assert sources == sorted(sources)
    for (start, end), char in zip(sources, decoded.text, strict=True):
        assert 0 <= start < end <= len(text)
        assert (
            text[start:end] == char
            or end - start > 1
            or not char.isascii()
            or (not text[start:end].isascii())
        )


def test_signs_given_up() -> None:
    """Where the automaton gives up, every detector looks."""
    signs = Signs(["a", "b", "bc", "bd"], ["", "", "b", "b"])

    assert [1] == list(signs.shown("xb"))
    assert {1, 2} == set(signs.shown("bc"))
    signs._seconds[0].match = _nothing
    assert {1, 2, 3} == set(signs.shown("bc"))
    assert [0] == list(signs.shown("a"))
    signs._first.match = _nothing
    assert [0, 1, 2, 3] == list(signs.shown("b"))


def _nothing(_text: bytes) -> None:
    """Find nothing, not even what is in every text: as RE2 does without memory."""


@pytest.mark.parametrize("number", ["30569309025904", "3056 930902 5904"])
def test_the_shortest_card(number: str) -> None:
    """A text of no more digits than the shortest card has is looked at."""
    assert redact(f"paid by {number}", LIMIT).text == "paid by [card]"


@pytest.mark.parametrize("kind", ["text", "path"])
def test_plain_texts_are_storable_and_cut(kind: Kind) -> None:
    """What needs no rule loses what cannot be stored, and what is over the limit."""
    assert redact("a\x00 plain\x7f text\x1b", LIMIT, kind) == Redacted("a plain text")
    assert redact("word " * 100, 12, kind) == Redacted("word word wo")
