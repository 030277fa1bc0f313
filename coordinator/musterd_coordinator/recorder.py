"""Writes what changed to the registry: in batches, behind the sweeps, never in their way."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import anyio
import anyio.lowlevel
import numpy as np
import structlog

from musterd.errors import RegistryError
from musterd.model import Transition
from musterd_coordinator.members import Rows
from musterd_coordinator.registry import Registry, Row
from musterd_coordinator.registry_rows import transition_of
from musterd_coordinator.roll import Roll
from musterd_coordinator.saving import Saving
from musterd_coordinator.shard import wall_instant

log = structlog.get_logger(__name__)

PERIOD = 0.5
PATIENCE = 30.0
"""Seconds that a newcomer is given to get its first verdict, before it is written without one. If
all is lost meanwhile, the store still knows it."""

PORTION = 500
"""Rows that are made at a time: a millisecond or two of the event loop."""

BATCH = 50_000
"""Members, and changes, that are written at once. The more there are, the less each costs: see
:mod:`musterd_coordinator.registry_sqlite`."""

LEAST_BATCH = 500
LONG = 2.0
"""Seconds. After a batch that took longer, or failed, the next ones are smaller: orders wait for a
batch, and even the slowest disk must get on."""

PRUNE_PERIOD = 3600.0
BACKLOG_LIMIT = 2_000_000
"""State changes kept while the registry is away; beyond it the oldest are lost, and counted."""

STOP_LIMIT = 60.0
"""Seconds for what is unsaved when we are told to stop. What a whole fleet's first minute left takes
half of it; the coordinator's unit allows for all of it."""


class Recorder:
    """Keeps the registry up with one roll."""

    def __init__(
        self, roll: Roll, registry: Registry, *, history: timedelta, wall: Callable[[], float]
    ) -> None:
        self._roll = roll
        self._saving = Saving(roll)
        self._registry = registry
        self.history = history
        self._wall = wall
        self._lock = anyio.Lock()
        self._lines: list[Row] = []  # being written, or to be written again
        self._writing = 0  # members, in the call that is under way
        self._batch = BATCH
        self._failing = False

    @property
    def unsaved(self) -> int:
        """Members and lines of history that the registry does not have yet."""
        return len(self._roll.unsaved) + self._writing + len(self._lines)

    async def run(self) -> None:
        """Write every half a second, take over what others wrote, and prune once an hour.

        When it is cancelled it first writes all that is unsaved, as long as the registry takes it,
        within :data:`STOP_LIMIT`.
        """
        prune_at = anyio.current_time()
        try:
            while True:
                await self._once(prune_at <= anyio.current_time())
                if prune_at <= anyio.current_time():
                    prune_at += PRUNE_PERIOD
                await anyio.sleep(PERIOD)
        finally:
            with anyio.CancelScope(shield=True):
                await self._finish()

    @asynccontextmanager
    async def holding(self, rows: Sequence[int]) -> AsyncIterator[None]:
        """Within, the registry knows the members of ``rows``, and nothing else is being written.

        Raises RegistryError; nothing is lost by that.
        """
        async with self._lock:
            taken, members = self._saving.take(np.array(rows, np.int64))
            if members:
                with self._given_back([taken]):
                    await self._registry.record(members, [])
            yield

    async def flush(self, patience: float) -> None:
        """Write all that is unsaved, in batches, but newcomers of the last ``patience`` seconds.

        Raises RegistryError; nothing is lost by that.
        """
        while self._roll.unsaved or self._lines:
            async with self._lock:
                rows = self._saving.due(patience)[: self._batch]
                if not (len(rows) or self._lines or self._roll.unsaved.has_lines):
                    return
                await self._write(rows)

    def unwritten(self, row: int | None, group: str, name: str) -> list[Transition]:
        """What the history lacks of a member, oldest first; ``row`` is None for a forgotten one."""
        mine = [line for line in self._lines if line[2:4] == (group, name)]
        return [*map(transition_of, mine), *self._roll.unsaved.lines_of(row, group, name)]

    async def _once(self, prune: bool) -> None:
        try:
            await self.flush(PATIENCE)
            self._roll.merge(await self._registry.changed())
            if prune:
                await self._registry.prune(wall_instant(self._wall()) - self.history)
        except RegistryError as error:
            if not self._failing:
                unsaved = len(self._roll.unsaved.rows)
                log.warning("registry lost", reason=str(error), unsaved=unsaved)
            self._failing = True
        else:
            if self._failing:
                log.info("registry back")
            self._failing = False

    async def _finish(self) -> None:
        reason = f"it took more than {STOP_LIMIT:g} s"
        with anyio.move_on_after(STOP_LIMIT):
            try:
                await self.flush(patience=0.0)
            except RegistryError as error:
                reason = str(error)
        if left := len(self._roll.unsaved.rows):
            note = "who is in the store is learnt again at the next start"
            log.warning("registry not up to date", members=left, reason=reason, note=note)

    async def _write(self, due: Rows) -> None:
        taken, members = [due[:0]], list[Row]()
        with self._given_back(taken):
            for at in range(0, len(due), PORTION):
                rows, made = self._saving.take(due[at : at + PORTION])
                taken.append(rows)
                members += made
                await anyio.lowlevel.checkpoint()
            while len(self._lines) < self._batch and self._roll.unsaved.has_lines:
                self._lines += self._roll.unsaved.take_lines(PORTION)
                await anyio.lowlevel.checkpoint()
            began, self._writing = anyio.current_time(), len(members)
            await self._registry.record(members, self._lines)
        self._lines, self._writing = [], 0
        self._adapt(anyio.current_time() - began)

    @contextmanager
    def _given_back(self, taken: list[Rows]) -> Iterator[None]:
        """Whoever was taken from the unsaved is unsaved again if this fails."""
        try:
            yield
        except BaseException:
            self._saving.give_back(np.concatenate(taken))
            self._writing = 0
            self._adapt(2 * LONG)
            self._bound()
            raise

    def _adapt(self, seconds: float) -> None:
        """The size of the next batch, by what this one took."""
        if seconds > LONG:
            self._batch = max(LEAST_BATCH, self._batch // 2)
        elif seconds < LONG / 4:
            self._batch = min(BATCH, self._batch * 2)

    def _bound(self) -> None:
        if lost := self._roll.unsaved.lose_lines(BACKLOG_LIMIT):
            log.warning("history lost", changes=lost, reason="the registry is away for too long")
