"""
Answers whose bytes are ready: what most requests get, without making a header twice.

To the server library an answer is an object with a dictionary of headers, which it
fills, sorts out and writes for each request; that costs as much as a third of an event.
Here a whole answer is made once, and all that changes is the date, and whether the
connection goes on.
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import HttpVersion, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from pipeline.memo import Memory

_CLOSE = b"Connection: close\r\n"
_KEEP = b"Connection: keep-alive\r\n"
_dated: tuple[int, bytes] = (0, b"")


class Block:
    """The bytes of an answer before its date and after it."""

    __slots__ = ("body", "end", "head", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """
        Write the answer.

        Args:
            status: of the answer.
            headers: all of them but Content-Length, Date and Connection; without line
                breaks.
            body: may be empty.

        Raises:
            ValueError: when a line break would make two headers of one.

        """
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            message = "a line break in a header"
            raise ValueError(message)
        self.status = status
        # An origin is said back as it came, in whatever bytes that was.
        text = "\r\n".join([*lines, "Date: "])
        self.head = text.encode("utf-8", "surrogateescape")
        self.end = b"Content-Length: %d\r\n\r\n" % len(body)
        self.body = body

    def written(self, version: HttpVersion, *, goes_on: bool) -> bytes:
        """
        Return the answer as it stands on the wire now.

        Args:
            version: of HTTP, the client's.
            goes_on: if the connection does after it.

        """
        said = b""
        if not goes_on:
            said = _CLOSE
        elif version < HttpVersion11:
            said = _KEEP
        return b"".join((self.head, _date(), said, self.end, self.body))


class Ready(web.StreamResponse):
    """
    A block on its way to one client; of the library's answer only what it asks for.

    Attributes:
        block: the bytes.

    """

    def __init__(self, block: Block) -> None:
        """Make the answer; what the inherited one would prepare is not needed."""
        self.block = block
        self._status = block.status
        self._keep_alive = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """
        Write the answer.

        Raises:
            ConnectionResetError: when the client is gone.

        """
        transport = request.transport
        if transport is None:
            gone = "the client is gone"
            raise ConnectionResetError(gone)
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        whole = self.block.written(request.version, goes_on=self._keep_alive)
        if request.method == "HEAD" and self.block.body:
            whole = whole[: -len(self.block.body)]
        transport.write(whole)
        # Who does not read its answers gets no more of them.
        await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: it was written as one."""


_BLOCKS: Memory[Block] = Memory(4096)


def answer(status: int, headers: Mapping[str, str], body: bytes) -> Ready:
    """Return an answer; its bytes are made once. Arguments as of `Block`."""
    key = hash((status, body, *headers, *headers.values()))
    block = _BLOCKS.get(key)
    if block is None:
        block = _BLOCKS.put(key, Block(status, headers, body))
    return Ready(block)


def block_of(response: web.StreamResponse) -> Block:
    """
    Return the bytes of an answer, of the library's own kind or ready.

    Raises:
        TypeError: when its body is not there at once.
        ValueError: when a line break would make two headers of one.

    """
    if isinstance(response, Ready):
        return response.block
    if not isinstance(response, web.Response):
        message = "an answer that is written bit by bit"
        raise TypeError(message)
    body = response.body
    if not isinstance(body, bytes | None):
        message = "a body that is not bytes"
        raise TypeError(message)
    return Block(response.status, response.headers, body or b"")


def _date() -> bytes:
    global _dated  # noqa: PLW0603 - one clock for the process
    now = int(time.time())
    if _dated[0] != now:
        _dated = now, f"{formatdate(now, usegmt=True)}\r\n".encode()
    return _dated[1]
