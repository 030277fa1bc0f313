"""The module has sockets listen on every address of a name that this host has, at one port."""

import errno
import socket
from collections.abc import Sequence

LACKING = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""This host lacks one of the addresses of a name, as localhost has ::1 where IPv6 is off."""


def listen_on(
    addresses: Sequence[str], port: int, backlog: int, *, buffer: int | None = None
) -> list[socket.socket]:
    """Return sockets that listen on ``port`` of all ``addresses`` but those that this host lacks.

    With port 0 the system chooses one, the same for all of them. ``buffer`` is the bytes that the
    kernel may keep of each connection, both ways. Raises OSError if there is none.
    """
    listeners: list[socket.socket] = []
    lacking: OSError | None = None
    for address in addresses:
        try:
            listeners.append(_listener(address, port, backlog, buffer))
        except OSError as error:
            if error.errno not in LACKING:
                close_all(listeners)
                raise
            lacking = error
        else:
            port = listeners[0].getsockname()[1]
    if lacking and not listeners:
        raise lacking
    return listeners


def close_all(listeners: Sequence[socket.socket]) -> None:
    """Close all of them."""
    for listener in listeners:
        listener.close()


def _listener(address: str, port: int, backlog: int, buffer: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=backlog)
    if buffer is not None:
        # Of each connection; otherwise the kernel gives a slow one several megabytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    listener.setblocking(False)
    return listener
