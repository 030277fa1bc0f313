"""The module counts members by what is stated of them: by zone, in columns, once a version."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd.model import Mark, State
from musterd_coordinator.judge.members import STATES, Code, Members
from musterd_coordinator.roll.verdicts import DISABLED, marked, stated
from musterd_coordinator.roll.zones import Zones

Counts = NDArray[np.int64]
"""How many, by :class:`Code`, then how many are up but not schedulable, then by :class:`Mark`."""

_STATES = len(Code)
_SPECIAL = 1 + len(Mark)
WIDTH = _STATES + _SPECIAL
_NOBODY: Counts = np.zeros(WIDTH, np.int64)
_UP = (Code.UP, Code.SUSPECT)


class Tally:
    """A `Tally` is the counts of one moment."""

    def __init__(self, members: Members, conflict: NDArray[np.bool_], zones: Zones) -> None:
        used = members.used
        said = stated(members.state[used], members.orders[used])
        self._groups = zones.group_of()
        self._states = _cells(members.zone[used], said)
        self._special = _special(members, said, conflict, len(self._states))
        states = np.bincount(said, minlength=_STATES)
        states[Code.FREE] = 0
        self.all: Counts = _joined(states, self._special.sum(axis=0))

    def zone(self, number: int) -> Counts:
        """Return the counts of a zone by its number."""
        return self._at(number, self._states, self._special)

    def group(self, number: int | None) -> Counts:
        """Return the counts of a group by its number."""
        return _NOBODY if number is None else self._at(number, *self._by_group)

    def _at(self, number: int, states: Counts, special: Counts) -> Counts:
        if number >= len(states):
            return _NOBODY
        return _joined(states[number], special[number] if len(special) else _NOBODY[:_SPECIAL])

    @cached_property
    def _by_group(self) -> tuple[Counts, Counts]:
        """Return the same of groups, by their numbers: made when it is first asked for."""
        groups = self._groups[: len(self._states)]
        return _summed(self._states, groups), _summed(self._special, groups)


def states(counts: Counts) -> dict[State, int]:
    """Return how many members are in each state."""
    given = counts.tolist()
    return {state: given[code] for code, state in STATES.items()}


VERDICTS = ("up", "schedulable", "down")


def verdicts(counts: Counts) -> dict[str, int]:
    """Return how many members are up, schedulable and down."""
    given = counts.tolist()
    up = given[Code.UP] + given[Code.SUSPECT]
    down = given[Code.DOWN] + given[Code.LEFT]
    return dict(zip(VERDICTS, (up, up - given[_STATES], down), strict=True))


def marks(counts: Counts) -> dict[Mark, int]:
    """Return how many members bear each mark."""
    return dict(zip(Mark, counts[_STATES + 1 :].tolist(), strict=True))


def members(counts: Counts) -> int:
    """Return how many members there are."""
    return int(counts[:_STATES].sum())


def _joined(states: Counts, special: Counts) -> Counts:
    return np.concatenate((states, special))


def _cells(zone: NDArray[np.int32], codes: NDArray[np.uint8]) -> Counts:
    """Return how many of n members are in each zone and state: (zones, states)."""
    zones = int(zone.max(initial=-1)) + 1
    cells = np.bincount(zone * _STATES + codes, minlength=zones * _STATES).reshape(-1, _STATES)
    cells[:, Code.FREE] = 0
    return cells


def _special(
    members: Members, said: NDArray[np.uint8], conflict: NDArray[np.bool_], zones: int
) -> Counts:
    """Return how many are up but not schedulable, and bear each mark.

    The shape is (zones, 1 + marks), or (0, …).
    """
    used = members.used
    anything = (members.orders[used] != 0) | (members.status[used] != 0) | conflict
    rows = np.flatnonzero(anything & (said != Code.FREE))
    if not len(rows):
        return np.zeros((0, _SPECIAL), np.int64)
    orders, status, zone = members.orders[rows], members.status[rows], members.zone[rows]
    busy = ((orders & DISABLED) != 0) | (status == Status.DRAINING)
    columns = [
        np.isin(said[rows], _UP) & busy,
        *(marked(mark, status, orders, conflict[rows]) for mark in Mark),
    ]
    return np.stack([np.bincount(zone[each], minlength=zones) for each in columns], axis=1)


def _summed(counts: Counts, groups: NDArray[np.intc]) -> Counts:
    """Sum counts (zones, n) by the groups of the zones: (groups, n)."""
    if not len(counts):
        return counts
    size = int(groups.max(initial=-1)) + 1
    columns = [np.bincount(groups, weights=column, minlength=size) for column in counts.T]
    return np.stack(columns, axis=1).astype(np.int64)
