"""The module takes, finds and gives back slots (see :mod:`musterd.stores.slots.protocol`)."""

import random
from collections.abc import Callable

from musterd.errors import ShardCorrupt
from musterd.model import Member
from musterd.stores.slots.protocol import (
    RETIRED,
    SLOT_LIMIT,
    HolderError,
    Keys,
    KeyValue,
    read_counter,
    read_holder,
    read_slots,
    write_holder,
    write_slots,
)

_HINTS_TRIED = 6


class SlotTable:
    """A ``SlotTable`` takes, finds and gives back slots on one shard.

    Every call may be cancelled and repeated.
    """

    def __init__(
        self,
        shard: KeyValue,
        keys: Keys,
        ttl: int,
        announcement: Callable[[Member], bytes] = write_holder,
    ) -> None:
        self._shard = shard
        self._keys = keys
        self._ttl = ttl
        self._announcement = announcement  # the value of `m`
        self._remembered: dict[int, int] = {}  # by member_id; noted before a slot is asked for

    async def seat(self, member: Member) -> int:
        """Return the slot of ``member``, taken now if it had none.

        All its keys but the beat are right then. Agents that announce one member at once end
        in one slot: that of the first to write ``i``.
        """
        identity = self._keys.identity(member)
        count = read_counter((await self._shard.gets(self._keys.counter))[0])
        taken, slot = await self._find_or_claim(identity, member, count)
        if taken is not None and taken != slot:
            await self.release(taken, member)
        if taken is None and slot >= count:
            await self.raise_counter(slot + 1)
        self._remembered[identity] = slot
        return slot

    async def retire(self, member: Member, known: int | None = None) -> None:
        """Give up the slot of ``member``, and ``known`` if it sat there; remove all its keys."""
        identity = self._keys.identity(member)
        index = self._keys.index(identity)
        pointer, _ = await self._shard.gets(index)
        slots = {*read_slots(pointer), known, self._remembered.get(identity)}
        for slot in slots - {None}:
            if slot is not None and await self._bury(slot, member):
                await self.knock(slot)
        await self._shard.delete(index)  # last: while it is there, a repeated call finds the rest
        self._remembered.pop(identity, None)

    async def is_held(self, slot: int, member: Member) -> bool:
        """Say whether ``m`` gives the slot to the member, with whatever facts.

        Two agents with one name may tell different facts of it; if each insisted on its own, they
        would change for ever.
        """
        value, _ = await self._shard.gets(self._keys.holder(slot))
        try:
            holder = read_holder(value) if value is not None else None
        except HolderError:
            return False
        return holder is not None and same_name(holder, member)

    async def is_counted(self, slot: int) -> bool:
        """Say whether the slot is below the counter, so that coordinators find it."""
        return slot < read_counter((await self._shard.gets(self._keys.counter))[0])

    async def release(self, slot: int, member: Member) -> None:
        """Free a slot in which ``member`` sits by mistake, having another one."""
        value, _ = await self._shard.gets(self._keys.holder(slot))
        if value is not None and _names(value, member):
            await self._shard.delete(self._keys.holder(slot))
            await self.knock(slot)

    async def knock(self, slot: int) -> None:
        """Delete the beat in a slot, so that the agent that beats there announces its member again."""
        await self._shard.delete(self._keys.beat(slot))

    async def clear(self, slot: int) -> None:
        """Remove an ``m`` that names no member. Its holder, if there is one, writes it anew."""
        key = self._keys.holder(slot)
        value, _ = await self._shard.gets(key)
        if value is not None and _is_junk(value):
            await self._shard.delete(key)

    async def evict(self, slot: int) -> None:
        """Have the agent that beats in ``slot`` take another.

        It would come back to one without an ``m``.
        """
        await self._shard.set(self._keys.holder(slot), RETIRED, self._ttl)
        await self.knock(slot)

    async def lower_counter(self, seen: int, count: int) -> None:
        """Set the slot counter to ``count`` if it still is what was ``seen``."""
        value, token = await self._shard.gets(self._keys.counter)
        if read_counter(value) == seen:
            await self.store(self._keys.counter, b"%d" % count, value, token)

    async def raise_counter(self, least: int) -> None:
        """Raise the slot counter to ``least``, unless it is that or more."""
        while True:
            value, token = await self._shard.gets(self._keys.counter)
            if read_counter(value) >= least:
                return
            if await self.store(self._keys.counter, b"%d" % least, value, token):
                return

    async def store(
        self, key: bytes, value: bytes, old: bytes | None, token: int, ttl: int = 0
    ) -> bool:
        """Store the value if the key is still as it was when ``gets`` said ``old`` and ``token``."""
        if old is None:
            return await self._shard.add(key, value, ttl)
        return await self._shard.cas(key, value, token, ttl)

    async def _find_or_claim(
        self, identity: int, member: Member, count: int
    ) -> tuple[int | None, int]:
        """Return the slot that was taken on the way, if any, and the one that ``i`` says in the end."""
        index = self._keys.index(identity)
        taken = None
        while True:
            pointer, token = await self._shard.gets(index)
            for slot in read_slots(pointer)[:1]:
                # A pointer beyond the counter is believed only if the slot itself bears it out:
                # nonsense in one key must not make every coordinator sweep millions of slots.
                if await self.hold(slot, member, if_vacant=slot < count):
                    return taken, slot
            taken = await self._claim(identity, member, count)
            if await self.store(index, write_slots(taken), pointer, token):
                return taken, taken

    async def hold(self, slot: int, member: Member, *, if_vacant: bool = True) -> bool:
        """Make ``m`` say that ``member`` holds ``slot``, unless another does or it was retired."""
        key, holder = self._keys.holder(slot), self._announcement(member)
        while True:
            value, token = await self._shard.gets(key)
            if value == holder:
                return True
            if not (if_vacant if value is None else _names(value, member)):
                return False
            if await self.store(key, holder, value, token):
                return True

    async def _claim(self, identity: int, member: Member, count: int) -> int:
        """Return a slot that ``member`` holds from now on: its last one, a free one, or a new one."""
        remembered = self._remembered.get(identity)
        if remembered is not None and await self.hold(remembered, member):
            await self.raise_counter(remembered + 1)
            return remembered
        hints = (await self._shard.gets(self._keys.free))[0] or b""
        places = range(0, len(hints), 8)
        some = random.sample(places, min(_HINTS_TRIED, len(places)))
        for slot in read_slots(b"".join(hints[at : at + 8] for at in some)):
            if slot >= count:
                continue
            self._remembered[identity] = slot
            if await self._reuse(slot, member):
                return slot
        return await self._take_new(identity, member)

    async def _reuse(self, slot: int, member: Member) -> bool:
        key = self._keys.holder(slot)
        value, token = await self._shard.gets(key)
        if value is not None and value != RETIRED:
            return False
        return await self.store(key, self._announcement(member), value, token)

    async def _take_new(self, identity: int, member: Member) -> int:
        """Take a slot from the counter.

        If the counter was lost while slots live, what it gives is taken: growing steps overtake
        them in O(log N) calls.
        """
        step = 1
        while True:
            slot = await self._advance(step) - 1
            self._remembered[identity] = slot
            if await self._shard.add(self._keys.holder(slot), self._announcement(member)):
                return slot
            step *= 2

    async def _advance(self, step: int) -> int:
        """Return the counter after raising it by ``step``; make it where it is absent."""
        key = self._keys.counter
        while True:
            count = await self._shard.incr(key, step)
            if count is None and await self._shard.add(key, b"%d" % step):
                return step
            if count is None:
                continue
            if count > SLOT_LIMIT:
                text = (
                    f"slot counter {key.decode()} is {count}, above {SLOT_LIMIT}: delete that key"
                )
                raise ShardCorrupt(self._shard.name, text)
            return count

    async def _bury(self, slot: int, member: Member) -> bool:
        """Mark the slot as retired, unless another member holds it."""
        key = self._keys.holder(slot)
        while True:
            value, token = await self._shard.gets(key)
            if value == RETIRED:
                return True
            if value is not None and not _names(value, member):
                return False
            if await self.store(key, RETIRED, value, token, self._ttl):
                return True


def _is_junk(value: bytes) -> bool:
    try:
        read_holder(value)
    except HolderError:
        return True
    return False


def _names(value: bytes, member: Member) -> bool:
    """Say whether ``m`` names ``member``, or is nonsense that its owner should overwrite."""
    try:
        holder = read_holder(value)
    except HolderError:
        return True
    return holder is not None and same_name(holder, member)


def same_name(one: Member, other: Member) -> bool:
    """Say whether both are one member, with whatever facts."""
    return (one.group, one.name) == (other.group, other.name)
