"""Writes what changed to the registry: in batches, behind the sweeps, never in their way."""

from collections import deque
from collections.abc import Callable
from datetime import timedelta

import anyio
import structlog

from musterd.errors import RegistryError
from musterd.model import Transition
from musterd_coordinator.registry import Registry
from musterd_coordinator.roll import Roll
from musterd_coordinator.shard import wall_instant

log = structlog.get_logger(__name__)

PERIOD = 0.5
PORTION = 2000
"""Members, and changes, that are written at a time: some milliseconds of the event loop."""

PRUNE_PERIOD = 3600.0
BACKLOG_LIMIT = 100_000
"""State changes kept while the registry is away; beyond it the oldest are lost, and counted."""


class Recorder:
    """Keeps the registry up with one roll."""

    def __init__(
        self, roll: Roll, registry: Registry, *, history: timedelta, wall: Callable[[], float]
    ) -> None:
        self._roll = roll
        self._registry = registry
        self._history = history
        self._wall = wall
        self._lock = anyio.Lock()
        self._failing = False

    async def run(self) -> None:
        """Write every half a second, take over what others wrote, and prune once an hour."""
        prune_at = anyio.current_time()
        try:
            while True:
                await self._once(prune_at <= anyio.current_time())
                if prune_at <= anyio.current_time():
                    prune_at += PRUNE_PERIOD
                await anyio.sleep(PERIOD)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self._once(prune=False)

    async def flush(self) -> None:
        """Write all that is unsaved now. Raises RegistryError; nothing is lost by that."""
        async with self._lock:
            while self._roll.unsaved or self._roll.transitions:
                await self._flush_some()

    async def _flush_some(self) -> None:
        roll = self._roll
        rows = roll.unsaved.take(PORTION)
        count = min(PORTION, len(roll.transitions))
        transitions = [roll.transitions.popleft() for _ in range(count)]
        try:
            entries = [roll.entry(row) for row in rows.tolist()]
            await self._registry.record(entries, transitions)
        except BaseException:
            roll.unsaved.add(rows)
            roll.transitions.extendleft(reversed(transitions))
            self._bound(roll.transitions)
            raise

    async def _once(self, prune: bool) -> None:
        try:
            await self.flush()
            self._roll.merge(await self._registry.changed())
            if prune:
                await self._registry.prune(wall_instant(self._wall()) - self._history)
        except RegistryError as error:
            if not self._failing:
                log.warning("registry lost", reason=str(error), unsaved=len(self._roll.unsaved))
            self._failing = True
        else:
            if self._failing:
                log.info("registry back")
            self._failing = False

    def _bound(self, transitions: deque[Transition]) -> None:
        lost = len(transitions) - BACKLOG_LIMIT
        if lost > 0:
            log.warning("history lost", changes=lost, reason="the registry is away for too long")
        for _ in range(lost):
            transitions.popleft()
