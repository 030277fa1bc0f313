"""What a coordinator knows of who holds which slot of a shard; pure, and NumPy where it counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIZE
from musterd.columns import Bools, Slots, Words, words_in
from musterd.model import Member
from musterd.stores.base import Roster
from musterd.stores.idmap import IdMap
from musterd.stores.keyed import Keys

BLOCK = 2000
"""Slots that are swept by one command. With half as many, a beat costs a tenth more CPU to read; with
twice as many it costs no less."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The held slots among :data:`BLOCK` neighbours, ascending, and their beat keys in one string.

    Made once and kept until one of its slots is taken or left, because a sweep sends it every
    time.
    """

    slots: Slots
    keys: bytes

    def records(self, values: Sequence[bytes | None]) -> tuple[Slots, Words, int]:
        """What :meth:`~musterd.stores.keyed_bulk.Bulk.beats` returns, from a value per slot."""
        sizes = np.array([-1 if value is None else len(value) for value in values])
        good = sizes == SIZE
        data = b"".join(value for value in values if value is not None and len(value) == SIZE)
        odd = int(np.count_nonzero((sizes >= 0) & ~good))
        return self.slots[good], words_in(data, len(data) // SIZE, 0, SIZE), odd


class SeatMap:
    """Who sits where. Columns have one row per slot; ``taken`` says which rows mean anything.

    Of a holder no more than its member_id is kept, and a hash of what its ``m`` said, to see whether
    that changed.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.swept = False  # in full, at least once
        self.slot_of = IdMap()
        self.taken: Bools = np.zeros(BLOCK, np.bool_)
        self.heard: Bools = np.zeros(BLOCK, np.bool_)  # its beat was there in the last full sweep
        self.member_id: NDArray[np.uint64] = np.zeros(BLOCK, np.uint64)
        self.incarnation: NDArray[np.uint64] = np.zeros(BLOCK, np.uint64)
        self._said: NDArray[np.int64] = np.zeros(BLOCK, np.int64)
        self._blocks: dict[int, Block] = {}
        self._seated: dict[int, Member] = {}
        self._vacated: set[int] = set()

    def __len__(self) -> int:
        """How many slots are held."""
        return len(self.slot_of)

    @property
    def top(self) -> int:
        """One more than the highest slot that is held."""
        from_the_end = self.taken[::-1]
        last = int(from_the_end.argmax())
        return len(self.taken) - last if from_the_end[last] else 0

    def is_held(self, slot: int) -> bool:
        """Whether somebody holds ``slot``."""
        return slot < len(self.taken) and self.taken.item(slot)

    def said(self, slot: int) -> int | None:
        """The hash of what the ``m`` of ``slot`` said of its holder; None: nobody holds it."""
        return self._said.item(slot) if self.is_held(slot) else None

    def seat(self, slot: int, identity: int, member: Member, said: int) -> int | None:
        """``member`` holds ``slot`` now and no other; the member_id of whom it drove out, if any.

        ``identity`` is its member_id, ``said`` the hash of what the slot's ``m`` says.
        """
        driven_out = self._leave(slot, identity)
        before = self.slot_of.get(identity)
        if before is not None and before != slot:
            self.vacate(before)
        if before != slot:
            self._sit(slot, identity)
        self._said[slot] = said
        self._seated[slot] = member
        self._vacated.discard(slot)
        return driven_out

    def vacate(self, slot: int) -> None:
        """Nobody holds ``slot``."""
        if self._leave(slot, None) is not None:
            self._seated.pop(slot, None)
            self._vacated.add(slot)

    def changes(self, *, more: bool) -> Roster:
        """What changed since the last call; ``more`` is to come."""
        roster = Roster(list(self._seated.items()), sorted(self._vacated), more)
        self._seated, self._vacated = {}, set()
        return roster

    def blocks(self) -> Iterator[Block]:
        """All held slots, in commands' portions."""
        for number in range(len(self.taken) // BLOCK):
            block = self._blocks.get(number) or self._make_block(number)
            if len(block.slots):
                yield block

    def quiet(self) -> Slots:
        """Held slots whose beat was not there in the last full sweep; none before the first one."""
        return np.flatnonzero(self.taken & ~self.heard & self.swept)

    def _leave(self, slot: int, unless: int | None) -> int | None:
        """Take whoever sits in ``slot`` out of it, unless it is that member; who it was."""
        if not self.is_held(slot):
            return None
        identity = self.member_id.item(slot)
        if identity == unless:
            return None
        self.slot_of.remove(identity)
        self.taken[slot] = self.heard[slot] = False
        self._blocks.pop(slot // BLOCK, None)
        return identity

    def _sit(self, slot: int, identity: int) -> None:
        self._reserve(slot + 1)
        self.slot_of.put(identity, slot)
        self.taken[slot] = True
        self.member_id[slot] = identity
        self.incarnation[slot] = 0
        self._blocks.pop(slot // BLOCK, None)

    def _reserve(self, size: int) -> None:
        have = len(self.taken)
        if size <= have:
            return
        blocks = -(-max(size, have + have // 8) // BLOCK)
        more = blocks * BLOCK - have
        self.taken, self.heard = np.pad(self.taken, (0, more)), np.pad(self.heard, (0, more))
        self.member_id = np.pad(self.member_id, (0, more))
        self.incarnation = np.pad(self.incarnation, (0, more))
        self._said = np.pad(self._said, (0, more))

    def _make_block(self, number: int) -> Block:
        first = number * BLOCK
        slots = first + np.flatnonzero(self.taken[first : first + BLOCK])
        block = Block(slots, b" ".join(map(self._keys.beat, slots.tolist())))
        self._blocks[number] = block
        return block
