"""Several agents with one name are a conflict, however many; a restart is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd_coordinator.judge.members import OLDER_RUNS
from musterd_coordinator.judge.transitions import Cause
from tests.examples import examples
from tests.unit.fleet import Fleet


def taking_turns(runs: list[int], fleet: Fleet | None = None) -> tuple[Fleet, int]:
    fleet = fleet or Fleet()
    row = 0 if len(fleet.detector.members) else fleet.add(1)[0]
    fleet.sweep()
    for sequence, run in enumerate(runs, 1):
        fleet.sweeps(1.0)
        fleet.beat([row], sequence, incarnation=run)
    return fleet, row


@pytest.mark.parametrize("agents", [2, 3, 4, 5, 8])
def test_clones_are_a_conflict_throughout_and_are_told_of_once(agents: int) -> None:
    turns = [100 + at % agents for at in range(10 * agents)]
    fleet, row = taking_turns(turns)
    assert fleet.detector.conflict(row)
    causes = fleet.causes_of(row)
    assert causes.count(Cause.CONFLICT) == 1
    assert causes.count(Cause.RESTARTED) == agents - 1


@pytest.mark.parametrize("restarts", [1, 5, 30])
def test_an_agent_that_restarts_again_and_again_is_no_conflict(restarts: int) -> None:
    runs = [100 + at // 2 for at in range(2 * restarts + 2)]
    fleet, row = taking_turns(runs)
    assert not fleet.detector.conflict(row)
    assert fleet.causes_of(row).count(Cause.RESTARTED) == restarts


def test_a_conflict_of_many_is_over_when_one_is_left() -> None:
    fleet, row = taking_turns([100 + at % 3 for at in range(30)])
    taking_turns([100] * 40, fleet)
    assert not fleet.detector.conflict(row)
    assert fleet.causes_of(row)[-1] == Cause.CONFLICT_OVER


@settings(max_examples=examples(100))
@given(st.lists(st.integers(1, 12), max_size=60))
def test_no_run_is_remembered_twice(runs: list[int]) -> None:
    fleet, row = taking_turns(runs)
    members = fleet.detector.members
    known = [members.incarnation[row], members.previous_incarnation[row]]
    known += [getattr(members, name)[row] for name in OLDER_RUNS]
    seen = [int(run) for run in known if run]
    assert len(seen) == len(set(seen)) == min(len(set(runs)), 2 + len(OLDER_RUNS))
