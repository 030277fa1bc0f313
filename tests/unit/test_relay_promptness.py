"""When a relay says of itself that agents do not hear of their beats in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Status
from musterd_coordinator.relay.promptness import COUNTED, OVERDUE, LatencyFigures, LatencyReport
from musterd_coordinator.relay.seats import ACTIVE, ESTABLISHED_AFTER, IN_VAIN, RelaySlots

LIMIT = 2.0
NOW = 1000.0


@pytest.mark.parametrize(
    ("waited", "given_up", "status"),
    [
        (0.3, 0, Status.OK),
        (LIMIT, 0, Status.OK),
        (LIMIT + 0.1, 0, Status.CHECK_FAILING),
        (0.3, 100, Status.OK),  # a tenth
        (0.3, 101, Status.CHECK_FAILING),
    ],
)
def test_a_relay_that_lags_or_loses_members_says_so(
    waited: float, given_up: int, status: Status
) -> None:
    promptness = LatencyReport(LIMIT)
    promptness.waited(waited)
    promptness.given_up(dict.fromkeys(range(given_up), 10.0), NOW)
    assert promptness.summarize(1000 - given_up, NOW) == LatencyFigures(
        status, given_up, round(1000 * waited)
    )


def test_refused_beats_count_whoever_sent_them() -> None:
    promptness = LatencyReport(LIMIT)
    promptness.refused(20)
    assert promptness.summarize(100, NOW) == LatencyFigures(Status.CHECK_FAILING, 20, 0)
    assert promptness.summarize(100, NOW) == LatencyFigures(Status.OK, 0, 0)


def test_a_loop_that_stood_still_is_told_as_well() -> None:
    promptness = LatencyReport(LIMIT)
    promptness.waited(3.0)
    assert promptness.summarize(10, NOW) == LatencyFigures(Status.CHECK_FAILING, 0, 3000)
    assert promptness.summarize(10, NOW) == LatencyFigures(Status.OK, 0, 0)


def test_a_member_counts_until_it_is_written_or_beats_elsewhere() -> None:
    promptness = LatencyReport(LIMIT)
    promptness.given_up({1: 10.0, 2: 10.0, 3: 1.0}, NOW)
    assert promptness.summarize(0, NOW + COUNTED).missed == 2
    promptness.written({2})
    assert promptness.summarize(0, NOW + 10 * COUNTED - 1).missed == 1
    assert promptness.summarize(0, NOW + 10 * COUNTED).missed == 0


@given(beats=st.integers(1, 10_000), times=st.integers(1, 100))
def test_whatever_one_member_gives_up_is_one(beats: int, times: int) -> None:
    promptness = LatencyReport(LIMIT)
    for at in range(min(times, beats)):
        promptness.given_up({7: 0.05 + at}, NOW)
    assert promptness.summarize(20, NOW) == LatencyFigures(Status.OK, 1, 0)


DOWN_TIME = 60.0


def seats_of(*used: float, interval: float = 10.0) -> RelaySlots:
    """Founders, written first when the relay was born at 0, and without a break until ``used``."""
    seats = RelaySlots(room=4, service_down_time=DOWN_TIME)
    for at, when in enumerate(used):
        seats.put(at + 1, at, b"holder", b"key", 0.0)
        beat_until(seats, at, interval, when)
    return seats


def beat_until(
    seats: RelaySlots, place: int, interval: float, end: float, begin: float = 0.0
) -> None:
    """Beats of one member that are written each ``interval``."""
    for when in [*np.arange(begin, end, interval), end]:
        seats.write(np.array([place]), np.array([interval]), float(when))


def overdue(seats: RelaySlots, *identities: int, now: float = NOW) -> dict[int, float]:
    return seats.overdue(np.array(identities, np.uint64), now)


def test_only_who_is_overdue_and_has_a_seat_can_be_given_up() -> None:
    seats = seats_of(NOW - OVERDUE * 10 - 0.1, NOW - OVERDUE * 10, NOW)
    assert overdue(seats, 1, 2, 3, 99) == {1: 10.0}
    assert overdue(seats) == {}


def test_whoever_took_a_seat_lately_is_nobodys_loss() -> None:
    seats = seats_of(NOW)
    first = DOWN_TIME + 1  # the founders' time is over
    seats.put(2, 1, b"holder", b"key", first)
    beat_until(seats, 1, 10.0, first + ESTABLISHED_AFTER * DOWN_TIME - 20, begin=first)
    end = first + ESTABLISHED_AFTER * DOWN_TIME
    assert overdue(seats, 2, now=end - 0.1) == {}
    assert overdue(seats, 2, now=end) == {2: 10.0}
    assert (seats.active(end - 0.1), seats.active(end)) == (1, 2)


def test_a_break_costs_the_standing() -> None:
    seats = seats_of(500.0)
    beat_until(seats, 0, 10.0, NOW, begin=500 + ACTIVE * 10 + 1)
    assert seats.active(NOW) == 0
    assert overdue(seats, 1, now=NOW + 16) == {}


def test_who_never_had_a_beat_written_counts_for_nothing() -> None:
    seats = seats_of()
    seats.put(1, 0, b"holder", b"key", 0.0)
    assert (overdue(seats, 1), seats.active(0.0)) == ({}, 0)


def test_who_tries_in_vain_for_long_has_trouble_of_its_own() -> None:
    seats = seats_of(500.0)
    assert overdue(seats, 1, now=500 + IN_VAIN * DOWN_TIME) == {1: 10.0}
    assert overdue(seats, 1, now=500 + IN_VAIN * DOWN_TIME + 0.1) == {}


@pytest.mark.parametrize(("told", "taken"), [(2.0**22, DOWN_TIME), (0.001, 0.05)])
def test_an_interval_counts_within_bounds_whatever_a_beat_promises(
    told: float, taken: float
) -> None:
    seats = seats_of()
    seats.put(1, 0, b"holder", b"key", 0.0)
    seats.write(np.array([0]), np.array([told]), 1.0)
    assert overdue(seats, 1, now=1 + OVERDUE * taken + 0.01) == {1: taken}
    assert seats.active(1 + ACTIVE * taken - 0.01) == 1
    assert seats.active(1 + ACTIVE * taken + 0.01) == 0


def test_who_was_written_within_some_intervals_beats_here() -> None:
    seats = seats_of(NOW, NOW - ACTIVE * 10 + 1, NOW - ACTIVE * 10 - 0.1, NOW, NOW, NOW)
    assert seats.active(NOW) == 5
    seats.put(77, 8, b"holder", b"key", NOW)
    assert seats.active(NOW + 0.1) == 5  # nothing of it was written yet
