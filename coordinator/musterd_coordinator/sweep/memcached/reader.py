"""The module is a coordinator's way to one memcached: a connection like an agent's, two for sweeps."""

from musterd.stores.memcached.connection import MemcachedConnection
from musterd.stores.memcached.store import MemcachedDriver
from musterd.ways import Way
from musterd_coordinator.sweep.base import ShardReader
from musterd_coordinator.sweep.memcached.bulk import MemcachedBulk
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.reader import SlotReader


def open_reader(
    driver: MemcachedDriver, shard: int, coordinator: str, signing: Signing | None
) -> ShardReader:
    """Return the reader of one server; see :func:`musterd_coordinator.sweep.base.open_reader`."""
    server = driver.servers[shard]
    way = Way(server.host)
    return SlotReader(
        MemcachedConnection(server, way, driver.access),
        MemcachedBulk(server, driver.namespace, way, driver.access),
        driver.namespace,
        coordinator,
        driver.timeout,
        driver.beat_ttl,
        signing=signing,
    )
