"""URLs and file paths in free text: queries, credentials, a user's name."""

import re
from collections.abc import Iterator

from pipeline.redaction.spans import Detector, Span

# Matches with and without a query, so that no part of a URL is looked at twice.
_URL = re.compile(r"""://[^\s<>"'`?#]*([?#][^\s<>"'`]*)?""")
_QUERY = re.compile(r"""\?[\w\[\].%+-]{1,64}=[^\s<>"'`]*""")
_AUTH = re.compile(r"""//[^\s/?#"'<>]{1,256}@""")
_POSITION = re.compile(r"(?::\d{1,6})?(?::\d{1,7})\)*[.,;]?$|\)+[.,;]?$")
_POSITION_LENGTH = 24
_USER_PATH = re.compile(
    r"/home/([^\s/:\"'<>|]{1,64})(?=/)"
    r"|(?:/Users/|[A-Za-z]:[\\/]{1,2}Users[\\/]{1,2})"
    r"([^\\/:\"<>|\r\n]{1,64}(?=[\\/])|[^\s\\/:\"<>|]{1,64})"
)


def _find_credentials(text: str) -> Iterator[Span]:
    for auth in _AUTH.finditer(text):
        yield auth.start() + 2, auth.end() - 1, "auth"


def _find_urls(text: str) -> Iterator[Span]:
    """Mark queries and fragments of whole URLs."""
    for url in _URL.finditer(text):
        if url.lastindex:
            yield url.start(1), _before_position(text, *url.span(1)), "query"


def _find_queries(text: str) -> Iterator[Span]:
    for query in _QUERY.finditer(text):
        yield query.start(), _before_position(text, *query.span()), "query"


def _before_position(text: str, start: int, end: int) -> int:
    """Return where a query ends, leaving a stack trace its line and column."""
    floor = max(start, end - _POSITION_LENGTH)
    position = _POSITION.search(text[floor:end])
    return end if position is None else floor + position.start()


def _find_user_paths(text: str) -> Iterator[Span]:
    for match in _USER_PATH.finditer(text):
        group = match.lastindex or 1
        yield match.start(group), match.end(group), "user"


DETECTORS = (
    Detector(r"//[^\s/?#\"'<>]+@", _find_credentials),
    Detector(r"://[^\s<>\"'`?#]*[?#]", _find_urls, in_paths=False),
    Detector(r"\?[\pL\pN_\[\].%+-]+=", _find_queries, in_paths=False),
    Detector(r"/home/|Users[\\/]", _find_user_paths, in_paths=False),
)
