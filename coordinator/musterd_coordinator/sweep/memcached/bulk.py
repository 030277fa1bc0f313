"""The module reads one memcached in batches: by two connections, two commands deep each.

Replies are parsed as they arrive, one at a time, so that the event loop stays free; while one is
parsed the server works on the next. A connection is busy until the last byte of every reply was
read, and whatever ends a read before that, cancellation included, aborts its transport.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio

from musterd.errors import ShardRefused, ShardUnavailable
from musterd.stores.bounds import CLOSED, Lifetime
from musterd.stores.memcached.access import OPEN, ServerAccess
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import keep_alive, login_refused, unreachable
from musterd.stores.slots.protocol import Keys
from musterd.ways import Way
from musterd_coordinator.sweep.memcached.connection import BulkConnection
from musterd_coordinator.sweep.memcached.login import LoginReply
from musterd_coordinator.sweep.memcached.replies import BeatRecords, BeatsReply
from musterd_coordinator.sweep.memcached.values import BulkReply, ReplyTooLong, ValuesReply
from musterd_coordinator.sweep.slots.slotmap import Block

CONNECTIONS = 2
DEPTH = 2

R = TypeVar("R", bound=BulkReply)


class MemcachedBulk:
    """A `MemcachedBulk` reads over connections that are made when needed.

    It is a :class:`~musterd_coordinator.sweep.slots.bulk.Bulk`.
    """

    lanes = CONNECTIONS * DEPTH

    def __init__(
        self,
        server: ServerAddress,
        namespace: str,
        way: Way | None = None,
        access: ServerAccess = OPEN,
    ) -> None:
        self._server = server
        self._access = access
        self._way = way or Way(server.host)
        self._beat_prefix = Keys(namespace).beat_prefix
        self._links: list[BulkConnection | None] = [None] * CONNECTIONS
        self._lifetime = Lifetime(server.name)
        self.oversized: list[bytes] = []
        self._connecting = [anyio.Lock() for _ in range(CONNECTIONS)]

    async def values(self, lane: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values of ``keys``."""
        make = partial(ValuesReply, self._server.name, keys)
        reply = await self._call(lane, b" ".join(keys), make)
        return reply.values

    async def beats(self, lane: int, block: Block) -> BeatRecords:
        """Return the records in the slots of ``block``."""
        make = partial(BeatsReply, self._server.name, block, self._beat_prefix)
        reply = await self._call(lane, memoryview(block.text)[:-1], make)
        return reply.result

    def close(self) -> None:
        """Abort the connections for good, those too that are being made."""
        self._lifetime.end()
        self.drop()

    def drop(self) -> None:
        """Abort the connections; the next call connects anew."""
        for link in self._links:
            if link is not None:
                link.abort(CLOSED)
        self._links = [None] * CONNECTIONS

    async def _call(self, lane: int, keys: bytes | memoryview, make: Callable[[], R]) -> R:
        """Return the whole reply. A value larger than any of ours is removed, and is not in it."""
        command = b"".join((b"get ", keys, b"\r\n"))
        removed: set[bytes] = set()
        while True:
            reply = make()
            link = await self._link(lane % CONNECTIONS)
            try:
                await link.call(command, reply)
            except ReplyTooLong:
                if reply.oversized and removed.issuperset(reply.oversized):
                    raise  # the server does not mean what it says
                await self._remove(lane, reply.oversized)
                removed.update(reply.oversized)
            else:
                await self._remove(lane, reply.oversized)
                return reply

    async def _remove(self, lane: int, keys: Sequence[bytes]) -> None:
        if keys:
            self.oversized += keys
            link = await self._link(lane % CONNECTIONS)
            link.send(b"".join(b"delete %b noreply\r\n" % key for key in keys))

    async def _link(self, number: int) -> BulkConnection:
        link = self._links[number]
        if link is not None and link.is_usable:
            return link
        async with self._connecting[number]:
            link = self._links[number]
            if link is None or not link.is_usable:
                link = self._links[number] = await self._connect()
            return link

    async def _connect(self) -> BulkConnection:
        try:
            with self._lifetime.within():
                link = await self._way.connect(self._connect_to)
                if self._access.login:
                    await self._log_in(link)
        except OSError as error:
            raise ShardUnavailable(self._server.name, unreachable(error)) from None
        if self._lifetime.is_over:  # in the moment in which it was made
            link.abort(CLOSED)
            self._lifetime.check()
        return link

    async def _log_in(self, link: BulkConnection) -> None:
        try:
            await link.call(self._access.login, LoginReply(self._server.name))
        except ShardRefused as refused:
            raise login_refused(self._server.name, refused.reason) from None

    async def _connect_to(self, address: str) -> BulkConnection:
        transport, link = await asyncio.get_running_loop().create_connection(
            lambda: BulkConnection(self._server.name),
            address,
            self._server.port,
            **self._access.secured(self._server.host),
        )
        keep_alive(transport)
        return link
