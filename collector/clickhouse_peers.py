"""
Who asks through ClickHouse's HTTP interface: a program on this machine, a page of
another site in its browser, or someone with credentials.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

from aiohttp import BasicAuth
from yarl import URL

_OWN_NAMES: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_OWN_PAGES: Final = frozenset({"", "none", "same-origin"})


def foreign_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser sends this for a page of another site."""
    if headers.get("Sec-Fetch-Site", "") not in _OWN_PAGES:
        return True
    origin = headers.get("Origin", "")
    return bool(origin) and origin != f"http://{headers.get('Host', '')}"


def same_machine(peer: str | None, host: str) -> bool:
    """
    Whether a request comes from this machine and was meant for it.

    A page can let its own name point here; then `host` is that name.
    """
    return _is_loopback(peer) and _host_name(host) in _OWN_NAMES


def credentials(
    headers: Mapping[str, str], fields: Mapping[str, str]
) -> tuple[str, str]:
    """Return user and password; '' and the token for a bearer's."""
    scheme, _, secret = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return "", secret.strip()
    if scheme.lower() == "basic":
        try:
            basic = BasicAuth.decode(headers["Authorization"], encoding="utf-8")
        except ValueError:
            return "", ""
        return basic.login, basic.password
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    return fields.get("user", "default"), fields.get("password", "")


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        # A Unix socket has no address; who may open it is the file's matter.
        return not peer
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _host_name(host: str) -> str:
    try:
        return URL(f"http://{host}").host or ""
    except ValueError:
        return ""
