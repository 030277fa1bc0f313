"""A keyed store whose agents sign, a coordinator that checks, and somebody without keys who writes."""

import pytest

from musterd.beat import Beat, Status, pack
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores.slots.protocol import RETIRED, write_holder
from tests.unit.signed_world import FLEET, NAMES, NAMESPACE, SignedWorld

HOSTS = [Member("compute", f"host-{number}", "z1") for number in range(3)]


@pytest.fixture
async def world() -> SignedWorld:
    made = SignedWorld(len(HOSTS))
    await made.settle()
    return made


pytestmark = pytest.mark.anyio
EVERYBODY = {member.name for member in HOSTS}


async def test_agents_find_the_challenge_and_are_believed(world: SignedWorld) -> None:
    assert world.value(NAMES.challenge)
    heard, batch = await world.round()
    assert heard == EVERYBODY
    assert not any(batch.rejected)
    assert batch.unproven == ""
    assert world.names == EVERYBODY


async def test_a_coordinator_that_begins_proves_nothing_until_agents_saw_its_nonce(
    world: SignedWorld,
) -> None:
    world.begin()
    heard, batch = await world.sweep()
    assert heard == set()
    assert "nonce" in batch.unproven
    heard, batch = await world.round()
    assert heard == set(), "they signed for the challenge before"
    assert batch.rejected.stale == len(HOSTS)
    assert len(batch.spoiled) == len(HOSTS)
    await world.settle()


async def test_who_is_announced_without_a_key_is_nobody(world: SignedWorld) -> None:
    stranger = Member("compute", "stranger")
    keyless = world.agent(None)
    await keyless.announce(stranger)
    await keyless.beat(Beat(NAMES.identity(stranger), 9, 1, 1000))
    _, batch = await world.round()
    refused = batch.rejected.unsigned
    for _ in range(3):
        _, batch = await world.round()
        refused += batch.rejected.unsigned
    assert refused
    assert world.names == EVERYBODY


@pytest.mark.parametrize("what", ["forged", "other facts", "retired", "another's", "gone"])
async def test_whatever_is_written_over_an_announcement_its_member_stays(
    world: SignedWorld, what: str
) -> None:
    slot, other = world.slot_of(HOSTS[0]), world.slot_of(HOSTS[1])
    key = NAMES.holder(slot)
    values = {
        "forged": write_holder(HOSTS[0], b"0" * 16),
        "other facts": write_holder(Member("compute", "host-0", "elsewhere")),
        "retired": RETIRED,
        "another's": world.value(NAMES.holder(other)),
        "gone": None,
    }
    for _ in range(20):
        value = values[what]
        if value is None:
            world.table.delete(key)
        else:
            world.table.set(key, value)
        await world.round()
        assert world.names == EVERYBODY
        assert {member.zone for member in world.seats.values()} == {"z1"}
    await world.settle()


async def test_a_restart_heals_what_was_written_over_announcements(world: SignedWorld) -> None:
    slot = world.slot_of(HOSTS[0])
    world.table.set(NAMES.holder(slot), write_holder(HOSTS[0], b"0" * 16))
    world.begin()
    for _ in range(12):
        heard, _ = await world.round()
    assert heard == EVERYBODY


@pytest.mark.parametrize(
    "what", ["forged", "stripped", "altered", "copied", "replayed", "junk", "unsigned goodbye"]
)
async def test_a_bad_beat_is_no_news_and_named(world: SignedWorld, what: str) -> None:
    slot, other = world.slot_of(HOSTS[0]), world.slot_of(HOSTS[1])
    key = NAMES.beat(slot)
    old = world.value(key)
    await world.round()
    good = world.value(key)
    beat = Beat(NAMES.identity(HOSTS[0]), 7, world.sequence + 1, 1000, Status.LEAVING)
    values = {
        "forged": pack(beat)[:2] + b"\x02" + pack(beat)[3:48] + b"x" * 16,
        "stripped": good[:2] + b"\x01" + good[3:48] + bytes(16),
        "altered": good[:3] + b"\x01" + good[4:],
        "copied": world.value(NAMES.beat(other)),
        "replayed": old,
        "junk": b"junk",
        "unsigned goodbye": pack(beat),
    }
    world.table.set(key, values[what])
    heard, batch = await world.round(HOSTS[0])
    assert heard == EVERYBODY - {"host-0"}
    assert list(batch.contested) == [slot]
    assert sum(batch.rejected) == 1
    assert HOSTS[0] in world.seats.values()
    await world.settle()


async def test_what_overwrites_the_challenge_makes_no_sweep_a_proof(world: SignedWorld) -> None:
    world.table.set(NAMES.challenge, b"y" * 32)
    _, batch = await world.sweep()
    assert batch.unproven
    _, batch = await world.round()
    assert not batch.unproven
    await world.settle()


async def test_unsigned_agents_are_taken_while_that_is_accepted() -> None:
    world = SignedWorld(required=False)
    world.use(None)
    await world.settle()
    world.use(Keyring(NAMESPACE, fleet=FLEET))
    world.run = 8
    await world.settle()
    slot = world.slot_of(HOSTS[0])
    record = world.value(NAMES.beat(slot))
    world.table.set(NAMES.beat(slot), record[:-1] + bytes([record[-1] ^ 1]))
    heard, batch = await world.round(HOSTS[0])
    assert heard == EVERYBODY - {"host-0"}
    assert batch.rejected.mac == 1
