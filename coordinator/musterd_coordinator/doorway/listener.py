"""A listener accepts connections, has each shake hands by TLS, and hands them to their protocol.

The event loop's own servers begin a handshake for whoever connects, count nobody before its end, and
leave one who speaks no TLS without a word. Here handshakes under way are limited in number, in all
and of one address, and in time; whoever speaks no TLS is told so; each begins with the certificate
of now. And asyncio's leave a connection open that was accepted in the moment in which they are closed:
here each is handed over or closed. That costs a coordinator 10 µs for each connection.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import anyio
import anyio.to_thread
import structlog

from musterd.tls import Tls, why
from musterd_coordinator.doorway.peer import user_name, user_of
from musterd_coordinator.limits.descriptors import MOST_HANDSHAKES, allowed, for_handshakes
from musterd_coordinator.limits.seldom import Seldom
from musterd_coordinator.limits.shares import Shares, holder_of

log = structlog.get_logger(__name__)

FAREWELL = 0.2
"""Seconds until somebody who was dismissed is hung up on."""

ACCEPTED_AT_ONCE = 64  # before others have their turn
_LOOKUPS = 4  # of users' names, in threads: a server of names that hangs holds up nothing else
PAUSE = 0.2  # seconds without accepting, where there are no files or too many shake hands
_GOODBYE = 1.0  # seconds for one that spoke no TLS to take what it is told
_RECORD = b"\x16"  # of a handshake: the first byte of TLS (RFC 8446, 5.1)
_NO_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Make = Callable[[], asyncio.BaseProtocol]


def dismiss(transport: asyncio.Transport) -> asyncio.TimerHandle:
    """Close a connection that is counted no longer, and not wait for a client to end TLS as well.

    One that does not would keep a file open for half a minute, beside all that may be connected. What it
    has not read by then is lost. Returns what may be cancelled once the connection is gone.
    """
    transport.close()
    return asyncio.get_running_loop().call_later(FAREWELL, transport.abort)


@dataclass(frozen=True, slots=True)
class HandshakeLimits:
    """These are how many may shake hands at once, in all and of one address, and for how long."""

    total: int = MOST_HANDSHAKES
    each: int = MOST_HANDSHAKES // 2
    seconds: float = 10.0


def handshake_limits(descriptors: int) -> HandshakeLimits:
    """Return the limits of a process that may have so many files open. Pure."""
    total = for_handshakes(descriptors)
    return HandshakeLimits(total, max(1, total // 2))


class Listener:
    """A `Listener` takes ``sockets`` that listen already, and closes them in the end.

    Connections of TCP speak TLS where there is ``tls``; those of a Unix socket never do. ``plain``
    is what one is told that speaks no TLS. Logs call the server ``called``.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Make,
        tls: Tls | None,
        *,
        called: str,
        plain: bytes = b"",
        limits: HandshakeLimits | None = None,
    ) -> None:
        self.sockets = tuple(sockets)
        self.limits = limits or handshake_limits(allowed())
        self._make = make
        self._tls = tls
        self._called = called
        self._plain = plain
        self._shares = Shares(self.limits.total, self.limits.each)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ours: set[socket.socket] = set()  # accepted, and no transport has them yet
        self._failed = Seldom("handshake failed", monotonic)
        self._greedy = Seldom("handshakes refused", monotonic)
        self._lacking = Seldom("connections not accepted", monotonic)
        self._lookups = anyio.CapacityLimiter(_LOOKUPS)
        self._loop = asyncio.get_running_loop()
        self._waking: asyncio.TimerHandle | None = None
        self._closed = False
        self._resume()

    @property
    def shaking(self) -> int:
        """Return how many shake hands just now, or are about to be handed over."""
        return len(self._tasks)

    def close(self) -> None:
        """Stop listening, and hang up on those that still shake hands. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._stop()
        for task in self._tasks:
            task.cancel()
        for listener in self.sockets:
            listener.close()

    async def wait_closed(self) -> None:
        """Wait until nobody shakes hands any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _resume(self) -> None:
        self._waking = None
        for listener in self.sockets:
            self._loop.add_reader(listener, self._accept, listener)

    def _stop(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        for listener in self.sockets:
            self._loop.remove_reader(listener)

    def _pause(self) -> None:
        """Leave those that come to the kernel for a moment."""
        self._stop()
        self._waking = self._loop.call_later(PAUSE, self._resume)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if self._shares.taken >= self._shares.total:
                self._pause()
                return
            try:
                connection, peer = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_FILES:
                    raise
                self._lacking.warn(server=self._called, reason=error.strerror)
                self._pause()
                return
            connection.setblocking(False)
            self._receive(connection, peer if isinstance(peer, tuple) else None)

    def _receive(self, connection: socket.socket, peer: tuple[str, int] | None) -> None:
        holder = holder_of(peer and peer[:2])
        share = int(self._shakes_hands(connection))
        if not self._shares.acquire(holder, share):
            self._greedy.warn(server=self._called, client=holder, shaking=self._shares.each)
            connection.close()
            return
        self._ours.add(connection)
        task = self._loop.create_task(self._greet(connection, holder))
        self._tasks.add(task)

        def done(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            self._shares.release(holder, share)
            if connection in self._ours:  # perhaps it was cancelled before it began
                self._ours.discard(connection)
                connection.close()
            if not ended.cancelled() and (error := ended.exception()) is not None:
                log.error("connection lost", server=self._called, exc_info=error)

        task.add_done_callback(done)

    def _shakes_hands(self, connection: socket.socket) -> bool:
        """Say whether anything is to be waited for before its protocol can have the connection."""
        return self._tls is not None or connection.family == socket.AF_UNIX

    async def _greet(self, connection: socket.socket, holder: str) -> None:
        try:
            with anyio.fail_after(self.limits.seconds):
                await self._connect(connection)
        except TimeoutError:
            self._tell(holder, f"not done after {self.limits.seconds:g} s")
        except ssl.SSLError as error:
            self._tell(holder, why(error))
        except OSError as error:
            self._tell(holder, str(error.strerror or error or type(error).__name__).lower())

    async def _connect(self, connection: socket.socket) -> None:
        if connection.family == socket.AF_UNIX:
            # Here, since a name may have to be asked for: the protocol finds it at once.
            await anyio.to_thread.run_sync(
                user_name, user_of(connection), abandon_on_cancel=True, limiter=self._lookups
            )
        if self._tls is None or connection.family == socket.AF_UNIX:
            await self._hand_over(connection)
            return
        first = await _first_byte(connection)
        if first == _RECORD:
            context, seconds = self._tls.context(), self.limits.seconds
            await self._hand_over(connection, ssl=context, ssl_handshake_timeout=seconds)
        elif first:
            self._tell(holder_of(_peer(connection)), "it speaks no TLS")
            await _tell_plainly(connection, self._plain)

    async def _hand_over(self, connection: socket.socket, **by_tls: Any) -> None:
        protocol = self._make()
        self._ours.discard(connection)
        await self._loop.connect_accepted_socket(lambda: protocol, connection, **by_tls)

    def _tell(self, client: str, reason: str) -> None:
        self._failed.warn(server=self._called, client=client, reason=reason)


async def _first_byte(connection: socket.socket) -> bytes:
    """Return the first byte that comes, and leave it there; an empty text at the end of the stream."""
    await anyio.wait_readable(connection)
    return connection.recv(1, socket.MSG_PEEK)


async def _tell_plainly(connection: socket.socket, text: bytes) -> None:
    """Send ``text`` so that it arrives: closing with something unread would take it back."""
    with suppress(OSError), anyio.move_on_after(_GOODBYE):
        connection.recv(1 << 16)
        connection.send(text)
        connection.shutdown(socket.SHUT_WR)
        await anyio.wait_readable(connection)
        while connection.recv(1 << 16):
            await anyio.wait_readable(connection)


def _peer(connection: socket.socket) -> tuple[str, int] | None:
    try:
        host, port = connection.getpeername()[:2]
    except OSError:
        return None
    return host, port
