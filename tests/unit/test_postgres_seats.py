"""Who sits where, by the rows of a roster."""

import numpy as np

from musterd.beat import Beat
from musterd_coordinator.sweep.columns import RECORD
from musterd_coordinator.sweep.rows.canary import canary_slot
from musterd_coordinator.sweep.rows.slotmap import RowSlots, Seat
from tests.unit.postgres_rows import records, seat, seats_of


def test_seated_changed_and_vacated() -> None:
    seats = RowSlots()
    assert seats.update([seat(0), seat(5)]).vacated == []
    assert not seats.is_news(5, 1)
    assert seats.is_news(5, 2)
    assert seats.is_news(6, 1)
    roster = seats.update([Seat(5, 2), Seat(9, 2), seat(0, 2)])
    assert [slot for slot, _ in roster.seated] == [0]
    assert roster.vacated == [5]


def test_a_whole_reading_vacates_what_it_does_not_have() -> None:
    seats = RowSlots()
    seats.update([seat(0), seat(1), seat(2)])
    seats.start_reading()
    roster = seats.update([seat(1, 7, number=8)])
    assert [member.name for _, member in roster.seated] == ["m8"]
    assert seats.vacate_unread() == [0, 2]
    assert seats.vacate_unread() == []


def test_only_the_rightful_holder_is_believed() -> None:
    seats = RowSlots()
    seats.update([seat(0), seat(1), seat(2), seat(3)])
    slots = np.array([3, 0, 1, 2, 4000, -7])
    beats, rejected, strangers, _ = seats.believe(
        slots,
        records(
            *(Beat(103, 9, 9, 1000), None, Beat(999, 9, 9, 1000), Beat(102, 0, 9, 1000)),
            *(Beat(1, 1, 1, 1), Beat(2, 1, 1, 1)),
        ),
    )
    assert beats.slot.tolist() == [3]
    assert (rejected.member_id, rejected.field, sum(rejected)) == (1, 1, 2)
    assert (strangers, seats.present()) == (1, 1)


def test_beats_that_are_all_good_and_all_but_one() -> None:
    beats, rejected, *_ = seats_of(3).believe(
        np.array([2, 1]), records(Beat(102, 9, 9, 1000), Beat(101, 8, 7, 1000))
    )
    assert (beats.slot.tolist(), beats.sequence.tolist()) == ([2, 1], [9, 7])
    assert sum(rejected) == 0
    beats, rejected, *_ = seats_of(3).believe(
        np.array([2, 1]), records(Beat(101, 9, 9, 1000), Beat(101, 8, 7, 1000))
    )
    assert (beats.slot.tolist(), rejected.member_id) == ([1], 1)


def test_seats_are_counted() -> None:
    seats = seats_of(5)
    assert seats.count() == 5
    seats.update([Seat(2, 9)])
    assert seats.count() == 4


def test_nobody_and_nothing() -> None:
    beats, rejected, strangers, _ = RowSlots().believe(np.empty(0, np.int64), np.empty(0, RECORD))
    assert len(beats.slot) == sum(rejected) == strangers == 0


def test_a_beat_that_was_believed_is_present_until_its_seat_is_lost_or_its_record_spoiled() -> None:
    seats, slots = seats_of(5), np.arange(5)
    good = [Beat(100 + slot, 9, 7, 1000) for slot in range(5)]
    seats.believe(slots, records(*good))
    before = seats.fingerprint()
    assert seats.present() == 5
    seats.believe(slots[:2], records(*good[:2]))
    assert (seats.present(), seats.fingerprint()) == (5, before)
    seats.believe(slots[:2], records(Beat(100, 9, 8, 1000), Beat(7, 9, 7, 1000)))
    assert (seats.present(), seats.fingerprint() == before) == (4, False)
    seats.update([seat(2, 9), seat(3, 9, number=8), Seat(4, 9)])  # other facts, another, nobody
    assert seats.present() == 2
    seats.start_reading()
    seats.vacate_unread()
    assert seats.present() == 0
    seats.believe(slots[1:2], records(good[1]))
    seats.forget_beats()
    assert seats.present() == 0


def test_canaries_sit_below_zero() -> None:
    slots = {canary_slot("fleet", f"c{number}") for number in range(1000)}
    assert len(slots) == 1000
    assert all(-(2**31) <= slot < 0 for slot in slots)
    assert canary_slot("fleet", "c1") != canary_slot("other", "c1")
