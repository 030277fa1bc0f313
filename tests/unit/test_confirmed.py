"""An operator may say that a mass silence is one of the dead: its hold ends, and nothing else does."""

import numpy as np

from musterd.beat import Status
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.transitions import Cause
from tests.unit.fleet import Fleet


def beating() -> tuple[Fleet, list[int]]:
    fleet = Fleet()
    rows = fleet.add(10)
    fleet.run(3.0, rows, sequence=1)
    return fleet, rows


def silenced() -> tuple[Fleet, list[int]]:
    fleet, rows = beating()
    fleet.sweeps(4.0)
    assert fleet.states(rows) == {Code.SUSPECT}
    return fleet, rows


def test_a_silence_that_is_confirmed_is_held_no_longer_and_a_beat_undoes_that() -> None:
    fleet, rows = silenced()
    detector = fleet.detector
    assert detector.are_held(np.array(rows)).all()
    detector.confirm(np.array(rows[:6]))
    assert (detector.hold_left(np.array(rows)) > 0).tolist() == [False] * 6 + [True] * 4
    fleet.now += fleet.period
    fleet.take([fleet.news(rows[:3], 100)])  # the sweep that would call them down hears them
    assert fleet.states(rows[:3]) == {Code.UP}
    assert fleet.states(rows[3:6]) == {Code.DOWN}
    assert fleet.causes_of(rows[3])[-1] is Cause.CONFIRMED
    assert fleet.states(rows[6:]) == {Code.SUSPECT}
    assert not detector.members.confirmed.any()
    fleet.run(1.0, rows, sequence=200)
    fleet.sweeps(4.0)  # another mass silence is held anew
    assert fleet.states(rows) == {Code.SUSPECT}
    fleet.sweeps(8.0)
    assert fleet.causes_of(rows[3])[-1] is Cause.HOLD_OVER


def test_a_confirmed_silence_waits_for_a_proven_sweep() -> None:
    fleet, rows = silenced()
    fleet.detector.confirm(np.array(rows))
    fleet.sweep(proven=False)
    assert fleet.states(rows) == {Code.SUSPECT}


def test_a_mass_goodbye_is_no_silence_to_confirm() -> None:
    fleet, rows = beating()
    fleet.beat(rows, 100, status=Status.LEAVING)
    assert fleet.states(rows) == {Code.SUSPECT}
    assert not fleet.detector.are_held(np.array(rows)).any()
