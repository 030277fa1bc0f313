"""The module checks the beats of one sweep against the seats as they come in; NumPy all the way."""

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.sweep.columns import (
    WORDS,
    Beats,
    Rejected,
    Slots,
    Words,
    all_good,
    as_span,
    from_words,
    of_other_version,
    sift,
)
from musterd_coordinator.sweep.idmap import NONE
from musterd_coordinator.sweep.slots.slotmap import SlotMap
from musterd_coordinator.sweep.standing import Spoils

_NOBODY = np.empty(0, np.uint64)


class BeatCollector:
    """A `BeatCollector` keeps the good beats of one sweep so far; :meth:`reset` starts the next.

    ``size`` counts those that came. ``foreign`` are slots with a record of a member that does not
    sit there, ``restarted`` those with an incarnation that is not the one seen before, ``spoiled``
    those with a record that is no beat, unless it may be one of a later version.
    """

    def __init__(self, seats: SlotMap) -> None:
        self._seats = seats
        self._slots = np.empty(0, np.int64)
        self._words = np.empty((WORDS, 0), np.uint64)
        self.reset()

    def reset(self) -> None:
        """Start over. What :meth:`beats` returned is overwritten from now on.

        Columns for a million members are new memory of the system's each time, and to get that
        while beats come in costs a tenth more, and stops the event loop for milliseconds.
        """
        size = len(self._seats)
        if not size <= len(self._slots) <= 2 * size:
            self._slots = np.empty(size + size // 8, np.int64)
            self._words = np.empty((WORDS, size + size // 8), np.uint64)
        self._heard = np.zeros(len(self._seats.taken), np.bool_)
        self._good = 0
        self.size = 0
        self.rejected = Rejected()
        self.foreign: list[int] = []
        self.restarted: list[int] = []
        self.spoiled: list[int] = []
        self._refused: list[Slots] = []
        self._strays: list[NDArray[np.uint64]] = []  # member_ids in slots of others

    def collect(self, slots: Slots, words: Words, odd: Slots) -> None:
        """Collect the records ``words`` (WORDS, n) from ``slots`` (n), which ascend.

        In the slots ``odd`` are more, without a record's size. No slot may come twice in a harvest.
        """
        self.size += len(slots)
        self._leave_out(odd)
        if not len(slots):
            return
        if not all_good(words):
            slots, words = self._without_bad(slots, words)
        places = as_span(slots)
        if not np.array_equal(self._seats.member_id[places], words[1]):
            slots, words = self._without_foreign(slots, words)
            places = slots
        self._note(places, slots, words[2])
        self._append(slots, words)

    def beats(self) -> Beats:
        """Return what is good of all that was taken in; not to be kept beyond the next sweep."""
        return from_words(self._slots[: self._good], self._words[:, : self._good])

    def spoils(self) -> Spoils:
        """Return what is not good of all that was taken in, from members that are known to beat."""
        refused = np.concatenate([np.empty(0, np.int64), *self._refused])
        astray = self._seats.slot_of.get_all(np.concatenate([_NOBODY, *self._strays]))
        return self._seats.standing.spoils(self._heard, refused, astray[astray != NONE])

    def finish(self) -> None:
        """Note that all blocks were asked for and answered: what is not in here was not there."""
        self._seats.heard = self._heard
        self._seats.swept = True
        self._seats.standing.end_sweep(self._heard)

    def _leave_out(self, odd: Slots) -> None:
        if len(odd):
            self.rejected += Rejected(length=len(odd))
            self.spoiled += odd.tolist()
            self._refused.append(odd)

    def _without_bad(self, slots: Slots, words: Words) -> tuple[Slots, Words]:
        good, rejected = sift(words[:WORDS])
        self.rejected += rejected
        self.spoiled += slots[~good & ~of_other_version(words)].tolist()
        self._refused.append(slots[~good])
        return slots[good], words[:, good]

    def _without_foreign(self, slots: Slots, words: Words) -> tuple[Slots, Words]:
        own = self._seats.member_id[slots] == words[1]
        self._note_foreign(slots[~own], words[1, ~own])
        return slots[own], words[:, own]

    def _note_foreign(self, slots: Slots, identities: NDArray[np.uint64]) -> None:
        self.foreign += slots.tolist()
        self._refused.append(slots)
        self._strays.append(identities)
        self.rejected += Rejected(member_id=len(slots))

    def _note(self, places: Slots | slice, slots: Slots, incarnation: Words) -> None:
        self._heard[places] = True
        known = self._seats.incarnation[places]
        if not np.array_equal(known, incarnation):
            other = (known != incarnation) & (known != 0)
            self.restarted += slots[other].tolist()
            self._seats.incarnation[places] = incarnation

    def _append(self, slots: Slots, words: Words) -> None:
        end = self._good + len(slots)
        self._slots[self._good : end] = slots
        self._words[:, self._good : end] = words
        self._good = end
