"""What every store does for agents and coordinators."""

import anyio
import pytest

from musterd.beat import Beat, Status
from musterd.errors import StoreError
from musterd.model import Member
from musterd.stores import Guarantees
from tests.contract.cast import Agent, Coordinator, closing_all, host, hosts, run
from tests.contract.conftest import DIRECT
from tests.contract.labs import Lab

on_direct = pytest.mark.parametrize("store_kind", DIRECT)


async def test_a_beat_is_seen_as_it_was_sent(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, [host(1)]), Coordinator(store)
    sent = Beat(
        agent.identity(host(1)), 2**64 - 1, 2**63, 2**32 - 1, Status.DRAINING, 1700000000000, 3, 250
    )
    async with closing_all(agent, coordinator):
        await agent.announce()
        [shard, *_] = store.place(sent.member_id)
        assert await agent.writers[shard].beat(sent)
        reader = coordinator.readers[shard]
        [(slot, member)] = (await reader.roster()).seated
        sweep = await reader.sweep()
    assert member == host(1)
    assert sweep.complete
    assert sum(sweep.rejected) == 0
    assert [column.tolist() for column in sweep.beats] == [
        *([slot], [sent.member_id], [2**64 - 1], [2**63], [2**32 - 1]),
        *([Status.DRAINING], [1700000000000], [3], [sent.push_timeout_ms], [250]),
    ]


@on_direct
async def test_an_announcement_is_no_beat(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, [host(1)]), Coordinator(store)
    async with closing_all(agent, coordinator):
        await agent.announce()
        look = await coordinator.look()
        assert coordinator.names == {"host-0001"}
        assert look.proven
        assert look.beats == {}


async def test_a_beat_needs_an_announcement(lab: Lab) -> None:
    agent = Agent(lab.open(), [host(1)])
    async with closing_all(agent):
        assert not await agent.writers[0].beat(agent.beat_of(host(1)))


MANY = {"memory": 2500, "memcached": 2500}
"""Three commands of a thousand, for the one reader of all keyed stores; each join takes some calls."""


async def test_many_members(lab: Lab, store_kind: str) -> None:
    """They join from several agents at once."""
    store = lab.open()
    members = hosts(MANY.get(store_kind, 300))
    agents = [Agent(store, members[at::4]) for at in range(4)]
    coordinator = Coordinator(store)
    async with closing_all(*agents, coordinator):
        async with anyio.create_task_group() as group:
            for agent in agents:
                group.start_soon(agent.tick)
        look = await coordinator.look()
        assert look.proven
        assert look.sequences == {member.name: 1 for member in members}
        assert max(coordinator.slots) <= len(members)  # dense, from 0 or from 1 on
        again = await coordinator.look()
        assert not again.seated
        assert not again.vacated
        assert again.beats == look.beats


async def test_announcing_again_changes_nothing(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, hosts(20)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 1)
        before = [dict(seats) for seats in coordinator.seats]
        await agent.announce()
        restarted = Agent(store, agent.members)
        async with closing_all(restarted):
            look = await run([restarted], coordinator, 2)
        assert coordinator.seats == before
        assert look.vacated == []
        assert look.beats == {m.name: (restarted.incarnation, 2) for m in agent.members}


async def test_changed_facts_are_seen(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, [host(1, zone="a"), host(2)]), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 1)
        slots = coordinator.slots
        changed = Member("compute", "host-0001", "b", "ops", {"rack": "12"})
        restarted = Agent(store, [changed])
        async with closing_all(restarted):
            await run([restarted], coordinator, 2)
        assert coordinator.member("host-0001") == changed
        assert coordinator.member("host-0002") == host(2)
        assert coordinator.slots == slots


async def test_facts_that_change_while_a_member_beats_are_seen(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, [host(1, zone="a"), host(2)]), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 1)
        slots = coordinator.slots
        for metadata in ({"rack": "12"}, {}):
            agent.members = [Member("compute", "host-0001", "a", metadata=metadata), host(2)]
            await agent.announce()
            look = await run([agent], coordinator, 2)
            assert coordinator.member("host-0001") == agent.members[0]
            assert coordinator.member("host-0002") == host(2)
            assert look.beats["host-0001"][0] == agent.incarnation
        assert coordinator.slots == slots


