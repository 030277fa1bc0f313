"""In which slot a member sits, where several have its announcement or its beat."""

from tests.unit.sealed import DOWN_TIME, Signer, altered, host, stage


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
