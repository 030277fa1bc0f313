"""The module is one connection of a coordinator to a memcached, for commands in bulk."""

import asyncio
from collections import deque
from typing import cast

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.memcached.connection import refusal, shown, unreachable
from musterd_coordinator.sweep.memcached.values import BulkReply

_BUFFER = 512 << 10
_ROOM = 64 << 10  # at least this much for each read of the socket

PAUSE = 0.002
"""Seconds that the rest of a reply is given to gather. A server sends a large one in pieces, about as
fast as this. To be woken by each would take a seventh more CPU, and no less time."""


class BulkConnection(asyncio.BufferedProtocol):
    """A `BulkConnection` sends commands at once and reads the replies in order."""

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._view = memoryview(bytearray(_BUFFER))
        self._start = self._end = 0  # of what was received and not yet read
        self._due: deque[tuple[BulkReply, asyncio.Future[None]]] = deque()
        self._failure: StoreError | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_usable(self) -> bool:
        """Say whether a command may be sent."""
        return self._failure is None

    async def call(self, command: bytes, reply: BulkReply) -> None:
        """Send ``command`` and wait until ``reply`` was read to its end."""
        if self._failure is not None or self._transport is None:
            raise self._fail_again()
        read = asyncio.get_running_loop().create_future()
        self._due.append((reply, read))
        self._transport.write(command)
        try:
            await read
        except BaseException:
            self.abort("a read on the same connection was given up")
            raise

    def send(self, commands: bytes) -> None:
        """Send what gets no reply."""
        if self.is_usable and self._transport is not None:
            self._transport.write(commands)

    def abort(self, reason: str) -> None:
        """End the connection at once; what is still due fails with ``reason``."""
        self._fail(ShardUnavailable(self._shard, reason))
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; the event loop calls this."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever is still due; the event loop calls this."""
        lost = exc if isinstance(exc, OSError) else ConnectionResetError("closed by the server")
        self.abort(unreachable(lost))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return room to receive into; the event loop calls this."""
        if len(self._view) - self._end < _ROOM:
            self._make_room()
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Read the ``nbytes`` that came; the event loop calls this."""
        if self._failure is not None:
            self._start = self._end = 0
            return
        self._end += nbytes
        try:
            self._read_replies()
        except StoreError as error:
            self._fail(error)
            # An abort within one of these calls crashes uvloop, which goes on to use the buffer.
            asyncio.get_running_loop().call_soon(self.abort, error.reason)

    def _read_replies(self) -> None:
        while self._start < self._end:
            if not self._due:
                raise self._unasked()
            reply, read = self._due[0]
            taken, whole = reply.parse(self._view[self._start : self._end])
            self._start += taken
            if not whole:
                self._let_gather()
                return
            self._due.popleft()
            if not read.done():
                read.set_result(None)
        self._start = self._end = 0

    def _let_gather(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(PAUSE, self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _unasked(self) -> StoreError:
        line = bytes(self._view[self._start : self._end])[:200]
        if (text := refusal(line)) is not None:
            return ShardRefused(self._shard, text)
        return ShardCorrupt(self._shard, f"reply that nobody asked for: {shown(line)!r}")

    def _make_room(self) -> None:
        """Move what is unread to the front, in a larger buffer if there is no room behind it.

        No reply leaves more unread than it may wait for, which bounds the buffer.
        """
        unread = self._end - self._start
        view = self._view
        if len(view) - unread < _ROOM:
            view = memoryview(bytearray(2 * len(view)))
        view[:unread] = self._view[self._start : self._end]
        self._view, self._start, self._end = view, 0, unread

    def _fail(self, failure: StoreError) -> None:
        if self._failure is None:
            self._failure = failure
        while self._due:
            _, read = self._due.popleft()
            if not read.done():
                read.set_exception(self._fail_again())
                read.exception()  # its waiter may have been cancelled in the same instant

    def _fail_again(self) -> StoreError:
        failure = self._failure or ShardUnavailable(self._shard, "not connected")
        return type(failure)(failure.shard, failure.reason)
