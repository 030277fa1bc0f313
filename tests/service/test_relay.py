"""A relay in this process, on real PostgreSQL: what agents are told, and what the database has."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from musterd.beat import member_id
from musterd.errors import ConfigError, StoreError
from musterd.settings import Settings
from musterd.stores import Store, open_store
from musterd.stores.postgres_schema import init_db
from musterd_coordinator.relay.service import Relay, running
from tests.contract import test_store as contract
from tests.contract.cast import Agent, Coordinator, closing_all, host, hosts, run
from tests.contract.labs import BEAT_TTL, NAMESPACE, Lab
from tests.servers import HOST, Database, PgBouncer, Postgres


def settings_of(dsn: str, **more: object) -> Settings:
    """A relay for this database, on any port."""
    usual = {"relay_listen": f"{HOST}:0", "relay_period": 0.02, "interval": 1.0}
    return Settings(store=dsn, namespace=NAMESPACE, **{**usual, **more})


def store_of(*relays: Relay, namespace: str = NAMESPACE, timeout: float = 5.0) -> Store:
    """The agents' store of these relays."""
    url = f"relay://{','.join(relay.server.address for relay in relays)}"
    return open_store(url, namespace=namespace, timeout=timeout, beat_ttl=BEAT_TTL)


@pytest.fixture
async def ready(database: Database) -> Database:
    """Give a database with musterd's tables."""
    await init_db(database.dsn, 30.0)
    return database


def coordinator_of(database: Database, name: str = "c1") -> Coordinator:
    """One that reads the database."""
    store = open_store(database.dsn, namespace=NAMESPACE, timeout=5.0, beat_ttl=BEAT_TTL)
    return Coordinator(store, name)


async def test_beats_are_swept(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay:
        agents = [Agent(store_of(relay), hosts(200)[at::4]) for at in range(4)]
        coordinator = coordinator_of(ready)
        async with closing_all(*agents, coordinator):
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    for agent in agents:
                        tasks.start_soon(agent.tick)
                look = await coordinator.look()
            assert look.proven
            assert look.sequences == {member.name: 3 for member in hosts(200)}
