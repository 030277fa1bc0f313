"""The watch looks for incidents every few seconds, whether anybody asks or not."""

from collections.abc import Callable

import anyio
from anyio.lowlevel import checkpoint

from musterd.incidents import Incident, IncidentList
from musterd_coordinator.incidents.circumstances import Circumstances, found_in
from musterd_coordinator.incidents.gathering import gathered
from musterd_coordinator.incidents.ledger import IncidentLedger
from musterd_coordinator.incidents.survey import survey
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.steps import Steps, whole

PERIOD = 2.0
"""Seconds between two looks, or more: they take a tenth of the time at most."""

_SHARE = 10


class IncidentWatch:
    """An `IncidentWatch` finds what needs attention in a roll and in its coordinator's ``circumstances``.

    ``listed`` is what the newest look found; readers that follow are nudged when that is something else.
    """

    def __init__(self, view: RollView, circumstances: Callable[[], Circumstances]) -> None:
        self._view = view
        self._circumstances = circumstances
        self._ledger = IncidentLedger()
        self.listed = IncidentList(view.version, wall_instant(view.clocks.wall()), [], [])

    async def run(self) -> None:
        """Look for ever, with a turn for everybody else after each step."""
        while True:
            began = anyio.current_time()
            for _ in self.look():
                await checkpoint()
            await anyio.sleep(max(PERIOD, _SHARE * (anyio.current_time() - began)))

    def look(self) -> Steps[None]:
        """Look once, in steps."""
        version, clocks = self._view.version, self._view.clocks
        found = yield from survey(self._view.surveyed, self._view.hearing.shards)
        found += found_in(self._circumstances())
        wall = clocks.wall()
        yield from self._ledger.enter(found, wall, clocks.monotonic())
        going_on = yield from gathered(self._ledger.open)
        over = yield from gathered(list(self._ledger.resolved))
        over.sort(key=_end, reverse=True)
        before = self.listed.incidents
        changed = list(before) != going_on
        self.listed = IncidentList(
            version, wall_instant(wall), going_on if changed else before, over
        )
        if changed:
            self._view.changes.nudge()

    def of_group(self, group: str) -> list[Incident]:
        """Return what goes on in ``group``, gathered by itself."""
        theirs = (one for one in self._ledger.open if one.sighting.group == group)
        return whole(gathered(theirs))


def _end(one: Incident) -> float:
    assert one.until is not None, "it is over"
    return one.until.timestamp()
