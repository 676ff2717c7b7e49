"""
The property of redaction: nothing personal that stands anywhere reaches a row.

Every example of the corpus is planted into every text that an event has, between all
kinds of neighbours and encoded in all kinds of ways, and the event is processed as
any other. No five characters of what was planted may be left in a row of it.
"""

import html
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.location import Locator
from pipeline.process import Processor
from pipeline.salt import DaySalt
from pipeline.withdrawal.objections import Objections
from schemas.event import EVENT_TYPES
from schemas.policy import load_policy
from schemas.row import Row
from schemas.site import make_site
from tests.builders import raw_event
from tests.redact_corpus import Example, examples

# So many characters in a row of something personal say something.
TELLING = 5
SITE = make_site("shop.test", {"parameters": ["q", "page"]})
CONSENT = {"statistics": True, "marketing": True, "preference": True}
REQUIRED: dict[str, dict[str, Any]] = {
    "link_click": {"target_url": "https://zz.test/"},
    "file_download": {"target_url": "https://zz.test/"},
    "custom": {"name": "zz"},
    "web_vital": {"web_vital_name": "LCP", "web_vital_value": 1},
    "location": {"latitude": 1, "longitude": 2},
}
TEXTS = ("title",)
OWN_TEXTS = {
    "custom": ("name",),
    "form_submit": ("form_id",),
    "exception": ("exception_type", "exception_message", "exception_stacktrace"),
    "app_crash": (
        "exception_type",
        "exception_message",
        "exception_stacktrace",
        "app_version",
    ),
    "email_open": ("mailing",),
    "email_click": ("mailing",),
}
OWN_URLS = {"link_click": ("target_url",), "file_download": ("target_url",)}
# What follows the host of a URL; "{}" is where something is planted.
PARTS = (
    "/{}",
    "/zz/{}/zz",
    "/zz?{}",
    "/zz?q={}",
    "/zz?page=1&zz={}&q=zz",
    "/zz?utm_source={}",
    "/zz?utm_campaign=zz&utm_content={}",
    "/zz?gclid={}",
    "/zz#{}",
)
BEFORE = ("", "zz ", "zz/", "(", '"', "'", "zz=", "zz: ", "zz, ", "[", "zz-", "=", "é ")
AFTER = ("", " zz", "/zz", ")", '"', "'", "&zz", ", zz", ". Zz", ";", "]", "\nzz", " é")
ENCODINGS = {
    "none": lambda text: text,
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "escapes": lambda text: "".join(
        f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text
    ),
}
# What a row says that nobody sent, or that the socket said.
OURS = frozenset(
    (
        "event_id",
        "visitor_id",
        "occurred_at",
        "received_at",
        "consent_given_at",
        "policy_version",
        "regime_version",
        "client_address",
    )
)
EXAMPLES = [one for one in examples() if len(one.secret) >= TELLING]


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Processor:
    """The path of an event, without any geo database."""
    salts = DaySalt(tmp_path_factory.mktemp("salt") / "day.salt")
    nobody = Objections(tmp_path_factory.mktemp("data") / "objections")
    return Processor(load_policy(), Locator(()), b"k" * 32, salts, nobody)


def fields(name: str, place: str, text: str) -> dict[str, Any]:
    """Return an event's fields with a text in one place, such as "url /zz?q={}"."""
    found = {**REQUIRED.get(name, {}), "site": SITE.name, "consent": CONSENT}
    field, _, part = place.partition(" ")
    if part:
        found[field] = f"https://{SITE.name}{part.replace('{}', text)}"
    elif field == "properties":
        found[field] = {"zz": text}
    elif field == "property names":
        found["properties"] = {text: "zz"}
    elif field == "campaign":
        names = ("source", "medium", "campaign", "term", "content", "id")
        found[field] = dict.fromkeys(names, text)
    else:
        found[field] = text
    return found


def places(name: str) -> list[str]:
    """Return where something can be planted in an event."""
    urls = ("url", "referrer", *OWN_URLS.get(name, ()))
    return [
        *TEXTS,
        *OWN_TEXTS.get(name, ()),
        "properties",
        "property names",
        "campaign",
        *(f"{url} {part}" for url in urls for part in PARTS),
    ]


EVERYWHERE = [(name, place) for name in EVENT_TYPES for place in places(name)]


def told(value: object) -> Iterator[str]:
    """Return the texts of a row, its names of properties among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from told(key)
            yield from told(one)
    elif isinstance(value, list):
        for one in value:
            yield from told(one)


def plain(text: str) -> str:
    """Return what a reader would see in a text, however it is encoded."""
    for _ in range(3):
        text = html.unescape(unquote(text))
    text = unicodedata.normalize("NFKC", text).lower()
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text
    )


def telling(secret: str) -> set[str]:
    """Return all that is too long a part of something personal."""
    text = plain(secret)
    return {text[at : at + TELLING] for at in range(len(text) - TELLING + 1)}


def leaks(row: Row, secret: str) -> list[tuple[str, str]]:
    """Return fields of a row in which a telling part of something is left."""
    parts = telling(secret)
    return [
        (name, text)
        for name, value in msgspec.structs.asdict(row).items()
        if name not in OURS
        for text in told(value)
        if any(part in plain(text) for part in parts)
    ]


def is_for_urls(planted: Example, text: str, after: str) -> bool:
    """
    Say if a text means in a URL what it means elsewhere.

    There a line break is nothing and a backslash is a slash; and below "/home/" are
    pages, not somebody's files.
    """
    return planted.rule != "user" and "\\" not in text and not after.startswith("\n")


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(EVERYWHERE),
    st.sampled_from(EXAMPLES),
    st.sampled_from(BEFORE),
    st.sampled_from(AFTER),
    st.sampled_from(sorted(ENCODINGS)),
)
def test_nothing_planted_is_left(  # noqa: PLR0913 - all that is varied
    processor: Processor,
    where: tuple[str, str],
    planted: Example,
    before: str,
    after: str,
    encoding: str,
) -> None:
    """No five characters in a row of anything personal reach a row."""
    name, place = where
    text = f"{before}{ENCODINGS[encoding](planted.text)}{after}"
    if " " in place and not is_for_urls(planted, text, after):
        return
    try:
        raw = raw_event(name, **fields(name, place, text))
    except msgspec.ValidationError:
        # Too long for the field: refused at the door.
        return

    row = processor.process(raw, SITE).row

    assert isinstance(row, Row)
    assert [] == leaks(row, planted.secret)
