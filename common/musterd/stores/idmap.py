"""Which slot a member_id sits in: a hash table in two arrays, at 25 bytes a member.

A dict of Python's own numbers takes four times as much, and a coordinator keeps one for every
shard. Open addressing with linear probing and backward shift deletion (Knuth, The Art of Computer
Programming 3, 6.4, Algorithms L and R). Member_ids are hashes already, so their low bits are the
place to begin at.
"""

import numpy as np
from numpy.typing import NDArray

NONE = -1
_FULL = 0.6  # of the places; beyond it chains grow long


class IdMap:
    """64-bit numbers to slots from 0 up."""

    def __init__(self, places: int = 1024) -> None:
        self._size = 0
        self._clear(places)

    def __len__(self) -> int:
        return self._size

    def get(self, identity: int) -> int | None:
        """Its slot."""
        slot: int = self._slots[self._find(identity)]
        return None if slot == NONE else slot

    def get_all(self, identities: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slots of many (n), ``NONE`` for those that are not here."""
        ids, slots = np.asarray(self._ids), np.asarray(self._slots)
        at = (identities & np.uint64(self._mask)).astype(np.int64)
        rows = np.flatnonzero((slots[at] != NONE) & (ids[at] != identities))
        while len(rows):  # their places are others': they look at the next ones
            at[rows] = (at[rows] + 1) & self._mask
            rows = rows[(slots[at[rows]] != NONE) & (ids[at[rows]] != identities[rows])]
        return slots[at].astype(np.int64)

    def put(self, identity: int, slot: int) -> None:
        """It sits in ``slot`` from now on."""
        at = self._find(identity)
        if self._slots[at] == NONE:
            self._size += 1
        self._ids[at], self._slots[at] = identity, slot
        if self._size > _FULL * (self._mask + 1):
            self._grow()

    def remove(self, identity: int) -> None:
        """Forget it, if it is here; whoever gave way to it moves closer to where they belong."""
        ids, slots, mask = self._ids, self._slots, self._mask
        hole = at = self._find(identity)
        if slots[hole] == NONE:
            return
        while slots[at := (at + 1) & mask] != NONE:
            if (at - ids[at]) & mask >= (at - hole) & mask:  # it may stand as far back as the hole
                ids[hole], slots[hole] = ids[at], slots[at]
                hole = at
        slots[hole] = NONE
        self._size -= 1

    def _find(self, identity: int) -> int:
        """The place where it is, or would be."""
        ids, slots, mask = self._ids, self._slots, self._mask
        at = identity & mask
        while slots[at] != NONE and ids[at] != identity:
            at = (at + 1) & mask
        return at

    def _clear(self, places: int) -> None:
        # Memoryviews are the fastest way to single numbers of an array.
        self._ids = np.zeros(places, np.uint64).data
        self._slots = np.full(places, NONE, np.int32).data
        self._mask = places - 1

    def _grow(self) -> None:
        slots = np.asarray(self._slots)
        taken = slots != NONE
        ids, slots = np.asarray(self._ids)[taken], slots[taken]
        self._clear(2 * len(taken))
        self._place(ids, slots)

    def _place(self, ids: NDArray[np.uint64], slots: NDArray[np.int32]) -> None:
        """Put all of them into an empty table: in each round, the first to come to a free place."""
        to_ids, to_slots = np.asarray(self._ids), np.asarray(self._slots)
        at = (ids & np.uint64(self._mask)).astype(np.int64)
        while len(at):
            _, first = np.unique(at, return_index=True)
            first = first[to_slots[at[first]] == NONE]
            to_ids[at[first]], to_slots[at[first]] = ids[first], slots[first]
            left = np.ones(len(at), np.bool_)
            left[first] = False
            ids, slots, at = ids[left], slots[left], (at[left] + 1) & self._mask
