"""An office over a roll with two members, and registries that it writes to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from musterd.errors import RegistryError
from musterd.model import Member, Transition
from musterd_coordinator.registry.base import Entry, Gone, Registry, Row, open_registry
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.rows import transition_of
from musterd_coordinator.service.deletion_clock import DeletionClock
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.service.recorder import BATCH, RegistryWriter
from musterd_coordinator.service.status import Identity
from tests.unit.stage import NAMESPACE, Stage, host

START = datetime(2026, 1, 1, tzinfo=UTC)


class Bureau:
    """An office with two members, a is up and b has not beaten."""

    def __init__(self, registry: Registry, batch: int = BATCH, *, watched: bool = False) -> None:
        self.stage = Stage(watched=watched)
        self.registry = registry
        self.retired: list[Member] = []
        roll = self.stage.roll
        self.clock = DeletionClock(None, self.stage.wall, self.stage.now)
        self.recorder = RegistryWriter(
            roll, registry, history=timedelta(days=30), clock=self.clock, batch=batch
        )
        identity = Identity("c1", "memory:", registry.url, START, 0.5)
        self.office = CoordinatorService(roll, registry, self.recorder, identity, self.retire)
        self.stage.sweep()
        self.stage.sweep({0: (7, 1)}, seated=((0, host("a")), (1, host("b"))))

    async def retire(self, members: Sequence[Member]) -> None:
        self.retired += members


async def loaded(registry: Registry) -> list[Entry]:
    return [entry async for portion in registry.load() for entry in portion]


@asynccontextmanager
async def bureau(directory: Path, *, watched: bool = False) -> AsyncIterator[Bureau]:
    registry = open_registry(
        f"sqlite:///{directory}/r.db", namespace=NAMESPACE, timeout=5, coordinator="c1"
    )
    await registry.open()
    try:
        yield Bureau(registry, watched=watched)
    finally:
        await registry.aclose()


class Away:
    """A registry that cannot be reached until it is back."""

    url = "sqlite:///away"
    shared = False

    def __init__(self) -> None:
        self.quarantine = RowQuarantine("registry row damaged")
        self.away = True
        self.members: list[Row] = []
        self.recorded: list[Transition] = []
        self.failed = anyio.Event()
        self.written = anyio.Event()

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        if self.away:
            self.failed.set()
            raise RegistryError("disk full")
        self.members += members
        self.recorded += map(transition_of, history)
        self.written.set()

    async def changed(self) -> Sequence[Entry | Gone]:
        return []

    async def prune(self, before: datetime) -> int:
        return 0


class Shared(Away):
    """A registry that other coordinators write to: ``entries`` stand there, whatever we record."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.entries: dict[tuple[str, str], Entry] = {}
        self.tidied = anyio.Event()

    async def lacking(self, names: Sequence[tuple[str, str]]) -> Sequence[Gone]:
        return [Gone(*name, 0) for name in names if name not in self.entries]

    async def names_after(self, group: str, name: str, limit: int) -> Sequence[tuple[str, str]]:
        return sorted(each for each in self.entries if each > (group, name))[:limit]

    async def look_up(self, names: Sequence[tuple[str, str]]) -> Sequence[Entry]:
        return [self.entries[name] for name in names if name in self.entries]

    async def prune_forgotten(self, keep: timedelta) -> None:
        self.tidied.set()


def written(registry: Away) -> list[tuple[str, str]]:
    """Names and states, in the order of writing."""
    return [(row[1], row[6]) for row in registry.members]
