"""A table, agents that sign what they write to it, and a coordinator that checks it."""

from musterd.beat import Beat, Status
from musterd.keys import FleetKeys, Keyring
from musterd.model import Member
from musterd.stores.slots.protocol import Keys
from musterd.stores.slots.writer import SlotWriter
from musterd.stores.table.store import TableConnection
from musterd.stores.table.table import Table
from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.reader import SlotReader
from musterd_coordinator.sweep.table import TableBulk

NAMESPACE = "fleet"
FLEET = FleetKeys(b"1" * 32)
NAMES = Keys(NAMESPACE)


class SignedWorld:
    """A table, its agents, and a coordinator; a round is a beat of all and a sweep."""

    def __init__(self, hosts: int = 3, *, required: bool = True) -> None:
        self.hosts = [Member("compute", f"host-{number}", "z1") for number in range(hosts)]
        self.table = Table()
        self.sequence = 0
        self.run = 7
        self.required = required
        self.use(Keyring(NAMESPACE, fleet=FLEET))
        self.begin()

    def use(self, keyring: Keyring | None) -> None:
        """Have each member beat by an agent of its own, with these keys."""
        self.writers = {member.name: self.agent(keyring) for member in self.hosts}

    def agent(self, keyring: Keyring | None) -> SlotWriter:
        return SlotWriter(self._connect(), NAMESPACE, 60.0, 600.0, keyring)

    def begin(self) -> None:
        """Begin with another coordinator."""
        self.signing = Signing(
            *(FLEET, NAMESPACE, "c1"),
            required=self.required,
            down_time=lambda: 60.0,
            members_in=lambda shard, slots: [self.seats.get(slot) for slot in slots],
        )
        self.reader = SlotReader(
            self._connect(),
            TableBulk(self.table),
            NAMESPACE,
            "c1",
            60.0,
            600.0,
            signing=self.signing,
        )
        self.seats: dict[int, Member] = {}
        self.swept = 0

    def _connect(self) -> TableConnection:
        return TableConnection("table", self.table)

    async def sweep(self) -> tuple[set[str], BeatBatch]:
        """Return whose new beats came, and all else."""
        self.swept += 1
        await self.reader.write_canary(Beat(1, 1, self.swept, 1000))
        roster = await self.reader.roster()
        for slot in roster.vacated:
            self.seats.pop(slot, None)
        self.seats |= dict(roster.seated)
        batch = await self.reader.sweep()
        self.seats |= dict(batch.seated)
        news = batch.beats.where(batch.beats.sequence == self.sequence)
        return {self.seats[slot].name for slot in news.slot.tolist()}, batch

    async def beat(self, member: Member, status: Status = Status.OK) -> None:
        beat = Beat(NAMES.identity(member), self.run, self.sequence, 1000, status)
        writer = self.writers[member.name]
        if not await writer.beat(beat):
            await writer.announce(member)
            await writer.beat(beat)

    async def round(self, *silent: Member) -> tuple[set[str], BeatBatch]:
        self.sequence += 1
        for member in self.hosts:
            if member not in silent:
                await self.beat(member)
        return await self.sweep()

    async def settle(self) -> None:
        for _ in range(5):
            heard, _ = await self.round()
        assert heard == {member.name for member in self.hosts}

    @property
    def names(self) -> set[str]:
        return {member.name for member in self.seats.values()}

    def slot_of(self, member: Member) -> int:
        return next(slot for slot, who in self.seats.items() if who.name == member.name)

    def value(self, key: bytes) -> bytes:
        item = self.table.get((key,))[0]
        assert item is not None
        return item.value
