"""The module is an agent's way to one memcached: one connection, and more where one is too slow.

aiomcache has one call at a time on a connection. A process that beats for many members must not
be bound by that when every call takes long, or some of them would fall silent on a path that is
open, only slow. A process of one member never has more than one connection.

A call that had to wait for nearly all of its time begins nothing: it would be cut off in the middle
and take its connection with it. Where members are more than their host can serve at once, as when
they all start on one that is busy, connecting would soon be all that is done.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from musterd.errors import ShardUnavailable
from musterd.stores.bounds import CLOSED, Pool, acquire_in_time
from musterd.stores.memcached.access import OPEN, ServerAccess
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.ways import Way

LANES = 8
PATIENCE = 0.1  # seconds that a call waits for its turn before it takes another connection


class ConnectionPool:
    """A ``ConnectionPool`` takes up to ``LANES`` calls at a time.

    It is a :class:`~musterd.stores.slots.protocol.KeyValue`.
    """

    def __init__(self, server: ServerAddress, access: ServerAccess = OPEN) -> None:
        self.name = server.name
        self._server = server
        self._access = access
        self._way = Way(server.host)
        self._closed = False
        self._lanes = [self._new_lane()]
        self._idle = Pool(self._lanes)

    async def gets(self, key: bytes) -> tuple[bytes | None, int]:
        """Return the value and its cas number."""
        async with self._lane() as lane:
            return await lane.gets(key)

    async def get_many(self, *keys: bytes) -> Sequence[bytes | None]:
        """Return the value of each key."""
        async with self._lane() as lane:
            return await lane.get_many(*keys)

    async def set(self, key: bytes, value: bytes, ttl: int = 0) -> None:
        """Store the value."""
        async with self._lane() as lane:
            await lane.set(key, value, ttl)

    async def add(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is absent."""
        async with self._lane() as lane:
            return await lane.add(key, value, ttl)

    async def replace(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is present."""
        async with self._lane() as lane:
            return await lane.replace(key, value, ttl)

    async def cas(self, key: bytes, value: bytes, token: int, ttl: int = 0) -> bool:
        """Store the value if the key is unchanged."""
        async with self._lane() as lane:
            return await lane.cas(key, value, token, ttl)

    async def incr(self, key: bytes, step: int) -> int | None:
        """Return the number after adding ``step`` to it; None when absent."""
        async with self._lane() as lane:
            return await lane.incr(key, step)

    async def delete(self, key: bytes) -> None:
        """Remove the key."""
        async with self._lane() as lane:
            await lane.delete(key)

    async def renew(self) -> str:
        """Use new connections: one now, and others when they are needed again."""
        first, *others = self._lanes
        address = await first.renew()
        for lane in others:
            await lane.close_idle()
        return address

    def close(self) -> None:
        """Abort all connections for good, those too that are being made."""
        self._closed = True
        for lane in self._lanes:
            lane.close()

    @asynccontextmanager
    async def _lane(self) -> AsyncIterator[MemcachedConnection]:
        lane = await self._acquire()
        try:
            yield lane
        finally:
            self._idle.release(lane)

    async def _acquire(self) -> MemcachedConnection:
        if self._idle.is_empty and len(self._lanes) < LANES:
            with anyio.move_on_after(PATIENCE):
                return await self._idle.acquire()
            if len(self._lanes) < LANES:  # still
                self._lanes.append(self._new_lane())
                return self._lanes[-1]
        return await acquire_in_time(self._idle)

    def _new_lane(self) -> MemcachedConnection:
        if self._closed:
            raise ShardUnavailable(self.name, CLOSED)
        return MemcachedConnection(self._server, self._way, self._access)
