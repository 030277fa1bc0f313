"""The module has the port of a relay before PostgreSQL, as a swarm's agents meet it."""

import anyio

from benchmarks.load.fleet import Seated
from benchmarks.load.keyed_port import KeyedPort
from benchmarks.load.port import LONG
from benchmarks.load.postgres_port import PostgresPort
from musterd.errors import ShardUnavailable
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.urls import host_and_port

_PAUSE = 0.2


class RelayPort(KeyedPort):
    """A `RelayPort` is one relay that writes to the database of ``tables``.

    It is a :class:`benchmarks.load.port.Port`. Members are put into the database directly, as if
    others had announced them there before, and then announced at the relay, which finds them there.
    """

    def __init__(self, name: str, tables: PostgresPort, namespace: str, ttl: int) -> None:
        super().__init__(name, namespace, ttl)
        self._tables = tables

    async def announce_all(self, members: Seated) -> None:
        """Announce all, and wait until the relay has found all their seats. Raises StoreError."""
        await self._tables.announce_all(members)
        await super().announce_all(members)
        if len(members.slots):
            await self._wait_for(members)

    async def _wait_for(self, members: Seated) -> None:
        """Wait for the last member: the relay seats members in the order in which they came."""
        key = self._keys.beat(int(members.slots[-1]))
        record = members.records[-1].tobytes()
        connection = MemcachedConnection(ServerAddress.from_host_port(*host_and_port(self.name)))
        try:
            with anyio.move_on_after(LONG):
                found = False
                while not found:
                    await anyio.sleep(_PAUSE)
                    found = await connection.replace(key, record, self._ttl)
                return
        finally:
            connection.close()
        raise ShardUnavailable(self.name, f"did not find seats for all members in {LONG:g} s")
