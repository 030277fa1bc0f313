"""The module mends a shard's keys: a little at each update, so that it is never a load."""

from heapq import nsmallest
from itertools import islice

from musterd.model import Member
from musterd.stores.slots.protocol import Keys, KeyValue, read_slots, write_slots
from musterd.stores.slots.seats import SlotTable
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.slots.slotmap import SlotMap

MEND_PORTION = 200  # writes per update, of each kind: healing must not become a load
HINTS = 128  # free slots that newcomers are pointed to, at least
MOST_HINTS = 6 * 500
HINTS_FOR_EACH = 3  # newcomer since the last update: one that finds no free slot takes a new one
FEW_HINTS = 16
KNOWN_FREE = 4096


class Mender:
    """A `Mender` notes what is wrong while a shard is read, and mends it afterwards."""

    def __init__(self, shard: KeyValue, keys: Keys, seats: SlotMap, ttl: int) -> None:
        self._shard = shard
        self._keys = keys
        self._seats = seats
        self._ttl = ttl
        self.slots = SlotTable(shard, keys, ttl)
        self.knocks: set[int] = set()  # the member that beats here shall announce itself
        self.junk: set[int] = set()  # m is there and names no member
        self.too_high: set[int] = set()  # a member sits where none may
        self.misled: set[int] = set()  # member_ids with an i that is gone or wrong
        self.twice: dict[int, tuple[int, Member, int]] = {}  # member_id -> its second slot
        self.free: set[int] = set()
        self.hinted: dict[int, None] = {}  # slots that newcomers were pointed to

    def note_free(self, slot: int) -> None:
        """Note that no member holds ``slot`` and none beats there."""
        if slot not in self.junk and len(self.free) < KNOWN_FREE:
            self.free.add(slot)

    def discard(self, taken: Slots) -> None:
        """Discard what was noted of these slots, which good members took."""
        for about in (self.junk, self.free):
            if about:
                about.difference_update(taken.tolist())

    def still_hinted(self) -> list[int]:
        """Return the slots that newcomers were pointed to and no member was seen to take."""
        left = [slot for slot in self.hinted if not self._seats.is_held(slot)]
        self.hinted = dict.fromkeys(left[-MOST_HINTS:])
        return list(self.hinted)

    async def resolve_duplicates(self) -> set[int]:
        """Give members that were found in two slots the one that ``i`` says, or the newer one.

        Returns the slots where a member was moved by that.
        """
        moved = set()
        for identity, (slot, member, said) in list(islice(self.twice.items(), MEND_PORTION)):
            chosen = await self._resolve_one(identity, slot, member)
            if chosen == slot:
                self._seats.seat(slot, identity, member, said)
            if chosen is not None:
                moved.add(slot)
            del self.twice[identity]
        return moved

    async def _resolve_one(self, identity: int, slot: int, member: Member) -> int | None:
        """Return where ``member`` sits from now on; None: another was faster, and we come by again."""
        known = self._seats.slot_of.get(identity)
        index = self._keys.index(identity)
        pointer, token = await self._shard.gets(index)
        chosen = next(iter(read_slots(pointer)), None)
        if chosen not in (known, slot):
            chosen = slot
            if not await self.slots.store(index, write_slots(slot), pointer, token):
                return None
        if chosen == known:
            await self.slots.release(slot, member)
        elif known is not None:
            await self.slots.release(known, member)
        return chosen

    async def mend(self, hints: list[int]) -> None:
        """Write what was noted, up to a portion of each kind; ``hints`` is what ``f`` says."""
        for slot in list(islice(self.junk, MEND_PORTION)):
            await self.slots.clear(slot)
            self.junk.discard(slot)
        for slot in list(islice(self.too_high, MEND_PORTION)):
            await self.slots.evict(slot)
            self.too_high.discard(slot)
        for slot in islice(self.knocks, MEND_PORTION):
            await self.slots.knock(slot)
        self.knocks.clear()
        for identity in islice(self.misled, MEND_PORTION):
            await self._mend_index(identity)
        self.misled.clear()
        await self._point_to_free_slots(hints)

    async def _mend_index(self, identity: int) -> None:
        index, slot = self._keys.index(identity), self._seats.slot_of.get(identity)
        if slot is not None:
            pointer, token = await self._shard.gets(index)
            if pointer != write_slots(slot):
                await self.slots.store(index, write_slots(slot), pointer, token)

    async def _point_to_free_slots(self, hints: list[int]) -> None:
        left = [slot for slot in hints if not self._seats.is_held(slot)]
        newcomers = len(hints) - len(left)
        wanted = min(max(HINTS, HINTS_FOR_EACH * newcomers), MOST_HINTS)
        more = nsmallest(wanted - len(left), self.free.difference(left))
        if more and (len(left) < FEW_HINTS or len(left) < wanted - HINTS):
            hints = [*left, *more]
            await self._shard.set(self._keys.free, write_slots(*hints), self._ttl)
        self.hinted |= dict.fromkeys(hints)
