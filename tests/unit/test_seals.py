"""What stands in a slot is believed only if the member's agent signed it, now, for these facts."""

import pytest
from msgspec.structs import replace

from musterd.beat import VERSION, Status, pack
from musterd.keys import challenge_digest
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.signed.signing import BEATS_TO_RETURN
from tests.unit.sealed import OTHERS, Signer, Slots, altered, host, stage


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
