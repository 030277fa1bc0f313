"""The module maps a member_id to its slot and back, at 16 bytes a member; a dict takes a hundred.

The member_ids stand in a column by slot, and beside it is a hash table of slots. Open addressing
with linear probing and backward shift deletion (Knuth, The Art of Computer Programming 3, 6.4,
Algorithms L and R). Member_ids are hashes already, so their low bits are the place to begin at.
"""

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.process import pages

NONE = -1
_FULL = 0.6  # of the places; beyond it chains grow long
_NEARLY = 0.5  # beyond it there is time to grow in steps
_STEP = 8000  # slots that move to a larger table in one step
_PIECE = 1 << 17  # places of a new table that are written to in one step: first touches cost most
_LARGE = 1 << 19  # places, two megabytes; a smaller table grows faster, and is copied less often


class IdMap:
    """An `IdMap` maps 64-bit numbers to slots from 0 up, one to a slot; ``ids`` has them by slot.

    What stands in ``ids`` where a slot has none means nothing.
    """

    def __init__(self, places: int = 1024) -> None:
        self._size = 0
        self.ids: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._slots: memoryview[int]
        self._mask: int
        self._grows = False  # in steps
        self._heir: IdMap | None = None  # a larger table that is being filled, over the same ids
        self._clear(places)
        self.reserve(places)

    def __len__(self) -> int:
        return self._size

    def get(self, identity: int) -> int | None:
        """Return the slot of ``identity``, or None."""
        slot: int = self._slots[self._find(identity)]
        return None if slot == NONE else slot

    def get_all(self, identities: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the slots of many ``identities`` (n) at once, NONE where there is none."""
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
        self.ids = pages.grown(self.ids, max(slots, len(self.ids)))
        self._ids = self.ids.data
        if self._heir is not None:
            self._heir._share(self.ids)  # noqa: SLF001  # another of its kind

    def make_room(self, more: int) -> Iterator[None]:
        """Grow in steps, before ``more`` come; meanwhile others may come and go."""
        # Where another caller is about it already, there is room enough until that is done.
        if self._grows or self._size + more <= _NEARLY * (self._mask + 1):
            return
        self._grows = True
        try:
            places = yield from _empty_places(self._larger())
            heir = self._heir = IdMap(places=1)
            heir._share(self.ids)
            heir._use(places)
            table = np.asarray(self._slots)
            here = table[table != NONE]
            for at in range(0, len(here), _STEP):
                yield
                heir._inherit(self, here[at : at + _STEP].astype(np.int64))
            if heir._mask > self._mask:
                self._slots, self._mask = heir._slots, heir._mask
        finally:
            self._heir, self._grows = None, False

    def put(self, identity: int, slot: int) -> None:
        """Note that ``identity`` sits in ``slot`` from now on, which no other sits in."""
        if slot >= len(self._ids):
            self.reserve(slot + 1 + slot // 8)
        if self._heir is not None:
            self._heir.put(identity, slot)
        at = self._find(identity)
        if self._slots[at] == NONE:
            self._size += 1
        self._ids[slot], self._slots[at] = identity, slot
        if self._size > _FULL * (self._mask + 1):
            self._grow()

    def put_all(self, identities: NDArray[np.uint64], slots: NDArray[np.int64]) -> None:
        """Do the same for many new ``identities`` (n), all different, in ``slots`` (n)."""
        if (top := int(slots.max(initial=NONE))) >= len(self._ids):
            self.reserve(top + 1 + top // 8)
        if self._heir is not None:
            self._heir.put_all(identities, slots)
        self.ids[slots] = identities
        self._size += len(slots)
        while self._size > _FULL * (self._mask + 1):
            self._grow()
        self._place(slots)

    def remove(self, identity: int) -> None:
        """Forget ``identity``, if it is here; those that gave way to it move closer to home."""
        if self._heir is not None:
            self._heir.remove(identity)
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
        """Return the place where ``identity`` is, or would be."""
        ids, slots, mask = self._ids, self._slots, self._mask
        at = identity & mask
        while (slot := slots[at]) != NONE and ids[slot] != identity:
            at = (at + 1) & mask
        return at

    def _clear(self, places: int) -> None:
        self._use(np.full(places, NONE, np.int32))

    def _use(self, places: NDArray[np.int32]) -> None:
        # Memoryviews are the fastest way to single numbers of an array.
        self._slots, self._mask = places.data, len(places) - 1

    def _larger(self) -> int:
        places = self._mask + 1
        return places * (2 if places >= _LARGE else 4)

    def _share(self, ids: NDArray[np.uint64]) -> None:
        self.ids, self._ids = ids, ids.data

    def _inherit(self, other: "IdMap", slots: NDArray[np.int64]) -> None:
        """Put in those that sat in ``slots`` (n), but not those that left or came meanwhile."""
        ids = self.ids[slots]
        left = (other.get_all(ids) == slots) & (self.get_all(ids) == NONE)
        self.put_all(ids[left], slots[left])

    def _grow(self) -> None:
        slots = np.asarray(self._slots)
        self._clear(self._larger())
        self._place(slots[slots != NONE])

    def _place(self, slots: NDArray[Any]) -> None:
        """Put all of them into the table: in each round, one of those that come to a free place."""
        table = np.asarray(self._slots)
        at = (self.ids[slots] & np.uint64(self._mask)).astype(np.int64)
        while len(at):
            free = table[at] == NONE
            table[at[free]] = slots[free]
            left = table[at] != slots
            slots, at = slots[left], (at[left] + 1) & self._mask


def _empty_places(count: int) -> Generator[None, None, NDArray[np.int32]]:
    places = np.empty(count, np.int32)
    for at in range(0, count, _PIECE):
        places[at : at + _PIECE] = NONE
        yield
    return places
