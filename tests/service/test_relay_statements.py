"""What a relay's statements leave in the database: the newer beat, and no ring of waiting."""

from random import Random

import anyio

from musterd.beat import Beat, pack
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.testing.servers import Database
from musterd_coordinator.relay import database as statements
from musterd_coordinator.relay.service import running
from musterd_coordinator.relay.waiting import NEXT, Newcomer
from tests.contract.cast import hosts
from tests.contract.labs import NAMESPACE
from tests.service.relay_fleet import PATIENT, crowd, rows_of, settings_of, store_of


async def test_an_older_beat_does_not_undo_a_newer_one(ready: Database) -> None:
    """Not of the same run, over however many relays; another run's may."""
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        link = PgSession(parse_url(ready.dsn), PATIENT)
        identity = agent.identity(agent.members[0])

        async def write(sequence: int, incarnation: int = agent.incarnation) -> bool:
            record = pack(Beat(identity, incarnation, sequence, interval_ms=1000))
            [written] = await statements.write(link, rows_of({identity: (0, record)}))
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
        link.close()


async def test_any_beat_may_follow_one_that_is_fresh_no_more(ready: Database) -> None:
    """Whatever its number: so nobody is kept out for long by one that was forged."""
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        link = PgSession(parse_url(ready.dsn), PATIENT)
        identity, sent = agent.identity(agent.members[0]), iter(range(10**6))

        async def write(sequence: int, interval: float) -> bool:
            record = pack(
                Beat(
                    identity, agent.incarnation, sequence, int(interval * 1000), sent_ms=next(sent)
                )
            )
            [written] = await statements.write(link, rows_of({identity: (0, record)}), 600.0)
            return bool(written)

        async def let_it_be_from(ago: str) -> None:
            # In a thread: the relay may have to end a transaction first, on this loop.
            sql = f"UPDATE musterd.beat SET seen_at = now() - interval '{ago}'"
            await anyio.to_thread.run_sync(ready.execute, sql)

        ages = [(1, 29, True), (100, 149, True), (10**6, 599, True)]  # interval, seconds fresh
        ages = [(interval, at + late, fresh is (late < 0)) for interval, at, fresh in ages
                for late in (-20, 2)]  # fmt: skip
        for interval, age, fresh in [*ages, (100, -3600, False)]:  # the last: a clock set back
            for number in (500, 500 + 2**16, 2**64 - 500):
                await let_it_be_from("1 day")
                assert await write(number, interval)
                await let_it_be_from(f"{age} s")
                assert await write(number, interval)  # again and again: that keeps it no fresher
                assert await write(2, 1) is not fresh, (interval, age, number)
        link.close()


async def test_relays_with_the_same_members_never_wait_in_a_ring(ready: Database) -> None:
    members = hosts(400)
    links = [PgSession(parse_url(ready.dsn), PATIENT) for _ in range(3)]
    newcomers = [Newcomer(NAMESPACE, member, b"") for member in members]
    slots: dict[int, int] = {}

    async def announce(link: PgSession, seed: int) -> None:
        for _ in range(3):
            mixed = Random(seed).sample(newcomers, len(newcomers))
            found = await statements.announce(link, mixed[:200])
            found |= await statements.announce(link, mixed[200:])
            assert slots.setdefault(seed, len(found)) == len(members)
            assert sorted(found.values()) == list(range(len(members)))

    async def write(link: PgSession, rows: statements.Rows) -> None:
        for _ in range(10):
            assert (await statements.write(link, rows)).all()

    async with anyio.create_task_group() as tasks:
        for seed, link in enumerate(links):
            tasks.start_soon(announce, link, seed)
    found = await statements.find_seats(links[0], newcomers)
    assert list(found.values()) == list(range(400))
    rows = rows_of({who: (slot or 0, pack(Beat(who, 1, 1, 1000))) for who, slot in found.items()})
    async with anyio.create_task_group() as tasks:
        for link in links:
            tasks.start_soon(write, link, rows)
    for link in links:
        link.close()
