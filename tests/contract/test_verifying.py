"""What a coordinator with the fleet key believes, on every store, whatever anybody else writes there."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from musterd.beat import HEAD, SIGNED, VERSION, Status, pack, unpack
from musterd.keys import FleetKeys, beat_mac, challenge_digest, member_key
from musterd.model import Member
from musterd_coordinator.sweep.signed.signing import Signing
from tests.contract.cast import Agent, Coordinator, Look, closing_all, host, run
from tests.contract.conftest import DIRECT, SIGNED_RELAYS, UNLOCKED
from tests.contract.labs import COORDINATOR, NAMESPACE, Lab
from tests.contract.signing import FLEET, KEYRING, mac_of, overwrite, passed_on, records, tamper

HOSTS = [host(number, "rack-1") for number in range(1, 4)]
VICTIM, OTHER, _ = HOSTS
OTHERS = {"host-0002", "host-0003"}
SETTLED = 6

on_all = pytest.mark.parametrize("store_kind", [*DIRECT, *SIGNED_RELAYS])
on_direct = pytest.mark.parametrize("store_kind", UNLOCKED)


def signing(*, required: bool = True, keys: FleetKeys | None = None) -> Signing:
    return Signing(
        keys or FleetKeys(FLEET),
        *(NAMESPACE, COORDINATOR),
        required=required,
        down_time=lambda: 60.0,
    )


@dataclass
class Scene:
    """Three members that sign, and a coordinator that has heard them."""

    lab: Lab
    agent: Agent
    coordinator: Coordinator

    async def settle(self) -> Look:
        """Let agents see the challenge, and beat for it."""
        await run([self.agent], self.coordinator, 1)
        await passed_on(self.lab)
        return await run([self.agent], self.coordinator, SETTLED)

    async def look_without(self, victim: Member) -> Look:
        """A round in which the victim has no beat of its own."""
        members, self.agent.members = self.agent.members, [m for m in HOSTS if m != victim]
        look = await run([self.agent], self.coordinator, 1)
        self.agent.members = members
        return look


def scene(lab: Lab) -> Scene:
    agent = Agent(lab.open(keyring=KEYRING), HOSTS)
    return Scene(lab, agent, Coordinator(lab.open(), signing=signing()))


@on_all
async def test_who_signs_is_believed_once_it_has_seen_the_challenge(lab: Lab) -> None:
    one = scene(lab)
    async with closing_all(one.agent, one.coordinator):
        look = await one.coordinator.look()
        assert not look.proven
        look = await one.settle()
        assert look.proven
        assert look.sequences == dict.fromkeys({m.name for m in HOSTS}, SETTLED + 1)
        assert sum(look.rejected) == 0
        assert one.coordinator.member(VICTIM.name) == VICTIM


def stripped(record: bytes) -> bytes:
    return record[:2] + bytes([VERSION]) + record[3:HEAD] + bytes(16)


def goodbye(record: bytes) -> bytes:
    return record[:3] + bytes([Status.LEAVING]) + record[4:]


def forged(record: bytes) -> bytes:
    key = member_key(b"x" * 32, NAMESPACE, VICTIM.group, VICTIM.name)
    beat = replace(unpack(record), sequence=10**6, status=Status.CHECK_FAILING, version=SIGNED)
    head = pack(beat)[:HEAD]
    return head + beat_mac(key, head, mac_of(VICTIM), challenge_digest(b""))


@on_direct
@pytest.mark.parametrize("deed", [stripped, goodbye, forged])
async def test_a_record_that_its_member_did_not_sign_is_nothing(lab: Lab, deed: object) -> None:
    assert callable(deed)
    one = scene(lab)
    async with closing_all(one.agent, one.coordinator):
        heard = await one.settle()
        await one.look_without(VICTIM)
        overwrite(lab, VICTIM, [deed(record) for record in records(lab, VICTIM)])
        look = await one.look_without(VICTIM)
        assert set(look.beats) - {VICTIM.name} == OTHERS
        assert look.beats.get(VICTIM.name, heard.beats[VICTIM.name]) == heard.beats[VICTIM.name]
        assert look.contested == {VICTIM.name}
        assert look.rejected.mac + look.rejected.unsigned >= 1
        assert one.coordinator.names == {m.name for m in HOSTS}
        look = await one.settle()
        assert look.sequences[VICTIM.name] == one.agent.sequence


@on_direct
async def test_a_record_of_another_member_is_nothing(lab: Lab) -> None:
    one = scene(lab)
    async with closing_all(one.agent, one.coordinator):
        await one.settle()
        copied = (records(lab, OTHER) * 2)[: len(records(lab, VICTIM))]
        overwrite(lab, VICTIM, copied)
        look = await one.look_without(VICTIM)
        assert set(look.beats) == OTHERS
        assert look.contested == {VICTIM.name}
        await one.settle()


# One reader judges all keyed stores, and each restart alone is gone through on every one of them.
RESTARTS = [
    *((store, one) for store in UNLOCKED for one in ("neither", "agent", "coordinator")),
    *((store, "both") for store in ("memcached", "postgresql")),
]


@pytest.mark.parametrize(("store_kind", "restarted"), RESTARTS)
async def test_a_recorded_beat_is_never_news(lab: Lab, restarted: str) -> None:
    one = scene(lab)
    async with closing_all(one.agent, one.coordinator):
        await one.settle()
        recorded = []
        for _ in range(4):
            recorded.append(records(lab, VICTIM))
            await run([one.agent], one.coordinator, 1)
        if restarted in ("agent", "both"):
            one.agent.incarnation += 1
            await one.settle()
        if restarted in ("coordinator", "both"):
            await one.coordinator.aclose()
            one.coordinator = Coordinator(lab.open(), signing=signing())
        else:
            await one.look_without(VICTIM)
        newest = (0, 0)
        async with closing_all(one.coordinator):
            for each in [*recorded, *recorded]:
                overwrite(lab, VICTIM, each)
                look = await one.look_without(VICTIM)
                assert look.beats.get(VICTIM.name, newest) == newest
            if restarted in ("coordinator", "both"):
                assert VICTIM.name not in one.coordinator.names
            look = await one.settle()
            assert look.sequences[VICTIM.name] == one.agent.sequence


@on_direct
@pytest.mark.parametrize("signed", [False, True])
async def test_what_others_announce_of_a_member_changes_nothing(lab: Lab, signed: bool) -> None:
    one = scene(lab)
    moved = Member(VICTIM.group, VICTIM.name, "elsewhere")
    async with closing_all(one.agent, one.coordinator):
        await one.settle()
        for _ in range(4):
            tamper(lab, moved, b"x" * 16 if signed else b"")
            look = await run([one.agent], one.coordinator, 1)
            assert look.sequences[VICTIM.name] == one.agent.sequence
            assert one.coordinator.member(VICTIM.name) == VICTIM
        await one.coordinator.aclose()
        one.coordinator = Coordinator(lab.open(), signing=signing())
        async with closing_all(one.coordinator):
            await one.settle()
            look = await one.settle()
            assert look.sequences[VICTIM.name] == one.agent.sequence
            assert one.coordinator.member(VICTIM.name) == VICTIM


@on_direct
async def test_facts_that_a_beat_vouches_for_are_taken(lab: Lab) -> None:
    one = scene(lab)
    moved = Member(VICTIM.group, VICTIM.name, "rack-2")
    async with closing_all(one.agent, one.coordinator):
        await one.settle()
        again = Agent(lab.open(keyring=KEYRING), [moved])
        one.agent.members = HOSTS[1:]
        async with closing_all(again):
            again.sequence = one.agent.sequence
            await again.announce()
            await run([one.agent, again], one.coordinator, SETTLED)
            assert one.coordinator.member(VICTIM.name) == moved
        old = Member(VICTIM.group, VICTIM.name, "rack-1")
        tamper(lab, old, mac_of(old))
        await run([one.agent], one.coordinator, 2)
        assert one.coordinator.member(VICTIM.name) == moved


@on_direct
async def test_who_has_no_key_is_in_no_answer_unless_that_is_accepted(lab: Lab) -> None:
    keyless = Agent(lab.open(), [host(9)])
    strict = Coordinator(lab.open(), signing=signing())
    patient = Coordinator(lab.open(), "c2", signing=signing(required=False))
    async with closing_all(keyless, strict, patient):
        for _ in range(3):
            await keyless.tick()
            look = await patient.look()
            assert (await strict.look()).beats == {}
        assert look.sequences == {"host-0009": 3}
        assert strict.names == set()
        assert sum(look.rejected) == 0


@on_all
async def test_a_fleet_that_changes_its_key_is_heard_all_the_time(lab: Lab) -> None:
    one = scene(lab)
    keys = FleetKeys(b"n" * 32, FLEET)
    async with closing_all(one.agent, one.coordinator):
        rotated = Coordinator(lab.open(), "c2", signing=signing(keys=keys))
        async with closing_all(rotated):
            await one.settle()
            await rotated.look()
            await passed_on(lab)
            look = await run([one.agent], rotated, SETTLED)
            assert look.sequences == dict.fromkeys({m.name for m in HOSTS}, one.agent.sequence)
