"""The network of a world is the boundary of a store's calls: each way may be slow, lost or closed."""

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

import anyio

from musterd.errors import ShardUnavailable
from musterd.stores.table.store import TableConnection
from musterd.stores.table.table import Table
from musterd_coordinator.sweep.columns import Slots, Words
from musterd_coordinator.sweep.slots.slotmap import Block
from musterd_coordinator.sweep.table import TableBulk

T = TypeVar("T")
SLOW = 40.0  # times the usual delay


class StoreServer:
    """One store: a table that may hang, refuse, be slow, and lose all that it has."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.table = Table(monotonic=anyio.current_time, wall=anyio.current_time)
        self.hung_until = self.refuses_until = self.slow_until = 0.0

    async def take(self) -> None:
        """Be asked: wait while it hangs, fail while it refuses."""
        await anyio.sleep(max(0.0, self.hung_until - anyio.current_time()))
        if anyio.current_time() < self.refuses_until:
            raise ShardUnavailable(self.name, "connection refused")

    def empty(self) -> None:
        """Be started again with nothing in it."""
        self.table.flush_all()


class Road:
    """The way of one host to all stores. ``lost`` is called when it loses what no other host loses."""

    def __init__(self, rng: Random, delay: float, loss: float) -> None:
        self.cut_until = 0.0
        self.lost: Callable[[], None] = lambda: None
        self._rng = rng
        self.delay = delay
        self.loss = loss

    async def pass_to(self, server: StoreServer) -> None:
        """Go one way."""
        factor = SLOW if anyio.current_time() < server.slow_until else 1.0
        wait = self._rng.expovariate(1.0) * self.delay * factor
        await anyio.sleep(min(wait, 10 * self.delay * factor))
        if self._rng.random() < self.loss or anyio.current_time() < self.cut_until:
            self.lost()
            await anyio.sleep_forever()  # its caller has a deadline


class Wire:
    """A connection of one host to one store: all verbs of a table, over a road."""

    lanes = 1

    def __init__(self, server: StoreServer, road: Road) -> None:
        self.name = server.name
        self.oversized: list[bytes] = []
        self._server = server
        self._road = road

    async def _carry(self, call: Callable[[], Awaitable[T]]) -> T:
        await self._road.pass_to(self._server)
        await self._server.take()
        answer = await call()
        await self._road.pass_to(self._server)
        return answer

    @property
    def _far(self) -> TableConnection:
        return TableConnection(self.name, self._server.table)

    async def gets(self, key: bytes) -> tuple[bytes | None, int]:
        return await self._carry(lambda: self._far.gets(key))

    async def get_many(self, *keys: bytes) -> Sequence[bytes | None]:
        return await self._carry(lambda: self._far.get_many(*keys))

    async def set(self, key: bytes, value: bytes, ttl: int = 0) -> None:
        await self._carry(lambda: self._far.set(key, value, ttl))

    async def add(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        return await self._carry(lambda: self._far.add(key, value, ttl))

    async def replace(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        return await self._carry(lambda: self._far.replace(key, value, ttl))

    async def cas(self, key: bytes, value: bytes, token: int, ttl: int = 0) -> bool:
        return await self._carry(lambda: self._far.cas(key, value, token, ttl))

    async def incr(self, key: bytes, step: int) -> int | None:
        return await self._carry(lambda: self._far.incr(key, step))

    async def delete(self, key: bytes) -> None:
        await self._carry(lambda: self._far.delete(key))

    async def renew(self) -> str:
        return await self._carry(lambda: self._far.renew())

    async def values(self, lane: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        return await self._carry(lambda: TableBulk(self._server.table).values(lane, keys))

    async def beats(self, lane: int, block: Block) -> tuple[Slots, Words, Slots]:
        return await self._carry(lambda: TableBulk(self._server.table).beats(lane, block))

    def drop(self) -> None:
        """There is nothing to drop."""

    def close(self) -> None:
        """There is nothing to close."""
