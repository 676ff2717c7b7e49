"""Decoding: what clients really send, and a precise word for what is wrong."""

import base64
import functools
import gzip
import json
import re
import zlib
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.decode import (
    _FIELDS,
    _STATES,
    Decoded,
    DecodeError,
    _repeated,
    _said_in,
    decode_body,
    decode_query,
    unquoted,
)
from collector.unpack import unpack
from pipeline.signals.macros import is_absent
from schemas.consent import ConsentClaim
from schemas.event import EmailOpen, PageView
from schemas.outcome import Invalid
from tests.builders import NOON_MS

GOOD: dict[str, Any] = {"event": "page_view", "site": "example.com"}
packed = functools.partial(gzip.compress, mtime=0)
BODY = json.dumps(GOOD).encode()


def decode(content: object, *, max_events: int = 10) -> list[Decoded | Invalid]:
    """Decode bytes as they are, anything else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return decode_body(
        body, received_ms=NOON_MS, max_bytes=100_000, max_events=max_events
    )


def query(text: str) -> Decoded | Invalid:
    """Decode a query string that arrives at noon."""
    return decode_query(text, received_ms=NOON_MS)


def good(answer: Decoded | Invalid) -> Any:
    """Return the event of a good answer."""
    assert isinstance(answer, Decoded), answer
    return answer.event


def bad(answer: Decoded | Invalid) -> tuple[str, str]:
    """Return code and field of a complaint."""
    assert isinstance(answer, Invalid), answer
    return answer.code, answer.field


# ---------------------------------------------------------------------- what is read
@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b" \r\n\t" + BODY + b"\n",
        json.dumps([GOOD]).encode(),
        json.dumps({"events": [GOOD]}).encode(),
        json.dumps(
            {"site": "example.com", "events": [{"event": "page_view"}]}
        ).encode(),
        packed(BODY),
        b"data=" + BODY,
        b"data=" + quote(BODY).encode(),
        b"data=" + quote_plus(BODY).encode() + b"&verbose=1",
        b"data=" + base64.b64encode(BODY),
        b"data=" + base64.urlsafe_b64encode(BODY).rstrip(b"="),
        b"data=" + quote(base64.b64encode(BODY)).encode(),
        packed(b"data=" + base64.b64encode(BODY)),
    ],
)
def test_forms(body: bytes) -> None:
    """One event, an array, a batch, gzip and form data: the same event."""
    (answer,) = decode(body)

    assert PageView(site="example.com") == good(answer)


def test_empty_batch() -> None:
    """No events are no error."""
    assert [[], []] == [decode([]), decode({"events": []})]


def test_batch_defaults() -> None:
    """A batch's fields are those of each event that has none of its own."""
    batch = {
        "site": "a.com",
        "sent_at": NOON_MS,
        "consent": {"statistics": True},
        "events": [{"event": "page_view"}, {"event": "page_view", "site": "b.com"}],
    }
    one, other = (good(answer) for answer in decode(batch))

    assert ("a.com", "b.com") == (one.site, other.site)
    assert one.consent == other.consent


def test_time_is_corrected() -> None:
    """A client's clock that is wrong is corrected by its time of sending."""
    year_2000 = 946_684_800_000
    (answer,) = decode({**GOOD, "occurred_at": year_2000, "sent_at": year_2000 + 5000})

    assert isinstance(answer, Decoded)
    assert NOON_MS - 5000 == answer.occurred_ms


def test_values_may_hold_anything() -> None:
    """NUL, emoji and any other text are a value like any other."""
    (answer,) = decode({**GOOD, "title": "\0\U0001f600\u2028"})

    assert "\0\U0001f600\u2028" == good(answer).title


