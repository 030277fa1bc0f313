"""The fleet of the benchmark says, byte for byte, what agents with keys say."""

import numpy as np
from benchmarks.fleet import GROUP, NAMESPACE
from benchmarks.signing_fleet import SigningFleet

from musterd.beat import SIGNED, unpack
from musterd.keys import Keyring, Seal, challenge_digest, fleet_key_text, parse_fleet_keys
from musterd.model import Member
from musterd.stores.slots.protocol import write_holder

CHALLENGE = b"of one coordinator"


def seals_of(fleet: SigningFleet) -> list[Seal]:
    keys = parse_fleet_keys("here", fleet_key_text(fleet.fleet_key))
    keyring = Keyring(NAMESPACE, fleet=keys)
    seals = [keyring.seal(Member(GROUP, name)) for name in fleet.names]
    return [seal for seal in seals if seal is not None]


def test_its_announcements_are_those_of_agents() -> None:
    fleet = SigningFleet(5)
    seals = seals_of(fleet)
    assert fleet.macs(slice(1, 4)) == [seal.mac for seal in seals[1:4]]
    assert fleet.holders(slice(1, 4)) == [
        write_holder(seal.member, seal.mac) for seal in seals[1:4]
    ]


def test_its_beats_are_those_of_agents() -> None:
    fleet = SigningFleet(5)
    rows = np.array([3, 0])
    fleet.beat(rows)
    fleet.sign(rows, CHALLENGE)
    for row, seal in enumerate(seals_of(fleet)):
        record = fleet.records[row].tobytes()
        beat = unpack(record)
        challenge = CHALLENGE if row in rows else b""
        assert (beat.version, beat.sequence) == (SIGNED, 2 if row in rows else 1)
        assert record == seal.record(beat, challenge_digest(challenge))
