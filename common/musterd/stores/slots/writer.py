"""The module is the agent's side of the slot protocol (see :mod:`musterd.stores.slots.protocol`)."""

from dataclasses import dataclass, field

from musterd.beat import Beat, pack
from musterd.keys import Keyring, Seal
from musterd.model import Member
from musterd.stores.bounds import Deadline, Pool, acquire_in_time
from musterd.stores.signing import RewritePace, SeenChallenge
from musterd.stores.slots.protocol import (
    HolderError,
    Keys,
    KeyValue,
    read_announcement,
    whole_ttl,
    write_holder,
)
from musterd.stores.slots.seats import SlotTable, same_name

ASSURE_EVERY = 3
"""Beats from one look at who holds the slot to the next.

Two that beat in one slot, after the loss of some keys, overwrite each other. A coordinator that
sees only one of them cannot help the other, so each makes sure of its own seat, before a silence
of that length could count.
"""

COUNT_EVERY = 10 * ASSURE_EVERY
"""Beats from one look at the slot counter to the next: no coordinator looks for anybody above it."""


NEWCOMERS = 8
"""Members of one process that are announced at a time: each takes several calls. Were all under way
at once, where they are too many for the time of a push none of them would be done."""


@dataclass(slots=True)
class _Seat:
    slot: int
    member: Member
    seal: Seal | None
    holder: bytes  # what `m` has to be, where there is a seal
    beats: int = 0
    patience: RewritePace = field(default_factory=RewritePace)


class SlotWriter:
    """A ``SlotWriter`` is an agent's way to one shard (:class:`musterd.stores.base.ShardWriter`)."""

    def __init__(
        self,
        shard: KeyValue,
        namespace: str,
        timeout: float,
        beat_ttl: float,
        keyring: Keyring | None = None,
    ) -> None:
        self.name = shard.name
        self._shard = shard
        self._keys = Keys(namespace)
        self._timeout = timeout
        self._ttl = whole_ttl(beat_ttl)
        self._keyring = keyring
        self._version = keyring.version if keyring else 0
        self._seals: dict[int, Seal] = {}
        self._challenge = SeenChallenge()
        self._slots = SlotTable(shard, self._keys, self._ttl, self._announcement)
        self._seats: dict[int, _Seat] = {}
        self._doors = Pool([None] * NEWCOMERS)

    async def announce(self, member: Member) -> None:
        """Take or find a slot, and restore whatever of the member's keys was lost."""
        self._follow_keys()
        with Deadline(self.name, self._timeout):
            await acquire_in_time(self._doors)
            try:
                slot = await self._slots.seat(member)
                seal = self._seal_of(member)
                if seal is not None:
                    self._challenge.saw((await self._shard.gets(self._keys.challenge))[0])
            finally:
                self._doors.release(None)
        self._seats[self._keys.identity(member)] = _Seat(
            slot, member, seal, self._announcement(member)
        )

    async def beat(self, beat: Beat) -> bool:
        """Overwrite the beat; return False when the shard lost it, or the member has no slot."""
        self._follow_keys()
        seat = self._seats.get(beat.member_id)
        if seat is None:
            return False
        with Deadline(self.name, self._timeout):
            if await self._write(seat, self._record(seat, beat)):
                return True
        self._seats.pop(beat.member_id, None)
        return False

    async def _write(self, seat: _Seat, record: bytes) -> bool:
        """Store the beat; return False if it was not stored, or the seat is found to be lost."""
        key = self._keys.beat(seat.slot)
        if not seat.beats:
            await self._shard.set(key, record, self._ttl)
        elif not await self._shard.replace(key, record, self._ttl):
            return False
        seat.beats += 1
        if seat.beats % ASSURE_EVERY:
            return True
        held = await self._is_held(seat)
        return held and (bool(seat.beats % COUNT_EVERY) or await self._slots.is_counted(seat.slot))

    def _record(self, seat: _Seat, beat: Beat) -> bytes:
        return seat.seal.record(beat, self._challenge.digest) if seat.seal else pack(beat)

    async def _is_held(self, seat: _Seat) -> bool:
        """Say whether ``m`` gives the slot to the member; see to what a signed one says there."""
        if seat.seal is None:
            return await self._slots.is_held(seat.slot, seat.member)
        keys = self._keys.holder(seat.slot), self._keys.challenge
        holder, challenge = await self._shard.get_many(*keys)
        self._challenge.saw(challenge)
        if holder == seat.holder:
            return True
        return holder is not None and await self._insist(seat, seat.seal, holder)

    async def _insist(self, seat: _Seat, seal: Seal, holder: bytes) -> bool:
        """Write the announcement again if somebody without the key changed it.

        Returns False where another member has the slot. An agent of the same name and key may tell
        other facts: then they stay, as they do where nobody signs.
        """
        try:
            said = read_announcement(holder)
        except HolderError:
            return False
        if said is None or not same_name(said[0], seat.member):
            return False
        if seal.fits(*said) or not seat.patience.is_over():
            return True
        seat.patience.wrote()
        return await self._slots.hold(seat.slot, seat.member)

    def _follow_keys(self) -> None:
        """Have every member announced anew, with its next beat, where the keys are others now."""
        if self._keyring is not None and self._keyring.version != self._version:
            self._version = self._keyring.version
            self._seals.clear()
            self._seats.clear()

    def _seal_of(self, member: Member) -> Seal | None:
        if self._keyring is None:
            return None
        identity = self._keys.identity(member)
        known = self._seals.get(identity)
        if known is not None and known.member == member:
            return known
        seal = self._keyring.seal(member)
        if seal is not None:
            self._seals[identity] = seal
        return seal

    def _announcement(self, member: Member) -> bytes:
        seal = self._seal_of(member)
        return write_holder(member, seal.mac if seal else b"")

    async def retire(self, member: Member) -> None:
        """Give up the member's slot and remove its keys."""
        identity = self._keys.identity(member)
        self._seats.pop(identity, None)
        self._seals.pop(identity, None)
        with Deadline(self.name, self._timeout):
            await self._slots.retire(member)

    async def renew(self) -> str:
        """Use a new connection; return its address if that is another one."""
        with Deadline(self.name, self._timeout):
            address = await self._shard.renew()
        return address  # noqa: RET504 (a Deadline might end the block early, for all mypy knows)

    async def aclose(self) -> None:
        """Drop the connection at once."""
        self._shard.close()
