"""The coordinator's side of the slot protocol: learn who sits where, and heal what was lost.

Nothing tells a coordinator what changed, so each update reads the ``m`` keys of the slots where
something may have: those the counter added, free ones that newcomers were pointed to, those whose
beats look odd or are missing, and a slice of all, so that everything is read again in time.

The ``i`` keys are asked as well, of that slice, which also keeps them from being the first that a
full server evicts, and of silent members, who may be beating elsewhere.

A slot is left only when its ``m`` says so: another member, or retired. A missing ``m`` is an
eviction or a flush: its holder is kept, and knocked for if it beats.
"""

from collections.abc import Sequence
from heapq import nsmallest
from itertools import islice

import numpy as np
import structlog

from musterd.columns import Slots
from musterd.model import Member
from musterd.stores.keyed import (
    HolderError,
    Keys,
    KeyValue,
    read_counter,
    read_holder,
    read_slots,
    write_slots,
)
from musterd.stores.keyed_bulk import Bulk, in_lanes, portions
from musterd.stores.keyed_newcomers import Told, seat_newcomers
from musterd.stores.keyed_seats import SeatMap
from musterd.stores.keyed_slots import SlotTable

log = structlog.get_logger(__name__)

PAGE = 1000  # slots
ROUND = 64  # updates in which every slot is read again, or more where that were more than
MOST_REREAD = 4 * PAGE  # in each
HASTY_ROUND = 8  # the same after the server lost its memory
STRIDE = 16 * PAGE  # new slots that are read by one update
QUIET_PORTION = 2 * PAGE  # silent members asked after per update
SEEK_UPDATES = 128  # how often a member that was driven out of its slot is asked after
MEND_PORTION = 200  # writes per update, of each kind: healing must not become a load
HINTS = 128  # free slots that newcomers are pointed to, at least
MOST_HINTS = 3 * PAGE
HINTS_FOR_EACH = 3  # newcomer since the last update: who finds none that is free takes a new slot
FEW_HINTS = 16
TAIL = 100  # slots above the counter that are looked at all the same
KNOWN_FREE = 4096


