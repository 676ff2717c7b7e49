"""Personal data in free text: what goes, what stays, and at what cost."""

import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redact import redact, redact_path, redact_text

LIMIT = 500
SECONDS = 0.3
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N-XgL0n3I9PlFUP0"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("jane.doe@example.com", "[email]"),
        ("Mail jane+tag@mail.example.co.uk, please", "Mail [email], please"),
        ("email=jane.doe%40example.com", "email=[email]"),
        ("email=jane.doe%2540example.com", "email=[email]"),
        ("jane%2Btag%40example%2Ecom", "[email]"),
        ("%6Aane%40ex%61mple.com", "[email]"),
        ("jane&#64;example.com", "[email]"),
        ("J\u00f6rg@b\u00fccher.example", "[email]"),
        ("jane\uff20example.com", "[email]"),
        ("jane\u200b@example.com", "[email]"),
        ("jane@[203.0.113.7]", "[email]"),
        ("a@example.com,b@example.com", "[email],[email]"),
        ("/user/jane@example.com/orders", "/user/[email]/orders"),
        ("4111 1111 1111 1111", "[card]"),
        ("4111111111111111", "[card]"),
        ("4111-1111-1111-1111", "[card]"),
        ("4111%201111%201111%201111", "[card]"),
        ("order 12 4111 1111 1111 1111 9", "order 12 [card] 9"),
        ("378282246310005", "[card]"),
        ("5555555555554444 2223003122003222", "[card] [card]"),
        ("30569309025904", "[card]"),
        ("6011111111111117", "[card]"),
        ("DE89370400440532013000", "[iban]"),
        ("de89 3704 0044 0532 0130 00", "[iban]"),
        ("GB82 WEST 1234 5698 7654 32 paid", "[iban] paid"),
        ("NO9386011117947", "[iban]"),
        ("MT84MALT011000012345MTLCAST001S.", "[iban]."),
        ("+4915123456789", "[phone]"),
        ("+49 (151) 234-567-89", "[phone]"),
        ("%2B4915123456789", "[phone]"),
        ("0049 151 23456789", "[phone]"),
        ("(415) 555-0132", "[phone]"),
        ("415-555-0132", "[phone]"),
        ("Tel. 030 1234567", "Tel. [phone]"),
        ("phone_number=0301234567", "phone_number=[phone]"),
        ("Mobile: 0151/2345678", "Mobile: [phone]"),
        ("078-05-1120", "[ssn]"),
        ("from 203.0.113.7:51320.", "from [ip]:51320."),
        ("peer 2001:db8:1::7 refused", "peer [ip] refused"),
        ("::ffff:203.0.113.7", "[ip]"),
        ("00:1B:44:11:3A:B7 00-1b-44-11-3a-b7", "[mac] [mac]"),
        (JWT, "[token]"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer [token]"),
        ("Bearer mF_9.B5f-4.1JqMabcdef0123", "Bearer [token]"),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "[token]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[token]"),
        ("AKIAIOSFODNN7EXAMPLE", "[token]"),
        ("xoxb-123456789012-abcdefABCDEF", "[token]"),
        ("/reset/d41d8cd98f00b204e9800998ecf8427e", "/reset/[token]"),
        ("/s/9vLq2XrT8kWm4ZpY7bNc/x", "/s/[token]/x"),
        (
            "/o/3fa85f64-5717-4562-b3fc-2c963f66afa6/pay",
            "/o/[id]/pay",
        ),
        ("password=hunter2&x=1", "password=[secret]&x=1"),
        ('"api_key": "abc"', '"api_key": "[secret]"'),
        ("token=abc123def", "token=[secret]"),
        ("//user:pw@host/", "//[auth]@host/"),
        ("https://user:p@ss@host/x", "https://[auth]@host/x"),
        ("//x@-jane.doe%40example.com", "//[auth]@[email]"),
        ("file:///home/jane/app.py", "file:///home/[user]/app.py"),
        ("C:\\Users\\Jane Doe\\app.js:1:2", "C:\\Users\\[user]\\app.js:1:2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "[key]"),
        ("/52.5200066,13.404954", "/[location]"),
        ("/@52.5200066,13.404954,17z", "/@[location],17z"),
        ("/@52.520,13.405,17z", "/@[location],17z"),
        ("/52.5200066/13.404954", "/[location]"),
        ("52.520007, 13.404954", "[location]"),
        ("52.520007;13.404954 or 52.520007%2C13.404954", "[location] or [location]"),
        ("at 52.520007 13.404954!", "at [location]!"),
        ("/near%2052.520007,%2013.404954", "/near%20[location]"),
        ("52.520007%252C13.404954", "[location]"),
        ("-33.8688197,-151.2092955", "[location]"),
        ("+52.5200+013.4050/", "[location]/"),
        ("52.520007\u00b0 N, 13.404954\u00b0 E", "[location]\u00b0 E"),
        ("52\u00b031'12.0\"N 13\u00b024'17.8\"E", "[location] [location]"),
        ("[13.404954,52.5200066,34.123]", "[[location]]"),
        ("1.234, 52.5200066,13.404954", "[location]"),
        (
            '{"lat":"52.5200066","lng": 13.404954}',
            '{"lat":"[location]","lng": [location]}',
        ),
        ("lat 52.520 lon 13.405", "lat [location] lon [location]"),
        ("userLat=52.5200066", "userLat=[location]"),
        ("longitude: 13.404954", "longitude: [location]"),
        ("coords 52.520, 13.405", "coords [location]"),
    ],
)
def test_personal_data_goes(text: str, kept: str) -> None:
    """Each kind of personal data is replaced by its word, its surroundings stay."""
    assert kept == redact_text(text, LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Shop \u2013 start",
        "\u00dcber uns",
        "4111111111111112",
        "/product/1234567890123456/view",
        "EAN 4006381333931 and 5901234123457",
        "ISBN 978-3-16-148410-0",
        "order 1234567890",
        "DE00370400440532013000",
        "2026-11-22 12:30:45.123",
        "2026-11-22T12:30:45+01:00",
        "1.2.3",
        "1600x1200",
        "12:30:45",
        "logo@2x.png",
        "react@18.2.0/index.js",
        "@angular/core",
        "iphone15pro128gb",
        "how-to-build-a-website-in-2026-with-python-and-more",
        "handleClickOutsideOfMenuComponentWithAVeryLongName",
        "chunk-vendors.3f2a1b9c.js",
        "std::vector<int>::at",
        "Unexpected token: u in JSON at position 12",
        "TypeError: x is not a function",
        "Basic understanding of things",
        "What? a=b",
        "50 % off (was 100 %)",
        "100%25-wool",
        "line one\nline two\tend",
        "1.234, 5.678",
        "EUR 12.99, 19.99",
        "1.2.3456, 1.2.3457",
        "took too long: 12.345 s",
        "translate(1.234, 5.678)",
        "flat: 1.23456",
        "999.12345, 1.12345",
        "95.12345, 120.12345",
        "52.52, 13.40",
        "latency: 12.3456",
        "pi is 3.14159265",
        "1.2345.6789.1234",
    ],
)
def test_the_rest_stays(text: str) -> None:
    """Titles, versions, dates, product numbers and identifiers survive."""
    assert text == redact_text(text, LIMIT)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "at f (https://x.test/app.js?v=1&email=a:10:5)\n  at g (/b.js?c=d:1)",
            "at f (https://x.test/app.js:10:5)\n  at g (/b.js:1)",
        ),
        ("f@https://x.test/app.js#/user/jane:3:14", "f@https://x.test/app.js:3:14"),
        ("see https://x.test/p?q=jane#top and go", "see https://x.test/p and go"),
        ("GET /search?q=jane%20doe failed", "GET /search failed"),
        ("https://x.test/?jane", "https://x.test/"),
        ("url='https://x.test/a?b=(c)&d=e'", "url='https://x.test/a'"),
    ],
)
def test_urls_in_text_lose_their_query(text: str, kept: str) -> None:
    """A URL in a text keeps its path, and a stack trace its line and column."""
    assert kept == redact_text(text, LIMIT)


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
    ],
)  # fmt: skip
def test_time_is_bounded(part: str) -> None:
    """No repetition of any rule's beginning makes it slow."""
    text = (part * 8192)[:8192]
    begin = time.perf_counter()

    redact(text, 8192)

    assert time.perf_counter() - begin < SECONDS
