"""The module says which slots are read again at an update, though nothing says that they changed."""

import numpy as np

from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.slots.slotmap import SlotMap

PAGE = 1000  # slots
ROUND = 64  # updates in which every slot is read again, or more where that were more than
MOST_REREAD = 4 * PAGE  # in each
HASTY_ROUND = 8  # the same after the server lost its memory
QUIET_PORTION = 2 * PAGE  # silent members asked after per update


class Rounds:
    """A `Rounds` goes through all slots in turn, and through those of silent members."""

    def __init__(self, seats: SlotMap) -> None:
        self._seats = seats
        self._cursor = 0
        self._quiet_cursor = 0
        self._hasty = 0  # slots still to be read again in haste

    @property
    def in_haste(self) -> bool:
        """Say whether a round in haste is under way."""
        return self._hasty > 0

    def hasten(self, count: int) -> None:
        """Read the next ``count`` slots again soon."""
        self._hasty = count

    def slice(self, count: int, most: int) -> Slots:
        """Return the next few of all ``count`` slots, in haste up to ``most``."""
        usual = min(max(PAGE, count // ROUND), MOST_REREAD)
        size = min(most if self._hasty else usual, count)
        slots = (self._cursor + np.arange(size)) % max(count, 1)
        self._cursor += size
        self._hasty = max(0, self._hasty - size)
        return slots

    def some_quiet(self) -> Slots:
        """Return slots of silent members, in turn."""
        quiet = self._seats.quiet()
        size = min(len(quiet), QUIET_PORTION)
        chosen = (self._quiet_cursor + np.arange(size)) % max(len(quiet), 1)
        self._quiet_cursor += size
        return quiet[chosen]
