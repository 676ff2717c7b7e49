"""
Addresses to listen on, as settings spell them: `host:port`; and sockets that listen.

One socket listens for all edges of a machine. Who started them holds it as well, so
that nothing which waits in its queue is lost when an edge dies, ends or is replaced.
A socket for each (SO_REUSEPORT) would have a queue for each, and the kernel resets
what is in it when it closes.
"""

import os
import socket

_BACKLOG = 1024
# sd_listen_fds(3): the sockets that systemd hands over begin with this one.
_FIRST_HANDED = 3


class ListenError(Exception):
    """An address cannot be listened on."""


def split(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; brackets around IPv6 are taken off."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def listen_on(address: str, *, shared: bool = False) -> socket.socket:
    """
    Return a socket that listens on an address from now on.

    Args:
        address: host and port.
        shared: if others of the same user may open the address too (SO_REUSEPORT).

    Raises:
        ListenError: when it is taken or not ours.

    """
    host, port = split(address)
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(address, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(address, error) from error
    listener.setblocking(False)  # noqa: FBT003 - takes no keyword
    return listener


def handed_over() -> socket.socket | None:
    """
    Return the listening socket that systemd holds for this process, if it does.

    Raises:
        ListenError: when there are several, or what was handed over is none.

    """
    number = os.environ.pop("LISTEN_FDS", "")
    meant = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    if not meant or not number.isdigit() or number == "0":
        return None
    if number != "1":
        raise ListenError(f"{number} sockets were handed over, one is used")
    return adopt(_FIRST_HANDED)


def adopt(descriptor: int) -> socket.socket:
    """
    Return a listening socket that was inherited.

    Raises:
        ListenError: when it is none.

    """
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - takes no keyword
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(f"descriptor {descriptor}: {error.strerror}") from error
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.close()
        raise ListenError(f"descriptor {descriptor} does not listen")
    listener.setblocking(False)  # noqa: FBT003 - takes no keyword
    return listener


def _unusable(address: str, error: OSError) -> ListenError:
    return ListenError(f"cannot listen on {address}: {error.strerror}")
