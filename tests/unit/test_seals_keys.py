"""While a fleet gets keys, and other keys, nobody is missed and nobody without one is believed."""

import pytest

from musterd.beat import SIZE, pack
from musterd.keys import FleetKeys
from musterd_coordinator.sweep.base import Signatures
from musterd_coordinator.sweep.columns import Rejected
from tests.unit.sealed import KEYS, OTHERS, Signer, Slots, altered, host, stage


def test_two_keys_are_tried_and_the_old_one_is_told_of() -> None:
    old, new = Signer(host(1)), Signer(host(2), OTHERS)
    slots = Slots(keys=FleetKeys(OTHERS.current, KEYS.current))
    slots.sweep()
    for _ in range(2):
        for slot, agent in enumerate((old, new)):
            slots.announce(slot, agent.member)
            slots.records[slot] = agent.record(slots.challenge)
        assert slots.sweep() == {0, 1}
        assert slots.told.signatures == Signatures(with_old_key=1)
    rolled = Signer(old.member, OTHERS, run=8)
    slots.records[0] = rolled.record(slots.challenge)
    assert slots.sweep() == {0, 1}
    assert slots.told.signatures == Signatures()


def test_while_all_is_accepted_only_what_is_signed_must_be_signed_well() -> None:
    agent, slots = Signer(host(1)), Slots(required=False)
    slots.announce(0, agent.member)
    slots.records[0] = pack(agent.beat())
    assert slots.sweep() == {0}
    assert slots.seated == {0: agent.member}
    assert slots.told.signatures == Signatures(beating_unsigned=1)
    slots.records[0] = pack(agent.beat())
    assert slots.sweep() == {0}
    assert slots.told.signatures == Signatures(beating_unsigned=1)
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}
    assert slots.told.signatures == Signatures()
    slots.records[0] = altered(agent.record(slots.challenge), SIZE - 1)
    assert slots.sweep() == set()
    assert slots.rejected == Rejected(mac=1)


@pytest.mark.parametrize("kept", ["as announced", "as others", "with other facts"])
def test_keys_are_exchanged_while_agents_beat(kept: str) -> None:
    agents = [Signer(host(number)) for number in range(3)]
    slots = stage(*agents)
    known = kept == "as announced"
    if not known:
        others = kept == "as others"
        slots.signing.members_in = lambda shard, numbers: [
            host(9 if others else number, "z9") for number in numbers
        ]
    slots.signing.keys = FleetKeys(OTHERS.current, KEYS.current)
    for with_old_key in (3, 2, 1, 0):
        for slot, agent in enumerate(agents):
            slots.records[slot] = agent.record(slots.challenge)
        heard, contested = slots.sweep(), slots.seals.contested
        assert with_old_key < 3 or heard == {0, 1, 2}, "whatever is kept of them"
        if known:
            assert (heard, contested) == ({0, 1, 2}, [])
            assert slots.told.signatures == Signatures(with_old_key=with_old_key)
        if not with_old_key:
            break
        changed = 3 - with_old_key
        agents[changed] = Signer(host(changed), OTHERS, sequence=agents[changed].sequence)
        slots.announce(changed, host(changed))
    slots.signing.keys = OTHERS
    for slot, agent in enumerate(agents):
        slots.records[slot] = agent.record(slots.challenge)
    assert slots.sweep() == {0, 1, 2}
    slots.records[0] = Signer(host(0), sequence=agents[0].sequence).record(slots.challenge)
    assert slots.sweep() == {1, 2}


def test_a_key_that_goes_at_once_signs_for_nobody() -> None:
    old, new = Signer(host(1)), Signer(host(1), OTHERS, sequence=1)
    slots = stage(old)
    slots.signing.keys = OTHERS
    slots.records[0] = old.record(slots.challenge)
    assert slots.sweep() == set()
    slots.records[0] = new.record(slots.challenge)
    new.record(slots.challenge)
    slots.records[0] = new.record(slots.challenge)
    assert slots.sweep() == {0}
