"""These are two thin transports over httpcore, plain and async.

Each makes one attempt at a time, under a total deadline. httpcore's timeouts bound one read each: an
answer that trickles in would hold a plain caller for ever. So the plain transport below bounds the
whole. Both look names up by :mod:`musterd.resolving`, try each address of a name in turn, and read
no more than :data:`ANSWER_LIMIT`.
"""

import os
import ssl
import threading
import time
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Any

import anyio
import httpcore

from musterd.client.attempts import Attempt, Failure, HttpReply
from musterd.client.calls import Call, login
from musterd.client.choice import Address
from musterd.resolving import shared
from musterd.tls import Tls, why
from musterd.ways import Way

IDLE_LIMIT = 30.0  # seconds; less than the coordinator keeps an idle connection
CONNECTIONS = 32

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer. The largest that a coordinator gives, ten thousand verdicts on the longest
names, is a small part of it; one without an end must not take all memory."""

_RUN = b"musterd-run"

# The connection was there and broke, which an idle one may at any moment.
_BROKEN = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
_NEVER_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)


def url_of(address: Address, target: str) -> httpcore.URL:
    """Return ``target`` at ``address``, for httpcore."""
    return httpcore.URL(
        scheme=address.scheme,
        host=address.host,
        port=address.port,
        target=address.prefix + target,
    )


def context_of(tls: Tls | None) -> ssl.SSLContext | None:
    """Return the context for a pool, which would else bring authorities of its own."""
    return None if tls is None else tls.context()


def for_http(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return ``context`` as httpcore would have made it."""
    context.set_alpn_protocols(["http/1.1"])
    return context


def reply_of(response: httpcore.Response, body: bytes) -> HttpReply:
    """Return what came back."""
    media = _header(response, b"content-type").partition(";")[0].strip().lower()
    return HttpReply(response.status, media, body, _header(response, _RUN))


def _header(response: httpcore.Response, wanted: bytes) -> str:
    values = (value for name, value in response.headers if name.lower() == wanted)
    return bytes(next(values, b"")).decode("latin-1")


class TooLarge(httpcore.ProtocolError):
    """An answer had no end in sight."""

    def __init__(self) -> None:
        super().__init__(f"it answered with more than {ANSWER_LIMIT} bytes")


def whole(chunks: Iterable[bytes]) -> bytes:
    """Return all ``chunks``; raise TooLarge for more than ANSWER_LIMIT bytes."""
    body = bytearray()
    for chunk in chunks:
        _add(body, chunk)
    return bytes(body)


async def whole_async(chunks: AsyncIterable[bytes]) -> bytes:
    """Return all ``chunks``, as :func:`whole` does."""
    body = bytearray()
    async for chunk in chunks:
        _add(body, chunk)
    return bytes(body)


def _add(body: bytearray, chunk: bytes) -> None:
    body += chunk
    if len(body) > ANSWER_LIMIT:
        raise TooLarge


def failure_of(error: Exception, budget: float) -> Failure:
    """Say in a few words why nothing came back."""
    sent = not isinstance(error, _NEVER_CONNECTED)
    if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
        return Failure(f"no answer within {budget:.3g} s", sent=sent)
    return Failure(_in_words(_root(error)), stale=isinstance(error, _BROKEN), sent=sent)


def _in_words(reason: BaseException) -> str:
    # asyncio replaces the system's words by "Connect call failed ('127.0.0.1', 8420)".
    if isinstance(reason, ssl.SSLError):  # its errno is no error of the system
        return why(reason)
    if isinstance(reason, OSError) and reason.errno and reason.errno > 0:
        return os.strerror(reason.errno).lower()
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(words).lower()


def _root(error: BaseException) -> BaseException:
    cause = error.__cause__ or error.__context__
    if isinstance(error, BaseExceptionGroup):
        cause = error.exceptions[0]
    return error if cause is None else _root(cause)


