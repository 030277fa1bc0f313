"""What changed is written to the registry in batches, behind the sweeps, never in their way."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import anyio
import anyio.lowlevel
import numpy as np
import structlog

from musterd.errors import RegistryError
from musterd.model import Transition
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.registry.base import Registry, Row
from musterd_coordinator.registry.rows import transition_of
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.service.comparison import Comparison
from musterd_coordinator.service.deletion_clock import DeletionClock
from musterd_coordinator.service.registry_health import READING, WRITING, RegistryHealth
from musterd_coordinator.service.sieve import RefusalFilter

log = structlog.get_logger(__name__)

PERIOD = 0.5
RETRY = 10.0
PATIENCE = 30.0
"""Seconds that a newcomer is given to get its first verdict, before it is written without one. If
all is lost meanwhile, the store still knows it."""

PORTION = 500
"""Rows that are made at a time: a millisecond or two of the event loop."""

BATCH = 50_000
"""Members, and changes, that are written at once. The more there are, the less each costs: see
:mod:`musterd_coordinator.registry.sqlite`."""

LEAST_BATCH = 500
LONG = 2.0
"""Seconds. After a batch that took longer, or failed, the next ones are smaller: orders wait for a
batch, and even the slowest disk must get on."""

PRUNE_PERIOD = 3600.0
FORGOTTEN_PERIOD = 60.0
KEEP_FORGOTTEN = timedelta(minutes=5)
"""A shared registry tells for so long that a member was forgotten. A coordinator that could not read
it for half of that compares all that it knows with it before it writes."""

BACKLOG_LIMIT = 2_000_000
"""State changes kept while the registry is away; beyond it the oldest are lost, and counted."""

STOP_LIMIT = 60.0
"""Seconds for what is unsaved when we are told to stop. What a whole fleet's first minute left takes
half of it; the coordinator's unit allows for all of it."""


@dataclass(slots=True)
class Work:
    """A `Work` is done again and again, and has why it failed the last time."""

    name: str
    do: Callable[[], Awaitable[None]]
    failed: str = ""


