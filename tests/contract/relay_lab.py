"""The relay under test: agents come by way of it, coordinators do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from anyio.from_thread import start_blocking_portal

from musterd.keys import Keyring
from musterd.settings.settings import Settings
from musterd.stores import Store, open_store
from musterd.testing.servers import HOST, SUPERUSER, Database, Postgres
from musterd_coordinator.relay.service import running
from tests.contract.labs import BEAT_TTL, NAMESPACE, Lab, PostgresLab, TwoRoles

RELAYS = "musterd_relays"
"""The role by which relays log in."""


class RelayLab(PostgresLab):
    """One PostgreSQL database and a relay, which has the rights of one."""

    asks_anew = True  # the next connection may lead to another relay

    def __init__(self, database: Database, relay: str) -> None:
        super().__init__(database)
        self._relay = f"relay://{relay}"

    def open(
        self,
        *,
        namespace: str = NAMESPACE,
        timeout: float = 5.0,
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


def _settings(dsn: str) -> Settings:
    return Settings(
        store=dsn.replace(f"//{SUPERUSER}:", f"//{RELAYS}:"),
        namespace=NAMESPACE,
        interval=1.0,
        push_timeout=30.0,
        relay_listen=f"{HOST}:0",
        relay_period=0.001,
    )


@contextmanager
def relay_lab(server: Postgres, template: str) -> Iterator[RelayLab]:
    """A database of the test's own, and a relay before it in a thread of its own."""
    with (
        server.database(template) as database,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running(_settings(database.dsn))) as relay,
    ):
        lab = RelayLab(database, relay.server.address)
        try:
            yield lab
        finally:
            lab.close()
