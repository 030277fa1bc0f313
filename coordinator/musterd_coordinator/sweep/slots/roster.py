"""The module learns which member sits in which slot, and heals what was lost.

It is the coordinator's side of the slot protocol. Nothing tells a coordinator what changed, so each
update reads the ``m`` keys of the slots where something may have: those the counter added, free
ones that newcomers were pointed to, those with beats that look odd or are missing, and a slice of
all, so that everything is read again in time.

The ``i`` keys are asked as well, of that slice, which also keeps them from being the first that a
full server evicts, and of silent members, which may be beating elsewhere.

A slot is left only when its ``m`` says so: another member, or retired. A missing ``m`` is an
eviction or a flush: its holder is kept, and knocked for if it beats.
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import structlog

from musterd.model import Member
from musterd.stores.slots.protocol import (
    SLOT_LIMIT,
    HolderError,
    Keys,
    KeyValue,
    read_counter,
    read_slots,
)
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.announced import UnprovenError, holder_in
from musterd_coordinator.sweep.slots.bulk import PORTION, Bulk, in_lanes, portions
from musterd_coordinator.sweep.slots.joins import Told, seat_newcomers
from musterd_coordinator.sweep.slots.mending import MOST_HINTS, Mender
from musterd_coordinator.sweep.slots.quarantine import SlotQuarantine
from musterd_coordinator.sweep.slots.rounds import HASTY_ROUND, PAGE, Rounds
from musterd_coordinator.sweep.slots.slotmap import SlotMap

log = structlog.get_logger(__name__)

STRIDE = 16 * PAGE  # new slots that are read by one update
SEEK_UPDATES = 128  # how often a member that was driven out of its slot is asked after
TAIL = 100  # slots above the counter that are looked at all the same
PAGES_BEYOND_NONSENSE = 64  # that are empty end the search for holders if the counter is nonsense

MOST_TOO_HIGH = 32_000  # slots that are looked at below a counter that was set too high
MOST_EMPTY = 1 << 16  # slots at the end that no member holds, beside ROOM_FOR_EACH member

ROOM = 1 << 20
"""Slots that may be in use however few members there are: a fleet that shrank keeps high ones."""

ROOM_FOR_EACH = 4
"""Slots that may be in use for each member beyond that.

