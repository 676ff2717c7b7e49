"""
Whether a listener of ours answers: one GET over a plain socket.

`kastana serve` asks its children while they start, and itself starts in half the time
without a client for HTTP.
"""

import asyncio

from collector.address import split

_OK = b"HTTP/1.1 200 "


async def answers(address: str, path: str) -> bool:
    """
    Say if the listener on an address answers a path with 200.

    Args:
        address: `host:port` as in the settings.
        path: from the first slash on.

    """
    host, port = split(address)
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        ask = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        writer.write(ask.encode())
        return (await reader.readline()).startswith(_OK)
    except OSError:
        return False
    finally:
        writer.close()
