"""What a store has of a member that signs, seen and changed by hand."""

import anyio

from musterd.beat import HEAD, SIZE
from musterd.keys import (
    FleetKeys,
    Keyring,
    announcement_mac,
    beat_mac,
    challenge_digest,
    member_key,
)
from musterd.model import Member
from musterd.stores.slots.protocol import Keys, read_announcement, write_holder
from musterd.testing.busy import in_time
from tests.contract.database_lab import DatabaseLab
from tests.contract.labs import NAMESPACE, KeyedLab, Lab
from tests.contract.relay_lab import RelayLab

FLEET = bytes(range(32))
KEYRING = Keyring(NAMESPACE, fleet=FleetKeys(FLEET))
KEYS = Keys(NAMESPACE)


def key_of(member: Member) -> bytes:
    return member_key(FLEET, NAMESPACE, member.group, member.name)


def mac_of(member: Member) -> bytes:
    """The mac with which an agent with the member's key announces it."""
    return announcement_mac(key_of(member), NAMESPACE, member)


def records(lab: Lab, member: Member) -> list[bytes]:
    """The beat that stands on each shard of ``member``."""
    if isinstance(lab, DatabaseLab):
        return [lab.record(member)]
    assert isinstance(lab, KeyedLab)
    return [lab.fetch(shard, KEYS.beat(slot)) or b"" for shard, slot in _places(lab, member)]


def fit(lab: Lab, member: Member, challenge: bytes = b"") -> bool:
    """Whether all of them are signed for what ``member`` says, and for this challenge."""
    digest = challenge_digest(challenge)
    return all(
        len(record) == SIZE
        and record[HEAD:] == beat_mac(key_of(member), record[:HEAD], mac_of(member), digest)
        for record in records(lab, member)
    )


def announcements(lab: Lab, member: Member) -> list[tuple[Member, bytes]]:
    """What each shard says of ``member``, and the mac of that."""
    if isinstance(lab, DatabaseLab):
        return [lab.announcement(member)]
    assert isinstance(lab, KeyedLab)
    found = [lab.fetch(shard, KEYS.holder(slot)) or b"" for shard, slot in _places(lab, member)]
    said = [read_announcement(value) for value in found]
    return [one for one in said if one is not None]


def tamper(lab: Lab, told: Member, mac: bytes) -> None:
    """Say this of the member of that name, on each of its shards, as one who may write there can."""
    if isinstance(lab, DatabaseLab):
        lab.tamper(told, mac)
        return
    assert isinstance(lab, KeyedLab)
    for shard, slot in _places(lab, told):
        lab.put(shard, KEYS.holder(slot), write_holder(told, mac))


def overwrite(lab: Lab, member: Member, written: list[bytes]) -> None:
    """Write these in place of its beats, one for each shard, as whoever may write there can."""
    if isinstance(lab, DatabaseLab):
        lab.overwrite(member, written[0])
        return
    assert isinstance(lab, KeyedLab)
    for (shard, slot), record in zip(_places(lab, member), written, strict=True):
        lab.put(shard, KEYS.beat(slot), record)


def challenge(lab: Lab, value: bytes | None) -> None:
    """Write the challenge on every shard, as a coordinator does; None: lose it."""
    if isinstance(lab, DatabaseLab):
        lab.put_challenge(value)
        return
    assert isinstance(lab, KeyedLab)
    for shard in range(len(lab.open().shard_names)):
        if value is None:
            lab.delete(shard, [KEYS.challenge])
        else:
            lab.put(shard, KEYS.challenge, value)


async def passed_on(lab: Lab) -> None:
    """Wait until agents are shown the challenge that coordinators keep."""
    if not isinstance(lab, RelayLab):
        return
    kept = lab.kept_challenge()
    with in_time(20.0):
        while lab.challenge != kept:  # noqa: ASYNC110 (it is another thread's)
            await anyio.sleep(0.02)


def _places(lab: KeyedLab, member: Member) -> list[tuple[int, int]]:
    shards = lab.open().place(KEYS.identity(member))
    return list(zip(shards, lab.slot_of(member), strict=True))
