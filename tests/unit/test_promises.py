"""What members promise: held to what an agent may be set to, and nobody else's affair."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.beat import Status
from musterd.limits import MAX_INTERVAL, MIN_INTERVAL, MIN_PUSH_TIMEOUT
from musterd_coordinator.judge import promises
from musterd_coordinator.judge.members import Code, Members
from tests.examples import examples
from tests.unit.fleet import Fleet, rules

PATIENT, HASTY = 0.8, 0.04  # push timeouts, in seconds


def told(interval_ms: int, push_timeout_ms: int = 0) -> Fleet:
    fleet = Fleet()
    fleet.add(1)
    fleet.beat([0], 1, interval=interval_ms / 1000, push_timeout=push_timeout_ms / 1000)
    return fleet


@pytest.mark.parametrize(
    ("promised", "kept", "clamped"),
    [
        ((10_000, 5_000), (10.0, 5.0), False),
        ((10_000, 0), (10.0, 8.0), False),  # not told: the rule
        ((50, 10), (0.05, 0.01), False),
        (
            (3_600_000, 65_535),
            (3600.0, 3600.0),
            False,
        ),  # the longest that can be told: any longer one
        ((1, 0), (0.05, 0.04), True),
        ((0, 0), (0.05, 0.04), True),
        ((2**32 - 1, 0), (3600.0, 2880.0), True),
        ((10_000, 3), (10.0, 0.01), True),
        ((1000, 5000), (1.0, 1.0), True),
    ],
)
def test_promises_are_held_to_what_an_agent_may_be_set_to(
    promised: tuple[int, int], kept: tuple[float, float], clamped: bool
) -> None:
    members = told(*promised).detector.members
    assert (members.interval[0], members.push_timeout[0]) == pytest.approx(kept)
    assert members.clamped[0] == clamped


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
def test_no_promise_leads_out_of_bounds(interval_ms: int, push_timeout_ms: int) -> None:
    members = told(interval_ms, push_timeout_ms).detector.members
    assert np.float32(MIN_INTERVAL) <= members.interval[0] <= MAX_INTERVAL
    assert np.float32(MIN_PUSH_TIMEOUT) <= members.push_timeout[0] <= members.interval[0]
    assert 4.0 <= members.down_after[0] <= 2.5 * MAX_INTERVAL


@pytest.mark.parametrize(
    ("push_timeout_ms", "kept", "down_after"),
    [(0, 60.0, 75.0), (5_000, 5.0, 60.0), (30_000, 10.0, 60.0)],
)
def test_who_may_wait_for_a_push_for_longer_than_an_interval_is_given_that_time(
    push_timeout_ms: int, kept: float, down_after: float
) -> None:
    """Only whoever tells nothing, as rows of Nova do: what an agent tells is held to its interval."""
    queued = replace(
        rules(service_down_time=60.0, interval=10.0),
        push_timeout=lambda intervals: np.full(len(intervals), 60.0),
        queued=True,
    )
    members = Members(1)
    rows = members.add(np.full(1, Code.UP, np.uint8), np.zeros((1, 1), np.int16))
    promises.note_intervals(members, rows, np.full(1, 10.0), queued)
    assert members.down_after[0] == 75.0
    told = np.array([10_000], np.uint32), np.array([push_timeout_ms], np.uint16)
    promises.note(members, rows, *told, queued)
    assert (members.push_timeout[0], members.down_after[0]) == (kept, down_after)
    assert members.clamped[0] == (push_timeout_ms == 30_000)
    promises.judge_by(members, replace(queued, service_down_time=90.0))
    assert members.down_after[0] == 90.0


@pytest.mark.parametrize(("interval", "down_after"), [(1.0, 4.0), (1.6, 4.0), (10.0, 25.0)])
def test_a_member_is_down_after_two_and_a_half_intervals_at_the_earliest(
    interval: float, down_after: float
) -> None:
    fleet = Fleet()
    (row,) = fleet.add(1)
    fleet.sweeps(1.0)
    fleet.beat([row], 1, interval=interval)
    fleet.sweeps(down_after - 0.5)
    assert fleet.state(row) is Code.UP
    fleet.sweeps(0.5)
    assert fleet.state(row) is Code.DOWN


def test_agents_that_beat_seldom_are_up_while_they_beat_and_found_when_they_died() -> None:
    """A coordinator told to wait 5 s, before agents that beat every 10."""
    fleet = Fleet(service_down_time=5.0, storm_min=0)
    rows = fleet.add(10)
    fleet.sweep()
    for beat in range(6):
        fleet.beat(rows, beat + 1, interval=10.0)
        fleet.sweeps(10.0)
        assert fleet.states(rows) == {Code.UP}
    fleet.sweeps(15.0)
    assert fleet.states(rows) == {Code.DOWN}


def test_members_that_beat_seldom_are_held_in_a_mass_silence_too() -> None:
    fleet = Fleet(service_down_time=5.0)
    rows = fleet.add(10)
    fleet.sweep()
    fleet.beat(rows, 1, interval=10.0)
    fleet.sweeps(25.0)
    assert fleet.states(rows) == {Code.SUSPECT}
    fleet.sweeps(8.0)
    assert fleet.states(rows) == {Code.DOWN}


def test_another_down_time_judges_all_from_the_next_sweep_on() -> None:
    fleet = Fleet()
    slow, quick = fleet.add(2)
    fleet.sweep()
    fleet.beat([slow], 1, interval=3.0)
    fleet.beat([quick], 1)
    fleet.detector.rules = Fleet(service_down_time=6.0).detector.rules
    fleet.sweeps(5.5)
    assert fleet.states([slow, quick]) == {Code.UP}
    fleet.sweeps(0.5)
    assert (fleet.state(slow), fleet.state(quick)) == (Code.UP, Code.DOWN)


def hasty_among(count: int) -> tuple[Fleet, list[int], int]:
    """Members that wait 0.8 s for a push, and one that waits 0.04 s; all up."""
    fleet = Fleet()
    *patient, hasty = fleet.add(count + 1)
    fleet.sweep()
    fleet.beat(patient, 1, push_timeout=PATIENT)
    fleet.beat([hasty], 1, interval=0.05, push_timeout=HASTY)
    return fleet, patient, hasty


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_a_hasty_member_shortens_no_canary(count: int) -> None:
    fleet, _, _ = hasty_among(count)
    assert promises.canary_time(fleet.detector.members, 0, fleet.detector.rules) == (
        pytest.approx(PATIENT)
    )


def test_hasty_members_leave_a_canary_a_quarter_of_a_second() -> None:
    fleet = Fleet()
    rows = fleet.add(40)
    fleet.beat(rows, 1, interval=0.001, push_timeout=0.001)
    assert promises.canary_time(fleet.detector.members, 0, fleet.detector.rules) == 0.25


def test_a_few_who_wait_for_ages_do_not_make_a_canary_slow() -> None:
    fleet = Fleet()
    rows = fleet.add(40)
    fleet.beat(rows[:37], 1, push_timeout=PATIENT)
    fleet.beat(rows[37:], 1, interval=3600.0, push_timeout=65.0)
    assert promises.canary_time(fleet.detector.members, 0, fleet.detector.rules) == (
        pytest.approx(PATIENT)
    )


def test_who_waits_less_than_a_canary_takes_is_not_judged_and_others_are() -> None:
    fleet, patient, hasty = hasty_among(5)
    fleet.sweeps(3.5, canary=0.06)
    fleet.beat(patient[1:], 2, push_timeout=PATIENT)
    fleet.sweeps(0.5, canary=0.06)
    assert fleet.state(patient[0]) is Code.DOWN
    fleet.sweeps(30.0, canary=0.06)
    assert fleet.states(patient) == {Code.DOWN}
    assert fleet.state(hasty) is Code.UP
    assert fleet.detector.gaps.deaf(0).tolist() == [hasty]
    fleet.sweeps(0.5, canary=0.02)  # the first that it could have beaten in
    assert fleet.silence(hasty) < 4.0
    fleet.sweeps(4.0, canary=0.02)
    assert fleet.state(hasty) is Code.DOWN


def test_a_slow_canary_now_and_then_is_a_gap_for_the_hasty() -> None:
    """Between two of them are less than an interval and a push of its own."""
    fleet, patient, hasty = hasty_among(5)
    for number in range(20):
        fleet.beat([hasty], 10 + number, interval=3.0, push_timeout=HASTY)
        fleet.beat(patient, 10 + number, push_timeout=PATIENT)
        fleet.sweeps(1.0, canary=0.02)
        fleet.sweeps(0.5, canary=0.06)
    fleet.beat(patient, 100, push_timeout=PATIENT)
    for _ in range(20):
        fleet.sweeps(1.0, canary=0.02)
        fleet.sweeps(0.5, canary=0.06)
    assert fleet.states(patient) == {Code.DOWN}
    assert fleet.state(hasty) is Code.UP


def test_a_shard_whose_canary_takes_longer_than_most_wait_is_not_listened_to() -> None:
    fleet = Fleet()
    rows = fleet.add(5)
    fleet.sweep()
    fleet.beat(rows[:2], 1, push_timeout=PATIENT)
    fleet.beat(rows[2:], 1, push_timeout=HASTY)
    fleet.sweeps(1.0, canary=0.06)
    assert not fleet.detector.clocks[0].listening
    fleet.sweeps(3.5, canary=0.06)
    assert fleet.states(rows[:2]) == {Code.DOWN}
    assert fleet.states(rows[2:]) == {Code.UP}
    fleet.sweeps(0.5, canary=0.01)
    assert fleet.detector.clocks[0].listening


def test_the_dead_and_hasty_do_not_keep_a_shard_deaf() -> None:
    """Who was not heard of late has no say in whether the shard is listened to."""
    fleet = Fleet()
    rows = fleet.add(5)
    fleet.sweep()
    fleet.beat(rows, 1, push_timeout=HASTY)
    for number in range(30):
        fleet.beat(rows[:2], 2 + number, push_timeout=PATIENT)
        fleet.sweeps(0.5, canary=0.06)
    assert fleet.detector.clocks[0].listening


promise = st.tuples(
    st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 100), st.integers(0, 20_000)),
    st.integers(0, 2**16 - 1),
    st.sampled_from([Status.OK, Status.DRAINING, Status.CHECK_FAILING, Status.LEAVING]),
)


@given(
    hostile=st.lists(st.lists(promise, min_size=4, max_size=4), min_size=1, max_size=12),
    canaries=st.lists(st.sampled_from([0.0, 0.01, 0.2, 0.7]), min_size=1, max_size=5),
    gap=st.integers(0, 6),
)
@settings(max_examples=examples(60), deadline=None)
def test_what_some_promise_changes_no_verdict_on_another(
    hostile: list[list[tuple[int, int, Status]]], canaries: list[float], gap: int
) -> None:
    """A death among the honest is found by the very sweep that finds it without the others."""
    assert _found(hostile, canaries, gap) == _found([], canaries, gap)


def _found(hostile: list[list[tuple[int, int, Status]]], canaries: list[float], gap: int) -> int:
    fleet = Fleet(storm_min=0)
    dead, *honest = fleet.add(8)
    others = fleet.add(4, zone=1)
    fleet.sweep()
    fleet.beat([dead, *honest], 1, push_timeout=PATIENT)
    for sweep in range(1, 60):
        if sweep % 2:
            fleet.beat(honest, 1 + sweep, push_timeout=PATIENT)
        told = hostile[sweep % len(hostile)] if hostile else []
        for row, (interval_ms, timeout_ms, status) in zip(others, told, strict=False):
            interval, timeout = interval_ms / 1000, timeout_ms / 1000
            fleet.beat([row], 1 + sweep, status=status, interval=interval, push_timeout=timeout)
        canary = canaries[sweep % len(canaries)]
        fleet.sweeps(0.5, canary=canary, proven=sweep != gap)
        assert fleet.states(honest) == {Code.UP}
        assert fleet.detector.clocks[0].listening == (sweep != gap)
        if fleet.state(dead) is Code.DOWN:
            return sweep
    raise AssertionError("never found")
