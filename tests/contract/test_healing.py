"""Whatever a store loses comes back by itself, and nobody is given up for it."""

import pytest

from musterd.stores.slots.writer import ASSURE_EVERY
from tests.contract.cast import Agent, Coordinator, closing_all, host, hosts, run, settle
from tests.contract.conftest import (
    DATABASES,
    KEYED_SERVERS,
    LOCKED,
    LOGGED,
    RELAYS,
    SERVERS,
    STORES,
    THREE,
)
from tests.contract.database_lab import DatabaseLab
from tests.contract.labs import KeyedLab, Lab

LOSSES = [
    *((store, loss) for store in ("memory", "memcached", THREE) for loss in KeyedLab.losses),
    # The embedded store keeps the table of `memory`, and loses one thing or all as memcached does.
    *(("embedded", loss) for loss in KeyedLab.losses if " and " not in loss),
    (LOCKED, "everything"),  # what heals is not told how it came: the connection alone is another
    *((store, loss) for store in (*DATABASES, LOGGED, *RELAYS) for loss in DatabaseLab.losses),
]
KEYED = ("memory", *KEYED_SERVERS)


@pytest.mark.parametrize(("store_kind", "loss"), LOSSES)
async def test_a_loss_heals_within_a_few_beats(lab: Lab, loss: str) -> None:
    """For the coordinator that was there, for one that starts after it, and for newcomers."""
    store = lab.open()
    agent, coordinator = Agent(store, hosts(12)), Coordinator(store)
    names = {member.name for member in agent.members}
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 2)
        for member in agent.members[3:6]:
            lab.lose(loss, member)
            if loss == "everything":
                break
        fresh = Coordinator(store, "c2")
        newcomer = Agent(store, [host(100)])
        async with closing_all(fresh, newcomer):
            vacated = []
            for _ in range(3):
                await agent.tick()
                await newcomer.tick()
                for one in (coordinator, fresh):
                    look = await one.look()
                    vacated += look.vacated
            assert vacated == []
            assert look.proven
            sequences = dict.fromkeys(names, agent.sequence) | {"host-0100": 3}
            assert look.sequences == sequences
            assert (await coordinator.look()).sequences == sequences
        # The store holds all of it again, for those who start with no memory.
        restarted, late = Agent(store, agent.members), Coordinator(store, "c3")
        async with closing_all(restarted, late):
            look = await run([restarted], late, 3)
            assert look.beats.keys() == names | {"host-0100"}
            assert (await coordinator.look()).beats == look.beats
            assert late.seats == coordinator.seats


@pytest.mark.parametrize("loss", ["counter", "holder", "index", "everything"])
@pytest.mark.parametrize("store_kind", KEYED)
async def test_a_loss_while_the_agent_restarts(lab: Lab, loss: str) -> None:
    """Nobody remembers the slot but the coordinators, and they must find the new one."""
    store = lab.open()
    agent, coordinator = Agent(store, hosts(12)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 2)
        for member in agent.members[3:6]:
            lab.lose(loss, member)
            if loss == "everything":
                break
        restarted = Agent(store, list(reversed(agent.members)))
        fresh = Coordinator(store, "c2")
        async with closing_all(restarted, fresh):
            for one in (coordinator, fresh):
                look = await run([restarted], one, 3)
                assert look.beats == {
                    m.name: (restarted.incarnation, restarted.sequence) for m in agent.members
                }
            look = await run([restarted], coordinator, 2)
            assert set(look.sequences.values()) == {restarted.sequence}
            assert coordinator.seats == fresh.seats


