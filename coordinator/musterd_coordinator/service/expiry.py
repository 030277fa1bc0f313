"""Forgets members that said goodbye: for fleets whose names are short-lived and never return."""

import anyio
import numpy as np

from musterd.errors import RegistryError
from musterd_coordinator.judge.members import Code, Rows
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.service.deletion_clock import DeletionClock
from musterd_coordinator.service.orders import CoordinatorService

PERIOD = 5.0
PORTION = 500
"""Members forgotten at a time: a transaction, and as long as operators' orders wait for it."""


class LeftReaper:
    """Forgets whoever left at least ``after`` seconds ago and of whom no operator said anything.

    None in ``after``: nobody, until another value is set.
    """

    def __init__(
        self, roll: Roll, office: CoordinatorService, after: float | None, clock: DeletionClock
    ) -> None:
        self._roll = roll
        self._office = office
        self.after = after
        self._clock = clock

    async def run(self) -> None:
        """Look for them every few seconds, for ever."""
        while True:
            await anyio.sleep(PERIOD)
            await self.once()

    async def once(self) -> None:
        """Forget those who are due. While the registry is away, they are left to the next time."""
        while self.after is not None and len(rows := self._due(self.after)):
            try:
                await self._office.forget_left(
                    list(map(self._roll.directory.member, rows.tolist()))
                )
            except RegistryError:
                return

    def _due(self, after: float) -> Rows:
        members, clocks = self._roll.detector.members, self._roll.clocks
        rows = np.flatnonzero(members.state[members.used] == Code.LEFT)
        # One that left before this coordinator began was not heard by it.
        now = self._clock.now(clocks.wall(), clocks.monotonic())
        since = members.since[rows] - now + clocks.monotonic()
        left_at = np.where(np.isnan(members.heard_at[rows]), since, members.heard_at[rows])
        due = rows[clocks.monotonic() - left_at >= after]
        return due[[row not in self._roll.facts for row in due.tolist()]][:PORTION]
