"""What agents with a key write to every store, and that nothing changes for those without one."""

import msgspec
import pytest

from musterd.beat import HEAD, NO_MAC, SIGNED, VERSION, unpack
from musterd.keys import CHALLENGE_LIMIT, FleetKeys, Keyring
from musterd.model import Member
from tests.contract.cast import Agent, Coordinator, closing_all, host, hosts, run
from tests.contract.conftest import KEYED_SERVERS, UNLOCKED
from tests.contract.labs import NAMESPACE, KeyedLab, Lab
from tests.contract.signing import (
    FLEET,
    KEYRING,
    announcements,
    challenge,
    fit,
    mac_of,
    records,
    tamper,
)

KEYED = ("memory", *KEYED_SERVERS)
OTHERS = Keyring(NAMESPACE, fleet=FleetKeys(b"another fleet key".ljust(32)))
HOST = Member("compute", "host-0001", "rack-1", "ü", {"cpu": "epyc", "a": "b"})
MOVED = Member("compute", "host-0001", "rack-2", "ü", {"cpu": "epyc", "a": "b"})

on_direct = pytest.mark.parametrize("store_kind", UNLOCKED)


async def ticks(agent: Agent, number: int) -> None:
    for _ in range(number):
        await agent.tick()


@pytest.mark.parametrize("number", [1, 7])  # alone, and several that share a connection
async def test_a_signed_beat_fits_and_is_read_as_any_other(lab: Lab, number: int) -> None:
    store = lab.open(keyring=KEYRING)
    members = [HOST, *hosts(number + 1)[2:]]
    agent, coordinator = Agent(store, members), Coordinator(store)
    async with closing_all(agent, coordinator):
        look = await run([agent], coordinator, 5)
        assert look.sequences == {member.name: 5 for member in members}
        assert look.proven
        for member in members:
            assert fit(lab, member)
            assert {unpack(record).version for record in records(lab, member)} == {SIGNED}
        assert coordinator.member(HOST.name) == HOST
        assert agent.announcements == sum(len(store.place(agent.identity(m))) for m in members)


@on_direct
async def test_an_announcement_is_signed_as_its_beats_are(lab: Lab) -> None:
    agent = Agent(lab.open(keyring=KEYRING), [HOST])
    async with closing_all(agent):
        await agent.tick()
        assert set_of(announcements(lab, HOST)) == set_of([(HOST, mac_of(HOST))])
        retired, agent.members = HOST, []
        for shard in agent.store.place(agent.identity(HOST)):
            await agent.writers[shard].retire(retired)
            await agent.writers[shard].announce(MOVED)
        assert set_of(announcements(lab, MOVED)) == set_of([(MOVED, mac_of(MOVED))])


def set_of(said: list[tuple[Member, bytes]]) -> set[bytes]:
    """What was said, where metadata may come in any order."""
    return {msgspec.json.encode(one, order="deterministic") for one in said}


@on_direct
async def test_other_keys_are_announced_with_the_next_beat(lab: Lab) -> None:
    keyring = Keyring(NAMESPACE, fleet=FleetKeys(FLEET))
    agent = Agent(lab.open(keyring=keyring), [HOST])
    async with closing_all(agent):
        await agent.tick()
        keyring.adopt(OTHERS)
        await agent.tick()
        assert not fit(lab, HOST)
        said = set_of(announcements(lab, HOST))
        keyring.adopt(KEYRING)
        await agent.tick()
        assert fit(lab, HOST)
        assert set_of(announcements(lab, HOST)) == set_of([(HOST, mac_of(HOST))]) != said


async def test_without_a_key_nothing_is_signed(lab: Lab) -> None:
    agent = Agent(lab.open(), [HOST])
    async with closing_all(agent):
        await ticks(agent, 4)
        for record in records(lab, HOST):
            beat = unpack(record)
            assert (beat.version, beat.mac, beat.sequence) == (VERSION, NO_MAC, 4)
        assert set_of(announcements(lab, HOST)) == set_of([(HOST, b"")])


@on_direct
async def test_a_beat_is_signed_for_the_challenge_that_stands_there(lab: Lab) -> None:
    challenge(lab, b"first" * 3)
    agent = Agent(lab.open(keyring=KEYRING), [HOST, *hosts(3)])
    async with closing_all(agent):
        await agent.tick()
        assert fit(lab, HOST, b"first" * 3)
        challenge(lab, b"second")
        await ticks(agent, 4)
        assert fit(lab, HOST, b"second")
        assert fit(lab, host(2), b"second")
        challenge(lab, None)
        await ticks(agent, 4)
        assert fit(lab, HOST, b"second")  # coordinators know it still, and write it anew
        challenge(lab, b"third")
        late = Agent(agent.store, [host(0)])
        async with closing_all(late):
            await late.tick()
            assert fit(lab, host(0), b"third")
        challenge(lab, b"")
        await ticks(agent, 4)
        challenge(lab, b"x" * CHALLENGE_LIMIT)
        await ticks(agent, 4)
        assert fit(lab, HOST, b"x" * CHALLENGE_LIMIT)


