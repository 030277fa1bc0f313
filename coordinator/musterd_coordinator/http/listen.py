"""The module takes the address that the API is served on, or says why it cannot be had."""

import errno
import socket
from collections.abc import Sequence

import anyio

from musterd.errors import CannotListen, ConfigError
from musterd.resolving import shared
from musterd.urls import host_and_port, listen_parts, socket_path
from musterd_coordinator.doorway.local import listen_at, remove
from musterd_coordinator.doorway.sockets import LACKING, listen_on

RESOLVE_TIMEOUT = 5.0
BACKLOG = 2048
BUFFER = 64 * 1024

MAY_MEND = {*LACKING, errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Why an address cannot be had now, and may be had later."""

_CURES = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port",
    errno.EACCES: "not permitted; choose a port from 1024 on",
    errno.EADDRNOTAVAIL: "this host has no such address; use one of its own, or 127.0.0.1",
}


async def bind(listen: str) -> list[socket.socket]:
    """Return listening sockets on every address of ``listen``, which has commas between.

    Such are ``host:port``, ``[::1]:port`` and ``unix:/path``. With port 0 the system chooses one, the
    same for all addresses of a name. Raises ConfigError for what is no address or not permitted,
    CannotListen for what may be there later.
    """
    listeners: list[socket.socket] = []
    try:
        for address in listen_parts(listen) or [""]:
            listeners += await _bind_one(address)
    except BaseException:
        close(listeners)
        raise
    return listeners


def close(listeners: Sequence[socket.socket]) -> None:
    """Close all of them, and remove the files of those that have one."""
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            remove(listener)
        listener.close()


async def _bind_one(listen: str) -> list[socket.socket]:
    try:
        if (path := socket_path(listen)) is not None:
            return [listen_at(path, BACKLOG)]

        host, port = host_and_port(listen)
    except ValueError:
        raise ConfigError(
            f"listen {listen!r} is no address; write HOST:PORT or [IPV6]:PORT, such as 127.0.0.1:8420,"
            " or unix:/PATH"
        ) from None
    addresses = await _addresses(listen, host)
    try:
        return listen_on(addresses, port, BACKLOG, buffer=BUFFER)
    except OSError as error:
        cure = _CURES.get(error.errno or 0, error.strerror or str(error))
        kind = CannotListen if error.errno in MAY_MEND else ConfigError
        raise kind(f"cannot listen on {listen}: {cure}") from None


def url_of(listener: socket.socket, *, by_tls: bool = False) -> str:
    """Return the URL of what is served on ``listener``."""
    if listener.family == socket.AF_UNIX:
        return f"http+unix://{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    scheme = "https" if by_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def _addresses(listen: str, host: str) -> list[str]:
    try:
        with anyio.fail_after(RESOLVE_TIMEOUT):
            found = await shared().addresses(host)
    except OSError:
        raise CannotListen(
            f"cannot listen on {listen}: {host!r} is no name or address that this host knows"
        ) from None
    return list(found)
