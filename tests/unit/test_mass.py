"""Invented members neither thin a mass silence out nor make one of a single death."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd_coordinator.judge.mass import ESTABLISHED_AFTER
from musterd_coordinator.judge.members import Code
from tests.examples import examples
from tests.unit.fleet import Fleet

DOWN_TIME = 4.0


def old_fleet(count: int) -> tuple[Fleet, list[int]]:
    """Members that were heard for long."""
    fleet = Fleet()
    rows = fleet.add(count)
    fleet.run(3.0, rows, sequence=1)
    fleet.detector.members.first_heard[rows] -= ESTABLISHED_AFTER * DOWN_TIME
    return fleet, rows


def invent(fleet: Fleet, count: int) -> list[int]:
    fakes = fleet.add(count)
    fleet.beat(fakes, 1)
    return fakes


@pytest.mark.parametrize("fakes", [0, 20, 200, 5000])
def test_invented_members_do_not_switch_the_guard_off(fakes: int) -> None:
    fleet, rows = old_fleet(40)
    invented = invent(fleet, fakes)
    sequence = fleet.run(1.0, [*rows, *invented], sequence=1000)
    fleet.run(DOWN_TIME + 1, invented, sequence=sequence)
    assert fleet.states(rows) == {Code.SUSPECT}


@pytest.mark.parametrize("fakes", [5, 10, 40])
def test_invented_members_that_fall_silent_hold_no_real_death(fakes: int) -> None:
    fleet, rows = old_fleet(12)
    invented = invent(fleet, fakes)
    sequence = fleet.run(1.0, [*rows, *invented], sequence=1000)
    fleet.run(DOWN_TIME + 1, rows[1:], sequence=sequence)
    assert fleet.state(rows[0]) == Code.DOWN
    assert fleet.states(rows[1:]) == {Code.UP}


def test_a_fleet_that_is_new_as_a_whole_is_guarded() -> None:
    fleet = Fleet()
    rows = fleet.add(12)
    fleet.run(3.0, rows, sequence=1)
    fleet.run(DOWN_TIME + 1, rows[8:], sequence=1000)
    assert fleet.states(rows[:8]) == {Code.SUSPECT}


def test_where_few_are_established_everybody_is_counted() -> None:
    fleet, rows = old_fleet(4)
    new = invent(fleet, 12)
    sequence = fleet.run(1.0, [*rows, *new], sequence=1000)
    fleet.run(DOWN_TIME + 1, new[8:], sequence=sequence)
    assert fleet.states([*rows, *new[:8]]) == {Code.SUSPECT}


@settings(max_examples=examples(100))
@given(
    dying=st.sets(st.integers(0, 11)),
    fakes=st.integers(0, 60),
    silent_fakes=st.integers(0, 60),
)
def test_verdicts_on_the_established_are_the_same_with_invented_members(
    dying: set[int], fakes: int, silent_fakes: int
) -> None:
    def verdicts(invented: int) -> list[list[int]]:
        fleet, rows = old_fleet(12)
        more = invent(fleet, invented)
        sequence = fleet.run(1.0, [*rows, *more], sequence=1000)
        alive = [row for row in rows if row not in dying] + more[silent_fakes:]
        states = []
        for _ in range(30):
            sequence = fleet.run(0.5, alive, sequence=sequence)
            states.append(fleet.detector.members.state[np.array(rows)].tolist())
        return states

    assert verdicts(fakes) == verdicts(0)
