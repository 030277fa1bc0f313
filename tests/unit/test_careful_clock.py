"""What may be deleted by a wall clock: never more than by a right one."""

from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.service.deletion_clock import STEP, TRUSTED_AFTER, DeletionClock

DAY = 86400.0
NOW = 1.8e9


def test_a_clock_that_is_ahead_at_a_start_counts_from_the_newest_line() -> None:
    clock = DeletionClock(NOW - 5, NOW + 400 * DAY, 100.0)
    assert clock.now(NOW + 400 * DAY, 100.0) == NOW - 5
    assert clock.now(NOW + 400 * DAY + 3600, 3700.0) == NOW - 5 + 3600


def test_a_clock_that_jumps_ahead_for_a_while_changes_nothing() -> None:
    clock = DeletionClock(NOW, NOW, 0.0)
    assert clock.now(NOW + 2 * DAY + 8, 8.0) == NOW + 8
    assert clock.now(NOW + 20, 20.0) == NOW + 20


def test_a_clock_behind_is_believed() -> None:
    assert DeletionClock(NOW, NOW - DAY, 0.0).now(NOW - DAY, 0.0) == NOW - DAY


def test_after_a_day_without_being_set_it_is_believed() -> None:
    clock = DeletionClock(NOW - 30 * DAY, NOW, 0.0)
    assert clock.now(NOW, 0.0) == NOW - 30 * DAY
    assert clock.now(NOW + TRUSTED_AFTER, TRUSTED_AFTER) == NOW + TRUSTED_AFTER
    ahead = NOW + TRUSTED_AFTER + 400 * DAY + 1
    assert clock.now(ahead, TRUSTED_AFTER + 1) == NOW + TRUSTED_AFTER + 1


@given(
    st.lists(st.tuples(st.floats(0, 7200), st.floats(-1000 * DAY, 1000 * DAY)), max_size=12),
    st.floats(0, 5 * DAY),
)
def test_it_is_never_ahead_of_what_really_is(turns: list[tuple[float, float]], idle: float) -> None:
    """Within a day of each other: steps of a clock that was right when the newest line was written."""
    clock, real = DeletionClock(NOW - idle, NOW, 0.0), 0.0
    for passes, wrong in turns:
        if real + passes >= TRUSTED_AFTER - STEP:
            break
        real += passes
        assert clock.now(NOW + real + wrong, real) <= NOW + real + 1e-3
