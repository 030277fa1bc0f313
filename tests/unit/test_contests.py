"""Whose records somebody overwrites is held, flagged, and down in the end; never for ever alive."""

from dataclasses import replace

import numpy as np
import pytest

from musterd.beat import Status
from musterd.cli.render import marks
from musterd.model import Mark, State
from musterd_coordinator.judge.contests import PATIENCE
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.transitions import Cause
from musterd_coordinator.service.holds import holds
from musterd_coordinator.sweep.challenge import UNSEEN
from tests.unit.fleet import Fleet
from tests.unit.stage import Stage, host

DOWN_TIME = 4.0
NOBODY = np.empty(0, np.int64)


def overwritten(fleet: Fleet, seconds: float, row: int, *, late: bool = False) -> None:
    """Let so much time go by in which each sweep finds somebody else's record for ``row``."""
    rows = np.array([row])
    for _ in range(round(seconds / fleet.period)):
        fleet.now += fleet.period
        contested, unfresh = (NOBODY, rows) if late else (rows, NOBODY)
        changes = fleet.detector.contest(0, contested, unfresh, fleet.now)
        fleet.causes += [(fleet.now, row, Cause(each.cause[0])) for each in changes]
        fleet.sweep()


def fleet_of(count: int) -> tuple[Fleet, list[int], int]:
    fleet = Fleet(storm_min=0)
    rows = fleet.add(count)
    return fleet, rows, fleet.run(5.0, rows, 1)


@pytest.mark.parametrize("late", [False, True])
def test_it_is_held_three_times_as_long_and_then_down(late: bool) -> None:
    fleet, [one, other], _ = fleet_of(2)
    overwritten(fleet, PATIENCE * DOWN_TIME - 0.5, one, late=late)
    assert fleet.state(one) == Code.UP
    assert fleet.state(other) == Code.DOWN
    overwritten(fleet, 1.0, one, late=late)
    assert fleet.state(one) == Code.DOWN
    assert fleet.causes_of(one)[-1] == Cause.OVERWRITTEN
    assert (Cause.CONTESTED in fleet.causes_of(one)) is not late


def test_its_own_beats_now_and_then_keep_it_up() -> None:
    fleet, [one], sequence = fleet_of(1)
    for _ in range(5):
        overwritten(fleet, PATIENCE * DOWN_TIME - 1.0, one)
        sequence = fleet.run(0.5, [one], sequence)
    assert fleet.state(one) == Code.UP
    assert fleet.detector.conflict(one)
    assert fleet.causes_of(one).count(Cause.CONTESTED) == 1


def test_one_record_of_somebody_else_holds_for_one_down_time_more() -> None:
    fleet, [one], _ = fleet_of(1)
    overwritten(fleet, 1.0, one)
    fleet.sweeps(DOWN_TIME - 1.0)
    assert fleet.state(one) == Code.UP
    fleet.sweeps(2.0)
    assert fleet.state(one) == Code.DOWN


def test_the_flag_goes_when_nobody_writes_any_more() -> None:
    fleet, [one], sequence = fleet_of(1)
    overwritten(fleet, 1.0, one)
    assert fleet.detector.conflict(one)
    fleet.run(4 * DOWN_TIME, [one], sequence)
    assert not fleet.detector.conflict(one)
    assert fleet.causes_of(one)[-1] == Cause.CONTESTED_OVER


def test_numbers_of_signed_beats_only_grow() -> None:
    fleet, [one], sequence = fleet_of(1)
    fleet.detector.rules = replace(fleet.detector.rules, signed=True)
    heard = fleet.silence(one)
    for old in (1, 2, 3, 4, 5, sequence - 1):
        fleet.beat([one], old, status=Status.LEAVING, sent_ms=10**6 + old)
    assert fleet.silence(one) == heard
    assert fleet.state(one) == Code.UP
    fleet.beat([one], sequence + (1 << 40))
    assert fleet.silence(one) == 0.0


