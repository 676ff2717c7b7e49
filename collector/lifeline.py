"""
The line between who starts processes and one that was started.

A process says on it that it is ready; and it ends when the line is cut, which the
kernel does for whoever dies, however that happens. Nothing else goes over it.
"""

import asyncio
import os
import socket

_READY = b"r"


class Lifeline:
    """The end of the one who was started."""

    def __init__(self, descriptor: int) -> None:
        """Take over the end that was inherited."""
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - takes no keyword
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)  # noqa: FBT003 - takes no keyword

    def ready(self) -> None:
        """Say that the process does its work."""
        try:
            self._socket.send(_READY)
        except OSError:
            # Cut already: whoever waits for that is told by `cut`.
            return

    async def cut(self) -> None:
        """Return when the other end is gone."""
        loop = asyncio.get_running_loop()
        try:
            while await loop.sock_recv(self._socket, 1):
                pass
        except ConnectionError:
            return


async def heard(end: socket.socket) -> bool:
    """Return True when the one who was started is ready, False when it ended."""
    try:
        return await asyncio.get_running_loop().sock_recv(end, 1) == _READY
    except ConnectionError:
        return False
