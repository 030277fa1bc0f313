"""The relay's own end of the memcached protocol is as the embedded store's, with other words."""

from musterd.stores.table.table import Table
from musterd.tls import Tls
from musterd_coordinator.limits.descriptors import allowed, for_relay
from musterd_coordinator.memcache.commands import StoreHook
from musterd_coordinator.memcache.server import ClientLimits, MemcacheServer
from musterd_coordinator.relay.gauges import RelayGauges

WAITING_BYTES = 256 << 20
TABLE_MEMORY = 1 << 30  # bytes: the announcements of a million members


class RelayServer(MemcacheServer):
    """A `RelayServer` shows its counts by ``stats relay``."""

    called = "relay"
    address_from = "relay_listen"
    plain = b"SERVER_ERROR this port speaks TLS: name the store relay+tls://\r\n"

    def __init__(
        self,
        host: str,
        port: int,
        table: Table,
        storekeeper: StoreHook,
        gauges: RelayGauges,
        tls: Tls | None = None,
    ) -> None:
        limits = ClientLimits(connections=for_relay(allowed()), waiting_bytes=WAITING_BYTES)
        super().__init__(host, port, table, limits, storekeeper, tls)
        self._gauges = gauges

    def statistics(self, kind: str) -> dict[str, object] | None:
        """Return the statistics that ``stats KIND`` shows; None if there is no such kind."""
        return self._gauges.statistics() if kind == "relay" else super().statistics(kind)
