"""The module forgets members that said goodbye: for fleets of short-lived names that never return."""

import anyio

from musterd.errors import RegistryError
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.service.deletion_clock import DeletionClock
from musterd_coordinator.service.orders import CoordinatorService

PERIOD = 5.0
PORTION = 500
"""Members forgotten at a time: a transaction, and as long as operators' orders wait for it."""


class LeftReaper:
    """A `LeftReaper` forgets members that left, of which no operator said anything.

    They left at least ``after`` seconds ago. None in ``after``: no member is forgotten, until
    another value is set.
    """

    def __init__(
        self, view: RollView, office: CoordinatorService, after: float | None, clock: DeletionClock
    ) -> None:
        self._view = view
        self._office = office
        self.after = after
        self._clock = clock

    async def run(self) -> None:
        """Look for them every few seconds, for ever."""
        while True:
            await anyio.sleep(PERIOD)
            await self.once()

    async def once(self) -> None:
        """Forget those that are due. While the registry is away, they are left to the next time."""
        while self.after is not None and len(rows := self._due(self.after)):
            try:
                await self._office.forget_left(list(map(self._view.member, rows.tolist())))
            except RegistryError:
                return

    def _due(self, after: float) -> Rows:
        clocks = self._view.clocks
        rows, gone_for = self._view.left(self._clock.now(clocks.wall(), clocks.monotonic()))
        due = rows[gone_for >= after]
        return due[[self._view.facts(row) is None for row in due.tolist()]][:PORTION]
