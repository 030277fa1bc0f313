"""The module is the embedded store: a memcached server inside the coordinator's event loop.

One client can neither stall the others nor fill the memory: a turn of one connection is bounded in
time and in bytes, a connection that does not read its replies is not read from, all input and
output that waits has a common budget, and a client that exceeds what is allowed is hung up on.
"""

import errno
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import structlog

from musterd.about import version
from musterd.errors import CannotListen, ConfigError
from musterd.resolving import shared
from musterd.stores.table.table import Table
from musterd.tls import Tls
from musterd.urls import LAST_PORT
from musterd_coordinator.doorway.listener import Listener
from musterd_coordinator.doorway.sockets import listen_on
from musterd_coordinator.memcache.binary import BinarySession
from musterd_coordinator.memcache.commands import StoreHook
from musterd_coordinator.memcache.conversation import Conversation
from musterd_coordinator.memcache.packets import BEGINNING
from musterd_coordinator.memcache.protocol import ProtocolSession
from musterd_coordinator.memcache.session import ClientConnection, ClientLimits, Clients
from musterd_coordinator.process.binding import PATIENCE, patiently, warn_of_loopback

__all__ = ["ClientLimits", "MemcacheServer", "serve"]

log = structlog.get_logger(__name__)

SPOKEN = "1.6.18"
"""The memcached whose replies ours are to the byte."""

_BACKLOG = 1024  # connections that wait to be accepted
_LOOK_UP_TIMEOUT = 5.0  # seconds
_STOP_TIMEOUT = 2.0  # seconds for connections to end when the server stops


class MemcacheServer:
    """A `MemcacheServer` serves one table. ``port`` is the bound one once it is started.

    ``storekeeper`` takes what is not to go into the table. Where there is ``tls`` all clients speak
    it, and one that does not is told ``plain``.
    """

    speaks_binary = False  # who does is hung up on
    called = "embedded store"
    plain = b"SERVER_ERROR this port speaks TLS: name the store embedded+tls://\r\n"
    address_from = "the store's URL"

    def __init__(
        self,
        host: str,
        port: int,
        table: Table,
        limits: ClientLimits | None = None,
        storekeeper: StoreHook | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.table = table
        self.limits = limits or ClientLimits()
        # libmemcached refuses a major version of 0, and looks at nothing behind the numbers.
        self.version = f"{SPOKEN}-musterd-{version()}"
        self._storekeeper = storekeeper
        self._crowd = Clients(self._converse, self.limits, self.called)
        self._started = time.monotonic()
        self._tls = tls
        self._server: Listener | None = None

    @property
    def connections(self) -> int:
        """Return how many clients are connected."""
        return len(self._crowd.links)

    @property
    def address(self) -> str:
        """Return host and port for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self, patience: float = PATIENCE) -> None:
        """Listen.

        Raises ConfigError if there is no such port, it is not permitted, or the files of TLS cannot be
        used; CannotListen if the address cannot be had for ``patience`` seconds.
        """
        if not 0 <= self.port <= LAST_PORT:
            raise ConfigError(self._why_not(f"there are ports up to {LAST_PORT}"))
        if self._tls is not None:
            self._tls.context()
        self._server = await patiently(self._listen, self.called, patience)
        addresses = [str(one.getsockname()[0]) for one in self._server.sockets]
        warn_of_loopback(self.called, self.host, addresses)
        self.port = self._server.sockets[0].getsockname()[1]

    def _converse(self, first: bytes) -> Conversation:
        if self.speaks_binary and first.startswith(BEGINNING):
            return BinarySession(self.table, self)
        return ProtocolSession(self.table, self, self._storekeeper)

    async def _listen(self) -> Listener:
        try:
            with anyio.fail_after(_LOOK_UP_TIMEOUT):
                addresses = await shared().addresses(self.host)
            return self._listen_on(addresses)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            reason = "another server listens there" if in_use else error.strerror or str(error)
            kind = ConfigError if error.errno == errno.EACCES else CannotListen
            raise kind(self._why_not(reason)) from error

    def _connection(self) -> ClientConnection:
        return ClientConnection(self._crowd)

    def _listen_on(self, addresses: Sequence[str]) -> Listener:
        sockets = listen_on(addresses, self.port, _BACKLOG)
        return Listener(sockets, self._connection, self._tls, called=self.called, plain=self.plain)

    async def aclose(self) -> None:
        """Stop listening and hang up on all clients. Idempotent."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        with anyio.move_on_after(_STOP_TIMEOUT, shield=True):
            await server.wait_closed()
            await self._crowd.dismiss()

    def statistics(self, kind: str) -> dict[str, object] | None:
        """Return the statistics that ``stats KIND`` shows; None if there is no such kind."""
        match kind:
            case "":
                return self._general() | self.table.stats()
            case "settings":
                return self._settings()
            case "items":
                return self._items()
            case (
                "sizes" | "slabs" | "conns" | "detail"
            ):  # memcached's own memory management, of which there is none
                return {}
        return None

    def reset(self) -> None:
        """Count from 0."""
        self.table.reset_stats()
        self._crowd.reset()

    def _why_not(self, reason: str) -> str:
        return (
            f"{self.called} cannot listen on {self.address} ({reason}): stop what is there,"
            f" or choose another host and port in {self.address_from}"
        )

    def _general(self) -> dict[str, object]:
        crowd = self._crowd
        return {
            "pid": os.getpid(),
            "uptime": int(time.monotonic() - self._started),
            "time": int(time.time()),
            "version": self.version,
            "pointer_size": 64,
            "max_connections": self.limits.connections,
            "curr_connections": len(crowd.links),
            "total_connections": crowd.accepted,
            "rejected_connections": crowd.refused,
            "listen_disabled_num": 0,
            "accepting_conns": 1,
            "waiting_bytes": crowd.waiting_bytes,
            "bytes_read": crowd.bytes_read,
            "bytes_written": crowd.bytes_written,
            "threads": 1,
        }

    def _settings(self) -> dict[str, object]:
        return {
            "maxbytes": self.table.memory_limit,
            "maxconns": self.limits.connections,
            "verbosity": 0,
            "tcpport": self.port,
            "inter": self.host,
            "evictions": "on",
            "cas_enabled": "yes",
            "item_size_max": self.table.item_limit,
            "flush_enabled": "yes",
            "binding_protocol": "ascii",
        }

    def _items(self) -> dict[str, object]:
        stats = self.table.stats()
        if not stats["curr_items"]:
            return {}
        return {
            "items:1:number": stats["curr_items"],
            "items:1:mem_requested": stats["bytes"],
            "items:1:evicted": stats["evictions"],
            "items:1:reclaimed": 0,
            "items:1:crawler_reclaimed": stats["crawler_reclaimed"],
        }


@asynccontextmanager
async def serve(
    host: str,
    port: int,
    table: Table,
    limits: ClientLimits | None = None,
    *,
    tls: Tls | None = None,
    patience: float = PATIENCE,
) -> AsyncIterator[MemcacheServer]:
    """Run a server for as long as the context lasts. ``port`` 0 takes a free one.

    Raises ConfigError if the address cannot be had, and CannotListen if it cannot for ``patience``
    seconds.
    """
    server = MemcacheServer(host, port, table, limits, tls=tls)
    await server.start(patience)
    try:
        yield server
    finally:
        await server.aclose()
