"""What stands in a slot is believed only if the member's agent signed it, now, for these facts."""

import pytest
from msgspec.structs import replace

from musterd.beat import SIZE, VERSION, Status, pack
from musterd.keys import FleetKeys, challenge_digest
from musterd_coordinator.sweep.base import Signatures
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.signed.signing import BEATS_TO_RETURN
from tests.unit.sealed import DOWN_TIME, KEYS, OTHERS, Signer, Slots, host


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


def test_a_member_is_told_of_when_its_first_beat_came_through() -> None:
    agent, slots = Signer(host(1)), Slots()
    slots.announce(3, agent.member)
    slots.sweep()
    assert slots.seated == {}
    slots.records[3] = agent.record(slots.challenge)
    assert slots.sweep() == {3}
    assert slots.seated == {3: agent.member}
    assert slots.sweep() == {3}, "it stands there unchanged"


def test_what_stood_there_when_the_coordinator_began_says_nothing() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    for _ in range(3):
        slots.records[0] = agent.record(slots.challenge)
        slots.restart()
        slots.announce(0, agent.member)
        assert slots.sweep() == set()
        assert slots.sweep() == set()
        assert slots.seated == {}
        assert slots.rejected == Rejected()
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}


@pytest.mark.parametrize("after_restart", [False, True])
def test_a_recorded_beat_is_never_news_again(after_restart: bool) -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    recorded = [slots.records[0]]
    for status in (Status.OK, Status.CHECK_FAILING, Status.LEAVING):
        slots.records[0] = agent.record(slots.challenge, status)
        recorded.append(slots.records[0])
        assert slots.sweep() == {0}
    if after_restart:
        slots.restart()
        slots.announce(0, agent.member)
        slots.sweep()
    for record in [*recorded[:-1], *recorded[:-1]]:
        slots.records[0] = record
        assert slots.sweep() == set()
    assert slots.rejected.stale == 2 * len(recorded[:-1])


def test_an_older_run_is_no_restart() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    unseen = [agent.record(slots.challenge) for _ in range(BEATS_TO_RETURN - 1)]
    again = Signer(agent.member, run=8)
    slots.records[0] = again.record(slots.challenge)
    assert slots.sweep() == {0}
    for record in unseen * 2:
        slots.records[0] = record
        assert slots.sweep() == set()
        assert slots.seals.contested == [0]
    slots.records[0] = again.record(slots.challenge)
    assert slots.sweep() == {0}


def test_of_two_agents_with_one_name_the_one_that_is_left_is_heard() -> None:
    one, other = Signer(host(1)), Signer(host(1), run=8)
    slots = stage(one)
    slots.records[0] = other.record(slots.challenge)
    assert slots.sweep() == {0}
    heard = []
    for _ in range(BEATS_TO_RETURN):
        slots.records[0] = one.record(slots.challenge)
        heard.append(slots.sweep())
    assert heard == [set()] * (BEATS_TO_RETURN - 1) + [{0}]


def altered(record: bytes, at: int) -> bytes:
    return record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]


@pytest.mark.parametrize("at", [3, 4, 16, 24, 32, 40, 42, 44, 48, 63])
def test_an_altered_beat_is_refused(at: int) -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    slots.records[0] = altered(agent.record(slots.challenge), at)
    assert slots.sweep() == set()
    assert slots.rejected == Rejected(mac=1)
    assert slots.sweep() == set()
    assert slots.rejected == Rejected(mac=1), "it is counted once"
    assert slots.seals.contested == [0]


@pytest.mark.parametrize(
    "forger",
    [
        Signer(host(1), OTHERS),
        Signer(host(1), namespace="another"),
        Signer(host(1, zone="elsewhere")),
    ],
    ids=["with another key", "for another namespace", "that announced other facts"],
)
def test_a_beat_that_anybody_else_signed_is_refused(forger: Signer) -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    forged = replace(forger.beat(), member_id=agent.identity, sequence=99)
    slots.records[0] = forger.seal.record(forged, challenge_digest(slots.challenge))
    assert slots.sweep() == set()
    assert slots.rejected == Rejected(mac=1)
    assert slots.seals.contested == [0]
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}


def test_a_beat_in_the_slot_of_another_is_refused() -> None:
    one, other = Signer(host(1)), Signer(host(2))
    slots = stage(one, other)
    slots.records[1] = slots.records[0]
    assert slots.sweep() == {0}
    assert slots.foreign == {1}
    assert slots.seals.contested == [1]


def test_a_member_that_is_announced_elsewhere_too_stays_where_it_beats() -> None:
    one, other = Signer(host(1)), Signer(host(2))
    slots = stage(one, other)
    slots.announce(1, one.member)
    slots.announce(5, one.member)
    old = slots.records[0]
    slots.records[0] = one.record(slots.challenge)
    slots.records[1] = slots.records[5] = old
    assert slots.sweep() == {0}
    assert slots.seated == {0: one.member, 1: other.member}
    slots.records[1] = other.record(slots.challenge)
    assert slots.sweep() == {0, 1}


