"""Hosts that spell an address, as providers name their customers' lines."""

import re

_SIGN = re.compile(r"[0-9]")
_QUAD = re.compile(
    r"(?<![0-9])(?=([0-9]{1,3})[._-]([0-9]{1,3})[._-]([0-9]{1,3})[._-]([0-9]{1,3})"
    r"(?![0-9]))"
)
_GROUPS = re.compile(
    r"(?<![0-9a-z])(?!xn--)(?=[a-f-]*[0-9])"
    r"(?:(?:[0-9a-f]{1,4}-){7}[0-9a-f]{1,4}"
    r"|(?=[0-9a-f-]*--)[0-9a-f]{1,4}(?:--?[0-9a-f]{1,4}){2,6})(?![0-9a-z])"
)
# Eight hexadecimal or twelve decimal digits are an address only where the rest of
# the host says that it names lines: "cafe2025.example" does not.
_LINE = re.compile(r"dip|dyn|dsl|dhcp|pool|ppp|cable|cust|ipconnect|broadband")
_PACKED = re.compile(
    r"(?<![0-9a-z])[a-z]{0,4}?-?(?:(?=[a-f]{0,7}[0-9])[0-9a-f]{8}|[0-9]{12})(?![0-9a-z])"
)
_MAX_OCTET = 255
_FEWEST_HYPHENS = 2


def redact_host(host: str) -> str:
    """Return a host with "[ip]" for the labels in which an address is spelled."""
    if _SIGN.search(host) is None:
        return host
    spans = [
        (match.start(), match.end(4))
        for match in _QUAD.finditer(host)
        if all(int(octet) <= _MAX_OCTET for octet in match.groups())
    ]
    if host.count("-") >= _FEWEST_HYPHENS:
        spans += [match.span() for match in _GROUPS.finditer(host)]
    if _LINE.search(host) is not None:
        spans += [match.span() for match in _PACKED.finditer(host)]
    return _cut_labels(host, spans) if spans else host


def _cut_labels(host: str, spans: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    position = 0
    for start, end in sorted(spans):
        first = host.rfind(".", 0, start) + 1
        last = host.find(".", end)
        if first >= position:
            parts += (host[position:first], "[ip]")
        position = max(position, len(host) if last < 0 else last)
    return "".join((*parts, host[position:]))
