"""A relay with the fleet key: what nobody signed with its member's key never comes to the database."""

from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from musterd.beat import HEAD, SIGNED, SIZE, Beat, Status, pack, unpack
from musterd.keys import FleetKeys, Seal, announcement_mac, challenge_digest, member_key
from musterd.model import Member
from musterd.stores.slots.protocol import write_holder
from musterd.stores.slots.writer import ASSURE_EVERY
from musterd.testing.busy import in_time
from musterd_coordinator.sweep.signed.signing import Signing
from tests.contract.cast import Agent, Coordinator, closing_all, host, run
from tests.contract.conftest import SIGNED_RELAYS
from tests.contract.labs import COORDINATOR, NAMESPACE
from tests.contract.relay_lab import RelayLab
from tests.contract.signing import FLEET, KEYRING, KEYS, announcements, key_of, passed_on, records

pytestmark = pytest.mark.parametrize("store_kind", SIGNED_RELAYS)
VICTIM, OTHER = host(1), host(2)

Deed = Callable[[bytes, Seal, bytes], bytes]


def signing() -> Signing:
    keys = FleetKeys(FLEET)
    return Signing(keys, NAMESPACE, COORDINATOR, required=True, down_time=lambda: 60.0)


async def heard(lab: RelayLab, agent: Agent, coordinator: Coordinator) -> None:
    """Let the members be heard by the challenge that the coordinator drew."""
    await coordinator.look()
    await passed_on(lab)
    look = await run([agent], coordinator, ASSURE_EVERY + 1)
    assert look.sequences == {VICTIM.name: agent.sequence, OTHER.name: agent.sequence}


def slot_at_relay(lab: RelayLab, member: Member) -> bytes:
    """Where the relay has the member; its slots are its own."""
    [item] = lab.relay.table.get((KEYS.index(KEYS.identity(member)),))
    assert item is not None
    return item.value


def stripped(record: bytes, seal: Seal, digest: bytes) -> bytes:
    return record[:2] + b"\x01" + record[3:HEAD] + bytes(16)


def altered(record: bytes, seal: Seal, digest: bytes) -> bytes:
    return record[:3] + bytes([Status.LEAVING]) + record[4:]


def forged(record: bytes, seal: Seal, digest: bytes) -> bytes:
    wrong = Seal(member_key(b"x" * 32, NAMESPACE, VICTIM.group, VICTIM.name), NAMESPACE, VICTIM)
    return wrong.record(_next(record), digest)


def for_old_challenge(record: bytes, seal: Seal, digest: bytes) -> bytes:
    return seal.record(_next(record), challenge_digest(b"long ago"))


def of_other_facts(record: bytes, seal: Seal, digest: bytes) -> bytes:
    return Seal(key_of(VICTIM), NAMESPACE, host(1, "elsewhere")).record(_next(record), digest)


def _next(record: bytes) -> Beat:
    beat = unpack(record)
    return replace(beat, sequence=beat.sequence + 1, version=SIGNED)


@pytest.mark.parametrize("deed", [stripped, altered, forged, for_old_challenge, of_other_facts])
async def test_a_beat_that_its_member_did_not_sign_is_not_written(
    lab: RelayLab, deed: Deed
) -> None:
    agent = Agent(lab.open(keyring=KEYRING), [VICTIM, OTHER])
    coordinator = Coordinator(lab.open(), signing=signing())
    async with closing_all(agent, coordinator):
        await heard(lab, agent, coordinator)
        [record] = records(lab, VICTIM)
        seal = Seal(key_of(VICTIM), NAMESPACE, VICTIM)
        written = deed(record, seal, challenge_digest(lab.challenge))
        slot = slot_at_relay(lab, VICTIM)
        head = b"replace fleet:b:%b 0 600 %d\r\n" % (slot, SIZE)
        assert lab.say(head + written + b"\r\n") == b"NOT_STORED\r\n"
        assert records(lab, VICTIM) == [record]
        look = await run([agent], coordinator, 2)
        assert look.sequences[VICTIM.name] == agent.sequence
        assert lab.relay.gauges.unsigned == 1


