"""Numbers of beats that somebody else wrote: who beats is alive, whatever they say."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.sequences import REACH
from musterd_coordinator.judge.transitions import Cause
from tests.examples import examples
from tests.unit.fleet import Fleet

HUGE = 2**63  # a float that is a whole number


def up(first: int = 1, **how: float) -> tuple[Fleet, int]:
    fleet = Fleet(**how)  # type: ignore[arg-type]  # shards and replicas keep their defaults
    (row,) = fleet.add(1)
    fleet.sweep()
    fleet.beat([row], first)
    return fleet, row


def heard(fleet: Fleet, row: int, sequence: int, sent_ms: int = 0) -> bool:
    """Whether a record with this sequence, a second after the one before, was a new beat."""
    fleet.sweeps(1.0)
    fleet.beat([row], sequence, sent_ms=sent_ms)
    return bool(fleet.detector.members.heard_at[row] == fleet.now)


def test_a_number_beyond_reach_is_no_mark_for_those_that_follow() -> None:
    fleet, row = up(10)
    assert not heard(fleet, row, HUGE)
    assert fleet.detector.conflict(row)
    assert heard(fleet, row, 12)
    assert heard(fleet, row, 13)
    assert fleet.causes_of(row) == [Cause.FIRST_BEAT, Cause.STRANGE_NUMBERS]


def test_a_mark_that_was_forged_before_we_began_holds_for_one_beat() -> None:
    fleet, row = up(HUGE)
    assert not heard(fleet, row, 10)
    assert heard(fleet, row, 11)
    assert heard(fleet, row, 12)
    assert fleet.detector.conflict(row)


def test_a_mark_within_reach_holds_for_one_beat_too() -> None:
    fleet, row = up(10)
    assert heard(fleet, row, 5000)
    assert not heard(fleet, row, 11)
    assert heard(fleet, row, 12)
    assert fleet.detector.conflict(row)


def test_whose_record_was_sent_later_lives_whatever_its_number() -> None:
    fleet, row = up(10)
    assert not heard(fleet, row, HUGE)
    for at, number in enumerate([HUGE, HUGE, 10, 3, 3, HUGE], 1):
        assert heard(fleet, row, number, sent_ms=at)
        assert not heard(fleet, row, number, sent_ms=at)
    assert heard(fleet, row, 11, sent_ms=1)  # the mark is what it was
    assert fleet.detector.members.sequence[row] == 11
    assert fleet.detector.conflict(row)


@settings(max_examples=examples(100))
@given(st.lists(st.integers(1, HUGE), min_size=1, max_size=30))
def test_who_beats_is_never_down_though_each_of_its_beats_gets_another_number(
    forged: list[int],
) -> None:
    fleet, row = up(10, service_down_time=2.5)
    for at, number in enumerate(forged, 1):
        heard(fleet, row, number, sent_ms=1000 * at)
        assert fleet.silence(row) == 0.0
    assert fleet.state(row) == Code.UP


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 50)), max_size=12))
def test_the_dead_go_down_though_copies_of_the_beats_of_its_last_day_come_back(
    old: list[tuple[int, int]],
) -> None:
    fleet, row = up(1)
    heard(fleet, row, 100, sent_ms=50)
    for number, sent in sorted(old, reverse=True):
        fleet.beat([row], number, sent_ms=sent)
        fleet.sweeps(0.5)
    fleet.sweeps(5.0)
    assert fleet.state(row) == Code.DOWN


def test_who_was_away_may_have_counted_on() -> None:
    fleet, row = up(10)
    fleet.now += 3600.0 * 24 * 30
    assert heard(fleet, row, 10 + 3600 * 24 * 30)
    assert not fleet.detector.conflict(row)
    assert heard(fleet, row, 10 + 3600 * 24 * 30 + REACH)


def test_an_older_record_that_comes_back_once_is_no_beat() -> None:
    fleet, row = up(100)
    assert not heard(fleet, row, 50)
    assert not heard(fleet, row, 40)
    assert not heard(fleet, row, 30)
    assert not fleet.detector.conflict(row)


def test_a_conflict_by_numbers_is_over_in_time() -> None:
    fleet, row = up(10)
    heard(fleet, row, HUGE)
    for sequence in range(12, 40):
        assert heard(fleet, row, sequence)
    assert not fleet.detector.conflict(row)
    assert fleet.causes_of(row)[-1] == Cause.STRANGE_NUMBERS_OVER


@settings(max_examples=examples(100))
@given(st.lists(st.one_of(st.none(), st.integers(1, 2**62), st.just(HUGE)), max_size=40))
def test_who_beats_is_never_down_whatever_is_written_between(forged: list[int | None]) -> None:
    """Single forged records among honest beats: never more than two of these go unheard in a row."""
    fleet, row = up(1, service_down_time=2.5)
    for at, number in enumerate(forged):
        if number is not None:
            fleet.now += 0.1
            fleet.beat([row], number)
        heard(fleet, row, 2 + at)
        assert fleet.silence(row) <= 2.2
        assert fleet.state(row) == Code.UP


@settings(max_examples=examples(100))
@given(st.lists(st.integers(1, 99), max_size=12))
def test_the_dead_go_down_though_old_records_come_back_in_falling_order(old: list[int]) -> None:
    fleet, row = up(100)
    for number in sorted(set(old), reverse=True):
        fleet.beat([row], number)
        fleet.sweeps(0.5)
    fleet.sweeps(5.0)
    assert fleet.state(row) == Code.DOWN


@settings(max_examples=examples(100))
@given(
    numbers=st.lists(st.lists(st.integers(1, 2**62), min_size=4, max_size=4), max_size=8),
)
def test_what_one_member_writes_is_its_own_affair(numbers: list[list[int]]) -> None:
    """Of several at once, each is judged as if it were alone."""
    together = Fleet()
    rows = together.add(4)
    alone = [Fleet() for _ in rows]
    for fleet in alone:
        fleet.add(1)
    for four in numbers:
        for fleet in (together, *alone):
            fleet.now += 1.0
        for row, number in zip(rows, four, strict=True):
            together.beat([row], number)
            alone[row].beat([0], number)
    for row in rows:
        for name in ("sequence", "odd_sequence", "flips"):
            one, other = (getattr(f.detector.members, name) for f in (together, alone[row]))
            assert one[row] == other[0]
    assert np.isfinite(together.now)
