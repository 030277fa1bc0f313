"""Whether so many of a zone go at once that something else than they is the likelier culprit. Pure.

Members that were heard for long are *established*. Where a zone has enough of them, only they are
counted for each other: so invented members, however many, neither thin a mass silence out nor make
one of a single death. Members that are new are counted with everybody.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.members import Code, Mask, Members, Rows
from musterd_coordinator.rules import Rules

ESTABLISHED_AFTER = 10
"""Service down times of listening since a member's first beat after which it is established."""

Zones = NDArray[np.int64]


def is_established(members: Members, rows: Rows, time: float, rules: Rules) -> Mask:
    """Which of ``rows`` were first heard long before ``time``, a detector's listening time."""
    age = time - members.first_heard[rows]
    established: Mask = age >= ESTABLISHED_AFTER * rules.service_down_time  # false for NaN
    return established


def in_mass(
    members: Members,
    rows: Rows,
    time: float,
    rules: Rules,
    going: Callable[[Rows], tuple[Mask, Mask]],
) -> Mask:
    """Which of ``rows`` (n) are in a zone too much of which goes.

    ``going`` tells of rows which of them go or have just gone, and which count as alive but for
    that; whoever is neither does not count.
    """
    nobody = np.zeros(len(rows), np.bool_)
    if rules.storm_min <= 0 or not len(rows):
        return nobody
    zones = members.zone[rows]
    size = int(members.zone[members.used].max()) + 1
    wanted = np.zeros(size, np.bool_)
    wanted[zones] = True
    used = members.state[members.used] != Code.FREE
    inside = np.flatnonzero(wanted[members.zone[members.used]] & used)
    goes, alive = going(inside)
    established = is_established(members, inside, time, rules)
    where = members.zone[inside]

    def mass(counted: Mask) -> tuple[Mask, NDArray[np.int64]]:
        fell = np.bincount(where[goes & counted], minlength=size)
        living = np.bincount(where[alive & counted], minlength=size)
        return (fell >= rules.storm_min) & (fell >= rules.storm_fraction * living), living

    of_all, _ = mass(np.ones(len(inside), np.bool_))
    of_established, living = mass(established)
    enough = living >= rules.storm_min
    judged_alone = is_established(members, rows, time, rules) & enough[zones]
    stormy: Mask = np.where(judged_alone, of_established[zones], of_all[zones])
    return stormy