@on_direct
async def test_retired_members_go_and_leave_their_slots_to_others(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, hosts(30)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await run([agent], coordinator, 1)
        for number in range(10):
            await agent.retire(host(number))
            await agent.writers[0].retire(host(number))  # idempotent
        assert not await agent.writers[0].beat(agent.beat_of(host(0)))
        look = await run([agent], coordinator, 2)
        assert coordinator.names == {host(n).name for n in range(10, 30)} == set(look.beats)
        slots = coordinator.slots
        for generation in range(1, 6):
            newcomers = [host(100 * generation + n) for n in range(3)]
            agent.members += newcomers
            await run([agent], coordinator, 2)
            assert coordinator.names >= {member.name for member in newcomers}
            for member in newcomers:
                await agent.retire(member)
            await run([agent], coordinator, 2)
        assert coordinator.names == {host(n).name for n in range(10, 30)}
        assert coordinator.slots == slots
        agent.members += [host(900 + n) for n in range(6)]
        await run([agent], coordinator, 2)
        assert max(coordinator.slots) < 36  # 30 at once at most, and a few tries that met


async def test_a_coordinator_retires_a_forgotten_member(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator, other = Agent(store, hosts(3)), Coordinator(store), Coordinator(store, "c2")
    async with closing_all(agent, coordinator, other):
        await run([agent], coordinator, 1)
        await other.look()
        for reader in coordinator.readers:
            await reader.retire(host(1))
        for one in (coordinator, other):
            for _ in range(2):
                look = await one.look()
            assert one.names == {"host-0000", "host-0002"} == set(look.beats)
        # It was alive: it hears of it at its next beat, and joins anew.
        announcements = agent.announcements
        look = await run([agent], coordinator, 2)
        assert agent.announcements > announcements
        assert set(look.beats) == {"host-0000", "host-0001", "host-0002"}
        await other.look()
        assert other.names == set(look.beats)


async def test_two_agents_with_one_name_share_a_slot(lab: Lab) -> None:
    store = lab.open()
    first, second = Agent(store, [host(1)]), Agent(store, [host(1)])
    coordinator = Coordinator(store)
    async with closing_all(first, second, coordinator):
        for agent in (first, second, first, second):
            look = await run([agent], coordinator, 1)
            assert look.beats == {"host-0001": (agent.incarnation, agent.sequence)}
            assert look.vacated == []
        assert first.announcements == second.announcements == len(store.place(0))


async def test_two_agents_with_one_name_do_not_fight_over_its_facts(lab: Lab) -> None:
    """Or coordinators would write them to their registries at the pace of beats."""
    store = lab.open()
    twins = [Agent(store, [host(1, zone="a")]), Agent(store, [host(1, zone="b")])]
    coordinator = Coordinator(store)
    async with closing_all(*twins, coordinator):
        await run(twins, coordinator, 2)
        announcements = [twin.announcements for twin in twins]
        for _ in range(8):
            assert not (await run(twins, coordinator, 1)).seated
        assert [twin.announcements for twin in twins] == announcements


async def test_one_member_announced_by_many_at_once_gets_one_slot(lab: Lab) -> None:
    store = lab.open()
    agents = [Agent(store, [host(1)]) for _ in range(8)]
    coordinator = Coordinator(store)
    async with closing_all(*agents, coordinator):
        async with anyio.create_task_group() as group:
            for agent in agents:
                group.start_soon(agent.announce)
        await coordinator.look()
        assert all(len(seats) <= 1 for seats in coordinator.seats)
        for agent in agents:
            look = await run([agent], coordinator, 1)
            assert look.beats == {"host-0001": (agent.incarnation, 1)}


@on_direct
async def test_namespaces_do_not_see_each_other(lab: Lab) -> None:
    stores = {name: lab.open(namespace=name) for name in ("blue", "green")}
    agents = {name: Agent(stores[name], [host(1), host(2)], name) for name in stores}
    coordinators = {name: Coordinator(stores[name], namespace=name) for name in stores}
    async with closing_all(*agents.values(), *coordinators.values()):
        await agents["blue"].tick()
        assert (await coordinators["green"].look()).seated == []
        await agents["green"].tick()
        await agents["green"].retire(host(2))
        blue, green = [await coordinators[name].look() for name in stores]
    assert blue.beats == {m.name: (agents["blue"].incarnation, 1) for m in (host(1), host(2))}
    assert green.beats == {"host-0001": (agents["green"].incarnation, 1)}
    assert blue.proven
    assert green.proven


async def test_coordinators_side_by_side(lab: Lab) -> None:
    store = lab.open()
    agent = Agent(store, hosts(5))
    coordinators = [Coordinator(store, f"c{n}") for n in range(3)]
    async with closing_all(agent, *coordinators):
        for _ in range(3):
            await agent.tick()
            looks = [await coordinator.look() for coordinator in coordinators]
            assert all(look.proven and look.kept for look in looks)
            assert all(look.beats == looks[0].beats for look in looks)
        assert looks[0].sequences == {member.name: 3 for member in agent.members}
        assert coordinators[0].seats == coordinators[1].seats == coordinators[2].seats


async def test_canary_says_what_the_shard_lost(lab: Lab) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, hosts(8)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await agent.tick()
        for lost in (False, False, True, False):
            if lost:
                for member in agent.members:  # on every shard
                    lab.lose("canary", member)
            for reader in coordinator.readers:
                await reader.renew()
            look = await coordinator.look()
            assert look.kept is not lost
            assert look.proven


async def test_store_says_what_it_is(lab: Lab, store_kind: str) -> None:
    store = lab.open()
    assert (Guarantees.SHARED in store.guarantees) == (store_kind != "memory")
    assert (Guarantees.NEVER_EVICTS in store.guarantees) == ("memcached" not in store_kind)
    assert store.replicas == (2 if store_kind == "three-memcacheds" else 1)
    assert all(store.shard_names)


async def test_closing_is_quiet_before_and_after_use(lab: Lab) -> None:
    store = lab.open()
    unused = Agent(store, []), Coordinator(store)
    used = Agent(store, [host(1)]), Coordinator(store)
    async with closing_all(*used, *used, *unused, *unused):
        assert (await run([used[0]], used[1], 1)).proven


async def test_a_deadline_too_short_is_a_store_error(lab: Lab) -> None:
    agent = Agent(lab.open(timeout=1e-6), [host(1)])
    async with closing_all(agent):
        with pytest.raises(StoreError, match="no answer within"):
            await agent.announce()
