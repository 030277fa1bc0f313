"""Spoiled records stop verdicts where they say something of the path, and then not for ever."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.columns import RECORD, Rejected, from_records
from musterd_coordinator.sweep.spoilage import GIVEN_UP_AFTER, Spoilage, Spoiled
from musterd_coordinator.sweep.standing import ESTABLISHED, REMEMBERED, Standing

DOWN_TIME = 10.0
PATIENCE = GIVEN_UP_AFTER * DOWN_TIME


def heard(*slots: int, size: int = 20) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(size, np.bool_)
    mask[list(slots)] = True
    return mask


def seat(standing: Standing, *slots: int) -> None:
    """Members whose ids are 1000 above their slots sit there from now on."""
    standing.seat(np.array(slots), identities(*slots))


def identities(*slots: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(slots, np.uint64) + np.uint64(1000)


def fleet(honest: int) -> Standing:
    """So many members in the first slots, who beat in a few sweeps."""
    standing = Standing()
    standing.end_sweep(heard())
    seat(standing, *range(honest))
    for _ in range(ESTABLISHED):
        standing.end_sweep(heard(*range(honest)))
    return standing


def look(
    spoilage: Spoilage, slots: list[int], established: int, now: float, good: Sequence[int] = ()
) -> Spoiled:
    records = np.zeros(len(good), RECORD)
    sweep = BeatBatch(
        from_records(np.array(good, np.int64), records),
        Rejected(),
        spoiled=np.array(slots, np.int64),
        established=established,
    )
    return spoilage.update(sweep, now)


def test_junk_of_newcomers_stops_nothing_and_hides_nothing() -> None:
    standing = fleet(6)
    seat(standing, 6, 7)
    spoils = standing.spoils(heard(*range(6)), np.array([6, 7]))
    assert (spoils.slots.tolist(), spoils.records) == ([], 6)
    seat(standing, *range(8, 20))
    spoils = standing.spoils(heard(*range(4), *range(8, 20)), np.array([4, 5, 6, 7]))
    assert (spoils.slots.tolist(), spoils.records) == ([4, 5], 6)


def test_two_of_twelve_who_beat_before_prove_nothing() -> None:
    spoils = fleet(12).spoils(heard(*range(10)), np.array([10, 11]))
    spoiled = look(Spoilage("mc1", lambda: DOWN_TIME), spoils.slots.tolist(), spoils.records, 5.0)
    assert spoiled.reason == "2 of 12 beats are spoiled, or stored for another member"
    assert (spoiled.since, spoiled.until) == (5.0, 5.0 + PATIENCE)


def test_who_sat_there_before_the_first_sweep_counts_at_once() -> None:
    standing = Standing()
    seat(standing, 0, 1, 2)
    assert standing.spoils(heard(0, 1), np.array([2])).slots.tolist() == [2]


def test_who_takes_a_seat_of_another_begins_anew() -> None:
    standing = fleet(3)
    seat(standing, 1)
    spoils = standing.spoils(heard(0, 2), np.array([1]))
    assert (len(spoils.slots), spoils.records) == (0, 2)


def test_who_moves_takes_its_standing_along_and_leaves_none_behind() -> None:
    standing = fleet(3)
    standing.remove(np.array([1, 2]), identities(1, 2))
    seat(standing, 2)
    standing.seat(np.array([5, 1]), np.array([1001, 77], np.uint64))
    spoils = standing.spoils(heard(0), np.array([1, 2, 5]))
    assert (spoils.slots.tolist(), spoils.records) == ([2, 5], 3)


def test_standing_of_those_who_left_is_not_kept_for_ever() -> None:
    standing = Standing()
    for first in range(0, 4 * REMEMBERED, REMEMBERED):
        slots = np.arange(REMEMBERED)
        ids = (slots + first).astype(np.uint64)
        standing.seat(slots, ids)
        standing.remove(slots, ids)
    assert len(standing._left) == REMEMBERED


def test_a_beat_that_went_astray_means_something_if_its_member_was_heard_and_is_not_now() -> None:
    standing = Standing()
    standing.end_sweep(heard())
    seat(standing, 0, 1, 2)
    standing.end_sweep(heard(0, 1))
    spoils = standing.spoils(heard(0), np.array([7]), np.array([0, 1, 2]))
    assert (spoils.slots.tolist(), spoils.records) == ([1], 2)


def test_one_slot_that_stays_spoiled_is_given_up_and_said_once() -> None:
    spoilage = Spoilage("mc1", lambda: DOWN_TIME)
    assert look(spoilage, [3], 6, 0.0).reason
    assert look(spoilage, [3], 6, PATIENCE - 1).reason
    with capture_logs() as lines:
        spoiled = look(spoilage, [3], 6, PATIENCE)
        look(spoilage, [3], 6, PATIENCE + 1)
    assert (spoiled.reason, spoiled.given_up.tolist()) == ("", [3])
    assert spoiled.holds(3)
    assert not spoiled.holds(2)
    (line,) = lines
    assert (line["event"], line["slots"]) == ("spoiled beats given up", [3])
    assert look(spoilage, [3, 4], 6, PATIENCE + 2).reason.startswith("1 of 5 ")
    assert look(spoilage, [3], 6, PATIENCE + 3).reason  # 4 is gone, and was not good since
    assert not look(spoilage, [3], 6, PATIENCE + 4, good=[4]).reason
    look(spoilage, [], 6, PATIENCE + 5, good=[3])
    assert look(spoilage, [3], 6, PATIENCE + 6).reason


def test_who_was_not_spoiled_for_long_begins_anew() -> None:
    spoilage = Spoilage("mc1", lambda: DOWN_TIME)
    assert look(spoilage, [3], 6, 0.0).reason
    look(spoilage, [], 6, PATIENCE + 1)
    assert look(spoilage, [3], 6, PATIENCE + 2).reason


def test_where_most_are_spoiled_the_path_is_at_fault_for_as_long_as_that_lasts() -> None:
    spoilage = Spoilage("mc1", lambda: DOWN_TIME)
    for now in (0.0, PATIENCE, 100 * PATIENCE):
        spoiled = look(spoilage, [0, 1, 2, 3], 6, now)
        assert spoiled.reason.startswith("4 of 6")
        assert (spoiled.until, len(spoiled.given_up)) == (None, 0)


@given(
    st.lists(
        st.dictionaries(st.integers(0, 9), st.sampled_from(["good", "spoiled", "gone"])),
        max_size=30,
    )
)
def test_only_what_was_spoiled_and_not_good_all_the_time_is_given_up(
    sweeps: list[dict[int, str]],
) -> None:
    spoilage, since, seen = Spoilage("mc1", lambda: 2.0), dict[int, int](), dict[int, int]()
    for now, found in enumerate(sweeps):
        slots = {slot for slot, what in found.items() if what == "spoiled"}
        good = {slot for slot, what in found.items() if what == "good"}
        since = {s: at for s, at in since.items() if s not in good and now - seen[s] < 6}
        since |= dict.fromkeys(slots - since.keys(), now)
        seen |= dict.fromkeys(slots, now)
        spoiled = look(spoilage, sorted(slots), 10, float(now), sorted(good))
        doubted = since.keys()  # also those that are gone since
        few = len(doubted) <= (10 + len(doubted - slots)) / 2
        long = {slot for slot in doubted if few and now - since[slot] >= 6}
        assert set(spoiled.given_up.tolist()) == long
        assert set(spoiled.counted.tolist()) == doubted - long
        counted, records = len(doubted - long), 10 + len(doubted - slots) - len(long)
        assert bool(spoiled.reason) == (counted > records / 10)


def test_in_a_fleet_that_just_began_those_count_who_were_good_most_often() -> None:
    standing = Standing()
    standing.end_sweep(np.zeros(4, np.bool_))
    standing.seat(np.arange(4), np.arange(4, dtype=np.uint64))
    assert standing.spoils(np.zeros(4, np.bool_), np.arange(4)).slots.tolist() == [0, 1, 2, 3]
    standing.end_sweep(np.array([True, True, True, False]))
    assert standing.spoils(np.zeros(4, np.bool_), np.arange(4)).slots.tolist() == [0, 1, 2]
    for _ in range(2):
        standing.end_sweep(np.array([True, False, False, False]))
    assert standing.spoils(np.zeros(4, np.bool_), np.arange(4)).slots.tolist() == [0]


def test_records_that_were_removed_are_in_doubt_until_there_are_beats_again() -> None:
    spoilage = Spoilage("mc1", lambda: DOWN_TIME)
    assert look(spoilage, [0, 1, 2, 3], 4, 0.0).reason
    assert look(spoilage, [], 0, 0.5).reason.startswith("4 of 4 ")
    assert not look(spoilage, [], 4, 1.0, good=[0, 1, 2, 3]).reason
