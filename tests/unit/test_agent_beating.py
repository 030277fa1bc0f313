"""When a member beats, what its beats say, and how long it waits before trying one again."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Status, member_id, new_incarnation, pack
from musterd_agent.beating import Beating, next_tick, phase_of, retry_pause

member_ids = st.integers(0, 2**64 - 1)
intervals = st.floats(0.05, 3600.0)
instants = st.floats(0.0, 1e9)


def slot_of(instant: float, phase: float, interval: float) -> int:
    """Which interval of the member's own schedule an instant is nearest to the start of."""
    return round((instant - phase) / interval)


@given(member_ids, intervals)
def test_the_phase_is_within_the_interval_and_ticks_are_there(number: int, interval: float) -> None:
    phase = phase_of(number, interval)
    assert 0.0 <= phase < interval
    first = Beating(number, interval, 1).tick_after(0.0, -interval)
    assert first == pytest.approx(phase or interval)


def test_two_runs_of_one_member_have_phases_of_their_own() -> None:
    number = member_id("musterd", "compute", "host-1")
    ticks = [Beating(number, 10.0, new_incarnation()).tick_after(0.0, 0.0) for _ in range(100)]
    assert len({round(tick, 3) for tick in ticks}) > 90


def test_ten_thousand_members_are_spread_over_the_interval() -> None:
    members, bins = 10_000, 100
    counts = [0] * bins
    for number in range(members):
        phase = phase_of(member_id("musterd", "compute", f"host-{number:05}"), 10.0)
        counts[int(phase / 10.0 * bins)] += 1
    # 100 expected in each; 50 away is five standard deviations of fair dice.
    assert min(counts) > 50
    assert max(counts) < 150


@given(member_ids, intervals, instants)
def test_the_next_tick_is_later_by_at_most_an_interval(
    number: int, interval: float, now: float
) -> None:
    phase = phase_of(number, interval)
    tick = next_tick(now, phase, interval)
    assert now < tick <= now + interval * (1 + 1e-6) + 1e-6
    turn = slot_of(tick, phase, interval)
    assert tick == pytest.approx(phase + turn * interval, rel=1e-12)


@given(member_ids, st.floats(0.05, 60.0), instants, st.lists(st.floats(-1e-9, 300.0), max_size=30))
def test_no_two_ticks_share_an_interval_and_none_is_made_up_for(
    number: int, interval: float, start: float, delays: list[float]
) -> None:
    beating = Beating(number, interval, 1)
    phase = phase_of(number, interval)
    due = beating.tick_after(start, start)
    for delay in delays:  # how late the loop served each tick, or how early its timer fired
        served = due + delay
        following = beating.tick_after(served, due)
        assert following > served
        assert slot_of(following, phase, interval) > slot_of(due, phase, interval)
        due = following


def test_a_timer_that_fires_early_does_not_serve_a_tick_twice() -> None:
    beating = Beating(7, 10.0, 1)
    due = beating.tick_after(100.0, 100.0)
    assert beating.tick_after(due - 1e-6, due) == pytest.approx(due + 10.0)


def test_a_beat_says_how_late_it_left() -> None:
    beating = Beating(7, 0.5, 9)
    beat = beating.beat(now=102.25, due=100.0, wall=1_700_000_000.5)
    assert (beat.lag_ms, beat.sent_ms, beat.interval_ms) == (2250, 1_700_000_000_500, 500)
    assert (beat.member_id, beat.incarnation, beat.status) == (7, 9, Status.OK)
    assert beating.beat(now=99.9, due=100.0, wall=0.0).lag_ms == 0


def test_a_beat_says_how_long_its_agent_waits_for_a_push() -> None:
    assert Beating(7, 1.5, 9, 0.3).beat(now=0.0, due=0.0, wall=0.0).push_timeout_ms == 300


@given(st.lists(st.sampled_from(list(Status)), min_size=1))
def test_every_beat_has_the_next_sequence_and_the_status_of_its_moment(
    statuses: list[Status],
) -> None:
    beating = Beating(7, 10.0, 9)
    for sequence, status in enumerate(statuses, 1):
        beating.status = status
        beat = beating.beat(now=0.0, due=0.0, wall=0.0)
        assert (beat.sequence, beat.status) == (sequence, status)


@given(st.floats(0.0, 1e7), st.floats(-1e12, 1e12))
def test_any_lag_and_any_wall_clock_fit_the_record(lag: float, wall: float) -> None:
    pack(Beating(7, 3600.0, 9).beat(now=lag, due=0.0, wall=wall))


@given(st.floats(0.01, 60.0), st.floats(0.0, 1.0), st.integers())
def test_a_retry_leaves_half_of_what_is_left_to_the_try_itself(
    timeout: float, share: float, seed: int
) -> None:
    left = timeout * share
    pause = retry_pause(left, timeout, Random(seed))
    if pause is None:
        assert left < timeout / 4
    else:
        assert 0.0 <= pause <= left / 2


def test_retries_of_many_agents_are_spread_evenly() -> None:
    rng = Random(1)
    pauses = [retry_pause(4.0, 5.0, rng) or 0.0 for _ in range(10_000)]
    tenths = [sum(int(pause / 0.2) == tenth for pause in pauses) for tenth in range(10)]
    assert min(tenths) > 800
    assert max(tenths) < 1200
