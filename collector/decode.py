"""
Step 2, decode: bytes and headers to events, or to a precise complaint.

No aiohttp types here. Never trusts Content-Type: what clients really send is
sniffed (JSON under text/plain, gzip without a header, JSON called a form).
Every way to be wrong has a code of `schemas.outcome.INVALID`; the message names
the field and never quotes what was in it.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args
from urllib.parse import unquote_plus, unquote_to_bytes

import msgspec
import orjson

from collector.unpack import UnpackError, unpack
from pipeline.clock import MAX_AGE_MS, TimeError, occurred_ms, parse_time
from pipeline.memo import remember
from pipeline.signals.macros import is_absent
from schemas.consent import State
from schemas.event import EVENT_TYPES, AnyEvent, ConsentChoice, Event
from schemas.outcome import Invalid

_PATH = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`\Z")
_NAMED = re.compile(r"field `([^`]*)`")
_PLAIN_NAME = re.compile(r"^[a-z][a-z_]{0,31}\Z")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# ASCII's own separators, in place of & and = while the rest is decoded.
_PAIR, _VALUE = "\x1e", "\x1f"
_JSON = (b"{", b"[")
_CAMPAIGN_KEYS = ("source", "medium", "campaign", "term", "content", "id")
# Signals that a query may carry flat, of the consent object's fields and beside them.
CONSENT_KEYS = frozenset(
    {
        "gdpr",
        "gdpr_consent",
        "gpp",
        "gpp_sid",
        "us_privacy",
        "gcs",
        "gcd",
        "npa",
        "coppa",
        "tfcd",
        "tfua",
        "child",
        "age_band",
        "objection",
        "jurisdiction",
    }
)
# What consent objects mostly say; none of it is a template.
_STATES = frozenset({*get_args(State), "explicit", "implied", "own"})
# Of a query, what most have and stands in the event under the same name.
_PLAIN_KEYS = frozenset(
    {"event", "event_id", "referrer", "site", "title", "url", "visitor"}
)
_CONSENT_WORDS = frozenset(
    {"preference", "statistics", "marketing", "precise_location"}
)
# All names of fields that there are: of more names one is of no event.
_KINDS: tuple[type[Event], ...] = (*EVENT_TYPES.values(), ConsentChoice)
_FIELDS = frozenset({"event"}).union(*(one.__struct_encode_fields__ for one in _KINDS))


class DecodeError(ValueError):
    """The whole request cannot be understood; `invalid` says why."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.invalid = Invalid(code, message, field)


class Decoded(msgspec.Struct, frozen=True):
    """An event with its corrected time, ms since 1970 UTC."""

    event: Event
    occurred_ms: int


def decode_body(  # noqa: PLR0913 - bounds and hints, all of them named
    body: bytes,
    *,
    received_ms: int,
    max_bytes: int,
    max_events: int,
    encoding: str = "",
    max_age_ms: int = MAX_AGE_MS,
    kind: Any = AnyEvent,  # noqa: ANN401 - a type, or a union of types
) -> list[Decoded | Invalid]:
    """
    Decode one event, an array of them, or `{"events": […], …}`.

    Args:
        body: the request's body as on the wire, compressed or not.
        received_ms: when it arrived, ms since 1970 UTC.
        max_bytes: how large it may be when unpacked.
        max_events: how many events it may hold.
        encoding: value of the Content-Encoding header, empty when absent.
        max_age_ms: how long ago an event may have happened.
        kind: what the events may be.

    Returns:
        One entry an event, in order: the good and the bad.

    Raises:
        DecodeError: when nothing of the request can be read.
        OverflowError: when it unpacks to more than `max_bytes`.

    """
    try:
        plain = unpack(body, max_bytes, encoding)
    except UnpackError as error:
        raise DecodeError("bad_encoding", str(error)) from None
    items, shared = _items(_json(plain))
    if len(items) > max_events:
        message = f"at most {max_events} events a request"
        raise DecodeError("too_many_events", message)
    if len(items) == 1:
        return [_event(items[0], shared, 0, received_ms, max_age_ms, kind)]
    return [
        _event(item, shared, index, received_ms, max_age_ms, kind)
        for index, item in enumerate(items)
    ]


