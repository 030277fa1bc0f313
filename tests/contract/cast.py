"""Who acts in the contract tests: agents that beat, and coordinators that look."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from musterd.beat import Beat, member_id, new_incarnation
from musterd.errors import StoreError
from musterd.model import Member
from musterd.stores import Store
from musterd_coordinator.sweep.base import BeatBatch, open_reader
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.signed.signing import Signing
from tests.contract.labs import COORDINATOR, NAMESPACE


def host(number: int, zone: str = "") -> Member:
    """A member."""
    return Member("compute", f"host-{number:04}", zone)


def hosts(number: int) -> list[Member]:
    """Many members."""
    return [host(at) for at in range(number)]


class Agent:
    """Beats for some members to all shards that each belongs on, as an agent does."""

    def __init__(self, store: Store, members: Iterable[Member], namespace: str = NAMESPACE) -> None:
        self.store = store
        self.namespace = namespace
        self.members = list(members)
        self.incarnation = new_incarnation()
        self.sequence = 0
        self.announcements = 0
        self.writers = [store.writer(shard) for shard in range(len(store.shard_names))]

    def identity(self, member: Member) -> int:
        """Its member_id."""
        return member_id(self.namespace, member.group, member.name)

    def beat_of(self, member: Member) -> Beat:
        """Its present beat."""
        return Beat(self.identity(member), self.incarnation, self.sequence, interval_ms=1000)

    async def tick(self) -> None:
        """One beat of every member on every one of its shards. Raises the first StoreError."""
        self.sequence += 1
        errors: list[StoreError] = []

        async def push(shard: int) -> None:
            try:
                for member in self.members:
                    if shard in self.store.place(self.identity(member)):
                        await self.push(shard, member)
            except StoreError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for shard in range(len(self.writers)):
                group.start_soon(push, shard)
        if errors:
            raise errors[0]

    async def push(self, shard: int, member: Member) -> None:
        """One beat to one shard, after an announcement where it asks for one."""
        writer, beat = self.writers[shard], self.beat_of(member)
        if not await writer.beat(beat):
            self.announcements += 1
            await writer.announce(member)
            if not await writer.beat(beat):
                raise StoreError(writer.name, "lost the member between announcement and beat")

    async def announce(self) -> None:
        """Announce every member on every one of its shards."""
        for member in self.members:
            for shard in self.store.place(self.identity(member)):
                await self.writers[shard].announce(member)

    async def retire(self, member: Member) -> None:
        """Retire a member everywhere."""
        self.members.remove(member)
        for shard in self.store.place(self.identity(member)):
            await self.writers[shard].retire(member)

    async def aclose(self) -> None:
        """Drop the connections."""
        for writer in self.writers:
            await writer.aclose()


@dataclass
class Look:
    """What a coordinator saw in one round: beats by member name, the newest of all shards."""

    beats: dict[str, tuple[int, int]] = field(default_factory=dict)  # incarnation, sequence
    seated: list[tuple[int, Member]] = field(default_factory=list)
    vacated: list[int] = field(default_factory=list)
    kept: bool = True
    complete: bool = True
    proven: bool = True
    contested: set[str] = field(default_factory=set)
    rejected: Rejected = field(default_factory=Rejected)

    @property
    def sequences(self) -> dict[str, int]:
        """Sequence by name."""
        return {name: sequence for name, (_, sequence) in self.beats.items()}


Stored = dict[int, tuple[int, int, int]]
"""Member, incarnation and sequence by slot."""


class Coordinator:
    """Writes its canary, reads the roster and sweeps, on all shards."""

    def __init__(
        self,
        store: Store,
        name: str = COORDINATOR,
        namespace: str = NAMESPACE,
        signing: Signing | None = None,
    ) -> None:
        shards = range(len(store.shard_names))
        self.readers = [open_reader(store, shard, name, signing) for shard in shards]
        self.seats: list[dict[int, Member]] = [{} for _ in self.readers]
        self._stored: list[Stored] = [{} for _ in self.readers]
        self._namespace = namespace
        self._canary_id = member_id(namespace, "canary", name)
        self._incarnation = new_incarnation()
        self._sequence = 0

    @property
    def names(self) -> set[str]:
        """Who sits somewhere."""
        return {member.name for seats in self.seats for member in seats.values()}

    @property
    def slots(self) -> set[int]:
        """The slots that are held."""
        return {slot for seats in self.seats for slot in seats}

    def member(self, name: str) -> Member:
        """The facts last announced; all shards agree."""
        [found] = {
            (m.group, m.name, m.zone, m.owner, tuple(m.metadata.items()))
            for seats in self.seats
            for m in seats.values()
            if m.name == name
        }
        return Member(*found[:4], dict(found[4]))

    async def look(self) -> Look:
        """One round on all shards. Raises StoreError."""
        self._sequence += 1
        look = Look()
        for shard in range(len(self.readers)):
            await self._look_at(shard, look)
        return look

    def canary(self) -> Beat:
        """The present canary."""
        return Beat(self._canary_id, self._incarnation, self._sequence, interval_ms=1000)

    async def aclose(self) -> None:
        """Drop the connections."""
        for reader in self.readers:
            await reader.aclose()

    async def _look_at(self, shard: int, look: Look) -> None:
        reader, seats = self.readers[shard], self.seats[shard]
        look.kept &= await reader.write_canary(self.canary())
        roster = await reader.roster()
        assert not set(roster.vacated) & {slot for slot, _ in roster.seated}
        for slot in roster.vacated:
            seats.pop(slot, None)
        for slot, member in roster.seated:
            for other in [at for at, who in seats.items() if who.name == member.name]:
                del seats[other]
            seats[slot] = member
        look.seated += roster.seated
        look.vacated += roster.vacated
        sweep = await reader.sweep()
        seats |= dict(sweep.seated)
        look.seated += sweep.seated
        look.complete &= sweep.complete
        look.proven &= sweep.complete and sweep.canary == self.canary() and not sweep.unproven
        look.contested |= {seats[slot].name for slot in sweep.contested}
        look.rejected += sweep.rejected
        for slot, (identity, incarnation, sequence) in self.standing(shard, sweep).items():
            member = seats[slot]
            assert identity == member_id(self._namespace, member.group, member.name)
            old = look.beats.get(member.name, (0, 0))
            look.beats[member.name] = max(old, (incarnation, sequence), key=lambda pair: pair[1])

    def standing(self, shard: int, sweep: BeatBatch) -> Stored:
        """All beats that stand in the shard: those swept, and those that are said to be unchanged."""
        slots, *columns = (column.tolist() for column in sweep.beats[:4])
        assert len(set(slots)) == len(slots)
        swept = dict(zip(slots, zip(*columns, strict=True), strict=True))
        seats, before = self.seats[shard], self._stored[shard] if sweep.unchanged else {}
        kept = {
            slot: beat for slot, beat in before.items() if self._is_whose(seats.get(slot), beat)
        }
        self._stored[shard] = kept | swept
        assert len(self._stored[shard]) == sweep.present
        return self._stored[shard]

    def _is_whose(self, member: Member | None, beat: tuple[int, int, int]) -> bool:
        return member is not None and beat[0] == member_id(
            self._namespace, member.group, member.name
        )


@asynccontextmanager
async def closing_all(*actors: Agent | Coordinator) -> AsyncIterator[None]:
    """Close the actors in the end, whatever happens."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            for actor in actors:
                await actor.aclose()


async def settle(agent: Agent) -> None:
    """A tick that may fail, because the old connection may be found dead only now."""
    try:
        await agent.tick()
    except StoreError:
        await agent.tick()


async def run(agents: Sequence[Agent], coordinator: Coordinator, rounds: int) -> Look:
    """Let all of them do ``rounds`` rounds; the last look."""
    look = Look()
    for _ in range(rounds):
        for agent in agents:
            await agent.tick()
        look = await coordinator.look()
    return look
