"""The module is a coordinator's way to a table in its own process."""

from collections.abc import Sequence

from anyio.lowlevel import checkpoint

from musterd.stores.table.store import MemoryDriver
from musterd.stores.table.table import Table
from musterd_coordinator.sweep.base import ShardReader
from musterd_coordinator.sweep.columns import Slots, Words
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.reader import SlotReader
from musterd_coordinator.sweep.slots.slotmap import Block


def open_reader(
    driver: MemoryDriver, shard: int, coordinator: str, signing: Signing | None
) -> ShardReader:
    """Return the reader of the table; see :func:`musterd_coordinator.sweep.base.open_reader`."""
    del shard
    bulk = TableBulk(driver.shard.table)
    return SlotReader(
        *(driver.shard, bulk, driver.namespace, coordinator, driver.timeout, driver.beat_ttl),
        signing=signing,
    )


class TableBulk:
    """A `TableBulk` is a :class:`~musterd_coordinator.sweep.slots.bulk.Bulk` over a table."""

    lanes = 1

    def __init__(self, table: Table) -> None:
        self._table = table
        self.oversized: list[bytes] = []

    async def values(self, lane: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values of ``keys``."""
        await checkpoint()
        items = self._table.get(keys)
        return {key: i.value for key, i in zip(keys, items, strict=True) if i is not None}

    async def beats(self, lane: int, block: Block) -> tuple[Slots, Words, Slots]:
        """Return the records in the slots of ``block``."""
        await checkpoint()
        items = self._table.get(block.keys)
        return block.records([None if item is None else item.value for item in items])

    def drop(self) -> None:
        """Do nothing: there is nothing to drop."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
