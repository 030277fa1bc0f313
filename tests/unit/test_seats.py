"""Which records of a sweep are news, beside a model that looks at one slot at a time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from musterd_coordinator.judge.slots import ShardSlots
from musterd_coordinator.sweep.columns import RECORD, Beats, as_index, from_records

SLOTS = 12
ROOM = 6  # slots that the table has room for at first
slots = st.integers(0, SLOTS - 1)
beats = st.tuples(st.integers(1, 3), st.integers(1, 3))  # incarnation, sequence
sweeps = st.dictionaries(slots, beats, max_size=SLOTS).flatmap(
    lambda read: st.permutations(list(read.items()))
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("seat"), st.tuples(slots, st.integers(0, SLOTS - 1))),
        st.tuples(st.just("vacate"), slots),
        st.tuples(st.just("sweep"), st.one_of(sweeps, sweeps.map(sorted))),
        st.tuples(st.just("swept"), st.none()),
    ),
    max_size=30,
)


class Model:
    """Rows by slot, and what was read there."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.read: dict[int, tuple[int, int]] = {}
        self.empty_before: set[int] = set()
        self.swept = False

    def seat(self, slot: int, row: int) -> None:
        if self.rows.get(slot) == row:
            return
        self.rows = {at: other for at, other in self.rows.items() if other != row} | {slot: row}
        self.read.pop(slot, None)
        self.empty_before.discard(slot)
        if self.swept:
            self.empty_before.add(slot)

    def news(self, read: Sequence[tuple[int, tuple[int, int]]]) -> list[tuple[int, int]]:
        told = []
        for slot, beat in read:
            before = self.read.get(slot)
            if slot not in self.rows or before == beat:
                continue
            self.read[slot] = beat
            if before is not None or slot in self.empty_before:
                told.append((self.rows[slot], beat[0]))
        return told


def columns(read: Sequence[tuple[int, tuple[int, int]]]) -> Beats:
    records = np.zeros(len(read), RECORD)
    records["incarnation"] = [incarnation for _, (incarnation, _) in read]
    records["sequence"] = [sequence for _, (_, sequence) in read]
    return from_records(np.array([slot for slot, _ in read], np.int64), records)


@given(steps)
@example([("seat", (1, 0)), ("sweep", [(1, (1, 1))]), ("sweep", [(1, (1, 2))])])
@example([("swept", None), ("seat", (1, 0)), ("sweep", [(1, (1, 1))])])
def test_news_is_what_differs_from_what_was_read_there(steps: list[tuple[str, Any]]) -> None:
    ours, model = ShardSlots(ROOM), Model()
    for step, what in steps:
        if step == "seat":
            ours.seat(*what)
            model.seat(*what)
        elif step == "vacate":
            assert ours.vacate(what) == model.rows.pop(what, None)
        elif step == "swept":
            ours.swept = model.swept = True
        else:
            rows, news = ours.news(columns(what))
            told = zip(rows.tolist(), news.incarnation.tolist(), strict=True)
            assert list(told) == model.news(what)
        assert ours.count == len(model.rows)


def test_newcomers_take_seats_that_others_had() -> None:
    seats = ShardSlots(ROOM)
    seats.seat(1, 0)
    seats.seat(2, 3)
    seats.seat_newcomers(np.array([1, 4]), np.array([5, 6]))
    assert [seats.vacate(slot) for slot in (1, 2, 4)] == [5, 3, 6]
    assert seats.count == 0


numbers = st.integers(0, 2**30 - 1)


@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers))
@example((1, 5), (2, 4))
def test_a_record_of_another_number_or_of_another_time_is_news(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    seats = ShardSlots()
    seats.swept = True
    seats.seat(0, 3)
    for sequence, sent in (one, other):
        records = np.zeros(1, RECORD)
        records["incarnation"], records["sequence"], records["sent_ms"] = 7, sequence, sent
        rows, _ = seats.news(from_records(np.array([0]), records))
    assert (rows.tolist() == [3]) == (one != other)


@given(st.lists(st.integers(0, 8), max_size=8))
@example([3, 4, 5])
@example([3, 5, 4, 6])  # as far apart as if they followed one another
def test_slots_are_a_slice_where_that_reads_the_same(chosen: list[int]) -> None:
    column = np.arange(100, 110)
    index = as_index(np.array(chosen, np.int64))
    assert column[index].tolist() == [100 + slot for slot in chosen]
    follows = bool(chosen) and all(after == before + 1 for before, after in pairwise(chosen))
    assert isinstance(index, slice) == follows
