"""Relays, the agents that come by way of them, and coordinators that do not."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import numpy as np

from musterd.errors import ShardRefused
from musterd.settings.settings import Settings
from musterd.stores import Store, open_store
from musterd.testing.busy import in_time
from musterd.testing.servers import HOST
from musterd_coordinator.relay.database import RelayDatabase, Rows, open_database
from musterd_coordinator.relay.service import RelayService
from musterd_coordinator.sweep.columns import RECORD
from tests.contract.cast import Agent, Coordinator, closing_all, host
from tests.contract.labs import BEAT_TTL, NAMESPACE

PATIENT = 30.0  # seconds that a push may take where nothing hangs: the machine may be busy


def database_of(url: str, timeout: float = PATIENT) -> RelayDatabase:
    """One connection of a relay to a database."""
    return open_database(url, timeout)[1]


def settings_of(dsn: str, port: int = 0, push_timeout: float = PATIENT) -> Settings:
    """A relay for this database; port 0 is any."""
    return Settings(
        push_timeout=push_timeout,
        store=dsn,
        namespace=NAMESPACE,
        interval=1.0,
        relay_listen=f"{HOST}:{port}",
        relay_period=0.01,
    )


def store_of(*relays: RelayService, namespace: str = NAMESPACE, timeout: float = PATIENT) -> Store:
    """The agents' store of these relays."""
    url = f"relay://{','.join(relay.server.address for relay in relays)}"
    return open_store(url, namespace=namespace, timeout=timeout, beat_ttl=BEAT_TTL)


def coordinator_of(dsn: str, name: str = "c1") -> Coordinator:
    """One that reads the database."""
    store = open_store(dsn, namespace=NAMESPACE, timeout=5.0, beat_ttl=BEAT_TTL)
    return Coordinator(store, name)


@asynccontextmanager
async def crowd(store: Store, number: int = 40) -> AsyncIterator[list[Agent]]:
    """Agents of one member each, as hosts are."""
    agents = [Agent(store, [host(at)]) for at in range(number)]
    async with closing_all(*agents):
        yield agents


async def all_beat(agents: Sequence[Agent]) -> None:
    """One beat of each, at once. Raises if one fails."""
    async with anyio.create_task_group() as tasks:
        for agent in agents:
            tasks.start_soon(agent.tick)


async def until_all_beat(agents: Sequence[Agent]) -> None:
    """As :func:`all_beat`, at a relay that waits briefly and may be too slow at times."""
    with in_time(PATIENT):
        while await refusals(agents):
            pass


async def refusals(agents: Sequence[Agent]) -> dict[int, str]:
    """One beat of each, at once: why those that failed did, by their place."""
    failures: dict[int, str] = {}

    async def tick(at: int) -> None:
        try:
            await agents[at].tick()
        except ShardRefused as error:
            failures[at] = error.reason

    async with anyio.create_task_group() as tasks:
        for at in range(len(agents)):
            tasks.start_soon(tick, at)
    return failures


def rows_of(beats: Mapping[int, tuple[int, bytes]]) -> Rows:
    """Slots and records by member_id as the writer has them."""
    slots, records = zip(*beats.values(), strict=True)
    ids = np.array(list(beats), np.uint64)
    return Rows(np.array(slots, np.int32), ids, np.frombuffer(b"".join(records), RECORD))


async def talk(relay: RelayService, text: bytes, replies: int) -> list[bytes]:
    """What the relay answers to ``text``, by lines."""
    heard = b""
    with in_time(PATIENT):
        async with await anyio.connect_tcp(relay.server.host, relay.server.port) as stream:
            await stream.send(text)
            while heard.count(b"\r\n") < replies:
                heard += await stream.receive()
    return heard.split(b"\r\n")[:-1]
