"""What tests of the agent share: shards that record what they are told and can be in trouble."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import NamedTuple

import anyio
import msgspec

from musterd.beat import Beat, member_id
from musterd.errors import ShardUnavailable
from musterd.model import Member
from musterd.settings.settings import MemberSettings, Settings
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd_agent.agent import Agent
from musterd_coordinator.sweep.base import ShardReader

NAMESPACE = "musterd"


class Call(NamedTuple):
    """One call that a shard answered, and when."""

    at: float
    name: str
    beat: Beat | None = None


async def no_trouble(_call: str) -> None:
    """Let every call through."""


class Shelf:
    """The least that a shard can be: what it is told, kept until `forget`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[int, Member] = {}
        self.beats: dict[int, Beat] = {}
        self.closed = False

    async def announce(self, member: Member) -> None:
        self.members[member_id(NAMESPACE, member.group, member.name)] = member

    async def beat(self, beat: Beat) -> bool:
        if beat.member_id in self.members:
            self.beats[beat.member_id] = beat
        return beat.member_id in self.members

    async def retire(self, member: Member) -> None:
        raise AssertionError("an agent never retires a member")

    async def renew(self) -> str:
        return ""

    async def aclose(self) -> None:
        self.closed = True

    def forget(self) -> None:
        """Be restarted, and empty."""
        self.members.clear()
        self.beats.clear()


class TroubledShard:
    """A shard that records every call, between an agent and another one that keeps the beats.

    ``trouble`` is awaited before each call, with its name, and may raise or hang.
    """

    def __init__(self, inner: ShardWriter) -> None:
        self.name = inner.name
        self.trouble: Callable[[str], Awaitable[None]] = no_trouble
        self.calls: list[Call] = []
        self.tried: list[float] = []
        self.renewed: list[float] = []
        self.most_under_way = 0
        self._inner = inner
        self._under_way = 0
        self._moved = anyio.Event()

    async def announce(self, member: Member) -> None:
        with self._recorded():
            await self.trouble("announce")
            await self._inner.announce(member)
        self.calls.append(Call(anyio.current_time(), "announce"))

    async def beat(self, beat: Beat) -> bool:
        with self._recorded():
            await self.trouble("beat")
            taken = await self._inner.beat(beat)
        if taken:
            self.calls.append(Call(anyio.current_time(), "beat", beat))
            self._wake()
        return taken

    async def retire(self, member: Member) -> None:
        await self._inner.retire(member)

    async def renew(self) -> str:
        await self.trouble("renew")
        self.renewed.append(anyio.current_time())
        return await self._inner.renew()

    async def aclose(self) -> None:
        await self._inner.aclose()

    @property
    def taken(self) -> list[Beat]:
        """Every beat it took, in order."""
        return [call.beat for call in self.calls if call.beat is not None]

    @property
    def taken_at(self) -> list[float]:
        """When it took them."""
        return [call.at for call in self.calls if call.beat is not None]

    def refuse(self, reason: str) -> None:
        """From now on answer as a server that is gone."""
        self.fail(ShardUnavailable(self.name, reason))

    def fail(self, error: BaseException) -> None:
        """From now on raise this error from every call."""

        async def trouble(_call: str) -> None:
            raise error

        self.trouble = trouble

    def hang(self) -> None:
        """From now on answer nothing."""

        async def trouble(_call: str) -> None:
            await anyio.sleep_forever()

        self.trouble = trouble

    def recover(self) -> None:
        """Be well again."""
        self.trouble = no_trouble

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this shard saw what makes the condition true."""
        while not condition():
            await self._moved.wait()

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        self.tried.append(anyio.current_time())
        self._wake()
        self._under_way += 1
        self.most_under_way = max(self.most_under_way, self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


class RecordingShard(TroubledShard):
    """A troubled shard over a shelf of its own."""

    def __init__(self, name: str = "shard:1") -> None:
        self.shelf = Shelf(name)
        super().__init__(self.shelf)


class Shards:
    """A driver over shards that a test made."""

    def __init__(self, shards: Sequence[ShardWriter]) -> None:
        self._shards = shards

    def writer(self, shard: int) -> ShardWriter:
        return self._shards[shard]

    def reader(self, shard: int, coordinator: str) -> ShardReader:
        raise AssertionError("an agent never reads")


def store_of(*shards: ShardWriter) -> Store:
    """A store of these shards; every member beats to all of them."""
    names = tuple(shard.name for shard in shards)
    return Store("test:", names, len(shards), Guarantees.NONE, Shards(shards))


def settings_of(*names: str, interval: float = 10.0, push_timeout: float | None = None) -> Settings:
    """Settings of an agent with these members."""
    listed = tuple(
        MemberSettings(group="compute", member=name, interval=interval) for name in names
    )
    return msgspec.structs.replace(Settings(push_timeout=push_timeout), listed=listed)


def agent_of(*shards: ShardWriter, settings: Settings, seed: int = 0) -> Agent:
    """An agent on these shards whose retries a seed decides."""
    return Agent(
        store_of(*shards), settings, rng=Random(seed), wall_clock=lambda: 1e9, incarnation=1
    )


@asynccontextmanager
async def running(*agents: Agent) -> AsyncIterator[None]:
    """Let agents run for the length of a block; they say no farewell."""
    async with anyio.create_task_group() as tasks:
        for agent in agents:
            tasks.start_soon(agent.run)
        yield
        tasks.cancel_scope.cancel()
