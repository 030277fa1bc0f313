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
from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd.testing.servers import HOST, SUPERUSER, Database, Postgres
from musterd_coordinator.relay.service import RelayService, running
from tests.contract.database_lab import DatabaseLab
from tests.contract.labs import BEAT_TTL, NAMESPACE, PATIENT, Lab
from tests.contract.mariadb_lab import RELAYS, MariaLab, maria_database
from tests.contract.postgres_lab import PostgresLab


class RelayLab(DatabaseLab):
    """One database and a relay, which has the rights of one."""

    asks_anew = True  # the next connection may lead to another relay
    relay: RelayService

    def say(self, command: bytes) -> bytes:
        """What the relay answers to one command of anybody's."""
        host, _, port = self.relay.server.address.rpartition(":")
        with closing(socket.create_connection((host, int(port)), PATIENT)) as connection:
            connection.sendall(command)
            return connection.recv(4096)

    @property
    def challenge(self) -> bytes:
        """What it shows agents to sign."""
        item = self.relay.table.get((Keys(NAMESPACE).challenge,))[0]
        return b"" if item is None else item.value

    def open(
        self,
        *,
        namespace: str = NAMESPACE,
        timeout: float = PATIENT,
        url: str | None = None,
        keyring: Keyring | None = None,
    ) -> Store:
        others = Lab.open(self, namespace=namespace, timeout=timeout, url=url)
        agents = open_store(
            f"relay://{self.relay.server.address}",
            namespace=namespace,
            timeout=timeout,
            beat_ttl=BEAT_TTL,
            keyring=keyring,
        )
        return replace(others, driver=self.with_agents(others.driver, agents.driver))


class PostgresRelayLab(RelayLab, PostgresLab):
    """A relay before PostgreSQL."""

    def __init__(self, database: Database, relay: RelayService) -> None:
        super().__init__(database)
        self.relay = relay


class MariaRelayLab(RelayLab, MariaLab):
    """A relay before MariaDB."""

    def __init__(self, database: MariaDatabase, relay: RelayService) -> None:
        super().__init__(database)
        self.relay = relay


def _settings(url: str, fleet_key: Path | None) -> Settings:
    return Settings(
        fleet_key_file=None if fleet_key is None else str(fleet_key),
        store=url,
        namespace=NAMESPACE,
        interval=1.0,
        push_timeout=PATIENT,
        relay_listen=f"{HOST}:0",
        relay_period=0.001,
    )


@contextmanager
def _relay(url: str, fleet_key: Path | None) -> Iterator[RelayService]:
    """A relay before the database of ``url``, in a thread of its own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running(_settings(url, fleet_key))) as relay,
    ):
        portal.call(relay.reached)
        yield relay


@contextmanager
def relay_lab(
    server: Postgres, template: str, fleet_key: Path | None = None
) -> Iterator[PostgresRelayLab]:
    """A PostgreSQL database of the test's own, and a relay before it."""
    with server.database(template) as database:
        url = database.dsn.replace(f"//{SUPERUSER}:", f"//{RELAYS}:")
        with _relay(url, fleet_key) as relay:
            lab = PostgresRelayLab(database, relay)
            try:
                yield lab
            finally:
                lab.close()


@contextmanager
def maria_relay_lab(server: MariaDb, fleet_key: Path | None = None) -> Iterator[MariaRelayLab]:
    """A MariaDB database of the test's own, and a relay before it."""
    with (
        maria_database(server) as database,
        _relay(server.url_of(database.name, RELAYS), fleet_key) as relay,
    ):
        lab = MariaRelayLab(database, relay)
        try:
            yield lab
        finally:
            lab.close()
