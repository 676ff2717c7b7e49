"""Secrets and identifiers in free text: tokens, keys, passwords, UUIDs."""

import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int, str]

_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_UUID_SIGN = re.compile(r"-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-")
_RUN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{16,}")
_KNOWN = re.compile(
    r"eyJ[\w-]{5,}|(?:sk|pk|rk)_(?:live|test)_\w{8,}|sk-[\w-]{16,}|gh[opsur]_\w{16,}"
    r"|github_pat_\w{16,}|glpat-[\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|xox[abeprs]-[\w-]{8,}|AIza[\w-]{20,}|npm_\w{20,}|shp(?:at|ca|pa|ss)_\w{16,}"
    r"|dop_v1_\w{16,}|SG$|hf_\w{20,}"
)
_TOKEN_REST = re.compile(r"[A-Za-z0-9_+=-]*(?:\.[A-Za-z0-9_+=-]{3,})*={0,2}")
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_MIN_RANDOM = 20
_MIN_SEGMENT = 16

_BEARER = re.compile(r"\b(?:bearer|basic)\s+([\w.~+/-]{16,}={0,2})", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|credentials?|api[_-]?key|"
    r"access[_-]key|accesskeyid|private[_-]?key)[\w-]{0,16}[\"']?\s?[:=]\s?[\"']?"
    r"([^\s\"'&,;]{1,256})",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:token|session[_-]?id|sessid|csrf|signature|otp)[\"']?\s?[:=]\s?[\"']?"
    r"([\w.~+/-]{6,256}={0,2})",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"[0-9]")
# A pattern that ignores case is slow; these say whether it could match at all.
_ASSIGNED_SIGNS = ("pass", "pwd", "secret", "credential", "key")
_NUMBERED_SIGNS = ("token", "sess", "csrf", "signature", "otp")
_BEARER_SIGNS = ("bearer", "basic")
_PEM = "-----BEGIN"


def find_tokens(text: str) -> Iterator[Span]:
    """Mark what opens a door or names one thing in the world."""
    if _UUID_SIGN.search(text) is not None:
        for match in _UUID.finditer(text):
            yield *match.span(), "id"
    for run in _RUN.finditer(text):
        yield from _find_in_run(text, run)
    yield from _find_secrets(text, text.lower())
    start = text.find(_PEM)
    if start >= 0 and "PRIVATE KEY" in text:
        yield start, len(text), "key"


def _find_secrets(text: str, lower: str) -> Iterator[Span]:
    if any(sign in lower for sign in _ASSIGNED_SIGNS):
        for match in _ASSIGNED.finditer(text):
            yield *match.span(1), "secret"
    if any(sign in lower for sign in _NUMBERED_SIGNS):
        for match in _NUMBERED.finditer(text):
            if _DIGIT.search(match[1]):
                yield *match.span(1), "secret"
    if any(sign in lower for sign in _BEARER_SIGNS):
        for match in _BEARER.finditer(text):
            if _DIGIT.search(match[1]) or match[1].endswith("="):
                yield *match.span(1), "token"


def _find_in_run(text: str, run: re.Match[str]) -> Iterator[Span]:
    known = _KNOWN.search(run[0])
    if known is not None:
        start = run.start() + known.start()
        rest = _TOKEN_REST.match(text, run.end())
        yield start, rest.end() if rest else run.end(), "token"
        return
    if len(run[0]) < _MIN_RANDOM or _DIGIT.search(run[0]) is None:
        return
    segments = list(_SEGMENT.finditer(run[0]))
    done = 0
    for index, segment in enumerate(segments):
        if (
            segment.end() > done
            and len(segment[0]) >= _MIN_SEGMENT
            and _is_random(segment[0])
        ):
            first, done = _widen(segments, index)
            yield run.start() + first, run.start() + done, "token"


def _widen(segments: list[re.Match[str]], index: int) -> tuple[int, int]:
    """Take along the neighbours of a random segment that are no words either."""
    first = last = index
    while first > 0 and not _WORD.fullmatch(segments[first - 1][0]):
        first -= 1
    while last + 1 < len(segments) and not _WORD.fullmatch(segments[last + 1][0]):
        last += 1
    return segments[first].start(), segments[last].end()


def _is_random(segment: str) -> bool:
    """
    Tell whether letters and digits alternate as no word or model number does.

    Of twenty random letters and digits about five neighbours are a digit and a
    letter, of hexadecimal ones nine; "iphone15pro128gb" has four of fifteen.
    """
    kinds = [0 if char.isdigit() else 1 if char.islower() else 2 for char in segment]
    turns = [(one == 0) != (two == 0) for one, two in pairwise(kinds)]
    cases = [one != two for one, two in pairwise(kinds)]
    width = min(len(turns), _MIN_RANDOM - 1)
    return any(
        _mixes(sum(turns[at : at + width]), sum(cases[at : at + width]), width)
        for at in range(0, len(turns) - width + 1, 4)
    )


def _mixes(turns: int, cases: int, width: int) -> bool:
    return turns * 4 > width or (turns > 1 and cases * 2 > width)
