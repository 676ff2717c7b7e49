"""Addresses of devices in free text: IPv4, IPv6, and those of network cards."""

import re
import socket
from collections.abc import Iterator

from pipeline.redaction.spans import Detector, Span

_MAX_OCTET = 255
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
# Dotted, but in hexadecimal or octal as some programs read them.
_ODD_V4 = re.compile(r"(?<!\w)0[xX][0-9A-Fa-f]{1,2}(?:\.(?:0[xX])?[0-9A-Fa-f]{1,3}){3}")
# With hyphens only where a host's name goes on behind it, as providers name lines.
_HOST_V4 = re.compile(
    r"(?<![0-9])([0-9]{1,3})[-_]([0-9]{1,3})[-_]([0-9]{1,3})[-_]([0-9]{1,3})"
    r"(?=\.[A-Za-z])"
)
# A bare number is an address only where a word says so.
_NAMED = re.compile(
    r"(?<![a-z])(?:ip|ipv4|ip_?addr(?:ess)?|client_?ip|remote_?addr|peer|inet)"
    r"[\s:=#\"'(\[_-]{1,4}(0x[0-9a-f]{6,8}|[0-9]{8,10}"
    r"|[0-9]{1,3}(?:[-_][0-9]{1,3}){3})(?![\w])",
    re.IGNORECASE,
)
# A colon before the first group is a word's: "peer:2001:db8::7".
_COLONS = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f:]{2,40}(?:(?:\.[0-9]{1,3}){3})?(?!\w)"
    r"|(?<=[G-Zg-z_]):[0-9A-Fa-f:]{2,40}(?:(?:\.[0-9]{1,3}){3})?(?!\w)"
)
_DIGIT = re.compile(r"[0-9]")
_FEWEST_COLONS = 2
_MAC = re.compile(
    r"(?<!\w)(?<!\b[0-9A-Fa-f]{2}[:-])[0-9A-Fa-f]{2}([:-])"
    r"(?:[0-9A-Fa-f]{2}\1){4,30}[0-9A-Fa-f]{2}(?!\w)"
)
_DOTTED_MAC = re.compile(
    r"(?<![\w.])(?=[0-9.]*[a-f])(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?!\w|\.\w)",
    re.IGNORECASE,
)


def _find_ipv4(text: str) -> Iterator[Span]:
    for match in _IPV4.finditer(text):
        if all(int(octet) <= _MAX_OCTET for octet in match[0].split(".")):
            yield *match.span(), "ip"


def _find_odd_ipv4(text: str) -> Iterator[Span]:
    for match in _ODD_V4.finditer(text):
        yield *match.span(), "ip"


def _find_host_ipv4(text: str) -> Iterator[Span]:
    for match in _HOST_V4.finditer(text):
        if all(int(octet) <= _MAX_OCTET for octet in match.groups()):
            yield *match.span(), "ip"


def _find_named_ip(text: str) -> Iterator[Span]:
    for match in _NAMED.finditer(text):
        yield *match.span(1), "ip"


def _find_ipv6(text: str) -> Iterator[Span]:
    for match in _COLONS.finditer(text):
        candidate, start = match[0], match.start()
        if candidate[0] == ":" and candidate[1] != ":":
            candidate, start = candidate[1:], start + 1
        if not candidate.endswith("::"):
            # A colon after the address is punctuation.
            candidate = candidate.rstrip(":")
        # "::" and "fade::bad" are code far more often than addresses.
        if candidate.count(":") >= _FEWEST_COLONS and _DIGIT.search(candidate):
            try:
                socket.inet_pton(socket.AF_INET6, candidate)
            except OSError:
                continue
            yield start, start + len(candidate), "ip"


def _find_macs(text: str) -> Iterator[Span]:
    for match in _MAC.finditer(text):
        yield *match.span(), "mac"


def _find_dotted_macs(text: str) -> Iterator[Span]:
    for match in _DOTTED_MAC.finditer(text):
        yield *match.span(), "mac"


DETECTORS = (
    Detector(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _find_ipv4),
    Detector(r"0[xX][0-9A-Fa-f]{1,2}\.", _find_odd_ipv4),
    Detector(
        r"[0-9][-_][0-9]{1,3}[-_][0-9]{1,3}[-_][0-9]{1,3}\.[A-Za-z]", _find_host_ipv4
    ),
    Detector(
        r"(?i)(?:ip|ipv4|addr|address|peer|inet)[\s:=#\"'(\[_-][^a-z]{0,3}[0-9]",
        _find_named_ip,
    ),
    Detector(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]", _find_macs),
    Detector(r"::|:(?:[0-9A-Fa-f]{1,4}:){3}", _find_ipv6),
    Detector(r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}", _find_dotted_macs),
)
