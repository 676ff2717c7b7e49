"""
Page views of other collectors' trackers, made into ours: address, referrer, title,
language, time zone, screen, agent. Nothing else of them is taken: no ids, no traits.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

# From the names of a vendor to ours, where a text is taken as it is.
Names = Mapping[str, str]
_LIMITS: Final = {"url": 4096, "referrer": 4096, "title": 512, "language": 35}
_LIMIT: Final = 64

_MATOMO: Final = {"url": "url", "urlref": "referrer", "action_name": "title"}
_PLAUSIBLE: Final = {"u": "url", "r": "referrer", "url": "url", "referrer": "referrer"}
_UMAMI: Final = {name: name for name in ("url", "referrer", "title", "language")}
_POSTHOG: Final = {
    "$current_url": "url",
    "$referrer": "referrer",
    "title": "title",
    "$browser_language": "language",
    "$timezone": "time_zone",
    "$raw_user_agent": "user_agent",
}
_SEGMENT: Final = {"url": "url", "referrer": "referrer", "title": "title"}
_CONTEXT: Final = {
    "locale": "language",
    "timezone": "time_zone",
    "userAgent": "user_agent",
}
_SNOWPLOW: Final = {
    "url": "url",
    "refr": "referrer",
    "page": "title",
    "lang": "language",
    "tz": "time_zone",
}
_GOOGLE: Final = {"dl": "url", "dr": "referrer", "dt": "title", "ul": "language"}
_GOOGLE_SERVER: Final = {
    "page_location": "url",
    "page_referrer": "referrer",
    "page_title": "title",
    "language": "language",
}

View = dict[str, Any]


def page_views(path: str, query: str, body: bytes) -> list[View] | str:
    """
    Return the page views of another collector's request, or why there are none.

    Args:
        path: where it went, as on the wire.
        query: its raw query string.
        body: its body, unpacked.

    Returns:
        Events of our wire form without a site, some with a `user_agent`; or a reason
        of `UNSENT`.

    """
    for ending, reader in _READERS:
        if path.rstrip("/").endswith(ending):
            try:
                found = [view for view in reader(query, body) if view.get("url")]
            except (TypeError, ValueError, AttributeError, KeyError):
                return "broken_line"
            return found or "no_page_view"
    return "foreign_format"


def _view(names: Names, said: Mapping[str, Any], screen: object = None) -> View:
    view: View = {"event": "page_view"}
    for theirs, ours in names.items():
        value = said.get(theirs)
        if isinstance(value, str) and value and value != "$direct":
            view[ours] = value[: _LIMITS.get(ours, _LIMIT)]
            if ours == "user_agent":
                view[ours] = value[:2048]
    if isinstance(screen, str) and _is_size(screen):
        view["screen"] = screen
    return view


def _is_size(text: str) -> bool:
    width, _, height = text.partition("x")
    return all(part.isdecimal() and len(part) <= 5 for part in (width, height))  # noqa: PLR2004 - the wire's own bound


def _pairs(query: str | bytes) -> dict[str, str]:
    text = query.decode() if isinstance(query, bytes) else query
    return dict(parse_qsl(text.removeprefix("?"), keep_blank_values=True))


def _matomo(query: str, body: bytes) -> Iterator[View]:
    said: Iterable[dict[str, str]] = [_pairs(query)]
    if body.lstrip().startswith(b"{"):
        said = [_pairs(one) for one in orjson.loads(body)["requests"]]
    elif body:
        said = [_pairs(query) | _pairs(body)]
    for one in said:
        # A ping, an event or a click names a page too, but is no view of it.
        if "action_name" in one and not one.keys() & {"ca", "e_c", "link", "ping"}:
            yield _view(_MATOMO, one, one.get("res"))


def _plausible(_query: str, body: bytes) -> Iterator[View]:
    said = orjson.loads(body)
    if said.get("n", said.get("name")) == "pageview":
        yield _view(_PLAUSIBLE, said)


def _umami(_query: str, body: bytes) -> Iterator[View]:
    said = orjson.loads(body)
    payload = said["payload"]
    if said.get("type") == "event" and not payload.get("name"):
        view = _view(_UMAMI, payload, payload.get("screen"))
        if view.get("url", "").startswith("/"):
            view["url"] = f"https://{payload['hostname']}{view['url']}"
        yield view


def _posthog(_query: str, body: bytes) -> Iterator[View]:
    for one in _batch(_json(body)):
        if one.get("event") == "$pageview":
            said = one["properties"]
            size = f"{said.get('$screen_width')}x{said.get('$screen_height')}"
            yield _view(_POSTHOG, said, size)


def _segment(_query: str, body: bytes) -> Iterator[View]:
    for one in _batch(orjson.loads(body)):
        if one.get("type") == "page":
            context = one.get("context") or {}
            screen = context.get("screen") or {}
            size = f"{screen.get('width')}x{screen.get('height')}"
            yield {
                **_view(_CONTEXT, context),
                **_view(_SEGMENT, one.get("properties") or {}, size),
            }


def _batched(query: str, body: bytes) -> Iterator[View]:
    """Read what two vendors send to one path: Segment's events have a type."""
    items = _batch(_json(body))
    reader = _segment if any("type" in one for one in items) else _posthog
    yield from reader(query, body)


def _snowplow(query: str, body: bytes) -> Iterator[View]:
    said = orjson.loads(body)["data"] if body else [_pairs(query)]
    for one in said:
        if one.get("e") == "pv":
            yield _view(_SNOWPLOW, one, one.get("res"))


def _google(query: str, body: bytes) -> Iterator[View]:
    shared = _pairs(query)
    for line in body.splitlines() or [b""]:
        one = {**shared, **_pairs(line)}
        if one.get("en") == "page_view":
            yield _view(_GOOGLE, one, one.get("sr"))


def _google_server(_query: str, body: bytes) -> Iterator[View]:
    for one in orjson.loads(body)["events"]:
        if one.get("name") == "page_view":
            yield _view(_GOOGLE_SERVER, one["params"])


def _json(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not body.startswith(b"data="):
        return orjson.loads(body)
    plain = dict(parse_qsl(body.decode()))["data"]
    if plain.lstrip().startswith(("{", "[")):
        return orjson.loads(plain)
    try:
        return orjson.loads(base64.b64decode(plain))
    except binascii.Error as error:
        raise ValueError from error


def _batch(said: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - whatever JSON holds
    if isinstance(said, list):
        return said
    found: list[dict[str, Any]] = said.get("batch") or [said]
    return found


# By how the path ends; the first that fits. /v1/p is Segment's own short form.
_READERS: Final[tuple[tuple[str, Callable[[str, bytes], Iterable[View]]], ...]] = (
    ("/matomo.php", _matomo),
    ("/piwik.php", _matomo),
    ("/api/event", _plausible),
    ("/api/send", _umami),
    ("/debug/mp/collect", _google_server),
    ("/mp/collect", _google_server),
    ("/g/collect", _google),
    ("/v0/e", _posthog),
    ("/e", _posthog),
    ("/capture", _posthog),
    ("/batch", _batched),
    ("/v1/page", _segment),
    ("/v1/p", _segment),
    ("/tp2", _snowplow),
    ("/i", _snowplow),
)
