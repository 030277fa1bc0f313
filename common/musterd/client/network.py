"""These are the ways to a coordinator on the network: by name, by TLS, and by a Unix socket.

Each bounds the whole of a request, and shows the certificate of now in each handshake.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote

import anyio
import httpcore

from musterd.resolving import shared
from musterd.tls import Tls
from musterd.urls import socket_path
from musterd.ways import Way


def context_of(tls: Tls | None) -> ssl.SSLContext | None:
    """Return the context for a pool, which would else bring authorities of its own."""
    return None if tls is None else tls.context()


def for_http(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return ``context`` as httpcore would have made it."""
    context.set_alpn_protocols(["http/1.1"])
    return context


def root_of(error: BaseException) -> BaseException:
    """Return what ``error`` began with."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, BaseExceptionGroup):
        cause = error.exceptions[0]
    return error if cause is None else root_of(cause)


def _path_of(host: str) -> str | None:
    return socket_path(unquote(host)) if "%" in host else None


class NamedBackend(httpcore.AnyIOBackend):
    """A ``NamedBackend`` connects by name, on asyncio and trio.

    We look the name up, and try each address in turn. Handshakes are those of ``tls`` as it is then.
    """

    def __init__(self, tls: Tls | None = None) -> None:
        self._tls = tls
        self._ways: dict[str, Way] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect as httpcore's own backend does."""

        async def connect(address: str) -> httpcore.AsyncNetworkStream:
            made = super(NamedBackend, self).connect_tcp
            try:
                return await made(address, port, None, local_address, socket_options)
            except httpcore.ConnectError as error:
                root = root_of(error)
            raise root if isinstance(root, OSError) else OSError(str(root))

        if (path := _path_of(host)) is not None:
            return await self.connect_unix_socket(path, timeout)
        way = self._ways.setdefault(host, Way(host))
        try:
            with anyio.fail_after(timeout):
                stream = await way.connect(connect)
                return _Securing(stream, self._tls)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error


class _Securing(httpcore.AsyncNetworkStream):
    """A ``_Securing`` is a stream whose handshake shows the certificate of now.

    One that does not come to its end takes the connection along: httpcore and anyio would leave it
    open when the caller's deadline strikes.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, tls: Tls | None) -> None:
        self._stream = stream
        self._tls = tls
        self.read, self.write = stream.read, stream.write  # type: ignore[method-assign]
        self.aclose, self.get_extra_info = stream.aclose, stream.get_extra_info  # type: ignore[method-assign]

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's)
    ) -> httpcore.AsyncNetworkStream:
        """Shake hands as httpcore's own stream does, by a context that is as new as its files."""
        if self._tls is not None:
            ssl_context = for_http(self._tls.context())
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise


class Deadlines(threading.local):
    """``Deadlines`` says when the request under way in this thread must be over."""

    until = 0.0

    def set(self, budget: float) -> None:
        self.until = time.monotonic() + budget

    def remaining(self, late: type[Exception]) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise late("the deadline has passed")
        return left


class DeadlineBackend(httpcore.NetworkBackend):
    """A ``DeadlineBackend`` makes sockets that end every wait with the whole request's deadline."""

    def __init__(self, deadlines: Deadlines, tls: Tls | None = None) -> None:
        self._deadlines = deadlines
        self._tls = tls
        self._backend = httpcore.SyncBackend()
        self._ways: dict[str, Way] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        if (path := _path_of(host)) is not None:
            left = self._deadlines.remaining(httpcore.ConnectTimeout)
            return _DeadlineStream(_connected(path, left), self._deadlines)
        way = self._ways.setdefault(host, Way(host))
        addresses = way.order(self._addresses(host))
        refused: Exception = httpcore.ConnectError(f"no address for {host}")
        for at, address in enumerate(addresses):
            share = self._deadlines.remaining(httpcore.ConnectTimeout) / (len(addresses) - at)
            try:
                stream = self._backend.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                way.failed(address)
                refused = error
            else:
                way.worked(address)
                return _DeadlineStream(stream, self._deadlines, self._tls)
        raise refused

    def _addresses(self, host: str) -> Sequence[str]:
        left = self._deadlines.remaining(httpcore.ConnectTimeout)
        try:
            return shared().addresses_within(host, left)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(
        self, stream: httpcore.NetworkStream, deadlines: Deadlines, tls: Tls | None = None
    ) -> None:
        self._stream = stream
        self._tls = tls
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadlines.remaining(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadlines.remaining(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadlines.remaining(httpcore.ConnectTimeout)
        if self._tls is not None:
            ssl_context = for_http(self._tls.context())
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return _DeadlineStream(secured, self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _LocalStream(httpcore.NetworkStream):
    """A ``_LocalStream`` is a Unix socket: httpcore's own leaves one open that does not connect."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._connection.settimeout(timeout)
            return self._connection.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._connection.settimeout(timeout)
            self._connection.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        """Say whether there is something to read, which in an idle connection means its end."""
        if info == "is_readable":
            return bool(select.select([self._connection], [], [], 0)[0])
        return None


def _connected(path: str, seconds: float) -> httpcore.NetworkStream:
    """Connect to the Unix socket at ``path``."""
    with ExitStack() as unless_connected:
        connection = unless_connected.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(seconds)
        try:
            connection.connect(path)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        unless_connected.pop_all()
    return _LocalStream(connection)
