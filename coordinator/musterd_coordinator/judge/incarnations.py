"""Runs of agents tell a restart apart from several agents with one name. Pure, in columns.

A run is known by its random incarnation. An agent that restarted never returns to the run before;
two agents, or ten, that beat under one name return to theirs again and again.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import OLDER_RUNS, Mask, Members, Rows
from musterd_coordinator.judge.transitions import Cause

CONFLICT_FLIPS = 3
"""How often runs must have returned to be called several agents with one name.

A restart seen late on one of two replicas makes two turns; it never makes three.
"""

Incarnations = NDArray[np.uint64]


class Turned(NamedTuple):
    """A `Turned` says which of n records of other runs than the current ones are ``new`` beats.

    ``restarted`` are the rows with agents that began a run that was not seen before, ``conflicts``
    those that are called a conflict by this.
    """

    new: Mask
    restarted: Rows
    conflicts: Rows


def take_turns(
    members: Members,
    rows: Rows,
    incarnation: Incarnations,
    sequence: Incarnations,
    other: Mask,
    now: float,
) -> Turned:
    """Make the run that just beat the current one, where ``other`` says that it is not."""
    first = other & (members.incarnation[rows] == 0)
    back = other & ~first & (incarnation == members.previous_incarnation[rows])
    older = other & ~first & ~back
    back &= sequence > members.previous_sequence[rows]
    where = np.flatnonzero(older)
    came_back = np.zeros(len(rows), np.bool_)
    came_back[where] = _recall(members, rows[where], incarnation[where])
    strangers = older & ~came_back
    turned = rows[back | older]
    members.previous_incarnation[turned] = members.incarnation[turned]
    members.previous_sequence[turned] = members.sequence[turned]
    members.incarnation[rows[back | older]] = incarnation[back | older]
    members.odd_sequence[turned] = 0
    restarted, returned = rows[strangers], rows[back | came_back]
    flagged = members.flips[restarted] >= CONFLICT_FLIPS
    members.flips[restarted[~flagged]] = 0
    conflicts = count_flips(members, returned, now, Cause.CONFLICT)
    return Turned(first | back | older, restarted[~flagged], conflicts)


def count_flips(members: Members, rows: Rows, now: float, cause: Cause, by: int = 1) -> Rows:
    """Count ``by`` signs more that others write the beats of ``rows``, of this ``cause``.

    Returns those that are a conflict by that.
    """
    if not len(rows):
        return rows
    before = members.flips[rows]
    members.flips[rows] = np.minimum(before.astype(np.int64) + by, np.iinfo(np.uint8).max)
    members.flipped_at[rows] = now
    flagged = members.flips[rows] >= CONFLICT_FLIPS
    members.flipped_by[rows[flagged]] = cause
    return rows[(before < CONFLICT_FLIPS) & flagged]


def _recall(members: Members, rows: Rows, incarnation: Incarnations) -> Mask:
    """Say which of these runs, that are neither current nor the one before, were seen earlier.

    The run before the current one takes the place of the one that returns, or of the oldest.
    """
    pushed = members.previous_incarnation[rows]
    recalled = np.zeros(len(rows), np.bool_)
    for name in OLDER_RUNS:
        if not pushed.any():
            break
        column = getattr(members, name)
        held = column[rows]
        same = ~recalled & (held == incarnation)
        column[rows] = np.where(recalled, held, pushed)
        recalled |= same
        pushed = np.where(recalled, 0, held)
    return recalled
