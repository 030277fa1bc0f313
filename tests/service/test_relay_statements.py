"""What a relay's statements leave in the database: the newer beat, and no ring of waiting."""

from random import Random

import anyio

from musterd.beat import Beat, pack
from musterd_coordinator.relay.database import RelayDatabase, Rows
from musterd_coordinator.relay.service import running
from musterd_coordinator.relay.waiting import NEXT, Newcomer
from tests.contract.cast import Agent, hosts
from tests.contract.database_lab import DatabaseLab
from tests.contract.labs import NAMESPACE
from tests.service.relay_fleet import crowd, database_of, rows_of, settings_of, store_of


async def slot_of(connection: RelayDatabase, agent: Agent) -> int:
    """Where the database has the agent's one member."""
    [slot] = (await connection.find_seats([Newcomer(NAMESPACE, agent.members[0], b"")])).values()
    assert slot is not None
    return slot


async def test_an_older_beat_does_not_undo_a_newer_one(behind: DatabaseLab) -> None:
    """Not of the same run, over however many relays; another run's may."""
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        connection = database_of(behind.url)
        identity = agent.identity(agent.members[0])
        slot = await slot_of(connection, agent)

        async def write(sequence: int, incarnation: int = agent.incarnation) -> bool:
            record = pack(Beat(identity, incarnation, sequence, interval_ms=1000))
            [written] = await connection.write(rows_of({identity: (slot, record)}))
            return bool(written)

        wrap = 2**16
        orders = [(5, 5, True), (6, 5, False), (wrap, wrap - 1, False), (wrap - 1, wrap, True)]
        orders += [(2**63, 2**63 - 3, False), (2**64 - 2, 2**64 - 1, True), (7, 7 + NEXT, True)]
        far = [7 + NEXT + 1, 300, 7 + wrap, 2**22, 2**40 + 8, 2**56 + 7, 2**64 - 2**22]
        orders += [(7, number, False) for number in far]
        orders += [(number, 7, False) for number in far]
        for first, second, taken in orders:
            assert await write(1, incarnation=first + 1)
            assert await write(first)
            assert await write(second) is taken, (first, second)
        connection.link.close()


async def test_any_beat_may_follow_one_that_is_fresh_no_more(behind: DatabaseLab) -> None:
    """Whatever its number: so nobody is kept out for long by one that was forged."""
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        connection = database_of(behind.url)
        identity, sent = agent.identity(agent.members[0]), iter(range(10**6))
        slot = await slot_of(connection, agent)

        async def write(sequence: int, interval: float) -> bool:
            record = pack(
                Beat(
                    identity, agent.incarnation, sequence, int(interval * 1000), sent_ms=next(sent)
                )
            )
            [written] = await connection.write(rows_of({identity: (slot, record)}), 600.0)
            return bool(written)

        async def let_it_be_from(ago: float) -> None:
            # In a thread: the relay may have to end a transaction first, on this loop.
            sql = f"UPDATE {{beat}} SET seen_at = now() - INTERVAL {behind.seconds(ago)}"
            await anyio.to_thread.run_sync(behind.execute, sql)

        ages = [(1, 29, True), (100, 149, True), (10**6, 599, True)]  # interval, seconds fresh
        ages = [(interval, at + late, fresh is (late < 0)) for interval, at, fresh in ages
                for late in (-20, 2)]  # fmt: skip
        for interval, age, fresh in [*ages, (100, -3600, False)]:  # the last: a clock set back
            for number in (500, 500 + 2**16, 2**64 - 500):
                await let_it_be_from(86_400)
                assert await write(number, interval)
                await let_it_be_from(age)
                assert await write(number, interval)  # again and again: that keeps it no fresher
                assert await write(2, 1) is not fresh, (interval, age, number)
        connection.link.close()


async def test_relays_with_the_same_members_never_wait_in_a_ring(behind: DatabaseLab) -> None:
    members = hosts(400)
    connections = [database_of(behind.url) for _ in range(3)]
    newcomers = [Newcomer(NAMESPACE, member, b"") for member in members]
    slots: dict[int, int] = {}

    async def announce(connection: RelayDatabase, seed: int) -> None:
        for _ in range(3):
            mixed = Random(seed).sample(newcomers, len(newcomers))
            found = await connection.announce(mixed[:200])
            found |= await connection.announce(mixed[200:])
            assert slots.setdefault(seed, len(found)) == len(members)
            assert sorted(found.values()) == list(behind.slots(len(members)))

    async def write(connection: RelayDatabase, rows: Rows) -> None:
        for _ in range(10):
            assert (await connection.write(rows)).all()

    async with anyio.create_task_group() as tasks:
        for seed, connection in enumerate(connections):
            tasks.start_soon(announce, connection, seed)
    found = await connections[0].find_seats(newcomers)
    assert list(found.values()) == list(behind.slots(400))
    rows = rows_of({who: (slot or 0, pack(Beat(who, 1, 1, 1000))) for who, slot in found.items()})
    async with anyio.create_task_group() as tasks:
        for connection in connections:
            tasks.start_soon(write, connection, rows)
    for connection in connections:
        connection.link.close()
