"""The module keeps which member holds which slot of a shard; pure, and NumPy where it counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIZE
from musterd.model import Member
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.process import pages
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.columns import WORDS, Bools, Slots, Words, words_in
from musterd_coordinator.sweep.idmap import NONE, IdMap
from musterd_coordinator.sweep.standing import Standing

BLOCK = 2048
"""Slots that are swept by one command. With half as many, a beat costs a tenth more CPU to read; with
twice as many it costs no less. All of a block have the same first five hexadecimal digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A `Block` holds the held slots among :data:`BLOCK` neighbours, ascending.

    ``text`` is their beat keys, with a blank behind each. Of each record so many ``words`` are read.
    """

    slots: Slots
    text: bytes
    words: int = WORDS

    @property
    def keys(self) -> list[bytes]:
        """Return the beat keys one by one."""
        return self.text.split()

    def records(self, values: Sequence[bytes | None]) -> tuple[Slots, Words, Slots]:
        """Return slots, records and odd slots out of ``values``, one for each slot.

        See :meth:`~musterd_coordinator.sweep.slots.bulk.Bulk.beats`.
        """
        sizes = np.array([-1 if value is None else len(value) for value in values])
        good = sizes == SIZE
        data = b"".join(value for value in values if value is not None and len(value) == SIZE)
        odd = (sizes >= 0) & ~good
        return self.slots[good], self._words_in(data), self.slots[odd]

    def _words_in(self, data: bytes) -> Words:
        return words_in(data, len(data) // SIZE, 0, SIZE, self.words)


class _BlockMaker:
    """A `_BlockMaker` makes the blocks of each sweep: to keep them would take 27 bytes a member.

    The keys of two neighbours differ in the last three digits from one another, and from those of
    all other blocks in the first five, which are put in column by column.
    """

    def __init__(self, beat_prefix: bytes, words: int) -> None:
        self._words = words
        keys = b"".join(b"%b%08x " % (beat_prefix, slot) for slot in range(2 * BLOCK))
        self._keys = np.frombuffer(bytearray(keys), np.uint8).reshape(2, BLOCK, -1)
        self._digits_at = len(beat_prefix)
        self._digits = [b"00000", b"00000"]

    def make(self, number: int, taken: Bools) -> Block:
        """Return the block of that number; ``taken`` (BLOCK) says which of its slots are held."""
        first, half = number * BLOCK, number % 2
        self._put(half, b"%05x" % (number // 2))
        if taken.all():
            return Block(np.arange(first, first + BLOCK), self._keys[half].tobytes(), self._words)
        return Block(first + np.flatnonzero(taken), self._keys[half][taken].tobytes(), self._words)

    def _put(self, half: int, digits: bytes) -> None:
        """Put in the digits that are others than before: mostly one of the five."""
        for at, (old, new) in enumerate(zip(self._digits[half], digits, strict=True)):
            if old != new:
                self._keys[half, :, self._digits_at + at] = new
        self._digits[half] = digits


class SlotMap:
    """A `SlotMap` knows which member sits in which slot.

    Columns have one row per slot; ``taken`` says which rows mean anything.

    Of a holder no more than its member_id is kept, and a hash of what its ``m`` said, to see
    whether that changed. Of each record so many ``words`` are read.
    """

    def __init__(self, keys: Keys, words: int = WORDS) -> None:
        self.swept = False  # in full, at least once
        self.slot_of = IdMap()
        self.slot_of.reserve(BLOCK)
        self.taken: Bools = np.zeros(BLOCK, np.bool_)
        self.heard: Bools = np.zeros(BLOCK, np.bool_)  # its beat was there in the last full sweep
        self.incarnation: NDArray[np.uint64] = np.zeros(BLOCK, np.uint64)
        self.standing = Standing()
        self._said: NDArray[np.int64] = np.zeros(BLOCK, np.int64)
        self._blocks = _BlockMaker(keys.beat_prefix, words)
        self._seated: dict[int, Member] = {}
        self._vacated: set[int] = set()

    def __len__(self) -> int:
        """Return how many slots are held."""
        return len(self.slot_of)

    @property
    def member_id(self) -> NDArray[np.uint64]:
        """Return the member_id of each slot's holder."""
        return self.slot_of.ids

    @property
    def top(self) -> int:
        """Return one more than the highest slot that is held."""
        from_the_end = self.taken[::-1]
        last = int(from_the_end.argmax())
        return len(self.taken) - last if from_the_end[last] else 0

    def is_held(self, slot: int) -> bool:
        """Say whether a member holds ``slot``."""
        return slot < len(self.taken) and self.taken.item(slot)

    def are_held(self, slots: Slots) -> Bools:
        """Say the same of many ``slots`` (n)."""
        known = slots < len(self.taken)
        held: Bools = known & self.taken[np.where(known, slots, 0)]
        return held

    def are_nowhere(self, identities: NDArray[np.uint64]) -> Bools:
        """Say which of these member_ids (n) hold no slot; of one that is there twice, the first."""
        nowhere: Bools = self.slot_of.get_all(identities) == NONE
        if len(set(identities.tolist())) == len(identities):  # found out sooner than by sorting
            return nowhere
        first = np.zeros_like(nowhere)
        first[np.unique(identities, return_index=True)[1]] = True
        return nowhere & first

    def said(self, slot: int) -> int | None:
        """Return the hash of what the ``m`` of ``slot`` said of its holder; None if it has none."""
        return self._said.item(slot) if self.is_held(slot) else None

    def seat(self, slot: int, identity: int, member: Member, said: int) -> int | None:
        """Seat ``member`` in ``slot`` and no other; return the member_id that it drove out, if any.

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

    def seat_newcomers(
        self,
        slots: Slots,
        identities: NDArray[np.uint64],
        members: Sequence[Member],
        said: Sequence[int],
    ) -> None:
        """Do the same for n ``members`` that hold no slot, in n ``slots`` that no member holds."""
        self._reserve(int(slots.max(initial=-1)) + 1)
        self.slot_of.put_all(identities, slots)
        self.taken[slots], self.incarnation[slots], self._said[slots] = True, 0, said
        self.standing.seat(slots, identities)
        seated = slots.tolist()
        self._seated.update(zip(seated, members, strict=True))
        self._vacated.difference_update(seated)

    def vacate(self, slot: int) -> None:
        """Note that no member holds ``slot``."""
        if self._leave(slot, None) is not None:
            self._seated.pop(slot, None)
            self._vacated.add(slot)

    def changes(self, *, more: bool) -> Roster:
        """Return what changed since the last call; ``more`` is to come."""
        roster = Roster(list(self._seated.items()), sorted(self._vacated), more)
        self._seated, self._vacated = {}, set()
        return roster

    def blocks(self, others: Slots | None = None) -> Iterator[Block]:
        """Yield all held slots and ``others``, below the highest there were, in commands' portions."""
        read = self.taken
        if others is not None and len(others):
            read = read.copy()
            read[others] = True
        for number, taken in enumerate(read.reshape(-1, BLOCK)):
            if taken.any():
                yield self._blocks.make(number, taken)

    def quiet(self) -> Slots:
        """Return held slots that had no beat in the last full sweep; none before the first one."""
        return np.flatnonzero(self.taken & ~self.heard & self.swept)

    def _leave(self, slot: int, unless: int | None) -> int | None:
        """Take the member in ``slot`` out of it, unless it is ``unless``; return which it was."""
        if not self.is_held(slot):
            return None
        identity = self.member_id.item(slot)
        if identity == unless:
            return None
        self.slot_of.remove(identity)
        self.taken[slot] = self.heard[slot] = False
        self.standing.remove(*_one(slot, identity))
        return identity

    def _sit(self, slot: int, identity: int) -> None:
        self._reserve(slot + 1)
        self.slot_of.put(identity, slot)
        self.taken[slot] = True
        self.incarnation[slot] = 0
        self.standing.seat(*_one(slot, identity))

    def _reserve(self, size: int) -> None:
        have = len(self.taken)
        if size <= have:
            return
        blocks = -(-max(size, have + have // 4) // BLOCK)
        room = blocks * BLOCK
        self.taken, self.heard = pages.grown(self.taken, room), pages.grown(self.heard, room)
        self.slot_of.reserve(room)
        self.incarnation = pages.grown(self.incarnation, room)
        self._said = pages.grown(self._said, room)


def _one(slot: int, identity: int) -> tuple[Slots, NDArray[np.uint64]]:
    return np.array([slot]), np.array([identity], np.uint64)
