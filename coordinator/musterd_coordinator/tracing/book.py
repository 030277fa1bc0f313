"""The book has what was recorded last of each row, so that only changes are recorded. Pure, in columns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Code, Mask, Rows, Seconds
from musterd_coordinator.process import pages
from musterd_coordinator.roll.traced import MemberColumns

Lives = NDArray[np.uint32]
"""Members by their number in the trace: the lives of their rows."""

UNTOLD, DEAD, ALIVE = -1, 0, 1
"""What a rule of Nova's said of a member: nothing yet, or what stands in a trace."""

LONG = 1.5
"""Intervals of silence from which on its end is recorded."""


class Returns(NamedTuple):
    """`Returns` are members in ``rows`` (n) that beat again ``at`` an instant, silent since ``last``.

    Instants are monotonic seconds. ``restarted`` are those of which another run beats.
    """

    rows: Rows
    at: Seconds
    last: Seconds
    restarted: Mask


class Holding(NamedTuple):
    """A `Holding` is what holds of the members in ``rows`` (n), ``since`` when, in monotonic seconds."""

    rows: Rows
    since: Seconds


class TraceBook:
    """A `TraceBook` is by row; ``life`` is 0 where no member is.

    ``interval`` is that of members of whom none is known, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.life: Lives = np.zeros(0, np.uint32)
        self.state: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.since: Seconds = np.zeros(0)  # of the state
        self.heard: Seconds = np.zeros(0)  # -inf: never
        self._incarnation: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.alive: NDArray[np.int8] = np.zeros(0, np.int8)
        self.alive_since: Seconds = np.zeros(0)
        self.age: Seconds = np.zeros(0)  # by which a rule decided that

    def follow(self, now: MemberColumns, among: slice, at: float) -> Lives:
        """Begin anew those of the rows that another member has ``at`` an instant, or none.

        Return who is gone.
        """
        self._reserve(len(now.life))
        others = among.start + np.flatnonzero(self.life[among] != now.life[among])
        before = self.life[others]
        self.life[others] = now.life[others]
        self.state[others] = np.where(now.life[others] > 0, Code.UNKNOWN, Code.FREE)
        self.since[others], self.heard[others], self.alive[others] = at, -np.inf, UNTOLD
        gone: Lives = before[before > 0]
        return gone

    def follows(self, now: MemberColumns, rows: Rows) -> Mask:
        """Say of which of ``rows`` (n) it knows the member that is there now."""
        known: Mask = rows < len(self.life)
        known &= self.life[np.where(known, rows, 0)] == now.life[rows]
        return known

    def changed(self, now: MemberColumns, among: slice, at: float) -> Holding:
        """Take in the states that there are ``at`` an instant; return where they are others than before."""
        rows = among.start + np.flatnonzero(self.state[among] != now.state[among])
        self.state[rows], self.since[rows] = now.state[rows], at
        return Holding(rows, self.since[rows])

    def returned(self, now: MemberColumns, among: slice) -> Returns:
        """Take in when members were heard last; return those that had been silent for long."""
        heard = now.heard_at[among] > self.heard[among]  # false for NaN: never
        rows = among.start + np.flatnonzero(heard)
        at, last = now.heard_at[rows], self.heard[rows]
        long = (at - last > LONG * self.intervals(now, rows)) & (last > -np.inf)
        restarted = now.incarnation[rows] != self._incarnation[rows]
        self.heard[rows], self._incarnation[rows] = at, now.incarnation[rows]
        return Returns(rows[long], at[long], last[long], restarted[long])

    def judged(self, rows: Rows, alive: Mask, ages: Seconds, at: float) -> Holding:
        """Take in what a rule says of ``rows`` (n) ``at`` an instant; return of whom it said otherwise.

        That it calls somebody alive from the beginning is nothing to say.
        """
        said = alive.astype(np.int8)
        others = said != self.alive[rows]
        told = rows[others & ~(alive & (self.alive[rows] == UNTOLD))]
        changed = rows[others]
        self.alive[changed], self.alive_since[changed] = said[others], at
        self.age[changed] = ages[others]
        return Holding(told, self.alive_since[told])

    def silent(self, now: MemberColumns, rows: Rows, at: float) -> Holding:
        """Return which of ``rows`` have been silent for long ``at`` an instant, and since when."""
        rows = rows[(self.life[rows] > 0) & (self.heard[rows] > -np.inf)]
        rows = rows[at - self.heard[rows] > LONG * self.intervals(now, rows)]
        return Holding(rows, self.heard[rows])

    def not_up(self) -> Holding:
        """Return whose verdict is not ``up``, and since when."""
        rows = np.flatnonzero(~np.isin(self.state, (Code.FREE, Code.UP)))
        return Holding(rows, self.since[rows])

    def dead(self) -> Holding:
        """Return whom a rule of Nova's calls dead, and since when."""
        rows = np.flatnonzero((self.life > 0) & (self.alive == DEAD))
        return Holding(rows, self.alive_since[rows])

    def intervals(self, now: MemberColumns, rows: Rows) -> Seconds:
        """Return how often members in ``rows`` (n) beat, in seconds."""
        known = now.interval[rows].astype(np.float64)
        known[known == 0] = self.interval
        return known

    def _reserve(self, size: int) -> None:
        for name in ("life", "state", "since", "heard", "_incarnation", "alive_since", "age"):
            setattr(self, name, pages.with_room(getattr(self, name), size))
        self.alive = pages.with_room(self.alive, size, UNTOLD)
