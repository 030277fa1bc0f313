"""The module is a coordinator's way to one shard of a store that knows only keys and values."""

from musterd.beat import Beat, BeatError, pack, unpack
from musterd.errors import StoreError
from musterd.model import Member
from musterd.stores.bounds import Deadline
from musterd.stores.slots.protocol import Keys, KeyValue, whole_ttl
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.slots.bulk import Bulk, in_lanes
from musterd_coordinator.sweep.slots.collector import BeatCollector
from musterd_coordinator.sweep.slots.quarantine import SlotQuarantine
from musterd_coordinator.sweep.slots.roster import ROOM, RosterKeeper
from musterd_coordinator.sweep.slots.slotmap import Block, SlotMap


class SlotReader:
    """A `SlotReader` reads rosters and beats.

    See :class:`musterd_coordinator.sweep.base.ShardReader`.

    ``shard`` is a connection like an agent's, for the canary and for healing; ``bulk`` reads.
    However few members there are, ``room`` slots may be in use.
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
    ) -> None:
        self.name = shard.name
        self._shard = shard
        self._bulk = bulk
        self._timeout = timeout
        self._ttl = whole_ttl(beat_ttl)
        keys = Keys(namespace)
        self._canary = keys.canary(coordinator)
        self._wrote_canary = False
        self._seats = SlotMap(keys)
        self._quarantine = SlotQuarantine(shard.name)
        self._keeper = RosterKeeper(
            shard, bulk, keys, self._seats, self._ttl, self._quarantine, room=room
        )
        self._harvest = BeatCollector(self._seats)

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; return False when the shard had lost the one before."""
        record = pack(beat)
        with Deadline(self.name, self._timeout):
            kept = await self._shard.replace(self._canary, record, self._ttl)
            if not kept:
                await self._shard.set(self._canary, record, self._ttl)
        kept = kept or not self._wrote_canary
        self._wrote_canary = True
        return kept

    async def renew(self) -> None:
        """Use new connections, and let the canary's find room beside all old ones."""
        with Deadline(self.name, self._timeout):
            await self._shard.renew()
        self._bulk.close()

    async def roster(self) -> Roster:
        """Return which members came, changed or went.

        A call that fails keeps what it learnt for the next one.
        """
        with Deadline(self.name, self._timeout):
            more = await self._keeper.update()
        return self._seats.changes(more=more)

    async def sweep(self) -> BeatBatch:
        """Read every beat, then the canary.

        What arrived before a failure is returned as an incomplete sweep; StoreError if nothing
        did.
        """
        harvest = self._harvest
        harvest.begin()
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

    async def aclose(self) -> None:
        """Drop all connections at once."""
        self._shard.close()
        self._bulk.close()

    async def _gather(self, harvest: BeatCollector) -> None:
        async def read(lane: int, block: Block) -> None:
            harvest.take(*await self._bulk.beats(lane, block))

        await in_lanes(self._bulk, self._seats.blocks(), read)

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
        rejected = harvest.rejected + self._quarantine.take()
        spoils = harvest.spoils()
        return BeatBatch(
            *(beats, rejected, canary, not reason, reason),
            spoiled=spoils.slots,
            established=spoils.records,
        )
