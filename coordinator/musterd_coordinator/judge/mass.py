"""Where too many of a zone go at once, something other than them is the likelier culprit. Pure.

Members that were heard for long are *established*. Where a zone has enough of them, only they are
counted for each other: so invented members, however many, neither thin a mass silence out nor make
one of a single death. Members that are new are counted with all.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Code, Mask, Members, Rows, slices
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.steps import Steps

ESTABLISHED_AFTER = 10
"""Service down times of listening since a member's first beat after which it is established."""

Going = Callable[[Rows], tuple[Mask, Mask]]
"""Tells of rows which of them go or have just gone, and which count as alive but for that; a member
that is neither does not count."""

_Counts = NDArray[np.int64]


def is_established(members: Members, rows: Rows, time: float, rules: Rules) -> Mask:
    """Say which of ``rows`` were first heard long before ``time``, a detector's listening time."""
    age = time - members.first_heard[rows]
    established: Mask = age >= ESTABLISHED_AFTER * rules.service_down_time  # false for NaN
    return established


class Mass:
    """A `Mass` counts zones of which some members go: how many do, and how many are there."""

    def __init__(self, members: Members, rules: Rules, time: float) -> None:
        self._members = members
        self._rules = rules
        self._time = time
        zones = int(members.zone[members.used].max(initial=0)) + 2  # the last: of what came since
        self._wanted = np.zeros(zones, np.bool_)
        self._of_all = np.zeros((2, zones), np.int64)  # which go, and which are alive
        self._of_established = np.zeros((2, zones), np.int64)

    def want(self, rows: Rows) -> None:
        """Have the zones of ``rows`` counted."""
        self._wanted[self._zones(rows)] = True

    def count(self, among: slice, going: Going) -> None:
        """Count those of the rows ``among`` all that are in the zones wanted."""
        members = self._members
        wanted = self._wanted[self._zones(among)] & (members.state[among] != Code.FREE)
        rows = among.start + np.flatnonzero(wanted)
        if not len(rows):
            return
        zones, goes_alive = self._zones(rows), going(rows)
        established = is_established(members, rows, self._time, self._rules)
        for row, counted in enumerate(goes_alive):
            self._add(self._of_all[row], zones[counted])
            self._add(self._of_established[row], zones[counted & established])

    def are_in(self, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) are in a zone of which too much goes."""
        if self._rules.storm_min <= 0:
            return np.zeros(len(rows), np.bool_)
        zones = self._zones(rows)
        enough = self._of_established[1] >= self._rules.storm_min
        alone = is_established(self._members, rows, self._time, self._rules) & enough[zones]
        of_established, of_all = map(self._too_many, (self._of_established, self._of_all))
        stormy: Mask = np.where(alone, of_established[zones], of_all[zones])
        return stormy

    def _too_many(self, counts: _Counts) -> Mask:
        goes, alive = counts
        too_many: Mask = goes >= self._rules.storm_min
        too_many &= goes >= self._rules.storm_fraction * alive
        return too_many

    def _zones(self, rows: Rows | slice) -> NDArray[np.int32]:
        return np.minimum(self._members.zone[rows], len(self._wanted) - 1)

    def _add(self, counts: _Counts, zones: NDArray[np.int32]) -> None:
        counts += np.bincount(zones, minlength=len(counts))


def weighed(
    members: Members, rules: Rules, time: float, wanted: Iterable[Rows], going: Going
) -> Steps[Mass]:
    """Count the zones that members in portions of rows ``wanted`` are in, in steps."""
    mass, some = Mass(members, rules, time), False
    for rows in wanted:
        some |= bool(len(rows))
        mass.want(rows)
    for among in slices(members.size) if some and rules.storm_min > 0 else ():
        yield
        mass.count(among, going)
    return mass
