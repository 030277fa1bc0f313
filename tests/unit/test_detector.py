"""The detector by examples; properties are in test_detector_properties."""

import numpy as np
import pytest

from musterd.beat import Status
from musterd_coordinator.judge.members import Code, Members
from musterd_coordinator.judge.transitions import Cause
from tests.unit.fleet import Fleet


def beating(count: int = 1, **how: float) -> tuple[Fleet, list[int]]:
    fleet = Fleet(**how)  # type: ignore[arg-type]  # shards and replicas keep their defaults
    rows = fleet.add(count)
    fleet.run(3.0, rows, sequence=1)
    assert fleet.states(rows) == {Code.UP}
    return fleet, rows


def test_unknown_until_the_first_beat() -> None:
    fleet = Fleet()
    (row,) = fleet.add(1)
    fleet.sweeps(1.0)
    assert fleet.state(row) is Code.UNKNOWN
    fleet.beat([row], 1)
    assert fleet.state(row) is Code.UP
    assert fleet.causes_of(row) == [Cause.FIRST_BEAT]


def test_one_that_never_beats_is_down_after_the_down_time() -> None:
    fleet = Fleet()
    (row,) = fleet.add(1)
    fleet.sweep()
    fleet.sweeps(3.5)
    assert fleet.state(row) is Code.UNKNOWN
    fleet.sweeps(0.5)
    assert fleet.state(row) is Code.DOWN
    assert fleet.causes_of(row) == [Cause.NEVER_BEAT]


def test_silence_makes_down_at_the_down_time_and_a_beat_makes_up() -> None:
    fleet, (row, other) = beating(2)
    fleet.run(3.5, [other], sequence=100)
    assert fleet.state(row) is Code.UP
    fleet.run(0.5, [other], sequence=200)
    assert (fleet.state(row), fleet.state(other)) == (Code.DOWN, Code.UP)
    fleet.beat([row], 500)
    assert fleet.state(row) is Code.UP
    assert fleet.causes_of(row) == [Cause.FIRST_BEAT, Cause.SILENT, Cause.BEAT]


@pytest.mark.parametrize("status", [Status.OK, Status.LEAVING])
def test_who_is_down_or_left_is_not_judged_again(status: Status) -> None:
    fleet, (row,) = beating()
    fleet.beat([row], 100, status=status)
    fleet.sweeps(4.0)
    judged = fleet.causes_of(row)
    assert judged[1:] == [Cause.SILENT if status is Status.OK else Cause.LEAVING]
    fleet.sweeps(20.0)
    assert fleet.causes_of(row) == judged


def test_the_same_record_again_is_no_beat() -> None:
    fleet, (row,) = beating()
    last = int(fleet.detector.members.sequence[row])
    for _ in range(8):
        fleet.beat([row], last)
        fleet.sweeps(0.5)
    assert fleet.state(row) is Code.DOWN


def test_nothing_is_judged_while_nothing_is_proven() -> None:
    fleet, (row,) = beating()
    fleet.sweeps(3600, proven=False)
    assert fleet.state(row) is Code.UP
    assert fleet.silence(row) < 1


def test_after_a_gap_everyone_has_the_time_to_come_back() -> None:
    """Two intervals and a push: 2.8 s."""
    fleet, (row,) = beating()
    fleet.sweeps(3.5)  # half a second short of down
    fleet.sweeps(10, proven=False)
    fleet.sweeps(0.5)  # resumes
    fleet.sweeps(2.5)
    assert fleet.state(row) is Code.UP
    fleet.sweeps(0.5)
    assert fleet.state(row) is Code.DOWN


def test_who_was_not_silent_before_a_gap_gets_no_more_than_the_down_time() -> None:
    fleet, (row,) = beating()
    fleet.sweeps(10, proven=False)
    fleet.sweeps(0.5)  # resumes
    fleet.sweeps(4.0)
    assert fleet.state(row) is Code.DOWN


