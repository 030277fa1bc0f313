"""Whether a fleet's relays are at work, as a coordinator sees it."""

import pytest

from musterd.beat import Beat, Status, pack
from musterd_coordinator.sweep.rows.relays import (
    MARKS_GONE,
    MARKS_MISSED,
    NO_RELAY,
    RelayWatch,
    mark_slot,
    marks_key,
)


def mark(
    sequence: int, run: int = 1, status: Status = Status.OK, missed: int = 0, lag_ms: int = 0
) -> bytes:
    return pack(Beat(5, run, sequence, 1000, status, missed=missed, lag_ms=lag_ms))


def test_a_fleet_without_relays_is_never_held_up() -> None:
    watch = RelayWatch()
    assert [watch.judge({}, 7, now) for now in (0.0, 100.0, 1e6)] == [""] * 3


def test_one_relay_at_work_is_enough() -> None:
    watch = RelayWatch()
    for now in range(60):
        assert watch.judge({-1: mark(1), -2: mark(now + 1)}, 7, float(now)) == ""


def test_when_a_relay_stops_silence_waits_until_its_agents_are_at_another() -> None:
    watch = RelayWatch()
    said = {}
    for now in range(60):
        marks = {-1: mark(min(now, 20) + 1), -2: mark(now + 1)}
        said[now] = bool(watch.judge(marks, 7, float(now)))
    assert [now for now, held in said.items() if held] == list(
        range(20 + MARKS_MISSED + 1, 20 + MARKS_GONE + 1)
    )


def test_a_relay_that_takes_its_leave_holds_up_nobody() -> None:
    watch = RelayWatch()
    for now in range(60):
        status = Status.OK if now < 20 else Status.LEAVING
        marks = {-1: mark(min(now, 20) + 1, status=status), -2: mark(now + 1)}
        assert watch.judge(marks, 7, float(now)) == ""


def test_while_a_relay_lags_silence_does_not_count() -> None:
    watch = RelayWatch()
    lags = mark(2, status=Status.CHECK_FAILING, missed=17, lag_ms=5500)
    assert watch.judge({-1: mark(1), -2: mark(1)}, 7, 0.0) == ""
    said = watch.judge({-1: lags, -2: mark(2)}, 8, 1.0)
    assert said == "a relay lags: 17 beats given up, the slowest answer took 5.5 s"
    assert watch.judge({-1: mark(3), -2: mark(3)}, 9, 2.0) == ""


def test_a_row_that_lagged_before_we_began_may_be_of_a_relay_long_gone() -> None:
    watch = RelayWatch()
    lags = mark(2, status=Status.CHECK_FAILING)
    assert watch.judge({-1: lags}, 7, 0.0) == ""
    assert watch.judge({-1: lags}, 8, 1.0) == ""


def test_none_at_work_holds_silence_up_until_one_is() -> None:
    watch = RelayWatch()
    said = [watch.judge({-1: mark(9), -2: mark(3)}, 7, now) for now in (10.0, 13.0, 13.1, 1e6)]
    assert said == ["", "", NO_RELAY, NO_RELAY]
    assert watch.judge({-1: mark(1, run=2), -2: mark(3)}, 7, 1e6 + 1) == ""


def test_rows_of_relays_that_were_taken_away_hold_up_nobody_while_beats_flow() -> None:
    watch = RelayWatch()
    for now in range(60):
        assert watch.judge({-1: mark(9)}, now + 1, float(now)) == ""


def test_a_coordinator_that_was_paused_looks_before_it_judges() -> None:
    watch = RelayWatch()
    assert watch.judge({-1: mark(1)}, 7, 0.0) == ""
    assert watch.judge({-1: mark(2)}, 7, 600.0) == ""


@pytest.mark.parametrize(
    "row",
    [b"x" * 64, b"", pack(Beat(5, 1, 1, 2**32 - 1, Status.CHECK_FAILING)), pack(Beat(5, 1, 1, 0))],
    ids=["noise", "nothing", "a period of weeks", "no period"],
)
def test_a_row_that_no_relay_wrote_holds_up_nobody(row: bytes) -> None:
    alone, beside, others = RelayWatch(), RelayWatch(), RelayWatch()
    for now in range(20):
        row = row[:24] + bytes([now]) + row[25:]
        assert alone.judge({-1: row}, 7, float(now)) == ""
        said = beside.judge({-1: row, -2: mark(min(now, 5) + 1)}, 7, float(now))
        assert said == others.judge({-2: mark(min(now, 5) + 1)}, 7, float(now))


def test_rows_are_apart_from_those_of_members_and_of_other_fleets() -> None:
    assert marks_key("a") != marks_key("b")
    assert mark_slot("a", "h-1") < 0
    assert len({mark_slot("a", "h-1"), mark_slot("a", "h-2"), mark_slot("b", "h-1")}) == 3
