"""
Importing aiohttp without the machine's certificate authorities.

aiohttp reads them twice when it is imported, for a client that no process here uses
over TLS: 0.1 to 0.2 s of each start, and a list of authorities that a public process
has no need to trust. The store's client reads them for itself.
"""

import os

_NAMED_BY = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def import_aiohttp() -> None:
    """Import aiohttp; its own client trusts nobody from then on."""
    before = {name: os.environ.get(name) for name in _NAMED_BY}
    os.environ.update(dict.fromkeys(_NAMED_BY, os.devnull))
    try:
        import aiohttp.web  # noqa: F401, PLC0415 - while the names lead nowhere
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