def test_after_a_challenge_that_agents_did_not_see_they_have_three_intervals_more() -> None:
    usual, [one], _ = fleet_of(1)
    waiting, [same], _ = fleet_of(1)
    waiting.detector.gaps.wait_for_challenge(0)
    for fleet in (usual, waiting):
        fleet.sweeps(1.0, proven=False)
    lasted = []
    for fleet, row in ((usual, one), (waiting, same)):
        fleet.sweeps(0.5)
        before = fleet.now
        while fleet.state(row) == Code.UP:
            fleet.sweeps(0.5)
        lasted.append(fleet.now - before)
    assert lasted[1] - lasted[0] == pytest.approx(2.0, abs=1.0)


def contested_stage() -> Stage:
    stage = Stage()
    members = tuple((slot, host(f"h{slot}")) for slot in range(3))
    stage.sweep(seated=members)
    for sequence in range(1, 4):
        stage.sweep(dict.fromkeys(range(3), (7, sequence)))
    return stage


def test_status_names_who_is_held_since_when_and_until_when() -> None:
    stage = contested_stage()
    stage.sweep({1: (7, 4), 2: (7, 4)}, contested=(0,))
    [hold] = holds(stage.roll.view, stage.roll.clocks.instant(0))
    assert (hold.kind, hold.members, hold.scope) == ("overwritten", 1, "mc1:11211")
    assert "compute/h0" in hold.reason
    assert hold.until is not None
    assert hold.until > hold.since
    answer = stage.answers.member("compute", "h0")
    assert answer.conflict
    assert Mark.CONFLICT in answer.marks
    assert answer.state is State.UP
    assert "overwritten by somebody without its key" in answer.reason


def test_a_conflict_says_what_it_is() -> None:
    stage = contested_stage()
    stage.sweep({1: (7, 4), 2: (7, 4)}, contested=(0,))
    for sequence in range(5, 14):
        stage.sweep({1: (7, sequence), 2: (sequence % 2 + 1, sequence)})
    told = {name: stage.answers.member("compute", name) for name in ("h0", "h1", "h2")}
    reasons = {name: answer.conflict_reason for name, answer in told.items()}
    assert reasons == {
        "h0": "its record is overwritten by somebody without its key, or by a second agent with it",
        "h1": "",
        "h2": "several agents beat under this name",
    }
    for name in ("h0", "h2"):
        row = stage.roll.view.row("compute", name)
        assert row is not None
        change = stage.roll.view.change(row)
        assert change.conflict_reason == reasons[name]
        assert marks(told[name]) == marks(change) == [reasons[name]]


def test_a_conflict_that_is_over_leaves_the_reason_of_a_death_alone() -> None:
    stage = contested_stage()
    last = 4 + 2 * int(PATIENCE * DOWN_TIME) + 2
    for sequence in range(4, last + 8 * int(DOWN_TIME)):
        contested = (0,) if sequence < last else ()
        stage.sweep({1: (7, sequence), 2: (7, sequence)}, contested=contested)
    answer = stage.answers.member("compute", "h0")
    assert not answer.conflict
    assert answer.state is State.DOWN
    assert "silent" in answer.reason


def test_it_goes_down_saying_why() -> None:
    stage = contested_stage()
    for sequence in range(4, 4 + 2 * int(PATIENCE * DOWN_TIME) + 2):
        stage.sweep({1: (7, sequence), 2: (7, sequence)}, contested=(0,))
    answer = stage.answers.member("compute", "h0")
    assert answer.state is State.DOWN
    assert "silent" in answer.reason
    assert "overwritten by somebody without its key" in answer.reason
    assert stage.state("h1") is State.UP


def test_members_that_a_sweep_proves_are_seated_with_their_beats() -> None:
    stage = contested_stage()
    stage.sweep({5: (9, 1)}, proved=((5, host("late")),))
    assert stage.state("late") is State.UP


def test_a_sweep_that_agents_could_not_sign_for_is_no_proof() -> None:
    stage = contested_stage()
    stage.sweep(proven=False, unproven=UNSEEN)
    assert not stage.roll.shards[0].listening