# ------------------------------------------------------------ whole requests refused
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b" \n", "empty_body"),
        (packed(b""), "empty_body"),
        (b"{", "not_json"),
        (b"hello", "not_json"),
        (b"NaN", "not_json"),
        (b'{"a": Infinity}', "not_json"),
        (b"{'event': 'page_view'}", "not_json"),
        (BODY + BODY, "not_json"),
        (BODY + b"\x00", "not_json"),
        (b'{"a": 1' + b"1" * 400 + b"}", "not_json"),
        (b'{"a": 1e999}', "not_json"),
        (b'{"a": "\\ud800"}', "not_json"),
        (b'{"a": "\xff"}', "not_json"),
        (b'{"a": "\x00"}', "not_json"),
        (b"[" * 20_000, "not_json"),
        (b"[" * 5000 + b"]" * 5000, "not_json"),
        (b'{"a":' * 5000, "not_json"),
        (b"data=", "not_json"),
        (b"data=%", "not_json"),
        (b"data=a", "not_json"),
        (b"data=!!!!", "not_json"),
        (b"data=" + b"%00" * 50, "not_json"),
        (b"5", "not_an_event"),
        (b"null", "not_an_event"),
        (b'"text"', "not_an_event"),
        (b'{"events": {}}', "wrong_type"),
        (b'{"events": "page_view"}', "wrong_type"),
        (json.dumps([GOOD] * 11).encode(), "too_many_events"),
        (json.dumps({"events": [GOOD] * 11}).encode(), "too_many_events"),
        (b"\x1f\x8b", "bad_encoding"),
        (b"\x1f\x8b" + b"garbage" * 9, "bad_encoding"),
        (packed(BODY)[:-1], "bad_encoding"),
        (packed(BODY)[:-8] + bytes(8), "bad_encoding"),
        (packed(BODY) + b"tail", "bad_encoding"),
        (packed(BODY) * 2, "bad_encoding"),
    ],
)
def test_refused(body: bytes, code: str) -> None:
    """What cannot be read at all is refused with one code."""
    with pytest.raises(DecodeError) as caught:
        decode(body)

    assert code == caught.value.invalid.code


def test_gzip_bound() -> None:
    """What unpacks to more than the bound is refused before it is unpacked."""
    bomb = packed(bytes(50_000_000))

    assert len(bomb) < 100_000
    with pytest.raises(OverflowError):
        decode(bomb)


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_gzip_bound_is_exact(extra: int, *, fits: bool) -> None:
    """The bound is the last size that is taken."""
    body = packed(b"x" * (1000 + extra))

    if fits:
        assert b"x" * 1000 == unpack(body, 1000)
        return
    with pytest.raises(OverflowError):
        unpack(body, 1000)


