"""A page for Prometheus is served by hand: a daemon that is no web server needs none for it.

It answers ``GET /metrics`` and nothing else, one request on each connection (RFC 9112), within bounds:
of a request's head, of connections, of the seconds that one may take.
"""

import asyncio
import re
from collections.abc import Callable
from functools import partial

import anyio

from musterd.errors import CannotListen, ConfigError
from musterd.resolving import shared
from musterd.tls import Tls
from musterd.urls import host_and_port
from musterd_coordinator.doorway.listener import Listener, dismiss
from musterd_coordinator.doorway.sockets import listen_on
from musterd_coordinator.process.binding import PATIENCE, patiently

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
MOST_READERS = 32
HEAD_BYTES = 8192
SECONDS = 10.0
_LOOK_UP = 5.0
_BACKLOG = 32
_ASKED = re.compile(rb"(GET|HEAD) ([!-~]+) HTTP/1\.[01]\r\n")

Page = Callable[[], str]


def answer_to(head: bytes, page: Page) -> bytes:
    """Return the whole answer to a request with this ``head``."""
    found = _ASKED.match(head)
    if found is None:
        return _answer("400 Bad Request", "this is no GET of HTTP/1.1\n")
    if found[2].partition(b"?")[0] != b"/metrics":
        return _answer("404 Not Found", "there is /metrics only\n")
    return _answer("200 OK", page(), head_only=found[1] == b"HEAD")


def _answer(status: str, text: str, *, head_only: bool = False) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {MEDIA}\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() if head_only else head.encode() + body


class PageReader(asyncio.Protocol):
    """A `PageReader` is one connection, which is over when it was answered."""

    def __init__(self, page: Page, readers: "set[PageReader]") -> None:
        self._page = page
        self._readers = readers
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._over: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have it end in time; at once where there are too many."""
        assert isinstance(transport, asyncio.Transport)
        if len(self._readers) >= MOST_READERS:
            transport.abort()
            return
        self._transport = transport
        self._readers.add(self)
        self._over = asyncio.get_running_loop().call_later(SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer once the head is whole, or too long."""
        if self._transport is None or self._transport.is_closing():
            return
        self._head += data
        whole = b"\r\n\r\n" in self._head
        if whole or len(self._head) > HEAD_BYTES:
            self._transport.write(answer_to(self._head if whole else b"", self._page))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another."""
        self._readers.discard(self)
        if self._over is not None:
            self._over.cancel()

    def end(self) -> None:
        """Hang up."""
        if self._transport is not None:
            dismiss(self._transport)


class PageDoor:
    """A `PageDoor` serves ``page`` at ``address``, by ``tls`` if that is given, once it is started.

    ``called`` names it in logs, and ``option`` is where its address is from. Raises ConfigError or
    CannotListen as other servers do.
    """

    def __init__(
        self, address: str, page: Page, tls: Tls | None, *, called: str, option: str
    ) -> None:
        self.host, self.port = host_and_port(address)
        self._page = page
        self._tls = tls
        self._called, self._option = called, option
        self._readers = set[PageReader]()
        self._listener: Listener | None = None

    @property
    def address(self) -> str:
        """Return host and port for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self, patience: float = PATIENCE) -> None:
        """Listen, tried for ``patience`` seconds; ``port`` is then the real one."""
        self._listener = await patiently(self._listen, self._called, patience)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and hang up. Idempotent."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        for reader in list(self._readers):
            reader.end()
        with anyio.move_on_after(1.0, shield=True):
            await listener.wait_closed()

    async def _listen(self) -> Listener:
        try:
            with anyio.fail_after(_LOOK_UP):
                addresses = await shared().addresses(self.host)
            sockets = listen_on(addresses, self.port, _BACKLOG)
        except OSError as error:
            where = f"{self._option} is {self.host}:{self.port}, where none can listen"
            kind = ConfigError if isinstance(error, PermissionError) else CannotListen
            raise kind(f"{where}: {error.strerror or error}; choose another") from None
        make = partial(PageReader, self._page, self._readers)
        return Listener(sockets, make, self._tls, called=self._called, plain=_PLAIN)


_PLAIN = _answer("400 Bad Request", "this port speaks TLS: ask it by https://\n")
