"""A sweep that comes chunk by chunk brings what one that came whole would bring."""

import random

import pytest

from musterd.beat import Beat, pack
from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.postgres.copy import Copy
from musterd_coordinator.sweep.rows.collector import RowCollector
from tests.unit.postgres_rows import copy_of, seats_of

CANARY_SLOT = -77
CANARY = Beat(2**64 - 7, 99, 3, 1000)


def beat(slot: int, number: int = 0) -> tuple[int, bytes]:
    """The row of whoever ``seats_of`` puts into ``slot``, or of another member."""
    return slot, pack(Beat(number or slot + 100, 9, 1000 + slot, 1500, missed=slot, lag_ms=7))


def harvested(rows: list[tuple[int, bytes]], seats: int, chunk: int) -> RowCollector:
    """What is made of a COPY that comes in chunks of that size."""
    whole = copy_of(rows)
    copy, harvest = Copy("db"), RowCollector("db", seats_of(seats), CANARY_SLOT)
    for at in range(0, len(whole), chunk):
        harvest.collect(copy.rows(whole[at : at + chunk]))
    return harvest


@pytest.mark.parametrize("chunk", [1, 77, 78, 1000, 10**6])
def test_beats_by_column_and_the_canary_among_them(chunk: int) -> None:
    rows = [beat(slot) for slot in range(100)] + [(CANARY_SLOT, pack(CANARY)), (-5, bytes(64))]
    random.Random(chunk).shuffle(rows)
    harvest = harvested(rows, 120, chunk)
    beats = harvest.beats()
    order = [slot for slot, _ in rows if slot >= 0]
    assert beats.slot.tolist() == order
    assert beats.member_id.tolist() == [slot + 100 for slot in order]
    assert beats.sequence.tolist() == [slot + 1000 for slot in order]
    assert beats.missed.tolist() == order
    assert set(beats.interval_ms.tolist()) == {1500}
    assert (harvest.canary, sum(harvest.rejected)) == (CANARY, 0)


@pytest.mark.parametrize("chunk", [78, 10**6])
def test_what_is_not_believed_is_counted_over_all_chunks(chunk: int) -> None:
    strangers = [beat(slot, number=1) for slot in range(10, 13)]
    broken = [(slot, b"x" + beat(slot)[1][1:]) for slot in range(20, 25)]
    nobody = [beat(4000), (30, bytes(64)), (CANARY_SLOT, bytes(64))]
    harvest = harvested([beat(1), *strangers, *broken, *nobody, beat(2)], 50, chunk)
    assert harvest.beats().slot.tolist() == [1, 2]
    assert (harvest.rejected.member_id, harvest.rejected.magic) == (3, 5)
    assert sum(harvest.rejected) == 8
    assert harvest.canary is None


def test_columns_are_no_views_of_what_arrived() -> None:
    beats = harvested([beat(slot) for slot in range(5)], 5, 10**6).beats()
    assert all(column.base.nbytes < 5 * 9 for column in beats if column.base is not None)


def test_more_beats_than_members_are_refused() -> None:
    with pytest.raises(ShardCorrupt, match="more beats than the 3 members"):
        harvested([beat(0), beat(1), beat(2), beat(1)], 3, 100)


def test_one_harvest_serves_one_sweep_after_the_other() -> None:
    seats = seats_of(40)
    harvest = RowCollector("db", seats, CANARY_SLOT)
    for rows in ([*map(beat, range(40)), beat(41, 1)], [beat(7)], [*map(beat, range(39, 0, -1))]):
        copy = Copy("db")
        harvest.reset()
        harvest.collect(copy.rows(copy_of([*rows, (CANARY_SLOT, pack(CANARY))])))
        assert harvest.beats().slot.tolist() == [slot for slot, _ in rows if slot < 40]
        assert harvest.canary == CANARY
    harvest.reset()
    assert (len(harvest.beats().slot), harvest.canary, sum(harvest.rejected)) == (0, None, 0)
