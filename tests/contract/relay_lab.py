"""The relay under test: agents come by way of it, coordinators do not."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from musterd.keys import Keyring
from musterd.settings.settings import Settings
from musterd.stores import Store, open_store
from musterd.stores.slots.protocol import Keys
from musterd.testing.servers import HOST, SUPERUSER, Database, Postgres
from musterd_coordinator.relay.service import RelayService, running
from tests.contract.labs import BEAT_TTL, NAMESPACE, PATIENT, Lab, PostgresLab, TwoRoles

RELAYS = "musterd_relays"
"""The role by which relays log in."""


class RelayLab(PostgresLab):
    """One PostgreSQL database and a relay, which has the rights of one."""

    asks_anew = True  # the next connection may lead to another relay

    def __init__(self, database: Database, relay: RelayService) -> None:
        super().__init__(database)
        self.relay = relay
        self._relay = f"relay://{relay.server.address}"
        self._table = relay.table

    def say(self, command: bytes) -> bytes:
        """What the relay answers to one command of anybody's."""
        host, _, port = self.relay.server.address.rpartition(":")
        with closing(socket.create_connection((host, int(port)), PATIENT)) as connection:
            connection.sendall(command)
            return connection.recv(4096)

    @property
    def challenge(self) -> bytes:
        """What it shows agents to sign."""
        item = self._table.get((Keys(NAMESPACE).challenge,))[0]
        return b"" if item is None else item.value

    def open(
        self,
        *,
        namespace: str = NAMESPACE,
        timeout: float = PATIENT,
        url: str | None = None,
        keyring: Keyring | None = None,
    ) -> Store:
        owners = Lab.open(self, namespace=namespace, timeout=timeout, url=url)
        agents = open_store(
            self._relay,
            namespace=namespace,
            timeout=timeout,
            beat_ttl=BEAT_TTL,
            keyring=keyring,
        )
        return replace(owners, driver=TwoRoles.of(agents.driver, owners.driver))


def _settings(dsn: str, fleet_key: Path | None) -> Settings:
    return Settings(
        fleet_key_file=None if fleet_key is None else str(fleet_key),
        store=dsn.replace(f"//{SUPERUSER}:", f"//{RELAYS}:"),
        namespace=NAMESPACE,
        interval=1.0,
        push_timeout=PATIENT,
        relay_listen=f"{HOST}:0",
        relay_period=0.001,
    )


@contextmanager
def relay_lab(server: Postgres, template: str, fleet_key: Path | None = None) -> Iterator[RelayLab]:
    """A database of the test's own, and a relay before it in a thread of its own."""
    with (
        server.database(template) as database,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running(_settings(database.dsn, fleet_key))) as relay,
    ):
        portal.call(relay.reached)
        lab = RelayLab(database, relay)
        try:
            yield lab
        finally:
            lab.close()