class RegistryWriter:
    """A `RegistryWriter` keeps the registry up with one roll, and the roll with what others say there.

    ``clock`` tells which lines of history are old enough to go. At most ``batch`` members, and changes,
    are written at once.
    """

    def __init__(
        self,
        roll: Roll,
        registry: Registry,
        *,
        history: timedelta,
        clock: DeletionClock,
        batch: int = BATCH,
    ) -> None:
        self._roll = roll
        self._pending = pending = roll.pending
        self.health = RegistryHealth(roll.view.clocks, lambda: pending.members)
        self._registry = registry
        self._sieve = RefusalFilter(registry)
        self._comparison = Comparison(roll, registry)
        self.history = history
        self._clock = clock
        self._lock = anyio.Lock()  # held by what writes
        self._reading = anyio.Lock()  # taken after that
        self._lines: list[Row] = []  # being written, or to be written again
        self._writing = 0  # members, in the call that is under way
        self._batch = self._most = batch

    @property
    def unsaved(self) -> int:
        """Count the members and lines of history that the registry does not have yet."""
        return len(self._pending) + self._writing + len(self._lines)

    @property
    def quarantined(self) -> int:
        """Count the members and lines of history that the registry refused, or that made no sense there."""
        return len(self._sieve.quarantine) + len(self._registry.quarantine)

    async def run(self) -> None:
        """Write every half a second, take over what others wrote as often, and prune once an hour.

        When it is cancelled it first writes all that is unsaved, as long as the registry takes it,
        within :data:`STOP_LIMIT`.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep, PERIOD, Work(READING, self.pull))
                tasks.start_soon(self._keep, PERIOD, Work(WRITING, self._write_all))
                tasks.start_soon(self._keep, PRUNE_PERIOD, Work("pruning", self._prune))
                if self._registry.shared:
                    work = Work("pruning the forgotten", self._prune_forgotten)
                    tasks.start_soon(self._keep, FORGOTTEN_PERIOD, work)
        finally:
            with anyio.CancelScope(shield=True):
                await self._finish()

    @asynccontextmanager
    async def holding(self, rows: Sequence[int]) -> AsyncIterator[None]:
        """See that the registry knows the members of ``rows`` within, and that nothing else is written.

        Raises RegistryError; nothing is lost by that.
        """
        self.must_be_there()
        async with self._lock, self._reading:
            known = self._pending.known_lives()
            taken, members = [np.empty(0, np.int64)], list[Row]()
            with self._given_back(taken):
                for at in range(0, len(rows), PORTION):
                    if at:
                        await anyio.lowlevel.checkpoint()
                    some, made = self._pending.pop(np.array(rows[at : at + PORTION], np.int64))
                    taken.append(some)
                    members += made
                if members:
                    await self._registry.record(members, [], known.forgettings)
            self._pending.acknowledge(np.concatenate(taken), known)
            yield

    def must_be_there(self) -> None:
        """Raise RegistryError at once while the registry is known to be lost."""
        if reason := self.health.reason:
            raise RegistryError(f"the registry is lost, ask another coordinator: {reason}")

    async def pull(self) -> None:
        """Take over what other coordinators did. Raises RegistryError."""
        behind = self._is_behind
        async with self._reading:
            self._roll.merge(await self._registry.changed())
            if self._registry.shared:
                await self._comparison.go_on(whole=behind)
        self.health.record(READING, "")

    async def flush(self, patience: float) -> None:
        """Write all that is unsaved, in batches, but newcomers of the last ``patience`` seconds.

        Raises RegistryError; nothing is lost by that.
        """
        while self._pending or self._lines:
            async with self._lock:
                rows = self._pending.due(patience)[: self._batch]
                if not (len(rows) or self._lines or self._pending.has_lines):
                    return
                await self._write(rows)

    def unwritten(self, row: int | None, group: str, name: str) -> list[Transition]:
        """Return what the history lacks of a member, oldest first; ``row`` is None for a forgotten one."""
        mine = [line for line in self._lines if line[2:4] == (group, name)]
        return [*map(transition_of, mine), *self._pending.lines_of(row, group, name)]

    @property
    def _is_behind(self) -> bool:
        """Say whether members may have been forgotten of which the registry does not tell any more."""
        age = self.health.facts_age
        return age is not None and age > KEEP_FORGOTTEN.total_seconds() / 2

    async def _keep(self, period: float, work: "Work") -> None:
        """Do ``work`` every ``period`` seconds, for ever: what fails is told, and tried again."""
        while True:
            reason = await self._tried(work)
            if work.name in (READING, WRITING):
                self.health.record(work.name, reason)
            elif reason and reason != work.failed:
                log.warning("registry work failed", work=work.name, reason=reason)
            work.failed = reason
            await anyio.sleep(min(period, RETRY) if reason else period)

    async def _tried(self, work: "Work") -> str:
        """Do it; return why it failed, or an empty text."""
        try:
            await work.do()
        except RegistryError as error:
            return str(error)
        except Exception as error:  # a fault of ours must not end what everybody relies on
            if not work.failed:
                log.exception("recorder failed", work=work.name)
            return f"fault in musterd: {error!r}"
        return ""

    async def _write_all(self) -> None:
        if not self._is_behind:  # then what was forgotten has to be known first
            await self.flush(PATIENCE)

    async def _prune(self) -> None:
        clocks = self._roll.view.clocks
        now = self._clock.now(clocks.wall(), clocks.monotonic())
        await self._registry.prune(wall_instant(now) - self.history)

    async def _prune_forgotten(self) -> None:
        await self._registry.prune_forgotten(KEEP_FORGOTTEN)

    async def _finish(self) -> None:
        reason = f"it took more than {STOP_LIMIT:g} s"
        with anyio.move_on_after(STOP_LIMIT):
            try:
                if self._is_behind:
                    await self.pull()
                await self.flush(patience=0.0)
            except RegistryError as error:
                reason = str(error)
        if left := self._pending.members:
            note = "who is in the store is learnt again at the next start"
            log.warning("registry not up to date", members=left, reason=reason, note=note)

    async def _write(self, due: Rows) -> None:
        known = self._pending.known_lives()  # before any is taken: see there
        taken, members = [due[:0]], list[Row]()
        with self._given_back(taken):
            for at in range(0, len(due), PORTION):
                rows, made = self._pending.pop(due[at : at + PORTION])
                taken.append(rows)
                members += made
                await anyio.lowlevel.checkpoint()
            while len(self._lines) < self._batch and self._pending.has_lines:
                self._lines += self._pending.pop_lines(PORTION)
                await anyio.lowlevel.checkpoint()
            began, self._writing = anyio.current_time(), len(members)
            lines = self._lines[: self._batch]
            await self._sieve.record(members, lines, known.forgettings)
        self._pending.acknowledge(np.concatenate(taken), known)
        self._writing = 0
        del self._lines[: len(lines)]
        took, view = anyio.current_time() - began, self._roll.view
        view.figures.count_write(took, view.clocks.wall())
        self._adapt(took)

    @contextmanager
    def _given_back(self, taken: list[Rows]) -> Iterator[None]:
        """Put what was taken from the unsaved back among them if this fails."""
        try:
            yield
        except BaseException:
            self._pending.put_back(np.concatenate(taken))
            self._writing = 0
            self._adapt(2 * LONG)
            self._bound()
            raise

    def _adapt(self, seconds: float) -> None:
        """Set the size of the next batch, by what this one took."""
        if seconds > LONG:
            self._batch = max(min(LEAST_BATCH, self._most), self._batch // 2)
        elif seconds < LONG / 4:
            self._batch = min(self._most, self._batch * 2)

    def _bound(self) -> None:
        if lost := self._pending.drop_lines(BACKLOG_LIMIT):
            log.warning("history lost", changes=lost, reason="the registry is away for too long")