@pytest.mark.parametrize("size", [CHALLENGE_LIMIT + 1, 100_000])
@pytest.mark.parametrize("store_kind", KEYED)
async def test_what_no_coordinator_wrote_is_no_challenge(lab: Lab, size: int) -> None:
    challenge(lab, b"true")
    agent = Agent(lab.open(keyring=KEYRING), [HOST])
    async with closing_all(agent):
        await agent.tick()
        challenge(lab, b"x" * size)
        await ticks(agent, 7)
        assert fit(lab, HOST, b"true")
        challenge(lab, b"truer")
        await ticks(agent, 4)
        assert fit(lab, HOST, b"truer")


LIES = {
    "other facts, no mac": (MOVED, b""),
    "other facts, the old mac": (MOVED, mac_of(HOST)),
    "the facts, no mac": (HOST, b""),
    "the facts, another mac": (HOST, bytes(16)),
}


@pytest.mark.parametrize("lie", LIES)
@on_direct
async def test_an_agent_writes_its_announcement_again(lab: Lab, lie: str) -> None:
    agent = Agent(lab.open(keyring=KEYRING), [HOST, host(2)])
    async with closing_all(agent):
        await ticks(agent, 4)
        before = agent.sequence
        for _ in range(3):
            tamper(lab, *LIES[lie])
            while set_of(announcements(lab, HOST)) != set_of([(HOST, mac_of(HOST))]):
                await agent.tick()
        assert agent.sequence - before <= 3 * (1 + 2 + 4)
        await agent.tick()
        assert fit(lab, HOST)
        assert fit(lab, host(2))


async def changes_in(lab: Lab, agents: list[Agent], rounds: int) -> list[int]:
    """The rounds in which another announcement stood than in the round before."""
    seen, changed = set_of(announcements(lab, HOST)), []
    for number in range(rounds):
        for agent in agents:
            await agent.tick()
            now = set_of(announcements(lab, HOST))
            if now != seen:
                seen = now
                changed.append(number)
    return changed


@pytest.mark.parametrize("store_kind", KEYED)
async def test_two_agents_with_one_key_and_other_facts_let_each_other_be(lab: Lab) -> None:
    store = lab.open(keyring=KEYRING)
    one, other = Agent(store, [HOST]), Agent(store, [MOVED])
    async with closing_all(one, other):
        await one.tick()
        await other.tick()
        assert await changes_in(lab, [one, other], 12) == []


@on_direct
async def test_two_agents_with_two_keys_do_not_fight_at_every_look(lab: Lab) -> None:
    one, other = Agent(lab.open(keyring=KEYRING), [HOST]), Agent(lab.open(keyring=OTHERS), [MOVED])
    async with closing_all(one, other):
        for _ in range(100):  # they have lost their patience by now
            await one.tick()
            await other.tick()
        assert len(await changes_in(lab, [one, other], 12)) <= 2


@on_direct
async def test_a_fleet_gets_its_keys_one_agent_after_the_other(lab: Lab) -> None:
    """What is announced anew without a key loses the mac only where it says something else."""
    unsigned, signing = Agent(lab.open(), [HOST]), Agent(lab.open(keyring=KEYRING), [HOST])
    async with closing_all(unsigned, signing):
        await unsigned.tick()
        await ticks(signing, 2)
        assert set_of(announcements(lab, HOST)) == set_of([(HOST, mac_of(HOST))])
        assert fit(lab, HOST)
        back = Agent(lab.open(), [MOVED])
        async with closing_all(back):
            await back.tick()
            assert set_of(announcements(lab, HOST)) == set_of([(MOVED, b"")])
            assert all(record[HEAD:] == NO_MAC for record in records(lab, HOST))


@pytest.mark.parametrize("store_kind", KEYED)
async def test_what_is_announced_without_a_key_is_byte_for_byte_as_ever(lab: KeyedLab) -> None:
    agent = Agent(lab.open(), [HOST])
    async with closing_all(agent):
        await agent.tick()
        facts = ("group", "name", "zone", "owner", "metadata")
        told = msgspec.msgpack.encode({name: getattr(HOST, name) for name in facts})
        for shard in agent.store.place(agent.identity(HOST)):
            assert lab.fetch(shard, b"fleet:m:00000000") == told
