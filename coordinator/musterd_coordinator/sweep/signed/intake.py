"""The module takes in rosters that nobody signed, and goes on where a sweep was given up."""

from collections.abc import Awaitable, Callable

import anyio

from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.turns import in_steps


class RosterIntake:
    """A `RosterIntake` has rosters filtered by ``seals``, if there are any.

    Of a shard's first roster that takes seconds, and a sweep has a deadline. What was read is told
    once: so it is gone through to its end, in the next call if not in this one.
    """

    def __init__(self, seals: SlotSeals | None) -> None:
        self._seals = seals
        self._under_way: Steps[Roster] | None = None

    async def roster(self, read: Callable[[], Awaitable[Roster]]) -> Roster:
        """Return what is so of what ``read`` returns, or of what it returned for the last call."""
        if self._seals is None:
            return await read()
        if self._under_way is None:
            self._under_way = self._seals.filter_roster(await read(), anyio.current_time())
        try:
            filtered = await in_steps(self._under_way)
        except Exception:
            self._under_way = None
            raise
        self._under_way = None
        return filtered