async def test_a_recorded_beat_is_no_news_to_a_coordinator(lab: RelayLab) -> None:
    agent = Agent(lab.open(keyring=KEYRING), [VICTIM, OTHER])
    coordinator = Coordinator(lab.open(), signing=signing())
    async with closing_all(agent, coordinator):
        await heard(lab, agent, coordinator)
        recorded = records(lab, VICTIM)[0]
        look = await run([agent], coordinator, 2)
        newest = look.beats[VICTIM.name]
        head = b"replace fleet:b:%b 0 600 %d\r\n" % (slot_at_relay(lab, VICTIM), SIZE)
        lab.say(head + recorded + b"\r\n")
        look = await coordinator.look()
        assert look.beats.get(VICTIM.name, newest) == newest


@pytest.mark.parametrize("mac", [b"", b"m" * 16])
async def test_who_was_not_announced_with_its_key_gets_no_seat(lab: RelayLab, mac: bytes) -> None:
    stranger = Member("compute", "stranger")
    value = write_holder(stranger, mac)
    lab.say(b"set fleet:m:00000063 0 0 %d\r\n%b\r\n" % (len(value), value))
    seal = Seal(key_of(VICTIM), NAMESPACE, stranger)
    record = seal.record(_beat_of(stranger), challenge_digest(lab.challenge))
    answer = lab.say(b"set fleet:b:00000063 0 600 %d\r\n%b\r\n" % (SIZE, record))
    assert answer.startswith(b"SERVER_ERROR the member of this beat was not announced with its key")
    assert lab.execute("SELECT count(*) FROM {member}") == "0"


async def test_a_first_beat_that_its_member_did_not_sign_gets_no_seat(lab: RelayLab) -> None:
    mac = announcement_mac(key_of(VICTIM), NAMESPACE, VICTIM)
    value = write_holder(VICTIM, mac)
    lab.say(b"set fleet:m:00000063 0 0 %d\r\n%b\r\n" % (len(value), value))
    answer = lab.say(b"set fleet:b:00000063 0 600 %d\r\n%b\r\n" % (SIZE, pack(_beat_of(VICTIM))))
    assert answer.startswith(b"SERVER_ERROR this beat is not signed")
    assert lab.execute("SELECT count(*) FROM {member}") == "0"


@pytest.mark.parametrize("lie", ["zone = 'elsewhere'", "metadata = '{\"a\": 1}'", "mac = NULL"])
async def test_a_row_that_somebody_rewrote_is_written_again(lab: RelayLab, lie: str) -> None:
    agent = Agent(lab.open(keyring=KEYRING), [VICTIM, OTHER])
    async with closing_all(agent):
        await agent.tick()
        before = [announcements(lab, member) for member in (VICTIM, OTHER)]
        lab.execute(f"UPDATE {{member}} SET {lie} WHERE name = '{VICTIM.name}'")
        assert announcements(lab, VICTIM) != before[0]
        with in_time(20.0):
            while announcements(lab, VICTIM) != before[0]:
                await agent.tick()
        assert announcements(lab, OTHER) == before[1]


async def test_nobody_writes_the_challenge_but_the_relay(lab: RelayLab) -> None:
    before = lab.challenge
    answer = lab.say(b"set fleet:e 0 0 4\r\nlies\r\n")
    assert answer.startswith(b"SERVER_ERROR coordinators write the challenge")
    assert lab.challenge == before


async def test_a_relay_signs_its_own_row(lab: RelayLab) -> None:
    coordinator = Coordinator(lab.open(), signing=signing())
    async with closing_all(coordinator):
        await coordinator.look()
        text = lab.execute(
            f"SELECT concat(slot, ' ', {lab.hex_of('record')}) FROM {{beat}} WHERE slot < 0"
        )
    fits = partial(signing().fits_mark, challenges=[challenge_digest(b"")])
    rows = [line.split() for line in text.splitlines()]
    marks = [(int(slot), bytes.fromhex(record)) for slot, record in rows]
    good = [slot for slot, record in marks if fits(slot, record)]
    assert len(good) == 1
    [record] = [record for slot, record in marks if slot in good]
    assert not fits(good[0], record[:3] + b"\x01" + record[4:])
    assert not fits(good[0] - 1, record)


def _beat_of(member: Member) -> Beat:
    return Beat(KEYS.identity(member), 7, 1, 1000)
