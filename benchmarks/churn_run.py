"""The module runs waves of short-lived members and a coordinator: see :mod:`benchmarks.churn`."""

import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio

from benchmarks.processes import resident_bytes
from benchmarks.stores import Server
from musterd.beat import Beat, Status
from musterd.model import Member
from musterd.settings.sources import Settings
from musterd.stores import ShardWriter, Store, open_store
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.registry.base import Registry, open_registry
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.expiry import LeftReaper
from musterd_coordinator.service.recorder import RegistryWriter
from musterd_coordinator.sweep.loop import Sweeper
from musterd_coordinator.wiring import careful_clock, make_office, make_roll, make_sweepers

LIVES = 3
"""Turns from a member's first beat to its last."""

_AT_ONCE = 64  # agents that wait for the store
_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A `Turn` is what one turn cost the coordinator, in CPU seconds, and what there is after it.

    ``sweep`` is to read and judge, ``record`` to write to the registry, ``forget`` to forget the
    members that left. ``rows`` and ``slots`` are what was ever used at once in the coordinator's
    tables and in the store.
    """

    sweep: float
    record: float
    forget: float
    members: int
    rows: int
    zones: int
    slots: int
    saved: int
    items: int
    joining: float  # requests to the store for each member that joined, and that was forgotten
    leaving: float
    resident: float


class Churn:
    """A `Churn` is one coordinator, without its timers, and all agents."""

    def __init__(
        self, server: Server, store: Store, registry: Registry, settings: Settings
    ) -> None:
        self._server = server
        self._keys = Keys(settings.namespace)
        self._registry = registry
        self._store = store
        clocks = Clocks(anyio.current_time, time.time)
        self._roll = make_roll(settings, store, clocks)
        sweepers = make_sweepers(settings, store, self._roll)
        self._sweeper: Sweeper = sweepers[0]
        history = timedelta(seconds=settings.history_days)
        clock = careful_clock(None, clocks)
        self._recorder = RegistryWriter(self._roll, registry, history=history, clock=clock)
        office = make_office(settings, store, registry, self._roll, self._recorder, sweepers)
        self._farewell = LeftReaper(self._roll.view, office, 0.0, clock)
        self._living: deque[tuple[ShardWriter, list[Member]]] = deque()
        self._turns = 0

    async def turn(self, joining: int) -> Turn:
        """Let ``joining`` new members join, all members beat, and the coordinator come by once."""
        wave = [self._newcomer(number) for number in range(joining)]
        writer = self._store.writer(0)
        self._living.append((writer, wave))
        self._turns += 1
        before = requests(self._server)
        await self._each(wave, writer.announce)
        joined = requests(self._server)
        for age, (writer, members) in enumerate(reversed(self._living)):
            await self._each(members, self._beat(writer, age))
        if len(self._living) > LIVES:
            writer, _ = self._living.popleft()
            await writer.aclose()
        sweep = await _cpu(self._sweep)
        record = await _cpu(partial(self._recorder.flush, patience=0.0))
        leaving, known = requests(self._server), len(self._roll.view)
        forget = await _cpu(self._farewell.once)
        left = max(1, known - len(self._roll.view))
        return Turn(
            *(sweep, record, forget),
            *(len(self._roll.view), self._roll.detector.members.size),
            len(self._roll.directory.zones),
            int(ask(self._server, b"get " + self._keys.counter)[1]),
            sum([len(portion) async for portion in self._registry.load()]),
            int(statistics(self._server)["curr_items"]),
            (joined - before) / joining,
            (requests(self._server) - leaving) / left,
            resident_bytes(os.getpid()) / 1e6,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for writer, _ in self._living:
            await writer.aclose()
        await self._sweeper.reader.aclose()

    def _newcomer(self, number: int) -> Member:
        name = f"job-{self._turns:06d}-{number:05d}"
        return Member("jobs", name, f"z{self._turns}", metadata={"wave": str(self._turns)})

    def _beat(self, writer: ShardWriter, age: int) -> Callable[[Member], Awaitable[object]]:
        status = Status.LEAVING if age == LIVES else Status.OK

        async def beat(member: Member) -> None:
            identity = self._keys.identity(member)
            record = Beat(identity, identity | 1, age + 1, 1000, status)
            if not await writer.beat(record):
                raise RuntimeError(f"the store lost {member} while nothing was wrong")

        return beat

    async def _sweep(self) -> None:
        swept = await self._sweeper.once()
        if swept.sweep is None or not swept.sweep.complete:
            raise RuntimeError(f"sweep failed: {swept.reason}")
        self._roll.apply(0, swept)

    async def _each(
        self, members: list[Member], work: Callable[[Member], Awaitable[object]]
    ) -> None:
        left = iter(members)

        async def some() -> None:
            for member in left:
                await work(member)

        async with anyio.create_task_group() as tasks:
            for _ in range(_AT_ONCE):
                tasks.start_soon(some)


@asynccontextmanager
async def churning(server: Server, directory: Path) -> AsyncIterator[Churn]:
    """Yield a fleet and its coordinator over a memcached, with a registry in ``directory``."""
    registry_url = f"sqlite:///{directory}/registry.db"
    # A third of this fleet says goodbye within each down time, and means it.
    settings = Settings(store=server.url, registry=registry_url, history_days=1, storm_min=0)
    store = open_store(
        server.url, namespace=settings.namespace, timeout=_LIMIT, beat_ttl=settings.beat_ttl
    )
    registry = open_registry(registry_url, namespace=settings.namespace, timeout=_LIMIT)
    await registry.open()
    churn = Churn(server, store, registry, settings)
    try:
        yield churn
    finally:
        await churn.aclose()
        await registry.aclose()


async def _cpu(work: Callable[[], Awaitable[object]]) -> float:
    before = time.process_time()
    await work()
    return time.process_time() - before


def requests(server: Server) -> int:
    """Return how many keys a memcached was asked for or told to change since it began."""
    told = statistics(server)
    names = ("cmd_get", "cmd_set", "delete_hits", "delete_misses", "incr_hits", "incr_misses")
    return sum(int(told[name]) for name in names)


def statistics(server: Server) -> dict[str, str]:
    """Return what a memcached says of itself."""
    lines = (line.split(" ") for line in ask(server, b"stats") if line.startswith("STAT "))
    return {name: value for _, name, value in lines}


def ask(server: Server, command: bytes) -> list[str]:
    """Send a command, and return the lines of its reply, which ends with END."""
    with socket.create_connection(server.address, _LIMIT) as connection:
        connection.sendall(command + b"\r\n")
        return list(_lines(connection))


def _lines(connection: socket.socket) -> Iterator[str]:
    with connection.makefile("rb") as file:
        for line in file:
            if line == b"END\r\n":
                return
            yield line.decode().rstrip()