What is kept of a slot takes memory and time whether anybody sits in it or not, and anybody can set
the counter. So nobody is looked for above, whoever sits there is sent to a lower slot, and the counter
is set back.
"""


class RosterKeeper:
    """A `RosterKeeper` keeps a :class:`SlotMap` true.

    An update that fails or is cancelled loses nothing that it learnt.
    """

    def __init__(
        self,
        shard: KeyValue,
        bulk: Bulk,
        keys: Keys,
        seats: SlotMap,
        ttl: int,
        quarantine: SlotQuarantine,
        *,
        room: int = ROOM,
        signing: Signing | None = None,
    ) -> None:
        self._shard = shard
        self._bulk = bulk
        self._keys = keys
        self._seats = seats
        self._quarantine = quarantine
        self._room = room
        self._signing = signing
        self._mender = Mender(shard, keys, seats, ttl)
        self._slots = self._mender.slots
        self.doubtful: set[int] = set()  # read m again
        self.foreign: set[int] = set()  # a record of a member that does not sit here was read
        self._count = 0  # the slots we know of: the highest counter, or higher
        self._read_to = 0  # every slot below was read at least once
        self._pages_beyond = (
            1  # that must be empty before no member is believed to sit above the counter
        )
        self._all_read = False  # once
        self._rounds = Rounds(seats)
        self._moved: dict[int, int] = {}  # member_id -> where i says, and we did not know
        self._sought: dict[int, int] = {}  # member_id of the driven out -> updates left

    async def update(self) -> bool:
        """Bring the seats up to date; say whether more slots must be read to have every member.

        That is so at the beginning. Members that come later are read a stride at each update,
        however many come, while those that are seated are judged. Raises StoreError; what was
        learnt by then stays.
        """
        counter, hints = await self._read_counter()
        self._count = max(self._count, min(counter, self._limit))
        more = await self._read_new()
        self._count = max(self._count, min(counter, self._limit))  # the more sit, the more may
        more |= self._read_to < self._count
        if more and not self._all_read:
            return True
        self._all_read = True
        if counter > self._limit or (not more and self._is_empty_above(counter)):
            counter = await self._set_back(counter)
        most = max(5 * PAGE, self._count // HASTY_ROUND)
        suspects = np.union1d(self._rounds.some_quiet(), self._rounds.slice(self._count, most))
        await self._look(np.union1d(suspects, self._odd(most)))
        await self._seek(suspects)
        self.doubtful |= await self._mender.resolve_duplicates()
        self._count = max(self._count, self._seats.top)
        if counter < self._count:
            await self._slots.raise_counter(self._count)
        await self._mender.mend(hints)
        return False

    def _is_empty_above(self, counter: int) -> bool:
        """Say whether far more slots than any fleet needs were read, and no member sits in them."""
        return counter > self._seats.top + MOST_EMPTY + ROOM_FOR_EACH * len(self._seats)

    def knock(self, slots: Sequence[int]) -> None:
        """Note that records were read in these slots that are no member's beats."""
        self._mender.knocks.update(slots)

    @property
    def _limit(self) -> int:
        """Return the first slot that no member may sit in."""
        allowed = max(self._room, ROOM_FOR_EACH * len(self._seats), self._seats.top)
        return min(allowed, SLOT_LIMIT)

    async def retire(self, member: Member) -> None:
        """Remove all keys of ``member``; the next update vacates its slot."""
        slot = self._seats.slot_of.get(self._keys.identity(member))
        await self._slots.retire(member, slot)
        if slot is not None:
            self.doubtful.add(slot)

    async def _read_counter(self) -> tuple[int, list[int]]:
        """Return the slot counter, and the free slots that newcomers are being pointed to."""
        values = await self._bulk.values(0, (self._keys.counter, self._keys.free))
        counter = await self._as_counter(values.get(self._keys.counter))
        if counter < self._count and not self._rounds.in_haste:
            log.warning("slot counter lost", shard=self._shard.name, was=self._count, now=counter)
            self._rounds.hasten(self._count)
            self._pages_beyond = max(self._pages_beyond, 1)
        hints = self._slots_in(self._keys.free, values.get(self._keys.free), "hint")
        return counter, [slot for slot in hints[:MOST_HINTS] if slot < counter]

    async def _as_counter(self, value: bytes | None) -> int:
        counter = read_counter(value)
        if value is not None and not counter:  # it would stop every newcomer
            self._quarantine.refuse(
                "counter", self._keys.counter, f"{value[:40]!r} counts no slots"
            )
            if not self._all_read:
                self._pages_beyond = PAGES_BEYOND_NONSENSE
            await self._slots.raise_counter(max(self._count, 1))
        return counter

    def _slots_in(self, key: bytes, value: bytes | None, kind: str) -> list[int]:
        slots = read_slots(value)
        if value is not None and not slots:
            self._quarantine.refuse(kind, key, f"{value[:40]!r} are no slots")
        return slots

    async def _read_new(self) -> bool:
        """Read slots that the counter added; say whether more are left.

        Read beyond the counter when it may have been lost.
        """
        end = min(self._read_to + STRIDE, self._count)
        await self._look(np.arange(self._read_to, end))
        self._read_to = max(self._read_to, end)
        if self._read_to < self._count:
            return True
        while self._pages_beyond:
            size = self._pages_beyond * PAGE
            await self._look(np.arange(self._read_to, self._read_to + size))
            if self._seats.top <= self._read_to:
                self._pages_beyond = 0
            self._read_to = self._count = max(self._count, self._seats.top)
        return False

    async def _set_back(self, counter: int) -> int:
        """Set back a counter that is beyond all measure, and send for the members it misled."""
        self._quarantine.refuse("counter", self._keys.counter, f"{counter} slots are too many")
        await self._look_below(counter)
        self._count = self._read_to = self._seats.top
        await self._slots.lower_counter(counter, self._count)
        return self._count

    async def _look_below(self, counter: int) -> None:
        """Note the slots that are too high: all taken since the counter was set, one by one."""
        for _ in range(MOST_TOO_HIGH // PORTION):
            part = list(range(max(self._limit, counter - PORTION), counter))
            values = await self._bulk.values(0, self._keys.holders(part)) if part else {}
            if not values:
                return
            self._mender.too_high.update(s for s in part if self._keys.holder(s) in values)
            counter -= PORTION

    def _odd(self, most: int) -> Slots:
        """Return slots with odd beats, free ones that newcomers were pointed to, and the next new.

        A counter that was lost before we ever saw it high leaves holders above it.
        """
        next_new = range(self._count, self._count + TAIL)
        odd = islice(self.foreign | self.doubtful, most)
        return np.array([*odd, *self._mender.still_hinted(), *next_new], np.int64)

    async def _look(self, slots: Slots) -> None:
        """Read which members hold ``slots``."""
        allowed = slots[slots < self._limit]
        await in_lanes(self._bulk, portions(allowed.tolist()), self._look_at)

    async def _look_at(self, lane: int, slots: list[int]) -> None:
        keys = self._keys.holders(slots)
        values = await self._bulk.values(lane, keys)
        others = self._welcome(slots, list(map(values.get, keys)))
        unheld = [slot for slot, value in others if not self._observe(slot, value)]
        vacant = [slot for slot in unheld if slot < self._count]
        if vacant:
            await self._look_for_strays(lane, vacant)

    def _welcome(self, slots: Sequence[int], values: Sequence[bytes | None]) -> Told:
        """Seat all members that are new, together; return what else was told."""
        taken, identities, others = seat_newcomers(
            self._seats, self._keys, slots, values, self._signing
        )
        for about in (self.foreign, self.doubtful):
            if about:
                about.difference_update(taken.tolist())
        self._mender.discard(taken)
        for identity in self._sought.keys() & identities.tolist() if self._sought else ():
            del self._sought[identity]
        return others

    def _observe(self, slot: int, value: bytes | None) -> bool:
        """Take in the ``m`` of ``slot``; say whether a member holds it."""
        before = self._seats.said(slot)
        held = before is not None
        if value is not None:
            held = self._read(slot, value, before)
        elif self._is_heard(slot):
            self._mender.knocks.add(slot)  # its agent restores m when it announces again
        if slot in self.foreign and self._seats.said(slot) == before:
            self._mender.knocks.add(
                slot
            )  # a member that sits here by mistake finds out when it announces
        self.foreign.discard(slot)
        self.doubtful.discard(slot)
        return held

    def _read(self, slot: int, value: bytes, before: int | None) -> bool:
        said = hash(value)
        if said == before:
            self._mender.junk.discard(slot)
            return True
        try:
            holder = holder_in(value, self._signing)
        except UnprovenError as error:
            self._quarantine.refuse(error.kind, self._keys.holder(slot), str(error))
            return self._seats.is_held(slot)
        except HolderError as error:
            self._refuse(slot, error)
            return self._seats.is_held(slot)
        self._mender.junk.discard(slot)
        self._quarantine.accept(self._keys.holder(slot))
        if holder is None:
            self._seats.vacate(slot)
        else:
            self._sit(slot, holder, said)
        return holder is not None

    def _is_heard(self, slot: int) -> bool:
        return self._seats.is_held(slot) and self._seats.heard.item(slot)

    def _refuse(self, slot: int, error: HolderError) -> None:
        self._quarantine.refuse("holder", self._keys.holder(slot), str(error))
        self._mender.junk.add(slot)
        if self._is_heard(slot):
            self._mender.knocks.add(slot)  # its agent overwrites it when it announces again

    def _sit(self, slot: int, member: Member, said: int) -> None:
        identity = self._keys.identity(member)
        known = self._seats.slot_of.get(identity)
        if known is not None and known != slot:
            self._mender.twice[identity] = slot, member, said
            return
        driven_out = self._seats.seat(slot, identity, member, said)
        if driven_out is not None:
            self._sought[driven_out] = SEEK_UPDATES
        self._sought.pop(identity, None)
        self._mender.free.discard(slot)

    async def _look_for_strays(self, lane: int, vacant: list[int]) -> None:
        """Knock where a member beats in a slot that none holds; note the others as free."""
        beats = await self._bulk.values(lane, [self._keys.beat(slot) for slot in vacant])
        for slot in vacant:
            if self._keys.beat(slot) in beats:
                self._mender.knocks.add(slot)
            else:
                self._mender.note_free(slot)

    async def _seek(self, suspects: Slots) -> None:
        """Ask where the holders of ``suspects``, and those driven out, say that they sit."""
        taken = suspects[suspects < len(self._seats.taken)]
        held = self._seats.member_id[taken[self._seats.taken[taken]]]
        self._sought = {who: left - 1 for who, left in self._sought.items() if left > 0}
        identities = dict.fromkeys([*held.tolist(), *self._sought])
        await in_lanes(self._bulk, portions(list(identities)), self._ask_index)
        where = np.unique(np.fromiter(self._moved.values(), np.int64))
        self._mender.too_high.update(where[where >= self._limit].tolist())
        await self._look(where)
        # Agents write m before i: where m does not bear i out, i is wrong.
        self._mender.misled.update(self._moved.keys() - self._mender.twice.keys())
        self._moved.clear()

    async def _ask_index(self, lane: int, identities: list[int]) -> None:
        values = await self._bulk.values(lane, [self._keys.index(who) for who in identities])
        for who in identities:
            key = self._keys.index(who)
            slots = self._slots_in(key, values.get(key), "pointer")[:1]
            if not slots:
                self._mender.misled.add(who)
            elif slots[0] != self._seats.slot_of.get(who):
                self._moved[who] = slots[0]
