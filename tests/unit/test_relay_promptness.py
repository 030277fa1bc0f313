"""When a relay says of itself that agents do not hear of their beats in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Status
from musterd_coordinator.relay.promptness import COUNTED, OVERDUE, Promptness, Report
from musterd_coordinator.relay.seats import ACTIVE, Seats

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
    promptness = Promptness(LIMIT)
    promptness.waited(waited)
    promptness.given_up(dict.fromkeys(range(given_up), 10.0), NOW)
    assert promptness.report(1000 - given_up, NOW) == Report(status, given_up, round(1000 * waited))


def test_refused_beats_count_whoever_sent_them() -> None:
    promptness = Promptness(LIMIT)
    promptness.refused(20)
    assert promptness.report(100, NOW) == Report(Status.CHECK_FAILING, 20, 0)
    assert promptness.report(100, NOW) == Report(Status.OK, 0, 0)


def test_a_loop_that_stood_still_is_told_as_well() -> None:
    promptness = Promptness(LIMIT)
    promptness.waited(3.0)
    assert promptness.report(10, NOW) == Report(Status.CHECK_FAILING, 0, 3000)
    assert promptness.report(10, NOW) == Report(Status.OK, 0, 0)


def test_a_member_counts_until_it_is_written_or_beats_elsewhere() -> None:
    promptness = Promptness(LIMIT)
    promptness.given_up({1: 10.0, 2: 10.0, 3: 1.0}, NOW)
    assert promptness.report(0, NOW + COUNTED).missed == 2
    promptness.written({2})
    assert promptness.report(0, NOW + 10 * COUNTED - 1).missed == 1
    assert promptness.report(0, NOW + 10 * COUNTED).missed == 0


@given(beats=st.integers(1, 10_000), times=st.integers(1, 100))
def test_whatever_one_member_gives_up_is_one(beats: int, times: int) -> None:
    promptness = Promptness(LIMIT)
    for at in range(min(times, beats)):
        promptness.given_up({7: 0.05 + at}, NOW)
    assert promptness.report(20, NOW) == Report(Status.OK, 1, 0)


def seats_of(*used: float, interval: float = 10.0) -> Seats:
    seats = Seats(room=4)
    for at, when in enumerate(used):
        seats.put(at + 1, at, b"holder", b"key", 0.0)
        seats.write(np.array([at]), np.array([interval]), when)
    return seats


def test_only_who_is_overdue_and_has_a_seat_can_be_given_up() -> None:
    seats = seats_of(NOW - OVERDUE * 10 - 0.1, NOW - OVERDUE * 10, NOW)
    ids = np.array([1, 2, 3, 99], np.uint64)
    assert seats.overdue(ids, np.full(4, 10.0), NOW) == {1: 10.0}
    assert seats.overdue(ids[:0], np.empty(0), NOW) == {}


def test_who_was_written_within_some_intervals_beats_here() -> None:
    seats = seats_of(NOW, NOW - ACTIVE * 10 + 1, NOW - ACTIVE * 10 - 0.1, NOW, NOW, NOW)
    assert seats.active(NOW) == 5
    seats.put(77, 8, b"holder", b"key", NOW)
    assert seats.active(NOW + 0.1) == 5  # nothing of it was written yet