@pytest.mark.parametrize("open_for", [1.0, 1.5])
def test_nobody_is_judged_between_gaps_too_brief_to_come_back_in(open_for: float) -> None:
    """A beat may be due in each gap: between two of them are less than an interval and a push."""
    fleet, (row,) = beating()
    fleet.sweeps(3.5)
    for _ in range(40):
        fleet.sweeps(0.5, proven=False)
        fleet.sweeps(0.5 + open_for)  # half a second to resume
    assert fleet.state(row) is Code.UP
    fleet.sweeps(3.0)
    assert fleet.state(row) is Code.DOWN


def test_who_could_come_back_between_gaps_and_did_not_is_judged() -> None:
    """An allowance is longer than the time between the gaps, but three chances are enough."""
    fleet, (row,) = beating()
    fleet.sweeps(3.5)
    for chance in range(3):
        fleet.sweeps(0.5, proven=False)
        fleet.sweeps(0.5 + 2.5)  # half a second to resume
        assert (fleet.state(row), chance) == (Code.UP, chance)
    fleet.sweeps(0.5, proven=False)
    fleet.sweeps(0.5 + 0.5)
    assert fleet.state(row) is Code.DOWN


def test_a_beat_between_gaps_makes_all_chances_anew() -> None:
    fleet, (row,) = beating()
    fleet.sweeps(3.5)
    for sequence in range(100, 120):
        for _ in range(2):
            fleet.sweeps(0.5, proven=False)
            fleet.sweeps(0.5 + 2.5)
        fleet.beat([row], sequence)
        assert fleet.state(row) is Code.UP


def test_a_death_after_a_gap_is_found_on_time() -> None:
    """Who beat since the gap needs no allowance."""
    fleet, (row,) = beating()
    fleet.sweeps(10, proven=False)
    fleet.run(2.0, [row], sequence=100)
    fleet.sweeps(4.0)
    assert fleet.state(row) is Code.DOWN


def test_a_paused_coordinator_accuses_nobody() -> None:
    fleet, (row,) = beating()
    fleet.now += 600
    fleet.sweep()
    assert fleet.state(row) is Code.UP
    fleet.sweeps(2.0)
    assert fleet.state(row) is Code.UP


def test_a_beat_on_any_shard_ends_the_silence_on_all() -> None:
    fleet = Fleet(shards=2, replicas=2)
    (row,) = fleet.add(1, shards=(0, 1))
    for sequence in range(1, 40):
        fleet.now += 0.5
        fleet.sweep(shard=0)
        fleet.sweep(shard=1)
        fleet.beat([row], sequence)  # never reaches shard 1
    assert fleet.state(row) is Code.UP


def test_one_listening_shard_of_two_is_enough_to_find_a_death() -> None:
    fleet = Fleet(shards=2, replicas=2)
    (row,) = fleet.add(1, shards=(0, 1))
    fleet.sweep(shard=0)
    fleet.sweep(shard=1)
    fleet.beat([row], 1)
    for _ in range(8):
        fleet.now += 0.5
        fleet.sweep(shard=0, proven=False)
        fleet.sweep(shard=1)
    assert fleet.state(row) is Code.DOWN


def test_a_shard_judges_only_its_own() -> None:
    fleet = Fleet(shards=2)
    (there,) = fleet.add(1, shards=(1,))
    fleet.sweep(shard=0)
    fleet.sweep(shard=1)
    fleet.beat([there], 1)
    fleet.sweeps(60, shard=0)
    assert fleet.state(there) is Code.UP


def test_leaving_is_left_at_once_and_for_good() -> None:
    fleet, (row,) = beating()
    fleet.beat([row], 100, status=Status.LEAVING)
    assert fleet.state(row) is Code.LEFT
    fleet.sweeps(60)
    assert fleet.state(row) is Code.LEFT
    fleet.beat([row], 1, incarnation=8)
    assert fleet.state(row) is Code.UP


def test_a_late_beat_of_one_that_left_does_not_bring_it_back() -> None:
    fleet, (row,) = beating()
    fleet.beat([row], 100, status=Status.LEAVING)
    fleet.beat([row], 99)
    assert fleet.state(row) is Code.LEFT


def test_a_failing_check_is_down_at_once_and_up_again_with_the_next_good_beat() -> None:
    fleet, (row,) = beating()
    fleet.beat([row], 100, status=Status.CHECK_FAILING)
    assert fleet.state(row) is Code.DOWN
    fleet.beat([row], 101)
    assert fleet.state(row) is Code.UP
    assert fleet.causes_of(row)[-2:] == [Cause.CHECK_FAILING, Cause.BEAT]


