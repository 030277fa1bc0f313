"""Two thin transports over httpcore, plain and async: one attempt each, under a total deadline.

httpcore is used as it is, since its timeouts bound one read each: an answer that trickles in would
hold a plain caller for ever. The plain transport below bounds the whole.
"""

import os
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import anyio
import httpcore

from musterd.client_calls import Address, Attempt, Call, Failure, Reply

IDLE_LIMIT = 30.0  # seconds; less than the coordinator keeps an idle connection
CONNECTIONS = 32

# The connection was there and broke, which an idle one may at any moment.
_BROKEN = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


def url_of(address: Address, target: str) -> httpcore.URL:
    """``target`` at ``address``, for httpcore."""
    return httpcore.URL(
        scheme=address.scheme,
        host=address.host,
        port=address.port,
        target=address.prefix + target,
    )


def reply_of(response: httpcore.Response) -> Reply:
    """What came back; its content must have been read."""
    media = next(
        (value for name, value in response.headers if name.lower() == b"content-type"), b""
    )
    plain = media.partition(b";")[0].strip().lower().decode("latin-1")
    return Reply(response.status, plain, response.content)


def failure_of(error: Exception, budget: float) -> Failure:
    """Why nothing came back, in a few words."""
    if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
        return Failure(f"no answer within {budget:.3g} s")
    return Failure(_in_words(_root(error)), stale=isinstance(error, _BROKEN))


def _in_words(reason: BaseException) -> str:
    # asyncio replaces the system's words by "Connect call failed ('127.0.0.1', 8420)".
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
    """Attempts from plain code. Any number of threads may share one, and forks may inherit it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._deadlines = _Deadlines()
        self._pool = self._new_pool()

    def attempt(self, call: Call[Any], attempt: Attempt) -> Reply | Failure:
        """One request; done within its budget (resolving a host's name apart)."""
        self._after_fork()
        self._deadlines.set(attempt.budget)
        try:
            response = self._pool.request(
                call.method,
                url_of(attempt.address, call.target),
                headers=call.headers(),
                content=call.body,
                extensions={"timeout": {"pool": attempt.budget}},
            )
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failure_of(error, attempt.budget)
        return reply_of(response)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_LIMIT,
            network_backend=_DeadlineBackend(self._deadlines),
        )

    def _after_fork(self) -> None:
        # Parent and child would read each other's answers from a connection that both hold.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._pool = self._new_pool()


class AsyncTransport:
    """Attempts from async code, on asyncio or trio."""

    def __init__(self) -> None:
        self.pool = httpcore.AsyncConnectionPool(
            max_connections=CONNECTIONS, keepalive_expiry=IDLE_LIMIT
        )

    async def attempt(self, call: Call[Any], attempt: Attempt) -> Reply | Failure:
        """One request; done within its budget."""
        try:
            with anyio.fail_after(attempt.budget):
                response = await self.pool.request(
                    call.method,
                    url_of(attempt.address, call.target),
                    headers=call.headers(),
                    content=call.body,
                )
        except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failure_of(error, attempt.budget)
        return reply_of(response)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.pool.aclose()


class _Deadlines(threading.local):
    """When the request under way in this thread must be over."""

    until = 0.0

    def set(self, budget: float) -> None:
        self.until = time.monotonic() + budget

    def left(self, late: type[Exception]) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise late("the deadline has passed")
        return left


class _DeadlineBackend(httpcore.NetworkBackend):
    """Sockets whose every wait ends with the whole request's deadline."""

    def __init__(self, deadlines: _Deadlines) -> None:
        self._deadlines = deadlines
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        refused: Exception = httpcore.ConnectError(f"no address for {host}")
        for address in _resolve(host):
            left = self._deadlines.left(httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                refused = error
            else:
                return _DeadlineStream(stream, self._deadlines)
        raise refused


def _resolve(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host}: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadlines: _Deadlines) -> None:
        self._stream = stream
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
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return _DeadlineStream(secured, self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
