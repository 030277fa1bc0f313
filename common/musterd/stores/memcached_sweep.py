"""The coordinator's batched reads of one memcached: two connections, two commands deep each.

Replies are parsed as they arrive, one at a time, so that the event loop stays free; while one is
parsed the server works on the next. A connection is busy until the last byte of every reply was
read, and whatever ends a read before that, cancellation included, aborts its transport.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import cast

import anyio

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.keyed import Keys
from musterd.stores.keyed_seats import Block
from musterd.stores.memcached_connection import Server, keep_alive, refusal, shown, unreachable
from musterd.stores.memcached_replies import BeatRecords, BeatsReply, Reply, ValuesReply
from musterd.ways import Way

CONNECTIONS = 2
DEPTH = 2
REPLY_LIMIT = 64 << 20  # bytes of unread replies; a thousand holders are at most a third of it
_BUFFER = 512 << 10
_ROOM = 64 << 10  # at least this much for each read of the socket

PAUSE = 0.002
"""Seconds that the rest of a reply is given to gather. A server sends a large one in pieces, about as
fast as this. To be woken by each would take a seventh more CPU, and no less time."""


class MemcachedBulk:
    """A :class:`~musterd.stores.keyed_bulk.Bulk` over connections made when needed."""

    lanes = CONNECTIONS * DEPTH

    def __init__(self, server: Server, namespace: str, way: Way | None = None) -> None:
        self._server = server
        self._way = way or Way(server.host)
        self._beat_prefix = Keys(namespace).beat_prefix
        self._links: list[_Link | None] = [None] * CONNECTIONS
        self._connecting = [anyio.Lock() for _ in range(CONNECTIONS)]

    async def values(self, lane: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of ``keys``."""
        reply = ValuesReply(self._server.name, keys)
        await self._ask(lane, b" ".join(keys), reply)
        return reply.values

    async def beats(self, lane: int, block: Block) -> BeatRecords:
        """The records in the slots of ``block``."""
        reply = BeatsReply(self._server.name, block, self._beat_prefix)
        await self._ask(lane, memoryview(block.text)[:-1], reply)
        return reply.result

    def close(self) -> None:
        """Abort the connections."""
        for link in self._links:
            if link is not None:
                link.abort("closed by us")
        self._links = [None] * CONNECTIONS

    async def _ask(self, lane: int, keys: bytes | memoryview, reply: Reply) -> None:
        link = await self._link(lane % CONNECTIONS)
        await link.ask(b"".join((b"get ", keys, b"\r\n")), reply)

    async def _link(self, number: int) -> "_Link":
        link = self._links[number]
        if link is not None and link.is_usable:
            return link
        async with self._connecting[number]:
            link = self._links[number]
            if link is None or not link.is_usable:
                link = self._links[number] = await self._connect()
            return link

    async def _connect(self) -> "_Link":
        try:
            return await self._way.connect(self._connect_to)
        except OSError as error:
            raise ShardUnavailable(self._server.name, unreachable(error)) from None

    async def _connect_to(self, address: str) -> "_Link":
        transport, link = await asyncio.get_running_loop().create_connection(
            lambda: _Link(self._server.name), address, self._server.port
        )
        keep_alive(transport)
        return link


class _Link(asyncio.BufferedProtocol):
    """One connection: commands go out at once, replies come back in order."""

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._view = memoryview(bytearray(_BUFFER))
        self._start = self._end = 0  # of what was received and not yet read
        self._due: deque[tuple[Reply, asyncio.Future[None]]] = deque()
        self._failure: StoreError | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_usable(self) -> bool:
        """Whether a command may be sent."""
        return self._failure is None

    async def ask(self, command: bytes, reply: Reply) -> None:
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

    def abort(self, reason: str) -> None:
        """End the connection at once; what is still due fails with ``reason``."""
        self._fail(ShardUnavailable(self._shard, reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        lost = exc if isinstance(exc, OSError) else ConnectionResetError("closed by the server")
        self.abort(unreachable(lost))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the event loop for room to receive into."""
        if len(self._view) - self._end < _ROOM:
            self._make_room()
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the event loop when ``nbytes`` came."""
        self._end += nbytes
        try:
            self._read_replies()
        except StoreError as error:
            self._fail(error)

    def _read_replies(self) -> None:
        while self._start < self._end:
            if not self._due:
                raise self._unasked()
            reply, read = self._due[0]
            size = reply.read(self._view[self._start : self._end])
            if size is None:
                self._let_gather()
                return
            self._start += size
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
        unread = self._end - self._start
        if unread > REPLY_LIMIT:
            self._fail(ShardCorrupt(self._shard, f"reply of more than {REPLY_LIMIT} bytes"))
            self._start = self._end = unread = 0
        view = self._view
        if len(view) - unread < _ROOM:
            view = memoryview(bytearray(2 * len(view)))
        view[:unread] = self._view[self._start : self._end]
        self._view, self._start, self._end = view, 0, unread

    def _fail(self, failure: StoreError) -> None:
        if self._failure is None:
            self._failure = failure
        if self._transport is not None:
            self._transport.abort()
        while self._due:
            _, read = self._due.popleft()
            if not read.done():
                read.set_exception(self._fail_again())
                read.exception()  # its waiter may have been cancelled in the same instant

    def _fail_again(self) -> StoreError:
        failure = self._failure or ShardUnavailable(self._shard, "not connected")
        return type(failure)(failure.shard, failure.reason)
