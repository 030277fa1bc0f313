"""A `Comparison` compares a roll with a shared registry, some names at a time, for ever.

What coordinators tell each other through it leaves no member out, as far as it goes; this finds
what it did not reach: a member that one of them alone knows, a row that the database lost.
"""

import numpy as np

from musterd.model import State
from musterd_coordinator.registry.base import Gone, Registry
from musterd_coordinator.roll.roll import Roll

PORTION = 500
"""Names that are compared at once, both ways, with each reading: a thousand in a second."""

_DEAD = (State.DOWN, State.LEFT, State.UNKNOWN)


class Comparison:
    """A `Comparison` keeps how far it came."""

    def __init__(self, roll: Roll, registry: Registry) -> None:
        self._roll, self._view = roll, roll.view
        self._registry = registry
        self._row = 0
        self._name = "", ""

    async def go_on(self, *, whole: bool) -> None:
        """Compare the next names, or all. Raises RegistryError.

        ``whole``: others may have forgotten members without our hearing of it.
        """
        if whole:
            self._row, self._name = 0, ("", "")
        ended = [False, False]
        while not all(ended):
            ended[0] = ended[0] or await self._ours(missing_are_forgotten=whole)
            ended[1] = ended[1] or await self._theirs()
            if not whole:
                return

    async def _ours(self, *, missing_are_forgotten: bool) -> bool:
        """Look for the next of our members in the registry; say whether those were the last."""
        roll, view, begin = self._roll, self._view, self._row
        self._row = min(begin + PORTION, view.end)
        members = map(view.member, roll.pending.saved_among(begin, self._row).tolist())
        gone = await self._registry.lacking([(each.group, each.name) for each in members])
        unheard = [each for each in gone if not each.number]
        if missing_are_forgotten:
            unheard = [each for each in unheard if not self._is_dead(each)]
        keep = set(unheard)
        roll.merge([each for each in gone if each not in keep])
        again = (view.row(each.group, each.name) for each in unheard)
        roll.pending.add(np.array([row for row in again if row is not None], np.int64))
        ended = self._row >= view.end
        if ended:
            self._row = 0
        return ended

    async def _theirs(self) -> bool:
        """Learn the registry's next members that we lack; say whether those were the last."""
        names = await self._registry.names_after(*self._name, PORTION)
        unknown = [name for name in names if self._view.row(*name) is None]
        self._roll.merge(await self._registry.look_up(unknown))
        ended = len(names) < PORTION
        self._name = ("", "") if ended else names[-1]
        return ended

    def _is_dead(self, gone: Gone) -> bool:
        row = self._view.row(gone.group, gone.name)
        return row is not None and self._view.state(row) in _DEAD
