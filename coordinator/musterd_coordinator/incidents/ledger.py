"""The ledger keeps what goes on, since when, and what is over: the only memory that incidents have.

It is pure but for that: what was found and the time come in.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from musterd_coordinator.incidents.sighting import Sighting
from musterd_coordinator.steps import Steps

REMEMBERED = 3600.0
"""Seconds for which it is told that an incident is over."""

MOST_REMEMBERED = 1000

_AT_ONCE = 500  # entries made in one step


class Entered(msgspec.Struct, frozen=True, gc=False):
    """An `Entered` is a sighting that the ledger has, with its times.

    ``since`` and ``until`` are in seconds of the wall clock. ``noticed`` is when it was first found and
    ``ended`` when it was over, in seconds of the monotonic one.
    """

    sighting: Sighting
    since: float
    noticed: float
    until: float | None = None
    ended: float = 0.0


class IncidentLedger:
    """An `IncidentLedger` compares what is found now with what was found before.

    ``resolved`` has what is over, the oldest first.
    """

    def __init__(self) -> None:
        self._entered: dict[str, Entered] = {}
        self._told: set[str] = set()
        self.resolved: deque[Entered] = deque(maxlen=MOST_REMEMBERED)

    def enter(self, found: Iterable[Sighting], wall: float, now: float) -> Steps[None]:
        """Enter what is ``found`` at ``now``, a monotonic time, and ``wall``, in steps; all else is over.

        What was worth telling before its cause was over is resolved; what was not is forgotten.
        """
        gone = set(self._entered)
        for at, sighting in enumerate(found, 1):
            key, before = sighting.id, self._entered.get(sighting.id)
            gone.discard(key)
            self._entered[key] = entered = _entered(before, sighting, wall, now)
            if now - entered.noticed >= sighting.patience:
                self._told.add(key)
            if at % _AT_ONCE == 0:
                yield
        for at, key in enumerate(gone, 1):
            self._end(key, wall, now)
            if at % _AT_ONCE == 0:
                yield
        while self.resolved and now - self.resolved[0].ended > REMEMBERED:
            self.resolved.popleft()
        yield

    def _end(self, key: str, wall: float, now: float) -> None:
        entered = self._entered.pop(key)
        if key in self._told:
            self._told.discard(key)
            self.resolved.append(_ended(entered, wall, now))

    @property
    def open(self) -> Iterator[Entered]:
        """Return what goes on and is worth telling."""
        return (entered for key, entered in self._entered.items() if key in self._told)


def _entered(before: Entered | None, sighting: Sighting, wall: float, now: float) -> Entered:
    since = wall if sighting.since is None else min(sighting.since, wall)
    if before is None:
        return Entered(sighting, since, now)
    return Entered(sighting, min(before.since, since), before.noticed)


def _ended(entered: Entered, wall: float, now: float) -> Entered:
    until = max(wall, entered.since)  # the wall clock may have been set back
    return Entered(entered.sighting, entered.since, entered.noticed, until, now)