def test_draining_is_up() -> None:
    fleet, (row,) = beating()
    fleet.beat([row], 100, status=Status.DRAINING)
    assert fleet.state(row) is Code.UP


def test_a_restart_is_a_change_of_its_own_and_no_outage() -> None:
    fleet, (row,) = beating()
    for incarnation in (8, 9, 10, 11, 12):
        fleet.beat([row], 1, incarnation=incarnation)
    assert fleet.causes_of(row) == [Cause.FIRST_BEAT] + [Cause.RESTARTED] * 5
    assert fleet.state(row) is Code.UP
    assert not fleet.detector.conflict(row)


def test_a_late_beat_of_the_old_run_is_ignored() -> None:
    fleet, (row,) = beating()
    old = int(fleet.detector.members.sequence[row])
    fleet.beat([row], 1, incarnation=8)
    fleet.beat([row], old)
    assert int(fleet.detector.members.incarnation[row]) == 8


def test_two_agents_with_one_name_are_a_conflict_told_once_and_never_alternate() -> None:
    fleet, (row,) = beating()
    for sequence in range(100, 120):
        fleet.beat([row], sequence, incarnation=7)
        fleet.beat([row], sequence, incarnation=8)
        assert fleet.state(row) is Code.UP
    assert fleet.detector.conflict(row)
    told = [cause for cause in fleet.causes_of(row) if cause != Cause.FIRST_BEAT]
    assert told == [Cause.RESTARTED, Cause.CONFLICT]


def test_a_conflict_ends_when_one_of_them_stops() -> None:
    fleet, (row,) = beating()
    for sequence in range(100, 103):
        fleet.beat([row], sequence, incarnation=7)
        fleet.beat([row], sequence, incarnation=8)
    fleet.run(12.5, [row], sequence=200)
    fleet.sweep()
    assert fleet.detector.conflict(row)
    fleet.sweeps(0.5)
    assert not fleet.detector.conflict(row)
    assert Cause.CONFLICT_OVER in fleet.causes_of(row)


def test_a_restart_seen_late_on_one_replica_is_no_conflict() -> None:
    fleet, (row,) = beating()
    for _ in range(3):  # restart after restart, each seen late on the other replica
        incarnation = int(fleet.detector.members.incarnation[row])
        sequence = int(fleet.detector.members.sequence[row])
        fleet.beat([row], 1, incarnation=incarnation + 1)
        fleet.beat([row], sequence + 1, incarnation=incarnation)
        fleet.beat([row], 2, incarnation=incarnation + 1)
        assert not fleet.detector.conflict(row)


@pytest.mark.parametrize(("fall", "stormy"), [(4, False), (5, True)])
def test_mass_silence_begins_at_storm_min(fall: int, stormy: bool) -> None:
    fleet, rows = beating(8)
    fleet.run(4.0, rows[fall:], sequence=100)
    assert fleet.states(rows[:fall]) == {Code.SUSPECT if stormy else Code.DOWN}
    assert fleet.states(rows[fall:]) == {Code.UP}


@pytest.mark.parametrize(("size", "stormy"), [(18, True), (19, False)])
def test_mass_silence_begins_at_storm_fraction(size: int, stormy: bool) -> None:
    fleet, rows = beating(size)
    fleet.run(4.0, rows[6:], sequence=100)
    assert fleet.states(rows[:6]) == {Code.SUSPECT if stormy else Code.DOWN}


def test_suspects_are_down_when_the_hold_is_over_or_up_with_a_beat() -> None:
    fleet, rows = beating(10)
    fleet.sweeps(4.0)
    assert fleet.states(rows) == {Code.SUSPECT}
    fleet.beat(rows[:3], 100)
    fleet.sweeps(3.5)
    assert fleet.states(rows[3:]) == {Code.SUSPECT}
    fleet.beat(rows[:3], 101)
    fleet.sweeps(4.5)
    assert fleet.states(rows[3:]) == {Code.DOWN}
    assert fleet.causes_of(rows[3])[-1] is Cause.HOLD_OVER


