"""These are two thin transports over httpcore, plain and async.

Each makes one attempt at a time, under a total deadline. httpcore's timeouts bound one read each: an
answer that trickles in would hold a plain caller for ever. So the plain transport below bounds the
whole. Both look names up by :mod:`musterd.resolving`, try each address of a name in turn, and read
no more than :data:`ANSWER_LIMIT`.
"""

import os
import ssl
from collections.abc import AsyncIterable, Iterable
from typing import Any
from urllib.parse import quote

import anyio
import httpcore

from musterd.client.attempts import Attempt, Failure, HttpReply
from musterd.client.calls import Call, login
from musterd.client.choice import Address
from musterd.client.network import DeadlineBackend, Deadlines, NamedBackend, context_of, root_of
from musterd.tls import UNASKED, Tls, why

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
    """Return ``target`` at ``address``, for httpcore; our backends find the path of a socket again."""
    return httpcore.URL(
        scheme=address.scheme,
        host=address.host if address.path is None else quote(address.host, safe=""),
        port=address.port,
        target=address.prefix + target,
    )


def host_header(address: Address) -> list[tuple[str, str]]:
    """Return the header Host where httpcore's own would be no name."""
    return [] if address.path is None else [("Host", "localhost")]


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


def failure_of(error: Exception, budget: float, *, by_tls: bool = False) -> Failure:
    """Say in a few words why nothing came back; ``by_tls``: from an address that is reached so."""
    sent = not isinstance(error, _NEVER_CONNECTED)
    if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
        return Failure(f"no answer within {budget:.3g} s", sent=sent)
    broken = isinstance(error, _BROKEN)
    hint = UNASKED if broken and by_tls else ""
    return Failure(_in_words(root_of(error)).rstrip(".") + hint, stale=broken, sent=sent)


def _in_words(reason: BaseException) -> str:
    # asyncio replaces the system's words by "Connect call failed ('127.0.0.1', 8420)".
    if isinstance(reason, ssl.SSLError):  # its errno is no error of the system
        return why(reason)
    if isinstance(reason, OSError) and reason.errno and reason.errno > 0:
        return os.strerror(reason.errno).lower()
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(words).lower()


class PlainTransport:
    """A ``PlainTransport`` makes attempts from plain code.

    Any number of threads may share one, and forks may inherit it.
    """

    def __init__(self, token: str | None = None, tls: Tls | None = None) -> None:
        self._login = login(token)
        self._pid = os.getpid()
        self._tls = tls
        self._deadlines = Deadlines()
        self._pool = self._new_pool()

    def attempt(self, call: Call[Any], attempt: Attempt) -> HttpReply | Failure:
        """Make one request; be done within its budget."""
        self._after_fork()
        self._deadlines.set(attempt.budget)
        try:
            with self._pool.stream(
                call.method,
                url_of(attempt.address, call.target),
                headers=[*host_header(attempt.address), *call.headers(), *self._login],
                content=call.body,
                extensions={"timeout": {"pool": attempt.budget}},
            ) as response:
                return reply_of(response, whole(response.iter_stream()))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failure_of(error, attempt.budget, by_tls=attempt.address.scheme == "https")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            context_of(self._tls),
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_LIMIT,
            network_backend=DeadlineBackend(self._deadlines, self._tls),
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
                    headers=[*host_header(attempt.address), *call.headers(), *self._login],
                    content=call.body,
                ) as response:
                    return reply_of(response, await whole_async(response.aiter_stream()))
        except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failure_of(error, attempt.budget, by_tls=attempt.address.scheme == "https")

    async def aclose(self) -> None:
        """Close all connections."""
        await self.pool.aclose()
