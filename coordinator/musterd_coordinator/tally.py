"""Members counted by what is stated of them: of each zone, by columns, once for each version."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd.model import Mark, State
from musterd_coordinator.members import STATES, Code, Members
from musterd_coordinator.verdicts import DISABLED, marked, stated
from musterd_coordinator.zones import Zones

Counts = NDArray[np.int64]
"""How many, by :class:`Code`, then how many are up but not schedulable, then by :class:`Mark`."""

_BUSY = len(Code)
_MARKS = _BUSY + 1
WIDTH = _MARKS + len(Mark)
NOBODY: Counts = np.zeros(WIDTH, np.int64)
_UP = (Code.UP, Code.SUSPECT)


class Tally:
    """The counts of one moment. ``by_zone`` is (zones, WIDTH), by number of the zone."""

    def __init__(self, members: Members, conflict: NDArray[np.bool_], zones: Zones) -> None:
        self.by_zone = _count(members, conflict)
        self.by_group = zones.by_group(self.by_zone)
        self.all: Counts = self.by_zone.sum(axis=0)

    def zone(self, number: int) -> Counts:
        """The counts of a zone."""
        return self.by_zone[number] if number < len(self.by_zone) else NOBODY

    def group(self, number: int | None) -> Counts:
        """The counts of a group by its number."""
        return (
            self.by_group[number] if number is not None and number < len(self.by_group) else NOBODY
        )


def states(counts: Counts) -> dict[State, int]:
    """How many are in each state."""
    given = counts.tolist()
    return {state: given[code] for code, state in STATES.items()}


VERDICTS = ("up", "schedulable", "down")


def verdicts(counts: Counts) -> dict[str, int]:
    """How many are up, schedulable and down."""
    given = counts.tolist()
    up = given[Code.UP] + given[Code.SUSPECT]
    down = given[Code.DOWN] + given[Code.LEFT]
    return dict(zip(VERDICTS, (up, up - given[_BUSY], down), strict=True))


def marks(counts: Counts) -> dict[Mark, int]:
    """How many bear each mark."""
    return dict(zip(Mark, counts[_MARKS:].tolist(), strict=True))


def members(counts: Counts) -> int:
    """How many there are."""
    return int(counts[: len(Code)].sum())


def _count(members: Members, conflict: NDArray[np.bool_]) -> Counts:
    used = members.used
    zone, codes, orders = members.zone[used], members.state[used], members.orders[used]
    said = stated(codes, orders)
    by_state = np.bincount(zone * len(Code) + said)
    by_state = np.pad(by_state, (0, -len(by_state) % len(Code))).reshape(-1, len(Code))
    counts = np.zeros((len(by_state), WIDTH), np.int64)
    counts[:, : len(Code)] = by_state
    counts[:, Code.FREE] = 0
    status = members.status[used]
    special = np.flatnonzero(((orders != 0) | (status != 0) | conflict) & (codes != Code.FREE))
    if len(special):
        _mark(counts, zone[special], _special(said, status, orders, conflict, special))
    return counts


def _special(
    said: NDArray[np.uint8],
    status: NDArray[np.uint8],
    orders: NDArray[np.uint8],
    conflict: NDArray[np.bool_],
    rows: NDArray[np.int64],
) -> Sequence[NDArray[np.bool_]]:
    said, status, orders, conflict = said[rows], status[rows], orders[rows], conflict[rows]
    busy = ((orders & DISABLED) != 0) | (status == Status.DRAINING)
    return [np.isin(said, _UP) & busy, *(marked(mark, status, orders, conflict) for mark in Mark)]


def _mark(counts: Counts, zone: NDArray[np.int32], columns: Sequence[NDArray[np.bool_]]) -> None:
    for at, column in enumerate(columns, _BUSY):
        counts[:, at] = np.bincount(zone[column], minlength=len(counts))
