"""The module is a coordinator's way to one shard of a store that knows only keys and values."""

import anyio

from musterd.beat import Beat, BeatError, pack, unpack
from musterd.errors import StoreError
from musterd.model import Member
from musterd.stores.bounds import Deadline
from musterd.stores.slots.protocol import Keys, KeyValue, whole_ttl
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import WORDS
from musterd_coordinator.sweep.signed.intake import RosterIntake
from musterd_coordinator.sweep.signed.macs import RECORD_WORDS
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.bulk import Bulk, in_lanes
from musterd_coordinator.sweep.slots.challenge import KeyedChallenge
from musterd_coordinator.sweep.slots.collector import BeatCollector
from musterd_coordinator.sweep.slots.quarantine import SlotQuarantine
from musterd_coordinator.sweep.slots.roster import ROOM, RosterKeeper
from musterd_coordinator.sweep.slots.sealed import SealedCollector
from musterd_coordinator.sweep.slots.slotmap import Block, SlotMap
from musterd_coordinator.sweep.turns import in_steps


class SlotReader:
    """A `SlotReader` reads rosters and beats.

    See :class:`musterd_coordinator.sweep.base.ShardReader`.

    ``shard`` is a connection like an agent's, for the canary and for healing; ``bulk`` reads.
    However few members there are, ``room`` slots may be in use. With ``signing`` it believes what is
    signed.
    """

    def __init__(
        self,
        shard: KeyValue,
        bulk: Bulk,
        namespace: str,
        coordinator: str,
        timeout: float,
        beat_ttl: float,
        *,
        room: int = ROOM,
        signing: Signing | None = None,
    ) -> None:
        self.name = shard.name
        self._shard = shard
        self._bulk = bulk
        self._timeout = timeout
        self._ttl = whole_ttl(beat_ttl)
        keys = Keys(namespace)
        self._canary = keys.canary(coordinator)
        self._wrote_canary = False
        self._seats = SlotMap(keys, RECORD_WORDS if signing else WORDS)
        self._quarantine = SlotQuarantine(shard.name)
        self._keeper = RosterKeeper(
            *(shard, bulk, keys, self._seats, self._ttl, self._quarantine),
            room=room,
            signing=signing,
        )
        self._seals = SlotSeals(signing, signing.challenge(), self.name) if signing else None
        self._intake = RosterIntake(self._seals)
        self._challenge = KeyedChallenge(shard, keys)
        self._harvest = self._collector()

    def _collector(self) -> BeatCollector:
        if self._seals is None:
            return BeatCollector(self._seats)
        return SealedCollector(self._seats, self._seals)

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; return False when the shard had lost the one before."""
        record = pack(beat)
        with Deadline(self.name, self._timeout):
            kept = await self._shard.replace(self._canary, record, self._ttl)
            if not kept:
                await self._shard.set(self._canary, record, self._ttl)
            if self._seals is not None:
                now = anyio.current_time()
                await self._seals.keep_challenge(self._challenge, now)
        kept = kept or not self._wrote_canary
        self._wrote_canary = True
        return kept

    async def renew(self) -> None:
        """Use new connections, and let the canary's find room beside all old ones."""
        with Deadline(self.name, self._timeout):
            await self._shard.renew()
        self._bulk.drop()

    async def roster(self) -> Roster:
        """Return which members came, changed or went.

        A call that fails keeps what it learnt for the next one.
        """
        return await self._intake.roster(self._read_roster)

    async def _read_roster(self) -> Roster:
        with Deadline(self.name, self._timeout):
            more = await self._keeper.update()
        return self._seats.changes(more=more)

    async def sweep(self) -> BeatBatch:
        """Read every beat, then the canary.

        What arrived before a failure is returned as an incomplete sweep; StoreError if nothing
        did.
        """
        harvest = self._harvest
        harvest.reset()
        try:
            with Deadline(self.name, self._timeout):
                await self._gather(harvest)
                canary = await self._read_canary()
        except StoreError as error:
            if not harvest.size:
                raise
            return self._swept(harvest, None, error.reason)
        swept = self._swept(harvest, canary, "")
        harvest.finish()
        return swept

    async def retire(self, member: Member) -> None:
        """Remove all keys of a forgotten member."""
        with Deadline(self.name, self._timeout):
            await self._keeper.retire(member)
        if self._seals is not None:
            self._seals.retire(member)

    async def aclose(self) -> None:
        """Drop all connections at once."""
        self._shard.close()
        self._bulk.close()

    async def _gather(self, harvest: BeatCollector) -> None:
        async def read(lane: int, block: Block) -> None:
            harvest.collect(*await self._bulk.beats(lane, block))

        async def check(lane: int, block: Block) -> None:
            assert isinstance(harvest, SealedCollector)
            found = await self._bulk.beats(lane, block)
            await in_steps(harvest.check(*found, anyio.current_time()))

        staying = None if self._seals is None else self._seals.staying()
        job = read if self._seals is None else check
        await in_lanes(self._bulk, self._seats.blocks(staying), job)

    async def _read_canary(self) -> Beat | None:
        """Return the canary as the connections of the sweep see it."""
        values = await self._bulk.values(0, (self._canary,))
        record = values.get(self._canary)
        try:
            return unpack(record) if record is not None else None
        except BeatError as error:
            self._quarantine.refuse("canary", self._canary, str(error))
            return None

    def _swept(self, harvest: BeatCollector, canary: Beat | None, reason: str) -> BeatBatch:
        beats = harvest.beats()
        self._keeper.foreign.update(harvest.foreign)
        self._keeper.doubtful.update(harvest.restarted)
        self._keeper.knock(harvest.spoiled)
        for key in self._bulk.oversized:
            self._quarantine.refuse("oversized", key, "larger than any value of ours: removed")
        self._bulk.oversized.clear()
        rejected = harvest.rejected + self._quarantine.drain()
        spoils = harvest.spoils()
        batch = BeatBatch(
            *(beats, rejected, canary, not reason, reason),
            spoiled=spoils.slots,
            established=spoils.records,
        )
        return batch if self._seals is None else self._signed(batch, self._seals)

    def _signed(self, batch: BeatBatch, seals: SlotSeals) -> BeatBatch:
        self._keeper.doubtful.update(seals.doubtful)
        self._keeper.knock(seals.lost)
        return seals.with_signatures(batch)