def test_a_copy_that_is_ahead_of_the_original_makes_a_member_beat_in_two_slots() -> None:
    one = Signer(host(1))
    slots = stage(one)
    slots.announce(5, one.member)
    slots.records[5] = one.record(slots.challenge)
    assert 5 in slots.sweep()
    assert dict(slots.told.seated) == {5: one.member}
    slots.records[0] = one.record(slots.challenge)
    assert 0 in slots.sweep()
    assert dict(slots.told.seated) == {0: one.member}, "the newest beat is where it sits"
    slots.records[5] = altered(slots.records[5], 50)
    assert slots.sweep() == {0}
    assert slots.bad == set(), "where it beats no longer, nothing is missed"
    slots.records[0] = altered(slots.records[0], 50)
    slots.sweep()
    assert slots.bad == {0}


def test_an_agent_that_takes_another_slot_is_followed() -> None:
    one = Signer(host(1))
    slots = stage(one)
    slots.vacated = [0]
    slots.announce(4, one.member)
    slots.records[4] = one.record(slots.challenge)
    assert 4 in slots.sweep()
    assert slots.seated[4] == one.member
    slots.sweep()
    assert list(slots.seated) == [4]


def test_a_stripped_beat_is_refused_and_an_unsigned_one() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    for record in (pack(agent.beat()), altered(agent.record(slots.challenge), 2)[:48] + bytes(16)):
        stripped = record[:2] + bytes([VERSION]) + record[3:]
        slots.records[0] = stripped
        assert slots.sweep() == set()
    assert slots.rejected == Rejected(unsigned=2)
    assert slots.seals.contested == [0]


def test_other_facts_count_once_a_beat_vouches_for_them() -> None:
    agent, moved = Signer(host(1, zone="a")), Signer(host(1, zone="b"), run=8)
    slots = stage(agent)
    slots.announce(0, moved.member)
    assert slots.sweep() == {0}
    assert slots.seated == {0: agent.member}
    slots.records[0] = moved.record(slots.challenge)
    assert slots.sweep() == {0}
    assert slots.seated == {0: moved.member}
    slots.announce(0, agent.member)  # an old announcement, written by somebody else
    slots.sweep()
    slots.records[0] = moved.record(slots.challenge)
    assert slots.sweep() == {0}
    assert slots.seated == {0: moved.member}


def test_an_agent_that_restarts_with_other_facts_is_not_contested() -> None:
    agent, moved = Signer(host(1, zone="a")), Signer(host(1, zone="b"), run=8)
    slots = stage(agent)
    slots.records[0] = moved.record(slots.challenge)
    assert slots.sweep() == set()
    assert slots.seals.doubtful == {0}
    assert slots.seals.contested == []
    slots.announce(0, moved.member)  # as it is read, for it is doubtful
    assert slots.sweep() == {0}
    assert slots.seals.contested == []
    assert slots.seated == {0: moved.member}


def test_a_wrong_record_of_another_run_is_contested_when_it_is_still_there() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    slots.records[0] = Signer(agent.member, OTHERS, run=9).record(slots.challenge)
    slots.sweep()
    assert slots.seals.contested == []
    slots.sweep()
    assert slots.seals.contested == [0], "as long as it stands there"
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}
    assert slots.seals.contested == []
    slots.records[0] = Signer(agent.member, OTHERS, run=10).record(slots.challenge)
    slots.sweep()
    assert slots.seals.contested == [0], "nobody restarted since the last one"


def test_who_signs_for_an_old_challenge_is_late_and_not_contested() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    before = b"what somebody wrote over it"
    slots.challenge = before
    slots.records[0] = agent.record(before)
    assert slots.sweep() == set()
    assert slots.rejected == Rejected(stale=1)
    assert slots.seals.unfresh == [0]
    assert slots.seals.contested == []
    assert slots.challenge != before
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}


def test_a_member_whose_seat_somebody_vacates_is_read_while_it_beats_there() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    slots.vacated = [0]
    for _ in range(3 * int(DOWN_TIME)):
        slots.records[0] = agent.record(slots.challenge)
        assert slots.sweep() == {0}
        assert slots.seals.staying().tolist() == [0]
    for _ in range(int(DOWN_TIME) + 1):
        assert slots.seated == {0: agent.member}
        slots.sweep()
    assert slots.seated == {}
    assert slots.seals.staying().tolist() == []


def test_a_forgotten_member_comes_back_by_a_newer_beat_only() -> None:
    agent = Signer(host(1))
    slots = stage(agent)
    slots.seals.retire(agent.member)
    slots.sweep()
    assert slots.seated == {}
    slots.announce(2, agent.member)
    slots.records[2] = slots.records.pop(0)
    assert slots.sweep() == set()
    slots.records[2] = agent.record(slots.challenge)
    assert slots.sweep() == {2}


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


@pytest.mark.parametrize("known", [True, False])
def test_keys_are_exchanged_while_agents_beat(known: bool) -> None:
    agents = [Signer(host(number)) for number in range(3)]
    slots = stage(*agents)
    if not known:  # as where a coordinator keeps other facts than were announced
        slots.signing.members_in = lambda shard, numbers: [host(9, "z9")] * len(numbers)
    slots.signing.keys = FleetKeys(OTHERS.current, KEYS.current)
    for with_old_key in (3, 2, 1, 0):
        for slot, agent in enumerate(agents):
            slots.records[slot] = agent.record(slots.challenge)
        heard, contested = slots.sweep(), slots.seals.contested
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