def deflate(plain: bytes) -> bytes:
    """Return deflate data without zlib's head."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(plain) + packer.flush()


def decode_as(encoding: str, body: bytes) -> list[Decoded | Invalid]:
    """Decode a body under a Content-Encoding."""
    return decode_body(
        body, received_ms=NOON_MS, max_bytes=100_000, max_events=10, encoding=encoding
    )


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", packed(BODY)),
        ("x-gzip", packed(BODY)),
        (" GZIP ", packed(BODY)),
        ("identity", packed(BODY)),
        ("identity, gzip", packed(BODY)),
        ("deflate", packed(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY, 9)),
        ("deflate", deflate(BODY)),
        ("gzip", BODY),
        ("gzip", b" \n" + BODY),
        ("gzip", b"data=" + BODY),
        ("deflate", BODY),
        ("deflate", json.dumps([GOOD]).encode()),
    ],
)
def test_encodings(encoding: str, body: bytes) -> None:
    """Gzip, both kinds of deflate, and a header that a proxy left behind."""
    (answer,) = decode_as(encoding, body)

    assert PageView(site="example.com") == good(answer)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", BODY),
        ("br", packed(BODY)),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("gzip, gzip", packed(packed(BODY))),
        ("jane@example.com", BODY),
        ("gzip", b"jane@example.com"),
        ("gzip", zlib.compress(BODY)),
        ("gzip", packed(BODY)[:-5]),
        ("gzip", packed(BODY) + b"tail"),
        ("deflate", b"jane@example.com"),
        ("deflate", b"x"),
        ("deflate", zlib.compress(BODY)[:-1]),
        ("deflate", zlib.compress(BODY)[:-4] + bytes(4)),
        ("deflate", zlib.compress(BODY) + b"tail"),
        ("deflate", deflate(BODY)[:-1]),
        ("deflate", deflate(BODY) + b"tail"),
    ],
)
def test_bad_encodings(encoding: str, body: bytes) -> None:
    """Unknown, damaged, cut short, followed by something: one code, no quote."""
    with pytest.raises(DecodeError) as caught:
        decode_as(encoding, body)

    assert "bad_encoding" == caught.value.invalid.code
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("body", [b"{" * 2000, zlib.compress(b"{" * 2000)])
def test_bound_holds_for_every_encoding(body: bytes) -> None:
    """The bound is about what a body holds, however it came."""
    with pytest.raises(OverflowError):
        unpack(body, 1000, "deflate")


# ------------------------------------------------------------- single events refused
@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"event": None}, "wrong_type", "event"),
        ({"event": 5}, "wrong_type", "event"),
        ({"event": ["page_view"]}, "wrong_type", "event"),
        ({"event": "page_hit"}, "unknown_event", "event"),
        ({"event": ""}, "unknown_event", "event"),
        ({"event": "link_click"}, "missing_field", "target_url"),
        ({"event": "web_vital"}, "missing_field", "web_vital_name"),
        ({"site": None}, "wrong_type", "site"),
        ({"site": ""}, "bad_format", "site"),
        ({"site": "a" * 254}, "too_long", "site"),
        ({"urll": "x"}, "unknown_field", "urll"),
        ({"Bad Key": "x"}, "unknown_field", ""),
        ({"jane@example.com": "x"}, "unknown_field", ""),
        ({"event_id": "1"}, "bad_format", "event_id"),
        ({"visitor": "short"}, "bad_format", "visitor"),
        ({"viewport": "wide"}, "bad_format", "viewport"),
        ({"viewport": "123456x123456"}, "too_long", "viewport"),
        ({"url": "u" * 4097}, "too_long", "url"),
        ({"title": 7}, "wrong_type", "title"),
        ({"category": "essential"}, "bad_format", "category"),
        ({"gpc": "1"}, "wrong_type", "gpc"),
        ({"occurred_at": True}, "wrong_type", "occurred_at"),
        ({"occurred_at": -1}, "out_of_range", "occurred_at"),
        ({"occurred_at": 1.5}, "wrong_type", "occurred_at"),
        ({"occurred_at": "yesterday"}, "bad_time", "occurred_at"),
        ({"occurred_at": 0}, "bad_time", "occurred_at"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "bad_time", "occurred_at"),
        ({"sent_at": "now"}, "bad_time", "sent_at"),
        ({"consent": True}, "wrong_type", "consent"),
        ({"consent": {"statistics": "yes"}}, "bad_format", "consent.statistics"),
        ({"consent": {"statistics": 1}}, "wrong_type", "consent.statistics"),
        ({"consent": {"analytics": True}}, "unknown_field", "consent.analytics"),
        ({"consent": {"updated_at": "then"}}, "bad_time", "consent.updated_at"),
        ({"campaign": {"gclid": "x"}}, "unknown_field", "campaign.gclid"),
        ({"campaign": {"source": "s" * 201}}, "too_long", "campaign.source"),
        ({"properties": []}, "wrong_type", "properties"),
        ({"properties": {"k": []}}, "wrong_type", "properties[...]"),
        ({"properties": {"k": "v" * 501}}, "too_long", "properties[...]"),
        ({"properties": {"k" * 65: 1}}, "too_long", "properties"),
        ({"properties": {"": 1}}, "bad_format", "properties"),
        ({"properties": {str(n): n for n in range(31)}}, "too_long", "properties"),
        ({"event": "page_ping", "scroll_depth": 101}, "out_of_range", "scroll_depth"),
        ({"event": "custom", "name": ""}, "bad_format", "name"),
        # The words of the parser are not to be had by sending them.
        ({"category": "x, unknown field `jane`"}, "bad_format", "category"),
        ({"category": "missing required field `a`"}, "bad_format", "category"),
        ({"category": "x' - at `$.site`"}, "bad_format", "category"),
    ],
)
def test_complaints(fields: dict[str, Any], code: str, field: str) -> None:
    """Each way to be wrong has its code, and the field is named."""
    (answer,) = decode({**GOOD, **fields})

    assert (code, field) == bad(answer)


@pytest.mark.parametrize("missing", ["event", "site"])
def test_required(missing: str) -> None:
    """Name and site are required."""
    (answer,) = decode({key: value for key, value in GOOD.items() if key != missing})

    assert ("missing_field", missing) == bad(answer)


def test_one_bad_among_good() -> None:
    """In a batch the good are kept, in order; the bad say which they are."""
    answers = decode([GOOD, 5, {**GOOD, "urll": 1}, GOOD, {"site": "b.com"}])

    assert [Decoded, Invalid, Invalid, Decoded, Invalid] == [
        type(answer) for answer in answers
    ]
    assert [
        ("not_an_event", 1, ""),
        ("unknown_field", 2, "example.com"),
        ("missing_field", 4, "b.com"),
    ] == [
        (answer.code, answer.index, answer.site)
        for answer in answers
        if isinstance(answer, Invalid)
    ]


# ------------------------------------------------------------------------- the pixel
@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("site=a.com", {"site": "a.com"}),
        ("&site=a.com&&", {"site": "a.com"}),
        ("site=a.com&mailing=May+news%21", {"mailing": "May news!"}),
        ("site=a.com&title=%F0%9F%98%80", {"title": "\U0001f600"}),
        ("site=a.com&title=a=b", {"title": "a=b"}),
        ("site=a.com&title", {"title": ""}),
        ("site=a.com&title=null", {"title": "null"}),
        ("site=a.com&gpc=1", {"gpc": True}),
        ("site=a.com&p.plan=pro&p.n=3", {"properties": {"plan": "pro", "n": "3"}}),
        (f"site=a.com&occurred_at={NOON_MS}", {"occurred_at": NOON_MS}),
    ],
)
def test_query(text: str, fields: dict[str, Any]) -> None:
    """A query is the same event, flat; it is an opened mail unless it says."""
    event = good(query(text))

    assert isinstance(event, EmailOpen)
    assert fields == {name: getattr(event, name) for name in fields}


def test_query_events_and_campaigns() -> None:
    """Other events, numbers and campaign parameters can be said as well."""
    event = good(
        query("event=page_ping&site=a.com&engaged_ms=1500&utm_source=x&utm_id=7")
    )

    assert 1500 == event.engaged_ms
    assert ("x", "7") == (event.campaign.source, event.campaign.id)


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ("", None),
        ("%20", None),
        ("none", (False, False, False, False)),
        ("essential", (False, False, False, False)),
        ("statistics", (False, True, False, False)),
        ("statistics,marketing", (False, True, True, False)),
        ("statistics,%20marketing,", (False, True, True, False)),
        ("preference,precise_location", (True, False, False, True)),
    ],
)
def test_query_consent(words: str, states: tuple[bool, ...] | None) -> None:
    """What is named was granted, what is not was refused; nothing says nothing."""
    claim = good(query(f"site=a.com&consent={words}")).consent

    assert states == (
        claim
        and (
            claim.preference,
            claim.statistics,
            claim.marketing,
            claim.precise_location,
        )
    )


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("", "empty_body", ""),
        ("&", "missing_field", "site"),
        ("mailing=x", "missing_field", "site"),
        ("site=a.com&title=%ff", "bad_query", ""),
        ("site=a.com&title=%c3%28", "bad_query", ""),
        ("site=a.com&title=\udc80", "bad_query", ""),
        ("site=a.com&%ff=1", "bad_query", ""),
        ("site=a.com&title=%", "bad_query", ""),
        ("site=a.com&title=100%", "bad_query", ""),
        ("site=a.com&title=%2", "bad_query", ""),
        ("site=a.com&title=%zz", "bad_query", ""),
        ("site=a.com&site=b.com", "repeated_key", "site"),
        ("site=a.com&site=a.com", "repeated_key", "site"),
        ("site=a.com&s%69te=b.com", "repeated_key", "site"),
        ("site=a.com&Jane=1&Jane=2", "repeated_key", ""),
        ("site=a.com&url=b&url=c&site=d", "repeated_key", "url"),
        ("site=a.com&urll=1", "unknown_field", "urll"),
        ("site=a.com&=1", "unknown_field", ""),
        ("site=a.com&consent=all", "bad_format", "consent"),
        ("site=a.com&consent=statistics;marketing", "bad_format", "consent"),
        ("site=a.com&gpc=maybe", "wrong_type", "gpc"),
        ("site=a.com&properties=x", "wrong_type", "properties"),
        ("site=a.com&p.=1", "bad_format", "properties"),
        ("site=a.com&event=page_ping&engaged_ms=", "wrong_type", "engaged_ms"),
        ("site=a.com&event=page_ping&engaged_ms=nan", "wrong_type", "engaged_ms"),
        (
            "site=a.com&event=web_vital&web_vital_name=LCP&web_vital_value=nan",
            "out_of_range",
            "web_vital_value",
        ),
        (
            "site=a.com&event=location&longitude=0&latitude=inf",
            "out_of_range",
            "latitude",
        ),
        ("site=a.com&occurred_at=" + "9" * 400, "out_of_range", "occurred_at"),
        ("site=a.com&occurred_at=\u00b2", "bad_time", "occurred_at"),
    ],
)
def test_query_complaints(text: str, code: str, field: str) -> None:
    """A pixel's query is refused with the same codes."""
    assert (code, field) == bad(query(text))


