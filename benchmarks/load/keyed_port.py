"""The module has the port of a memcached or an embedded store, as a swarm's agents meet it."""

import asyncio
import os
from contextlib import aclosing

import anyio

from benchmarks.bulk import Pipe, announcements, portions, removals
from benchmarks.load.fleet import Seated
from benchmarks.load.keyed_script import KeyedScript, holders
from benchmarks.load.lane import Lane
from benchmarks.load.port import TIMEOUT
from musterd.errors import ShardUnavailable
from musterd.model import Member
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import unreachable
from musterd.stores.memcached.pool import ConnectionPool
from musterd.stores.slots.protocol import Keys
from musterd.stores.slots.seats import SlotTable
from musterd.urls import host_and_port

PORTS = 10_000


class KeyedPort:
    """A `KeyedPort` is one server of the slot protocol (:class:`benchmarks.load.port.Port`).

    ``name`` is its ``host:port``; beats expire after ``ttl`` seconds.
    """

    def __init__(self, name: str, namespace: str, ttl: int) -> None:
        self.name = name
        self._address = host_and_port(name)
        self._connected = 0
        self._keys = Keys(namespace)
        self._ttl = ttl
        self._shard = ConnectionPool(ServerAddress.from_host_port(*self._address))
        self._slots = SlotTable(self._shard, self._keys, ttl)

    def script(self, members: Seated) -> KeyedScript:
        """Return the beats of ``members`` as commands."""
        return KeyedScript(self._keys, self._ttl, members)

    async def connect(self, lane: Lane) -> None:
        """Connect ``lane`` to the server. Raises StoreError."""
        try:
            with anyio.fail_after(TIMEOUT):
                loop = asyncio.get_running_loop()
                own = _own_address(self._address[0], self._connected)
                self._connected += 1
                await loop.create_connection(lambda: lane, *self._address, local_addr=own)
        except TimeoutError:
            raise ShardUnavailable(self.name, f"no connection within {TIMEOUT:g} s") from None
        except OSError as error:
            raise ShardUnavailable(self.name, unreachable(error)) from None

    async def announce_all(self, members: Seated) -> None:
        """Write the keys of all members; the counter is :meth:`count_slots`. Raises StoreError."""
        numbers, slots, records = members.fleet.number, members.slots, members.records
        async with aclosing(Pipe(self.name)) as pipe:
            await pipe.pour(
                announcements(self._keys, self._ttl, slots[at], records[at], holders(numbers[at]))
                for at in portions(len(slots))
            )

    async def remove_all(self, members: Seated) -> None:
        """Delete all keys of the members. Raises StoreError."""
        slots, ids = members.slots, members.fleet.member_id
        async with aclosing(Pipe(self.name)) as pipe:
            await pipe.pour(removals(self._keys, slots[at], ids[at]) for at in portions(len(slots)))

    async def announce(self, member: Member, record: bytes) -> int:
        """Announce as agents do, and beat. Raises StoreError."""
        with anyio.move_on_after(TIMEOUT):
            slot = await self._slots.seat(member)
            await self._shard.set(self._keys.beat(slot), record, self._ttl)
            return slot
        raise ShardUnavailable(self.name, f"no answer within {TIMEOUT:g} s")

    async def count_slots(self, slots: int) -> None:
        """Set the slot counter, so that every slot below ``slots`` is read. Raises StoreError."""
        await self._shard.set(self._keys.counter, b"%d" % slots)

    async def forget(self, coordinator: str) -> None:
        """Delete the keys that are no member's, and the canary of that coordinator."""
        for key in (self._keys.counter, self._keys.free, self._keys.canary(coordinator)):
            await self._shard.delete(key)

    def close(self) -> None:
        """Drop the connections that belong to no lane."""
        self._shard.close()


def _own_address(host: str, number: int) -> tuple[str, int] | None:
    """Return where our side of connection ``number`` to ``host`` is; None: the system chooses.

    One address has ports for some 28,000 connections; on loopback there are more addresses.
    """
    if host not in ("127.0.0.1", "localhost") or number < PORTS:
        return None
    return f"127.0.{1 + os.getpid() % 250}.{number // PORTS % 250}", 0
