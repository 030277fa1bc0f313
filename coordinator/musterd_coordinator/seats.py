"""Which row sits in which slot of a shard, and the last record that was read there."""

import numpy as np
from numpy.typing import NDArray

from musterd.columns import Beats
from musterd_coordinator.members import Rows

NOBODY = -1


class Seats:
    """The slots of one shard.

    A record is news only when it differs from the one read before in the same slot. What stands in
    the store when a coordinator starts may be a dead member's last word, so until the first
    complete sweep records are remembered and mean nothing; a slot taken after that was empty
    before, and its first record is news.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self.swept = False  # completely, at least once
        self.count = 0
        self._row: NDArray[np.int64] = np.full(capacity, NOBODY)
        self._incarnation = np.zeros(capacity, np.uint64)
        self._sequence = np.zeros(capacity, np.uint64)
        self._empty_before = np.zeros(capacity, np.bool_)
        self._slot: dict[int, int] = {}

    def seat(self, slot: int, row: int) -> None:
        """The member of ``row`` holds ``slot`` from now on, and no other slot of this shard."""
        self._reserve(slot + 1)
        if self._row[slot] == row:
            return
        self.leave(row)
        self.vacate(slot)
        self._row[slot] = row
        self._slot[row] = slot
        self._incarnation[slot] = self._sequence[slot] = 0
        self._empty_before[slot] = self.swept
        self.count += 1

    def holds(self, row: int) -> bool:
        """Does the member of ``row`` hold a slot?"""
        return row in self._slot

    def vacate(self, slot: int) -> int | None:
        """Nobody holds ``slot`` any more; the row of who did."""
        if slot >= len(self._row) or self._row[slot] == NOBODY:
            return None
        row = int(self._row[slot])
        del self._slot[row]
        self._row[slot] = NOBODY
        self.count -= 1
        return row

    def leave(self, row: int) -> None:
        """The member of ``row`` holds no slot any more."""
        if (slot := self._slot.get(row)) is not None:
            self.vacate(slot)

    def news(self, beats: Beats) -> tuple[Rows, Beats]:
        """The rows whose record is news, with those records; all of them are remembered."""
        slot = beats.slot
        known = slot < len(self._row)
        if not known.all():
            beats = beats.where(known)
            slot = beats.slot
        changed = (self._sequence[slot] != beats.sequence) | (
            self._incarnation[slot] != beats.incarnation
        )
        changed &= self._row[slot] != NOBODY
        beats = beats.where(changed)
        slot = beats.slot
        news = (self._incarnation[slot] != 0) | self._empty_before[slot]
        self._incarnation[slot], self._sequence[slot] = beats.incarnation, beats.sequence
        beats = beats.where(news)
        return self._row[beats.slot], beats

    def _reserve(self, capacity: int) -> None:
        have = len(self._row)
        if capacity <= have:
            return
        more = max(capacity, 2 * have) - have
        self._row = np.concatenate([self._row, np.full(more, NOBODY)])
        self._incarnation = np.concatenate([self._incarnation, np.zeros(more, np.uint64)])
        self._sequence = np.concatenate([self._sequence, np.zeros(more, np.uint64)])
        self._empty_before = np.concatenate([self._empty_before, np.zeros(more, np.bool_)])