class PlainTransport:
    """A ``PlainTransport`` makes attempts from plain code.

    Any number of threads may share one, and forks may inherit it.
    """

    def __init__(self, token: str | None = None, tls: Tls | None = None) -> None:
        self._login = login(token)
        self._pid = os.getpid()
        self._tls = tls
        self._deadlines = _Deadlines()
        self._pool = self._new_pool()

    def attempt(self, call: Call[Any], attempt: Attempt) -> HttpReply | Failure:
        """Make one request; be done within its budget."""
        self._after_fork()
        self._deadlines.set(attempt.budget)
        try:
            with self._pool.stream(
                call.method,
                url_of(attempt.address, call.target),
                headers=[*call.headers(), *self._login],
                content=call.body,
                extensions={"timeout": {"pool": attempt.budget}},
            ) as response:
                return reply_of(response, whole(response.iter_stream()))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failure_of(error, attempt.budget)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            context_of(self._tls),
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_LIMIT,
            network_backend=_DeadlineBackend(self._deadlines, self._tls),
        )

    def _after_fork(self) -> None:
        # Parent and child would read each other's answers from a connection that both hold.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._pool = self._new_pool()


class AsyncTransport:
    """An ``AsyncTransport`` makes attempts from async code, on asyncio or trio."""

    def __init__(self, token: str | None = None, tls: Tls | None = None) -> None:
        self._login = login(token)
        self.pool = httpcore.AsyncConnectionPool(
            context_of(tls),
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_LIMIT,
            network_backend=NamedBackend(tls),
        )

    async def attempt(self, call: Call[Any], attempt: Attempt) -> HttpReply | Failure:
        """Make one request; be done within its budget."""
        try:
            with anyio.fail_after(attempt.budget):
                async with self.pool.stream(
                    call.method,
                    url_of(attempt.address, call.target),
                    headers=[*call.headers(), *self._login],
                    content=call.body,
                ) as response:
                    return reply_of(response, await whole_async(response.aiter_stream()))
        except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failure_of(error, attempt.budget)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.pool.aclose()


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
                root = _root(error)
            raise root if isinstance(root, OSError) else OSError(str(root))

        way = self._ways.setdefault(host, Way(host))
        try:
            with anyio.fail_after(timeout):
                stream = await way.connect(connect)
                return stream if self._tls is None else _Securing(stream, self._tls)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error


class _Securing(httpcore.AsyncNetworkStream):
    """A ``_Securing`` is a stream whose handshake shows the certificate of now."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, tls: Tls) -> None:
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
        return await self._stream.start_tls(for_http(self._tls.context()), server_hostname, timeout)


class _Deadlines(threading.local):
    """``_Deadlines`` says when the request under way in this thread must be over."""

    until = 0.0

    def set(self, budget: float) -> None:
        self.until = time.monotonic() + budget

    def left(self, late: type[Exception]) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise late("the deadline has passed")
        return left


class _DeadlineBackend(httpcore.NetworkBackend):
    """A ``_DeadlineBackend`` makes sockets that end every wait with the whole request's deadline."""

    def __init__(self, deadlines: _Deadlines, tls: Tls | None = None) -> None:
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
        way = self._ways.setdefault(host, Way(host))
        addresses = way.order(self._addresses(host))
        refused: Exception = httpcore.ConnectError(f"no address for {host}")
        for at, address in enumerate(addresses):
            share = self._deadlines.left(httpcore.ConnectTimeout) / (len(addresses) - at)
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
        left = self._deadlines.left(httpcore.ConnectTimeout)
        try:
            return shared().addresses_within(host, left)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(
        self, stream: httpcore.NetworkStream, deadlines: _Deadlines, tls: Tls | None = None
    ) -> None:
        self._stream = stream
        self._tls = tls
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadlines.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadlines.left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadlines.left(httpcore.ConnectTimeout)
        if self._tls is not None:
            ssl_context = for_http(self._tls.context())
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return _DeadlineStream(secured, self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
