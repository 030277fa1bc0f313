"""The module takes the address that the API is served on, or says why it cannot be had."""

import errno
import socket

import anyio

from musterd.errors import CannotListen, ConfigError
from musterd.resolving import shared
from musterd.urls import host_and_port

RESOLVE_TIMEOUT = 5.0
BACKLOG = 2048
BUFFER = 64 * 1024

# This host lacks one of the addresses of a name, as localhost has ::1 where IPv6 is off.
_LACKING = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

MAY_MEND = {*_LACKING, errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Why an address cannot be had now, and may be had later."""

_CURES = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port",
    errno.EACCES: "not permitted; choose a port from 1024 on",
    errno.EADDRNOTAVAIL: "this host has no such address; use one of its own, or 127.0.0.1",
}


async def bind(listen: str) -> list[socket.socket]:
    """Return listening sockets on every address of ``listen`` (``host:port``, ``[::1]:port``).

    With port 0 the system chooses one, the same for all of them. Raises ConfigError for what is
    no address or not permitted, CannotListen for what may be there later.
    """
    try:
        host, port = host_and_port(listen)
    except ValueError:
        raise ConfigError(
            f"listen {listen!r} is no address; write HOST:PORT or [IPV6]:PORT,"
            " such as 127.0.0.1:8420"
        ) from None
    addresses = await _addresses(listen, host)
    try:
        return _listen_on(addresses, port)
    except OSError as error:
        cure = _CURES.get(error.errno or 0, error.strerror or str(error))
        kind = CannotListen if error.errno in MAY_MEND else ConfigError
        raise kind(f"cannot listen on {listen}: {cure}") from None


def url_of(listener: socket.socket) -> str:
    """Return the URL of what is served on ``listener``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _addresses(listen: str, host: str) -> list[str]:
    try:
        with anyio.fail_after(RESOLVE_TIMEOUT):
            found = await shared().addresses(host)
    except OSError:
        raise CannotListen(
            f"cannot listen on {listen}: {host!r} is no name or address that this host knows"
        ) from None
    return list(found)


def _listen_on(addresses: list[str], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    lacking: OSError | None = None
    for address in addresses:
        try:
            listeners.append(_listener(address, port))
        except OSError as error:
            if error.errno not in _LACKING:
                _close(listeners)
                raise
            lacking = error
        else:
            port = listeners[0].getsockname()[1]
    if lacking and not listeners:
        raise lacking
    return listeners


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
    # Of each connection; otherwise the kernel gives a slow one several megabytes.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    listener.setblocking(False)
    return listener


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()