@pytest.mark.parametrize("kind", ["holder", "index", "beat", "canary", "counter", "free"])
@pytest.mark.parametrize("store_kind", ["memory", "memcached", "embedded"])
async def test_nonsense_in_any_key_heals(lab: KeyedLab, kind: str) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, hosts(12)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 2)
        slots = lab.slot_of(host(3))
        for nonsense in (b"nonsense", b"", b"99999999999999999999", b"00ffffff", b"\xc3\x28" * 32):
            lab.spoil(kind, host(3), nonsense)
            agent.members.append(host(100 + agent.sequence))
            fresh = Coordinator(store, "c2")
            async with closing_all(fresh):
                await coordinator.look()
                for _ in range(3):
                    look = await run([agent], coordinator, 1)
                    look = await fresh.look()
            expected = {member.name: agent.sequence for member in agent.members}
            assert look.sequences == expected
            assert (await coordinator.look()).sequences == expected
            assert look.proven
            assert max(fresh.slots) < 100
            assert lab.slot_of(host(3)) == slots


@pytest.mark.parametrize("store_kind", KEYED)
async def test_a_lost_counter_is_overtaken_quickly(lab: KeyedLab) -> None:
    """A newcomer that meets 300 held slots needs a handful of calls, not 300."""
    store = lab.open()
    agent, newcomer = Agent(store, hosts(300)), Agent(store, [host(1000)])
    async with closing_all(agent, newcomer):
        await agent.tick()
        lab.lose("counter", host(0))
        lab.lose("counter", host(1))
        await newcomer.announce()
        assert all(slot < 1200 for slot in lab.slot_of(host(1000)))
        await agent.tick()
        late = Coordinator(store, "c2")
        async with closing_all(late):
            await newcomer.tick()
            await late.look()
            assert late.names == {m.name for m in [*agent.members, host(1000)]}


@pytest.mark.parametrize("store_kind", KEYED)
async def test_two_members_in_one_slot_part_within_a_beat(lab: KeyedLab) -> None:
    """As when ``m`` is evicted, another takes the slot, and the first knows nothing of it."""
    store = lab.open()
    first, coordinator = Agent(store, [host(1)]), Coordinator(store)
    async with closing_all(first, coordinator):
        await run([first], coordinator, 2)
        for shard in range(len(store.shard_names)):
            lab.flush(shard)
        second = Agent(store, [host(2), host(3), host(4)])
        async with closing_all(second):
            await second.tick()  # takes slot 0 of an empty store
            await first.announce()
            await first.tick()
            shards = store.place(first.identity(host(1)))
            for shard, slot in zip(shards, lab.slot_of(host(1)), strict=True):
                lab.copy_beat(shard, slot, 0)  # as if it beat there, and had never been told
            look = await run([first, second], coordinator, 3)
            assert look.beats.keys() == {f"host-000{n}" for n in range(1, 5)}
            assert {sequence for _, sequence in look.beats.values()} >= {second.sequence}


@pytest.mark.parametrize("newcomers_first", [False, True])
@pytest.mark.parametrize("store_kind", KEYED)
async def test_two_in_one_slot_part_in_whatever_order_they_beat(
    lab: KeyedLab, newcomers_first: bool
) -> None:
    """The last before each sweep is the only one seen, so no coordinator can tell."""
    store = lab.open()
    first, coordinator = Agent(store, [host(1)]), Coordinator(store)
    newcomers = Agent(store, hosts(20)[10:])
    async with closing_all(first, coordinator, newcomers):
        await run([first], coordinator, 2)
        lab.lose("counter and holder", host(1))
        agents = [newcomers, first] if newcomers_first else [first, newcomers]
        look = await run(agents, coordinator, ASSURE_EVERY)
        expected = {member.name: newcomers.sequence for member in newcomers.members}
        assert look.sequences == expected | {host(1).name: first.sequence}


@pytest.mark.parametrize("store_kind", SERVERS)
async def test_a_restarted_server_costs_nobody_its_seat(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, hosts(12)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 2)
        seats = [dict(seats) for seats in coordinator.seats]
        lab.stop()
        lab.start()
        await settle(agent)
        look = await run([agent], coordinator, 2)
        assert look.sequences == {member.name: agent.sequence for member in agent.members}
        assert coordinator.seats == seats


def test_every_store_is_here() -> None:
    assert {store for store, _ in LOSSES} == set(STORES)
