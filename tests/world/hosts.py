"""The hosts of a world: each runs a production agent, or a production coordinator."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random

import anyio
import msgspec

from musterd.beat import Beat, member_id
from musterd.errors import RegistryError
from musterd.model import Member
from musterd.settings.settings import MemberSettings, Settings
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd.stores.slots.writer import SlotWriter
from musterd_agent.agent import Agent
from musterd_coordinator.http.app import App, make_app
from musterd_coordinator.http.limits import HttpLimits
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.service.recorder import RegistryWriter
from musterd_coordinator.sweep.loop import Sweeper, SweepOutcome
from musterd_coordinator.sweep.slots.reader import SlotReader
from musterd_coordinator.wiring import careful_clock, make_office, make_roll
from tests.world.disk import Disk, DiskRegistry
from tests.world.network import Road, StoreServer, Wire
from tests.world.options import Options

GROUP = "compute"
NAMESPACE = "musterd"
BEGIN = 1.8e9  # Unix seconds, by all wall clocks


def never_asleep() -> float:
    """A host that never sleeps."""
    return 0.0


class HostClock:
    """The wall clock of one host, which may step; it decides nothing."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return BEGIN + anyio.current_time() + self.offset


class TellingWriter:
    """An agent's way to a store; ``took`` is called for each beat that was acknowledged."""

    def __init__(self, inner: ShardWriter, took: Callable[[Beat], None]) -> None:
        self.name = inner.name
        self._inner = inner
        self._took = took

    async def announce(self, member: Member) -> None:
        await self._inner.announce(member)

    async def beat(self, beat: Beat) -> bool:
        taken = await self._inner.beat(beat)
        if taken:
            self._took(beat)
        return taken

    async def retire(self, member: Member) -> None:
        await self._inner.retire(member)

    async def renew(self) -> str:
        return await self._inner.renew()

    async def aclose(self) -> None:
        await self._inner.aclose()


class WorldDriver:
    """The stores as one host reaches them."""

    def __init__(
        self,
        servers: list[StoreServer],
        road: Road,
        options: Options,
        took: Callable[[int, Beat], None] = lambda shard, beat: None,
    ) -> None:
        self.wires = [Wire(server, road) for server in servers]
        self._options = options
        self._took = took

    def writer(self, shard: int) -> ShardWriter:
        writer = SlotWriter(
            self.wires[shard], NAMESPACE, self._options.push_timeout, 10 * self._options.down_time
        )
        return TellingWriter(writer, partial(self._took, shard))

    def store(self) -> Store:
        names = tuple(wire.name for wire in self.wires)
        return Store("world:", names, self._options.replicas, Guarantees.NONE, self)


def settings_of(options: Options, number: int) -> Settings:
    """The settings of the agent, or of the coordinator, of this number."""
    member = MemberSettings(
        group=GROUP, member=f"h{number:03}", interval=options.interval, zone=f"z{number % 2}"
    )
    settings = Settings(
        interval=options.interval,
        service_down_time=options.down_time,
        sweep_period=options.period,
        storm_min=options.storm_min,
        listen=f"127.0.0.1:{8420 + number}",
        namespace=NAMESPACE,
        registry="sqlite:///world.db",
    )
    return msgspec.structs.replace(settings, listed=(member,))


def agent_of(
    options: Options, number: int, driver: WorldDriver, rng: Random, clock: HostClock
) -> Agent:
    """One run of an agent."""
    return Agent(
        driver.store(),
        settings_of(options, number),
        rng=rng,
        wall_clock=clock,
        incarnation=rng.getrandbits(63) | 1,
        slept=never_asleep,
    )


class CoordinatorRun:
    """One run of a coordinator, from a start to its end, put together as the daemon does."""

    def __init__(
        self, options: Options, number: int, driver: WorldDriver, disk: Disk, rng: Random
    ) -> None:
        self.registry = DiskRegistry(disk, f"c{number}")
        self.wall = HostClock()
        self.app: App | None = None
        self._options, self._number = options, number
        self._settings = settings_of(options, number)
        self._driver, self._rng = driver, rng

    async def run(self) -> None:
        """Run until cancelled; a registry that cannot be read ends it."""
        clocks = Clocks(anyio.current_time, self.wall, never_asleep)
        store = self._driver.store()
        await self.registry.open()
        try:
            roll = make_roll(self._settings, store, clocks)
            async for entries in self.registry.load():
                roll.restore(entries)
            clock = careful_clock(await self.registry.newest(), clocks)
            writer = RegistryWriter(roll, self.registry, history=timedelta(days=30), clock=clock)
            sweepers = [self._sweeper(roll, shard) for shard in range(len(store.shard_names))]
            office = make_office(self._settings, store, self.registry, roll, writer, sweepers)
            await self._serve(roll, office, writer, sweepers)
        finally:
            await self.registry.aclose()

    async def _serve(
        self,
        roll: Roll,
        office: CoordinatorService,
        writer: RegistryWriter,
        sweepers: list[Sweeper],
    ) -> None:
        async with anyio.create_task_group() as tasks:
            for index, sweeper in enumerate(sweepers):
                tasks.start_soon(sweeper.run, partial(_take, roll, index))
            tasks.start_soon(writer.run)
            tasks.start_soon(office.watch.run)
            self.app = make_app(office, limits=HttpLimits(clock=anyio.current_time))

    def _sweeper(self, roll: Roll, shard: int) -> Sweeper:
        name, wire = f"c{self._number}", self._driver.wires[shard]
        timeout = self._settings.effective_sweep_timeout
        ttl = 10 * self._options.down_time
        return Sweeper(
            SlotReader(wire, wire, NAMESPACE, name, timeout, ttl),
            member_id(NAMESPACE, "", name),
            period=self._options.period,
            timeout=timeout,
            canary_timeout=partial(roll.view.canary_time, shard),
            down_time=lambda: roll.view.down_time,
            wall=self.wall,
            stopwatch=anyio.current_time,
            rng=self._rng,
        )


async def _take(roll: Roll, index: int, swept: SweepOutcome) -> None:
    for _ in roll.steps(index, swept):
        await anyio.lowlevel.checkpoint()


REFUSED = RegistryError
