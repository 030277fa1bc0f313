"""Mass silences that begin and end are noted for a trace. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from musterd.trace.lines import TraceEvent
from musterd.trace.words import EventKind
from musterd_coordinator.judge.members import Code
from musterd_coordinator.roll.traced import MemberColumns


class ZoneNamed(NamedTuple):
    """A `ZoneNamed` is the zone of a group, as a trace calls it."""

    group: str
    zone: str


class StormNotes:
    """A `StormNotes` knows which zones have suspects; ``named`` gives the name of a zone by its number."""

    def __init__(self, named: Callable[[int], ZoneNamed]) -> None:
        self._named = named
        self._storms: dict[int, ZoneNamed] = {}

    def note(self, now: MemberColumns, t: float) -> Iterator[TraceEvent]:
        """Yield an event for each zone where one began or is over by ``t``."""
        suspects = now.state == Code.SUSPECT
        if not self._storms and not suspects.any():
            return
        struck = np.unique(now.zone[suspects]).tolist()
        for zone in self._storms.keys() - set(struck):
            yield TraceEvent(t, None, EventKind.STORM_OVER, self._storms.pop(zone)._asdict())
        for zone in set(struck) - self._storms.keys():
            self._storms[zone] = self._named(zone)
            here = now.zone == zone
            silent = int(np.count_nonzero(suspects & here))
            living = silent + int(np.count_nonzero((now.state == Code.UP) & here))
            facts = {**self._storms[zone]._asdict(), "silent": silent, "living": living}
            yield TraceEvent(t, None, EventKind.STORM, facts)
