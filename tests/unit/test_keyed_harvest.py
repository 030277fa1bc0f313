"""A harvest against the plain way: one record at a time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import SIZE, Beat, BeatError, pack, unpack
from musterd.model import Member
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.sweep.columns import Rejected, words_in
from musterd_coordinator.sweep.slots.collector import BeatCollector
from musterd_coordinator.sweep.slots.slotmap import SlotMap

MEMBERS = 12


def seated() -> SlotMap:
    seats = SlotMap(Keys("t"))
    for slot in range(MEMBERS):
        seats.seat(slot, 100 + slot, Member("g", f"h{slot}"), 1)
    return seats


def record(slot: int, incarnation: int = 7) -> bytes:
    return pack(Beat(member_id=100 + slot, incarnation=incarnation, sequence=3, interval_ms=1000))


@st.composite
def stored(draw: st.DrawFn) -> dict[int, bytes]:
    """Records by slot, of which some are foreign, some spoiled, and some not there."""
    found = {}
    for slot in sorted(draw(st.sets(st.integers(0, MEMBERS - 1)))):
        whose = draw(st.sampled_from([slot, slot, slot, 0]))
        spoiled = bytearray(record(whose, draw(st.sampled_from([7, 7, 8]))))
        for at in draw(st.lists(st.sampled_from([0, 1, 2, 3, 7, 8, 31]), max_size=1)):
            spoiled[at] = draw(st.sampled_from([0, 1, 255]))
        for word in draw(st.lists(st.integers(0, 3), max_size=1)):
            spoiled[8 * word : 8 * word + 8] = bytes(8)
        found[slot] = bytes(spoiled)
    return found


def take(harvest: BeatCollector, found: dict[int, bytes]) -> None:
    slots = np.array(list(found), np.int64)
    harvest.collect(
        slots, words_in(b"".join(found.values()), len(found), 0, SIZE), odd=np.empty(0, np.int64)
    )


@given(stored(), st.integers(0, MEMBERS))
def test_what_is_good_is_taken_and_the_rest_is_counted(found: dict[int, bytes], cut: int) -> None:
    seats = seated()
    harvest = BeatCollector(seats)
    take(harvest, {slot: data for slot, data in found.items() if slot < cut})
    take(harvest, {slot: data for slot, data in found.items() if slot >= cut})
    good: dict[int, Beat] = {}
    foreign: list[int] = []
    spoiled = 0
    for slot, data in found.items():
        try:
            beat = unpack(data)
        except BeatError:
            spoiled += 1
            continue
        if beat.member_id == 100 + slot:
            good[slot] = beat
        else:
            foreign.append(slot)
    beats = harvest.beats()
    columns = zip(*(column.tolist() for column in beats), strict=True)
    assert {row[0]: row[1:] for row in columns} == {
        slot: (
            *(beat.member_id, beat.incarnation, beat.sequence, beat.interval_ms, int(beat.status)),
            *(beat.sent_ms, beat.missed, beat.push_timeout_ms, beat.lag_ms),
        )
        for slot, beat in good.items()
    }
    assert harvest.foreign == foreign
    assert harvest.rejected.member_id == len(foreign)
    assert sum(harvest.rejected) == spoiled + len(foreign)
    harvest.finish()
    assert seats.heard[:MEMBERS].tolist() == [slot in good for slot in range(MEMBERS)]


def test_who_restarted_is_noticed_once() -> None:
    harvest = BeatCollector(seated())
    for incarnations, restarted in (([7, 7, 7], []), ([7, 8, 7], [1]), ([7, 8, 7], [])):
        harvest.reset()
        take(harvest, {slot: record(slot, number) for slot, number in enumerate(incarnations)})
        assert harvest.restarted == restarted
        assert harvest.rejected == Rejected()


def test_each_sweep_begins_with_nothing_and_has_room_for_all() -> None:
    seats = seated()
    harvest = BeatCollector(seats)
    take(harvest, {slot: record(slot) for slot in range(MEMBERS)})
    seats.seat(MEMBERS, 100 + MEMBERS, Member("g", "new"), 1)
    harvest.reset()
    assert (harvest.size, len(harvest.beats().slot)) == (0, 0)
    take(harvest, {slot: record(slot) for slot in range(MEMBERS + 1)})
    assert harvest.beats().slot.tolist() == list(range(MEMBERS + 1))
