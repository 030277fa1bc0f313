"""What a swarm sends for a member is, byte for byte, what an agent sends for it.

An agent of the product and a swarm beat for one member, in one slot of one real server, one after the
other, through a proxy that writes down what they say. Only what the clock and the count of beats say
differs, and for keyed stores how the holder is asked for (see `KeyedScript`).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from benchmarks.load.fleet import Seated, make_fleet, member, seated
from benchmarks.load.flow import Flow
from benchmarks.load.keyed_port import KeyedPort
from benchmarks.load.port import Port
from benchmarks.load.postgres_port import PostgresPort
from benchmarks.load.tally import Count
from msgspec.structs import replace

from musterd.beat import MAGIC, SIZE, VERSION, Beat, pack, unpack
from musterd.settings.settings import MemberSettings, Settings
from musterd.stores import open_store
from musterd.stores.postgres.schema import init_db
from musterd.stores.slots.writer import ASSURE_EVERY
from musterd.testing import CuttingProxy
from musterd.testing.busy import in_time
from musterd.testing.servers import Database, Memcached
from musterd_agent.agent import Agent

NAMESPACE = "load-1"
NUMBER = 4711
INTERVAL = 7.0
LONG = 30.0  # seconds; a push that fails on a busy machine would be tried again
BEATS = 2 * ASSURE_EVERY  # that are compared, after as many
HEAD = MAGIC.to_bytes(2, "little") + bytes([VERSION])


class Recorder:
    """Keeps what passes a proxy on its way to the server."""

    def __init__(self, proxy: CuttingProxy) -> None:
        self.said = b""
        proxy.requests.change(self._keep)

    def _keep(self, chunk: bytes) -> bytes:
        self.said += chunk
        return chunk


@asynccontextmanager
async def recorded(host: str, port: int) -> AsyncIterator[tuple[str, Recorder]]:
    """A way to a server: its address, and what is said over it."""
    async with CuttingProxy(host, port) as proxy:
        yield proxy.address, Recorder(proxy)


def members() -> Seated:
    """The one member, where its agent sits."""
    return seated(make_fleet(NUMBER, 1, NAMESPACE, seed=1), 0, INTERVAL, wall=1.0)


async def an_agent(url: str, recorder: Recorder, ttl: float) -> bytes:
    """What the agent of the member says in its last beats."""
    one = member(NUMBER)
    beats = MemberSettings(group=one.group, member=one.name, zone=one.zone, interval=INTERVAL)
    settings = Settings(store=url, namespace=NAMESPACE, push_timeout=LONG, listed=(beats,))
    store = open_store(url, namespace=NAMESPACE, timeout=LONG, beat_ttl=ttl)
    agent = Agent(store, settings, incarnation=int(members().fleet.incarnation[0]))
    try:
        for turn in range(2 * BEATS):
            if turn == BEATS:
                recorder.said = b""
            assert await agent.loops[0].report() == 1
        return recorder.said
    finally:
        await agent.aclose()


async def a_swarm(port: Port, recorder: Recorder) -> bytes:
    """What a swarm says in the same beats."""
    flow_members, count = members(), Count(push_timeout=LONG)
    flow = Flow(flow_members.fleet, port, port.script(flow_members), 1, count)
    flow.take_interval(INTERVAL)
    await flow.connect()
    recorder.said = b""
    for turn in range(1, BEATS + 1):
        flow.tick((turn - 1) * INTERVAL, turn * INTERVAL, look=turn % ASSURE_EVERY == 0)
        with in_time(LONG):
            while count.tally.through < turn:
                assert (count.tally.lost, count.tally.reasons) == (0, {})
                await anyio.lowlevel.checkpoint()
    flow.close()
    port.close()
    return recorder.said


def told_apart(said: bytes) -> tuple[bytes, Sequence[Beat]]:
    """What is said around the records, and the records."""
    around, *parts = said.split(HEAD)
    beats = []
    for part in parts:
        record, rest = part[: SIZE - len(HEAD)], part[SIZE - len(HEAD) :]
        beats.append(unpack(HEAD + record))
        around += b"<record>" + rest
    return around, beats


def timeless(beats: Iterable[Beat]) -> list[Beat]:
    """Without what differs from one beat of a run to the next."""
    return [replace(beat, sequence=0, sent_ms=0, lag_ms=0) for beat in beats]


def assert_alike(agents: bytes, swarms: bytes) -> None:
    (around, theirs), (swarmed, ours) = told_apart(agents), told_apart(swarms)
    assert swarmed == around
    assert timeless(ours) == timeless(theirs)
    for beats in (theirs, ours):
        first = beats[0].sequence
        assert [beat.sequence for beat in beats] == list(range(first, first + BEATS))


async def test_a_swarm_says_to_memcached_what_agents_say(memcached: Memcached) -> None:
    async with recorded(memcached.host, memcached.port) as (address, recorder):
        agents = await an_agent(f"memcached://{address}", recorder, ttl=60.0)
        swarms = await a_swarm(KeyedPort(address, NAMESPACE, 60), recorder)
    assert agents.count(b"\r\ngets ") == BEATS // ASSURE_EVERY
    assert_alike(agents.replace(b"\r\ngets ", b"\r\nget "), swarms)


async def test_a_swarm_says_to_postgresql_what_agents_say(database: Database) -> None:
    await init_db(database.dsn, LONG)
    server = database.server
    async with recorded(server.host, server.port) as (address, recorder):
        url = database.dsn.replace(server.address, address)
        agents = await an_agent(url, recorder, ttl=60.0)
        swarms = await a_swarm(PostgresPort(url, NAMESPACE), recorder)
    assert_alike(agents, swarms)


def test_records_are_told_apart_from_what_is_around_them() -> None:
    record = pack(Beat(1, 2, 3, 4, push_timeout_ms=5))
    around, [beat] = told_apart(b"set x" + record + b"\r\n")
    assert (around, beat.push_timeout_ms) == (b"set x<record>\r\n", 5)
    with pytest.raises(AssertionError):
        assert_alike(record, b"longer" + record)
