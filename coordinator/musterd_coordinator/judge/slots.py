"""`ShardSlots` knows which row sits in which slot of a shard, and the last record read there."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Mask, Rows
from musterd_coordinator.process import pages
from musterd_coordinator.sweep.columns import Beats, Slots, as_index

NOBODY = -1

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio, and odd (Knuth, The Art of Computer Programming 3, 6.4): multiples of
it lie far from one another."""

Take = Callable[[Rows, Beats], None]


def _ignore(rows: Rows, beats: Beats) -> None:
    pass


class ShardSlots:
    """These are the slots of one shard.

    A record is news only when it differs from the one read before in the same slot. A hash of that
    one's incarnation, sequence and sending time is kept (:func:`_told`). What stands in the store
    when a coordinator starts may be a dead member's last word, so until the first complete sweep
    records are remembered and mean nothing; a slot taken after that was empty before, and its first
    record is news.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self.swept = False  # completely, at least once
        self.count = 0
        self._row: NDArray[np.int32] = np.full(capacity, NOBODY, np.int32)
        self._read = np.zeros(capacity, np.uint64)  # 0: nothing yet
        self._empty_before = np.zeros(capacity, np.bool_)
        self._slot: NDArray[np.int32] = np.full(capacity, NOBODY, np.int32)  # by row

    def seat(self, slot: int, row: int) -> None:
        """Seat the member of ``row`` in ``slot`` from now on, and in no other slot of this shard."""
        self._reserve(slot + 1, row + 1)
        if self._row.item(slot) == row:
            return
        self.vacate_row(row)
        self.vacate(slot)
        self._row[slot] = row
        self._slot[row] = slot
        self._read[slot] = 0
        self._empty_before[slot] = self.swept
        self.count += 1

    def seat_newcomers(self, slots: Slots, rows: Rows) -> None:
        """Seat many members that held no slot of this shard, as :meth:`seat`."""
        self._reserve(int(slots.max()) + 1, int(rows.max()) + 1)
        for slot in slots[self._row[slots] != NOBODY].tolist():
            self.vacate(slot)
        self._row[slots], self._slot[rows] = rows, slots
        self._read[slots] = 0
        self._empty_before[slots] = self.swept
        self.count += len(slots)

    def are_free(self, slots: Slots, rows: Rows) -> Mask:
        """Say which ``slots[i]`` (n) no member holds, while the member of ``rows[i]`` holds no other."""
        self._reserve(int(slots.max()) + 1, int(rows.max()) + 1)
        free: Mask = (self._row[slots] == NOBODY) & (self._slot[rows] == NOBODY)
        return free

    def holds(self, row: int) -> bool:
        """Say whether the member of ``row`` holds a slot."""
        return row < len(self._slot) and self._slot.item(row) != NOBODY

    def slot_of(self, row: int) -> int | None:
        """Return the slot that the member of ``row`` holds."""
        return self._slot.item(row) if self.holds(row) else None

    def row_in(self, slot: int) -> int | None:
        """Return the row of the member that holds ``slot``."""
        row = self._row.item(slot) if slot < len(self._row) else NOBODY
        return None if row == NOBODY else row

    def rows_in(self, slots: Sequence[int]) -> Rows:
        """Return the rows of all that hold any of ``slots``, in order."""
        held = {row for slot in set(slots) if (row := self.row_in(slot)) is not None}
        return np.array(sorted(held), np.int64)

    def rows_at(self, slots: Slots) -> Rows:
        """Return the rows (n) of those that hold each of ``slots`` (n), NOBODY where none does."""
        known = slots < len(self._row)
        rows: Rows = self._row[np.where(known, slots, 0)].astype(np.int64)
        rows[~known] = NOBODY
        return rows

    def vacate(self, slot: int) -> int | None:
        """Let no member hold ``slot`` any more; return the row of the one that did."""
        if slot >= len(self._row) or self._row.item(slot) == NOBODY:
            return None
        row = self._row.item(slot)
        self._slot[row] = NOBODY
        self._row[slot] = NOBODY
        self.count -= 1
        return row

    def vacate_row(self, row: int) -> None:
        """Let the member of ``row`` hold no slot any more."""
        if self.holds(row):
            self.vacate(self._slot.item(row))

    def news(self, beats: Beats, old: Take = _ignore) -> tuple[Rows, Beats]:
        """Return the rows with a record that is news, and those records; remember all of them.

        ``old`` is given those that are only remembered, with their rows.
        """
        if len(beats.slot) and beats.slot.max() >= len(self._row):
            beats = beats.where(beats.slot < len(self._row))
        read = _told(beats)
        changed = np.flatnonzero(self._read[as_index(beats.slot)] != read)
        changed = changed[self._row[beats.slot[changed]] != NOBODY]
        slots = beats.slot[changed]
        news = (self._read[slots] != 0) | self._empty_before[slots]
        self._read[slots] = read[changed]
        if not news.all():
            first = changed[~news]
            old(self._row[slots[~news]].astype(np.int64), beats.where(first))
            changed, slots = changed[news], slots[news]
        return self._row[slots].astype(np.int64), beats.where(changed)

    def _reserve(self, slots: int, rows: int) -> None:
        self._row = pages.with_room(self._row, slots, NOBODY)
        self._read = pages.with_room(self._read, slots)
        self._empty_before = pages.with_room(self._empty_before, slots)
        self.reserve_rows(rows)

    def reserve_rows(self, rows: int) -> None:
        """Make room for rows below ``rows``."""
        self._slot = pages.with_room(self._slot, rows, NOBODY)


def _told(beats: Beats) -> NDArray[np.uint64]:
    """Return a number for each of n beats that another beat of the same member does not have.

    Within a run it is never the same for two beats that differ in their sequence by less than 2^30
    and in their sending time by less than 2^30 ms. Incarnations are random, so that it is the same
    for two runs once in 2^64.
    """
    sent = beats.sent_ms.astype(np.uint64, copy=False)
    told: NDArray[np.uint64] = beats.incarnation + beats.sequence * _SPREAD + sent
    return told
