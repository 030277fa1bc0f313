"""Listening time: what advances it, what stops it."""

from musterd_coordinator.judge.listening import ListeningClock, Step


def clock() -> ListeningClock:
    return ListeningClock(period=1.0, timeout=5.0)


def test_time_advances_between_proven_sweeps() -> None:
    shard = clock()
    assert shard.advance(10.0, 10.1, proven=True) is Step.RESUMED
    assert shard.time == 0.0
    assert shard.advance(11.0, 11.1, proven=True) is Step.ADVANCED
    assert shard.time == 1.0
    assert shard.listening


def test_an_unproven_sweep_stops_time_and_the_next_proven_one_only_starts_it() -> None:
    shard = clock()
    for begin in (0.0, 1.0):
        shard.advance(begin, begin, proven=True)
    assert shard.advance(2.0, 2.5, proven=False) is Step.STOOD_STILL
    assert not shard.listening
    assert shard.advance(3.0, 3.1, proven=True) is Step.RESUMED
    assert shard.time == 1.0
    assert shard.advance(4.0, 4.1, proven=True) is Step.ADVANCED
    assert shard.time == 2.0


def test_a_pause_between_sweeps_is_a_gap() -> None:
    shard = clock()
    shard.advance(0.0, 0.1, proven=True)
    assert shard.advance(60.0, 60.1, proven=True) is Step.RESUMED
    assert shard.time == 0.0


def test_one_step_never_counts_more_than_one_and_a_half_periods() -> None:
    shard = clock()
    shard.advance(0.0, 3.0, proven=True)
    assert shard.advance(3.0, 3.1, proven=True) is Step.ADVANCED
    assert shard.time == 1.5


def test_a_sweep_that_took_longer_than_its_timeout_proves_nothing() -> None:
    """A coordinator that was stopped in mid-sweep may find the reply when it wakes up."""
    shard = clock()
    shard.advance(0.0, 0.1, proven=True)
    assert shard.advance(1.0, 90.0, proven=True) is Step.STOOD_STILL
    assert shard.time == 0.0


def test_staleness_is_the_age_of_the_newest_proven_sweep() -> None:
    shard = clock()
    assert shard.staleness(5.0) is None
    shard.advance(5.0, 5.1, proven=True)
    shard.advance(6.0, 6.1, proven=False)
    assert shard.staleness(7.0) == 2.0
