"""Many members of one process at a PostgreSQL that is some way off: all get through, or get back."""

import anyio
import pytest

from musterd.errors import ShardRefused, ShardUnavailable
from musterd.stores import ShardWriter, open_store
from musterd.stores.postgres.schema import init_db
from musterd.testing import CuttingProxy
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database, PgBouncer
from musterd_agent.agent import Agent
from tests.agent_support import running, settings_of
from tests.service.postgres_fleet import TIMEOUT, beat_of, everybody, host, writer_of

pytestmark = pytest.mark.usefixtures("tables")

MEMBERS = 120
INTERVAL = 1.5


def behind(proxy: CuttingProxy, database: Database) -> str:
    return database.dsn.replace(database.server.address, proxy.address)


def failures(agent: Agent) -> int:
    return sum(loop.counters.failed for loop in agent.loops)


async def all_beat_again(agent: Agent, within: float) -> None:
    """Wait until every member got a beat through that was made after now."""
    counts = [loop.counters.accepted for loop in agent.loops]
    with in_time(within):
        while any(  # noqa: ASYNC110 (what is waited for has no event of its own)
            loop.counters.accepted < count + 2
            for loop, count in zip(agent.loops, counts, strict=True)
        ):
            await anyio.sleep(0.05)


@pytest.mark.time_limit(
    90
)  # a stall, and what comes after it, takes half a minute where it is slow
async def test_all_members_get_through_and_come_back_after_a_stall(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    interval = allowed_now(INTERVAL)  # so that no beat is late because the machine is busy
    settings = settings_of(*(f"h{number}" for number in range(MEMBERS)), interval=interval)
    host_, _, port = database.server.address.rpartition(":")
    async with CuttingProxy(host_, int(port)) as proxy:
        proxy.requests.delay(0.025)
        store = open_store(
            behind(proxy, database),
            namespace=settings.namespace,
            timeout=settings.effective_push_timeout,
            beat_ttl=600,
        )
        agent = Agent(store, settings)
        async with running(agent):
            await all_beat_again(agent, 60)
            connections = proxy.accepted
            await all_beat_again(agent, 60)
            assert proxy.accepted == connections == 1
            failed = failures(agent)
            proxy.requests.stall()
            while failures(agent) < failed + 2 * MEMBERS:  # noqa: ASYNC110 (as above)
                await anyio.sleep(0.05)
            proxy.requests.flow()
            await all_beat_again(agent, 60)
            assert proxy.accepted < connections + 10
        await agent.aclose()


async def test_a_member_that_gives_up_leaves_the_connection_to_the_others(
    database: Database,
) -> None:
    await init_db(database.dsn, TIMEOUT)
    host_, _, port = database.server.address.rpartition(":")
    async with CuttingProxy(host_, int(port)) as proxy:
        writer = writer_of(behind(proxy, database))
        for number in range(3):
            await writer.announce(host(number))
        for sequence in range(1, 20):
            with anyio.move_on_after(0.001 * (sequence % 4)):
                await writer.beat(beat_of(host(0), sequence))
        assert await writer.beat(beat_of(host(1), 7))
        assert await writer.beat(beat_of(host(2), 8))
        assert proxy.accepted == 1
        proxy.requests.stall()
        with anyio.move_on_after(0.05):
            await writer.announce(host(3))
        proxy.requests.flow()
        await writer.announce(host(3))
        assert await writer.beat(beat_of(host(3), 9))
        await writer.aclose()
    sequences = await everybody(database.dsn)
    assert {slot: sequences[slot] for slot in (1, 2, 3)} == {1: 7, 2: 8, 3: 9}


async def test_one_member_that_the_database_refuses_keeps_no_other_out(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    database.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.name = 'host-0003' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON musterd.member
        FOR EACH ROW EXECUTE FUNCTION refuse()
    """)
    writer = writer_of(database.dsn)
    refused = []

    async def announce(number: int) -> None:
        try:
            await writer.announce(host(number))
            assert await writer.beat(beat_of(host(number), number))
        except ShardRefused as error:
            refused.append((number, error.reason))

    async with anyio.create_task_group() as tasks:
        for number in range(1, 12):
            tasks.start_soon(announce, number)
    await writer.aclose()
    assert refused == [(3, "not this one")]
    assert set((await everybody(database.dsn)).values()) == {*range(1, 12)} - {3}


async def test_through_a_pooler(pgbouncer: PgBouncer, database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    writer = writer_of(pgbouncer.dsn_of(database.name))
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(writer.announce, host(number))
    assert [await writer.beat(beat_of(host(number), 3)) for number in range(5)] == [True] * 5
    database.execute("DELETE FROM musterd.beat")
    assert not await writer.beat(beat_of(host(1), 4))
    await writer.aclose()


async def test_closed_while_others_wait(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    host_, _, port = database.server.address.rpartition(":")
    async with CuttingProxy(host_, int(port)) as proxy:
        writer = writer_of(behind(proxy, database))
        for number in range(2):
            await writer.announce(host(number))
        proxy.requests.stall()
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(refused_beat, writer, number)
            await anyio.wait_all_tasks_blocked()
            await writer.aclose()


async def refused_beat(writer: ShardWriter, number: int) -> None:
    with pytest.raises(ShardUnavailable, match="by this process"):
        await writer.beat(beat_of(host(number)))
