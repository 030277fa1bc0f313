"""Whether a fleet's relays are at work, as a coordinator sees it."""

from musterd.beat import Beat, pack
from musterd.stores.postgres_relays import NO_RELAY, RelayWatch, mark_slot, marks_key


def mark(sequence: int, run: int = 1) -> bytes:
    return pack(Beat(5, run, sequence, interval_ms=1000))


def test_a_fleet_without_relays_is_never_held_up() -> None:
    watch = RelayWatch()
    assert [watch.judge({}, 7, now) for now in (0.0, 100.0, 1e6)] == [""] * 3


def test_one_relay_at_work_is_enough() -> None:
    watch = RelayWatch()
    for now in range(60):
        assert watch.judge({-1: mark(1), -2: mark(now + 1)}, 7, float(now)) == ""


def test_none_at_work_holds_silence_up_until_one_is() -> None:
    watch = RelayWatch()
    said = [watch.judge({-1: mark(9), -2: mark(3)}, 7, now) for now in (10.0, 13.0, 13.1, 1e6)]
    assert said == ["", "", NO_RELAY, NO_RELAY]
    assert watch.judge({-1: mark(1, run=2), -2: mark(3)}, 7, 1e6 + 1) == ""


def test_rows_of_relays_that_were_taken_away_hold_up_nobody_while_beats_flow() -> None:
    watch = RelayWatch()
    for now in range(60):
        assert watch.judge({-1: mark(9)}, now, float(now)) == ""


def test_a_coordinator_that_was_paused_looks_before_it_judges() -> None:
    watch = RelayWatch()
    assert watch.judge({-1: mark(1)}, 7, 0.0) == ""
    assert watch.judge({-1: mark(2)}, 7, 600.0) == ""


def test_nonsense_in_a_row_is_no_relay_at_work() -> None:
    watch = RelayWatch()
    assert watch.judge({-1: b"x" * 64}, 7, 0.0) == ""
    assert watch.judge({-1: b"x" * 64}, 7, 4.0) == NO_RELAY


def test_rows_are_apart_from_those_of_members_and_of_other_fleets() -> None:
    assert marks_key("a") != marks_key("b")
    assert mark_slot("a", "h-1") < 0
    assert len({mark_slot("a", "h-1"), mark_slot("a", "h-2"), mark_slot("b", "h-1")}) == 3