@pytest.mark.parametrize("template", ["${GDPR}", "{{x}}", "undefined", "", "%%x%%"])
def test_templates_in_a_consent_object_say_nothing(template: str) -> None:
    """A template that was not filled in is absent, whatever its field is."""
    names = ("gdpr", "coppa", "statistics", "age_band", "gpp", "updated_at", "method")
    body = json.dumps(
        {
            "event": "page_view",
            "site": "example.com",
            "consent": {**dict.fromkeys(names, template), "marketing": True},
        }
    ).encode()
    (found,) = decode_body(body, received_ms=NOON_MS, max_bytes=9999, max_events=1)

    assert isinstance(found, Decoded)
    assert found.event.consent == ConsentClaim(marketing=True)


def test_an_account_is_not_in_a_url() -> None:
    """Who is signed in does not go where proxies and histories keep it."""
    found = decode_query("site=example.com&account=jane", received_ms=NOON_MS)

    assert isinstance(found, Invalid)
    assert (found.code, found.field) == ("unknown_field", "account")
    assert "jane" not in found.message


@given(
    st.text(max_size=30)
    | st.lists(
        st.sampled_from(["%41", "%c3%A9", "%2B", "%", "+", "\\", "\\x41", "é", "%ff"]),
        max_size=6,
    ).map("".join)
)
def test_unquoted(text: str) -> None:
    """Percent-encoding is undone as the standard library does it, only sooner."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return
    try:
        expected = unquote_plus(text, errors="strict")
    except UnicodeError:
        with pytest.raises(UnicodeError):
            unquoted(text)
    else:
        assert unquoted(text) == expected


_PIECES = ["a", "&", "=", "+", " ", "_", "\\", "\n", "\x1e", "\x1f", "é", "\x00"]
_ESCAPES = [
    "%26",
    "%3D",
    "%3d",
    "%2B",
    "%25",
    "%1e",
    "%1F",
    "%1G",
    "%c3%A9",
    "%ff",
    "%",
]


@given(st.lists(st.sampled_from(_PIECES + _ESCAPES), max_size=12).map("".join))
@example("a=x%1Fy&b=%1Ez")
@example("a=x\x1fy&b=\x1ez")
@example("a=b=c&d&=e&&f=%3D")
def test_pairs_of_a_query(text: str) -> None:
    """A query is taken apart as the standard library does it, only sooner."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeError:
        with pytest.raises(UnicodeError):
            _said_in(text)
    else:
        assert _said_in(text) == expected


