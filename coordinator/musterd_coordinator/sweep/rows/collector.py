"""The module judges the beats of one sweep of a database while they still arrive; pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIZE, Beat, beat_in
from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.columns import Beats, Rejected, no_beats
from musterd_coordinator.sweep.rows.slotmap import Believed, RowSlots
from musterd_coordinator.sweep.standing import Spoils


class RowCollector:
    """A `RowCollector` keeps what rows say of the members with ``seats``, and the canary.

    The canary is the row of ``canary_slot``. Either all rows are taken in, or only those that
    changed since they were taken in before.

    Everything that is read of a row is copied out of it at once, into columns with room for all
    members that have seats. So nothing is left to do at the end that would block an event loop, and
    the rows themselves are never all in memory. One harvest serves one sweep after the other, as
    :meth:`reset` says: new memory for a million beats costs a tenth of reading them.
    """

    def __init__(self, shard: str, seats: RowSlots, canary_slot: int) -> None:
        self._shard = shard
        self._seats = seats
        self._canary_slot = canary_slot
        self._columns: Sequence[NDArray[Any]] = no_beats()
        self.reset()

    def reset(self, *, everything: bool = True) -> None:
        """Start over. What :meth:`beats` returned is overwritten from now on.

        ``everything``: all rows are to come; else those that do not come are as they were.
        """
        if everything:
            self._seats.forget_beats()
            self.canary: Beat | None = None
        self._room = self._most()
        if not self._room <= len(self._columns[0]) <= 2 * self._room:
            size = self._room + self._room // 8
            self._columns = [np.empty(size, column.dtype) for column in no_beats()]
        self._size = 0
        self.rejected = Rejected()
        self._strangers = 0
        self._refused: list[NDArray[np.int64]] = []

    def _most(self) -> int:
        """Return how many beats there may be."""
        return self._seats.count()

    @property
    def settled(self) -> bool:
        """Say whether all that was taken in is understood, and need not be looked at again.

        A stranger may get a seat that the roster tells of later. A record that is no beat of its
        member is to be counted as long as it stands there.
        """
        return not self._strangers and not any(self.rejected)

    def collect(self, rows: NDArray[Any]) -> None:
        """Collect some rows, with the fields ``slot`` and ``record``, in any order.

        Raises ShardCorrupt when there are more beats than members.
        """
        slots = rows["slot"].astype(np.int64)
        self._take_in(self._seats.believe(slots, rows["record"]))
        self._look_for_canary(slots, rows)

    def _take_in(self, believed: Believed) -> None:
        if len(believed.refused):
            self._refused.append(believed.refused)
        self.rejected += believed.rejected
        self._strangers += believed.strangers
        self._keep(believed.beats)

    def _look_for_canary(self, slots: NDArray[np.int64], rows: NDArray[Any]) -> None:
        own = rows["record"][slots == self._canary_slot]
        if len(own):
            self.canary = beat_in(own.tobytes()[:SIZE])

    def spoils(self) -> Spoils:
        """Return what is not good of all that was taken in, from members that are known to beat."""
        return self._seats.spoils(np.concatenate([np.empty(0, np.int64), *self._refused]))

    def beats(self) -> Beats:
        """Return all good beats that were taken in; views, not to be kept beyond the next sweep."""
        return Beats._make(column[: self._size] for column in self._columns)

    def unchanged(self) -> int:
        """Return how many members' beats were taken in before, and did not come again."""
        return self._seats.present() - self._size

    def _keep(self, beats: Beats) -> None:
        end = self._size + len(beats.slot)
        if end > self._room:
            raise ShardCorrupt(self._shard, f"there are more beats than the {self._room} members")
        for column, part in zip(self._columns, beats, strict=True):
            column[self._size : end] = part
        self._size = end
