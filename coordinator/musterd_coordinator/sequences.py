"""Which records of one run of an agent are new beats. Pure, in columns.

A beat is new when its sequence is above the member's mark, the highest so far. Anybody who reaches a
store can write a record with any number, so:

* A number that no agent could have reached since the mark never becomes it.
* Records below the mark, or beyond reach, that ascend from one to the next are the beats of an agent
  that lives, whatever made its mark wrong: the second one is new, and the mark is its. One that
  ascends to the mark itself is new as well.

An older record that comes back once is no news. One that was copied twice in its old order is taken
for news, once for each such pair.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.limits import MIN_INTERVAL
from musterd_coordinator.members import Mask, Members, Rows

Sequences = NDArray[np.uint64]

REACH = 1 << 20
"""Beats that an agent may be ahead of its mark at any time. A coordinator whose clock stood still, as
in a suspended machine, must not take a whole fleet for strangers: at one beat a second it may have
been away for twelve days."""


class Told(NamedTuple):
    """Of n records: which are new beats, and which of those are of a member whose mark was wrong.

    ``beyond`` are those that no agent could have reached.
    """

    new: Mask
    corrected: Mask
    beyond: Mask


def tell(members: Members, rows: Rows, sequence: Sequences, now: float) -> Told:
    """What records with these sequences (n) mean for members in ``rows`` (n) in their current run.

    Each row appears at most once. ``now`` is monotonic seconds.
    """
    mark = members.sequence[rows]
    above = sequence > mark
    beyond = above & _is_beyond(members, rows, sequence, mark, now)
    odd = (sequence < mark) | beyond
    corrected = np.zeros(len(rows), np.bool_)
    if odd.any():
        corrected[odd] = _ascends(members, rows[odd], sequence[odd], beyond[odd])
    fresh = above & ~beyond
    if members.any_odd:
        before = members.odd_sequence[rows]
        fresh |= (
            (sequence == mark) & (before > 0) & (before < sequence)
        )  # it comes back to its mark
        members.odd_sequence[rows[fresh | corrected]] = 0
    return Told(fresh | corrected, corrected, beyond)


def _is_beyond(
    members: Members, rows: Rows, sequence: Sequences, mark: Sequences, now: float
) -> Mask:
    far = sequence - np.minimum(mark, sequence) > REACH
    if not far.any():
        return far
    gone = np.nan_to_num(now - members.heard_at[rows], nan=0.0)
    reach = REACH + np.maximum(gone, 0.0) / MIN_INTERVAL
    # A run that is met for the first time has no mark: any number may be its.
    beyond: Mask = far & (mark > 0) & ((sequence - mark).astype(np.float64) > reach)
    return beyond


def _ascends(members: Members, rows: Rows, sequence: Sequences, beyond: Mask) -> Mask:
    """Whether each record is above the odd one before, by as much as can be. Notes it as such.

    One ``beyond`` reach is not noted in the place of one below the mark, which may be an agent's.
    """
    before = members.odd_sequence[rows]
    ascends: Mask = (before > 0) & (sequence > before) & (sequence - before <= REACH)
    spared = beyond & (before > 0) & (before < members.sequence[rows])
    members.odd_sequence[rows[~spared]] = sequence[~spared]
    members.any_odd = True
    return ascends