def decode_query(query: str, *, received_ms: int) -> Decoded | Invalid:
    """
    Decode the one event that a pixel's raw query string describes.

    Names are those of the JSON form, flat: `utm_source` … for campaign,
    `p.<key>` for a property, `consent=statistics,marketing` for what was granted
    (what is not named was refused; `none` refuses all), and the signals of the
    industry under their normative names (`gdpr`, `gdpr_consent`, `gpp` …), which say
    nothing while their macro is not filled in. `event` is `email_open` unless it is
    given.
    """
    try:
        pairs = _pairs(query)
        item = _from_query(pairs)
    except DecodeError as error:
        return error.invalid
    if "account" in pairs:
        # URLs are kept by proxies, histories and logs.
        message = "an account does not go into a URL"
        return Invalid("unknown_field", message, "account")
    return _event(item, {}, 0, received_ms, strict=False)


def _json(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    if body[:1] not in _JSON:
        body = body.strip()
    if not body:
        message = "the body is empty"
        raise DecodeError("empty_body", message)
    if body.startswith(b"data="):
        body = _form_data(body[5:].partition(b"&")[0])
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's own message may quote the input.
        message = f"is not JSON at character {error.pos}"
        raise DecodeError("not_json", message) from None


def _form_data(value: bytes) -> bytes:
    plain = unquote_to_bytes(value.replace(b"+", b" "))
    if plain.lstrip()[:1] in (b"{", b"["):
        return plain
    try:
        return base64.b64decode(
            plain.replace(b"-", b"+").replace(b"_", b"/") + b"=="[: -len(plain) % 4]
        )
    except binascii.Error:
        message = "data= is neither JSON nor base64"
        raise DecodeError("not_json", message) from None


def _items(content: object) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(content, list):
        return content, {}
    if not isinstance(content, dict):
        message = "an event is a JSON object"
        raise DecodeError("not_an_event", message)
    events = content.get("events")
    if events is None:
        return [content], {}
    if not isinstance(events, list):
        message = "events must be an array"
        raise DecodeError("wrong_type", message, "events")
    # What was read is ours alone: what is left is what the events share.
    del content["events"]
    if len(content) > len(_FIELDS):
        # Each event would get a copy of all of it, to be refused for one.
        message = "more fields beside the events than there are"
        raise DecodeError("unknown_field", message)
    _fill(content)
    return events, content


def _event(  # noqa: PLR0913 - by place: names cost as much as a field
    item: object,
    shared: dict[str, Any],
    index: int,
    received_ms: int,
    max_age_ms: int = MAX_AGE_MS,
    kind: Any = AnyEvent,  # noqa: ANN401 - a type, or a union of types
    *,
    strict: bool = True,
) -> Decoded | Invalid:
    if not isinstance(item, dict):
        return Invalid("not_an_event", "an event is a JSON object", "", index)
    _fill(item)
    if shared:
        item = {**shared, **item}
    if kind is AnyEvent:
        # Of a union msgspec makes its plan anew each time, which costs as much as all
        # the rest; of one kind of event it keeps it.
        named = item.get("event")
        kind = EVENT_TYPES.get(named, AnyEvent) if type(named) is str else AnyEvent
    try:
        event: Event = msgspec.convert(item, kind, strict=strict)
    except msgspec.ValidationError as error:
        site = item.get("site")
        site = site if isinstance(site, str) else ""
        complaint = _complaint(str(error), item, index, site)
        if item.get("synthetic") is True:
            return msgspec.structs.replace(complaint, synthetic=True)
        return complaint
    return _timed(event, index, received_ms, max_age_ms)


def _timed(
    event: Event, index: int, received_ms: int, max_age_ms: int
) -> Decoded | Invalid:
    """Return an event with its time, or what is wrong with the times it says."""
    occurred, sent, claim = event.occurred_at, event.sent_at, event.consent
    field = "occurred_at"
    try:
        if type(occurred) is str:
            occurred = parse_time(occurred)
        if type(sent) is str:
            field = "sent_at"
            sent = parse_time(sent)
        if claim is not None and type(claim.updated_at) is str:
            field = "consent.updated_at"
            parse_time(claim.updated_at)
        field = "occurred_at"
        happened = occurred_ms(occurred, sent, received_ms, max_age_ms)  # type: ignore[arg-type] # no texts any more
    except TimeError as error:
        words = str(error)
        return Invalid("bad_time", words, field, index, event.site, event.synthetic)
    return Decoded(event, happened)


def _fill(item: dict[str, Any]) -> None:
    """Leave out what of a consent object are templates that were not filled in."""
    consent = item.get("consent")
    if type(consent) is dict and _holds_templates(consent):
        item["consent"] = filled(consent)


def _holds_templates(consent: dict[str, Any]) -> bool:
    # A loop, not `any`: nearly all requests come by, and mostly nothing is a text.
    for value in consent.values():
        if type(value) is str and value not in _STATES and is_absent(value):
            return True
    return False


def _complaint(text: str, item: dict[str, Any], index: int, site: str) -> Invalid:
    """Translate msgspec's words into a code, a field and words of our own."""
    found = _PATH.search(text)
    path = found.group(1) if found else ""
    words = text[: found.start()] if found else text
    named = _NAMED.search(words)
    name = named.group(1) if named else ""
    # A key the sender made up may itself be personal data: say it back only if
    # it looks like a field's name.
    shown = name if _PLAIN_NAME.match(name) else ""
    inner = f"{path}.{shown}".strip(".") if shown else path
    if words.startswith("Object contains unknown field"):
        what = f"{shown} is not a field here" if shown else "a field is not known here"
        return Invalid("unknown_field", what, inner, index, site)
    if words.startswith("Object missing required field"):
        return Invalid("missing_field", f"{shown} is required", inner, index, site)
    if path == "event":
        if isinstance(item.get("event"), str):
            known = ", ".join(EVENT_TYPES)
            return Invalid("unknown_event", f"known are: {known}", path, index, site)
        return Invalid("wrong_type", "event must be a text", path, index, site)
    return Invalid(_code(words), _plain(words), path, index, site)


def _code(words: str) -> str:
    if "matching regex" in words or "Invalid enum" in words:
        return "bad_format"
    if "of length" in words:
        return "too_long" if "<=" in words else "bad_format"
    if ">=" in words or "<=" in words or "out of range" in words:
        return "out_of_range"
    return "wrong_type"


def _plain(words: str) -> str:
    if words.startswith("Invalid enum value"):
        return "is not one of the allowed words"
    return words.replace("`", "").replace("Expected", "expected", 1)


def _pairs(query: str) -> dict[str, str]:
    if not query:
        message = "the query is empty"
        raise DecodeError("empty_body", message)
    if _BAD_PERCENT.search(query):
        message = "a % is not followed by two hexadecimal digits"
        raise DecodeError("bad_query", message)
    try:
        # Bytes that nobody percent-encoded come as lone surrogates.
        query.encode()
        said = _said_in(query)
    except UnicodeError:
        raise _not_utf8() from None
    pairs = dict(said)
    if len(pairs) != len(said):
        raise _repeated(key for key, _ in said)
    return pairs


def _repeated(keys: Iterable[str]) -> DecodeError:
    """Name the first key that comes again, in one pass: there may be thousands."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            break
        seen.add(key)
    shown = key if _PLAIN_NAME.match(key) else ""
    return DecodeError("repeated_key", "a key is given twice", shown)


def _said_in(query: str) -> list[tuple[str, str]]:
    """Return the names and values of a query, nothing of it encoded any more."""
    if _PAIR in query or _VALUE in query or "%1" in query:
        # What would be taken for a mark below: each part by itself.
        parts = [part.partition("=") for part in query.split("&") if part]
        return [(unquoted(key), unquoted(value)) for key, _, value in parts]
    marked = query.replace("&", _PAIR).replace("=", _VALUE)
    parts = [part.partition(_VALUE) for part in unquoted(marked).split(_PAIR) if part]
    return [(key, value.replace(_VALUE, "=")) for key, _, value in parts]


def unquoted(text: str) -> str:
    """
    Return a part of a query without its percent-encoding, as `unquote_plus` does.

    Python's own way goes through each escape in Python. Quoted-printable (RFC 2045)
    has the same escapes after another sign, and is read in C.

    Args:
        text: in which each % is followed by two hexadecimal digits.

    Raises:
        UnicodeError: when what was encoded is not UTF-8.

    """
    if "=" in text or not text.isascii():
        return unquote_plus(text, errors="strict")
    return binascii.a2b_qp(text.replace("+", " ").replace("%", "=")).decode()


def _not_utf8() -> DecodeError:
    return DecodeError("bad_query", "the query is not UTF-8")


def _from_query(pairs: dict[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = {"event": "email_open", **pairs}
    flat = [key for key in pairs if key not in _PLAIN_KEYS]
    return item | _nested({key: item.pop(key) for key in flat}) if flat else item


def _nested(pairs: dict[str, str]) -> dict[str, Any]:
    """Return what in a query stands flat and in the event in an object, and times."""
    item: dict[str, Any] = {}
    campaign: dict[str, str] = {}
    consent: dict[str, Any] = {}
    properties: dict[str, str] = {}
    for key, value in pairs.items():
        if key == "consent":
            consent |= _granted(value)
        elif key in CONSENT_KEYS:
            # A template that was not filled in says nothing, neither yes nor no.
            consent |= {} if is_absent(value) else consent_pair(key, value)
        elif key.startswith("p."):
            properties[key[2:]] = value
        elif key.startswith("utm_") and key[4:] in _CAMPAIGN_KEYS:
            campaign[key[4:]] = value
        elif key in ("occurred_at", "sent_at") and value.isdecimal():
            item[key] = int(value[:16])
        else:
            item[key] = value
    if campaign:
        item["campaign"] = campaign
    if consent:
        item["consent"] = consent
    if properties:
        item["properties"] = properties
    return item


def filled(consent: dict[str, Any]) -> dict[str, Any]:
    """Return a consent object without the templates that were not filled in."""
    return {key: value for key, value in consent.items() if not _is_template(value)}


def _is_template(value: object) -> bool:
    return isinstance(value, str) and is_absent(value)


def consent_pair(key: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON or text
    """Return what a flat signal says, as fields of the consent object."""
    # Names of Google's and of OpenRTB's tags for what we call otherwise.
    if key in ("tfcd", "tfua"):
        return {"coppa": True} if value in ("1", 1) else {}
    if key == "npa":
        return {"marketing": False} if value in ("1", 1) else {}
    return {key: value}


@remember(512)
def _granted(words: str) -> Mapping[str, bool]:
    """
    Return what a list of categories grants, and that it refuses the others.

    A template that was not filled in says nothing.
    """
    if is_absent(words):
        return {}
    given = {word.strip() for word in words.split(",")} - {"", "none", "essential"}
    for word in given - _CONSENT_WORDS:
        shown = word if _PLAIN_NAME.match(word) else "a word"
        message = f"{shown} is not a consent category"
        raise DecodeError("bad_format", message, "consent")
    return {word: word in given for word in sorted(_CONSENT_WORDS)}
