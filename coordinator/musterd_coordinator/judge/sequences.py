"""The sequence of a record tells whether it is a new beat of its agent's run. Pure, in columns.

A beat is new when its sequence is above the member's mark, the highest so far. Anybody who reaches
a store can write a record with any number, so:

* A number that no agent could have reached since the mark never becomes it.
* A record with a number that says nothing, but which was sent after the newest beat, is of an agent
  that lives: whatever was made of its number. The mark stays.
* Records below the mark, or beyond reach, that ascend from one to the next are the beats of an
  agent that lives, whatever made its mark wrong: the second one is new, and the mark is its. One
  that ascends to the mark itself is new as well.

An older record that comes back once is no news. One that was copied twice in its old order is taken
for news, once for each such pair.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.limits import MIN_INTERVAL
from musterd_coordinator.judge.members import Mask, Members, Rows
from musterd_coordinator.sweep.columns import Beats

Sequences = NDArray[np.uint64]

REACH = 1 << 20
"""Beats that an agent may be ahead of its mark at any time. A coordinator with a clock that stood
still, as in a suspended machine, must not take a whole fleet for strangers: at one beat a second it
may have been away for twelve days."""


class BeatNews(NamedTuple):
    """A `BeatNews` says which of n records are new beats, and which of those had a wrong mark before.

    ``beyond`` are those that no agent could have reached, ``later`` those that are new by when they
    were sent: their numbers mean nothing.
    """

    new: Mask
    corrected: Mask
    beyond: Mask
    later: Mask


def tell(members: Members, rows: Rows, beats: Beats, now: float) -> BeatNews:
    """Say what n records ``beats`` of the current runs of the members in ``rows`` (n) mean.

    Each row appears at most once. ``now`` is monotonic seconds.
    """
    sequence, mark = beats.sequence, members.sequence[rows]
    above = sequence > mark
    beyond = above & _is_beyond(members, rows, sequence, mark, now)
    fresh = above & ~beyond
    corrected, later = np.zeros((2, len(rows)), np.bool_)
    if not fresh.all():
        fresh |= _are_back(members, rows, sequence, mark)
        odd = (sequence < mark) | beyond
        corrected[odd] = _ascends(members, rows[odd], sequence[odd], beyond[odd])
        later = ~fresh & ~corrected & (beats.sent_ms > members.sent_ms[rows])
    if members.any_odd:
        members.odd_sequence[rows[fresh | corrected]] = 0
    return BeatNews(fresh | corrected | later, corrected, beyond, later)


def tell_signed(members: Members, rows: Rows, beats: Beats, now: float) -> BeatNews:
    """Do as :func:`tell`, where nobody can make up a number: only those above the mark are new."""
    del now
    no = np.zeros(len(rows), np.bool_)
    return BeatNews(beats.sequence > members.sequence[rows], no, no, no)


def _are_back(members: Members, rows: Rows, sequence: Sequences, mark: Sequences) -> Mask:
    """Say which of these records come back to their marks from below."""
    if not members.any_odd:
        return np.zeros(len(rows), np.bool_)
    before = members.odd_sequence[rows]
    back: Mask = (sequence == mark) & (before > 0) & (before < sequence)
    return back


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
    """Say whether each record is above the odd one before, by as much as can be; note it as such.

    One ``beyond`` reach is not noted in the place of one below the mark, which may be an agent's.
    """
    before = members.odd_sequence[rows]
    ascends: Mask = (before > 0) & (sequence > before) & (sequence - before <= REACH)
    spared = beyond & (before > 0) & (before < members.sequence[rows])
    members.odd_sequence[rows[~spared]] = sequence[~spared]
    members.any_odd = True
    return ascends
