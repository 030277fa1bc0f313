"""The module is the in-process store: the slot protocol over a table, without sockets.

It is for tests, simulation and embedding. Every call is a checkpoint of the running event loop, so
a program behaves on it as on a network, and time is that of the loop, so trio's MockClock drives it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from anyio.lowlevel import checkpoint

from musterd.errors import ShardRefused
from musterd.keys import Keyring
from musterd.model import check_name
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd.stores.slots.writer import SlotWriter
from musterd.stores.table.table import Outcome, Table

_MEMORY_LIMIT = 1 << 34
_tables: dict[str, Table] = {}


def open_url(
    url: str, *, namespace: str, timeout: float, beat_ttl: float, keyring: Keyring | None = None
) -> Store:
    """Return the store of ``memory:`` or ``memory:name``; equal names share a table in this process."""
    name = url.removeprefix("memory:")
    if name:
        check_name("memory store", name)
    shard = TableConnection(url, named_table(name))
    driver = MemoryDriver(shard, namespace, timeout, beat_ttl, keyring)
    return Store(url, (url,), 1, Guarantees.NEVER_EVICTS, driver)


def forget_table(name: str) -> None:
    """Let the next store of this name begin with an empty table."""
    _tables.pop(name, None)


def named_table(name: str, clock: Callable[[], float] = anyio.current_time) -> Table:
    """Return the table of this name; the first call makes it, with ``clock`` for its expiry."""
    if name not in _tables:
        _tables[name] = Table(_MEMORY_LIMIT, monotonic=clock)
    return _tables[name]


@dataclass(frozen=True, slots=True)
class MemoryDriver:
    """A ``MemoryDriver`` has one table, and how it is used."""

    shard: "TableConnection"
    namespace: str
    timeout: float
    beat_ttl: float
    keyring: Keyring | None

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to the table."""
        return SlotWriter(self.shard, self.namespace, self.timeout, self.beat_ttl, self.keyring)


class TableConnection:
    """A ``TableConnection`` is a :class:`~musterd.stores.slots.protocol.KeyValue` over a table."""

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        self.table = table

    async def gets(self, key: bytes) -> tuple[bytes | None, int]:
        """Return the value and its cas number."""
        await checkpoint()
        item = self.table.get((key,))[0]
        return (None, 0) if item is None else (item.value, item.cas)

    async def get_many(self, *keys: bytes) -> list[bytes | None]:
        """Return the value of each key."""
        await checkpoint()
        return [None if item is None else item.value for item in self.table.get(keys)]

    async def set(self, key: bytes, value: bytes, ttl: int = 0) -> None:
        """Store the value."""
        await checkpoint()
        self._stored(self.table.set(key, value, exptime=ttl))

    async def add(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is absent."""
        await checkpoint()
        return self._stored(self.table.add(key, value, exptime=ttl))

    async def replace(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is present."""
        await checkpoint()
        return self._stored(self.table.replace(key, value, exptime=ttl))

    async def cas(self, key: bytes, value: bytes, token: int, ttl: int = 0) -> bool:
        """Store the value if the key is unchanged."""
        await checkpoint()
        return self._stored(self.table.cas(key, value, 0, ttl, token))

    async def incr(self, key: bytes, step: int) -> int | None:
        """Return the number after adding ``step`` to it; None when absent."""
        await checkpoint()
        outcome = self.table.incr(key, step)
        if isinstance(outcome, Outcome):
            self._stored(outcome)
            return None
        return outcome

    async def delete(self, key: bytes) -> None:
        """Remove the key."""
        await checkpoint()
        self.table.delete(key)

    async def renew(self) -> str:
        """Do nothing: there is nothing to renew."""
        await checkpoint()
        return ""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _stored(self, outcome: Outcome) -> bool:
        if outcome not in (Outcome.STORED, Outcome.NOT_STORED, Outcome.EXISTS, Outcome.NOT_FOUND):
            raise ShardRefused(self.name, outcome.decode())
        return outcome is Outcome.STORED