class RosterKeeper:
    """Keeps a :class:`SeatMap` true. An update that fails or is cancelled loses nothing it learnt."""

    def __init__(self, shard: KeyValue, bulk: Bulk, keys: Keys, seats: SeatMap, ttl: int) -> None:
        self._shard = shard
        self._bulk = bulk
        self._keys = keys
        self._seats = seats
        self._ttl = ttl
        self._slots = SlotTable(shard, keys, ttl)
        self.doubtful: set[int] = set()  # read m again
        self.foreign: set[int] = set()  # a record of a member that does not sit here was read
        self.malformed: set[int] = set()  # m is there and names nobody
        self._count = 0  # the slots we know of: the highest counter, or higher
        self._read_to = 0  # every slot below was read at least once
        self._read_beyond = False  # and nobody sits above the counter
        self._cursor = 0
        self._hasty = 0  # slots still to be read again in haste
        self._quiet_cursor = 0
        self._moved: dict[int, int] = {}  # member_id -> where i says, and we did not know
        self._misled: set[int] = set()  # member_ids whose i is gone or wrong
        self._sought: dict[int, int] = {}  # member_id of the driven out -> updates left
        self._twice: dict[int, tuple[int, Member, int]] = {}  # member_id -> its second slot
        self._knocks: set[int] = set()
        self._free: set[int] = set()
        self._hinted: dict[int, None] = {}  # slots that newcomers were pointed to

    async def update(self) -> bool:
        """Bring the seats up to date; whether more slots that are new must be read before they are.

        Raises StoreError; what was learnt by then stays.
        """
        counter, hints = await self._read_counter()
        self._count = max(self._count, counter)
        if await self._read_new():
            return True
        most = max(5 * PAGE, self._count // HASTY_ROUND)
        suspects = np.union1d(self._some_quiet(), self._slice(most))
        await self._look(np.union1d(suspects, self._odd(most)))
        await self._seek(suspects)
        await self._settle()
        self._count = max(self._count, self._seats.top)
        await self._mend(counter, hints)
        return False

    async def retire(self, member: Member) -> None:
        """Remove all keys of ``member``; the next update vacates its slot."""
        slot = self._seats.slot_of.get(self._keys.identity(member))
        await self._slots.retire(member, slot)
        if slot is not None:
            self.doubtful.add(slot)

    async def _read_counter(self) -> tuple[int, list[int]]:
        """The slot counter, and the free slots that newcomers are being pointed to."""
        values = await self._bulk.values(0, (self._keys.counter, self._keys.free))
        text = values.get(self._keys.counter)
        counter = read_counter(text)
        if text is not None and not counter:  # it would stop every newcomer
            await self._slots.raise_counter(max(self._count, 1))
        if counter < self._count and not self._hasty:
            log.warning("slot counter lost", shard=self._shard.name, was=self._count, now=counter)
            self._hasty = self._count
            self._read_beyond = False
        return counter, [slot for slot in read_slots(values.get(self._keys.free)) if slot < counter]

    async def _read_new(self) -> bool:
        """Read slots that the counter added, and beyond it when it may have been lost; more left?"""
        end = min(self._read_to + STRIDE, self._count)
        await self._look(np.arange(self._read_to, end))
        self._read_to = max(self._read_to, end)
        if self._read_to < self._count:
            return True
        while not self._read_beyond:
            await self._look(np.arange(self._read_to, self._read_to + PAGE))
            self._read_beyond = self._seats.top <= self._read_to
            self._read_to = self._count = max(self._count, self._seats.top)
        return False

    def _odd(self, most: int) -> Slots:
        """Slots whose beats look odd, free ones that newcomers were pointed to, and the next new.

        A counter that was lost before we ever saw it high leaves holders above it.
        """
        next_new = range(self._count, self._count + TAIL)
        hinted = [slot for slot in self._hinted if not self._seats.is_held(slot)]
        self._hinted = dict.fromkeys(hinted[-MOST_HINTS:])
        odd = islice(self.foreign | self.doubtful, most)
        return np.array([*odd, *self._hinted, *next_new], np.int64)

    def _slice(self, most: int) -> Slots:
        """The next few of all slots."""
        size = min(most if self._hasty else self._usual_slice(), self._count)
        slots = (self._cursor + np.arange(size)) % max(self._count, 1)
        self._cursor += size
        self._hasty = max(0, self._hasty - size)
        return slots

    def _usual_slice(self) -> int:
        return min(max(PAGE, self._count // ROUND), MOST_REREAD)

    def _some_quiet(self) -> Slots:
        """Slots of silent members, in turn."""
        quiet = self._seats.quiet()
        size = min(len(quiet), QUIET_PORTION)
        chosen = (self._quiet_cursor + np.arange(size)) % max(len(quiet), 1)
        self._quiet_cursor += size
        return quiet[chosen]

    async def _look(self, slots: Slots) -> None:
        """Read who holds ``slots``."""
        await in_lanes(self._bulk, portions(slots.tolist()), self._look_at)

    async def _look_at(self, lane: int, slots: list[int]) -> None:
        keys = self._keys.holders(slots)
        values = await self._bulk.values(lane, keys)
        others = self._welcome(slots, list(map(values.get, keys)))
        unheld = [slot for slot, value in others if not self._observe(slot, value)]
        vacant = [slot for slot in unheld if slot < self._count]
        if vacant:
            await self._look_for_strays(lane, vacant)

    def _welcome(self, slots: Sequence[int], values: Sequence[bytes | None]) -> Told:
        """Seat whoever is new, together; what else was told."""
        taken, identities, others = seat_newcomers(self._seats, self._keys, slots, values)
        for about in (self.foreign, self.doubtful, self.malformed, self._free):
            if about:
                about.difference_update(taken.tolist())
        for identity in self._sought.keys() & identities.tolist() if self._sought else ():
            del self._sought[identity]
        return others

    def _observe(self, slot: int, value: bytes | None) -> bool:
        """Take in the ``m`` of ``slot``; whether somebody holds it."""
        before = self._seats.said(slot)
        held = before is not None
        if value is not None:
            held = self._read(slot, value, before)
        elif self._is_heard(slot):
            self._knocks.add(slot)  # its agent restores m when it announces again
        if slot in self.foreign and self._seats.said(slot) == before:
            self._knocks.add(slot)  # whoever sits here by mistake finds out when it announces
        self.foreign.discard(slot)
        self.doubtful.discard(slot)
        return held

    def _read(self, slot: int, value: bytes, before: int | None) -> bool:
        said = hash(value)
        if said == before:
            self.malformed.discard(slot)
            return True
        try:
            holder = read_holder(value)
        except HolderError as error:
            self._refuse(slot, error)
            return self._seats.is_held(slot)
        self.malformed.discard(slot)
        if holder is None:
            self._seats.vacate(slot)
        else:
            self._sit(slot, holder, said)
        return holder is not None

    def _is_heard(self, slot: int) -> bool:
        return self._seats.is_held(slot) and self._seats.heard.item(slot)

    def _refuse(self, slot: int, error: HolderError) -> None:
        if slot not in self.malformed:
            log.warning("holder unreadable", shard=self._shard.name, slot=slot, error=str(error))
        self.malformed.add(slot)
        if self._is_heard(slot):
            self._knocks.add(slot)  # its agent overwrites it when it announces again

    def _sit(self, slot: int, member: Member, said: int) -> None:
        identity = self._keys.identity(member)
        known = self._seats.slot_of.get(identity)
        if known is not None and known != slot:
            self._twice[identity] = slot, member, said
            return
        driven_out = self._seats.seat(slot, identity, member, said)
        if driven_out is not None:
            self._sought[driven_out] = SEEK_UPDATES
        self._sought.pop(identity, None)
        self._free.discard(slot)

    async def _look_for_strays(self, lane: int, vacant: list[int]) -> None:
        """Knock where somebody beats in a slot that nobody holds; note the others as free."""
        beats = await self._bulk.values(lane, [self._keys.beat(slot) for slot in vacant])
        for slot in vacant:
            if self._keys.beat(slot) in beats:
                self._knocks.add(slot)
            elif slot not in self.malformed and len(self._free) < KNOWN_FREE:
                self._free.add(slot)

    async def _seek(self, suspects: Slots) -> None:
        """Ask where the holders of ``suspects``, and those driven out, say that they sit."""
        taken = suspects[suspects < len(self._seats.taken)]
        held = self._seats.member_id[taken[self._seats.taken[taken]]]
        self._sought = {who: left - 1 for who, left in self._sought.items() if left > 0}
        identities = dict.fromkeys([*held.tolist(), *self._sought])
        await in_lanes(self._bulk, portions(list(identities)), self._ask_index)
        await self._look(np.unique(np.fromiter(self._moved.values(), np.int64)))
        # Agents write m before i: where m does not bear i out, i is wrong.
        self._misled.update(self._moved.keys() - self._twice.keys())
        self._moved.clear()

    async def _ask_index(self, lane: int, identities: list[int]) -> None:
        values = await self._bulk.values(lane, [self._keys.index(who) for who in identities])
        for who in identities:
            slots = read_slots(values.get(self._keys.index(who)))[:1]
            if not slots:
                self._misled.add(who)
            elif slots[0] != self._seats.slot_of.get(who):
                self._moved[who] = slots[0]

    async def _settle(self) -> None:
        """Give members that were found in two slots the one that ``i`` says, or the newer one."""
        for identity, (slot, member, said) in list(islice(self._twice.items(), MEND_PORTION)):
            if await self._settle_one(identity, slot, member):
                self._seats.seat(slot, identity, member, said)
            del self._twice[identity]

    async def _settle_one(self, identity: int, slot: int, member: Member) -> bool:
        """Whether ``member`` sits in ``slot`` from now on."""
        known = self._seats.slot_of.get(identity)
        index = self._keys.index(identity)
        pointer, token = await self._shard.gets(index)
        chosen = next(iter(read_slots(pointer)), None)
        if chosen not in (known, slot):
            chosen = slot
            if not await self._slots.store(index, write_slots(slot), pointer, token):
                return False  # somebody was faster; we see it when we come by again
        if chosen == known:
            await self._slots.release(slot, member)
        elif known is not None:
            await self._slots.release(known, member)
        self.doubtful.add(slot)
        return chosen == slot

    async def _mend(self, counter: int, hints: list[int]) -> None:
        if counter < self._count:
            await self._slots.raise_counter(self._count)
        for slot in islice(self._knocks, MEND_PORTION):
            await self._slots.knock(slot)
        self._knocks.clear()
        for identity in islice(self._misled, MEND_PORTION):
            await self._mend_index(identity)
        self._misled.clear()
        await self._point_to_free_slots(hints)

    async def _mend_index(self, identity: int) -> None:
        index, slot = self._keys.index(identity), self._seats.slot_of.get(identity)
        if slot is not None:
            pointer, token = await self._shard.gets(index)
            if pointer != write_slots(slot):
                await self._slots.store(index, write_slots(slot), pointer, token)

    async def _point_to_free_slots(self, hints: list[int]) -> None:
        left = [slot for slot in hints if not self._seats.is_held(slot)]
        newcomers = len(hints) - len(left)
        wanted = min(max(HINTS, HINTS_FOR_EACH * newcomers), MOST_HINTS)
        more = nsmallest(wanted - len(left), self._free.difference(left))
        if more and (len(left) < FEW_HINTS or len(left) < wanted - HINTS):
            hints = [*left, *more]
            await self._shard.set(self._keys.free, write_slots(*hints), self._ttl)
        self._hinted |= dict.fromkeys(hints)
