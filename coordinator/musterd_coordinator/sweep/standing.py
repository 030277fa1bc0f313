"""The module knows of which members a spoiled record means something; pure."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.process import pages
from musterd_coordinator.sweep.columns import Bools, Slots

ESTABLISHED = 3
"""Sweeps with a good beat after which a member is known to beat. Anybody can take a new slot, and
write into it whatever he likes."""

REMEMBERED = 1 << 16
"""Members without a slot whose standing is remembered: the latest."""

Identities = NDArray[np.uint64]

_NOWHERE = np.empty(0, np.int64)


class Spoils(NamedTuple):
    """These are slots with a record that is no beat of their member, and how many slots have any.

    Only slots where that means something are in it.
    """

    slots: Slots
    records: int


class Standing:
    """A `Standing` counts the sweeps in which each member had a good beat; kept by its slot.

    It counts up to :data:`ESTABLISHED`. A member takes its standing along to another slot: where
    records are mixed up on their way, coordinators have members announce themselves anew, and many
    move.

    A member that sat there before the first sweep may have beaten for years, and is taken for
    established. Where none is established, as in a fleet that just began, those count that had the
    most good beats: all, where none had any.
    """

    def __init__(self) -> None:
        self._good: NDArray[np.uint8] = np.zeros(0, np.uint8)
        # member_id -> what it had earned when it left its slot
        self._left: OrderedDict[int, int] = OrderedDict()
        self._swept = False

    def seat(self, slots: Slots, identities: Identities) -> None:
        """Note that the members ``identities`` (n) sit in these slots (n) from now on."""
        self._reserve(1 + int(np.max(slots, initial=-1)))
        self._good[slots] = 0 if self._swept else ESTABLISHED
        if not self._left:
            return
        for slot, identity in zip(slots.tolist(), identities.tolist(), strict=True):
            if earned := self._left.pop(identity, 0):
                self._good[slot] = earned

    def remove(self, slots: Slots, identities: Identities) -> None:
        """Note that they sit there no longer, before another member sits there."""
        earned = self._good[slots]
        self._good[slots] = 0
        some = earned > 0
        left = zip(identities[some].tolist(), earned[some].tolist(), strict=True)
        for identity, good in left:
            self._left[identity] = good
            self._left.move_to_end(identity)
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)

    def spoils(self, heard: Bools, refused: Slots, astray: Slots = _NOWHERE) -> Spoils:
        """Return what it means that a sweep brought good beats and ``refused`` others.

        The good ones came from slots that are ``heard`` (by slot). Beats of the members that sit in
        ``astray`` were among the refused. A beat of a member that turns up in the slot of another,
        and not in its own where it was before, was mixed up on its way or overwritten: that means
        something of newer members too.
        """
        self._reserve(len(heard))
        astray = astray[(self._good[astray] > 0) & ~heard[astray]]
        enough = int(self._good.max(initial=0))
        spoiled = np.union1d(refused[self._good[refused] >= enough], astray)
        good = np.count_nonzero(heard & (self._good[: len(heard)] >= enough))
        return Spoils(spoiled, int(good) + len(spoiled))

    def end_sweep(self, heard: Bools) -> None:
        """Note that this sweep was complete."""
        self._reserve(len(heard))
        good = self._good[: len(heard)]
        np.minimum(good + heard, ESTABLISHED, out=good)
        self._swept = True

    def _reserve(self, size: int) -> None:
        self._good = pages.with_room(self._good, size)
