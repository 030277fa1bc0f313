"""The door is a memcached server in both protocols, whose connections may outlive it."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from musterd.tls import Tls
from musterd_coordinator.doorway.listener import Listener
from musterd_coordinator.doorway.sockets import listen_on
from musterd_coordinator.limits.descriptors import allowed, for_embedded_store
from musterd_coordinator.memcache.server import ClientLimits, MemcacheServer
from musterd_coordinator.memcache.session import ClientConnection, Clients
from musterd_coordinator.nova.keeping import KeptConnections
from musterd_coordinator.nova.table import NovaTable

BACKLOG = 1024  # connections that wait to be accepted

Facts = Callable[[], Mapping[str, object]]


class DoorServer(MemcacheServer):
    """A `DoorServer` shows by ``stats musterd`` how the door is: ``facts``.

    It listens on ``passed`` sockets where there are such, which systemd holds for it.
    """

    speaks_binary = True
    called = "door to Nova"
    address_from = "nova_listen"
    plain = b"SERVER_ERROR this port speaks TLS: set [cache] tls_enabled in nova.conf\r\n"

    def __init__(
        self,
        host: str,
        port: int,
        table: NovaTable,
        facts: Facts,
        *,
        tls: Tls | None = None,
        passed: Sequence[socket.socket] = (),
        keeping: KeptConnections | None = None,
    ) -> None:
        # Nova's services are on this host, and have one address.
        limits = ClientLimits(connections=for_embedded_store(allowed()), per_address=1.0)
        super().__init__(host, port, table, limits, tls=tls)
        self._facts = facts
        self._passed = list(passed)
        self._keeping = keeping

    @property
    def listener(self) -> socket.socket:
        """Return the first socket that it listens on. It listens."""
        assert self._server is not None
        return self._server.sockets[0]

    def statistics(self, kind: str) -> dict[str, object] | None:
        """Return the statistics that ``stats KIND`` shows; None if there is no such kind."""
        return dict(self._facts()) if kind == "musterd" else super().statistics(kind)

    async def adopt(self, name: str, connection: socket.socket) -> None:
        """Go on with a connection that an earlier run had, and that systemd kept by this name."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(partial(self._connection, name), connection)

    def leave(self) -> None:
        """Leave connections to the next run: all but those that have said half of something."""
        if self._keeping is None:
            return
        for link in list(self._crowd.links):
            if link.is_amid_something:
                link.cut_off("the door stops amid a command of its")
        self._keeping.leave()

    def _connection(self, name: str = "") -> ClientConnection:
        if self._keeping is None or self._tls is not None:
            return super()._connection()
        return KeptConnection(self._crowd, self._keeping, name)

    def _listen_on(self, addresses: Sequence[str]) -> Listener:
        sockets = self._passed or listen_on(addresses, self.port, BACKLOG)
        return Listener(sockets, self._connection, self._tls, called=self.called, plain=self.plain)


class KeptConnection(ClientConnection):
    """A `KeptConnection` is one that systemd keeps for the next run. ``name``: it does so already."""

    def __init__(self, crowd: Clients, keeping: KeptConnections, name: str) -> None:
        super().__init__(crowd)
        self._keeping = keeping
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and be kept unless there are too many."""
        super().connection_made(transport)
        if self not in self._crowd.links:
            self._keeping.release(self._name)
        elif not self._name:
            self._name = self._keeping.keep(transport.get_extra_info("socket"))

    def cut_off(self, reason: str) -> None:
        """Drop the connection, whatever waits on it, and what systemd has of it."""
        self._keeping.release(self._name)
        super().cut_off(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind, at systemd either."""
        super().connection_lost(exc)
        self._keeping.release(self._name)
