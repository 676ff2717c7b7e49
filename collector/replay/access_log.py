"""
Access logs in the combined form of nginx and Apache, made into page views.

    198.51.100.7 - - [23/Nov/2026:10:00:00 +0100] "GET /a?b HTTP/1.1" 200 51 "from" "by"

Time, path, referrer and agent are taken; of the address the network, as what comes out
of this file is truncated already. Who was logged in is not read.
"""

import posixpath
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from collector.replay.request import Reader, Request, SourceError, Unsent
from pipeline.address import truncate

_QUOTED: Final = rb'"((?:[^"\\]|\\.)*)"'
# A virtual host may stand before the address (Apache's vhost_combined).
_LINE: Final = re.compile(
    rb"(?:[^\s:]+:\d+ )?(\S+) \S+ \S.*? "
    rb"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] "
    + _QUOTED
    + rb" (\d{3}) (?:\d+|-) "
    + _QUOTED
    + b" "
    + _QUOTED
)
_ESCAPE: Final = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1
    )
}
_SHOWN: Final = frozenset({b"200", b"206", b"304"})
# What a path of a page may end in; without an ending it is one.
_PAGES: Final = frozenset({"", ".html", ".htm", ".php", ".asp", ".aspx", ".jsp"})
_LONGEST: Final = 4096


def is_access_log(line: bytes) -> bool:
    """Say if a line has the combined form."""
    return _LINE.match(line) is not None


def log_reader(site: str) -> Reader:
    """
    Return what reads the lines of an access log.

    Args:
        site: whose log it is, since the log itself does not say.

    Raises:
        SourceError: when that is not said.

    """
    if not site:
        message = "an access log does not say whose it is: name the site with --site"
        raise SourceError("no_site", message)

    def read(line: bytes) -> Iterator[Request | Unsent]:
        found = _LINE.match(line)
        if found is None:
            yield Unsent("broken_line")
            return
        yield _request(found, site)

    return read


def _request(found: re.Match[bytes], site: str) -> Request | Unsent:
    method, _, rest = found[11].partition(b" ")
    target = _text(rest.partition(b" ")[0])
    if method != b"GET":
        return Unsent("method")
    if found[12] not in _SHOWN:
        return Unsent("status")
    path = target.partition("?")[0]
    ending = posixpath.splitext(path)[1].lower()
    if not path.startswith("/") or ending not in _PAGES:
        return Unsent("not_a_page")
    try:
        at_ms = _ms(found)
    except (KeyError, ValueError):
        return Unsent("broken_line")
    event: dict[str, Any] = {
        "event": "page_view",
        "site": site,
        "url": f"https://{site}{target}"[:_LONGEST],
    }
    referrer, agent = _text(found[13]), _text(found[14])
    if referrer not in ("", "-"):
        event["referrer"] = referrer[:_LONGEST]
    return Request(
        at_ms=at_ms,
        events=[event],
        headers={}
        if agent in ("", "-") or not agent.isprintable()
        else {"User-Agent": agent},
        address=truncate(found[1].decode("ascii", "replace")),
    )


def _ms(found: re.Match[bytes]) -> float:
    day, year, hour, minute, second = (int(found[n]) for n in (2, 4, 5, 6, 7))
    away = timedelta(hours=int(found[9]), minutes=int(found[10]))
    zone = timezone(-away if found[8] == b"-" else away)
    month = _MONTHS[found[3]]
    moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    return moment.astimezone(UTC).timestamp() * 1000


def _text(escaped: bytes) -> str:
    plain = _ESCAPE.sub(
        lambda one: bytes((int(one[1], 16),)) if one[1] else one[2], escaped
    )
    return plain.decode("utf-8", "replace")
