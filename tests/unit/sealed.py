"""Slots of a shard in the test's hands: agents that sign what they write there, and a coordinator."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Beat, Status, member_id
from musterd.keys import FleetKeys, Seal, challenge_digest, member_key
from musterd.model import Member
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import Rejected, no_beats
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.signed.signing import Signing

NAMESPACE = "fleet"
DOWN_TIME = 4.0
KEYS = FleetKeys(b"1" * 32)
OTHERS = FleetKeys(b"2" * 32)


def host(number: int, zone: str = "") -> Member:
    return Member("compute", f"host-{number}", zone)


@dataclass
class Signer:
    """An agent of one member, with its key; each record is one of the next beat."""

    member: Member
    keys: FleetKeys = KEYS
    namespace: str = NAMESPACE
    run: int = 7
    sequence: int = 0
    seal: Seal = field(init=False)

    def __post_init__(self) -> None:
        key = member_key(self.keys.current, self.namespace, self.member.group, self.member.name)
        self.seal = Seal(key, self.namespace, self.member)

    @property
    def identity(self) -> int:
        return member_id(self.namespace, self.member.group, self.member.name)

    def beat(self, status: Status = Status.OK) -> Beat:
        self.sequence += 1
        return Beat(self.identity, self.run, self.sequence, 1000, status)

    def record(self, value: bytes | None, status: Status = Status.OK) -> bytes:
        return self.seal.record(self.beat(status), challenge_digest(value or b""))


class Slots:
    """What stands in the slots of a shard, who is announced there, and a coordinator that looks."""

    def __init__(self, *, keys: FleetKeys = KEYS, required: bool = True) -> None:
        self.now = 100.0
        self.challenge = b"as it was"
        self.records: dict[int, bytes] = {}
        self.seated: dict[int, Member] = {}
        self.restart(keys, required=required)

    def restart(self, keys: FleetKeys = KEYS, *, required: bool = True) -> None:
        """Begin with another coordinator."""
        signing = Signing(
            *(keys, NAMESPACE, "c1"),
            required=required,
            down_time=lambda: DOWN_TIME,
            members_in=lambda shard, slots: [self.seated.get(slot) for slot in slots],
        )
        self.signing = signing
        self.seals = SlotSeals(signing, signing.challenge())
        self.announced = dict(self.seated)
        self.vacated: list[int] = []
        self.seated = {}
        self.rejected = Rejected()
        self.challenge_seen()

    def challenge_seen(self) -> None:
        challenge = self.seals.challenge
        value = challenge.update(self.challenge, self.now)
        if value is not None:
            self.challenge = value
            challenge.written(value)

    def announce(self, slot: int, member: Member) -> None:
        self.announced[slot] = member

    @property
    def read(self) -> NDArray[np.int64]:
        """The slots in which something stands."""
        return np.array(sorted(self.records), np.int64)

    def sweep(self) -> set[int]:
        """Look at all slots; return those with good beats."""
        self.now += 1.0
        self.seals.reset()
        self.challenge_seen()
        roster = Roster(list(self.announced.items()), self.vacated)
        self.announced, self.vacated = {}, []
        told = whole(self.seals.filter_roster(roster, self.now))
        self.seated |= dict(told.seated)
        for slot in told.vacated:
            self.seated.pop(slot, None)
        slots = self.read
        data = b"".join(self.records[slot] for slot in slots.tolist())
        words = np.frombuffer(data, "<u8").reshape(-1, 8).T.copy()
        checked = whole(self.seals.check(slots, words, self.now))
        self.foreign = set(slots[checked.foreign].tolist())
        self.bad = set(slots[checked.bad].tolist())
        self.seals.finish()
        self.told = self.seals.with_signatures(BeatBatch(no_beats(), Rejected()))
        self.seated |= dict(self.told.seated)
        self.rejected += self.told.rejected
        return set(slots[checked.good].tolist())


def stage(*agents: Signer) -> Slots:
    """A shard whose coordinator has heard each of ``agents``, in the slot of its place."""
    slots = Slots()
    slots.sweep()
    for slot, agent in enumerate(agents):
        slots.announce(slot, agent.member)
        slots.records[slot] = agent.record(slots.challenge)
    assert slots.sweep() == set(range(len(agents)))
    assert slots.rejected == Rejected()
    return slots


def altered(record: bytes, at: int) -> bytes:
    """Return the record with one bit of the byte ``at`` turned over."""
    return record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
