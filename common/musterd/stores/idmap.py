"""Which slot a member_id sits in, and back: at 16 bytes a member, where a dict takes a hundred.

The member_ids stand in a column by slot, and beside it is a hash table of slots. Open addressing
with linear probing and backward shift deletion (Knuth, The Art of Computer Programming 3, 6.4,
Algorithms L and R). Member_ids are hashes already, so their low bits are the place to begin at.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = -1
_FULL = 0.6  # of the places; beyond it chains grow long
_LARGE = 1 << 19  # places, two megabytes; a smaller table grows faster, and is copied less often


class IdMap:
    """64-bit numbers to slots from 0 up; a slot has one of them, and so has ``ids``, by slot.

    What stands in ``ids`` where a slot has none means nothing.
    """

    def __init__(self, places: int = 1024) -> None:
        self._size = 0
        self.ids: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._clear(places)
        self.reserve(places)

    def __len__(self) -> int:
        return self._size

    def get(self, identity: int) -> int | None:
        """Its slot."""
        slot: int = self._slots[self._find(identity)]
        return None if slot == NONE else slot

    def get_all(self, identities: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slots of ``identities`` (n), NONE where there is none: of many at once."""
        table, ids = np.asarray(self._slots), self.ids
        at = (identities & np.uint64(self._mask)).astype(np.int64)
        slots = table[at].astype(np.int64)
        left = np.flatnonzero((slots != NONE) & (ids[slots] != identities))
        while len(left):
            at[left] = (at[left] + 1) & self._mask
            slots[left] = table[at[left]]
            left = left[(slots[left] != NONE) & (ids[slots[left]] != identities[left])]
        return slots

    def reserve(self, slots: int) -> None:
        """Make room for slots below ``slots``."""
        self.ids = np.pad(self.ids, (0, max(0, slots - len(self.ids))))
        self._ids = self.ids.data

    def put(self, identity: int, slot: int) -> None:
        """It sits in ``slot`` from now on, which nobody else sits in."""
        if slot >= len(self._ids):
            self.reserve(slot + 1 + slot // 8)
        at = self._find(identity)
        if self._slots[at] == NONE:
            self._size += 1
        self._ids[slot], self._slots[at] = identity, slot
        if self._size > _FULL * (self._mask + 1):
            self._grow()

    def put_all(self, identities: NDArray[np.uint64], slots: NDArray[np.int64]) -> None:
        """The same of many who were not here: ``identities`` (n), all different, in ``slots`` (n)."""
        if (top := int(slots.max(initial=NONE))) >= len(self._ids):
            self.reserve(top + 1 + top // 8)
        self.ids[slots] = identities
        self._size += len(slots)
        while self._size > _FULL * (self._mask + 1):
            self._grow()
        self._place(slots)

    def remove(self, identity: int) -> None:
        """Forget it, if it is here; whoever gave way to it moves closer to where they belong."""
        ids, slots, mask = self._ids, self._slots, self._mask
        hole = at = self._find(identity)
        if slots[hole] == NONE:
            return
        while slots[at := (at + 1) & mask] != NONE:
            # It may stand as far back as the hole.
            if (at - ids[slots[at]]) & mask >= (at - hole) & mask:
                slots[hole] = slots[at]
                hole = at
        slots[hole] = NONE
        self._size -= 1

    def _find(self, identity: int) -> int:
        """The place where it is, or would be."""
        ids, slots, mask = self._ids, self._slots, self._mask
        at = identity & mask
        while (slot := slots[at]) != NONE and ids[slot] != identity:
            at = (at + 1) & mask
        return at

    def _clear(self, places: int) -> None:
        # Memoryviews are the fastest way to single numbers of an array.
        self._slots = np.full(places, NONE, np.int32).data
        self._mask = places - 1

    def _grow(self) -> None:
        slots = np.asarray(self._slots)
        self._clear(len(slots) * (2 if len(slots) >= _LARGE else 4))
        self._place(slots[slots != NONE])

    def _place(self, slots: NDArray[Any]) -> None:
        """Put all of them into the table: in each round, one of those who come to a free place."""
        table = np.asarray(self._slots)
        at = (self.ids[slots] & np.uint64(self._mask)).astype(np.int64)
        while len(at):
            free = table[at] == NONE
            table[at[free]] = slots[free]
            left = table[at] != slots
            slots, at = slots[left], (at[left] + 1) & self._mask