class _Key(str):
    """A key that counts how often any is compared with another."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _Key.compared += 1
        return str.__eq__(self, other)


def test_thousands_of_keys_are_gone_through_once() -> None:
    """The longest line holds as many; compared in pairs they stop an edge."""
    keys = [_Key(f"k{number}") for number in range(2000)]

    assert "k" == _repeated([*keys, _Key("k"), _Key("k")]).invalid.field
    assert _Key.compared < 100


def test_shared_templates_say_nothing_either() -> None:
    """What the events share is read for templates as what each of them says."""
    shared = {"consent": {"gdpr": "${GDPR}", "marketing": True}}
    own = {**GOOD, "consent": {"gpp": "{{gpp}}", "statistics": True}}

    first, second = decode({**shared, "events": [GOOD, own]})
    assert good(first).consent == ConsentClaim(marketing=True)
    assert good(second).consent == ConsentClaim(statistics=True)


def test_what_events_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large object costs what it costs, and not that for each event with it."""
    asked: list[str] = []

    def counted(text: str) -> bool:
        asked.append(text)
        return is_absent(text)

    monkeypatch.setattr("collector.decode.is_absent", counted)
    texts = {f"k{number}": f"text {number}" for number in range(100)}
    answers = decode({"consent": texts, "events": [GOOD] * 10})

    assert [bad(one) for one in answers] == [("unknown_field", "consent")] * 10
    assert sorted(asked) == sorted(texts.values())


def test_more_fields_than_there_are_refuse_all_events() -> None:
    """No event gets a copy of thousands of fields, one of which must be unknown."""
    names = [f"k{number}" for number in range(len(_FIELDS))]

    answers = decode({**dict.fromkeys(names, 1), "events": [GOOD, GOOD]})
    assert [bad(one) for one in answers] == [("unknown_field", "")] * 2
    with pytest.raises(DecodeError, match="unknown_field: more fields"):
        decode({**dict.fromkeys([*names, "one_more"], 1), "events": [GOOD, GOOD]})


def test_sections_are_bounded_as_a_list_too() -> None:
    """A list of sections is no longer than a text of them can be."""
    said = [*decode({**GOOD, "consent": {"gpp_sid": [7] * 64}})]
    assert good(said[0]).consent.gpp_sid == [7] * 64

    said = [*decode({**GOOD, "consent": {"gpp_sid": [7] * 65}})]
    assert bad(said[0]) == ("too_long", "consent.gpp_sid")


def test_states_are_no_templates() -> None:
    """What is not looked at for macros holds none."""
    assert not any(map(is_absent, _STATES))
