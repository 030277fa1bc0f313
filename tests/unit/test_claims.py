"""Whom a slot belongs to when seats are vacated, keys exchanged and others announced there."""

import numpy as np
import pytest

from musterd.beat import pack
from musterd.keys import FleetKeys
from musterd_coordinator.sweep.base import Signatures
from musterd_coordinator.sweep.columns import Rejected
from tests.unit.sealed import DOWN_TIME, KEYS, OTHERS, Signer, Slots, host

BOTH_KEYS = FleetKeys(OTHERS.current, KEYS.current)


def beating(slots: Slots, slot: int, agent: Signer) -> bool:
    """Let ``agent`` beat once in ``slot``; say whether it was heard there."""
    slots.records[slot] = agent.record(slots.challenge)
    return slot in slots.sweep()


def seated(*agents: Signer) -> Slots:
    """A shard in which each of ``agents`` beats in the slot of its place."""
    slots = Slots()
    slots.sweep()
    for slot, agent in enumerate(agents):
        slots.announce(slot, agent.member)
        assert beating(slots, slot, agent)
    return slots


def test_where_no_signature_is_asked_for_a_vacated_seat_is_vacant_at_once() -> None:
    agent, slots = Signer(host(1)), Slots(required=False)
    slots.announce(0, agent.member)
    slots.records[0] = pack(agent.beat())
    slots.sweep()
    slots.vacated = [0]
    slots.sweep()
    assert slots.seated == {}
    assert slots.told.signatures == Signatures(), "no member beats unsigned any more"


def test_forgetting_a_member_that_has_no_seat_here_takes_nobody_elses() -> None:
    agent = Signer(host(1))
    slots = seated(agent)
    slots.seals.retire(host(2))
    assert beating(slots, 0, agent)
    assert slots.seals.staying().tolist() == []


def test_a_seat_that_was_never_taken_may_be_vacated() -> None:
    agent = Signer(host(1))
    slots = seated(agent)
    slots.vacated = [1 << 20]
    assert beating(slots, 0, agent)
    assert slots.seated == {0: agent.member}


def test_a_record_where_nobody_was_announced_is_nobodys() -> None:
    agent = Signer(host(1))
    slots = seated(agent)
    slots.records[5000] = Signer(host(2)).record(slots.challenge)
    assert slots.sweep() == {0}
    assert (slots.bad, slots.rejected) == (set(), Rejected())


def test_what_is_no_beat_contests_a_seat_only_where_somebody_beats() -> None:
    slots = seated(Signer(host(1)))
    slots.announce(1, host(2))
    slots.sweep()
    slots.seals.spoil(np.array([0, 1, 5000]))
    assert slots.seals.contested == [0]


def test_a_seat_is_its_next_members_when_the_last_one_is_silent() -> None:
    last, following = Signer(host(1)), Signer(host(2))
    slots = seated(last)
    slots.vacated = [0]
    slots.announce(0, following.member)
    for _ in range(int(DOWN_TIME) + 2):
        slots.sweep()
    assert slots.seated == {}
    assert beating(slots, 0, following)
    assert slots.seated == {0: following.member}


def test_another_member_takes_a_seat_by_its_own_beat_and_the_last_one_is_known_still() -> None:
    last, following = Signer(host(1)), Signer(host(2))
    slots = seated(last)
    recorded = slots.records[0]
    slots.announce(0, following.member)
    assert beating(slots, 0, following)
    assert slots.seated == {0: following.member}
    slots.announce(1, last.member)
    slots.records[1] = recorded
    assert slots.sweep() == {0}, "an old beat does not bring it back"
    assert beating(slots, 1, last)


def test_announced_facts_that_no_beat_bears_out_leave_the_member_as_it_was() -> None:
    agent = Signer(host(1, zone="a"))
    slots = seated(agent)
    slots.announce(0, host(1, zone="b"))
    slots.sweep()
    assert not beating(slots, 0, Signer(host(1, zone="b"), OTHERS, run=9))
    assert slots.seated == {0: agent.member}
    assert slots.rejected == Rejected(mac=1)


def test_a_key_that_comes_is_good_for_who_is_announced_and_did_not_beat_yet() -> None:
    slots = Slots()
    slots.announce(0, host(1))
    slots.sweep()
    slots.signing.keys = BOTH_KEYS
    slots.sweep()
    assert beating(slots, 0, Signer(host(1), OTHERS))


def test_a_key_that_comes_is_good_where_a_member_beat_before() -> None:
    agent = Signer(host(1))
    slots = seated(agent)
    slots.announce(5, agent.member)
    assert beating(slots, 5, agent)  # two records of it stand there by now
    slots.seated = {5: agent.member}
    slots.signing.keys = BOTH_KEYS
    slots.sweep()
    assert beating(slots, 0, Signer(host(1), OTHERS, sequence=agent.sequence))


@pytest.mark.parametrize("required", [True, False])
def test_a_relay_signs_its_own_row_where_signatures_are_asked_for(required: bool) -> None:
    slots = Slots(required=required)
    unsigned = pack(Signer(host(1)).beat())
    assert slots.seals.is_relays(3, unsigned) is not required
    signed = slots.signing.sign_mark(Signer(host(1)).beat(), 3, slots.seals.challenge.fresh[0])
    assert slots.seals.is_relays(3, signed)
    assert not slots.seals.is_relays(4, signed)
