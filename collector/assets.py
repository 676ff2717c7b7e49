"""
The tracker's files: `/k.js`, `/k-consent.js`, `/k-vitals.js`, and a twin of each under
its hash.

No answer here depends on who asks: what is in a public cache must be the same
for everyone.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]

_HASH_CHARACTERS = 16
_HOUR = "public, max-age=3600"
_FOR_EVER = "public, max-age=31536000, immutable"
NAMES = ("k.js", "k-consent.js", "k-vitals.js")


class AssetError(Exception):
    """The tracker was not built."""


class Asset(msgspec.Struct, frozen=True):
    """A file's bytes, compressed bytes and hash."""

    content: bytes
    packed: bytes
    digest: str


def load_asset(name: str) -> Asset:
    """
    Read a built file of the tracker.

    Raises:
        AssetError: when it was not built.

    """
    path = resources.files("collector").joinpath("tracker", "dist", name)
    if not path.is_file():
        message = f"the tracker's {name} is missing; `make tracker` builds it"
        raise AssetError(message)
    content = path.read_bytes()
    return Asset(
        content,
        gzip.compress(content, 9, mtime=0),
        hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS],
    )


def versioned(name: str, asset: Asset) -> str:
    """Return the name that never changes its content: `k.<hash>.js`."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{asset.digest}.{suffix}"


def routes() -> list[web.RouteDef]:
    """Return the routes of all tracker files."""
    found = []
    for name in NAMES:
        asset = load_asset(name)
        found.append(web.get(f"/{name}", _handler(asset, _HOUR)))
        found.append(web.get(f"/{versioned(name, asset)}", _handler(asset, _FOR_EVER)))
    return found


def _handler(asset: Asset, cache: str) -> Handler:
    etag = f'"{asset.digest}"'
    common = {
        "Cache-Control": cache,
        "ETag": etag,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }

    async def handle(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match", "") in (etag, f"W/{etag}"):
            return web.Response(status=304, headers=common)
        headers = {**common, "Content-Type": "text/javascript; charset=utf-8"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=asset.packed, headers=headers)
        return web.Response(body=asset.content, headers=headers)

    return handle