def test_a_rack_that_falls_over_several_sweeps_is_held_from_the_first() -> None:
    """Its members' last beats are spread over an interval."""
    fleet, rows = beating(30)
    fleet.run(0.5, rows[10:], sequence=100)
    fleet.run(0.5, rows[20:], sequence=200)
    fleet.sweeps(4.0)
    assert fleet.states(rows) == {Code.SUSPECT}


def test_a_gap_during_a_hold_neither_ends_it_nor_begins_it_anew() -> None:
    fleet, rows = beating(10)
    fleet.sweeps(4.0 + 7.0)  # a second short of the end of the hold
    fleet.sweeps(10, proven=False)
    fleet.sweeps(0.5)  # resumes
    fleet.sweeps(2.5)
    assert fleet.states(rows) == {Code.SUSPECT}
    fleet.sweeps(0.5)
    assert fleet.states(rows) == {Code.DOWN}


def test_a_single_death_elsewhere_is_found_on_time_during_a_mass_silence() -> None:
    fleet = Fleet()
    rack, others = fleet.add(10, zone=1), fleet.add(10, zone=2)
    fleet.run(3.0, [*rack, *others], sequence=1)
    fleet.run(4.0, others[1:], sequence=100)
    assert fleet.states(rack) == {Code.SUSPECT}
    assert fleet.state(others[0]) is Code.DOWN


def test_storm_min_zero_turns_the_guard_off() -> None:
    fleet, rows = beating(20, storm_min=0)
    fleet.sweeps(4.0)
    assert fleet.states(rows) == {Code.DOWN}


def test_old_deaths_are_no_part_of_a_storm() -> None:
    fleet, rows = beating(30)
    for row in range(20):  # one after the other, each more than a down time apart
        fleet.run(4.5, rows[row + 1 :], sequence=1000 * (row + 1))
        assert fleet.state(row) is Code.DOWN
    assert Code.SUSPECT not in fleet.states(rows)


def test_the_dead_of_a_restarted_coordinator_are_no_part_of_a_storm() -> None:
    fleet = Fleet()
    dead = fleet.add(20, state=Code.DOWN, quiet=12.0)
    alive = fleet.add(20, state=Code.UP)
    fleet.run(3.0, alive, sequence=1)
    fleet.run(4.0, alive[1:], sequence=100)
    assert fleet.state(alive[0]) is Code.DOWN
    assert fleet.states(dead) == {Code.DOWN}


def test_restored_states_stay_until_something_is_known() -> None:
    fleet = Fleet()
    (up,) = fleet.add(1, state=Code.UP)
    (down,) = fleet.add(1, state=Code.DOWN)
    fleet.sweep()
    fleet.sweeps(3.5)
    assert (fleet.state(up), fleet.state(down)) == (Code.UP, Code.DOWN)
    fleet.beat([down], 1)
    fleet.sweeps(0.5)
    assert (fleet.state(up), fleet.state(down)) == (Code.DOWN, Code.UP)


def test_rows_are_used_again() -> None:
    fleet, rows = beating(3)
    fleet.detector.members.remove(rows[1])
    (again,) = fleet.add(1)
    assert again == rows[1]
    assert fleet.state(again) is Code.UNKNOWN
    assert len(fleet.detector.members) == 3


def test_the_table_grows() -> None:
    fleet = Fleet()
    rows = fleet.add(5000)
    fleet.sweep()
    fleet.beat(rows, 1)
    assert int(np.count_nonzero(fleet.detector.members.state == Code.UP)) == 5000


def test_the_table_grows_in_steps_while_others_come() -> None:
    members = Members(replicas=2, capacity=4)
    everywhere = np.zeros((2, 1), np.int16)
    for number, _ in enumerate(members.make_room(5), 1):
        row = members.add(np.full(1, Code.UP, np.uint8), everywhere).item()
        members.since[row] = number
    count = members.size
    assert members.since[:count].tolist() == list(range(1, count + 1))
    assert (members.state[:count] == Code.UP).all()
    assert (members.shard[:, :count] == 0).all()
    assert (members.down_after[:count] == np.inf).all()
    assert {len(members.state), len(members.since), members.shard.shape[1]} <= set(
        range(members.room, 10 * count)
    )
