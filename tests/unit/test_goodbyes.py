"""Goodbyes of many at once are held, those of a few are believed, and every hold ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.beat import Status
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.transitions import Cause
from tests.examples import examples
from tests.unit.fleet import Fleet

GOODBYES = [Status.LEAVING, Status.CHECK_FAILING]


def fleet_of(count: int, **how: float) -> tuple[Fleet, list[int]]:
    fleet = Fleet(**how)  # type: ignore[arg-type]  # shards and replicas keep their defaults
    rows = fleet.add(count)
    fleet.run(3.0, rows, sequence=1)
    assert fleet.states(rows) == {Code.UP}
    return fleet, rows


@pytest.mark.parametrize("status", GOODBYES)
def test_a_few_are_believed_at_once(status: Status) -> None:
    fleet, rows = fleet_of(12)
    fleet.beat(rows[:3], 100, status=status)
    gone = Code.LEFT if status is Status.LEAVING else Code.DOWN
    assert fleet.states(rows[:3]) == {gone}


@pytest.mark.parametrize("status", GOODBYES)
def test_many_at_once_are_suspect_and_believed_after_the_hold(status: Status) -> None:
    fleet, rows = fleet_of(12)
    fleet.beat(rows[:8], 100, status=status)
    assert fleet.states(rows[:8]) == {Code.SUSPECT}
    assert fleet.causes_of(rows[0])[-1] == Cause.MASS_GOODBYE
    for sequence in range(101, 108):
        fleet.sweeps(1.0)
        if status is Status.CHECK_FAILING:  # goes on beating
            fleet.beat(rows[:8], sequence, status=status)
        fleet.beat(rows[8:], sequence)
        assert fleet.states(rows[:8]) == {Code.SUSPECT}
    for sequence in range(108, 112):
        fleet.sweeps(1.0)
        fleet.beat(rows[8:], sequence)
    gone = Code.LEFT if status is Status.LEAVING else Code.DOWN
    assert fleet.states(rows[:8]) == {gone}
    assert fleet.states(rows[8:]) == {Code.UP}


@pytest.mark.parametrize("status", GOODBYES)
def test_a_beat_that_says_all_is_well_ends_the_hold(status: Status) -> None:
    fleet, rows = fleet_of(12)
    fleet.beat(rows, 100, status=status)
    assert fleet.states(rows) == {Code.SUSPECT}
    fleet.beat(rows, 101)
    assert fleet.states(rows) == {Code.UP}
    fleet.run(30.0, rows, sequence=200)
    assert fleet.states(rows) == {Code.UP}


def test_one_after_the_other_within_a_down_time_is_many_as_well() -> None:
    fleet, rows = fleet_of(12)
    for at, row in enumerate(rows[:8]):
        fleet.now += 0.4
        fleet.sweep()
        fleet.beat([row], 100 + at, status=Status.LEAVING)
    assert fleet.states(rows[:4]) == {Code.LEFT}
    assert fleet.states(rows[5:8]) == {Code.SUSPECT}


def test_one_after_the_other_over_a_long_time_is_not() -> None:
    fleet, rows = fleet_of(12)
    for at, row in enumerate(rows[:8]):
        fleet.run(5.0, rows[at:], sequence=1000 * (at + 1))
        fleet.beat([row], 1000 * (at + 1) + 500, status=Status.LEAVING)
    assert fleet.states(rows[:8]) == {Code.LEFT}


def test_without_the_guard_all_are_believed() -> None:
    fleet, rows = fleet_of(12, storm_min=0)
    fleet.beat(rows, 100, status=Status.LEAVING)
    assert fleet.states(rows) == {Code.LEFT}


@pytest.mark.parametrize("sequence", [100, 99, 50])
def test_who_left_is_up_again_by_its_beats_whatever_their_numbers(sequence: int) -> None:
    fleet, (row, *_) = fleet_of(12)
    fleet.beat([row], 100, status=Status.LEAVING)
    assert fleet.state(row) == Code.LEFT
    for more in range(3):
        fleet.sweeps(0.5)
        fleet.beat([row], sequence + more)
    assert fleet.state(row) == Code.UP


HOLD = 8.0
GONE = {Status.LEAVING: Code.LEFT, Status.CHECK_FAILING: Code.DOWN}


def test_agents_that_contradict_in_between_do_not_make_few_of_many_goodbyes() -> None:
    fleet, rows = fleet_of(12)
    for sequence, some in enumerate((rows[:6], rows[6:9], rows[9:11], rows[11:]), 100):
        fleet.beat(some, 2 * sequence, status=Status.LEAVING)
        assert fleet.states(some) <= {Code.SUSPECT, Code.UP}, sequence
        fleet.beat(rows, 2 * sequence + 1)
        fleet.sweep()
    assert fleet.states(rows) == {Code.UP}


def test_a_goodbye_after_one_that_was_taken_back_has_a_hold_of_its_own() -> None:
    fleet, rows = fleet_of(12)
    some = rows[:8]
    fleet.beat(some, 100, status=Status.CHECK_FAILING)
    fleet.run(6.0, rows, sequence=101)
    fleet.beat(some, 200, status=Status.CHECK_FAILING)
    assert fleet.detector.hold_left(np.array(some)).tolist() == [HOLD] * 8
    for sequence in range(201, 216):
        fleet.sweeps(0.5)
        fleet.beat(some, sequence, status=Status.CHECK_FAILING)
        assert fleet.states(some) == {Code.SUSPECT}
    fleet.sweeps(1.0)
    assert fleet.states(some) == {Code.DOWN}


@settings(max_examples=examples(40))
@given(
    runs=st.lists(
        st.tuples(st.sampled_from([*GOODBYES, Status.OK]), st.integers(1, 20)), max_size=5
    )
)
def test_a_hold_lasts_from_the_first_goodbye_that_was_not_taken_back(
    runs: list[tuple[Status, int]],
) -> None:
    """Eight of twelve say the same each half second, for so many of them."""
    fleet, rows = fleet_of(12)
    some = rows[:8]
    state, began = Code.UP, 0.0
    for at, status in enumerate(word for word, times in runs for _ in range(times)):
        fleet.sweeps(0.5)
        now = 0.5 * at
        fleet.beat(some, 100 + at, status=status)
        fleet.beat(rows[8:], 100 + at)
        if status is Status.OK:
            state = Code.UP
        elif state is Code.UP:
            state, began = Code.SUSPECT, now
        elif state is not Code.SUSPECT or now - began >= HOLD:
            state = GONE[status]
        assert fleet.states(some) == {state}
        if state is Code.SUSPECT:
            left = fleet.detector.hold_left(np.array(some)).tolist()
            assert left == pytest.approx([began + HOLD - now] * 8)


@settings(max_examples=examples(100))
@given(
    said=st.lists(
        st.tuples(st.sets(st.integers(0, 11)), st.sampled_from([*GOODBYES, Status.OK])),
        max_size=12,
    )
)
def test_every_hold_ends(said: list[tuple[set[int], Status]]) -> None:
    fleet, rows = fleet_of(12)
    for at, (some, status) in enumerate(said):
        fleet.sweeps(0.5)
        fleet.beat([rows[each] for each in sorted(some)], 100 + at, status=status)
    fleet.sweeps(4.0 + 8.0 + 2.0)
    assert Code.SUSPECT not in fleet.states(rows)
